// Whether this is player-full.js: xtask/src/player.rs makes both of the same files.
export const FULL = false;
