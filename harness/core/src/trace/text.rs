//! The trace for a person: a line for each entry, and the lines around a moment.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::{AppendedBox, Content, End, PageEntry, PageEvent, Request, Trace};

/// One entry of a lane, in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Stream milliseconds.
    pub at_ms: f64,
    pub text: String,
    /// For an entry of the origin's lane, its number there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
    /// What the trace doesn't know: the fault that the request met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// A frame that was presented.
    #[serde(skip)]
    is_frame: bool,
}

impl Trace {
    /// Both lanes in order of time.
    pub fn lines(&self) -> Vec<Line> {
        let requests = self.requests.iter().map(Request::line);
        let mut lines: Vec<Line> = requests.chain(self.page.iter().map(PageEntry::line)).collect();
        lines.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
        lines
    }

    /// Both lanes in order of time, a line each.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for line in self.lines() {
            let _ = writeln!(text, "{line}");
        }
        for lost in &self.lost {
            let _ = writeln!(text, "lost: {lost}");
        }
        text
    }
}

impl Request {
    /// It, in words.
    pub fn line(&self) -> Line {
        Line {
            at_ms: self.at_ms,
            text: format!("origin {:>4}  {}", self.n, describe_request(self)),
            request: Some(self.n),
            note: None,
            is_frame: false,
        }
    }
}

impl PageEntry {
    /// It, in words.
    pub fn line(&self) -> Line {
        Line {
            at_ms: self.at_ms,
            text: format!("page   {:>4}  {}", self.n, describe(&self.event)),
            request: None,
            note: None,
            is_frame: matches!(
                self.event,
                PageEvent::Frame { .. } | PageEvent::Unreadable { .. } | PageEvent::Still { .. }
            ),
        }
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>9.3}s  {}", self.at_ms / 1000.0, self.text)?;
        self.note.as_ref().map_or(Ok(()), |note| write!(f, "   <- {note}"))
    }
}

/// The lines around a moment, as many as `count`. Of the frames, of which there are many, only the last one before it
/// and the first one after it are among them.
pub fn around(lines: &[Line], at_ms: f64, count: usize) -> Vec<Line> {
    let now = lines.partition_point(|line| line.at_ms < at_ms);
    let last_frame = lines[..now].iter().rposition(|line| line.is_frame);
    let next_frame = lines[now..].iter().position(|line| line.is_frame).map(|place| now + place);
    let kept: Vec<usize> = (0..lines.len())
        .filter(|place| !lines[*place].is_frame || [last_frame, next_frame].contains(&Some(*place)))
        .collect();
    let middle = kept.partition_point(|place| *place < now);
    let first = middle.saturating_sub(count / 2).min(kept.len().saturating_sub(count));
    kept[first..].iter().take(count).map(|place| lines[*place].clone()).collect()
}

fn describe_request(r: &Request) -> String {
    let what = match &r.content {
        Content::Playlist { text, .. } => format!(" [{}]", listed(text)),
        _ => String::new(),
    };
    let end = match r.end {
        End::Complete => String::new(),
        end => format!(" {end:?} after {} of {} bytes", r.sent_bytes, r.whole_bytes),
    };
    let took_ms = r.ended_ms - r.at_ms;
    format!("GET {} (attempt {}) -> {}{what}{end}, {took_ms:.0} ms", r.resource, r.attempt, r.status)
}

/// `100..104` or the like, read from a playlist's text.
fn listed(text: &str) -> String {
    let uris: Vec<_> = text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).collect();
    let mut summary = match (uris.first(), uris.last()) {
        (Some(first), Some(last)) => format!("{first} .. {last}"),
        _ => "no segment".to_string(),
    };
    if text.contains("#EXT-X-GAP") {
        summary.push_str(", GAP");
    }
    if text.contains("#EXT-X-ENDLIST") {
        summary.push_str(", ENDLIST");
    }
    summary
}

