//! A run: what a seed lets happen to a node, step by step.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use crate::model::{Model, Tally, Wrong};
use crate::node::{Command, Done, Down, Fault, Host};
use crate::rng::Rng;
use crate::seen::{Ask, Identity, Redrive, Says};
use crate::world::World;

/// How many steps a run has when nothing else is asked for.
pub const STEPS: u64 = 150;

/// How many of the last events a failure shows.
const EVENTS_SHOWN: usize = 80;

/// Inputs that no machine takes, or not from outside.
const BAD_INPUTS: [&str; 5] =
    ["{\"Nope\":1}", "no JSON", "{\"Rang\":{\"name\":\"t0\"}}", "{\"Answered\":{\"answer\":null}}", "7"];

/// Addresses of nothing.
const BAD_ADDRESSES: [&str; 3] = ["none/none", "shop/till", "count/counter/k0"];

/// Which run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// How many steps.
    pub steps: u64,
    /// The steps that are left out.
    pub skip: Vec<u64>,
    /// How many shards the node has; as many as the seed says when nothing is said here.
    pub shards: Option<u16>,
    /// In which way the node misbehaves.
    pub fault: Option<Fault>,
}

impl Options {
    /// Returns the whole run of a seed.
    pub fn of(seed: u64) -> Options {
        Options { seed, steps: STEPS, skip: vec![], shards: None, fault: None }
    }
}

/// A run that found something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which run.
    pub options: Options,
    /// The step in which it was found.
    pub step: u64,
    /// What must not be.
    pub wrong: Wrong,
    /// The last events, the newest last.
    pub events: Vec<String>,
}

/// Runs a seed.
///
/// # Errors
///
/// What it found.
pub fn run(options: &Options) -> Result<Tally, Box<Failure>> {
    let mut run = Run::new(options);
    let mut step = 0;
    let mut result = Ok(());
    while step < options.steps && result.is_ok() {
        if !options.skip.contains(&step) {
            result = run.caught(|run| run.step(&mut Rng::of(options.seed, step)));
        }
        step += 1;
    }
    let result = result.and_then(|()| run.caught(Run::end));
    match result {
        Ok(()) => Ok(run.model.tally),
        Err(wrong) => Err(Box::new(Failure {
            options: options.clone(),
            step: step.saturating_sub(1),
            wrong,
            events: run.events.into(),
        })),
    }
}

/// What a client remembers.
struct Client {
    name: String,
    next: u64,
    /// Named requests that it made.
    made: Vec<Ask>,
}

/// How the node was before a command.
#[derive(Debug, Clone, Copy)]
struct Before {
    running: Option<usize>,
    previous: Option<usize>,
    undone: u64,
    /// See [`Run::unsettled`].
    unsettled: bool,
}

struct Run {
    world: Arc<World>,
    host: Host,
    model: Model,
    clients: Vec<Client>,
    clock_ms: i64,
    followed: usize,
    next_id: u64,
    /// The upgrade that was tried and not made yet.
    begun: Option<usize>,
    /// True while a write was told to fail.
    failing: bool,
    /// True while there is little room on the disk.
    full: bool,
    /// True when an upgrade is to be undone as soon as there is room.
    unsettled: bool,
    /// True while shards have worked and nothing of that was made durable.
    ahead: bool,
    events: VecDeque<String>,
}

fn cannot(what: &str, reason: String) -> Wrong {
    Wrong { what: what.to_owned(), expected: "it works".to_owned(), seen: reason }
}

impl Run {
    fn new(options: &Options) -> Run {
        let world = Arc::new(World::of(options.seed));
        let client = |number| Client { name: format!("c{number}"), next: 1, made: vec![] };
        Run {
            host: Host::new(world.clone(), options.seed, options.shards, options.fault),
            model: Model::new(world.clone()),
            world,
            clients: (0..3).map(client).collect(),
            clock_ms: 1_000_000,
            followed: 0,
            next_id: 1,
            begun: None,
            failing: false,
            full: false,
            unsettled: false,
            ahead: false,
            events: VecDeque::new(),
        }
    }

