//! Plays a reply back, one step after the other, and keeps the record of what was sent.
//!
//! How a head and bytes become a response on a connection is the line's affair: `http1.rs` and `http2.rs`.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use segproof_core::exchange::{Ask, Framing, Reply, Step};
use segproof_core::trace::{End, Request};

use super::{Clock, Fired, Shared, lock};

/// One response's way to its client. All of these fail when the client is gone.
pub trait Line {
    /// Sends status and headers.
    async fn head(&mut self, reply: &Reply) -> io::Result<()>;

    /// Sends some of `bytes`, at least one, and returns how many. What is left of them comes with the next call.
    async fn body(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Sends what tells that there are no more chunks.
    async fn last_chunk(&mut self) -> io::Result<()>;

    /// Sends nothing until then; without a moment, for ever.
    async fn rest(&mut self, until: Option<Instant>) -> io::Result<()>;

    /// Makes the end that is to come a reset, once all that was sent has left this side.
    async fn reset(&mut self) -> io::Result<()>;

    /// Whether closing the response is, for its client, the regular end of a body.
    fn close_ends(framing: Framing) -> bool;
}

/// What is to become of the response after its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It is complete by its framing: the connection goes on to the next request.
    Whole,
    /// It ends where it is.
    Closes,
    Resets,
}

/// Carries out the reply's steps and sets the exchange's end; fails when the client is gone.
pub async fn play<L: Line>(
    clock: &Clock,
    reply: &Reply,
    exchange: &mut Exchange,
    line: &mut L,
) -> io::Result<Ending> {
    let began = Instant::now();
    let mut sending =
        Sending { clock, reply, exchange, line, has_head: false, sent: 0, began, throttle: None };
    let ending = sending.carry_out().await?;
    exchange.end = Some(match ending {
        Ending::Resets => End::Reset,
        Ending::Whole | Ending::Closes if sending.has_delivered(ending) => End::Complete,
        Ending::Whole | Ending::Closes => End::Cut,
    });
    Ok(ending)
}

struct Sending<'a, L> {
    clock: &'a Clock,
    reply: &'a Reply,
    exchange: &'a mut Exchange,
    line: &'a mut L,
    has_head: bool,
    /// Bytes of the body.
    sent: usize,
    began: Instant,
    /// Bits per second of stream time, and until when.
    throttle: Option<(f64, Option<Instant>)>,
}

impl<L: Line> Sending<'_, L> {
    async fn carry_out(&mut self) -> io::Result<Ending> {
        for step in &self.reply.steps {
            match *step {
                // The wait is the fault itself.
                Step::Wait(stream_ms) => {
                    let wait = self.clock.wall(stream_ms);
                    self.line.rest(wait.and_then(|wait| Instant::now().checked_add(wait))).await?;
                }
                Step::Head => {
                    self.line.head(self.reply).await?;
                    self.has_head = true;
                }
                Step::BodyTo(_) if self.reply.framing == Framing::Bodiless => {}
                Step::BodyTo(to) => self.send_to(to.min(self.reply.body.len())).await?,
                Step::Throttle { bits_per_s, until_ms } => {
                    let until = self.clock.wall(until_ms).and_then(|lasts| self.began.checked_add(lasts));
                    self.throttle = Some((bits_per_s, until));
                }
                // For the client the response is complete: the connection has to answer its next request.
                Step::Hang if self.is_over() => {}
                Step::Hang => self.line.rest(None).await?,
                Step::Reset => {
                    self.line.reset().await?;
                    return Ok(Ending::Resets);
                }
                Step::Close => return Ok(Ending::Closes),
            }
        }
        if !self.has_head {
            return Ok(Ending::Closes);
        }
        Ok(match self.reply.framing {
            Framing::Length(length) if length == self.sent => Ending::Whole,
            Framing::Length(_) | Framing::UntilClose => Ending::Closes,
            Framing::Bodiless => Ending::Whole,
            Framing::Chunked => {
                self.line.last_chunk().await?;
                Ending::Whole
            }
        })
    }

    async fn send_to(&mut self, to: usize) -> io::Result<()> {
        let mut pace = self.throttle.map(|(bits_per_s, until)| (Pace::begin(self.clock, bits_per_s), until));
        while self.sent < to {
            let piece_end = match &mut pace {
                Some((pace, until)) if until.is_none_or(|until| Instant::now() < until) => {
                    let piece = pace.piece.min(to - self.sent);
                    let due = pace.due(piece);
                    self.line.rest([due, *until].into_iter().flatten().min()).await?;
                    self.sent + piece
                }
                _ => to,
            };
            let began = Instant::now();
            while self.sent < piece_end {
                self.sent += self.line.body(&self.reply.body[self.sent..piece_end]).await?;
                self.exchange.sent(self.sent as u64);
            }
            if let Some((pace, _)) = &mut pace {
                pace.pause(began.elapsed());
            }
        }
        Ok(())
    }

    /// Whether the client waits for nothing more of this response.
    fn is_over(&self) -> bool {
        self.has_head
            && match self.reply.framing {
                Framing::Length(length) => self.sent >= length,
                Framing::Bodiless => true,
                Framing::Chunked | Framing::UntilClose => false,
            }
    }

    /// Whether the client has the whole body, and can tell.
    fn has_delivered(&self, ending: Ending) -> bool {
        // What exceeds its Content-Length is no part of a body (RFC 9112, 6.3).
        let delivered = match self.reply.framing {
            Framing::Length(length) => self.sent.min(length),
            Framing::Chunked | Framing::UntilClose | Framing::Bodiless => self.sent,
        };
        let has_end = ending == Ending::Whole || self.is_over() || L::close_ends(self.reply.framing);
        self.has_head && has_end && delivered == whole_bytes(self.reply)
    }
}

