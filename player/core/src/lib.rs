//! The player as a state machine: no clock, no socket, no browser, no allocation.
//!
//! **Contract: the shell hands over every event with the current time and wakes the player again at the time
//! that [`Player::handle`] returns.** Everything the player wants done it asks of the [`Shell`] while it
//! handles an event; the shell never calls back from inside such a request, and reports what came of it as a
//! later event. The player never sees media: the shell keeps one body per [`Resource`].
//!
//! # Four promises
//!
//! 1. A Media Initialization Section is fetched and appended once per EXT-X-MAP, before any media of it.
//! 2. A segment is appended once, however often it is listed: what counts is its Media Sequence Number, unless the
//!    list shows that the numbers have shifted.
//! 3. Segments are appended in playlist order, because only one is on its way at a time.
//! 4. A playlist that answers 404 or 410 ends the session: nothing more is requested, what is buffered plays.
//!
//! # Why `segments` mode, and an offset for each run
//!
//! MSE's `sequence` mode ignores the timestamps of the media, which makes a player immune to encoders that
//! restart their clock, but with audio and video in one SourceBuffer it places both by whichever frame comes
//! first, so that every lost frame may pull them apart, and WebKit shows nothing of a picture that it begins with
//! and that has B-frames. `segments` mode keeps them together and trips over restarted clocks. So a *run* of
//! segments is placed once: its first segment is given the `timestampOffset` that puts it at the end of what is
//! buffered ([`placement`]), and the following ones keep it. A new run begins at the start, at a discontinuity,
//! behind a skipped segment, after a restart of the stream, and when a segment turns out not to have extended the
//! buffer (a clock that went back without a mark): that one is appended again as the first of a new run.
//!
//! A run begins with `abort()` and its init. Without `abort()` WebKit drops media whose clock went back, and with it
//! WebKit forgets the init.

#![no_std]

mod boxes;
pub mod codecs;
pub mod placement;
mod player;
pub mod playlist;

pub use player::Player;
pub use playlist::ByteRange;

/// What can be requested; each has one request at a time and one body, which the shell keeps until the next
/// request for the same resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    Playlist,
    Init,
    Segment,
}

/// What happened. Times are milliseconds of one monotonic clock, media times are seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event<'a> {
    /// The time has come that `handle` asked for, or the session begins.
    Woken,
    /// The MediaSource is open.
    Opened,
    /// A body is complete and plausible. The text of the playlist is an argument of `handle`; it came so many
    /// milliseconds after it was asked for, not counting what led to it.
    PlaylistLoaded(u32),
    InitLoaded(&'a [u8]),
    SegmentLoaded,
    /// A request failed: its HTTP status, or zero for the network, a timeout or an implausible body.
    Failed(Resource, u16),
    /// The append or the removal is done (`updateend`).
    Updated,
    /// The append was refused because the SourceBuffer is full; nothing was appended.
    QuotaExceeded,
    /// The append failed or the media element is in error: this MediaSource is lost.
    Broken,
    /// The browser knows no decoder for the codecs.
    Unsupported,
    /// Playback reached the end.
    Ended,
}

/// How bad a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The session goes on.
    Warning,
    /// The session is over.
    Fatal,
}

/// The world as the player sees it: requests, one SourceBuffer, one media element.
pub trait Shell {
    /// Begins a request. `uri` is as listed, to be resolved against where the playlist came from; it is empty
    /// for the playlist itself.
    fn load(&mut self, resource: Resource, uri: &[u8], range: ByteRange);
    /// Ends a request, of which nothing may be heard any more.
    fn cancel(&mut self, resource: Resource);
    /// Makes the SourceBuffer ready for these codecs.
    fn set_codecs(&mut self, codecs: &[u8]);
    /// Appends the body of a resource, an init after `abort()`. With a time, it begins a run there
    /// ([`placement::timestamp_offset_s`]).
    fn append(&mut self, resource: Resource, run_start_s: Option<f64>);
    /// Removes everything before a time from the SourceBuffer.
    fn remove_before(&mut self, end_s: f64);
    /// Moves the playhead.
    fn seek(&mut self, to_s: f64);
    /// Declares that nothing more will be appended.
    fn end_of_stream(&mut self);
    /// Puts a new MediaSource in the place of one that is lost; `Event::Opened` follows.
    fn rebuild(&mut self);
    /// The session is over: nothing may remain, and no event follows.
    fn close(&mut self);
    fn report(&mut self, severity: Severity, message: &str);

    fn playhead_s(&self) -> f64;
    /// The buffered range with this index.
    fn buffered_s(&self, index: u32) -> Option<(f64, f64)>;
    /// The element has no frame after the current one (`readyState` below HAVE_FUTURE_DATA).
    fn is_starving(&self) -> bool;
}
