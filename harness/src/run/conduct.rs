//! Carries out the scenario's actions: asks the core what is due and commands page, network and processes.

use segproof_core::action::{Command, Cues, What};
use segproof_core::trace::PageEvent;
use tokio::sync::mpsc;

use crate::plan::{Processes, Signal};
use crate::serve::{Door, Stage};

/// The actions of one trial.
pub struct Conductor<'a> {
    stage: &'a Stage,
    cues: Cues,
    /// What the page was told to do and has not reported yet.
    told: Vec<What>,
    /// The page has waited for somebody of whom the scenario does not know.
    pub is_held_up: bool,
    faults: Vec<String>,
    sleep: Sleep,
    signals: Signals,
}

/// How the browser's processes stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sleep {
    Awake,
    Asleep,
}

/// Sends signals one after the other, so that none overtakes another, and without holding up the trial.
pub struct Signals {
    wanted: mpsc::UnboundedSender<Processes>,
    failures: mpsc::UnboundedReceiver<String>,
    sending: tokio::task::JoinHandle<()>,
}

impl Signals {
    /// `url` is the plan's; `session` the WebDriver session's id.
    pub fn new(url: Option<String>, session: String) -> Signals {
        let (wanted, mut queue) = mpsc::unbounded_channel();
        let (fail, failures) = mpsc::unbounded_channel();
        let sending = tokio::spawn(async move {
            while let Some(processes) = queue.recv().await {
                let signal = Signal { session: session.clone(), processes };
                if let Err(error) = send(url.as_deref(), &signal).await {
                    // The trial is over when nobody listens.
                    let _ = fail.send(format!("the browser's processes could not be signalled: {error:#}"));
                }
            }
        });
        Signals { wanted, failures, sending }
    }

    fn send(&self, processes: Processes) {
        // The task ends when this is dropped, not before.
        let _ = self.wanted.send(processes);
    }

    /// Waits until all signals are sent.
    async fn finish(self) {
        drop(self.wanted);
        let _panicked = self.sending.await;
    }
}

async fn send(url: Option<&str>, signal: &Signal) -> anyhow::Result<()> {
    let url = url.ok_or_else(|| anyhow::anyhow!("they belong to somebody else"))?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    client.post(url).json(signal).send().await?.error_for_status()?;
    Ok(())
}

impl<'a> Conductor<'a> {
    pub fn new(stage: &'a Stage, cues: Cues, signals: Signals) -> Conductor<'a> {
        Conductor {
            stage,
            cues,
            told: Vec::new(),
            is_held_up: false,
            faults: Vec::new(),
            sleep: Sleep::Awake,
            signals,
        }
    }

    /// The page has seen something.
    pub fn page(&mut self, event: &PageEvent) {
        self.cues.page(event);
        let PageEvent::Action { what, error, .. } = event else { return };
        match self.told.iter().position(|told| told == what) {
            Some(place) => drop(self.told.remove(place)),
            None => self.is_held_up |= matches!(what, What::Pause | What::Hide | What::AutoplayDenied),
        }
        if let Some(error) = error {
            self.faults.push(format!("the action {what} could not happen: {error}"));
        }
        // Not before the page has said so: what it has said then has left it.
        if *what == What::Sleep {
            self.sleep = Sleep::Asleep;
            self.signals.send(Processes::Stop);
        }
    }

    /// Does what is due.
    pub fn act(&mut self) {
        self.stage.look_at_requests(|requests| self.cues.requests(requests));
        // Stream time begins with the first request; before it nothing is due.
        if self.stage.clock().zero_ms().is_none() {
            return;
        }
        for due in self.cues.due(self.stage.clock().now_ms()) {
            match due {
                Ok(command) => self.carry_out(&command),
                Err(why) => self.faults.push(why),
            }
        }
        while let Ok(failure) = self.signals.failures.try_recv() {
            self.faults.push(failure);
        }
    }

    fn carry_out(&mut self, command: &Command) {
        match command {
            Command::Offline => self.stage.set_media_door(Door::Shut),
            Command::Online => self.stage.set_media_door(Door::Open),
            Command::Wake => self.wake(),
            _ => {}
        }
        self.told.push(command.what());
        self.stage.command(command);
    }

    fn wake(&mut self) {
        if self.sleep == Sleep::Asleep {
            self.sleep = Sleep::Awake;
            self.signals.send(Processes::Continue);
        }
    }

    /// Ends the actions; says what of them did not happen as the scenario wanted it. `passed`: the trial got to its
    /// end, so that every cue should have come. (A player that never got there is judged for that.)
    pub async fn finish(mut self, passed: bool) -> Vec<String> {
        self.wake();
        if passed {
            let missed = self.cues.missed().map(|cue| format!("the action at \"{cue}\" never came due"));
            self.faults.extend(missed);
            let told = self.told.iter().map(|what| format!("the page never carried out the action {what}"));
            self.faults.extend(told);
        }
        self.signals.finish().await;
        self.faults
    }
}
