//! What the glue does with what the core asks for, in a browser that is only as large as the glue can see: `js/browser.js`.
//! The tests themselves are in `js/sessions.js`, each in a browser of its own.

use rquickjs::{CatchResultExt, Context, Ctx, Function, Module, Object, Promise, Runtime};

const MODULES: [(&str, &str); 6] = [
    ("glue/bytes.js", include_str!("../glue/bytes.js")),
    ("glue/places.js", include_str!("../glue/places.js")),
    ("glue/boxes.js", include_str!("../glue/boxes.js")),
    ("glue/player.js", include_str!("../glue/player.js")),
    ("tests/browser.js", include_str!("js/browser.js")),
    ("tests/sessions.js", include_str!("js/sessions.js")),
];

/// The tests of that name, in a browser whose player is the full one or not.
fn tests<'js>(js: &Ctx<'js>, list: &str, is_full: bool) -> Object<'js> {
    let mut tests = None;
    let full = format!("export const FULL = {is_full};");
    for (name, source) in [("glue/full.js", full.as_str())].into_iter().chain(MODULES) {
        // Under its name the others find it.
        let declared = Module::declare(js.clone(), name, source).catch(js);
        let module = declared.unwrap_or_else(|error| panic!("{name}: {error}"));
        if name == "tests/sessions.js" {
            let (module, done) = module.eval().catch(js).unwrap_or_else(|error| panic!("{error}"));
            done.finish::<()>().catch(js).unwrap_or_else(|error| panic!("{error}"));
            tests = Some(module.get(list).expect("they are exported"));
        }
    }
    tests.expect("the last module has them")
}

fn in_a_browser<T>(use_it: impl FnOnce(Ctx) -> T) -> T {
    let runtime = Runtime::new().expect("an engine");
    Context::full(&runtime).expect("a context").with(use_it)
}

/// Runs each test in a browser of its own.
fn run(list: &str, is_full: bool) {
    let names: Vec<String> = in_a_browser(|js| {
        tests(&js, list, is_full).keys().collect::<Result<_, _>>().expect("names of tests")
    });
    assert!(!names.is_empty());
    let failed: Vec<String> = names.iter().filter_map(|name| failure(list, name, is_full)).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn failure(list: &str, name: &str, is_full: bool) -> Option<String> {
    in_a_browser(|js| {
        let test: Function = tests(&js, list, is_full).get(name).expect("a test");
        let done: Promise = test.call(()).expect("a promise");
        done.finish::<()>().catch(&js).err().map(|error| format!("{name}: {error}"))
    })
}

#[test]
fn sessions_of_the_small_player() {
    run("tests", false);
}

#[test]
fn sessions_of_the_full_player() {
    run("tests", true);
    run("full", true);
}
