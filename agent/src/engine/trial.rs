//! Trying a switch on all live instances, without changing any.
//!
//! A trial works on copies, which the shards make in batches between steps, so that the service goes on
//! meanwhile. A shard notes which instances changed after they were copied: these are tried again, in
//! rounds, until so few are left that the switch can be made.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use camshaft_cam::digest::Digest;
use camshaft_cam::run::Memo;
use camshaft_cam::suite::laws::Ends;
use camshaft_manifests::{InstanceAddress, MachineAddress};

use super::Shard;
use super::applied::try_applies;
use super::carry::{
    Along, Inputs, Passage, Subject, bring, check_way_back, park_unfit, settle, short, unpark,
};
use super::instance::{Instance, State};
use super::laws::{Asked, Laws};
use super::plan::{Change, Plan, Way};
use super::road::Road;
use super::step::birth;
use super::switch::Memos;
use super::table::{Resident, Slot, Table};
use crate::api::{
    Capsule, Preserved, RollbackCounts, ShadowExample, ShadowReport, TryFailure, TryMachine, TryReport,
};
use crate::replay::birth_again;

/// How many failures a report lists.
const FAILURES_MAX: usize = 100;

/// How often it is measured how long an instance takes that seems to take too long; the least counts.
const PAUSES_MEASURED: usize = 3;

/// How many parts of large states are remembered before no further state is. A part has some 22 entries of a map, and
/// is remembered once for each of the way up, the way back, that both are equal, what is kept aside and an invariant: of a million
/// entries 140,000 to 230,000 parts. States beyond that go over as a whole, and how long that takes is what the
/// report says.
pub(crate) const PARTS_MAX: usize = 1 << 19;

/// The step of a state that the second law does not hold for.
const UP_AGAIN: &str = "up-again";

/// A trial, as a shard knows it.
#[derive(Debug)]
pub(super) struct Trying {
    /// The number of the next slot.
    next: usize,
    /// The number of slots when it began: what came later is noted as changed.
    end: usize,
    /// Slots that changed after they were copied.
    changed: BTreeSet<Slot>,
    plan: std::sync::Arc<Plan>,
}

impl Trying {
    pub(super) fn changed(&mut self, slot: Slot) {
        let number = Table::number(slot);
        if number < self.next || number >= self.end {
            self.changed.insert(slot);
        }
    }

    /// Returns what a trial is shown of an instance.
    fn seen(&self, resident: Option<&Resident>) -> Seen {
        let Some(Resident { address, instance }) = resident else { return Seen::Gone };
        match self.plan.pairs.get(&address.machine_address()) {
            Some(Change::Moves { .. }) => {}
            Some(Change::Stays { .. }) => {
                let applied = || {
                    let after = self.plan.address_after(address);
                    self.plan.applies.iter().any(|apply| apply.address == after)
                };
                if instance.rest().mailbox.is_empty() && instance.held().is_none() && !applied() {
                    return Seen::Stays;
                }
            }
            Some(Change::Restarts { .. } | Change::Removed { .. }) => return Seen::PutAway,
            None => return Seen::Gone,
        }
        Seen::Copy(Box::new((address.clone(), instance.clone())))
    }
}

/// What a trial is shown of an instance.
#[derive(Debug)]
enum Seen {
    /// It is there no more.
    Gone,
    /// Nothing happens to it.
    Stays,
    /// Its machine goes, or gives up its states.
    PutAway,
    /// A copy.
    Copy(Box<(InstanceAddress, Instance)>),
}

/// What a shard says when a trial begins.
#[derive(Debug, Clone)]
pub struct Begun {
    road: Road,
    switch: u64,
    now_ms: i64,
    /// How many slots are to be looked at.
    slots: usize,
}

/// Copies of instances of a shard, to be tried elsewhere.
#[derive(Debug)]
pub struct Copies {
    shard: u16,
    seen: Vec<(u32, Seen)>,
    now_ms: i64,
    /// How many are left: not looked at, or changed since.
    left: usize,
}

impl Copies {
    /// Returns how many of the shard are left.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Returns true when there is nothing to try.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}

impl Shard {
    /// Begins to note what changes while a plan is tried.
    pub fn begin_trial(&mut self, plan: &std::sync::Arc<Plan>) -> Begun {
        let end = self.table.slots();
        self.trying = Some(Trying { next: 0, end, changed: BTreeSet::new(), plan: plan.clone() });
        Begun { road: self.road.clone(), switch: self.switch, now_ms: self.now_ms, slots: end }
    }

