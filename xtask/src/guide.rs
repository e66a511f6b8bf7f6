//! The pages of docs/ that are to be followed word by word: their files are written, their commands run, and each must end as
//! its page says.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use clap::Parser;

use crate::check::Check;
use crate::{Cli, Command, conformance, paths};

/// Follows the pages; their files are written where they say.
pub fn run() -> anyhow::Result<Vec<Check>> {
    let mut checks = Vec::new();
    for page in PAGES {
        checks.extend(follow(page)?);
    }
    checks.push(gate()?);
    Ok(checks)
}

/// What the action for GitHub runs, where a player has become worse: as docs/ci.md says, with the summary that a job shows.
fn gate() -> anyhow::Result<Check> {
    let summary = paths::target().join("summary.md");
    std::fs::write(&summary, "")?;
    let players = paths::root().join("harness/players");
    let action = paths::root().join(".github/actions/gate");
    let status = paths::outside_of_cargo(&mut std::process::Command::new("bash"))
        .arg(action.join("run.sh"))
        .envs([
            ("PLAYER", "mutants/skips-at-the-first-404"),
            ("BASELINE", "innocents/plain"),
            ("SCENARIOS", "segment/404-once session/round-numbers"),
            ("BROWSERS", "chromium"),
        ])
        // That it fails is what this is about, and nothing for a job's own annotations.
        .env_remove("GITHUB_ACTIONS")
        .env("GITHUB_ACTION_PATH", &action)
        .env("GITHUB_STEP_SUMMARY", &summary)
        .current_dir(players)
        .status()
        .context("bash")?;
    let told = std::fs::read_to_string(&summary)?;
    let expected = ["1 alike, 1 worse", "worse head@chromium/segment/404-once", "no frame of segment 105"];
    let missing: Vec<_> = expected.into_iter().filter(|words| !told.contains(words)).collect();
    Ok(Check {
        what: "the action for GitHub fails what is worse, and the job's summary tells it".to_owned(),
        wrong: (status.code() != Some(1) || !missing.is_empty())
            .then(|| format!("it ended with {status}, and told nothing of {missing:?}: {told}")),
    })
}

fn follow(page: &str) -> anyhow::Result<Vec<Check>> {
    let text = std::fs::read_to_string(paths::root().join(page)).with_context(|| page.to_owned())?;
    let mut checks = Vec::new();
    let steps = steps(&text).with_context(|| page.to_owned())?;
    for step in &steps {
        // The page begins with nothing, and so does whoever follows it again.
        if let Step::File { path, .. } = step {
            match std::fs::remove_file(paths::root().join(path)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).context((*path).to_owned());
                }
                _ => {}
            }
        }
    }
    for step in steps {
        match step {
            Step::File { path, text } => {
                let path = paths::root().join(path);
                std::fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
                std::fs::write(&path, text).with_context(|| path.display().to_string())?;
            }
            Step::Command { line, exit } => {
                let found = execute(&line)?;
                checks.push(Check {
                    what: format!("`{line}` ends with {exit}, as {page} says"),
                    wrong: (found != exit).then(|| format!("it ended with {found}")),
                });
            }
        }
    }
    Ok(checks)
}

/// A fenced block of the page that is to be followed.
#[derive(Debug, PartialEq)]
enum Step<'a> {
    File { path: &'a str, text: String },
    Command { line: String, exit: u8 },
}

/// The blocks whose first line names a path, or how the command in them ends.
fn steps(page: &str) -> anyhow::Result<Vec<Step<'_>>> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let Some((_, detail)) = info.split_once(' ') else { continue };
        found.push(match detail.strip_prefix("exit=") {
            Some(exit) => Step::Command { line: body.join(" "), exit: exit.parse().context("an exit code")? },
            None => Step::File { path: detail, text: body.join("\n") + "\n" },
        });
    }
    ensure!(!found.is_empty(), "there is no step");
    Ok(found)
}

/// Runs a command as the terminal would, in this process.
fn execute(line: &str) -> anyhow::Result<u8> {
    let words = line.split_whitespace().skip(1);
    match Cli::try_parse_from(words)?.command {
        // That some fail is what the pages are about.
        Command::Conformance(options) => {
            conformance::code(conformance::Options { tells_ci: false, ..*options })
        }
        _ => bail!("a command that is not followed: {line}"),
    }
}

const PAGES: [&str; 3] = ["docs/your-player.md", "docs/field-bug.md", "docs/ci.md"];

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    /// GitHub's own actions end with an error there, and their expressions have no function that would resolve it.
    #[test]
    fn no_action_is_given_a_path_that_goes_up() {
        let action = paths::root().join(".github/actions/gate/action.yml");
        let text = std::fs::read_to_string(action).expect("the action");
        let ups: Vec<_> = text.lines().filter(|line| line.contains("${{") && line.contains("..")).collect();
        assert!(ups.is_empty(), "{ups:?}");
    }

    /// In code within a line, and in lines that are code. With places to be filled in, such as FOLDER, they run nowhere; but what
    /// they name must be there.
    #[test]
    fn each_command_that_a_page_names_is_there() {
        let root = paths::root();
        let mut pages: Vec<_> =
            ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"].map(|name| root.join(name)).into();
        for folder in ["docs", "fixtures", "player", "scenarios"] {
            let entries = std::fs::read_dir(root.join(folder)).expect(folder);
            let files = entries.map(|entry| entry.expect(folder).path());
            pages.extend(files.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
        }
        let mut count = 0;
        for page in pages {
            let text = std::fs::read_to_string(&page).expect("a page");
            let lines = text.lines().filter_map(|line| line.strip_prefix("    "));
            for code in text.split('`').skip(1).step_by(2).chain(lines) {
                let Some(rest) = code.strip_prefix("cargo xtask ") else { continue };
                let words = rest.split(" #").next().unwrap_or(rest).split_whitespace();
                let words = words.filter(|word| !word.starts_with(['[', ']']) && !word.ends_with(']'));
                let kind = Cli::try_parse_from(std::iter::once("cargo xtask").chain(words))
                    .err()
                    .map(|error| error.kind());
                let is_there =
                    !matches!(kind, Some(ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand));
                assert!(is_there, "{}: cargo xtask {rest}: {kind:?}", page.display());
                count += 1;
            }
        }
        assert!(count > 40, "{count}");
    }

    #[test]
    fn the_readme_shows_a_scenario_as_it_is() {
        let read = |name| std::fs::read_to_string(paths::root().join(name)).expect(name);
        let scenario = read("scenarios/segment/404-once/scenario.toml");
        assert!(read("README.md").contains(&format!("```toml\n{scenario}```\n")), "{scenario}");
    }

    #[test]
    fn files_and_commands_are_steps_and_other_blocks_are_not() {
        let page = "a\n```html x/y.html\n<p>\n```\n```sh exit=1\ncargo b\n```\n```sh\nno step\n```\n";
        let found = steps(page).expect("steps");
        assert_eq!(
            found,
            [
                Step::File { path: "x/y.html", text: "<p>\n".to_owned() },
                Step::Command { line: "cargo b".to_owned(), exit: 1 },
            ]
        );
        assert!(steps("nothing").is_err());
    }
}
