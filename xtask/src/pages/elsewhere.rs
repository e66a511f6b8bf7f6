//! Pages that a server of their own serves (`--player URL`) are judged as when we serve them, and what can't be watched
//! in them is said to be so.

use std::path::{Component, Path};

use anyhow::Context;
use axum::Router;
use axum::extract::Path as UrlPath;
use axum::http::{StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use segproof_core::report::{TrialReport, Verdict};
use segproof_harness::engine::Engine;
use segproof_harness::player::{PAGE_FILE, Player};
use tokio::net::TcpListener;

use crate::check::Check;
use crate::{conformance, paths, report};

/// Runs a correct player, a mutant and pages that can't be watched.
pub fn run(engine: &Engine) -> anyhow::Result<Vec<Check>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let site = format!("http://{}", listener.local_addr()?);
    let server = runtime.spawn(async { axum::serve(listener, routes()).await });
    let mutant = Player::read(&players().join(MUTANT))?.settings.mutant;
    let mutant = mutant.with_context(|| format!("{MUTANT} breaks nothing"))?;
    let pages = [
        (format!("moved/{CORRECT}"), Wanted::Pass),
        (format!("plain/{MUTANT}"), Wanted::Fail(&mutant.rule)),
        (format!("strict/{CORRECT}"), Wanted::Inconclusive("Content Security Policy (connect-src)")),
        (format!("framed/{CORRECT}"), Wanted::Inconclusive("in a frame")),
        (format!("login/{CORRECT}"), Wanted::Inconclusive("without ?src=")),
    ];
    let report = conformance::run_whole(conformance::Options {
        filters: vec![SCENARIO.to_owned()],
        browsers: vec![engine.name.to_owned()],
        players: pages.iter().map(|(page, _)| format!("{site}/{page}/{PAGE_FILE}")).collect(),
        out: Some(paths::target().join("elsewhere")),
        ..conformance::Options::default()
    })?;
    server.abort();
    let checks = pages.iter().zip(&report.trials).map(|((page, wanted), trial)| Check {
        what: format!("{}: {page}, served elsewhere, {wanted}", engine.name),
        wrong: (!wanted.is(trial)).then(|| report::trial_line(trial)),
    });
    Ok(checks.collect())
}

/// What a trial is to end with.
enum Wanted<'a> {
    Pass,
    Fail(&'a str),
    /// The reason has these words.
    Inconclusive(&'a str),
}

impl Wanted<'_> {
    fn is(&self, trial: &TrialReport) -> bool {
        match self {
            Wanted::Pass => trial.verdict == Verdict::Pass,
            Wanted::Fail(rule) => {
                trial.verdict == Verdict::Fail
                    && trial.violations.iter().any(|violation| violation.binding && violation.rule == *rule)
            }
            Wanted::Inconclusive(words) => {
                trial.verdict == Verdict::Inconclusive
                    && trial.reason.as_ref().is_some_and(|reason| reason.contains(words))
            }
        }
    }
}

impl std::fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Wanted::Pass => f.write_str("passes"),
            Wanted::Fail(rule) => write!(f, "is caught by {rule}"),
            Wanted::Inconclusive(words) => write!(f, "is inconclusive: {words}"),
        }
    }
}

/// The players of this checkout, without any of the suite's scripts in them.
fn routes() -> Router {
    Router::new()
        .route("/plain/{*file}", get(|UrlPath(file): UrlPath<String>| async move { served(&file) }))
        .route("/moved/{*file}", get(|uri: Uri| async move { Redirect::to(&moved(&uri, "moved")) }))
        .route(
            "/framed/{*file}",
            get(|uri: Uri| async move {
                Html(format!(
                    "<!doctype html><iframe allow=autoplay src='{}'></iframe>",
                    moved(&uri, "framed")
                ))
            }),
        )
        .route("/login/{*file}", get(|| async { Redirect::to(&format!("/plain/{CORRECT}/{PAGE_FILE}")) }))
        .route(
            "/strict/{*file}",
            get(|UrlPath(file): UrlPath<String>| async move {
                ([(header::CONTENT_SECURITY_POLICY, "connect-src 'self'")], served(&file))
            }),
        )
}

/// The same page where nothing is done to it.
fn moved(uri: &Uri, place: &str) -> String {
    uri.to_string().replacen(place, "plain", 1)
}

fn served(file: &str) -> Response {
    let content_type = match file.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        _ => "text/javascript; charset=utf-8",
    };
    match read(file) {
        Some(bytes) => ([(header::CONTENT_TYPE, content_type)], bytes).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn read(file: &str) -> Option<Vec<u8>> {
    let file = Path::new(file);
    let is_inside = file.components().all(|part| matches!(part, Component::Normal(_)));
    let player = Player::read(&players().join(file.parent().filter(|_| is_inside)?)).ok()?;
    player.folders().iter().find_map(|folder| std::fs::read(folder.join(file.file_name()?)).ok())
}

fn players() -> std::path::PathBuf {
    paths::root().join("harness/players")
}

const CORRECT: &str = "innocents/plain";
const MUTANT: &str = "mutants/skips-at-the-first-404";
const SCENARIO: &str = "segment/404-once";
