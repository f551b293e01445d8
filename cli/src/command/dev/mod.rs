//! `camshaft dev [PROJECT]`: checks and builds whenever a file is saved.
//!
//! What leads to a round is decided in [`rounds`]; [`look`] says whether the project is another,
//! [`report`] what came of a round, [`watch`] brings the events. This file runs them.

mod look;
mod report;
mod rounds;
mod watch;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use camshaft_releases::project::{LOCK_PATH, Locking};
use serde_json::json;

use super::{build, test};
use crate::failure::{Failure, chain};
use crate::project::{Project, default_out, open_bundle};
use crate::talk::Talk;
use look::Look;
use report::{Broken, Clean, Machines, Round, changes};
use rounds::{Action, Event, Rounds};
use watch::Watcher;

/// Arguments of `dev`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder that holds release.toml
    #[arg(default_value = ".")]
    path: PathBuf,

    /// Where to write the bundle; predecessors are looked for here first [default: PATH/dist]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Do one round, and end with how it went
    #[arg(long)]
    once: bool,
}

/// Where a project is, and where its bundle goes.
#[derive(Debug, Clone)]
struct Place {
    root: PathBuf,
    out: PathBuf,
}

/// Watches a project until Ctrl-C.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let place =
        Place { root: args.path.clone(), out: args.out.clone().unwrap_or_else(|| default_out(&args.path)) };
    // A folder that is not there when it begins is a slip; one that goes later may come back.
    let first = place.look();
    if let Err(unreadable) = &first.sources {
        return Err(Failure::refused(unreadable.message.clone(), unreadable.hint.clone()));
    }
    if args.once { once(&place, first, talk) } else { Watching::new(place).run(talk) }
}

fn once(place: &Place, look: Look, talk: &mut Talk) -> Result<(), Failure> {
    let round = talk.while_waiting("checking", || place.round(look, Vec::new(), None));
    let document = round.to_json();
    if let Err(Broken::Tests(tests)) = &round.result {
        talk.report(&tests.failures.join("\n"));
    }
    if round.result.is_ok() {
        talk.result(&document, round.to_text());
    }
    round.result.map(|_| ()).map_err(|broken| broken.into_failure().details(&document))
}

impl Place {
    /// Returns where bundles of predecessors are looked for.
    fn bundles(&self) -> [PathBuf; 3] {
        [self.out.clone(), self.root.clone(), default_out(&self.root)]
    }

    fn look(&self) -> Look {
        Look::at(&self.root, &self.bundles())
    }

    /// Checks and builds what was seen. `good`: the machines of the last good build.
    fn round(&self, look: Look, changed: Vec<String>, good: Option<&Machines>) -> Round {
        let started = Instant::now();
        let result = self.built(look, good);
        Round { changed, result, took: started.elapsed() }
    }

    fn built(&self, look: Look, good: Option<&Machines>) -> Result<Clean, Broken> {
        let sources =
            look.sources.map_err(|unreadable| Failure::refused(unreadable.message, unreadable.hint))?;
        let project = Project::of(&self.root, &self.out, sources)?;
        let built = project.build(&self.root, &self.out, Locking::Update)?;
        let machines = Machines::of(&built.release);
        let good = match good {
            Some(good) => Some(good.clone()),
            // The first round is held against what an earlier build left.
            None => before(&self.out.join(built.file_name())),
        };
        let tests = test::all_of(&self.root)?;
        if !tests.failures.is_empty() {
            return Err(Broken::Tests(tests));
        }
        let written = build::write(&built, &project, &self.root, &self.out)?;
        let resolved = &built.release.resolved;
        Ok(Clean {
            release: format!("{} {}", resolved.name, resolved.version),
            bundle: written.bundle,
            digest: built.packed.digest,
            changes: good.map(|good| changes(&good, &machines)),
            machines,
            tests: tests.count,
            checked: built.checked,
            warnings: written.warned,
            lock: written.lock_changed.then_some(built.lock),
        })
    }
}

/// Returns the machines of a bundle that lies where the new one goes, if a good one does.
fn before(bundle: &Path) -> Option<Machines> {
    let (_, release) = open_bundle(bundle).ok()?;
    Some(Machines::of(&release))
}

/// Says that a round has ended, also when it panicked: then there is a fault to tell.
struct Finishing(Sender<Event>);

impl Drop for Finishing {
    fn drop(&mut self) {
        // Nobody waits for it when the process ends.
        let _ = self.0.send(Event::Finished);
    }
}

