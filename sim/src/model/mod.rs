//! The plain model: a map from addresses to states, run by the evaluator on the text of the machines.
//!
//! It shares no code with the engine. Where order is free, the model does not choose: it follows the durable
//! history record by record, looks whether each entry was allowed to come next, works out by itself what must have come of
//! it, and compares. What the node says is compared with that, and so is how the node is.
//!
//! What is taken on trust: the types and forms of values (`cam::value`), the parser and checker
//! (`cam::check`), and of edges what no text says: how a dropped field is kept aside and put back. That
//! is run by T0, the reference machine. All that the text of a migration says is
//! evaluated as well, and has to agree with T0.

mod arrows;
mod ask;
mod care;
mod carry;
mod kept;
mod look;
mod redrive;
mod rewind;
mod step;
mod switch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_cam::value::Value;
use camshaft_manifests::{InstanceAddress, MachineAddress};

use crate::seen::{Entry, Says, Sent, Way};
use crate::world::World;
use crate::world::build::{Edition, Member, Part};
use ask::Pending;
use care::Care;
use kept::Kept;
use redrive::Told;
use rewind::Rewind;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What it is about.
    pub what: String,
    /// What had to be.
    pub expected: String,
    /// What is.
    pub seen: String,
}

/// Returns that something is wrong.
pub(crate) fn wrong<T>(
    what: impl Into<String>,
    expected: impl Into<String>,
    seen: impl Into<String>,
) -> Result<T, Wrong> {
    Err(Wrong { what: what.into(), expected: expected.into(), seen: seen.into() })
}

/// All that must be true of a node.
#[derive(Debug, Clone)]
pub struct Model {
    world: Arc<World>,
    /// The releases that led to the running one, which is the last.
    lineage: Vec<usize>,
    /// The releases that the node keeps.
    kept: BTreeSet<usize>,
    /// The release that was left by going back from it.
    left: Option<usize>,
    provisional: bool,
    /// The machines that those which run came from by the last switch, while it is provisional.
    older: BTreeMap<MachineAddress, Member>,
    switch: u64,
    /// The last switch, while its checks have not passed.
    unchecked: bool,
    /// The latest time that the history has seen.
    now_ms: i64,
    /// The latest time that the node was ever told, and the last one.
    told_ms: i64,
    clock_ms: i64,
    /// How many entries were followed.
    followed: u64,
    instances: BTreeMap<InstanceAddress, Instance>,
    /// Instances of machines that do not run, by the machine that wrote them.
    archive: BTreeMap<(InstanceAddress, Digest), Instance>,
    /// Instances as they were before they began anew, in that order.
    resets: Vec<(InstanceAddress, Instance)>,
    /// What is known of traps.
    care: Care,
    /// What operators let go on or gave up, and the history does not tell yet.
    untold: Vec<Told>,
    /// What the last switch applies and was not applied: its instance, and why not.
    unapplied: BTreeMap<u32, Unapplied>,
    pending: Vec<Pending>,
    /// How many entries of the journal did not say whose requests they are, and those that nobody was told of.
    entries: u64,
    unclaimed: BTreeSet<u64>,
    /// How many clients were told what one of those says, and could have been told so without.
    either: usize,
    /// Who spoke what, and when last.
    clients: BTreeMap<(String, Says), LastSeen>,
    /// True while the disk may have no room, or fails.
    pub may_be_full: bool,
    /// What was counted.
    pub tally: Tally,
}

