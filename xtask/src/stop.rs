//! Ctrl-C and SIGTERM: the first asks the run to end in good order, the second ends it at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::Signal;
use tokio::signal::unix::{self, SignalKind, signal};
use tokio::sync::watch;

use crate::processes;

/// The run's ear for signals.
#[derive(Debug, Clone)]
pub struct Stop {
    asked: watch::Receiver<bool>,
    trials: Arc<AtomicU32>,
}

/// The signals that ask a program to end. While it listens they do nothing else.
pub struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hangup: unix::Signal,
}

impl Signals {
    pub fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Resolves when one has come.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

impl Stop {
    /// Listens from now on. `emergency` is called at the second signal, before the process exits.
    pub fn listen(emergency: impl Fn() + Send + 'static) -> std::io::Result<Stop> {
        let (ask, asked) = watch::channel(false);
        let trials = Arc::new(AtomicU32::new(0));
        let mut signals = Signals::listen()?;
        let group = Arc::clone(&trials);
        tokio::spawn(async move {
            loop {
                signals.next().await;
                // nextest ends its tests at the first signal and kills them at the second.
                processes::signal_group(group.load(Ordering::SeqCst), Signal::SIGINT);
                if ask.send_replace(true) {
                    emergency();
                    std::process::exit(INTERRUPTED);
                }
                eprintln!("interrupted: ending the trials (again to quit at once)");
            }
        });
        Ok(Stop { asked, trials })
    }

    /// Names the process group that is told of every signal; 0 for none. It is not the terminal's, so that
    /// it hears of each signal exactly once, wherever that was sent.
    pub fn forward_to(&self, group: u32) {
        self.trials.store(group, Ordering::SeqCst);
        if group != 0 && self.asked() {
            processes::signal_group(group, Signal::SIGINT);
        }
    }

    /// Resolves when the run is asked to end.
    pub async fn wait(&mut self) {
        // Who could ask is there for as long as the process.
        let _asked = self.asked.wait_for(|asked| *asked).await;
    }

    /// Whether the run has been asked to end.
    pub fn asked(&self) -> bool {
        *self.asked.borrow()
    }
}

/// The exit code of a process that was quit at once, as shells give it for SIGINT.
const INTERRUPTED: i32 = 130;
