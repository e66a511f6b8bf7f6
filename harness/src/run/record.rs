//! Gathers the page's lane and the heartbeats of both sides, and maps page time to stream time at the end.

use std::time::Instant;

use segproof_core::trace::{Beat, PageEntry, PageEvent, Trace, Witness};

use super::{End, Sign};
use crate::serve::{PageMessage, Stage};

/// The evidence as it comes in; page times are still the page's own.
pub struct Record {
    speed: f64,
    clock_step_ms: f64,
    page: Vec<PageEntry>,
    page_beats: Vec<Beat>,
    origin_beats: Vec<Beat>,
    lost: Vec<String>,
    /// Best round trip so far: (its length, wall minus page time), milliseconds.
    offset: Option<(f64, f64)>,
    connections: u32,
}

impl Record {
    /// Of a page whose clock has this step.
    pub fn begin(speed: f64, clock_step_ms: f64) -> Record {
        Record {
            speed,
            clock_step_ms,
            page: Vec::new(),
            page_beats: Vec::new(),
            origin_beats: Vec::new(),
            lost: Vec::new(),
            offset: None,
            connections: 0,
        }
    }

    /// Evidence is known to be missing.
    pub fn lose(&mut self, why: String) {
        self.lost.push(why);
    }

    /// Whether the page is seen to have asked for this.
    pub fn has_asked(&self, url: &str) -> bool {
        self.page
            .iter()
            .any(|entry| matches!(&entry.event, PageEvent::Fetch { url: asked, .. } if asked == url))
    }

    /// Whether the page plays in an element that tells the probe nothing, as in a shadow tree that its HTML declares.
    pub fn is_out_of_sight(&self) -> bool {
        let has = |is: fn(&PageEvent) -> bool| self.page.iter().any(|entry| is(&entry.event));
        has(|event| matches!(event, PageEvent::AddSourceBuffer { .. }))
            && !has(|event| matches!(event, PageEvent::Media { .. }))
    }

    /// The trial's own heartbeat: how late the timer was says whether this process can keep up.
    pub fn origin_beat(&mut self, stage: &Stage, due: Instant) {
        let now = Instant::now();
        let lag_ms = now.saturating_duration_since(due).as_secs_f64() * 1000.0;
        self.origin_beats.push(Beat {
            at_ms: stage.clock().wall_ms(now),
            of: Witness::Origin,
            lag_ms,
            time: None,
            ahead: 0.0,
            playing: false,
        });
    }

    /// Takes a message in and asks `judge` of each sign whether the trial ends.
    pub fn take(&mut self, message: PageMessage, mut judge: impl FnMut(Sign) -> Option<End>) -> Option<End> {
        let mut end = None;
        match message {
            PageMessage::Connected => {
                self.connections += 1;
                if self.connections > 1 {
                    self.lose("the page was loaded again".into());
                }
            }
            PageMessage::Pong { sent_ms, received_ms, page_ms } => {
                let round_trip = received_ms - sent_ms;
                if self.offset.is_none_or(|(best, _)| round_trip < best) {
                    self.offset = Some((round_trip, (sent_ms + received_ms) / 2.0 - page_ms));
                }
            }
            PageMessage::Unreadable(text) => self.lose(format!("the page said what can't be read: {text}")),
            PageMessage::Gone => {
                self.lose("the page's connection closed before the trial ended".into());
                return Some(End::Lost);
            }
            PageMessage::Batch(batch) => {
                for entry in batch.entries {
                    end = end.or(judge(Sign::Event(&entry.event)));
                    self.page.push(entry);
                }
                if let Some(beat) = batch.beat {
                    end = end.or(beat.time.and_then(|time| judge(Sign::Time(time))));
                    self.page_beats.push(Beat {
                        at_ms: beat.at_ms,
                        of: Witness::Page,
                        lag_ms: beat.lag_ms,
                        time: beat.time,
                        ahead: beat.ahead,
                        playing: beat.playing,
                    });
                }
            }
        }
        end
    }

    /// The trace, all times in stream milliseconds.
    pub fn finish(mut self, stage: &Stage) -> Trace {
        let clock = stage.clock();
        let ended_wall_ms = clock.wall_ms(Instant::now());
        let (round_trip_ms, offset_ms) = self.offset.unwrap_or_else(|| {
            self.lost.push("the page's clock could not be read".into());
            (0.0, 0.0)
        });
        // A stream that was never asked for has no zero of its own.
        let zero_ms = clock.zero_ms().unwrap_or(ended_wall_ms);
        let speed = self.speed;
        let stream = |wall_ms: f64| (wall_ms - zero_ms) * speed;

        let mut requests = stage.requests();
        for request in &mut requests {
            request.at_ms = stream(request.at_ms);
            request.ended_ms = stream(request.ended_ms);
        }
        for entry in &mut self.page {
            entry.at_ms = stream(entry.at_ms + offset_ms);
        }
        for beat in &mut self.page_beats {
            beat.at_ms = stream(beat.at_ms + offset_ms);
        }
        for beat in &mut self.origin_beats {
            beat.at_ms = stream(beat.at_ms);
        }
        let mut beats = self.page_beats;
        beats.append(&mut self.origin_beats);
        beats.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
        Trace {
            speed,
            clock_error_ms: (round_trip_ms / 2.0 + self.clock_step_ms) * speed,
            ended_at_ms: stream(ended_wall_ms),
            requests,
            page: self.page,
            beats,
            lost: self.lost,
        }
    }
}
