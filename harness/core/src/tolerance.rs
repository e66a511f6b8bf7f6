//! What engines do of themselves, in one place: no player is accused of it. Each with what was measured, and where.
//!
//! The widest engine decides, so that one verdict means the same everywhere; only the step of a page's clock, which decides
//! how sure an order of events is, is each engine's own (`Engine::clock_step_ms`). What ends in `WALL` is the same at each
//! speed and costs more of the stream at a higher one.

/// Frames of a segment that are shown and not counted. Chromium counts every frame that it shows or drops, but leaves out up
/// to five at the end of the first segment and behind a hole.
pub const FRAMES_UNCOUNTED: u64 = 5;

/// How far back a frame may lie that is reported late, milliseconds of media: presentation callbacks come late for a frame or
/// two.
pub const BACK_MS: f64 = 100.0;

/// How much later than its neighbours a presentation callback may come where sound and picture are compared.
pub const CALLBACK_MS: f64 = 150.0;

/// How old the playhead is that a player reads when it begins anew: Chromium had shown what came 29 ms later.
pub const PLAYHEAD_AGE_WALL_MS: f64 = 40.0;

/// How far before a hole, or the end, an engine stops, which at speed 1 is media time: Chromium was seen to stop 0.1 s before.
pub const STOPS_WALL_S: f64 = 0.15;

/// So many seconds of media at the playhead let an engine begin: each wants a few frames first.
pub const PLAYABLE_S: f64 = 0.5;

/// From there to the picture: Chromium was seen to take 540 ms from the first media to the first frame with four of it on
/// two cores.
pub const START_WALL_MS_MAX: f64 = 750.0;