    /// Returns copies of up to `max` instances that were not tried, or changed since. Once all were looked at
    /// these are those that changed.
    pub fn copy_some(&mut self, max: usize) -> Copies {
        let shard = self.config_of.index;
        let Some(mut trying) = self.trying.take() else {
            return Copies { shard, seen: vec![], now_ms: self.now_ms, left: 0 };
        };
        let mut numbers: Vec<usize> = vec![];
        if trying.next < trying.end {
            let until = trying.end.min(trying.next.saturating_add(max));
            numbers.extend(trying.next..until);
            trying.next = until;
        } else {
            while numbers.len() < max {
                let Some(slot) = trying.changed.pop_first() else { break };
                numbers.push(Table::number(slot));
            }
        }
        let seen = |number: usize| {
            let resident = self.table.at(number).map(|(_, resident)| resident);
            (u32::try_from(number).unwrap_or(u32::MAX), trying.seen(resident))
        };
        let seen: Vec<_> = numbers.into_iter().map(seen).collect();
        let left = trying.end - trying.next + trying.changed.len();
        self.trying = Some(trying);
        Copies { shard, seen, now_ms: self.now_ms, left }
    }

    /// Ends a trial.
    pub fn end_trial(&mut self) {
        self.trying = None;
    }
}

/// What came of trying a switch.
#[derive(Debug)]
pub struct Trial {
    id: u64,
    plan: std::sync::Arc<Plan>,
    /// The road as it is after the switch.
    road: Road,
    number: u64,
    now_ms: i64,
    /// How many slots there were when it began.
    slots: usize,
    looked: usize,
    /// By shard and slot: how the instance there comes over.
    fates: Vec<Vec<Fate>>,
    /// Those of which there is something to tell.
    told: BTreeMap<(u16, u32), Tell>,
    /// Those of them that fail.
    failing: BTreeSet<(u16, u32)>,
    /// The places of the machines of the plan, in its order.
    places: BTreeMap<MachineAddress, u16>,
    machines: BTreeMap<MachineAddress, Cost>,
    /// What all of these come to.
    sums: Sums,
    laws: Laws,
    /// What was made of large states, by shard and slot: what changes of them meanwhile is all that is left to be
    /// done when they go over.
    memos: BTreeMap<(u16, u32), Memo>,
    /// How many parts they remember.
    parts: usize,
    applied: BTreeSet<InstanceAddress>,
    starts: Vec<InstanceAddress>,
    start_failures: Vec<TryFailure>,
    /// How long it took, in microseconds, but for what only samples go through.
    took_us: u64,
    /// What those took in the copies that are tried now.
    laws_us: u64,
    /// How many instances may be held because they cannot go over.
    may_hold: u64,
    /// What became of recorded inputs in both releases.
    shadow: Option<ShadowReport>,
    /// How long one instance may take to go over, in microseconds.
    max_pause_us: Option<u64>,
    /// What became of the recorded inputs of machines that promise to do what they did.
    preserved: Vec<Preserved>,
    promise_failures: Vec<TryFailure>,
}

/// How an instance comes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Unknown,
    PutAway,
    Comes { passage: Passage, machine: u16 },
}

/// What there is to tell of an instance beyond that.
#[derive(Debug, Default)]
struct Tell {
    moved: u64,
    parked: u64,
    failures: Vec<TryFailure>,
    /// What is wrong with the way back.
    lossy: bool,
    /// It cannot go over, and would be held.
    held: bool,
}

/// What the fates of all instances come to, kept along: the command of the switch asks for it, and must not take the longer the
/// more instances there are.
#[derive(Debug, Default)]
struct Sums {
    counts: RollbackCounts,
    put_away: u64,
    lossy: u64,
    held: u64,
    failures: u64,
    /// Failures of those that would be held.
    failures_of_held: u64,
    /// By the place of the machine in the plan.
    machines: Vec<OfMachine>,
}

#[derive(Debug, Default, Clone, Copy)]
struct OfMachine {
    states: u64,
    untouched: u64,
    messages: u64,
}

/// Whether something comes to the sums or goes from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    More,
    Less,
}

impl Sign {
    fn add(self, sum: &mut u64, count: u64) {
        match self {
            Sign::More => *sum += count,
            Sign::Less => *sum -= count,
        }
    }
}

