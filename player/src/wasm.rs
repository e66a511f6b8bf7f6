//! The numbers and pointers behind the three exports, `room`, `event` and `offset`.

use core::ptr::addr_of;
use core::slice;

use segproof_player_core::{ByteRange, Event, Player, Resource, Severity, Shell, placement};

/// The text of a playlist or the bytes of an init beyond this are refused.
const ROOM_BYTES_MAX: usize = 16 << 20;
const PAGE_BYTES: usize = 1 << 16;

static mut PLAYER: Player = Player::new();
/// How much of the memory the playlist takes, and what lies behind it: an init, or an init and a segment.
static mut TEXT_BYTES: usize = 0;
static mut MEDIA_BYTES: usize = 0;

/// Makes room for a playlist, behind it for an init, or behind that for the beginning of a segment, and returns its
/// address; zero if it is too long. Views on the memory are void after this call.
#[unsafe(no_mangle)]
pub extern "C" fn room(resource: u32, bytes: usize) -> usize {
    if bytes > ROOM_BYTES_MAX {
        return 0;
    }
    // SAFETY: wasm without threads; no reference into the memory outlives a call of an export.
    unsafe {
        if resource == 0 {
            TEXT_BYTES = 0;
        }
        if resource < 2 {
            MEDIA_BYTES = 0;
        }
        let start = heap_base() + TEXT_BYTES + MEDIA_BYTES;
        if resource == 0 {
            TEXT_BYTES = bytes;
        } else {
            MEDIA_BYTES += bytes;
        }
        let missing = (start + bytes).saturating_sub(core::arch::wasm32::memory_size(0) * PAGE_BYTES);
        if missing > 0 && core::arch::wasm32::memory_grow(0, missing.div_ceil(PAGE_BYTES)) == usize::MAX {
            (TEXT_BYTES, MEDIA_BYTES) = (0, 0);
            return 0;
        }
        start
    }
}

/// Hands an event to the player. `value` is the HTTP status of a failure, or how long an answer took. Returns when
/// to send the first kind of event again.
#[unsafe(no_mangle)]
pub extern "C" fn event(kind: u32, resource: u32, value: u32, now_ms: f64) -> f64 {
    // SAFETY: as above; `room` has reserved what is read here, and JavaScript has filled it.
    let (player, text, init) = unsafe {
        let player = &raw mut PLAYER;
        (&mut *player, slice::from_raw_parts(heap_base() as *const u8, TEXT_BYTES), media())
    };
    let resource = match resource {
        0 => Resource::Playlist,
        1 => Resource::Init,
        _ => Resource::Segment,
    };
    let event = match kind {
        0 => Event::Woken,
        1 => Event::Opened,
        2 => match resource {
            Resource::Playlist => Event::PlaylistLoaded(value),
            Resource::Init => Event::InitLoaded(init),
            Resource::Segment => Event::SegmentLoaded,
        },
        3 => Event::Failed(resource, value as u16),
        4 => Event::Updated,
        5 => Event::QuotaExceeded,
        6 => Event::Broken,
        7 => Event::Unsupported,
        _ => Event::Ended,
    };
    player.handle(event, now_ms, text, &mut Glue)
}

/// The `timestampOffset` with which the segment behind the init begins a run. It leaves the player alone, so that it
/// may be called from inside the import `append`.
#[unsafe(no_mangle)]
pub extern "C" fn offset(run_start_s: f64) -> f64 {
    // SAFETY: as above.
    placement::timestamp_offset_s(unsafe { media() }, run_start_s)
}

unsafe fn media() -> &'static [u8] {
    unsafe { slice::from_raw_parts((heap_base() + TEXT_BYTES) as *const u8, MEDIA_BYTES) }
}

fn heap_base() -> usize {
    unsafe extern "C" {
        static __heap_base: u8;
    }
    addr_of!(__heap_base) as usize
}

struct Glue;

mod glue {
    #[link(wasm_import_module = "g")]
    unsafe extern "C" {
        pub safe fn load(resource: u32, uri: *const u8, uri_bytes: usize, offset: f64, length: f64);
        pub safe fn cancel(resource: u32);
        pub safe fn codecs(text: *const u8, bytes: usize);
        pub safe fn append(resource: u32, run_start_s: f64);
        pub safe fn remove(end_s: f64);
        pub safe fn seek(to_s: f64);
        pub safe fn end();
        pub safe fn rebuild();
        pub safe fn close();
        pub safe fn report(severity: u32, text: *const u8, bytes: usize);
        pub safe fn playhead() -> f64;
        pub safe fn edge(index: u32, which: u32) -> f64;
        pub safe fn starving() -> u32;
    }
}

impl Shell for Glue {
    fn load(&mut self, resource: Resource, uri: &[u8], range: ByteRange) {
        glue::load(resource as u32, uri.as_ptr(), uri.len(), range.offset as f64, range.length as f64);
    }

    fn cancel(&mut self, resource: Resource) {
        glue::cancel(resource as u32);
    }

    fn set_codecs(&mut self, codecs: &[u8]) {
        glue::codecs(codecs.as_ptr(), codecs.len());
    }

    fn append(&mut self, resource: Resource, run_start_s: Option<f64>) {
        glue::append(resource as u32, run_start_s.unwrap_or(-1.0));
    }

    fn remove_before(&mut self, end_s: f64) {
        glue::remove(end_s);
    }

    fn seek(&mut self, to_s: f64) {
        glue::seek(to_s);
    }

    fn end_of_stream(&mut self) {
        glue::end();
    }

    fn rebuild(&mut self) {
        glue::rebuild();
    }

    fn close(&mut self) {
        glue::close();
    }

    fn report(&mut self, severity: Severity, message: &str) {
        glue::report(severity as u32, message.as_ptr(), message.len());
    }

    fn playhead_s(&self) -> f64 {
        glue::playhead()
    }

    fn buffered_s(&self, index: u32) -> Option<(f64, f64)> {
        let start_s = glue::edge(index, 0);
        (start_s >= 0.0).then(|| (start_s, glue::edge(index, 1)))
    }

    fn is_starving(&self) -> bool {
        glue::starving() != 0
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
