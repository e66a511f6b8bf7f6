//! This machine in a few words, for who compares figures; and the date.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use serde::Serialize;

/// What figures depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    pub cores: usize,
    /// `None` where nobody says.
    pub processor: Option<String>,
    pub memory_gb: Option<u64>,
    pub system: String,
}

/// How many processes can run at the same time.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Machine {
    pub fn here() -> Machine {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let system = value(&read("/etc/os-release"), "PRETTY_NAME", '=');
        Machine {
            cores: cores(),
            processor: value(&read("/proc/cpuinfo"), "model name", ':'),
            memory_gb: value(&read("/proc/meminfo"), "MemTotal", ':').and_then(|text| gigabytes(&text)),
            system: system.unwrap_or_else(|| std::env::consts::OS.to_owned()),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} cores", self.cores)?;
        if let Some(processor) = &self.processor {
            write!(f, " ({processor})")?;
        }
        if let Some(memory) = self.memory_gb {
            write!(f, ", {memory} GB")?;
        }
        write!(f, ", {}", self.system)
    }
}

/// Day and minute, in UTC.
pub fn date() -> String {
    let date = DateTime::from_timestamp(seconds() as i64, 0).unwrap_or_default();
    date.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// Since 1970.
pub fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The value of the first line that begins with a key.
fn value(text: &str, key: &str, between: char) -> Option<String> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(between));
    let (_, value) = pairs.find(|(name, _)| name.trim() == key)?;
    Some(value.trim().trim_matches('"').to_owned()).filter(|value| !value.is_empty())
}

fn gigabytes(text: &str) -> Option<u64> {
    let kilobytes: u64 = text.strip_suffix("kB")?.trim().parse().ok()?;
    Some((kilobytes + (1 << 19)) >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_read() {
        assert_eq!(
            value("NAME=x\nPRETTY_NAME=\"Debian 12\"\n", "PRETTY_NAME", '='),
            Some("Debian 12".into())
        );
        assert_eq!(value("model name\t: A CPU: fast\n", "model name", ':'), Some("A CPU: fast".into()));
        assert_eq!(value("", "model name", ':'), None);
        assert_eq!(gigabytes("24100000 kB"), Some(23));
        let words = Machine { cores: 2, processor: None, memory_gb: Some(23), system: "Debian 12".into() };
        assert_eq!(words.to_string(), "2 cores, 23 GB, Debian 12");
    }

    #[test]
    fn the_date_is_of_this_century() {
        let date = date();
        assert!(date.starts_with("20") && date.ends_with(" UTC") && date.len() == 20, "{date}");
    }
}
