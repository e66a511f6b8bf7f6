//! Sessions around what a scenario's own `[expect]` asks.

use segproof_core::notation::Counts;
use segproof_core::trace::PageEvent;

use super::{Pairs, bent};
use crate::session::{Session, TD_MS};

pub const PAIRS: &[Pairs] = &[
    Pairs {
        rule: "session/request-rate",
        // At the beginning: playlist, init, three segments.
        bad: &[("five at once", || bent(|s| s.expect.requests_per_td = Some(4)))],
        fair: &[("as many as allowed", || bent(|s| s.expect.requests_per_td = Some(5)))],
    },
    Pairs {
        rule: "session/errors",
        bad: &[
            ("one too many", || {
                bent(|s| {
                    errors(s, 2);
                    s.expect.errors = Some(Counts { first: 0, last: Some(1) });
                })
            }),
            ("none where one is due", || bent(|s| s.expect.errors = Some(Counts { first: 1, last: None }))),
        ],
        fair: &[
            ("as many as expected", || {
                bent(|s| {
                    errors(s, 1);
                    s.expect.errors = Some(Counts { first: 1, last: Some(1) });
                })
            }),
            ("nobody asked", || bent(|s| errors(s, 9))),
        ],
    },
    Pairs {
        rule: "session/buffered",
        bad: &[("two ranges are too much together", || {
            bent(|s| {
                hold(s);
                s.expect.buffered_limit_ms = Some(59_000.0);
            })
        })],
        fair: &[("just within the limit", || {
            bent(|s| {
                hold(s);
                s.expect.buffered_limit_ms = Some(60_000.0);
            })
        })],
    },
    Pairs {
        rule: "view/latency",
        // The first frame is that of 102, whose end was published 4 s before, and it is shown after 200 ms.
        bad: &[("the start is too far back", || bent(|s| s.expect.latency_limit_ms = Some(6100.0)))],
        fair: &[("just within the limit", || bent(|s| s.expect.latency_limit_ms = Some(6300.0)))],
    },
    Pairs {
        rule: "view/shown",
        bad: &[
            ("one that is forbidden", || bent(|s| s.expect.must_not_show = [106].into())),
            ("one that is demanded", || bent(|s| s.expect.must_show = [101].into())),
        ],
        fair: &[("as the scenario says", || {
            bent(|s| {
                s.expect.must_show = [102, 110].into();
                s.expect.must_not_show = [101].into();
            })
        })],
    },
];

fn errors(s: &mut Session, count: usize) {
    for n in 0..count {
        let at_ms = 3.0 * TD_MS + n as f64;
        s.page(at_ms, PageEvent::PlayerError { fatal: false, message: "a 404".into() });
    }
}

fn hold(s: &mut Session) {
    s.page(9000.0, PageEvent::UpdateEnd { buffer: 1, buffered: vec![(0.0, 30.0), (40.0, 70.0)] });
}
