//! The node under test, and everything that is known of its interface: the only file that has to change with it.
//!
//! A [`Host`] is what remains when a node dies: the disk. It starts the node on it, lets it fail at any
//! write, and shows what is durable. It can be told to misbehave in known ways ([`Fault`]), so that tests see
//! the simulation find each of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use camshaft_agent::engine::{self, Refusal, Reply, Request, RequestId, Trial};
use camshaft_agent::node::{Asked, Holding, Node, NodeError};
use camshaft_agent::release::Release;
use camshaft_agent::{api, speech};
use camshaft_cam::digest::Digest;
use camshaft_manifests::Version;
use camshaft_store::{
    self as store, ClientSeen, Control, Direction, Journal, MemoryJournal, Record, ReleaseEntry, Snapshot,
    StoreError,
};

use crate::seen::{
    Ask, Effect, Entry, Identity, Input, InstanceSeen, NodeSeen, Refused, Said, Says, Sent, Source, Verdict,
    Way,
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
    /// The snapshot leaves out states from before the switch, and what was kept aside.
    SnapshotLosesWayBack,
    /// The node is told a time that has not come yet.
    ClockRunsAhead,
    /// An answer goes to somebody else.
    SwapsAnswers,
    /// A crash during a switch leaves the node on a release that nothing in the journal names.
    SwitchIsLost,
}

/// All of them.
pub const FAULTS: [Fault; 10] = [
    Fault::AnswersBeforeDurable,
    Fault::LosesRecord,
    Fault::AppliesTwice,
    Fault::SnapshotLosesMail,
    Fault::SnapshotLosesAnswers,
    Fault::SnapshotLosesTimers,
    Fault::SnapshotLosesWayBack,
    Fault::ClockRunsAhead,
    Fault::SwapsAnswers,
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
}

/// What an operator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

/// A disk that fails at a certain write.
#[derive(Debug, Default)]
struct Gate {
    /// Writes until the one that fails; none while nothing fails.
    left: Option<u64>,
    /// True when the write that fails is durable all the same.
    durable: bool,
    broken: bool,
    fault: Option<Fault>,
    /// Records that were said to be durable and are not.
    withheld: Vec<Record>,
}

#[derive(Clone)]
struct Disk {
    journal: MemoryJournal,
    gate: Arc<Mutex<Gate>>,
}

impl Disk {
    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<T>(
        &mut self,
        write: impl FnOnce(&mut MemoryJournal) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let durable = {
            let mut gate = self.gate();
            if gate.broken {
                return Err(StoreError::Told);
            }
            match &mut gate.left {
                Some(0) => {
                    gate.broken = true;
                    Some(gate.durable)
                }
                Some(left) => {
                    *left -= 1;
                    None
                }
                None => None,
            }
        };
        match durable {
            Some(false) => Err(StoreError::Told),
            Some(true) => write(&mut self.journal).and(Err(StoreError::Told)),
            None => write(&mut self.journal),
        }
    }
}

impl Journal for Disk {
    fn append(&mut self, records: &[Record]) -> Result<u64, StoreError> {
        if self.gate().fault == Some(Fault::AnswersBeforeDurable) {
            let mut late = std::mem::take(&mut self.gate().withheld);
            late.extend(records.iter().cloned());
            if records.iter().all(|record| matches!(record, Record::Input(_))) {
                let position = self.journal.last()? + late.len() as u64;
                self.gate().withheld = late;
                return Ok(position);
            }
            return self.write(|disk| disk.append(&late));
        }
        self.write(|disk| disk.append(records))
    }
    fn last(&self) -> Result<u64, StoreError> {
        self.journal.last()
    }
    fn read(
        &self,
        after: u64,
        visit: &mut dyn FnMut(u64, Record) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.journal.read(after, visit)
    }
    fn controls(&self) -> Result<Vec<(u64, Control)>, StoreError> {
        self.journal.controls()
    }
    fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), StoreError> {
        let mut snapshot = snapshot.clone();
        let fault = self.gate().fault;
        if fault == Some(Fault::AnswersBeforeDurable) {
            return Ok(());
        }
        for instance in &mut snapshot.instances {
            match fault {
                Some(Fault::SnapshotLosesMail) => drop(instance.mailbox.pop()),
                Some(Fault::SnapshotLosesAnswers) => instance.kept.clear(),
                Some(Fault::SnapshotLosesTimers) => instance.timers.clear(),
                Some(Fault::SnapshotLosesWayBack) => (instance.before, instance.aside) = (None, None),
                _ => {}
            }
        }
        self.write(|disk| disk.save_snapshot(&snapshot))
    }
    fn snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
        self.journal.snapshot()
    }
    fn save_clients(&mut self, clients: &[ClientSeen]) -> Result<(), StoreError> {
        self.write(|disk| disk.save_clients(clients))
    }
    fn clients(&self) -> Result<Vec<ClientSeen>, StoreError> {
        self.journal.clients()
    }
    fn put_blob(&mut self, bytes: &[u8]) -> Result<Digest, StoreError> {
        self.write(|disk| disk.put_blob(bytes))
    }
    fn blob(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.journal.blob(digest)
    }
}

