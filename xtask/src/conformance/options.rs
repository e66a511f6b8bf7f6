//! What the command is asked for, and what follows from that alone.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{bail, ensure};
use clap::Args;
use segproof_core::report::{Partition, TrialReport};
use segproof_harness::engine::{self, Engine};
use segproof_harness::serve::Listen;

use super::{OWN_PLAYER, Speed, select};
use crate::front::{Pacing, Remote};
use crate::overload::Hindrance;
use crate::{listen, machine, paths};

/// The command's options.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Run only the trials whose name (player@browser/scenario) contains this or matches it as a glob
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
    /// A player of harness/players by name, any folder with an index.html (NAME=DIR gives it a name), or the URL of a page that
    /// is served elsewhere (in browsers with WebDriver BiDi)
    #[arg(long = "player", value_name = "NAME|DIR|URL", default_value = "reference")]
    pub players: Vec<String>,
    /// A browser engine by name, or `all`
    #[arg(long = "browser", value_name = "NAME", default_value = "chromium")]
    pub browsers: Vec<String>,
    /// Stream seconds per second, or `auto`: as fast as engine and machine can; a scenario may allow less
    #[arg(long, value_name = "N", default_value = "auto")]
    pub speed: Speed,
    /// Begin when so much of the newest segment's life has gone (0 up to 1), in place of what each scenario says
    #[arg(long, value_name = "X", value_parser = phase)]
    pub phase: Option<f64>,
    /// Make one segment of N of the fixture's, of N times the target duration, where a scenario does not say so itself
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4))]
    pub pieces: Option<u32>,
    /// Trials at the same time [default: as many as the machine carries, measured as it goes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Run every trial so many times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub repeat: u16,
    /// Do not run again what an earlier run with this option has finished, unless scenario, player, browser or harness
    /// have changed since; a page that is served elsewhere may have, and is always run
    #[arg(long, conflicts_with = "webdriver")]
    pub resume: bool,
    /// The folder of the scenarios [default: scenarios]
    #[arg(long, value_name = "DIR")]
    pub scenarios: Option<PathBuf>,
    /// SHOULD-level violations fail a trial
    #[arg(long)]
    pub strict: bool,
    /// Write down how our own player plays each scenario that leaves nothing to the moment, as a snapshot beside it, in
    /// place of comparing with that
    #[arg(long)]
    pub bless: bool,
    /// Print the trials and what they are about, and run none
    #[arg(long)]
    pub list: bool,
    /// Where the report goes [default: target/conformance]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Tell each trial that is finished as a line of JSON on stdout, as report.json has it, and nothing else there
    #[arg(long, conflicts_with_all = ["list", "compare_speeds", "keep_open"])]
    pub json: bool,
    /// Compare with this player, which is run beside the one that is given, or with the report.json of an earlier run: only what
    /// is worse fails, three times of three; with --strict also what is fixed, so that it is noted
    #[arg(long, value_name = "NAME|DIR|FILE", conflicts_with_all = ["list", "bless", "keep_open", "repeat", "compare_speeds", "json"])]
    pub baseline: Option<String>,
    /// Run everything at speed 1, too, and say whether it is judged alike; the report goes to target/compare-speeds
    #[arg(long, conflicts_with_all = ["list", "bless", "keep_open", "repeat"])]
    pub compare_speeds: bool,
    /// Use this WebDriver (a Selenium Grid, for example) in place of drivers of our own
    #[arg(long, value_name = "URL")]
    pub webdriver: Option<Remote>,
    /// The address of this machine at which its browsers reach pages and streams, as does whoever else reaches it
    /// [default: this machine alone]
    #[arg(long, value_name = "ADDR", value_parser = listen::address, requires = "webdriver")]
    pub origin_host: Option<IpAddr>,
    /// Run only every N-th trial, from the K-th
    #[arg(long, value_name = "K/N", value_parser = select::partition)]
    pub partition: Option<Partition>,
    /// Show the browsers' windows
    #[arg(long)]
    pub headed: bool,
    /// Stop with the window open where a trial is no plain pass, until Enter; one trial at a time
    #[arg(long, conflicts_with = "jobs")]
    pub keep_open: bool,
    /// Install what is missing; each command is printed before it runs
    #[arg(long)]
    pub yes: bool,
    /// Trials are not told as they finish
    #[arg(skip)]
    pub is_quiet: bool,
    /// A page beside the report that it is to link to
    #[arg(skip)]
    pub beside: Option<&'static str>,
    /// Whether an inconclusive trial leaves open what is asked: only such a one is run again
    #[arg(skip = always as fn(&TrialReport) -> bool)]
    pub is_needed: fn(&TrialReport) -> bool,
    /// Whether a CI service that runs this hears of failures
    #[arg(skip = true)]
    pub tells_ci: bool,
    /// What makes it hard for the run
    #[arg(skip)]
    pub hindrance: Hindrance,
}

fn always(_: &TrialReport) -> bool {
    true
}

