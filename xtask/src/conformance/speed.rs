//! `--speed`: a number, or as fast as it goes.

use std::fmt;
use std::str::FromStr;

use segproof_harness::engine::Engine;

/// How much faster than life trials are to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// As fast as the engine can, and slower where the machine can't keep up.
    Auto,
    /// Stream seconds per wall second.
    Fixed(f64),
}

impl Speed {
    /// What a trial is planned with in this engine.
    pub fn in_engine(self, engine: &Engine) -> f64 {
        match self {
            Speed::Auto => engine.speed_max,
            Speed::Fixed(speed) => speed,
        }
    }
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Speed, String> {
        if text == "auto" {
            return Ok(Speed::Auto);
        }
        match super::positive(text) {
            Ok(speed) => Ok(Speed::Fixed(speed)),
            Err(why) => Err(format!("{why}, or `auto`")),
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Speed::Auto => write!(f, "auto"),
            Speed::Fixed(speed) => write!(f, "{speed}"),
        }
    }
}