impl Sums {
    fn of(machines: usize) -> Sums {
        Sums { machines: vec![OfMachine::default(); machines], ..Sums::default() }
    }

    fn count(&mut self, sign: Sign, fate: Fate, tell: Option<&Tell>) {
        let mut of_machine = None;
        match fate {
            Fate::Unknown => {}
            Fate::PutAway => sign.add(&mut self.put_away, 1),
            Fate::Comes { passage, machine } => {
                let sum = match passage {
                    Passage::Untouched | Passage::AsItIs => &mut self.counts.untouched,
                    Passage::BeforeImage => &mut self.counts.before_image,
                    Passage::Edge => &mut self.counts.down,
                    Passage::Rewound => &mut self.counts.rewound,
                    Passage::Held => &mut self.counts.held,
                };
                sign.add(sum, 1);
                of_machine = self.machines.get_mut(usize::from(machine));
                if let Some(sums) = &mut of_machine {
                    sign.add(&mut sums.states, u64::from(passage != Passage::Untouched));
                    sign.add(&mut sums.untouched, u64::from(passage == Passage::AsItIs));
                }
            }
        }
        let Some(tell) = tell else { return };
        if let Some(sums) = of_machine {
            sign.add(&mut sums.messages, tell.moved);
        }
        let failures = tell.failures.len() as u64;
        sign.add(&mut self.counts.moved, tell.moved);
        sign.add(&mut self.counts.parked, tell.parked);
        sign.add(&mut self.failures, failures);
        sign.add(&mut self.lossy, u64::from(tell.lossy));
        sign.add(&mut self.held, u64::from(tell.held));
        sign.add(&mut self.failures_of_held, if tell.held { failures } else { 0 });
    }
}

/// What trying the instances of a machine took.
#[derive(Debug, Clone, Default)]
struct Cost {
    bytes_before: u64,
    bytes_after: u64,
    worst_us: u64,
}

/// Returns the time since `start` in microseconds.
pub(crate) fn micros(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}

impl Trial {
    /// Returns a trial that has tried nothing but whether machines can start; `id` tells it from others.
    pub fn new(id: u64, plan: std::sync::Arc<Plan>, begun: &[Begun]) -> Trial {
        let (starts, start_failures) = try_starts(&plan);
        let number = begun.iter().map(|begun| begun.switch).max().unwrap_or(0) + 1;
        let now_ms = begun.iter().map(|begun| begun.now_ms).max().unwrap_or(0);
        let mut road = begun.first().map(|begun| begun.road.clone()).unwrap_or_default();
        road.push(number, plan.clone());
        let slots = begun.iter().map(|begun| begun.slots).sum();
        Trial {
            id,
            road,
            number,
            now_ms,
            slots,
            looked: 0,
            fates: begun.iter().map(|begun| vec![Fate::Unknown; begun.slots]).collect(),
            told: BTreeMap::new(),
            failing: BTreeSet::new(),
            places: plan.pairs.keys().cloned().zip(0..u16::MAX).collect(),
            machines: BTreeMap::new(),
            sums: Sums::of(plan.pairs.len()),
            laws: Laws::of(&plan, slots),
            plan,
            memos: BTreeMap::new(),
            parts: 0,
            applied: BTreeSet::new(),
            starts,
            start_failures,
            took_us: 0,
            laws_us: 0,
            may_hold: 0,
            shadow: None,
            max_pause_us: None,
            preserved: vec![],
            promise_failures: vec![],
        }
    }

    /// Allows instances to be held that cannot go over, up to so many.
    pub fn allow_holding(&mut self, instances: u64) {
        self.may_hold = instances;
    }

    /// Adds what became of recorded inputs in both releases.
    pub fn set_shadow(&mut self, shadow: ShadowReport) {
        self.shadow = Some(shadow);
    }

    /// Holds the machines that promise to do what they did to that, by what became of all that is recorded of them: each
    /// difference speaks against the switch.
    pub fn hold_to_promises(&mut self, shadow: &ShadowReport) {
        let counted = |machine: &MachineAddress| {
            let machine = machine.to_string();
            let cases = shadow.cases.iter().filter(|case| case.machine == machine);
            let of_inputs = cases.clone().map(|case| case.inputs).sum();
            Preserved { differ: cases.map(|case| case.differing).sum(), inputs: of_inputs, machine }
        };
        self.preserved = self.plan.preserved().map(counted).collect();
        self.promise_failures = shadow.examples.iter().filter_map(broken_promise).collect();
    }

