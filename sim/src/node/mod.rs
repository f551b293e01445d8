//! The node under test, and everything that is known of its interface: the only file that has to change with it.
//!
//! A [`Host`] is what remains when a node dies: the disk. It starts the node on it, lets it fail at any
//! write, and shows what is durable. It can be told to misbehave in known ways ([`Fault`]), so that tests see
//! the simulation find each of them.

mod disk;

use std::sync::Arc;

use camshaft_agent::engine::{self, Refusal, Reply, Request, RequestId, Trial};
use camshaft_agent::node::{Asked, Holding, Node, NodeError, Settings, WayBack};
use camshaft_agent::release::Release;
use camshaft_agent::{api, speech};
use camshaft_cam::digest::Digest;
use camshaft_manifests::{InstanceAddress, Version};
use camshaft_store::{self as store, Aside, Control, Direction, Record, ReleaseEntry};

use disk::NodeDisk;

use crate::seen::{
    Ask, Deed, Effect, Entry, Identity, Input, InstanceSeen, NodeSeen, Redrive, Refused, Said, Says, Sent,
    Source, Verdict, Way,
};
use crate::world::World;

/// A way in which the node is made to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answers leave before what they tell of is durable: a crash takes the last group back.
    AnswersBeforeDurable,
    /// The last durable record is lost in a crash.
    LosesRecord,
    /// After a crash an input that was acknowledged is applied once more, without its name.
    AppliesTwice,
    /// The snapshot leaves out a message that waits.
    SnapshotLosesMail,
    /// The snapshot leaves out the answers that are kept.
    SnapshotLosesAnswers,
    /// The snapshot leaves out the timers.
    SnapshotLosesTimers,
    /// The snapshot leaves out what is parked.
    SnapshotLosesParked,
    /// The snapshot leaves out states from before the switch, and what was kept aside.
    SnapshotLosesWayBack,
    /// The node is told a time that has not come yet.
    ClockRunsAhead,
    /// An answer goes to somebody else.
    SwapsAnswers,
    /// What releases declare of traps is not done.
    ForgivesTraps,
    /// A crash during a switch leaves the node on a release that nothing in the journal names.
    SwitchIsLost,
}

/// All of them.
pub const FAULTS: [Fault; 12] = [
    Fault::AnswersBeforeDurable,
    Fault::LosesRecord,
    Fault::AppliesTwice,
    Fault::SnapshotLosesMail,
    Fault::SnapshotLosesAnswers,
    Fault::SnapshotLosesTimers,
    Fault::SnapshotLosesParked,
    Fault::SnapshotLosesWayBack,
    Fault::ClockRunsAhead,
    Fault::SwapsAnswers,
    Fault::ForgivesTraps,
    Fault::SwitchIsLost,
];

/// The node is down: a write failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Down;

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// It was done.
    Done,
    /// It was refused, for this reason.
    Refused(String),
    /// It was begun and is not to stay, and there is no room to say so: it is undone as soon as there is.
    Unsettled(String),
}

/// What an operator does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Installs the release of this place.
    Install(usize),
    /// Tries an upgrade to the release of this place.
    Try(usize),
    /// Tries an upgrade, lets go on what comes, and makes it: see [`Host::begin_upgrade`].
    Upgrade {
        /// The release.
        to: usize,
        /// True when clients may be left behind.
        drops: bool,
    },
    /// Goes back; holding what cannot, or not at all then.
    Rollback {
        /// True when instances may be held.
        hold: bool,
    },
    /// Makes the running release permanent.
    Permanent,
    /// Removes a release.
    Remove {
        /// Its place.
        place: usize,
        /// True when the way back to it may be given up.
        gives_up: bool,
    },
    /// Lets something of an instance go on, or gives it up.
    Redrive {
        /// The instance.
        address: InstanceAddress,
        /// What.
        what: Redrive,
    },
}

/// A disk, and the node on it while one runs.
pub struct Host {
    world: Arc<World>,
    disk: NodeDisk,
    shards: u16,
    node: Option<Node>,
    salt: u64,
    fault: Option<Fault>,
    /// An upgrade that was tried and not made yet.
    tried: Option<(usize, Trial)>,
    /// What was acknowledged last, for a node that applies it again.
    acknowledged: Option<Request>,
    pending: Vec<Request>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("up", &self.node.is_some()).finish_non_exhaustive()
    }
}

