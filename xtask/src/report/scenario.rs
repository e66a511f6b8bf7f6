//! The scenario beside what came of it: its text, with the faults that have met requests.

use segproof_core::trace::{Request, Trace};
use segproof_harness::serve::Fired;
use serde::Serialize;

/// A line of the scenario.
#[derive(Debug, PartialEq, Serialize)]
pub struct Line {
    text: String,
    /// At the head of a fault: what it has met.
    fired: Option<String>,
}

/// Its lines.
pub fn lines(text: &str, fired: &[Fired]) -> Vec<Line> {
    let mut heads = 0;
    let told = |fault: usize| match fired.iter().filter(|fired| fired.fault == fault).count() {
        0 => "met no request".to_owned(),
        1 => "met 1 request".to_owned(),
        count => format!("met {count} requests"),
    };
    let line = |text: &str| {
        let fired = is_head(text).then(|| {
            heads += 1;
            told(heads - 1)
        });
        Line { text: text.to_owned(), fired }
    };
    text.lines().map(line).collect()
}

/// A fault that has met requests.
pub struct Met<'a> {
    /// The first of them, how many more there were, and what they met.
    pub what: String,
    pub requests: Vec<&'a Request>,
}

/// The faults that have met requests, by their first.
pub fn met<'a>(trace: &'a Trace, fired: &[Fired], faults: &[String]) -> Vec<Met<'a>> {
    let mut all: Vec<Met> = Vec::new();
    for (fault, called) in faults.iter().enumerate() {
        let is_met = |request: &&Request| fired.iter().any(|f| f.fault == fault && f.request == request.n);
        let requests: Vec<&Request> = trace.requests.iter().filter(is_met).collect();
        let Some(first) = requests.first() else { continue };
        let more = match requests.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let what = format!("{} (attempt {}){more}: {called}", first.resource, first.attempt);
        all.push(Met { what, requests });
    }
    all.sort_by(|a, b| a.requests[0].at_ms.total_cmp(&b.requests[0].at_ms));
    all
}

/// What each fault does, in the words of the scenario: not what it is about.
pub fn faults(text: &str) -> Vec<String> {
    let mut faults: Vec<String> = Vec::new();
    let mut is_in_one = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            is_in_one = is_head(line);
            if is_in_one {
                faults.push(String::new());
            }
        } else if is_in_one && !line.is_empty() && !line.starts_with('#') && !is_about(line) {
            let fault = faults.last_mut().expect("it has begun");
            if !fault.is_empty() {
                fault.push_str(", ");
            }
            fault.push_str(line);
        }
    }
    faults
}

/// Whether a line says which requests a fault meets.
fn is_about(line: &str) -> bool {
    let key = line.split(['=', ' ']).next();
    key.is_some_and(|key| ["on", "nth", "audio", "variant", "host"].contains(&key))
}

fn is_head(line: &str) -> bool {
    line.trim_end() == "[[fault]]"
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "summary = \"a\"\n[[fault]]\non = \"segment 3\"\nnth=\"1\"\nstatus = 404\ntimes = 2\n\n[[fault]]\n# so\nhang = true\n[expect]\nstall = \"1td\"\n";

    #[test]
    fn a_fault_is_called_by_what_it_does() {
        assert_eq!(faults(TEXT), ["status = 404, times = 2", "hang = true"]);
    }

    #[test]
    fn a_fault_is_told_by_what_it_met_first() {
        let lines = r#"{"lane":"trial","speed":1.0,"clock_error_ms":1.0,"ended_at_ms":9000.0,"lost":[]}
{"n":0,"at_ms":0.0,"path":"/3","host":"first","range":null,"resource":{"segment":{"variant":0,"run":1,"msn":3}},"attempt":1,"status":404,"location":null,"content":"nothing","whole_bytes":0,"sent_bytes":0,"ended_ms":10.0,"end":"complete","lane":"origin"}
{"n":1,"at_ms":9.0,"path":"/3","host":"first","range":null,"resource":{"segment":{"variant":0,"run":1,"msn":3}},"attempt":2,"status":404,"location":null,"content":"nothing","whole_bytes":0,"sent_bytes":0,"ended_ms":10.0,"end":"complete","lane":"origin"}
"#;
        let trace = Trace::from_jsonl(lines).expect("a trace");
        let fired = [Fired { request: 1, fault: 0 }, Fired { request: 0, fault: 0 }];
        let told: Vec<String> = met(&trace, &fired, &faults(TEXT)).into_iter().map(|met| met.what).collect();
        assert_eq!(told, ["segment 3 (attempt 1) and 1 more: status = 404, times = 2"]);
    }

    #[test]
    fn at_its_head_stands_what_it_has_met() {
        let fired = [Fired { request: 4, fault: 1 }];
        let heads: Vec<Option<String>> =
            lines(TEXT, &fired).into_iter().map(|line| line.fired).filter(Option::is_some).collect();
        assert_eq!(heads, [Some("met no request".to_owned()), Some("met 1 request".to_owned())]);
        assert_eq!(lines(TEXT, &fired).len(), TEXT.lines().count());
    }
}
