//! The suite's shell: everything that touches files, sockets, processes and browsers.

pub mod engine;
pub mod plan;
