//! The glue's files in a JavaScript engine without a browser.

use rquickjs::{Context, Function, Module, Runtime};

/// Calls `use_it` with what a module exports by this name.
pub fn with<T>(source: &str, name: &str, use_it: impl FnOnce(Function) -> T) -> T {
    let runtime = Runtime::new().expect("an engine");
    Context::full(&runtime).expect("a context").with(|js| {
        let (module, done) = Module::declare(js, name, source).expect("a module").eval().expect("it runs");
        done.finish::<()>().expect("it runs to its end");
        use_it(module.get(name).expect("it is exported"))
    })
}
