//! The wasm shell: raw exports and imports around `segproof-player-core`, for `glue/player.js`.
//!
//! One instance of this module is one session. Its memory holds the playlist's text, and behind it, only while
//! it is looked at, a Media Initialization Section; media bytes stay in JavaScript.

#![cfg_attr(target_arch = "wasm32", no_std)]

#[cfg(target_arch = "wasm32")]
mod wasm;