    /// Does something, and takes a panic for something that must not be.
    fn caught(&mut self, something: impl FnOnce(&mut Run) -> Result<(), Wrong>) -> Result<(), Wrong> {
        let done = std::panic::catch_unwind(AssertUnwindSafe(|| something(self)));
        done.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(cannot("node and model", format!("a panic: {}", text.unwrap_or_default())))
        })
    }

    fn note(&mut self, event: String) {
        if self.events.len() == EVENTS_SHOWN {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn step(&mut self, rng: &mut Rng) -> Result<(), Wrong> {
        if !self.host.is_up() {
            if self.host.lose_notes().map_err(|reason| cannot("the notes are read", reason))? {
                self.note("the notes are lost".to_owned());
            }
            // It may die again before it is there.
            if rng.percent(20) {
                self.fail_soon(rng);
            }
            return self.start();
        }
        if self.model.running().is_none() && rng.percent(80) {
            return self.operate(&Command::Install(0));
        }
        match rng.below(105) {
            0..40 => self.requests(rng),
            40..50 => self.work(),
            50..56 => self.work_some(rng),
            56..58 => self.save_some(),
            58..66 => self.advance(rng),
            66..74 => self.repeat(rng),
            74..76 => self.burst(rng),
            76..79 => self.snapshot(),
            79..82 => self.kill(),
            82..86 => {
                self.fail_soon(rng);
                self.requests(rng)?;
                if rng.percent(60) { self.work() } else { self.command(rng) }
            }
            86..89 => self.settle(),
            89 => {
                self.fill(rng);
                Ok(())
            }
            90..95 => self.redrive(rng),
            _ => self.command(rng),
        }
    }

    fn fail_soon(&mut self, rng: &mut Rng) {
        let (writes, durable) = (rng.below(4), rng.percent(50));
        let fate = if durable { "is durable" } else { "is lost" };
        self.note(format!("the disk fails after {writes} writes, and that write {fate}"));
        (self.failing, self.model.may_be_full) = (true, true);
        self.host.fail_after(writes, durable);
    }

    /// Takes the room on the disk away, or gives it back.
    fn fill(&mut self, rng: &mut Rng) {
        self.full = !self.full;
        let bytes = rng.below(2_000);
        if self.full {
            self.note(format!("the disk has room for {bytes} bytes more"));
            self.model.may_be_full = true;
        } else {
            self.note("the disk has room again".to_owned());
        }
        self.host.fill(self.full, bytes);
    }

    fn start(&mut self) -> Result<(), Wrong> {
        self.note(format!("start at {}", self.clock_ms));
        self.model.told(self.clock_ms);
        match self.host.start(self.clock_ms) {
            Ok(Ok(())) => {
                self.follow()?;
                let clients = self.host.clients();
                self.model.started(clients)?;
                self.compare()
            }
            Ok(Err(Down)) => self.died(),
            Err(reason) => Err(cannot("the node opens its journal", reason)),
        }
    }

    /// Follows what is durable and was not followed yet.
    fn follow(&mut self) -> Result<(), Wrong> {
        let entries = self.host.history().map_err(|reason| cannot("the journal is read", reason))?;
        let undone = self.model.tally.undone;
        for entry in entries {
            self.followed += 1;
            self.note(format!("  {}: {}", self.followed, crate::shrink::line(&entry)));
            self.model.follow(&entry)?;
        }
        self.model.check_cared()?;
        self.unsettled &= self.model.tally.undone == undone;
        Ok(())
    }

    fn died(&mut self) -> Result<(), Wrong> {
        if !self.failing {
            return Err(cannot("the node goes on", "it died, and no write was told to fail".to_owned()));
        }
        self.note("the node died".to_owned());
        self.begun = None;
        self.follow()?;
        self.model.died();
        (self.failing, self.ahead, self.unsettled) = (false, false, false);
        self.model.may_be_full = self.full;
        Ok(())
    }

    /// Follows what a call made durable, and looks at what it let out.
    fn after(&mut self, done: Result<(), Down>) -> Result<(), Wrong> {
        if done.is_err() {
            return self.died();
        }
        self.follow()?;
        for (id, said) in self.host.take_answers() {
            self.note(format!("  {id} is told {said:?}"));
            self.model.answered(id, &said)?;
        }
        Ok(())
    }

    fn compare(&mut self) -> Result<(), Wrong> {
        // What is done and cannot be made durable is seen all the same.
        if !self.host.is_up() || self.model.waiting() > 0 || self.failing || self.full || self.ahead {
            return Ok(());
        }
        // It looks for room once each time that it works, and may find it the next time only.
        if self.model.may_be_full && self.host.waits_for_room() {
            return Ok(());
        }
        let seen = self.host.look();
        self.model.compare(&seen)
    }

    fn work(&mut self) -> Result<(), Wrong> {
        if !self.host.is_up() {
            return Ok(());
        }
        self.note(format!("run at {}", self.clock_ms));
        self.model.told(self.clock_ms);
        let all: Vec<u16> = (0..self.host.shards()).collect();
        let done = self.host.run(self.clock_ms, &all);
        self.ahead = false;
        self.after(done)?;
        self.compare()
    }

    /// Lets some shards work in any order; mostly it becomes durable then.
    fn work_some(&mut self, rng: &mut Rng) -> Result<(), Wrong> {
        self.model.told(self.clock_ms);
        for _ in 0..1 + rng.below(6) {
            let shard = u16::try_from(rng.below(u64::from(self.host.shards()))).unwrap_or(0);
            self.note(format!("shard {shard} runs at {}", self.clock_ms));
            self.host.run_shard(self.clock_ms, shard);
        }
        self.ahead = rng.percent(30);
        if self.ahead {
            return Ok(());
        }
        self.sync()?;
        self.compare()
    }

    /// Begins a snapshot, or goes on with one.
    fn save_some(&mut self) -> Result<(), Wrong> {
        self.note("a snapshot begins or goes on".to_owned());
        self.model.told(self.clock_ms);
        let done = self.host.save_some();
        self.after(done)
    }

    fn settle(&mut self) -> Result<(), Wrong> {
        if self.failing {
            // On a disk that fails nothing comes to an end.
            return self.kill();
        }
        if self.full {
            self.fill(&mut Rng::of(0, 0));
        }
        // A node that was told that the disk is full looks again each time.
        let mut rounds = if self.model.may_be_full { 0 } else { 2 };
        let mut all = 0;
        while (rounds < 3 || self.host.has_work()) && self.host.is_up() {
            self.work()?;
            rounds += 1;
            all += 1;
            if all > 10_000 {
                return Err(cannot("all that can be done is done", "there is always more to do".to_owned()));
            }
        }
        if self.host.is_up() { self.model.check_settled(self.clock_ms) } else { Ok(()) }
    }

    fn ask(&mut self, ask: Ask) -> Result<(), Wrong> {
        if !self.host.is_up() {
            return Ok(());
        }
        self.note(format!(
            "request {}: {} to {}, {:?}, {:?}",
            ask.id, ask.json, ask.address, ask.says, ask.identity
        ));
        self.model.told(self.clock_ms);
        self.host.request(self.clock_ms, &ask);
        self.model.asked(ask, self.ahead)
    }

    fn draft(&mut self, rng: &mut Rng) -> Ask {
        let running = self.model.running().unwrap_or(0);
        let version = |place: usize| self.world.editions[place].version.to_string();
        let older = running.saturating_sub(1);
        let (says, words) = match rng.below(100) {
            0..30 => (Says::Running, running),
            30..52 => {
                let default = &self.world.editions[running].default;
                let words = self.world.editions.iter().position(|edition| edition.version == *default);
                (Says::Nothing, words.unwrap_or(running))
            }
            52..74 => (Says::Version(version(running)), running),
            74..94 => (Says::Version(version(older)), older),
            94..97 => (Says::Version(version(self.world.editions.len() - 1)), running),
            _ => (Says::Version("0.9.0".to_owned()), running),
        };
        let draft = self.world.draft(rng, words);
        let json = if rng.percent(3) { (*rng.pick(&BAD_INPUTS)).to_owned() } else { draft.json };
        let address = if rng.percent(2) { (*rng.pick(&BAD_ADDRESSES)).to_owned() } else { draft.address };
        let id = self.next_id;
        self.next_id += 1;
        Ask {
            id,
            address: address.parse().expect("addresses of the pool are good"),
            json,
            says,
            identity: None,
        }
    }

    fn requests(&mut self, rng: &mut Rng) -> Result<(), Wrong> {
        for _ in 0..=rng.below(3) {
            let mut ask = self.draft(rng);
            let client = rng.below(self.clients.len() as u64);
            let client = &mut self.clients[usize::try_from(client).unwrap_or(0)];
            ask.identity = match rng.below(10) {
                0..5 => {
                    client.next += 1;
                    Some(Identity::Client(client.name.clone(), client.next - 1))
                }
                5..7 => Some(Identity::Key(format!("key-{}", ask.id))),
                _ => None,
            };
            if ask.identity.is_some() {
                client.made.push(ask.clone());
                self.ask(ask)?;
            } else if rng.percent(40) {
                // What a trap leads to that is in no record is known exactly when nothing else is under way.
                self.alone(ask)?;
            } else {
                self.ask(ask)?;
            }
        }
        Ok(())
    }

    /// Makes a request while nothing else is under way.
    fn alone(&mut self, ask: Ask) -> Result<(), Wrong> {
        self.sync()?;
        self.ask(ask)?;
        self.sync()
    }

    /// Makes a request again, with what it said or with something else.
    fn repeat(&mut self, rng: &mut Rng) -> Result<(), Wrong> {
        let other = self.draft(rng);
        let client = usize::try_from(rng.below(self.clients.len() as u64)).unwrap_or(0);
        let made = &self.clients[client].made;
        if made.is_empty() {
            return Ok(());
        }
        // Mostly one of the last: those are the ones that a crash leaves in doubt.
        let back = if rng.percent(70) { rng.below(4) } else { rng.below(made.len() as u64) };
        let place = made.len() - 1 - usize::try_from(back).unwrap_or(0).min(made.len() - 1);
        let mut ask = Ask { id: other.id, ..made[place].clone() };
        if rng.percent(15) {
            ask.json = other.json;
        }
        if rng.percent(30) {
            ask.says = other.says;
        }
        self.ask(ask)
    }

    /// Makes so many requests to one instance that the first answers are let go.
    fn burst(&mut self, rng: &mut Rng) -> Result<(), Wrong> {
        let first = self.draft(rng);
        for _ in 0..36 {
            let client = &mut self.clients[0];
            client.next += 1;
            let identity = Some(Identity::Client(client.name.clone(), client.next - 1));
            let ask = Ask { id: self.next_id, identity, ..first.clone() };
            client.made.push(ask.clone());
            self.next_id += 1;
            self.ask(ask)?;
        }
        self.work()
    }

    fn advance(&mut self, rng: &mut Rng) -> Result<(), Wrong> {
        self.clock_ms += match rng.below(20) {
            0 => 26 * 60 * 60 * 1000,
            1..3 => -i64::try_from(rng.below(5_000)).unwrap_or(0),
            3..6 => self.host.next_due_ms().map_or(0, |due_ms| (due_ms - self.clock_ms).max(0)),
            _ => i64::try_from(rng.below(3_000)).unwrap_or(0),
        };
        self.note(format!("the clock says {}", self.clock_ms));
        Ok(())
    }

    fn snapshot(&mut self) -> Result<(), Wrong> {
        self.note("snapshot".to_owned());
        let done = self.host.snapshot();
        self.ahead = false;
        self.after(done)?;
        self.compare()
    }

    fn kill(&mut self) -> Result<(), Wrong> {
        self.note("kill".to_owned());
        self.failing = true;
        self.host.kill();
        self.died()
    }

    fn command(&mut self, rng: &mut Rng) -> Result<(), Wrong> {
        if !self.host.is_up() {
            return Ok(());
        }
        let next = self.model.running().map_or(0, |running| running + 1);
        let there = next < self.world.editions.len();
        let any = usize::try_from(rng.below(self.world.editions.len() as u64)).unwrap_or(0);
        let drops = rng.percent(50);
        match rng.below(22) {
            0..8 if there && !self.model.is_provisional() => {
                let to = self.begun.unwrap_or(next);
                self.operate(&Command::Upgrade { to, drops })
            }
            0..8 => self.operate(&Command::Permanent),
            8..10 if there => self.begin(next),
            10..14 => self.operate(&Command::Rollback { hold: rng.percent(50) }),
            14..16 => self.operate(&Command::Permanent),
            16..18 if there => {
                // It looks at what requests made that are not durable yet; the model does not.
                self.work()?;
                if self.host.is_up() { self.operate(&Command::Try(next)) } else { Ok(()) }
            }
            18 => self.operate(&Command::Upgrade { to: any, drops }),
            20..22 => {
                let place = if rng.percent(70) { next.saturating_sub(2) } else { any };
                self.operate(&Command::Remove { place, gives_up: rng.percent(80) })
            }
            _ => self.operate(&Command::Install(any)),
        }
    }

    /// Lets something go on that waits for an operator, or gives it up.
    fn redrive(&mut self, rng: &mut Rng) -> Result<(), Wrong> {
        // A shard looks at what it made that is not durable yet; the model does not.
        self.sync()?;
        if !self.host.is_up() {
            return Ok(());
        }
        let waits = self.model.waits_for_operator();
        let (address, what) = if !waits.is_empty() && rng.percent(75) {
            rng.pick(&waits).clone()
        } else {
            let words = self.model.running().unwrap_or(0);
            let address = self.world.draft(rng, words).address;
            let ways = [Redrive::Parked, Redrive::Dropped, Redrive::Released, Redrive::Reset];
            (address.parse().expect("addresses of the pool are good"), *rng.pick(&ways))
        };
        self.operate(&Command::Redrive { address, what })
    }

    /// Makes durable what was done.
    fn sync(&mut self) -> Result<(), Wrong> {
        if !self.host.is_up() {
            return Ok(());
        }
        let done = self.host.flush(self.clock_ms);
        self.ahead = false;
        self.after(done)
    }

    /// Tries an upgrade; what comes until it is made is tried once more then.
    fn begin(&mut self, to: usize) -> Result<(), Wrong> {
        self.note(format!("begin an upgrade to place {to}"));
        let reasons = self.model.reasons_to_refuse(&Command::Try(to))?;
        match self.host.begin_upgrade(to, self.clock_ms) {
            Ok(()) => self.begun = Some(to),
            Err(code) if reasons.contains(&code.as_str()) || self.model.may_be_full => {
                self.model.tally.commands_refused += 1
            }
            Err(code) => {
                return Err(Wrong {
                    what: "an upgrade that begins".to_owned(),
                    expected: format!("one of {reasons:?}"),
                    seen: code,
                });
            }
        }
        Ok(())
    }

    fn operate(&mut self, command: &Command) -> Result<(), Wrong> {
        self.note(format!("{command:?}"));
        self.model.told(self.clock_ms);
        let before = Before {
            running: self.model.running(),
            previous: self.model.previous(),
            undone: self.model.tally.undone,
            unsettled: self.unsettled,
        };
        let done = self.host.operate(command, self.clock_ms);
        self.begun = None;
        let done = match done {
            Ok(done) => done,
            Err(Down) => return self.died(),
        };
        self.note(format!("  {done:?}"));
        // A refusal changes nothing: what is seen of it here is what was seen when it was made.
        self.after(Ok(()))?;
        self.judge(command, before, &done)?;
        self.compare()
    }

    fn judge(&mut self, command: &Command, before: Before, done: &Done) -> Result<(), Wrong> {
        let told = |expected: String| Wrong {
            what: format!("what came of {command:?}"),
            expected,
            seen: format!("{done:?}"),
        };
        let now = self.model.running();
        // Another command may first have to undo what there was no room for.
        let owed = before.unsettled && self.model.tally.undone > before.undone;
        let (running, undone) = match owed {
            true => (before.previous, before.undone + 1),
            false => (before.running, before.undone),
        };
        match done {
            Done::Unsettled(code) => {
                let full = self.model.may_be_full && code == "disk-full";
                if full && let Command::Redrive { .. } = command {
                    return Ok(());
                }
                let Command::Upgrade { to, .. } = command else {
                    return Err(told("an upgrade".to_owned()));
                };
                if !full || now != Some(*to) {
                    return Err(told(format!("a full disk, and {} runs", self.world.editions[*to].version)));
                }
                self.unsettled = true;
            }
            Done::Refused(code) if code == "undone" => {
                if self.model.tally.undone != undone + 1 {
                    return Err(told("an upgrade that is in the journal".to_owned()));
                }
            }
            Done::Refused(code) => {
                self.model.tally.commands_refused += 1;
                let reasons = self.model.reasons_to_refuse(command)?;
                let disk = self.model.may_be_full && matches!(code.as_str(), "fault" | "disk-full");
                // What waits for room is done, and is tried as it is; nothing else knows of it.
                let ahead = self.model.may_be_full && matches!(code.as_str(), "trial-failed" | "would-hold");
                if !disk && !ahead && !reasons.contains(&code.as_str()) {
                    return Err(told(format!("one of {reasons:?}")));
                }
                if now != running {
                    return Err(told(format!("nothing is changed, and {} runs", self.model.version())));
                }
            }
            Done::Done => {
                let expected = match command {
                    Command::Install(to) | Command::Upgrade { to, .. } => Some(*to),
                    Command::Rollback { .. } => running.and_then(|running| running.checked_sub(1)),
                    Command::Try(_)
                    | Command::Permanent
                    | Command::Remove { .. }
                    | Command::Redrive { .. } => running,
                };
                if now != expected {
                    return Err(told(format!("place {expected:?} runs; it is {now:?}")));
                }
                if let Command::Try(_) = command
                    && !self.model.may_be_full
                    && let [reason] = self.model.reasons_to_refuse(command)?[..]
                {
                    return Err(told(reason.to_owned()));
                }
                if let Command::Remove { .. } = command
                    && !self.model.reasons_to_refuse(command)?.contains(&"unknown-release")
                {
                    return Err(told("a release that is gone".to_owned()));
                }
                if !self.model.may_be_full {
                    self.model.check_told()?;
                }
                if *command == Command::Permanent && self.model.is_provisional() {
                    return Err(told("a release that is permanent".to_owned()));
                }
            }
        }
        Ok(())
    }

    /// Lets the node do all that is left, and recover once more from what is durable.
    fn end(&mut self) -> Result<(), Wrong> {
        for _ in 0..3 {
            while !self.host.is_up() {
                self.host.lose_notes().map_err(|reason| cannot("the notes are read", reason))?;
                self.start()?;
            }
            if self.failing {
                self.kill()?;
                continue;
            }
            self.settle()?;
            if self.host.is_up() {
                self.kill()?;
            }
        }
        Ok(())
    }
}