fn release(world: &World, place: usize, fault: Option<Fault>) -> Result<Release, String> {
    let edition = world.editions.get(place).ok_or("there is no such release")?;
    let version = edition.version.to_string();
    let entry = ReleaseEntry {
        name: "world".to_owned(),
        archive: Digest::of(version.as_bytes()),
        version,
        digest: edition.digest,
    };
    let mut opened = edition.opened();
    if fault == Some(Fault::ForgivesTraps) {
        opened.resolved.apps.iter_mut().for_each(|app| app.supervision = Default::default());
    }
    Release::new(opened, entry).map_err(|error| error.to_string())
}

fn asked(now_ms: i64) -> Asked {
    Asked { who: "sim".to_owned(), now_ms }
}

impl Host {
    /// Returns an empty disk.
    pub fn new(world: Arc<World>, salt: u64, shards: Option<u16>, fault: Option<Fault>) -> Host {
        // A fault that changes the journal does so in memory.
        let disk = NodeDisk::new(salt, fault.is_none() && salt.is_multiple_of(3), fault);
        let shards = shards.unwrap_or(u16::try_from(1 + salt % 4).unwrap_or(1));
        Host {
            world,
            disk,
            shards,
            node: None,
            salt,
            fault,
            tried: None,
            acknowledged: None,
            pending: vec![],
        }
    }

    /// Returns true while a node runs.
    pub fn is_up(&self) -> bool {
        self.node.is_some()
    }

    /// Returns how many shards a node has.
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// Lets a write fail: the one after so many others. It may be durable all the same.
    pub fn fail_after(&mut self, writes: u64, durable: bool) {
        self.disk.fail_after(writes, durable);
    }

    /// Says whether there is room for inputs, apart from so many bytes.
    pub fn fill(&mut self, full: bool, bytes: u64) {
        self.disk.fill(full, bytes);
    }

    /// Ends the node as a power cut would.
    pub fn kill(&mut self) {
        (self.node, self.tried) = (None, None);
        self.pending.clear();
        self.disk.cut();
    }

    /// Takes the notes away if by them the node would hold an instance: what they note died twice in a row. That the
    /// power went there each time was by chance, and the model does not know where that was.
    ///
    /// # Errors
    ///
    /// When they cannot be read or written.
    pub fn lose_notes(&mut self) -> Result<bool, String> {
        self.disk.lose_notes(|notes| notes.lines().any(|line| line.starts_with("at 2 ")))
    }

    /// Starts the node.
    ///
    /// # Errors
    ///
    /// [`Down`] when a write failed; else why it does not open, which it always has to.
    pub fn start(&mut self, now_ms: i64) -> Result<Result<(), Down>, String> {
        let (world, fault) = (self.world.clone(), self.fault);
        let opener = move |bytes: &[u8], _: &ReleaseEntry| {
            let found =
                world.editions.iter().position(|edition| edition.version.to_string().as_bytes() == bytes);
            release(&world, found.ok_or("there is no such release")?, fault).map(Arc::new)
        };
        let settings = Settings { shards: self.shards, ..Settings::one(self.salt) };
        let opened = self.disk.journal().map_err(camshaft_agent::node::OpenNodeError::Journal);
        match opened.and_then(|journal| Node::open(journal, Box::new(opener), settings, now_ms)) {
            Ok(node) => {
                self.node = Some(node);
                if let (Some(Fault::AppliesTwice), Some(request)) = (self.fault, self.acknowledged.take()) {
                    self.node()
                        .request(now_ms, Request { identity: None, id: RequestId(u64::MAX), ..request });
                }
                Ok(Ok(()))
            }
            // Only what was told to fail may fail.
            Err(camshaft_agent::node::OpenNodeError::Journal(_)) if self.disk.is_failing() => {
                self.kill();
                Ok(Err(Down))
            }
            Err(error) => Err(chain(&error)),
        }
    }

    fn node(&mut self) -> &mut Node {
        self.node.as_mut().expect("a node runs")
    }

    /// Takes a request in.
    pub fn request(&mut self, now_ms: i64, ask: &Ask) {
        let request = Request {
            id: RequestId(ask.id),
            address: ask.address.clone(),
            json: ask.json.clone(),
            says: match &ask.says {
                Says::Nothing => speech::Says::Nothing,
                Says::Running => speech::Says::Running,
                Says::Version(version) => speech::Says::Version(version.as_str().into()),
            },
            identity: ask.identity.as_ref().map(|identity| match identity {
                Identity::Client(sender, seq) => {
                    engine::Identity::Client { sender: sender.as_str().into(), seq: *seq }
                }
                Identity::Key(key) => engine::Identity::Key(key.as_str().into()),
            }),
            trace: None,
        };
        if self.fault == Some(Fault::AppliesTwice) {
            self.pending.push(request.clone());
        }
        self.node().request(now_ms, request);
    }

