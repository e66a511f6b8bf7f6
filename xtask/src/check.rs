//! Things that had to be so, and whether they are: what commands other than the suite itself end with.

use std::process::ExitCode;

/// One thing that had to be so.
#[derive(Debug)]
pub struct Check {
    pub what: String,
    /// Why it is not so.
    pub wrong: Option<String>,
}

/// How many of them are not so.
pub fn wrong(checks: &[Check]) -> usize {
    checks.iter().filter(|check| check.wrong.is_some()).count()
}

/// Prints a line for each; what is wrong comes last, where the eye is and where no log is cut.
pub fn print(checks: &[Check]) {
    for check in checks.iter().filter(|check| check.wrong.is_none()) {
        println!("ok    {}", check.what);
    }
    for check in checks {
        if let Some(why) = &check.wrong {
            println!("WRONG {}: {why}", check.what);
        }
    }
}

/// Prints a line for each and one for all, and gives the command's exit code.
pub fn conclude(checks: &[Check]) -> ExitCode {
    print(checks);
    let wrong = wrong(checks);
    println!("{} passed, {wrong} failed", checks.len() - wrong);
    ExitCode::from(u8::from(wrong > 0))
}
