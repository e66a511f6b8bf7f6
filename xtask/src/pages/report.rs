//! The report of a run in a real browser: it draws, finds what is looked for, and asks nobody for anything.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use segproof_harness::engine::Engine;
use serde::Deserialize;

use super::{driven, lent};
use crate::check::Check;
use crate::paths;

/// Opens the report in a folder, which must have a trial that failed.
pub fn run(engine: &Engine, folder: &Path) -> anyhow::Result<Vec<Check>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(lent("pages", async |webdriver| {
        let seen = tokio::time::timeout(LIMIT, look(webdriver, engine, folder)).await;
        let wrong = seen.context("it did not open in time").flatten().and_then(|seen| seen.check()).err();
        let what = format!("{}: {} draws, filters and fetches nothing", engine.name, paths::short(folder));
        Ok(vec![Check { what, wrong: wrong.map(|error| format!("{error:#}")) }])
    }))
}

async fn look(webdriver: &str, engine: &Engine, folder: &Path) -> anyhow::Result<Seen> {
    driven(webdriver, engine, "report", async |driver| {
        driver.goto(format!("file://{}#verdict=fail", folder.join("report.html").display())).await?;
        let mut seen =
            driver.execute_async(format!("{DRAWING}{LOOK}"), Vec::new()).await?.convert::<Seen>()?;
        driver.goto(format!("file://{}", folder.join(&seen.link).display())).await?;
        seen.alone = driver.execute_async(format!("{DRAWING}{LOOK_ALONE}"), Vec::new()).await?.convert()?;
        Ok(seen)
    })
    .await
}

#[derive(Debug, Deserialize)]
struct Seen {
    /// The page of the first trial that failed.
    link: String,
    /// Trials that are shown with the filter of the address, without one, and with a search for nothing.
    filtered: [usize; 3],
    failed: usize,
    all: usize,
    /// Names of trials that differ, and those of players with their engines.
    names: usize,
    columns: usize,
    /// What leads to a trial in the table of all.
    cells: usize,
    first: Drawing,
    fetched: Vec<String>,
    errors: Vec<String>,
    /// On the page of its own.
    #[serde(default)]
    alone: Option<Drawing>,
}

/// A timeline as it stands on the page.
#[derive(Debug, Deserialize)]
struct Drawing {
    lanes: Vec<String>,
    /// Marks that have a place and a size.
    marks: usize,
    /// CSS pixels, and after a step of stretching.
    width: f64,
    stretched: f64,
    /// What the last mark says when it is pointed at.
    entry: String,
    /// Whether an arrow key has led from the first to the second.
    stepped: bool,
}

impl Seen {
    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.failed > 0, "no trial failed");
        ensure!(self.filtered == [self.failed, self.all, 0], "{:?} of {self:?}", self.filtered);
        let has_table = self.columns > 1;
        ensure!(self.cells == if has_table { self.names } else { 0 }, "{} cells of {self:?}", self.cells);
        let alone = self.alone.as_ref().context("the trial's page was not opened")?;
        for drawing in [&self.first, alone] {
            let lanes = ["playlists", "segments", "appends", "buffer", "picture", "events"];
            ensure!(lanes.iter().all(|lane| drawing.lanes.iter().any(|has| has == lane)), "{drawing:?}");
            ensure!(
                drawing.stepped && drawing.marks > 20 && drawing.entry.contains("s  page "),
                "{drawing:?}"
            );
            ensure!((drawing.stretched / drawing.width - 2.0).abs() < 0.01, "{drawing:?}");
        }
        ensure!(self.fetched.is_empty(), "it has fetched {:?}", self.fetched);
        ensure!(self.errors.is_empty(), "{:?}", self.errors);
        Ok(())
    }
}

const DRAWING: &str = "
    const drawing = async (root) => {
        const chart = root.querySelector('.chart');
        const svg = chart.querySelector('svg');
        const marks = [...svg.querySelectorAll('g')].filter((mark) => mark.getBoundingClientRect().height > 0);
        // From one mark to the next by keys, and to the last one by the pointer.
        const entry = chart.nextElementSibling.querySelector('.entry');
        marks[0].dispatchEvent(new PointerEvent('pointerenter'));
        const first = entry.textContent;
        marks[0].dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }));
        const second = entry.textContent;
        marks.at(-1).dispatchEvent(new PointerEvent('pointerenter'));
        const width = svg.getBoundingClientRect().width;
        chart.nextElementSibling.querySelectorAll('button')[1].click();
        await new Promise(requestAnimationFrame);
        return {
            lanes: Array.from(chart.querySelectorAll('.names span'), (lane) => lane.textContent),
            marks: marks.length,
            width,
            stretched: svg.getBoundingClientRect().width,
            entry: entry.textContent,
            stepped: first != second && document.activeElement === marks[1],
        };
    };";

const LOOK: &str = "
    const done = arguments[0];
    const errors = [];
    addEventListener('error', ({ message }) => errors.push(message));
    addEventListener('unhandledrejection', ({ reason }) => errors.push(String(reason)));
    (async () => {
        const form = document.getElementById('filters');
        const here = () => [...document.querySelectorAll('.trial')];
        const shown = () => here().length;
        const look = (name, value) => {
            form.elements[name].value = value;
            form.dispatchEvent(new Event('input'));
            return shown();
        };
        const filtered = [shown(), look('verdict', ''), look('text', 'no trial has such words')];
        look('text', '');
        const trials = here();
        const failed = trials.filter((trial) => trial.dataset.verdict == 'fail');
        failed[0].open = true;
        await new Promise((resolve) => failed[0].addEventListener('toggle', resolve, { once: true }));
        const first = await drawing(failed[0]);
        const table = document.getElementById('matrix');
        if (table) {
            table.open = true;
            await new Promise((resolve) => table.addEventListener('toggle', resolve, { once: true }));
        }
        const distinct = (of) => new Set(trials.map(of)).size;
        done({
            link: decodeURI(failed[0].querySelector('a').getAttribute('href')),
            filtered, failed: failed.length, all: trials.length, first, errors,
            names: distinct((trial) => trial.querySelector('a').textContent),
            columns: distinct(({ dataset: { player, engine } }) => `${player}@${engine}`),
            cells: table ? table.querySelectorAll('td:not(:first-child) > a').length : 0,
            fetched: performance.getEntriesByType('resource').map(({ name }) => name),
        });
    })();";

const LOOK_ALONE: &str = "drawing(document).then(arguments[0]);";

const LIMIT: Duration = Duration::from_secs(60);
