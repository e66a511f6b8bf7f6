//! Whether a trial was about what its scenario says: which faults met a request, what never came about, which rules
//! had anything to judge.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::expect::Expect;
use crate::rules::{Case, RULES};
use crate::scenario::Scenario;
use crate::selfcheck;
use crate::trace::{Resource, Trace};
use crate::view::View;

/// What one trial has covered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Kinds of the faults that met a request, as their keys are called.
    pub faults: BTreeSet<String>,
    /// Rules that had anything to judge.
    pub rules: BTreeSet<String>,
    /// What the scenario says and the trial never came to, each in words.
    pub unreached: Vec<String>,
}

/// Reads what a trial covered; `fired` holds the indices of the scenario's faults that met a request.
pub fn coverage(scenario: &Scenario, fired: &BTreeSet<usize>, trace: &Trace, expect: &Expect) -> Coverage {
    let mut coverage = Coverage::default();
    for (i, fault) in scenario.faults().enumerate() {
        // A refused connection asks for nothing: being refused for a while is all there is to it.
        let from_ms = fault.from.map_or(0.0, |from| expect.moment_ms(from));
        let has_fired = if fault.refuse { trace.ended_at_ms > from_ms } else { fired.contains(&i) };
        if has_fired {
            coverage.faults.extend(fault.kinds().into_iter().map(str::to_string));
        } else if !fault.never {
            let what = fault.kinds().join("`, `");
            coverage.unreached.push(format!("fault {} (`{what}` on {}) met no request", i + 1, fault.on));
        }
    }
    for restart in scenario.restart.iter().map(|restart| restart.get_ref()) {
        let Some(at) = restart.first() else { continue };
        let is_listed =
            |r: &crate::trace::Request| r.delivered_listings().iter().any(|listing| listing.msn >= at);
        if !trace.requests.iter().any(is_listed) {
            coverage.unreached.push(format!("the restart at segment {at} was in no delivered playlist"));
        }
    }
    let findings: BTreeSet<&str> = selfcheck::findings(trace).iter().map(|finding| finding.name).collect();
    // How a broken stream looks depends on when a player asks: one of the ways is enough.
    if !scenario.illegal.is_empty() && !scenario.illegal.iter().any(|name| findings.contains(name.as_str())) {
        coverage.unreached.push(format!("the stream was never `{}`", scenario.illegal.join("` or `")));
    }
    let view = View::new(trace, expect);
    let case = Case { trace, expect, view: &view };
    let exercised = RULES.iter().filter(|rule| (rule.applies)(&case));
    coverage.rules = exercised.map(|rule| rule.id.to_string()).collect();
    coverage
}

/// Whether some request was for this kind of resource.
pub(crate) fn asked_for(trace: &Trace, is: impl Fn(Resource) -> bool) -> bool {
    trace.requests.iter().any(|request| is(request.resource))
}