    /// Lets some shards work, each for as much as goes into a group, and makes it durable.
    ///
    /// # Errors
    ///
    /// When a write failed.
    pub fn run(&mut self, now_ms: i64, shards: &[u16]) -> Result<(), Down> {
        let now_ms = if self.fault == Some(Fault::ClockRunsAhead) { now_ms + 1500 } else { now_ms };
        for shard in shards {
            self.node().run_shard(usize::from(*shard), now_ms);
        }
        // The sweeper comes in where all shards have worked, as it does in an agent that has time for it.
        let sweeps = shards.len() == usize::from(self.shards);
        let node = self.node();
        let mut done = node.sync().is_ok();
        if sweeps && done {
            done = node.look_after(now_ms).is_ok();
        }
        if sweeps && done && node.is_sweeping() {
            done = node.sweep_if_due().is_ok() && node.sync().is_ok();
        }
        self.alive(done)
    }

    /// Makes durable what was done, without anything more.
    ///
    /// # Errors
    ///
    /// When a write failed.
    pub fn flush(&mut self, now_ms: i64) -> Result<(), Down> {
        let node = self.node();
        let done = node.look_after(now_ms).is_ok() && node.sync().is_ok();
        self.alive(done)
    }

    /// Lets a shard work; nothing of it is durable yet.
    pub fn run_shard(&mut self, now_ms: i64, shard: u16) {
        self.node().run_shard(usize::from(shard), now_ms);
    }

    fn alive(&mut self, lives: bool) -> Result<(), Down> {
        if lives {
            return Ok(());
        }
        self.kill();
        Err(Down)
    }

    /// Returns true when [`Host::run`] has something to do at once.
    pub fn has_work(&mut self) -> bool {
        self.node.as_mut().is_some_and(Node::has_work)
    }

    /// Returns when the next timer is due.
    pub fn next_due_ms(&mut self) -> Option<i64> {
        self.node.as_mut()?.next_due_ms()
    }

    /// Returns the answers that may leave the node.
    pub fn take_answers(&mut self) -> Vec<(u64, Said)> {
        let mut answers: Vec<(u64, Said)> =
            self.node().take_answers().into_iter().map(|(id, reply)| (id.0, said(reply))).collect();
        if self.fault == Some(Fault::AppliesTwice) {
            answers.retain(|(id, _)| *id != u64::MAX);
            for (id, answer) in &answers {
                if let Said::Answered { repeated: false, .. } = answer
                    && let Some(request) = self.pending.iter().find(|request| request.id.0 == *id)
                {
                    self.acknowledged = Some(request.clone());
                }
            }
        }
        if self.fault == Some(Fault::SwapsAnswers) && answers.len() > 1 {
            let first = answers[0].1.clone();
            let last = answers.len() - 1;
            answers[0].1 = std::mem::replace(&mut answers[last].1, first);
        }
        answers
    }

    /// Saves a snapshot.
    ///
    /// # Errors
    ///
    /// When a write failed.
    pub fn snapshot(&mut self) -> Result<(), Down> {
        let saved = self.node().save_snapshot();
        self.alive(saved.is_ok())
    }

    /// Begins a snapshot, or goes on with one.
    ///
    /// # Errors
    ///
    /// When a write failed.
    pub fn save_some(&mut self) -> Result<(), Down> {
        let node = self.node();
        let saved = if node.is_saving() { node.go_on_with_snapshot() } else { node.begin_snapshot() };
        // One that waits for room is given up, and made another time.
        self.alive(!matches!(saved, Err(NodeError::Journal(_))))
    }

    /// Tries an upgrade and keeps what came of it, for a later [`Command::Upgrade`].
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub fn begin_upgrade(&mut self, to: usize, now_ms: i64) -> Result<(), String> {
        let release = self.release(to);
        let trial = self.trial(&release, &[], now_ms).map_err(|error| match error {
            NodeError::Refused(problem) => problem.code,
            NodeError::Journal(error) => chain(&error),
        })?;
        self.tried = Some((to, trial));
        Ok(())
    }

