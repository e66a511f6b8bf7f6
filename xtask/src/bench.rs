//! `cargo xtask bench`: what things cost, measured.

mod player;
mod suite;
mod tree;

use std::process::ExitCode;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What a trial costs, and how much faster the suite is than one trial after the other at speed 1.
    Suite(suite::Options),
    /// How soon players show their first frame, on three links.
    Player(player::Options),
}

/// Runs the command and gives its exit code.
pub fn command(options: &Options) -> anyhow::Result<ExitCode> {
    match &options.what {
        What::Suite(options) => suite::command(options),
        What::Player(options) => player::command(options),
    }
}
