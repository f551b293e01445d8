//! What a recovery is careful with: everything that runs code of a machine, as the agent may not survive it.
//!
//! Replayed records, births and carrying at a switch, and the first deliveries: each is noted
//! before it is done ([`Attempts`]), and an instance is held before what ended several attempts in a row. The journal
//! tells of such a hold, so that every later recovery that comes to the same place holds the instance again, also when
//! the notes are gone.

use std::collections::BTreeMap;

use camshaft_manifests::InstanceAddress;
use camshaft_store::{Aside, Control, Deed as Cared, HeldBefore, InputRecord, Journal, Record, Redrive};

use super::attempts::{Attempts, Deed};
use super::open::{OpenNodeError, Reading};
use super::{Asked, Node, NodeError};
use crate::engine::{Divergence, Risk, Shard, Watch};
use crate::failpoint;

/// How many of the first deliveries are made one by one, each noted before it. What they made durable is behind the next
/// attempt, so that one that dies after them comes further.
const FIRST_MAX: usize = 4096;

/// After how many of them they are made durable.
const FIRST_GROUP: usize = 64;

/// How often it is looked whether what waited at the start has been delivered, before it is taken for granted.
const LOOKS_MAX: u32 = 50;

/// What is known of holds while a journal is read.
#[derive(Default)]
pub(super) struct Holds {
    /// How the attempts before this one went.
    pub(super) attempts: Attempts,
    /// Holds that the journal tells of further on: before what, the instance, and the reason.
    told: BTreeMap<HeldBefore, BTreeMap<String, String>>,
    /// Holds that it does not tell of yet.
    new: Vec<Hold>,
}

struct Hold {
    instance: String,
    before: HeldBefore,
    /// The number of the last input, for a replay that differs.
    seq: Option<u64>,
    reason: String,
}

impl Holds {
    /// Takes up what records tell of holds before they are replayed.
    pub(super) fn learn(&mut self, records: &[(u64, Record)]) {
        for (_, record) in records {
            if let Record::Control(Control::RecoveryHeld { instance, before, reason, .. }) = record {
                self.told.entry(*before).or_default().insert(instance.clone(), reason.clone());
            }
        }
    }

    /// Takes up that a replay differs; its instance is held already.
    pub(super) fn differs(&mut self, position: u64, divergence: Divergence) {
        let Divergence { instance, seq, reason } = divergence;
        tracing::error!(%instance, seq, "held: {reason}");
        let (instance, before) = (instance.to_string(), HeldBefore::Record(position));
        self.new.push(Hold { instance, before, seq: Some(seq), reason });
    }

    /// Returns true when nothing is noted and nothing is told: the usual recovery.
    fn is_usual(&self) -> bool {
        self.told.is_empty() && !self.attempts.is_careful()
    }

    /// Returns why an instance is to be held and something not done, which is done else.
    fn before(
        &mut self,
        journal: &mut dyn Journal,
        before: HeldBefore,
        instance: &str,
        doing: &str,
    ) -> Option<String> {
        // Once it was told in the journal it is so for ever, also when the notes are gone.
        if let Some(reason) = self.told.get(&before).and_then(|told| told.get(instance)) {
            return Some(reason.clone());
        }
        let deed = match before {
            HeldBefore::Record(position) => Deed::Record(position),
            HeldBefore::Switch(number) => Deed::Switch(number),
            HeldBefore::Rest => return None,
        };
        if !self.attempts.at(journal, deed, instance) {
            return None;
        }
        let reason = died(doing);
        tracing::error!(instance, "held: {reason}");
        self.new.push(Hold { instance: instance.to_owned(), before, seq: None, reason: reason.clone() });
        Some(reason)
    }

    /// Returns who watches over a switch.
    pub(super) fn over<'a>(&'a mut self, journal: &'a mut dyn Journal, number: u64) -> impl Watch + 'a {
        OverSwitch { holds: self, journal, number }
    }
}

fn died(doing: &str) -> String {
    format!("the agent died three times while it {doing}")
}

struct OverSwitch<'a> {
    holds: &'a mut Holds,
    journal: &'a mut dyn Journal,
    number: u64,
}