impl Default for Options {
    fn default() -> Options {
        Options {
            filters: Vec::new(),
            players: vec![OWN_PLAYER.to_owned()],
            browsers: vec![engine::ENGINES[0].name.to_owned()],
            speed: Speed::Auto,
            phase: None,
            pieces: None,
            jobs: None,
            repeat: 1,
            resume: false,
            scenarios: None,
            strict: false,
            bless: false,
            list: false,
            out: None,
            json: false,
            tells_ci: true,
            baseline: None,
            compare_speeds: false,
            webdriver: None,
            origin_host: None,
            partition: None,
            headed: false,
            keep_open: false,
            yes: false,
            is_quiet: false,
            beside: None,
            is_needed: always,
            hindrance: Hindrance::None,
        }
    }
}

impl Options {
    /// How many trials at a time, and whether that is for the machine to say.
    pub fn pacing(&self) -> Pacing {
        let count = |n: usize| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
        match self.jobs {
            _ if self.keep_open => Pacing::ONE_AT_A_TIME,
            Some(jobs) => Pacing::Fixed(count(jobs.into())),
            None => Pacing::Measured {
                first: count(machine::cores() * PER_CORE),
                most: count(machine::cores() * PER_CORE_MOST),
                slows_down: self.speed == Speed::Auto,
            },
        }
    }

    /// Where pages and streams are served.
    pub fn listen(&self) -> anyhow::Result<Listen> {
        if let (Some(remote), None) = (&self.webdriver, self.origin_host) {
            ensure!(
                remote.is_here(),
                "browsers at {remote} can't reach 127.0.0.1, where pages and streams are served: name the address of this \
                 machine at which they reach it with --origin-host ADDR (docs/remote.md)"
            );
        }
        listen::at(self.origin_host, 0)
    }

    /// The output folder, absolute.
    pub fn out(&self) -> PathBuf {
        let folder = self.out.clone().unwrap_or_else(|| paths::target().join("conformance"));
        std::path::absolute(&folder).unwrap_or(folder)
    }
}

/// The engines that the options name, each once.
pub fn engines(options: &Options) -> anyhow::Result<Vec<&'static Engine>> {
    let is_here = |engine: &&Engine| options.webdriver.is_some() || !engine.is_remote_only();
    let known: Vec<&str> = engine::ENGINES.iter().map(|engine| engine.name).collect();
    let mut engines: Vec<&'static Engine> = Vec::new();
    for name in &options.browsers {
        let found: Vec<&'static Engine> = match name.as_str() {
            "all" => engine::ENGINES.iter().filter(is_here).collect(),
            name => engine::engine(name).into_iter().collect(),
        };
        if found.is_empty() {
            bail!("there is no browser {name}; known are {} and all", known.join(", "));
        }
        engines.extend(found);
    }
    let mut seen = BTreeSet::new();
    engines.retain(|engine| seen.insert(engine.name));
    Ok(engines)
}

/// A browser that plays takes a good part of a core.
const PER_CORE: usize = 2;

/// With so many, two cores are busy, and heartbeats still early enough; with four, what is run again costs more than is won.
const PER_CORE_MOST: usize = 3;

pub fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err(format!("`{text}` is not a number above 0")),
    }
}

fn phase(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..1.0).contains(number));
    number.ok_or_else(|| format!("`{text}` is no number from 0 up to, but not including, 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_elsewhere_want_an_address_that_they_reach() {
        let listen = |url: &str, origin_host| {
            let webdriver = Some(url.parse().expect("a URL"));
            Options { webdriver, origin_host, ..Options::default() }.listen()
        };
        let own = std::net::Ipv4Addr::LOCALHOST.into();
        assert_eq!(listen("http://localhost:4444", None).expect("this machine"), Listen::default());
        let error = listen("http://grid:4444", None).expect_err("elsewhere").to_string();
        assert!(error.contains("--origin-host"), "{error}");
        // A name of this machine's that only its owner knows to be one.
        assert_eq!(listen("http://grid:4444", Some(own)).expect("said so").host, own);
    }

    #[test]
    fn engines_are_named_once() {
        let names = |names: &[&str], webdriver: Option<&str>| {
            let browsers = names.iter().map(|name| name.to_string()).collect();
            let webdriver = webdriver.map(|url| url.parse().expect("a URL"));
            engines(&Options { browsers, webdriver, ..Options::default() }).map(|engines| engines.len())
        };
        assert_eq!(names(&["chromium", "chromium"], None).expect("known"), 1);
        let grid = Some("http://127.0.0.1:4444");
        assert_eq!(names(&["all", "chromium"], grid).expect("known"), engine::ENGINES.len());
        let of_here = engine::ENGINES.iter().filter(|engine| !engine.is_remote_only()).count();
        assert_eq!(names(&["all", "chromium"], None).expect("known"), of_here);
        assert_eq!(names(&["all", "safari"], None).expect("known"), of_here + 1);
        assert!(names(&["netscape"], None).expect_err("unknown").to_string().contains("chromium"));
    }
}
