//! Shows each violation in its place: the trace around it, and which faults were in force there. Only now, when all is
//! judged, does anybody learn of the faults.

use segproof_core::report::ViolationReport;
use segproof_core::scenario::Scenario;
use segproof_core::trace::{Line, Trace, around};

use crate::serve::Fired;

/// Gives each violation the lines around it; before them stands the last fault that had met a request by then.
pub fn explain(violations: &mut [ViolationReport], trace: &Trace, scenario: &Scenario, fired: &[Fired]) {
    if violations.is_empty() {
        return;
    }
    let mut lines = trace.lines();
    for line in &mut lines {
        line.note = line.request.and_then(|request| faults(scenario, fired, request));
    }
    for violation in violations {
        let Some(at_ms) = violation.at_ms else { continue };
        let near = around(&lines, at_ms, LINES);
        let begins_ms = near.first().map_or(at_ms, |line| line.at_ms);
        let earlier = |line: &&Line| line.note.is_some() && line.at_ms < begins_ms;
        let fault = lines.iter().rev().find(earlier).filter(|_| near.iter().all(|line| line.note.is_none()));
        violation.around = fault.cloned().into_iter().chain(near).collect();
    }
}

/// Which faults of the scenario the request met, in words.
fn faults(scenario: &Scenario, fired: &[Fired], request: u64) -> Option<String> {
    let met = fired.iter().filter(|fired| fired.request == request);
    let named: Vec<String> = met
        .filter_map(|fired| {
            let kinds = scenario.faults().nth(fired.fault)?.kinds().join(", ");
            Some(format!("fault {}: {kinds}", fired.fault + 1))
        })
        .collect();
    (!named.is_empty()).then(|| named.join("; "))
}

/// How many lines a violation is shown with.
const LINES: usize = 10;