impl Watch for OverSwitch<'_> {
    fn before(&mut self, risk: Risk, address: &InstanceAddress) -> Option<String> {
        let number = self.number;
        if !self.holds.is_usual() {
            let doing = match risk {
                Risk::Birth => format!("started it by switch {number}"),
                Risk::Carry => format!("took it over switch {number}"),
            };
            let before = HeldBefore::Switch(number);
            let found = self.holds.before(self.journal, before, &address.to_string(), &doing);
            if found.is_some() {
                return found;
            }
        }
        match risk {
            Risk::Birth => failpoint::pass_of("replay.birth", address),
            Risk::Carry => failpoint::pass_of("replay.carry", address),
        }
        None
    }
}

impl Node {
    /// Holds an instance before an input that the agent did not survive when it was replayed.
    pub(super) fn hold_before_input(
        &mut self,
        shard: usize,
        position: u64,
        input: &InputRecord,
        reading: &mut Reading,
    ) {
        if !reading.holds.is_usual() {
            let Ok(address) = input.instance.parse::<InstanceAddress>() else { return };
            // Who is held takes no inputs.
            if self.here().shards[shard].is_held(&address)
                || self.hold_before(
                    shard,
                    position,
                    &input.instance,
                    &format!("replayed input {}", input.seq),
                    reading,
                )
            {
                return;
            }
        }
        failpoint::pass_of("replay.input", &input.instance);
    }

    /// Returns what is to be done of a record that is no input: not what the agent did not survive.
    pub(super) fn survived(
        &mut self,
        shard: usize,
        position: u64,
        aside: &Aside,
        reading: &mut Reading,
    ) -> Option<Aside> {
        let mut holds = |instance: &str, doing: &str| {
            let held = self.hold_before(shard, position, instance, doing, reading);
            if !held {
                failpoint::pass_of("replay.aside", &instance);
            }
            held
        };
        match aside {
            Aside::Cared { switch, at_ms, deeds } => {
                let survives = |deed: &&Cared| !(deed.resets && holds(&deed.instance, "let it begin anew"));
                let deeds = deeds.iter().filter(survives).cloned().collect();
                Some(Aside::Cared { switch: *switch, at_ms: *at_ms, deeds })
            }
            Aside::Redriven { instance, what: Redrive::Reset, .. } => {
                (!holds(instance, "let it begin anew")).then(|| aside.clone())
            }
            Aside::Redriven { instance, what: Redrive::Parked, .. } => {
                (!holds(instance, "let go on what was parked of it")).then(|| aside.clone())
            }
            Aside::Settled { instance, .. } => {
                (!holds(instance, "took over what waited for it")).then(|| aside.clone())
            }
            Aside::Redriven { .. } | Aside::Dropped { .. } | Aside::Called { .. } | Aside::Clients(_) => {
                Some(aside.clone())
            }
        }
    }

    fn hold_before(
        &mut self,
        shard: usize,
        position: u64,
        instance: &str,
        doing: &str,
        reading: &mut Reading,
    ) -> bool {
        let here = self.here();
        let before = HeldBefore::Record(position);
        let Some(reason) = reading.holds.before(&mut *here.journal, before, instance, doing) else {
            return false;
        };
        let address: Option<InstanceAddress> = instance.parse().ok();
        address.is_some_and(|address| here.shards[shard].hold_now(&address, &reason))
    }

    /// Makes durable which instances this recovery held, and that no journal tells of.
    pub(super) fn tell_holds(&mut self, reading: &mut Reading, asked: &Asked) -> Result<(), NodeError> {
        let here = self.here();
        reading.holds.attempts.past(&mut *here.journal);
        let stamp = self.stamp(asked);
        // Earlier versions told of a replay that differs by the number of the input alone.
        let known = |hold: &Hold| {
            hold.seq.is_some_and(|seq| self.ledger.held.contains(&(hold.instance.clone(), seq)))
        };
        let held: Vec<Control> = std::mem::take(&mut reading.holds.new)
            .into_iter()
            .filter(|hold| !known(hold))
            .map(|Hold { instance, before, reason, .. }| Control::RecoveryHeld {
                stamp: stamp.clone(),
                instance,
                before,
                reason,
            })
            .collect();
        if held.is_empty() { Ok(()) } else { self.append(&held) }
    }

    /// Does what the record of a hold says that is of all that comes behind it.
    pub(super) fn hold_the_rest(&mut self, instance: &str, reason: &str) -> Result<(), OpenNodeError> {
        let address: InstanceAddress =
            instance.parse().map_err(|_| OpenNodeError::Ledger("a hold of an instance without address"))?;
        let homes = self.epoch.as_ref().map(|epoch| epoch.homes.clone()).unwrap_or_default();
        let shard = usize::from(crate::engine::shard_of(&homes, self.crew.shards(), &address));
        self.here().shards[shard].hold_now(&address, reason);
        Ok(())
    }

