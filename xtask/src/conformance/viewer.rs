//! `--keep-open`: the person who looks at a browser in which something went wrong, before it is closed.

use std::path::PathBuf;

use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::progress::Progress;
use crate::front::Held;
use crate::{paths, report};

/// Shows each trial that is held, and lets it go at Enter. Ctrl-C is the run's own affair.
pub fn start(mut held: UnboundedReceiver<Held>, out: PathBuf, progress: Progress) {
    tokio::spawn(async move {
        let mut lines = None;
        while let Some(Held { report, looked_at }) = held.recv().await {
            let lines = lines.get_or_insert_with(read_lines);
            // What was typed before is no answer.
            while lines.try_recv().is_ok() {}
            progress.print(&format!(
                "{}\n     the browser is open as the trial left it, and its stream goes on; what happened is in {}\n     \
                 Enter closes it and goes on with the next trial, Ctrl-C ends the run",
                report::trial_line(&report),
                paths::short(&out.join(&report.dir).join("trace.txt")),
            ));
            let _at_the_end_of_the_input_too = lines.recv().await;
            // A trial that has ended meanwhile has lost nothing.
            let _ended = looked_at.send(());
        }
    });
}

/// Lines of the standard input. A thread of its own, and none of the runtime's, which would be waited for at the end.
fn read_lines() -> UnboundedReceiver<()> {
    let (typed, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        while std::io::stdin().read_line(&mut line).is_ok_and(|bytes| bytes > 0) && typed.send(()).is_ok() {
            line.clear();
        }
    });
    lines
}