    /// Lets the trial fail when an instance takes longer to go over, in microseconds: its inputs wait for as long.
    pub fn limit_pause(&mut self, max_us: Option<u64>) {
        self.max_pause_us = max_us;
    }

    /// Allows and limits what another trial of the same plan does, and tells of recorded inputs what that told.
    pub(crate) fn judged_like(self, other: &Trial) -> Trial {
        let Trial { may_hold, max_pause_us, ref shadow, ref preserved, ref promise_failures, .. } = *other;
        let (preserved, promise_failures) = (preserved.clone(), promise_failures.clone());
        Trial { may_hold, max_pause_us, shadow: shadow.clone(), preserved, promise_failures, ..self }
    }

    /// Returns how many instances were looked at, and how many there were when the trial began.
    pub fn progress(&self) -> (usize, usize) {
        (self.looked.min(self.slots), self.slots)
    }

    /// Tries copies.
    pub fn add(&mut self, copies: Copies) {
        let start = Instant::now();
        self.now_ms = self.now_ms.max(copies.now_ms);
        for (slot, seen) in copies.seen {
            self.looked += 1;
            let place = (copies.shard, slot);
            let (fate, tell) = match seen {
                Seen::Gone => (Fate::Unknown, None),
                Seen::Stays => (Fate::Comes { passage: Passage::Untouched, machine: u16::MAX }, None),
                Seen::PutAway => (Fate::PutAway, None),
                Seen::Copy(copy) => self.try_one(place, &copy.0, &copy.1),
            };
            self.note(place, fate, tell);
        }
        self.took_us += micros(start).saturating_sub(std::mem::take(&mut self.laws_us));
    }

    /// Notes what becomes of the instance of a slot, in place of what was known of it.
    fn note(&mut self, place: (u16, u32), fate: Fate, tell: Option<Tell>) {
        let Some(fates) = self.fates.get_mut(usize::from(place.0)) else { return };
        let number = place.1 as usize;
        if number >= fates.len() {
            fates.resize(number + 1, Fate::Unknown);
        }
        let before = std::mem::replace(&mut fates[number], fate);
        self.sums.count(Sign::Less, before, self.told.remove(&place).as_ref());
        self.sums.count(Sign::More, fate, tell.as_ref());
        self.failing.remove(&place);
        let Some(tell) = tell else { return };
        if !tell.failures.is_empty() {
            self.failing.insert(place);
        }
        self.told.insert(place, tell);
    }

