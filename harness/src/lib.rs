//! The suite's shell: everything that touches files, sockets, processes and browsers.

pub mod fixtures;
pub mod packager;
pub mod plan;
pub mod serve;
