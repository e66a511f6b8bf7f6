//! The project's commands: `cargo xtask COMMAND`. One file per command.

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

mod bench;
mod check;
mod conformance;
mod digest;
mod doctor;
mod doubt;
mod fixtures;
mod front;
mod grid;
mod guide;
mod hunt;
mod listen;
mod machine;
mod matrix;
mod mutants;
mod overload;
mod pages;
mod paths;
mod player;
mod processes;
mod report;
mod schema;
mod serve;
mod stop;
mod test;
mod written;

use doctor::{Consent, Need};
use player::Form;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Play live-streaming faults to real browsers, and judge what their players do"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the conformance suite: every scenario against every player in every browser asked for.
    Conformance(Box<conformance::Options>),
    /// Run every player in every engine, and make one table of it.
    Matrix(matrix::Options),
    /// Serve one scenario to any browser, and judge what it does.
    Serve(serve::Options),
    /// Run every test of the workspace, then the smoke trials in a browser.
    Test(test::Options),
    /// Say what this machine lacks and which command installs it.
    Doctor(doctor::Options),
    /// Run the players that must fail, and see each of them caught.
    Mutants(mutants::Options),
    /// Run our own player on a machine that can't keep up, and see it accused of nothing.
    Overload(overload::Options),
    /// Draw scenarios by chance, and make what a player fails as small as it gets.
    Hunt(hunt::Options),
    /// Break the rules and the origin line by line, and see the tests notice.
    Doubt(doubt::Options),
    /// Measure what things cost.
    Bench(bench::Options),
    /// Work on the reports of earlier runs.
    #[command(subcommand)]
    Report(report::Command),
    /// Open the pages that assert what the suite makes of a page's world, and pages that are served elsewhere.
    Pages(pages::Options),
    /// Run trials through a Selenium Grid that is started here, and see them end as without one.
    Grid(grid::Options),
    /// Build the player and print its sizes.
    Player(PlayerOptions),
    /// Make the media of the fixtures.
    Fixtures,
    /// Write the scenario file's schema and reference, the rules and the engines from the code, and the matrix' page from docs/matrix.json.
    Schema,
}

#[derive(Debug, Args)]
struct PlayerOptions {
    /// Build it by cargo alone, which can be read, and is a quarter larger
    #[arg(long, conflicts_with = "yes")]
    plain: bool,
    /// Write the sizes into player/README.md
    #[arg(long, conflicts_with = "plain")]
    publish: bool,
    /// Install what is missing; each command is printed before it runs
    #[arg(long)]
    yes: bool,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Conformance(options) => conformance::command(*options),
        Command::Matrix(options) => matrix::command(&options),
        Command::Serve(options) => serve::command(options),
        Command::Test(options) => test::command(options),
        Command::Doctor(options) => doctor::command(options),
        Command::Mutants(options) => mutants::command(&options),
        Command::Overload(options) => overload::command(&options),
        Command::Hunt(options) => hunt::command(&options),
        Command::Doubt(options) => doubt::command(&options),
        Command::Bench(options) => bench::command(&options),
        Command::Report(command) => report::command(command),
        Command::Pages(options) => pages::command(options),
        Command::Grid(options) => grid::command(&options),
        Command::Player(options) => player_command(&options),
        Command::Fixtures => fixtures::command(),
        Command::Schema => schema::command(),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(OWN_FAULT)
    })
}

fn player_command(options: &PlayerOptions) -> anyhow::Result<ExitCode> {
    let form = if options.plain { Form::Plain } else { Form::Shipped };
    let tools: &[Need] = if options.plain { &[] } else { &[Need::Npm, Need::PlayerTools] };
    doctor::provide(&[&[Need::WasmTarget], tools].concat(), Consent::from_yes(options.yes))?;
    player::build(&paths::root(), &paths::target(), form)?;
    let package = paths::target().join("player/package");
    for module in player::package::modules(&package)? {
        let player::Sizes { raw, gzip, brotli } = module.sizes;
        println!("{}: {raw} bytes, {gzip} with gzip, {brotli} with brotli", module.name);
        println!("     integrity=\"{}\"", module.integrity);
    }
    println!("{}", paths::short(&package));
    if options.publish {
        player::package::publish(&paths::root(), &package)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The exit code for what is no player's doing: a tool that is missing, a scenario that cannot be read.
pub const OWN_FAULT: u8 = 2;