    /// Delivers what the relup of the last switch applies.
    pub(super) fn apply_first(&mut self, attempts: &mut Attempts) -> Result<(), NodeError> {
        if !attempts.is_careful() {
            self.crew.each(Shard::settle_applies)?;
            return self.crew.flush();
        }
        for index in 0..self.here().shards.len() {
            while let Some(next) = self.here().shards[index].upcoming_apply() {
                let does = |shard: &mut Shard| shard.apply_once();
                if !self.step_if_survived(attempts, index, next, does)? {
                    break;
                }
            }
        }
        self.done_first(attempts)
    }

    /// Delivers what waits, in an attempt after one that did not end: mail, and timers that are due. One step after
    /// the other, in turns, each noted before.
    pub(super) fn deliver_first(&mut self, attempts: &mut Attempts) -> Result<(), NodeError> {
        if !attempts.is_careful() {
            return Ok(());
        }
        let shards = self.here().shards.len();
        for step in 0..FIRST_MAX {
            // A timer that starts itself anew without delay must not stop the mail.
            let timers_first = step % 2 == 0;
            let mut any = false;
            for index in 0..shards {
                let Some(next) = self.here().shards[index].upcoming(timers_first) else { continue };
                let does = |shard: &mut Shard| shard.step_once(timers_first);
                any |= self.step_if_survived(attempts, index, next, does)?;
            }
            if !any {
                break;
            }
            if step % FIRST_GROUP == FIRST_GROUP - 1 {
                self.done_first(attempts)?;
            }
        }
        self.done_first(attempts)
    }

    /// Does a step of an instance, or holds it when the agent did not survive that step.
    fn step_if_survived(
        &mut self,
        attempts: &mut Attempts,
        index: usize,
        (address, seq): (InstanceAddress, u64),
        does: impl FnOnce(&mut Shard) -> bool,
    ) -> Result<bool, NodeError> {
        let here = self.here();
        let instance = address.to_string();
        if !attempts.at(&mut *here.journal, Deed::Delivery(seq), &instance) {
            let did = does(&mut here.shards[index]);
            here.collect(index);
            return Ok(did);
        }
        let reason = died(&format!("delivered input {seq}"));
        tracing::error!(instance, "held: {reason}");
        here.shards[index].hold_now(&address, &reason);
        let stamp = self.stamp(&Asked { who: super::AGENT.to_owned(), now_ms: self.now_ms });
        self.append(&[Control::RecoveryHeld { stamp, instance, before: HeldBefore::Rest, reason }])?;
        Ok(true)
    }

    /// Makes durable what was delivered. A disk that keeps the agent waiting, or ends it, is no fault of an input.
    fn done_first(&mut self, attempts: &Attempts) -> Result<(), NodeError> {
        attempts.past(&mut *self.here().journal);
        self.crew.flush()
    }

    /// Ends the attempt when nothing waits, or sees to it that it ends when that was delivered.
    pub(super) fn end_or_watch(&mut self, attempts: &Attempts) {
        if !attempts.has_begun() {
            return;
        }
        if self.here().shards.iter().any(Shard::has_work) {
            self.watched = Some(LOOKS_MAX);
        } else {
            let life = self.life;
            Attempts::end(&mut *self.here().journal, life);
        }
    }

    /// Looks whether what waited at the start has been delivered: with that the attempt at a recovery ends. Afterwards
    /// there is nothing to look at.
    ///
    /// # Errors
    ///
    /// When the journal fails.
    pub(crate) fn look_at_first(&mut self) -> Result<(), NodeError> {
        let Some(looks) = self.watched else { return Ok(()) };
        // On a full disk nothing is delivered.
        if self.crew.is_full() {
            return Ok(());
        }
        let waits = self.crew.each(|shard| shard.has_work())?.contains(&true);
        if waits && looks > 0 {
            self.watched = Some(looks - 1);
            return Ok(());
        }
        self.crew.flush()?;
        self.end_attempt()
    }

    /// Ends the attempt at a recovery.
    fn end_attempt(&mut self) -> Result<(), NodeError> {
        if self.watched.take().is_none() {
            return Ok(());
        }
        self.crew.note_end(self.life)
    }
}
