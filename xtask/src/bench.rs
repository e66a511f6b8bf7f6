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

/// The middle one, or what is between the two in the middle; none of none.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => None,
        even if even % 2 == 0 => Some((values[half - 1] + values[half]) / 2.0),
        _ => Some(values[half]),
    }
}

/// Runs the command and gives its exit code.
pub fn command(options: &Options) -> anyhow::Result<ExitCode> {
    match &options.what {
        What::Suite(options) => suite::command(options),
        What::Player(options) => player::command(options),
    }
}