/// What is known while a project is watched.
struct Watching {
    place: Place,
    /// What the last round saw, and what it left behind.
    seen: Option<Look>,
    /// What the next round is to see.
    next: Option<(Look, Vec<String>)>,
    /// The machines of the last good build.
    good: Option<Machines>,
    running: Option<JoinHandle<Round>>,
}

impl Watching {
    fn new(place: Place) -> Watching {
        Watching { place, seen: None, next: None, good: None, running: None }
    }

    fn run(mut self, talk: &mut Talk) -> Result<(), Failure> {
        let (sender, events) = channel();
        watch::interrupts(sender.clone()).map_err(|error| {
            let message = format!("cannot wait for Ctrl-C: {}", chain(&error));
            Failure::fault(message, "check the limits of the system: files, threads")
        })?;
        let mut watcher = Watcher::start(sender.clone());
        let started = Instant::now();
        let now = || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if talk.json {
            talk.out(&json!({ "event": "watching", "path": self.place.root }).to_string());
        }
        let (mut rounds, mut action) = Rounds::begin();
        loop {
            let event = match action {
                Action::End => break,
                Action::Look => {
                    // Watched first, then looked at: what comes between is told.
                    watcher.follow(&self.place.root, &self.place.bundles());
                    Event::Looked(self.look())
                }
                Action::Round => {
                    self.begin_round(&sender, talk);
                    action = Action::Wait;
                    continue;
                }
                Action::Wait | Action::WaitUntil(_) => {
                    let (wait, otherwise) = match action {
                        Action::WaitUntil(until) => {
                            (Duration::from_millis(until.saturating_sub(now())), Event::Due)
                        }
                        _ => (watcher.patience(), Event::Touched),
                    };
                    match events.recv_timeout(wait) {
                        Ok(event) => event,
                        Err(RecvTimeoutError::Timeout) => otherwise,
                        Err(RecvTimeoutError::Disconnected) => Event::Stop,
                    }
                }
            };
            if event == Event::Finished {
                self.end_round(talk);
            }
            action = rounds.on(event, now());
        }
        if talk.json {
            talk.out(&json!({ "event": "ended" }).to_string());
        }
        Ok(())
    }

    /// Looks at the project; returns true when it is another than in the last round.
    fn look(&mut self) -> bool {
        let look = self.place.look();
        let changed = match &self.seen {
            None => Vec::new(),
            Some(seen) if *seen == look => return false,
            Some(seen) => look.changes_since(seen),
        };
        self.next = Some((look, changed));
        true
    }

    fn begin_round(&mut self, events: &Sender<Event>, talk: &mut Talk) {
        let Some((look, changed)) = self.next.take() else { return };
        if talk.json {
            talk.out(&json!({ "event": "changed", "files": changed }).to_string());
        } else if std::io::stdout().is_terminal() {
            // The screen and what scrolled off it: what was wrong before is mended or told again.
            talk.out("\x1b[2J\x1b[3J\x1b[H");
        }
        if !changed.is_empty() {
            talk.note(format!("changed: {}", changed.join(", ")));
        }
        self.seen = Some(look.clone());
        let (place, good, finishing) = (self.place.clone(), self.good.clone(), Finishing(events.clone()));
        self.running = Some(std::thread::spawn(move || {
            let _finishing = finishing;
            place.round(look, changed, good.as_ref())
        }));
    }

    fn end_round(&mut self, talk: &mut Talk) {
        let Some(running) = self.running.take() else { return };
        let Ok(round) = running.join() else {
            let message = "the round broke off: this is a fault of ours";
            return talk.failure(&Failure::fault(message, "please report it, with the file that was saved"));
        };
        if let Ok(clean) = &round.result {
            self.good = Some(clean.machines.clone());
            if let Some(seen) = &mut self.seen {
                // What the round wrote itself is no change.
                seen.wrote(&self.place.bundles(), LOCK_PATH, clean.lock.as_deref());
            }
        }
        if talk.json {
            return talk.out(&round.to_json().to_string());
        }
        match &round.result {
            Err(Broken::Faulty(failure)) => talk.failure(failure),
            Err(Broken::Tests(tests)) => talk.report(&tests.failures.join("\n")),
            Ok(_) => {}
        }
        talk.out(&round.to_text());
        talk.note("waiting for changes; Ctrl-C ends");
    }
}