/// A disk, and the node on it while one runs.
pub struct Host {
    world: Arc<World>,
    disk: Disk,
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

fn release(world: &World, place: usize) -> Result<Release, String> {
    let edition = world.editions.get(place).ok_or("there is no such release")?;
    let version = edition.version.to_string();
    let entry = ReleaseEntry {
        name: "world".to_owned(),
        archive: Digest::of(version.as_bytes()),
        version,
        digest: edition.digest,
    };
    Release::new(edition.opened(), entry).map_err(|error| error.to_string())
}

fn asked(now_ms: i64) -> Asked {
    Asked { who: "sim".to_owned(), now_ms }
}

impl Host {
    /// Returns an empty disk.
    pub fn new(world: Arc<World>, salt: u64, fault: Option<Fault>) -> Host {
        let gate = Gate { fault, ..Gate::default() };
        let disk = Disk { journal: MemoryJournal::default(), gate: Arc::new(Mutex::new(gate)) };
        Host { world, disk, node: None, salt, fault, tried: None, acknowledged: None, pending: vec![] }
    }

    /// Returns true while a node runs.
    pub fn is_up(&self) -> bool {
        self.node.is_some()
    }

    /// Lets a write fail: the one after so many others. It may be durable all the same.
    pub fn fail_after(&mut self, writes: u64, durable: bool) {
        let mut gate = self.disk.gate();
        (gate.left, gate.durable) = (Some(writes), durable);
    }

    /// Ends the node as a power cut would.
    pub fn kill(&mut self) {
        (self.node, self.tried) = (None, None);
        self.pending.clear();
        let mut gate = self.disk.gate();
        let fault = gate.fault;
        *gate = Gate { fault, ..Gate::default() };
        drop(gate);
        if fault == Some(Fault::LosesRecord) {
            self.rewrite(|records| drop(records.pop()));
        }
        if fault == Some(Fault::SwitchIsLost) {
            self.rewrite(|records| {
                let switch = records
                    .iter()
                    .rposition(|record| matches!(record, Record::Control(Control::Switch { .. })));
                records.truncate(switch.unwrap_or(records.len()));
            });
        }
    }

    /// Makes the disk anew with other records, for a fault that does such a thing.
    fn rewrite(&mut self, change: impl FnOnce(&mut Vec<Record>)) {
        let Ok(mut records) = self.disk.journal.records() else { return };
        let before = records.len();
        change(&mut records);
        if records.len() == before || records.is_empty() {
            return;
        }
        let mut journal = MemoryJournal::default();
        for place in 0..self.world.editions.len() {
            let version = self.world.editions[place].version.to_string();
            journal.put_blob(version.as_bytes()).expect("memory does not fail");
        }
        journal.append(&records).expect("memory does not fail");
        self.disk.journal = journal;
    }