    fn try_one(
        &mut self,
        place: (u16, u32),
        address: &InstanceAddress,
        instance: &Instance,
    ) -> (Fate, Option<Tell>) {
        let start = Instant::now();
        let machine = address.machine_address();
        let mut memo = self.memo_of(place);
        let change = &self.plan.pairs[&machine];
        let to = change.to().expect("its states go on").clone();
        let after = self.plan.address_after(address);
        let mut copy = instance.clone();
        let is_known = !memo.is_empty();
        let mut brought = bring(&self.road, &after, &mut copy, (&to, self.number), &mut memo);
        let mut pause_us = micros(start);
        if !is_known && !memo.is_empty() {
            // The state that goes over finds what this one left.
            let again = Instant::now();
            bring(&self.road, &after, &mut instance.clone(), (&to, self.number), &mut memo);
            pause_us = micros(again);
        }
        if brought.passage == Passage::Held
            && let Some(held) = self.held_by_now(address, instance)
        {
            // An earlier switch holds it, whenever it goes over that: this one does nothing to it.
            copy = held;
            brought = bring(&self.road, &after, &mut copy, (&to, self.number), &mut memo);
        }
        // What is done with a sample alone says nothing of how long an instance takes.
        let mut law_us = 0;
        let mut tell = Tell { held: brought.failure.is_some(), ..Tell::default() };
        tell.failures.extend(brought.failure.map(|failure| *failure));
        // Going back, the newer state is given up on purpose.
        if self.plan.way == Way::Up && instance.switch + 1 == self.number {
            let lossy = check_way_back(change, address, (instance, &copy), brought.passage, &mut memo);
            let asked = self.laws.asked(&machine);
            tell.lossy = lossy.is_some();
            // Who said that it is lost knows; what else the states have to tell is not lost in it.
            tell.failures.extend(lossy.filter(|_| !asked.lossy));
            if !tell.held && !tell.lossy && memo.is_empty() && self.is_sample(place) {
                let begun = Instant::now();
                tell.failures.extend(again(change, address, instance, asked));
                law_us = micros(begun);
            }
        }
        if self.plan.way == Way::Up && !tell.held {
            tell.failures.extend(self.too_long((&after, instance), &to, pause_us, &mut memo));
        }
        if copy.held().is_none() {
            self.park_by_now(address, &mut copy);
            let road = &self.road;
            let inputs = Inputs { road, address: &after, to: &to, number: self.number, seq: instance.seq };
            unpark(&inputs, &mut copy);
            let settled = settle(&inputs, &mut copy);
            (tell.moved, tell.parked) = (settled.moved, settled.parked);
            tell.failures.extend(settled.failures);
        }
        if !self.plan.applies.is_empty() {
            tell.failures.extend(try_applies(&self.plan, &after, Some(&copy), self.now_ms));
            self.applied.insert(after);
        }
        self.laws_us += law_us;
        let took_us = if memo.is_empty() { micros(start).saturating_sub(law_us) } else { pause_us };
        if let Change::Moves { .. } = change {
            let cost = self.machines.entry(machine.clone()).or_default();
            if brought.passage != Passage::Untouched && !is_known {
                let size = |instance: &Instance| match &instance.state {
                    State::Live(_) => instance.state_bytes().map_or(0, |bytes| bytes.len() as u64),
                    State::None | State::Held(_) => 0,
                };
                cost.bytes_before += size(instance);
                cost.bytes_after += size(&copy);
            }
            cost.worst_us = cost.worst_us.max(took_us);
        }
        if !memo.is_empty() {
            self.parts += memo.parts();
            self.memos.insert(place, memo);
        }
        let machine = self.places.get(&machine).copied().unwrap_or(u16::MAX);
        let tells = tell.moved > 0 || tell.parked > 0 || tell.lossy || !tell.failures.is_empty();
        (Fate::Comes { passage: brought.passage, machine }, tells.then_some(tell))
    }

    /// Returns true for an instance that is held against the second law: when it is first looked at, and again where that
    /// failed. The rounds for what changed, the last of which is in the command of the switch, are to be short.
    fn is_sample(&self, place: (u16, u32)) -> bool {
        let known = self.fates.get(usize::from(place.0)).and_then(|fates| fates.get(place.1 as usize));
        let is_first = known.is_none_or(|fate| *fate == Fate::Unknown);
        let failed = || {
            let mut failures = self.told.get(&place).into_iter().flat_map(|tell| &tell.failures);
            failures.any(|failure| failure.step == UP_AGAIN)
        };
        self.laws.samples(place.1) && (is_first || failed())
    }

    fn memo_of(&mut self, place: (u16, u32)) -> Memo {
        if let Some(memo) = self.memos.remove(&place) {
            self.parts -= memo.parts();
            return memo;
        }
        if self.parts < PARTS_MAX { Memo::default() } else { Memo::blind() }
    }

    /// Returns the failure of an instance that takes longer to go over than it may. It is let go over again before that
    /// is said: the machine may have done something else meanwhile.
    fn too_long(
        &self,
        (address, instance): (&InstanceAddress, &Instance),
        to: &std::sync::Arc<crate::release::MachineCode>,
        first_us: u64,
        memo: &mut Memo,
    ) -> Option<TryFailure> {
        let max_us = self.max_pause_us.filter(|max_us| first_us > *max_us)?;
        let again = |_| {
            let mut copy = instance.clone();
            let start = Instant::now();
            bring(&self.road, address, &mut copy, (to, self.number), memo);
            micros(start)
        };
        let least_us = (1..PAUSES_MEASURED).map(again).fold(first_us, u64::min);
        (least_us > max_us).then(|| TryFailure {
            instance: address.to_string(),
            step: "pause".to_owned(),
            kind: "max-pause".to_owned(),
            reason: format!(
                "it takes {} ms to go over, and its inputs may wait {} ms for an upgrade",
                least_us.div_ceil(1_000),
                max_us / 1_000
            ),
            capsule: Capsule {
                // `address` is that of after the switch: the release before may know the machine by another name.
                from: instance.code.digest(),
                to: to.digest(),
                edge: None,
                seq: instance.seq,
                value: String::new(),
                cut: true,
                kept: None,
                value_digest: Digest::of(&instance.state_bytes().unwrap_or_default()),
                fuel: None,
                rewind: None,
                example: None,
                step: None,
            },
        })
    }

