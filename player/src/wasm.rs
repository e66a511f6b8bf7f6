//! The numbers behind the one export, `a`, and the imports, which `glue/player.js` has in a list, by their index.

use segproof_player_core::{Event, Place, Player, Report, Resource, Shell, Text};

/// Known to the linker by this name: xtask/src/player/globals.rs makes globals of its fields.
#[unsafe(no_mangle)]
static mut PLAYER: Player = Player::NEW;

/// Hands an event to the player: its kind, as numbered in the glue, and what comes with it. Returns after how many milliseconds
/// to send the first kind of event.
#[unsafe(export_name = "a")]
pub extern "C" fn event(kind: u32, value: f64, now_ms: f64) -> f64 {
    // SAFETY: the glue knows no other kinds.
    let event: Event = unsafe { core::mem::transmute(kind) };
    // SAFETY: wasm without threads, and the glue never calls this from inside an import.
    let player = unsafe { &mut *(&raw mut PLAYER) };
    player.handle(event, value, now_ms, &mut Glue)
}

struct Glue;

mod glue {
    use super::Place;

    #[link(wasm_import_module = "a")]
    unsafe extern "C" {
        #[link_name = "0"]
        pub safe fn load(resource: u32, place: Place);
        #[link_name = "1"]
        pub safe fn cancel(resource: u32);
        #[link_name = "2"]
        pub safe fn append(resource: u32, run_start_s: f64);
        #[link_name = "3"]
        pub safe fn remove(end_s: f64);
        #[link_name = "4"]
        pub safe fn seek(to_s: f64);
        #[link_name = "5"]
        pub safe fn hurry(is_hurrying: u32);
        #[link_name = "6"]
        pub safe fn end();
        #[link_name = "7"]
        pub safe fn rebuild();
        #[link_name = "8"]
        pub safe fn close();
        #[link_name = "9"]
        pub safe fn char(index: u32) -> u32;
        #[link_name = "10"]
        pub safe fn report(code: u32);
        #[link_name = "11"]
        pub safe fn latency(latency_s: f64);
        #[link_name = "12"]
        pub safe fn playhead() -> f64;
        #[link_name = "13"]
        pub safe fn edge(index: u32) -> f64;
        #[link_name = "14"]
        pub safe fn state() -> u32;
        #[link_name = "15"]
        pub safe fn segment_start() -> f64;
        #[cfg(feature = "full")]
        #[link_name = "16"]
        pub safe fn choose(bits_per_s: f64, goes_up: u32) -> u32;
    }
}

impl Text for Glue {
    fn char_at(&self, index: u32) -> u32 {
        glue::char(index)
    }
}

impl Shell for Glue {
    fn load(&mut self, resource: Resource, place: Place) {
        glue::load(resource as u32, place);
    }

    fn cancel(&mut self, resource: Resource) {
        glue::cancel(resource as u32);
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

    fn hurry(&mut self, is_hurrying: bool) {
        glue::hurry(is_hurrying.into());
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

    fn report(&mut self, report: Report) {
        glue::report(report as u32);
    }

    fn report_latency(&mut self, latency_s: f64) {
        glue::latency(latency_s);
    }

    #[cfg(feature = "full")]
    fn choose(&mut self, bits_per_s: f64, goes_up: bool) -> bool {
        glue::choose(bits_per_s, goes_up.into()) != 0
    }

    #[cfg(feature = "full")]
    fn fail_over(&mut self, bits_per_s: f64) -> bool {
        glue::choose(-1.0 - bits_per_s, 0) != 0
    }

    fn segment_start_s(&self) -> f64 {
        glue::segment_start()
    }

    fn playhead_s(&self) -> f64 {
        glue::playhead()
    }

    fn edge_s(&self, index: u32) -> f64 {
        glue::edge(index)
    }

    fn is_starving(&self) -> bool {
        glue::state() & 1 != 0
    }

    fn is_paused(&self) -> bool {
        glue::state() & 2 != 0
    }

    fn is_full(&self) -> bool {
        glue::state() & 4 != 0
    }
}

/// Nobody provides what it calls: the build refuses a wasm that would want it, and so any that can panic.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    #[link(wasm_import_module = "a")]
    unsafe extern "C" {
        #[link_name = "panic"]
        safe fn panics() -> !;
    }
    panics()
}
