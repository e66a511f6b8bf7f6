//! Every wait, count and distance of the player. `_TD` is in target durations, `_S` in seconds, `_MS` in
//! milliseconds. Fractions are sums of few powers of two, which take the fewest bytes once compressed.

/// Taken for the target duration until a playlist told it, in seconds.
pub const TARGET_DURATION_UNKNOWN_S: f64 = 2.0;
/// A target duration above this is taken for this, so that no wait is unbounded.
pub const TARGET_DURATION_S_MAX: f64 = 60.0;
/// RFC 8216, section 6.3.3: not closer to the end of a live playlist.
pub const HOLD_BACK_TD: f64 = 3.0;
/// A request that takes longer is cancelled and counts as failed. A link that is too slow for the stream would
/// then never deliver anything, so each gets longer as long as the one before of its kind needed more than this.
pub const TIMEOUT_TD: f64 = 1.5;
pub const TIMEOUT_SLOW_TD: f64 = 2.5;
/// The waits between tries double from here up to `BACKOFF_TD_MAX`.
pub const BACKOFF_TD: f64 = 0.25;
pub const BACKOFF_TD_MAX: f64 = 1.0;
/// A playlist that has failed for longer than this is lost: where segments are short, networks are gone for no shorter.
pub const PLAYLIST_LOST_MS: f64 = 30_000.0;
/// Requests for one init.
pub const INIT_TRIES_MAX: u32 = 8;
/// Requests for one segment at least, the last of them 0.75 target durations after the first: it may be listed before it is
/// there. As long as a target duration is buffered ahead of the playhead, nothing is lost by asking on; later, whoever waits
/// longer than one for each of several never comes to those that are there.
pub const SEGMENT_TRIES_MIN: u32 = 3;
/// Segments given up in a row, after which the stream is.
pub const SKIPS_MAX: u32 = 16;
/// A timeout costs more patience than a quick answer: two of them are enough.
pub const TIMEOUT_TRIES: u32 = 2;
/// A list whose sequence numbers went back may be an old one from a cache; it is a restart of the stream if
/// that many answers in a row say so, fewer of them if it ends that far before what was listed, and at once with another init.
pub const RESTART_ANSWERS: u64 = 3;
pub const RESTART_ANSWERS_FAR: u64 = 2;
pub const RESTART_MSN_GAP: u64 = 16;
/// Nothing is requested while this much is buffered ahead of the playhead, in seconds.
pub const AHEAD_S_MAX: f64 = 60.0;
/// Media behind the playhead is removed down to `BEHIND_S_KEPT` once there are `BEHIND_S_MAX` of it.
pub const BEHIND_S_MAX: f64 = 40.0;
pub const BEHIND_S_KEPT: f64 = 30.0;
/// When an append is tried again that a full SourceBuffer has refused.
pub const FULL_RETRY_TD: f64 = 0.5;
/// Who is woken later than that has slept.
pub const SLEEP_TD: f64 = 0.25;
/// The playhead is looked at so long after the last event, if there is no other.
pub const TICK_TD: f64 = 0.25;
/// A playhead that starves this close to the end of a range has played it, in seconds. Chromium stops within 0.1 s of it, at eight
/// times the rate up to 0.81 s before.
pub const RANGE_END_S: f64 = 1.0;
/// Before the first picture: engines begin by themselves at media that starts so little after zero, and WebKit hangs on a
/// seek before it has begun.
pub const BEGINS_BY_ITSELF_S: f64 = 0.25;
/// How far into a range a jump lands: exactly its start may be rounded to before it.
pub const JUMP_INTO_S: f64 = 1.0 / 128.0;
/// A run that extends the buffer by less has put its media elsewhere, in seconds.
pub const EXTENDED_S_MIN: f64 = 1.0 / 64.0;
/// With more than this ahead, the playhead hurries until there is `HURRIED_TD`; beyond `LEAP_TD` it goes there at once.
pub const HURRY_TD: f64 = 4.0;
pub const HURRIED_TD: f64 = 3.0;
pub const LEAP_TD: f64 = 11.0;
/// Lost MediaSources within `REBUILDS_TD` of each other.
pub const REBUILDS_MAX: u32 = 5;
pub const REBUILDS_TD: f64 = 4.0;
/// How much is left of a segment when the next is appended, as long as a decoder is not trusted.
pub const CAREFUL_TD: f64 = 0.5;
/// The same of one that begins with an init, in seconds: where engines stop for want of media.
pub const CAREFUL_INIT_S: f64 = 0.125;
/// A segment that begins so much before the end of what is buffered belongs to another run: the clock of the media has
/// gone back. In seconds.
pub const BACK_S_MIN: f64 = 0.375;
/// A playhead that could go on and has stood still for longer shows that the MediaSource is lost: so WPE WebKit 2.38 does when
/// the media had run out.
pub const STUCK_TD: f64 = 1.0;
/// What a link may be asked for of what it has carried, and how much more it is trusted with after one segment that came faster.
#[cfg(feature = "full")]
pub const BITS_SHARE: f64 = 0.6875;
#[cfg(feature = "full")]
pub const BITS_GROWTH: f64 = 1.5;
/// Segments of one variant before a better one is tried.
#[cfg(feature = "full")]
pub const UP_AGE_MIN: i32 = 5;
/// The age at which the one begins that is played in the place of a lost one, which may be tried again at `UP_AGE_MIN`.
#[cfg(feature = "full")]
pub const LOST_AGE: i32 = -25;
/// What a variant's playlist, and its init, may fail before another one is played, and how many answers in a row that say
/// nothing new.
#[cfg(feature = "full")]
pub const VARIANT_TRIES_MAX: u32 = 2;
#[cfg(feature = "full")]
pub const VARIANT_STALE_MAX: u32 = 3;
/// How far from the end of what is buffered the first segment of another variant may begin, in seconds.
#[cfg(feature = "full")]
pub const FITS_S: f64 = 0.125;