    fn trial(
        &mut self,
        release: &Arc<Release>,
        dropped: &[Version],
        now_ms: i64,
    ) -> Result<Trial, NodeError> {
        let node = self.node();
        let plan = node.plan_upgrade(release)?;
        node.leave_behind(release, dropped, now_ms)?;
        node.try_all(plan)
    }

    fn release(&self, place: usize) -> Arc<Release> {
        Arc::new(release(&self.world, place, self.fault).expect("a world has good releases"))
    }

    /// Does what an operator says.
    ///
    /// # Errors
    ///
    /// When a write failed.
    pub fn operate(&mut self, command: &Command, now_ms: i64) -> Result<Done, Down> {
        let done = match *command {
            Command::Install(to) => {
                let (release, bundle) = (self.release(to), self.bundle(to));
                self.node().install(&asked(now_ms), release, &bundle).map(drop)
            }
            Command::Try(to) => {
                let release = self.release(to);
                let tried = self.trial(&release, &[], now_ms);
                match tried.map(|trial| trial.report()) {
                    Ok(report) if report.passed => Ok(()),
                    Ok(_) => return Ok(Done::Refused("trial-failed".to_owned())),
                    Err(error) => Err(error),
                }
            }
            Command::Upgrade { to, drops } => self.upgrade(to, drops, now_ms),
            Command::Rollback { hold } => self.rollback(hold, now_ms),
            Command::Permanent => self.node().make_permanent(&asked(now_ms)).map(drop),
            Command::Remove { place, gives_up } => {
                let version = self.world.editions[place].version.to_string();
                let way_back = if gives_up { WayBack::GiveUp } else { WayBack::Keep };
                self.node().remove(&asked(now_ms), &version, way_back).map(drop)
            }
            Command::Redrive { ref address, what } => {
                let what = match what {
                    Redrive::Parked => store::Redrive::Parked,
                    Redrive::Dropped => store::Redrive::Dropped,
                    Redrive::Released => store::Redrive::Released,
                    Redrive::Reset => store::Redrive::Reset,
                };
                self.node().redrive(&asked(now_ms), address, what).map(drop)
            }
        };
        self.tried = None;
        match done {
            Ok(()) => Ok(Done::Done),
            Err(NodeError::Refused(problem)) => Ok(match problem.changed {
                api::Changed::Unsettled => Done::Unsettled(problem.code),
                api::Changed::No | api::Changed::Undone => Done::Refused(problem.code),
            }),
            Err(NodeError::Journal(_)) => {
                self.kill();
                Err(Down)
            }
        }
    }

    fn bundle(&self, place: usize) -> Vec<u8> {
        self.world.editions[place].version.to_string().into_bytes()
    }

    fn upgrade(&mut self, to: usize, drops: bool, now_ms: i64) -> Result<(), NodeError> {
        let dropped: Vec<Version> = match drops {
            true => self.world.editions.iter().map(|edition| edition.version.clone()).collect(),
            false => vec![],
        };
        let (release, bundle) = (self.release(to), self.bundle(to));
        let trial = match self.tried.take() {
            Some((tried, trial)) if tried == to => trial,
            _ => match self.trial(&release, &dropped, now_ms) {
                Ok(trial) => trial,
                Err(NodeError::Refused(problem)) => {
                    return Err(self.node().refused(&asked(now_ms), Some(&release.entry), problem));
                }
                Err(error) => return Err(error),
            },
        };
        let node = self.node();
        node.upgrade(&asked(now_ms), trial, &bundle, &dropped)?;
        node.settle_check(&asked(now_ms), Ok(())).map(drop)
    }

    fn rollback(&mut self, hold: bool, now_ms: i64) -> Result<(), NodeError> {
        let node = self.node();
        let plan = node.plan_rollback()?;
        let trial = node.try_all(plan)?;
        let holding = if hold { Holding::Hold } else { Holding::Refuse };
        node.rollback(&asked(now_ms), trial, holding).map(drop)
    }

    /// Returns what became durable and was not shown yet.
    ///
    /// # Errors
    ///
    /// What cannot be read, or is no longer what was shown before.
    pub fn history(&mut self) -> Result<Vec<Entry>, String> {
        let records = self.disk.fresh(self.node.is_some())?;
        records.into_iter().map(entry).collect()
    }

    /// Returns who spoke what, as the node knows: application, what they say, when last.
    pub fn clients(&mut self) -> Vec<(String, Says, i64)> {
        let Ok(status) = self.node().status() else { return vec![] };
        let says = |speaks: String| match speaks.as_str() {
            "untagged" => Says::Nothing,
            "running" => Says::Running,
            _ => Says::Version(speaks),
        };
        status.clients.into_iter().map(|seen| (seen.app, says(seen.speaks), seen.last_seen_ms)).collect()
    }

