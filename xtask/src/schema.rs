//! `cargo xtask schema`: what editors and people read about the scenario file and the rules, written from the code that reads
//! and applies them, about the engines and what they are allowed, and about the matrix, written from what was published of it.

mod engines;

use std::process::ExitCode;

use anyhow::Context;
use segproof_core::rules;
use segproof_core::scenario::{reference, schema};

use crate::matrix::Published;
use crate::{paths, report};

/// Writes all of them. That they are current is a test of each.
pub fn command() -> anyhow::Result<ExitCode> {
    for (file, text) in [
        ("scenarios/scenario.schema.json", schema::file()),
        ("docs/scenario.md", reference::page()),
        ("docs/rules.md", rules::page::page()),
    ] {
        let path = paths::root().join(file);
        let folder = path.parent().context("the root has no parent")?;
        std::fs::create_dir_all(folder).with_context(|| paths::short(folder))?;
        report::write_file(&path, text.as_bytes())?;
        println!("{}", paths::short(&path));
    }
    let path = paths::root().join(engines::FILE);
    let page = std::fs::read_to_string(&path).context(engines::FILE)?;
    let page =
        engines::told_in(&page).with_context(|| format!("{} has not all of its marks", engines::FILE))?;
    report::write_file(&path, page.as_bytes())?;
    println!("{}", engines::FILE);
    Published::read()?.write()?;
    Ok(ExitCode::SUCCESS)
}
