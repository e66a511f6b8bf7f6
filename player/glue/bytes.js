// The core, one character per byte: see xtask/src/player/literal.rs.
export const bytes = Uint8Array.from('@wasm@', (char) => char.charCodeAt() - '@raise@');