    /// Returns true while the node waits for room on the disk: it may be ahead of what is durable then.
    pub fn waits_for_room(&mut self) -> bool {
        self.node().status().expect("the node is here").disk_full
    }

    /// Returns how the node is.
    pub fn look(&mut self) -> NodeSeen {
        let node = self.node();
        let status = node.status().expect("the node is here");
        let mut instances = vec![];
        let mut after = None;
        loop {
            let page = node.instances(after.as_deref(), 1000).expect("the node is here");
            instances.extend(page.instances.into_iter().map(instance));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        instances.retain(|seen: &InstanceSeen| !seen.is_blank());
        instances.sort();
        NodeSeen {
            running: status.running.map(|release| release.version),
            provisional: status.state == Some(api::ReleaseState::Provisional),
            switch: status.switch,
            instances,
        }
    }
}

/// Returns an error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn instance(seen: api::InstanceStatus) -> InstanceSeen {
    InstanceSeen {
        address: seen.address,
        stands: match seen.state {
            api::InstanceState::Live => "live",
            api::InstanceState::Held => "held",
            api::InstanceState::Archived => "archived",
            api::InstanceState::Stopped => "stopped",
        },
        machine: seen.digest,
        seq: seen.seq,
        state: seen.state_digest,
        queued: seen.queued,
        parked: seen.parked,
        timers: seen.timers.into_iter().map(|timer| (timer.name, timer.due_ms)).collect(),
    }
}

fn said(reply: Reply) -> Said {
    let refused = match reply {
        Reply::Answered { answer, repeated, speaks } => {
            return Said::Answered { answer, repeated, speaks: speaks.to_string() };
        }
        Reply::Refused(refusal) => refusal,
    };
    Said::Refused(match refused {
        Refusal::NoRelease => Refused::NoRelease,
        Refusal::UnknownMachine(_) => Refused::UnknownMachine,
        Refusal::UnknownVersion { .. } => Refused::UnknownVersion,
        Refusal::MachineUnspoken { .. } => Refused::MachineUnspoken,
        Refusal::KeyMissing(_) => Refused::KeyMissing,
        Refusal::KeyUnwanted(_) => Refused::KeyUnwanted,
        Refusal::WrongType(_) => Refused::WrongType,
        Refusal::Internal(_) => Refused::Internal,
        Refusal::NotLifted { .. } => Refused::NotLifted,
        Refusal::NoAnswer { .. } => Refused::NoAnswer,
        Refusal::AnswerUntold { .. } => Refused::AnswerUntold,
        Refusal::Conflict => Refused::Conflict,
        Refusal::Expired => Refused::Expired,
        Refusal::Busy(_) => Refused::Busy,
        Refusal::DiskFull => Refused::DiskFull,
        Refusal::Held { .. } => Refused::Held,
    })
}

