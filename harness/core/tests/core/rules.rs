//! Each row of the law: the good session keeps it, a bent one breaks it and no other, and a lawful session that
//! looks like the bent one breaks none.

mod applies;
mod asked;
mod hls;
mod mse;
mod session;
mod stall;
mod view;

use std::collections::BTreeSet;
use std::fmt::Write;

use segproof_core::report::Level;
use segproof_core::rules::{Case, RULES, Rule, Violation};
use segproof_core::view::View;

use crate::session::{Plan, Session};

/// The tests of one rule.
struct Pairs {
    rule: &'static str,
    /// Sessions that break this rule and no other.
    bad: &'static [Bent],
    /// Lawful sessions that look like the bad ones.
    fair: &'static [Bent],
}

/// A name, and the session of that name.
type Bent = (&'static str, fn() -> Session);

fn all() -> impl Iterator<Item = &'static Pairs> {
    [asked::PAIRS, mse::PAIRS, hls::PAIRS, session::PAIRS, view::PAIRS, stall::PAIRS].into_iter().flatten()
}

/// A live session, bent.
fn bent(bend: impl FnOnce(&mut Session)) -> Session {
    bent_from(Session::live(), bend)
}

fn bent_from(mut session: Session, bend: impl FnOnce(&mut Session)) -> Session {
    bend(&mut session);
    session.seal();
    session
}

/// What is broken: the rule, the level it weighs with, and the sentence.
fn broken(session: &Session) -> Vec<(&'static str, Level, String)> {
    accusations(session).into_iter().map(|(rule, level, violation)| (rule, level, violation.what)).collect()
}

fn accusations(session: &Session) -> Vec<(&'static str, Level, Violation)> {
    let view = View::new(&session.trace, &session.expect);
    let case = Case { trace: &session.trace, expect: &session.expect, view: &view };
    let of = |rule: &Rule| {
        let (id, level) = (rule.id, rule.level);
        (rule.check)(&case).into_iter().map(move |v| (id, v.level.unwrap_or(level), v))
    };
    RULES.iter().flat_map(of).collect()
}

fn levels(session: &Session) -> Vec<Level> {
    broken(session).into_iter().map(|(_, level, _)| level).collect()
}

#[test]
fn every_rule_has_a_session_that_breaks_it_and_a_lawful_one() {
    let rows: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
    let ids: BTreeSet<_> = rows.iter().copied().collect();
    assert_eq!(ids.len(), rows.len(), "a rule's id is given twice");
    let covered: BTreeSet<_> =
        all().filter(|p| !p.bad.is_empty() && !p.fair.is_empty()).map(|p| p.rule).collect();
    assert_eq!(covered, ids);
}

#[test]
fn good_sessions_break_no_rule() {
    // Eight segments make a lap: the burnt-in numbers begin anew, and the same bytes come again.
    let laps = Plan { lap_segments: 8, ..Plan::LIVE };
    for (name, session) in
        [("live", Session::live()), ("ended", Session::ended()), ("laps", Session::new(laps))]
    {
        assert_eq!(broken(&session), [], "{name}");
    }
}

#[test]
fn a_bad_session_breaks_its_rule_and_no_other() {
    let mut wrong = String::new();
    for pairs in all() {
        for (name, session) in pairs.bad {
            let broken = broken(&session());
            let ids: BTreeSet<_> = broken.iter().map(|(id, _, _)| *id).collect();
            if ids != BTreeSet::from([pairs.rule]) {
                wrong.push_str(&format!("{}: {name}: {broken:#?}\n", pairs.rule));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Its figures and its moment, too: what is measured wrongly is a wrong verdict elsewhere.
#[test]
fn what_is_said_of_each_bad_session() {
    let mut said = String::new();
    for pairs in all() {
        for (name, session) in pairs.bad {
            let session = session();
            let _ = writeln!(said, "{}: {name}", pairs.rule);
            for (_, level, violation) in accusations(&session) {
                let _ = writeln!(said, "  {level:?} at {:.0}: {}", violation.at_ms, violation.what);
            }
        }
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_lawful_session_that_looks_bad_breaks_no_rule() {
    let mut wrong = String::new();
    for pairs in all() {
        for (name, session) in pairs.fair {
            let broken = broken(&session());
            if !broken.is_empty() {
                wrong.push_str(&format!("{}: {name}: {broken:#?}\n", pairs.rule));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
