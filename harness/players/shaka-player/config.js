// The player's own defaults. A folder that extends this one has its configuration in a config.js of its own: docs/your-player.md.
const config = {};