/// Spreads the bytes of a body evenly over time.
struct Pace {
    /// When all that was allowed so far may have been sent; for ever in the future at a rate of nothing.
    next: Option<Instant>,
    wall_s_per_byte: f64,
    /// Bytes to be sent at once.
    piece: usize,
}

impl Pace {
    fn begin(clock: &Clock, bits_per_s: f64) -> Pace {
        let wall_s_per_byte = 8.0 / bits_per_s / clock.speed();
        let piece = ((PIECE_S / wall_s_per_byte) as usize).max(1);
        Pace { next: Some(Instant::now()), wall_s_per_byte, piece }
    }

    /// When so many bytes more may have been sent.
    fn due(&mut self, bytes: usize) -> Option<Instant> {
        let takes = Duration::try_from_secs_f64(bytes as f64 * self.wall_s_per_byte).ok();
        self.next = self.next.zip(takes).and_then(|(next, takes)| next.checked_add(takes));
        self.next
    }

    /// While the client takes nothing, no right to send more at once is earned.
    fn pause(&mut self, time: Duration) {
        self.next = self.next.map(|next| next + time);
    }
}

/// Length of the body if it is sent whole.
fn whole_bytes(reply: &Reply) -> usize {
    match reply.framing {
        Framing::Bodiless => 0,
        Framing::Length(_) | Framing::Chunked | Framing::UntilClose => reply.whole,
    }
}

/// One request's record, open from its arrival.
pub struct Exchange {
    shared: Arc<Shared>,
    index: usize,
    /// How it ends if nothing else is said before the drop: the connection is gone.
    end: Option<End>,
}

impl Exchange {
    /// Has the request answered and recorded as one act, so that the records are in the order of the answers.
    pub fn begin(shared: &Arc<Shared>, ask: &Ask) -> (Reply, Exchange) {
        let mut requests = lock(&shared.requests);
        let wall_ms = shared.clock.wall_ms(Instant::now());
        let is_playlist = ask
            .path
            .split('?')
            .next()
            .is_some_and(|path| path.starts_with("/live/") && path.ends_with(".m3u8"));
        let is_first = is_playlist && shared.clock.zero_ms().is_none();
        if is_first {
            shared.clock.begin(wall_ms);
        }
        let reply = shared.publisher.with(|publisher| {
            if is_first {
                let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                publisher.begin(unix.as_secs_f64() * 1000.0);
            }
            publisher.handle(shared.clock.stream_ms(wall_ms), ask)
        });
        let n = requests.len() as u64;
        requests.push(Request {
            n,
            at_ms: wall_ms,
            path: ask.path.to_string(),
            host: ask.host,
            range: ask.range.map(str::to_string),
            resource: reply.resource,
            attempt: reply.attempt,
            status: reply.status,
            location: reply.header("location").map(str::to_string),
            opaque: !reply.is_readable(),
            content: reply.content.clone(),
            whole_bytes: whole_bytes(&reply) as u64,
            sent_bytes: 0,
            ended_ms: wall_ms,
            end: End::Open,
        });
        lock(&shared.fired).extend(reply.fired.iter().map(|fault| Fired { request: n, fault: *fault }));
        (reply, Exchange { shared: shared.clone(), index: n as usize, end: None })
    }

    /// So many bytes of the body have been sent; recorded at once, for watching may stop at any moment.
    fn sent(&mut self, bytes: u64) {
        lock(&self.shared.requests)[self.index].sent_bytes = bytes;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let end = self.end.unwrap_or_else(|| match self.shared.is_media_open() {
            true => End::ClientGone,
            // Shutting the door ended the connection.
            false => End::Cut,
        });
        let ended_ms = self.shared.clock.wall_ms(Instant::now());
        let mut requests = lock(&self.shared.requests);
        let record = &mut requests[self.index];
        record.ended_ms = ended_ms;
        record.end = end;
    }
}

/// What a throttled body sends at once, seconds of wall time: short beside a segment, long beside a timer's grain.
const PIECE_S: f64 = 0.01;