/// Counters, each with what it counts.
macro_rules! tally {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// How often things came up: a simulation that comes to nothing proves nothing.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Tally {
            $($(#[doc = $doc])* pub $name: u64,)*
        }

        impl Tally {
            /// Returns the sums of both.
            #[must_use]
            pub fn plus(self, other: &Tally) -> Tally {
                Tally { $($name: self.$name + other.$name,)* }
            }

            /// Returns each count with its name.
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
    };
}

tally! {
    /// Inputs that were applied.
    inputs,
    /// Steps that trapped.
    traps,
    /// Messages that were delivered.
    messages,
    /// Answers of machines that were delivered.
    answers,
    /// Timers that fired.
    timers,
    /// Inputs that relups applied.
    applies,
    /// Switches up.
    ups,
    /// Switches down.
    downs,
    /// Upgrades that were undone.
    undone,
    /// States that went along an edge.
    moved,
    /// States that were put back from before a switch.
    put_back,
    /// States that took with them what was kept aside.
    asides,
    /// Instances that did over again in the release before what they did since.
    rewound,
    /// Instances that were held.
    held,
    /// Messages and timers that were parked.
    parked,
    /// Parked ones that came back.
    unparked,
    /// Instances that were put into the archive.
    archived,
    /// Archived ones that came back.
    restored,
    /// Parked ones that operators let go on.
    redriven,
    /// Parked ones that stay so when operators let them go on.
    left,
    /// Parked ones that operators gave up.
    dropped,
    /// Archived states that operators gave up.
    dropped_states,
    /// Instances that operators let begin anew.
    reset,
    /// Instances that operators let go on.
    released,
    /// Instances that their traps led to be held.
    held_by_traps,
    /// Instances that their traps let begin anew.
    reset_by_traps,
    /// Instances that went along with a sibling.
    siblings,
    /// Applications that became unhealthy.
    unhealthy,
    /// Requests that were answered again.
    repeated,
    /// Requests that were refused.
    refused,
    /// Commands that were refused.
    commands_refused,
    /// Releases that were removed.
    removed,
    /// Answers in other words than those that run.
    lowered,
}

/// When clients were there last: surely, and at the latest.
#[derive(Debug, Clone, Copy)]
struct LastSeen {
    sure_ms: i64,
    perhaps_ms: i64,
}

#[derive(Debug, Clone)]
struct Unapplied {
    address: InstanceAddress,
    failed: bool,
}

/// An instance.
#[derive(Debug, Clone)]
struct Instance {
    member: Member,
    seq: u64,
    life: u64,
    state: State,
    mailbox: VecDeque<Mail>,
    timers: BTreeMap<String, Timer>,
    generation: u64,
    kept: Kept,
    /// The state from before the last switch, while nothing was written since, and what was kept aside of it.
    before: Option<Before>,
    /// What it did since the last switch, while that is provisional.
    rewind: Option<Rewind>,
    /// What was kept aside on the way up, and along which edge.
    aside: Option<(Digest, Value)>,
    parked: Vec<Parked>,
    /// The time of its last input.
    last_ms: i64,
}

#[derive(Debug, Clone)]
enum State {
    None,
    Live(Value),
    Held { part: Arc<Part>, state: Option<Value>, left_behind: bool },
}

/// A message that waits.
#[derive(Debug, Clone)]
struct Mail {
    origin: Origin,
    /// The machine in whose input type it is.
    writer: Digest,
    input: Value,
    /// How it came to be so.
    trail: Trail<(Origin, Digest, Value)>,
}

/// The switches that something has gone over while it waited, and what it was before them: it goes back as it
/// came.
#[derive(Debug, Clone)]
struct Trail<T> {
    came: Option<Box<T>>,
    /// The places of both releases.
    legs: Vec<(usize, usize)>,
}

impl<T> Default for Trail<T> {
    fn default() -> Trail<T> {
        Trail { came: None, legs: vec![] }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    Message { sent: Sent, channel: String, life: u64 },
    Answer(Sent),
    Relup { switch: u64, index: u32 },
}

#[derive(Debug, Clone)]
struct Timer {
    generation: u64,
    due_ms: i64,
    writer: Digest,
    input: Value,
    trail: Trail<(Digest, Value)>,
}

#[derive(Debug, Clone)]
enum Parked {
    /// A message that a switch parked.
    Mail(Mail),
    /// A timer that a switch parked.
    Timer(String, Timer),
    /// A message that could not be delivered, and that nobody is told of.
    Dead(Mail),
}

/// A state from before a switch: its machine, the state, and what was kept aside of it by its edge.
type Before = (Arc<Part>, Value, Option<(Digest, Value)>);

impl Instance {
    fn unborn(member: Member) -> Instance {
        Instance {
            member,
            seq: 0,
            life: 0,
            state: State::None,
            mailbox: VecDeque::new(),
            timers: BTreeMap::new(),
            generation: 0,
            kept: Kept::default(),
            before: None,
            rewind: None,
            aside: None,
            parked: vec![],
            last_ms: i64::MIN,
        }
    }

    fn is_held(&self) -> bool {
        matches!(self.state, State::Held { .. })
    }

    /// Returns the machine that wrote the state.
    fn writer(&self) -> Digest {
        match &self.state {
            State::Held { part, .. } => part.digest(),
            State::None | State::Live(_) => self.member.part.digest(),
        }
    }
}

impl Model {
    /// Returns the model of an empty node.
    pub fn new(world: Arc<World>) -> Model {
        Model {
            world,
            lineage: vec![],
            kept: BTreeSet::new(),
            left: None,
            provisional: false,
            older: BTreeMap::new(),
            switch: 0,
            unchecked: false,
            now_ms: 0,
            told_ms: 0,
            clock_ms: 0,
            followed: 0,
            instances: BTreeMap::new(),
            archive: BTreeMap::new(),
            resets: vec![],
            care: Care::default(),
            untold: vec![],
            unapplied: BTreeMap::new(),
            pending: vec![],
            entries: 0,
            unclaimed: BTreeSet::new(),
            either: 0,
            clients: BTreeMap::new(),
            may_be_full: false,
            tally: Tally::default(),
        }
    }

    /// Returns the place of the release that runs.
    pub fn running(&self) -> Option<usize> {
        self.lineage.last().copied()
    }

    /// Returns the place of the release that a rollback goes to.
    pub fn previous(&self) -> Option<usize> {
        self.lineage.len().checked_sub(2).map(|place| self.lineage[place])
    }

    /// Returns true while the running release is provisional.
    pub fn is_provisional(&self) -> bool {
        self.provisional
    }

    /// Says that the node was told a time.
    pub fn told(&mut self, now_ms: i64) {
        self.told_ms = self.told_ms.max(now_ms);
        self.clock_ms = now_ms;
    }

    fn edition(&self) -> Option<&Edition> {
        self.world.editions.get(self.running()?)
    }

    fn member(&self, machine: &MachineAddress) -> Option<&Member> {
        self.edition()?.members.get(machine)
    }

    /// Follows an entry of the durable history.
    ///
    /// # Errors
    ///
    /// What must not be.
    pub fn follow(&mut self, entry: &Entry) -> Result<(), Wrong> {
        self.followed += 1;
        let due = self.check_due(Some(entry))?;
        match entry {
            Entry::Cared { switch, at_ms, deeds } => self.follow_cared(due, *switch, *at_ms, deeds),
            Entry::CareTold(deed) => self.follow_care_told(deed),
            Entry::Health { app, traps } => self.follow_health(app, *traps),
            Entry::Input(input) => self.follow_input(input),
            Entry::Installed { to } => self.follow_install(to),
            Entry::Switch { number, from, to, way } => self.follow_switch(*number, from, to, *way),
            Entry::CheckPassed { switch } => self.follow_check(*switch, true),
            Entry::CheckFailed { switch } => self.follow_check(*switch, false),
            Entry::Permanent => {
                if !self.provisional {
                    return wrong("the release is made permanent", "a provisional one", "a permanent one");
                }
                self.provisional = false;
                self.older.clear();
                self.instances.values_mut().for_each(|instance| {
                    (instance.before, instance.rewind) = (None, None);
                });
                Ok(())
            }
            Entry::Held { instance, reason } => {
                wrong(format!("{instance} is held"), "a replay that agrees with the journal", reason)
            }
            Entry::Refused { .. } | Entry::ClientsDropped | Entry::Clients => Ok(()),
            Entry::Settled { instance } => self.follow_settled(instance),
            Entry::Swept => {
                self.forget_parked_trails();
                Ok(())
            }
            Entry::Counted { switch } if *switch == self.switch + 1 => Ok(()),
            Entry::Counted { switch } => {
                wrong("what a switch does is counted", "the next switch", format!("switch {switch}"))
            }
            Entry::Removed { version } => self.follow_remove(version),
            Entry::Redriven { instance, switch, what } => self.follow_redriven(instance, *switch, *what),
            Entry::RedriveTold { instance, what, driven, left } => self.follow_told(Told {
                instance: instance.clone(),
                what: *what,
                driven: *driven,
                left: *left,
            }),
            Entry::Other(what) => wrong("an entry of the history", "one that this world makes", what),
        }
    }

    fn follow_install(&mut self, to: &str) -> Result<(), Wrong> {
        if !self.lineage.is_empty() {
            return wrong("a release is installed", "an empty node", format!("{} runs", self.version()));
        }
        let place = self.place(to)?;
        self.lineage = vec![place];
        self.kept.insert(place);
        (self.switch, self.provisional) = (1, false);
        for machine in self.world.clone().editions[place].members.keys() {
            self.begin(machine);
        }
        Ok(())
    }

    fn follow_remove(&mut self, version: &str) -> Result<(), Wrong> {
        let place = self.place(version)?;
        let what = "a release is removed";
        if !self.kept.remove(&place) {
            return wrong(what, "one that the node keeps", version);
        }
        let needed = [self.running(), self.left, self.previous().filter(|_| self.provisional)];
        if needed.contains(&Some(place)) {
            return wrong(what, "one that nothing needs", version);
        }
        if let Some(there) = self.lineage.iter().position(|before| *before == place) {
            self.lineage.drain(..=there);
        }
        self.tally.removed += 1;
        Ok(())
    }

    fn place(&self, version: &str) -> Result<usize, Wrong> {
        let found = self.world.editions.iter().position(|edition| edition.version.to_string() == version);
        match found {
            Some(place) => Ok(place),
            None => wrong("the release of a switch", "one of the world", version),
        }
    }

    /// Returns the version that runs.
    pub fn version(&self) -> String {
        self.edition().map_or("nothing".to_owned(), |edition| edition.version.to_string())
    }

    fn follow_check(&mut self, switch: u64, passed: bool) -> Result<(), Wrong> {
        if !self.unchecked || switch != self.switch {
            return wrong(
                "a check ends",
                format!("one of switch {}", self.switch),
                format!("one of {switch}"),
            );
        }
        self.unchecked = false;
        let reason = self.reason_to_undo();
        match (passed, reason) {
            (true, Some(reason)) => wrong("the checks of a switch", reason, "they passed"),
            (false, None) => wrong("the checks of a switch", "nothing against it", "they failed"),
            _ => Ok(()),
        }
    }

    /// Ends what is known of a life of the node: it died. Requests that were not answered never will be.
    pub fn died(&mut self) {
        self.pending.clear();
        self.unclaimed.clear();
        self.either = 0;
        self.untold.clear();
        self.care.died();
    }

    /// Takes note of the clients that a node knows that was started: the counts of the last seconds may be lost.
    ///
    /// # Errors
    ///
    /// When it knows clients that were never there.
    pub fn started(&mut self, known: Vec<(String, Says, i64)>) -> Result<(), Wrong> {
        let mut clients = BTreeMap::new();
        for (app, says, last_ms) in known {
            let known = self.clients.get(&(app.clone(), says.clone()));
            if known.is_none_or(|known| last_ms > known.perhaps_ms) {
                let seen = format!("{says:?} to {app} at {last_ms}");
                return wrong("who spoke what", format!("{known:?}"), seen);
            }
            clients.insert((app, says), LastSeen { sure_ms: last_ms, perhaps_ms: last_ms });
        }
        self.clients = clients;
        Ok(())
    }

    /// Returns true when nothing waits that the node could do now.
    ///
    /// # Errors
    ///
    /// The first thing that waits.
    pub fn check_settled(&self, clock_ms: i64) -> Result<(), Wrong> {
        // A shard whose clock was set back before it saw the time knows no more than the clock says.
        let now_ms = self.now_ms.min(clock_ms);
        if let Some(pending) = self.pending.first() {
            return wrong("a request", "an answer, for nothing is left to do", format!("{:?}", pending.ask));
        }
        if self.unclaimed.len() > self.either {
            let seen = format!("{} are, and {} may have been told", self.unclaimed.len(), self.either);
            return wrong("inputs that were applied and nobody was told of", "none", seen);
        }
        for (address, instance) in self.instances.iter().filter(|(_, instance)| !instance.is_held()) {
            if let Some(mail) = instance.mailbox.front() {
                let seen = format!("{:?} waits", mail.origin);
                return wrong(format!("the mailbox of {address}"), "empty, for nothing is left to do", seen);
            }
            for (name, timer) in &instance.timers {
                if timer.due_ms <= now_ms {
                    let seen = format!("due at {}, and it is {now_ms}", timer.due_ms);
                    return wrong(format!("timer {name} of {address}"), "it fired", seen);
                }
            }
        }
        Ok(())
    }

    /// Returns true when all was done that is declared of the traps that the history has.
    ///
    /// # Errors
    ///
    /// What was not.
    pub fn check_cared(&self) -> Result<(), Wrong> {
        match self.care.reason_owed() {
            Some(reason) => wrong("what traps lead to", reason, "it goes on"),
            None => Ok(()),
        }
    }

    fn way_word(way: Way) -> &'static str {
        match way {
            Way::Up => "an upgrade",
            Way::Down => "a rollback",
            Way::Undo => "an undo",
        }
    }
}
