//! The player as a state machine: no clock, no socket, no browser, no allocation.
//!
//! **Contract: the shell hands over every event with the current time and wakes the player again after the time
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
//! # Runs
//!
//! MSE's `sequence` mode ignores the timestamps of the media, which makes a player immune to encoders that
//! restart their clock, but with audio and video in one SourceBuffer it places both by whichever frame comes
//! first, so that every lost frame may pull them apart, and WebKit shows nothing of a picture that it begins with
//! and that has B-frames. `segments` mode keeps them together and trips over restarted clocks. So a *run* of
//! segments is placed once. The first of a session keeps the times of its media, and the playhead goes there; the first
//! segment of every other is appended in `sequence` mode, at the end of what is buffered, and the following ones in
//! `segments` mode with the offset that came of it. A new run begins at a discontinuity, behind a skipped segment, after a
//! restart of the stream, and where the clock of the media has gone back.
//!
//! A run begins with `abort()` and its init. Without `abort()` WebKit drops media whose clock went back, and with it
//! WebKit forgets the init.

#![no_std]

mod player;
pub mod playlist;

pub use player::Player;
pub use playlist::{Place, Text};

/// What can be requested; each has one request at a time and one body, which the shell keeps until the next
/// request for the same resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Resource {
    Playlist,
    Init,
    Segment,
}

/// What happened, as numbered in the glue; some of it comes with a value. Times are milliseconds of one monotonic clock, media
/// times are seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Event {
    /// The time has come that `handle` asked for, or the session begins.
    Woken,
    /// A body is complete and plausible. The playlist came that long after it was asked for, not counting what led to it; a
    /// segment with so many bits per second.
    PlaylistLoaded,
    InitLoaded,
    SegmentLoaded,
    /// A request failed: its HTTP status, or zero for the network, a timeout or an implausible body.
    PlaylistFailed,
    InitFailed,
    SegmentFailed,
    /// The MediaSource is open; a playlist that is gone is waited for that long.
    Opened,
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
    /// The viewer has moved the playhead.
    Sought,
}

/// What there is to tell the page, in the order of the messages in the glue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Report {
    // The session goes on.
    SegmentLost,
    MediaLost,
    // It does not.
    MediaError,
    NoPlaylist,
    PlaylistLost,
    SegmentsLost,
    InitLost,
    NoMap,
    NoDecoder,
}

/// The world as the player sees it: requests, one SourceBuffer, one media element, and the text of the playlist that was
/// loaded last.
pub trait Shell: Text {
    /// Begins a request for what stands at a place of the text: the attributes of an EXT-X-MAP, or the URI of a segment,
    /// which EXT-X-BYTERANGE may stand before. It is empty for the playlist itself.
    fn load(&mut self, resource: Resource, place: Place);
    /// Ends a request, of which nothing may be heard any more.
    fn cancel(&mut self, resource: Resource);
    /// Appends the body of a resource, an init after `abort()`. A run is begun at the time that is given, in `sequence` mode; it
    /// goes on in `segments` mode.
    fn append(&mut self, resource: Resource, run_start_s: Option<f64>);
    /// Removes everything before a time from the SourceBuffer.
    fn remove_before(&mut self, end_s: f64);
    /// Moves the playhead.
    fn seek(&mut self, to_s: f64);
    /// Plays faster, to catch up, or again at the usual rate.
    fn hurry(&mut self, is_hurrying: bool);
    /// Declares that nothing more will be appended.
    fn end_of_stream(&mut self);
    /// Puts a new MediaSource in the place of one that is lost; `Event::Opened` follows.
    fn rebuild(&mut self);
    /// The session is over: nothing may remain, and no event follows.
    fn close(&mut self);
    fn report(&mut self, report: Report);
    /// How far the playhead is behind the end of the list, in seconds.
    fn report_latency(&mut self, latency_s: f64);

    /// Plays the best variant that needs no more bits per second than that, none better than the present one unless it may go
    /// up. Whether that is another one; its playlist is what is loaded from now on.
    #[cfg(feature = "full")]
    fn choose(&mut self, bits_per_s: f64, goes_up: bool) -> bool;
    /// Plays the best of the other variants in the place of the present one, which is lost, as may be some of them, until a segment
    /// has come or one may go up. Whether there is one.
    #[cfg(feature = "full")]
    fn fail_over(&mut self, bits_per_s: f64) -> bool;

    /// Where the current run would put the first media of the segment that has been loaded, or infinity if that cannot be told.
    fn segment_start_s(&self) -> f64;
    fn playhead_s(&self) -> f64;
    /// Where the first buffered range begins and ends, then the second, and so on; below zero behind the last.
    fn edge_s(&self, index: u32) -> f64;
    /// The element has no frame after the current one (`readyState` below HAVE_FUTURE_DATA).
    fn is_starving(&self) -> bool;
    fn is_paused(&self) -> bool;
    /// The engine wants no media now (`ManagedMediaSource.streaming` is false).
    fn is_full(&self) -> bool;
}