    /// Parks what waits for an instance and an earlier switch parks, whenever it goes over that: it speaks neither
    /// for nor against this one.
    fn park_by_now(&self, address: &InstanceAddress, copy: &mut Instance) {
        let made = self.number - 1;
        if !copy.waits_from_before(made) {
            return;
        }
        let Some(code) = self.plan.from.machine(&address.machine_address()) else { return };
        let road = self.road.until(self.number);
        park_unfit(&Inputs { road: &road, address, to: code, number: made, seq: copy.seq }, copy);
    }

    /// Returns an instance as it is when it has gone over the switches that were made, if it is held then.
    fn held_by_now(&self, address: &InstanceAddress, instance: &Instance) -> Option<Instance> {
        let code = self.plan.from.machine(&address.machine_address())?;
        let mut now = instance.clone();
        let made = self.road.until(self.number);
        bring(&made, address, &mut now, (code, self.number - 1), &mut Memo::blind());
        now.held().is_some().then_some(now)
    }

    /// Gives away what it remembers of large states, for the switch that it tried.
    pub fn take_memos(&mut self) -> Memos {
        self.parts = 0;
        Memos::new(std::mem::take(&mut self.memos))
    }

    /// Returns how many instances may be held because they cannot go over.
    pub fn may_hold(&self) -> u64 {
        self.may_hold
    }

    /// Returns what tells it from other trials of the node.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns the plan.
    pub fn plan(&self) -> &std::sync::Arc<Plan> {
        &self.plan
    }

    /// Returns how long one instance took in the middle, in microseconds; it is less than one when it is 0.
    pub fn each_us(&self) -> u64 {
        self.took_us / self.looked.max(1) as u64
    }

    /// Returns what is wrong with what the relup applies to instances that are not there yet.
    fn failures_of_new(&self) -> Vec<TryFailure> {
        let new: BTreeSet<&InstanceAddress> = self.plan.applies.iter().map(|apply| &apply.address).collect();
        let new = new.into_iter().filter(|at| !self.applied.contains(at));
        new.filter_map(|address| try_applies(&self.plan, address, None, self.now_ms)).collect()
    }

    /// Returns what becomes of the instances, as far as it was tried.
    pub fn counts(&self) -> RollbackCounts {
        self.sums.counts
    }

    /// Returns how many instances are put away, as far as it was tried: their machines go, or give up their states.
    pub fn archives(&self) -> u64 {
        self.sums.put_away
    }

    /// Returns what came of it.
    pub fn report(&self) -> TryReport {
        let mut machines = self.machines_of_report();
        for (address, sums) in self.plan.pairs.keys().zip(&self.sums.machines) {
            if let Some(machine) = machines.get_mut(address) {
                (machine.states, machine.untouched) = (sums.states, sums.untouched);
                machine.messages = sums.messages;
            }
        }
        let of_new = self.failures_of_new();
        let told = self.failing.iter().filter_map(|place| self.told.get(place));
        let told = told.flat_map(|tell| &tell.failures);
        let of_plan = self.start_failures.iter().chain(&self.promise_failures).chain(&of_new);
        let failures = of_plan.clone().chain(told).take(FAILURES_MAX);
        let of_plan = of_plan.count() as u64;
        let Sums { counts, put_away, lossy, held, failures: of_told, failures_of_held, .. } = self.sums;
        let order = self.plan.to.machines().chain(self.plan.from.machines());
        let mut in_order = vec![];
        for code in order {
            in_order.extend(machines.remove(&code.address));
        }
        let others = of_plan + of_told - failures_of_held;
        // Going back, what no arrow accepts is parked and speaks against nothing.
        let passed = match self.plan.way {
            Way::Up => others == 0 && held <= self.may_hold,
            Way::Down => counts.held == 0 && self.start_failures.is_empty(),
        };
        TryReport {
            from: self.plan.from.reference(),
            to: self.plan.to.reference(),
            passed,
            machines: in_order,
            starts: self.starts.iter().map(ToString::to_string).collect(),
            archives: put_away,
            moved: counts.moved,
            parks: counts.parked,
            failure_count: of_plan + of_told,
            failures: failures.cloned().collect(),
            holds: held,
            pause_us: self.machines.values().map(|cost| cost.worst_us).max().unwrap_or(0),
            downgrade_lossy: lossy,
            shadow: self.shadow.clone(),
            preserved: self.preserved.clone(),
        }
    }