fn entry(record: Record) -> Result<Entry, String> {
    Ok(match record {
        Record::Input(record) => Entry::Input(input(record)?),
        Record::Aside(Aside::Clients(_)) => Entry::Clients,
        // When something goes over makes no difference to what it becomes.
        Record::Aside(Aside::Settled { instance, .. }) => Entry::Settled { instance: address(&instance)? },
        Record::Aside(Aside::Cared { switch, at_ms, deeds }) => {
            let deeds = deeds.into_iter().map(|done| deed(&done.instance, done.resets, done.reason));
            Entry::Cared { switch, at_ms, deeds: deeds.collect::<Result<_, _>>()? }
        }
        Record::Aside(Aside::Redriven { instance, switch, what, .. }) => {
            Entry::Redriven { instance: address(&instance)?, switch, what: redrive(what) }
        }
        Record::Aside(Aside::Dropped { instance, switch, .. }) => {
            Entry::Redriven { instance: address(&instance)?, switch, what: Redrive::Dropped }
        }
        // No machine of the pool has a port.
        Record::Aside(aside @ Aside::Called { .. }) => Entry::Other(format!("{aside:?}")),
        Record::Control(control) => match control {
            Control::Installed { release, .. } => Entry::Installed { to: release.version },
            Control::Switch { number, from, to, direction, .. } => Entry::Switch {
                number,
                from: from.version,
                to: to.version,
                way: match direction {
                    Direction::Up => Way::Up,
                    Direction::Down => Way::Down,
                    Direction::Undo => Way::Undo,
                },
            },
            Control::CheckPassed { switch } => Entry::CheckPassed { switch },
            Control::CheckFailed { switch, .. } => Entry::CheckFailed { switch },
            Control::Permanent { .. } => Entry::Permanent,
            // Its traps led to it: the shard has recorded it in its place.
            Control::InstanceHeld { instance, seq: u64::MAX, reason, .. } => {
                Entry::CareTold(deed(&instance, false, reason)?)
            }
            Control::InstanceReset { instance, reason, .. } => {
                Entry::CareTold(deed(&instance, true, reason)?)
            }
            Control::Health { app, traps, .. } => {
                let app = app.parse().map_err(|error| format!("`{app}` is no name: {error}"))?;
                Entry::Health { app, traps }
            }
            Control::InstanceHeld { instance, reason, .. }
            | Control::RecoveryHeld { instance, reason, .. } => Entry::Held { instance, reason },
            Control::Refused(refusal) => Entry::Refused { code: refusal.code, reason: refusal.reason },
            Control::ClientsDropped { .. } => Entry::ClientsDropped,
            Control::Swept { .. } => Entry::Swept,
            Control::Counted { switch, .. } => Entry::Counted { switch },
            // One process plays the node.
            Control::TakenOver { .. } => unreachable!("nothing takes a simulated node over"),
            Control::Removed { release, .. } => Entry::Removed { version: release.version },
            Control::Redriven { instance, what, driven, left, .. } => {
                Entry::RedriveTold { instance: address(&instance)?, what: redrive(what), driven, left }
            }
            // No world declares what could lead there.
            other @ (Control::MayHold { .. }
            | Control::Probation(_)
            | Control::ProbationResumed { .. }
            | Control::Returned { .. }) => Entry::Other(format!("{other:?}")),
        },
    })
}

fn address(text: &str) -> Result<InstanceAddress, String> {
    text.parse().map_err(|error| format!("`{text}` is no address: {error}"))
}

fn deed(instance: &str, resets: bool, reason: String) -> Result<Deed, String> {
    Ok(Deed { instance: address(instance)?, resets, reason })
}

fn redrive(what: store::Redrive) -> Redrive {
    match what {
        store::Redrive::Parked => Redrive::Parked,
        store::Redrive::Dropped => Redrive::Dropped,
        store::Redrive::Released => Redrive::Released,
        store::Redrive::Reset => Redrive::Reset,
    }
}

fn input(record: store::InputRecord) -> Result<Input, String> {
    let source = match record.source {
        store::Source::Anonymous => Source::Anonymous,
        store::Source::Client { sender, seq, .. } => Source::Named(Identity::Client(sender, seq)),
        store::Source::Key { key, .. } => Source::Named(Identity::Key(key)),
        store::Source::Message { sender, seq, effect, .. } => {
            Source::Message(Sent { peer: address(&sender)?, seq, effect })
        }
        store::Source::Answer { receiver, seq, effect } => {
            Source::Answer(Sent { peer: address(&receiver)?, seq, effect })
        }
        store::Source::Timer { name, generation } => Source::Timer { name, generation },
        store::Source::Relup { switch, index } => Source::Relup { switch, index },
        store::Source::Port { .. } => return Err("no machine of the pool has a port".to_owned()),
    };
    let effect = |effect: store::Effect| {
        Ok::<Effect, String>(match effect {
            store::Effect::Stop => Effect::Stop,
            store::Effect::Log(line) => Effect::Log(line),
            store::Effect::Cancel(name) => Effect::Cancel(name),
            store::Effect::Timer { name, due_ms, input } => Effect::Timer(name, due_ms, input),
            store::Effect::Send { channel, to, message } => Effect::Send(channel, address(&to)?, message),
            store::Effect::Call { .. } => return Err("no machine of the pool has a port".to_owned()),
        })
    };
    let verdict = match record.verdict {
        store::Verdict::Applied { output, effects } => {
            Verdict::Applied { output, effects: effects.into_iter().map(effect).collect::<Result<_, _>>()? }
        }
        store::Verdict::Trapped { kind, reason } => Verdict::Trapped { kind, reason },
    };
    Ok(Input {
        switch: record.switch,
        instance: address(&record.instance)?,
        seq: record.seq,
        source,
        input: record.input,
        now_ms: record.now_ms,
        seed: record.seed,
        verdict,
    })
}
