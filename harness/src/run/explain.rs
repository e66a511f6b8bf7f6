//! Shows each violation in its place: the trace around it, and which faults were in force there. Only now, when all is
//! judged, does anybody learn of the faults.

use segproof_core::report::ViolationReport;
use segproof_core::scenario::Scenario;
use segproof_core::trace::{Line, PageEvent, Trace, around};

use crate::serve::Fired;

/// Gives each violation the lines around it; before them stand the last of those that may have led to it.
pub fn explain(violations: &mut [ViolationReport], trace: &Trace, scenario: &Scenario, fired: &[Fired]) {
    if violations.is_empty() {
        return;
    }
    let mut lines = trace.lines();
    for line in &mut lines {
        line.note = line.request.and_then(|request| faults(scenario, fired, request));
    }
    let grave: Vec<Line> =
        trace.page.iter().filter(|entry| is_grave(&entry.event)).map(|entry| entry.line()).collect();
    for violation in violations {
        let Some(at_ms) = violation.at_ms else { continue };
        let near = around(&lines, at_ms, LINES);
        let begins_ms = near.first().map_or(at_ms, |line| line.at_ms);
        let is_earlier = |line: &&Line| line.at_ms < begins_ms;
        let fault = lines.iter().rev().filter(is_earlier).find(|line| line.note.is_some());
        let fault = fault.filter(|_| near.iter().all(|line| line.note.is_none()));
        let mut before: Vec<Line> = grave.iter().filter(is_earlier).cloned().collect();
        before.drain(..before.len().saturating_sub(GRAVE_MAX));
        before.extend(fault.cloned());
        before.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
        violation.around = before.into_iter().chain(near).collect();
    }
}

/// What the viewer did, and what went wrong with the player or its element.
fn is_grave(event: &PageEvent) -> bool {
    match event {
        PageEvent::Action { .. }
        | PageEvent::BufferError { .. }
        | PageEvent::PlayerError { .. }
        | PageEvent::Uncaught { .. }
        | PageEvent::Append { error: Some(_), .. }
        | PageEvent::EndOfStream { error: Some(_), .. } => true,
        PageEvent::Media { event, .. } => event == "error",
        _ => false,
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

/// With how many earlier ones of the grave kind.
const GRAVE_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use segproof_core::report::{Level, Stream};

    use super::*;

    #[test]
    fn before_the_lines_around_it_stands_what_may_have_led_there() {
        let mut lines = String::from(
            r#"{"lane":"trial","speed":1.0,"clock_error_ms":1.0,"ended_at_ms":9000.0,"lost":[]}
{"n":0,"at_ms":10.0,"kind":"action","what":"pause","note":"","error":null,"lane":"page"}
{"n":1,"at_ms":20.0,"kind":"abort","buffer":0,"lane":"page"}
"#,
        );
        for n in 2..30 {
            lines +=
                &format!(r#"{{"n":{n},"at_ms":{n}00.0,"kind":"abort","buffer":0,"lane":"page"}}{}"#, "\n");
        }
        let trace = Trace::from_jsonl(&lines).expect("a trace");
        let scenario = Scenario::parse("summary = \"a\"\nuntil = \"segment 104\"\n").expect("a scenario");
        let mut violations = [ViolationReport {
            rule: "view/stall".into(),
            level: Level::Viewer,
            says: String::new(),
            rests_on: String::new(),
            stream: Stream::Legal,
            at_ms: Some(2500.0),
            what: String::new(),
            binding: true,
            known: false,
            around: Vec::new(),
        }];
        explain(&mut violations, &trace, &scenario, &[]);
        let around = &violations[0].around;
        assert_eq!(around.len(), 1 + LINES);
        assert!(around[0].text.contains("ACTION pause"), "{around:?}");
        assert!(around[1..].iter().all(|line| line.at_ms > 1000.0), "{around:?}");
    }
}