    fn machines_of_report(&self) -> BTreeMap<&MachineAddress, TryMachine> {
        let changes = self.plan.pairs.iter().filter_map(|(address, change)| match change {
            Change::Stays { .. } => None,
            Change::Moves { from, to, .. } | Change::Restarts { from, to } => {
                Some((address, Some(from.digest()), Some(to.digest())))
            }
            Change::Removed { from } => Some((address, Some(from.digest()), None)),
        });
        let added = self.plan.added.iter().map(|(address, to)| (address, None, Some(to.digest())));
        let machine = |(address, from, to): (_, Option<Digest>, Option<Digest>)| {
            let Cost { bytes_before, bytes_after, worst_us } =
                self.machines.get(address).cloned().unwrap_or_default();
            let machine = TryMachine {
                machine: MachineAddress::to_string(address),
                from,
                to,
                states: 0,
                untouched: 0,
                messages: 0,
                bytes_before,
                bytes_after,
                worst_us,
            };
            (address, machine)
        };
        changes.chain(added).map(machine).collect()
    }
}

/// Returns the failure of a machine that promises to do what it did, and does something else.
fn broken_promise(example: &ShadowExample) -> Option<TryFailure> {
    let ShadowExample { instance, seq, what, state, input, old, new, capsule, .. } = example;
    let capsule = capsule.as_deref()?;
    let on = state.as_deref().map_or_else(|| "no state".to_owned(), short);
    Some(TryFailure {
        instance: instance.clone(),
        step: "preserve".to_owned(),
        kind: what.clone(),
        reason: format!(
            "it promises to do what it did (preserves_behaviour), and of input {seq}, {} on {on}, the {what} was {} and is {}",
            short(input),
            short(old),
            short(new)
        ),
        capsule: Capsule {
            from: capsule.from,
            to: capsule.to,
            edge: capsule.edge,
            seq: *seq,
            value: capsule.input.clone(),
            cut: capsule.cut,
            kept: None,
            value_digest: capsule.input_digest,
            fuel: None,
            rewind: None,
            example: Some(Box::new(example.clone())),
            step: None,
        },
    })
}

/// Returns the failure of a state that the second law does not hold for: what its machine comes to from it in the new release does
/// not survive the way down and up again.
fn again(change: &Change, address: &InstanceAddress, before: &Instance, asked: Asked) -> Option<TryFailure> {
    let (Change::Moves { from, to, edge }, State::Live(state)) = (change, &before.state) else { return None };
    let ends = Ends {
        old: &from.verified,
        old_config: &from.config,
        new: &to.verified,
        new_config: &to.config,
        edge,
    };
    let reason = asked.up_again(ends, state)?;
    let along = Along { way: Way::Up, from, to, edge, address };
    let ty = from.verified.state();
    let subject = Subject { along: &along, value: state, ty, digest: None, seq: before.seq, kept: None };
    Some(subject.failure(UP_AGAIN, "differs", reason))
}

/// Tries to start the machines without keys that a plan starts.
fn try_starts(plan: &Plan) -> (Vec<InstanceAddress>, Vec<TryFailure>) {
    let (mut starts, mut failures) = (vec![], vec![]);
    for code in plan.to.machines() {
        let begins = plan.added.contains_key(&code.address)
            || plan.restarted().any(|other| other.address == code.address);
        if code.keyed() || !begins {
            continue;
        }
        let machine = code.address.clone();
        let address = InstanceAddress { app: machine.app, machine: machine.machine, key: None };
        if let Err((kind, reason)) = birth(code) {
            let ty = code.verified.config();
            let fuel = Some(birth_again(&code.verified, &code.config).1);
            let capsule = Capsule {
                from: code.digest(),
                to: code.digest(),
                edge: None,
                seq: 0,
                value_digest: Digest::of(&code.config.to_binary(ty)),
                value: code.config.to_json_redacted(ty),
                cut: false,
                kept: None,
                fuel,
                rewind: None,
                example: None,
                step: None,
            };
            failures.push(TryFailure {
                instance: address.to_string(),
                step: "start".to_owned(),
                kind: kind.to_owned(),
                reason,
                capsule,
            });
        }
        starts.push(address);
    }
    (starts, failures)
}