    /// Starts the node.
    ///
    /// # Errors
    ///
    /// [`Down`] when a write failed; else why it does not open, which it always has to.
    pub fn start(&mut self, now_ms: i64) -> Result<Result<(), Down>, String> {
        let world = self.world.clone();
        let opener = move |bytes: &[u8], _: &ReleaseEntry| {
            let found =
                world.editions.iter().position(|edition| edition.version.to_string().as_bytes() == bytes);
            release(&world, found.ok_or("there is no such release")?)
        };
        match Node::open(Box::new(self.disk.clone()), Box::new(opener), self.salt, now_ms) {
            Ok(node) => {
                self.node = Some(node);
                if let (Some(Fault::AppliesTwice), Some(request)) = (self.fault, self.acknowledged.take()) {
                    self.node()
                        .request(now_ms, Request { identity: None, id: RequestId(u64::MAX), ..request });
                }
                Ok(Ok(()))
            }
            Err(camshaft_agent::node::OpenNodeError::Journal(StoreError::Told)) => {
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

    /// Lets the node work for one group of records.
    ///
    /// # Errors
    ///
    /// When a write failed.
    pub fn run(&mut self, now_ms: i64) -> Result<(), Down> {
        let ahead = if self.fault == Some(Fault::ClockRunsAhead) { 1500 } else { 0 };
        match self.node().run(now_ms + ahead) {
            Ok(()) => Ok(()),
            Err(_) => {
                self.kill();
                Err(Down)
            }
        }
    }

    /// Returns true when [`Host::run`] has something to do at once.
    pub fn has_work(&self) -> bool {
        self.node.as_ref().is_some_and(Node::has_work)
    }

    /// Returns when the next timer is due.
    pub fn next_due_ms(&self) -> Option<i64> {
        self.node.as_ref()?.next_due_ms()
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
    /// Of an engine at rest: it would remember an instance of which nothing is there but a request that waits.
    ///
    /// # Errors
    ///
    /// When a write failed.
    pub fn snapshot(&mut self, now_ms: i64) -> Result<(), Down> {
        self.run(now_ms)?;
        match self.node().save_snapshot() {
            Ok(()) => Ok(()),
            Err(_) => {
                self.kill();
                Err(Down)
            }
        }
    }

    /// Tries an upgrade and keeps what came of it, for a later [`Command::Upgrade`].
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub fn begin_upgrade(&mut self, to: usize, now_ms: i64) -> Result<(), String> {
        let release = self.release(to);
        let plan = self.node().plan_upgrade(&release).map_err(|problem| problem.code)?;
        self.node().leave_behind(&release, &[], now_ms).map_err(|problem| problem.code)?;
        let copies = self.node().carryable(&plan);
        self.tried = Some((to, Trial::new(plan, copies)));
        Ok(())
    }

    fn release(&self, place: usize) -> Arc<Release> {
        Arc::new(release(&self.world, place).expect("a world has good releases"))
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
                let node = self.node();
                let tried = node.plan_upgrade(&release).and_then(|plan| {
                    node.leave_behind(&release, &[], now_ms)?;
                    let copies = node.carryable(&plan);
                    Ok(node.report_trial(&Trial::new(plan, copies)))
                });
                match tried {
                    Ok(report) if report.passed => Ok(()),
                    Ok(_) => return Ok(Done::Refused("trial-failed".to_owned())),
                    Err(problem) => return Ok(Done::Refused(problem.code)),
                }
            }
            Command::Upgrade { to, drops } => self.upgrade(to, drops, now_ms),
            Command::Rollback { hold } => {
                let node = self.node();
                let plan = match node.plan_rollback() {
                    Ok(plan) => plan,
                    Err(problem) => return Ok(Done::Refused(problem.code)),
                };
                let copies = node.carryable(&plan);
                let holding = if hold { Holding::Hold } else { Holding::Refuse };
                node.rollback(&asked(now_ms), Trial::new(plan, copies), holding).map(drop)
            }
            Command::Permanent => self.node().make_permanent(&asked(now_ms)).map(drop),
        };
        self.tried = None;
        match done {
            Ok(()) => Ok(Done::Done),
            Err(NodeError::Refused(problem)) => Ok(Done::Refused(problem.code)),
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
            _ => {
                let node = self.node();
                let plan = node.plan_upgrade(&release).and_then(|plan| {
                    node.leave_behind(&release, &dropped, now_ms)?;
                    Ok(plan)
                });
                match plan {
                    Ok(plan) => {
                        let copies = node.carryable(&plan);
                        Trial::new(plan, copies)
                    }
                    Err(problem) => return Err(node.refused(&asked(now_ms), Some(&release.entry), problem)),
                }
            }
        };
        let node = self.node();
        node.upgrade(&asked(now_ms), trial, &bundle, &dropped)?;
        let checked = node.checks().run();
        node.settle_check(&asked(now_ms), checked).map(drop)
    }

    /// Returns what is durable after so many entries.
    ///
    /// # Errors
    ///
    /// What cannot be read, or is less than was there before.
    pub fn history(&self, after: usize) -> Result<Vec<Entry>, String> {
        let last = self.disk.journal.last().map_err(|error| chain(&error))?;
        if last < after as u64 {
            return Err(format!("{after} records were durable, and {last} are"));
        }
        let mut entries = vec![];
        if last == after as u64 {
            return Ok(entries);
        }
        let read = self.disk.journal.read(after as u64, &mut |_, record| {
            entries.push(entry(record).map_err(StoreError::Refused)?);
            Ok(())
        });
        read.map_err(|error| chain(&error))?;
        Ok(entries)
    }

    /// Returns what is durable of who spoke what: application, what they say, when last.
    pub fn saved_clients(&self) -> Vec<(String, Says, i64)> {
        let saved = self.disk.journal.clients().unwrap_or_default();
        let says = |says| match says {
            store::ClientSays::Nothing => Says::Nothing,
            store::ClientSays::Running => Says::Running,
            store::ClientSays::Version(version) => Says::Version(version),
        };
        saved.into_iter().map(|seen| (seen.app, says(seen.says), seen.last_ms)).collect()
    }

    /// Returns how the node is.
    pub fn look(&mut self) -> NodeSeen {
        let node = self.node();
        let status = node.status();
        let mut instances = vec![];
        let mut after = None;
        loop {
            let page = node.instances(after.as_deref(), 1000);
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
        Refusal::Held { .. } => Refused::Held,
    })
}

fn entry(record: Record) -> Result<Entry, String> {
    Ok(match record {
        Record::Input(record) => Entry::Input(input(record)?),
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
            Control::InstanceHeld { instance, reason, .. } => Entry::Held { instance, reason },
            Control::Refused(refusal) => Entry::Refused { code: refusal.code, reason: refusal.reason },
            Control::ClientsDropped { .. } => Entry::ClientsDropped,
        },
    })
}

fn input(record: store::InputRecord) -> Result<Input, String> {
    let address = |text: &str| text.parse().map_err(|error| format!("`{text}` is no address: {error}"));
    let source = match record.source {
        store::Source::Anonymous => Source::Anonymous,
        store::Source::Client { sender, seq, .. } => Source::Named(Identity::Client(sender, seq)),
        store::Source::Key { key, .. } => Source::Named(Identity::Key(key)),
        store::Source::Message { sender, seq, effect } => {
            Source::Message(Sent { peer: address(&sender)?, seq, effect })
        }
        store::Source::Answer { receiver, seq, effect } => {
            Source::Answer(Sent { peer: address(&receiver)?, seq, effect })
        }
        store::Source::Timer { name, generation } => Source::Timer { name, generation },
        store::Source::Relup { switch, index } => Source::Relup { switch, index },
    };
    let effect = |effect: store::Effect| {
        Ok::<Effect, String>(match effect {
            store::Effect::Stop => Effect::Stop,
            store::Effect::Log(line) => Effect::Log(line),
            store::Effect::Cancel(name) => Effect::Cancel(name),
            store::Effect::Timer { name, due_ms, input } => Effect::Timer(name, due_ms, input),
            store::Effect::Send { channel, to, message } => Effect::Send(channel, address(&to)?, message),
        })
    };
    let verdict = match record.verdict {
        store::Verdict::Applied { output, effects, state } => Verdict::Applied {
            output,
            effects: effects.into_iter().map(effect).collect::<Result<_, _>>()?,
            state,
        },
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
