//! The suite's shell: everything that touches files, sockets, processes and browsers.
//!
//! [`run`] is the sentence the whole suite reads as.

pub mod browser;
pub mod engine;
pub mod fixtures;
pub mod packager;
pub mod plan;
pub mod player;
pub mod run;
pub mod serve;
