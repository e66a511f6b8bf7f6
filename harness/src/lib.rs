//! The suite's shell: everything that touches files, sockets, processes and browsers.

pub mod plan;
pub mod serve;