fn describe(event: &PageEvent) -> String {
    match event {
        PageEvent::Hello { agent } => format!("probe ready: {agent}"),
        PageEvent::Fetch { id, url, .. } => format!("fetch #{id} {url}"),
        PageEvent::FetchDone { id, status: Some(status), .. } => format!("fetch #{id} -> {status}"),
        PageEvent::FetchDone { id, error, .. } => {
            format!("fetch #{id} failed: {}", error.as_deref().unwrap_or("?"))
        }
        PageEvent::AddSourceBuffer { buffer, mime } => format!("addSourceBuffer {buffer}: {mime}"),
        PageEvent::Append { buffer, bytes, boxes, updating, error, mode, .. } => {
            let boxes: Vec<_> = boxes
                .iter()
                .map(|b| match b {
                    AppendedBox::Init { .. } => "init".to_string(),
                    AppendedBox::Moof => "moof".into(),
                    AppendedBox::Mdat { digest } => format!("mdat {digest}"),
                    AppendedBox::Garbage => "garbage".into(),
                })
                .collect();
            let mut line = format!("append {buffer} ({mode}): {bytes} bytes [{}]", boxes.join(", "));
            if *updating {
                line.push_str(" WHILE UPDATING");
            }
            if let Some(error) = error {
                let _ = write!(line, " threw {error}");
            }
            line
        }
        PageEvent::UpdateEnd { buffer, buffered } => {
            let ranges: Vec<_> = buffered.iter().map(|(s, e)| format!("{s:.3}-{e:.3}")).collect();
            format!("updateend {buffer}: buffered {}", ranges.join(" "))
        }
        PageEvent::BufferError { buffer } => format!("SourceBuffer {buffer} fired error"),
        PageEvent::Remove { buffer, start, end, error } => {
            let end = if *end > NO_END_S { "end".to_owned() } else { format!("{end:.3}") };
            format!("remove {buffer} {start:.3}-{end} {}", error.as_deref().unwrap_or(""))
        }
        PageEvent::Abort { buffer } => format!("abort {buffer}"),
        PageEvent::ChangeType { buffer, mime } => format!("changeType {buffer}: {mime}"),
        PageEvent::TimestampOffset { buffer, seconds } => format!("timestampOffset {buffer} = {seconds:.3}"),
        PageEvent::EndOfStream { error } => format!("endOfStream {}", error.as_deref().unwrap_or("")),
        PageEvent::Media { event, time, error } => {
            format!("media {event} at {time:.3} {}", error.as_deref().unwrap_or(""))
        }
        PageEvent::Frame { run, number, media_time, .. } => {
            format!("frame {number} of run {run} at {media_time:.3}")
        }
        PageEvent::Still { event, .. } => format!("picture at {event}"),
        PageEvent::Unreadable { media_time } => format!("frame without a readable code at {media_time:.3}"),
        PageEvent::Ear { error: None } => "listening".to_string(),
        PageEvent::Ear { error: Some(error) } => format!("can't listen: {error}"),
        // The engine tells of it before it is heard.
        PageEvent::Beep { ago_ms } if *ago_ms < 0.0 => format!("beep in {:.0} ms", -ago_ms),
        PageEvent::Beep { ago_ms } => format!("beep {ago_ms:.0} ms ago"),
        PageEvent::Console { level, text } => format!("console.{level}: {text}"),
        PageEvent::Uncaught { message } => format!("uncaught: {message}"),
        PageEvent::PlayerError { fatal, message } => {
            format!("player {}: {message}", if *fatal { "gave up" } else { "error" })
        }
        PageEvent::Action { what, note, error } => match error {
            Some(error) => format!("ACTION {what} {note} COULD NOT HAPPEN: {error}"),
            None => format!("ACTION {what} {note}").trim_end().to_string(),
        },
    }
}

/// Whoever removes up to a later second means the end, for which some players write the largest number that there is.
const NO_END_S: f64 = 1e12;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at_ms: f64, is_frame: bool) -> Line {
        Line { at_ms, text: String::new(), request: None, note: None, is_frame }
    }

    #[test]
    fn of_the_frames_the_nearest_two_are_around() {
        let lines: Vec<Line> = (0..100).map(|n| line(f64::from(n), n % 10 != 0)).collect();
        let at = |at_ms: f64, count| {
            around(&lines, at_ms, count).iter().map(|line| line.at_ms).collect::<Vec<_>>()
        };
        assert_eq!(at(45.5, 4), [40.0, 45.0, 46.0, 50.0]);
        assert_eq!(at(0.0, 4), [0.0, 1.0, 10.0, 20.0]);
        assert_eq!(at(1000.0, 3), [80.0, 90.0, 99.0]);
        assert_eq!(around(&[], 0.0, 10), []);
    }
}
