//! Requests: what a client may be told, at any moment between its request and its answer.
//!
//! When a node takes a request in, and when it answers, is its own affair. So for each request the model keeps all
//! that may be told without a record of it, for every state that its instance is in meanwhile; and once there is
//! a record, the one thing that must be told.

use std::sync::Arc;

use camshaft_cam::run::EdgeArrow;
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_manifests::{AppName, InstanceAddress, MachineAddress};

use super::arrows::along;
use super::care::Trapped;
use super::kept::{Known, One};
use super::step::{Cause, Computed, Sees};
use super::{Instance, LastSeen, Model, Wrong, wrong};
use crate::seen::{Ask, Identity, Input, Refused, Said, Says, Source};
use crate::world::build::{Member, Part, Way};

/// How long a client counts as one that is there.
const LIVE_MS: i64 = 24 * 60 * 60 * 1000;

/// A request that was not answered yet.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) ask: Ask,
    /// The instance, as it is called now; none when there is no such machine.
    at: Option<InstanceAddress>,
    /// What may be told while there is no record of it.
    allowed: Vec<Said>,
    /// The input, while it would be applied.
    applies: Option<Value>,
    /// What must be told, since it is in the journal.
    recorded: Option<Said>,
    /// What may be told because of an entry of the journal that does not say whose it is, and which entry.
    maybe: Vec<(u64, Said)>,
    /// True when it may no longer be applied: a switch came.
    closed: bool,
    /// The traps that count which it may have come to, without a record of it.
    silent: Vec<Trapped>,
    /// True when it is known that one of them led to something.
    claimed: bool,
    /// When it was made, at the earliest.
    asked_ms: i64,
    /// How many entries there were when it was made, if nothing else was under way then.
    at_entry: Option<u64>,
}

impl Pending {
    /// Returns true when an entry of the history may be this request.
    fn waits_for(&self, seen: &Input, identity: Option<&Identity>, ty: &Ty) -> bool {
        !self.closed
            && self.recorded.is_none()
            && self.at.as_ref() == Some(&seen.instance)
            && self.ask.identity.as_ref() == identity
            && self.applies.as_ref().is_some_and(|input| input.to_binary(ty) == seen.input)
    }
}

/// How a client speaks to a machine.
struct Tongue {
    version: String,
    /// The way from its types to those that run, and the machine that has them.
    other: Option<(Arc<Way>, Arc<Part>)>,
}

/// What may be made of a request.
struct Outlook {
    at: Option<InstanceAddress>,
    allowed: Vec<Said>,
    applies: Option<Value>,
    /// The trap that counts which it comes to without a record.
    silent: Option<Trapped>,
}

impl Outlook {
    fn refused(at: Option<InstanceAddress>, refused: Refused) -> Outlook {
        Outlook::told(at, Said::Refused(refused))
    }

    fn told(at: Option<InstanceAddress>, said: Said) -> Outlook {
        Outlook { at, allowed: vec![said], applies: None, silent: None }
    }
}

fn json_of(value: Option<&Value>, part: &Part) -> String {
    value.map_or_else(|| "null".to_owned(), |value| value.to_json(part.verified.output()))
}

impl Model {
    /// Takes note of a request that the node got. `ahead` says that it has done what is not durable.
    ///
    /// # Errors
    ///
    /// When the arrows of an edge contradict its text.
    pub fn asked(&mut self, ask: Ask, ahead: bool) -> Result<(), Wrong> {
        if let Some(edition) = self.edition() {
            let known = edition.members.keys().any(|machine| machine.app == ask.address.app);
            let sure = known && self.understands(self.lineage[self.lineage.len() - 1], &ask.says);
            let name = (ask.address.app.to_string(), ask.says.clone());
            let now_ms = self.told_ms.max(self.now_ms);
            if sure {
                self.clients.insert(name, LastSeen { sure_ms: now_ms, perhaps_ms: now_ms });
            } else if let Some(last) = self.clients.get_mut(&name) {
                // Who was counted once may be counted again.
                last.perhaps_ms = now_ms;
            }
        }
        let Outlook { at, allowed, applies, silent } = self.outlook(&ask)?;
        let alone = self.pending.is_empty() && !ahead && !self.may_be_full;
        let last_ms = at.as_ref().and_then(|at| self.instances.get(at)).map_or(i64::MIN, |one| one.last_ms);
        self.pending.push(Pending {
            silent: silent.into_iter().collect(),
            claimed: false,
            asked_ms: self.clock_ms.max(last_ms),
            at_entry: alone.then_some(self.followed),
            ask,
            at,
            allowed,
            applies,
            recorded: None,
            maybe: vec![],
            closed: false,
        });
        Ok(())
    }

    /// Returns how many requests were not answered.
    pub fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// Looks at what a client was told.
    ///
    /// # Errors
    ///
    /// When it must not be told that.
    pub fn answered(&mut self, id: u64, said: &Said) -> Result<(), Wrong> {
        let Some(place) = self.pending.iter().position(|pending| pending.ask.id == id) else {
            return wrong(format!("request {id}"), "one answer", format!("another one: {said:?}"));
        };
        let pending = self.pending.remove(place);
        let what = format!("the answer to request {id}, {} to {}", pending.ask.json, pending.ask.address);
        let mut claims =
            pending.maybe.iter().filter(|(entry, told)| told == said && self.unclaimed.contains(entry));
        let claimed = claims.next().map(|(entry, _)| *entry);
        match (claimed, pending.allowed.contains(said)) {
            (Some(entry), false) => drop(self.unclaimed.remove(&entry)),
            (Some(_), true) => self.either += 1,
            (None, _) => {}
        }
        if *said == Said::Refused(Refused::DiskFull) && self.may_be_full && pending.recorded.is_none() {
            return Ok(());
        }
        match &pending.recorded {
            Some(expected) if expected != said => {
                return wrong(what, format!("{expected:?}"), format!("{said:?}"));
            }
            None if !pending.allowed.contains(said) && claimed.is_none() => {
                let expected = match (&pending.applies, pending.allowed.as_slice()) {
                    (Some(_), []) => "none before it is applied and durable".to_owned(),
                    (_, allowed) => format!("one of {allowed:?}"),
                };
                return wrong(what, expected, format!("{said:?}"));
            }
            _ => {}
        }
        self.note_silent(&pending, said)?;
        match said {
            Said::Answered { repeated: true, .. } => self.tally.repeated += 1,
            Said::Answered { speaks, .. } => self.tally.lowered += u64::from(*speaks != self.version()),
            Said::Refused(_) => self.tally.refused += 1,
        }
        Ok(())
    }

    /// Takes note of a trap that there is no record of.
    fn note_silent(&mut self, pending: &Pending, said: &Said) -> Result<(), Wrong> {
        let Said::Answered { answer: Err((kind, _)), repeated: false, .. } = said else { return Ok(()) };
        let Some(at) = pending.at.clone().filter(|_| pending.recorded.is_none()) else { return Ok(()) };
        if pending.ask.identity.is_some() {
            return Ok(());
        }
        self.count_trap(&at.app, kind);
        if pending.claimed || !pending.silent.iter().any(|trapped| trapped.kind == *kind) {
            return Ok(());
        }
        let exact = pending.at_entry == Some(self.followed) && !self.may_be_full;
        self.trapped_silently(&at, (pending.asked_ms, self.told_ms), exact)
    }

    /// Returns how many requests there are that may have trapped at an instance, without a record of it.
    pub(super) fn silent_at(&self, address: &InstanceAddress) -> usize {
        let at = |pending: &&Pending| pending.at.as_ref() == Some(address) && !pending.claimed;
        self.pending.iter().filter(at).filter(|pending| !pending.silent.is_empty()).count()
    }

    /// Returns how many requests wait that may trap at an application.
    pub(super) fn silent_in(&self, app: &AppName) -> u64 {
        let at = |pending: &&Pending| pending.at.as_ref().is_some_and(|at| at.app == *app);
        self.pending.iter().filter(at).count() as u64
    }

    /// Takes a request for one that trapped, and that led to something.
    pub(super) fn claim_silent(
        &mut self,
        address: &InstanceAddress,
        is: impl Fn(&Trapped) -> bool,
    ) -> Option<Trapped> {
        self.pending.iter_mut().find_map(|pending| {
            let fits = pending.at.as_ref() == Some(address) && !pending.claimed;
            let trapped = pending.silent.iter().find(|trapped| fits && is(trapped)).cloned()?;
            pending.claimed = true;
            Some(trapped)
        })
    }

    /// Requests from before a switch are answered by the release that took them.
    pub(super) fn close_requests(&mut self) {
        self.pending.iter_mut().for_each(|pending| pending.closed = true);
    }

    /// Works out anew what the clients of an instance may be told.
    pub(super) fn look_again(&mut self, address: &InstanceAddress) -> Result<(), Wrong> {
        for place in 0..self.pending.len() {
            let pending = &self.pending[place];
            if pending.closed || pending.recorded.is_some() || pending.at.as_ref() != Some(address) {
                continue;
            }
            let outlook = self.outlook(&pending.ask.clone())?;
            let pending = &mut self.pending[place];
            pending.applies = outlook.applies;
            pending.silent.extend(outlook.silent);
            for said in outlook.allowed {
                if !pending.allowed.contains(&said) {
                    pending.allowed.push(said);
                }
            }
        }
        Ok(())
    }

    /// Finds the request that an entry of the history applies.
    pub(super) fn take_request(&mut self, seen: &Input) -> Result<Value, Wrong> {
        let what = format!("input {} of {}", seen.seq, seen.instance);
        let identity = match &seen.source {
            Source::Named(identity) => Some(identity),
            _ => None,
        };
        let ty = self.instances[&seen.instance].member.part.verified.input();
        let mut all = self.pending.iter().filter(|pending| pending.waits_for(seen, identity, ty));
        // Each entry is of another request: those that may have been it and were not told yet are taken.
        let taken = |pending: &&Pending| {
            pending.maybe.iter().filter(|(entry, _)| self.unclaimed.contains(entry)).count()
        };
        let most = all.clone().map(|pending| taken(&pending)).max().unwrap_or(0);
        let enough = all.clone().count() > most;
        let Some(found) = all.next().filter(|_| enough) else {
            let input = Value::from_binary(&seen.input, ty).map(|input| input.to_json(ty));
            let expected = "a request that was made, and neither answered nor applied before";
            return wrong(what, expected, format!("{:?}: {input:?}", seen.source));
        };
        // What one client sends to an instance is applied in the order in which it was sent.
        if let Some(Identity::Client(sender, _)) = identity {
            let earlier = self.pending.iter().take_while(|pending| pending.ask.id != found.ask.id);
            let mut earlier = earlier.filter(|pending| !pending.closed && pending.recorded.is_none());
            let first = earlier.find(|pending| {
                let same =
                    matches!(&pending.ask.identity, Some(Identity::Client(other, _)) if other == sender);
                // One that was refused at some time since it was made may have had its turn then, and so may one that
                // came to a disk without room.
                let due = pending.applies.is_some() && pending.allowed.is_empty() && !self.may_be_full;
                same && pending.at == found.at && due
            });
            if let Some(first) = first {
                return wrong(what, format!("{:?}, which came first", first.ask), format!("{:?}", found.ask));
            }
        }
        let (id, at) = (found.ask.id, found.at.clone());
        let applies = found.applies.clone().expect("it was looked for");
        if let Some(Identity::Client(sender, _)) = identity {
            // Those before it had their turn, and nothing was applied: what comes of this one changes nothing of that.
            let earlier = self.pending.iter_mut().take_while(|pending| pending.ask.id != id);
            for pending in earlier.filter(|pending| pending.at == at && pending.recorded.is_none()) {
                pending.closed |=
                    matches!(&pending.ask.identity, Some(Identity::Client(other, _)) if other == sender);
            }
        }
        Ok(applies)
    }

    /// Takes note that a request is in the journal, and of what must be told of it.
    pub(super) fn record(&mut self, seen: &Input, computed: &Computed) -> Result<(), Wrong> {
        let identity = match &seen.source {
            Source::Named(identity) => Some(identity.clone()),
            Source::Anonymous => None,
            _ => return Ok(()),
        };
        let instance = &self.instances[&seen.instance];
        let member = instance.member.clone();
        let ty = member.part.verified.input();
        let answer = match &computed.outcome {
            Ok(outcome) => Ok(outcome.output.clone()),
            Err(trap) => Err(trap.clone()),
        };
        let mut told = vec![];
        for place in 0..self.pending.len() {
            let pending = &self.pending[place];
            if !pending.waits_for(seen, identity.as_ref(), ty) {
                continue;
            }
            let tongue = self.tongue(&pending.ask.says, &seen.instance.machine_address());
            let tongue = tongue.expect("what is applied was understood");
            let answer = match &answer {
                Err(trap) => Err(trap.clone()),
                Ok(output) => match self.lowered(&tongue, output.as_ref(), &member)? {
                    Ok(json) => Ok(json),
                    // Its answer has no counterpart: this is not the one that was applied.
                    Err(()) => continue,
                },
            };
            told.push((place, Said::Answered { answer, repeated: false, speaks: tongue.version }));
        }
        let Some((first, said)) = told.first().cloned() else {
            let what = format!("input {} of {}", seen.seq, seen.instance);
            return wrong(what, "nothing, for its answer has no counterpart", "it was applied");
        };
        if let Some(identity) = identity {
            let content =
                serde_json::from_str(&self.pending[first].ask.json).expect("what is applied was JSON");
            let kept = &mut self.instances.get_mut(&seen.instance).expect("it took the input").kept;
            kept.keep(&identity, content, seen.now_ms, answer, member.part);
        }
        if told.len() == 1 {
            self.pending[first].recorded = Some(said);
            return Ok(());
        }
        // Several requests say the same: whose it was is seen by who is told.
        self.entries += 1;
        let entry = self.entries;
        self.unclaimed.insert(entry);
        for (place, said) in told {
            self.pending[place].maybe.push((entry, said));
        }
        Ok(())
    }

    /// Returns an output in the words of a client, if it has a counterpart there.
    fn lowered(
        &self,
        tongue: &Tongue,
        output: Option<&Value>,
        member: &Member,
    ) -> Result<Result<String, ()>, Wrong> {
        let (Some((way, old)), Some(output)) = (&tongue.other, output) else {
            return Ok(Ok(json_of(output, &member.part)));
        };
        let lowered = along(way, EdgeArrow::Lower, output, old, &member.part)?;
        Ok(lowered.map(|value| json_of(Some(&value), old)).map_err(drop))
    }

    fn meant(&self, running: usize, says: &Says) -> String {
        let edition = &self.world.editions[running];
        match says {
            Says::Nothing => edition.default.to_string(),
            Says::Running => edition.version.to_string(),
            Says::Version(version) => version.clone(),
        }
    }

    /// Returns true when a release speaks what a client speaks.
    pub(super) fn understands(&self, running: usize, says: &Says) -> bool {
        let meant = self.meant(running, says);
        let spoken = [Some(running), running.checked_sub(1)];
        spoken.into_iter().flatten().any(|place| self.world.editions[place].version.to_string() == meant)
    }

    /// Returns true when clients are there that a release does not understand; nothing when that is uncertain,
    /// because a crash or a clock may have hidden when they were there.
    pub(super) fn leaves_behind(&self, to: usize) -> Option<bool> {
        let from = self.running()?;
        let mut uncertain = false;
        for ((_, says), last) in &self.clients {
            let meant = Says::Version(self.meant(from, says));
            if *says == Says::Running || !self.understands(from, &meant) || self.understands(to, &meant) {
                continue;
            }
            if self.told_ms - last.sure_ms <= LIVE_MS {
                return Some(true);
            }
            uncertain = true;
        }
        (!uncertain).then_some(false)
    }

    fn tongue(&self, says: &Says, machine: &MachineAddress) -> Result<Tongue, Refused> {
        let running = self.running().ok_or(Refused::NoRelease)?;
        let version = self.meant(running, says);
        if !self.understands(running, says) {
            return Err(Refused::UnknownVersion);
        }
        let edition = &self.world.editions[running];
        if version == edition.version.to_string() {
            return Ok(Tongue { version, other: None });
        }
        let was = edition.said.was(machine).ok_or(Refused::MachineUnspoken)?;
        let old = &self.world.editions[running - 1].members.get(&was).ok_or(Refused::MachineUnspoken)?.part;
        let new = &edition.members[machine];
        if old.digest() == new.part.digest() {
            return Ok(Tongue { version, other: None });
        }
        let way = new.edge.clone().ok_or(Refused::MachineUnspoken)?;
        Ok(Tongue { version, other: Some((way, old.clone())) })
    }

    /// Returns the address that a client means, in the names that run.
    fn resolved(&self, ask: &Ask) -> InstanceAddress {
        let Some(running) = self.running() else { return ask.address.clone() };
        let edition = &self.world.editions[running];
        let meant = self.meant(running, &ask.says);
        let Some(old) = running.checked_sub(1).map(|place| &self.world.editions[place]) else {
            return ask.address.clone();
        };
        if meant != old.version.to_string() {
            return ask.address.clone();
        }
        let machine = ask.address.machine_address();
        // A machine that cannot be spoken to in its old words has no old name either.
        let spoken = |now: &&MachineAddress| self.tongue(&ask.says, now).is_ok();
        let renamed =
            |now: &&MachineAddress| **now != machine && edition.said.was(now).as_ref() == Some(&machine);
        let now = edition.members.keys().find(|now| renamed(now) && spoken(now));
        now.map_or_else(|| ask.address.clone(), |now| ask.address.at(now))
    }

    fn outlook(&self, ask: &Ask) -> Result<Outlook, Wrong> {
        let Some(running) = self.running() else { return Ok(Outlook::refused(None, Refused::NoRelease)) };
        let address = self.resolved(ask);
        let machine = address.machine_address();
        let Some(member) = self.world.editions[running].members.get(&machine) else {
            return Ok(Outlook::refused(None, Refused::UnknownMachine));
        };
        match (member.part.checked.keyed, &address.key) {
            (true, None) => return Ok(Outlook::refused(None, Refused::KeyMissing)),
            (false, Some(_)) => return Ok(Outlook::refused(None, Refused::KeyUnwanted)),
            _ => {}
        }
        let at = Some(address.clone());
        let tongue = match self.tongue(&ask.says, &machine) {
            Ok(tongue) => tongue,
            Err(refused) => return Ok(Outlook::refused(at, refused)),
        };
        let Ok(content) = serde_json::from_str::<serde_json::Value>(&ask.json) else {
            let mut outlook = Outlook::refused(at, Refused::WrongType);
            if self.instances.get(&address).is_some_and(Instance::is_held) {
                outlook.allowed.push(Said::Refused(Refused::Held));
            }
            return Ok(outlook);
        };
        let there = self.instances.get(&address);
        if there.is_some_and(Instance::is_held) {
            return Ok(Outlook::refused(at, Refused::Held));
        }
        let unborn;
        let instance = match there {
            Some(instance) => instance,
            None => {
                unborn = self.unborn(&address, member.clone());
                &unborn
            }
        };
        let known = match &ask.identity {
            Some(identity) => self.known(instance, identity, &content, &tongue)?,
            None => None,
        };
        if let (Some(known), Some(_)) = (&known, there) {
            return Ok(Outlook::told(at, known.clone()));
        }
        let input = match self.read(&ask.json, &tongue, member)? {
            Ok(input) => input,
            Err(refused) => {
                let mut outlook = Outlook::refused(at, refused);
                // Where only an archived instance knows it, either may be found first.
                outlook.allowed.extend(known);
                return Ok(outlook);
            }
        };
        if let Some(known) = known {
            return Ok(Outlook::told(at, known));
        }
        let sees = Sees { now_ms: self.now_ms, seed: 0 };
        let computed = self.compute(&address, instance, &input, sees, &Cause::Outside);
        let output = computed.outcome.as_ref().ok().and_then(|outcome| outcome.output.as_ref());
        let Ok(json) = self.lowered(&tongue, output, member)? else {
            return Ok(Outlook::refused(at, Refused::NoAnswer));
        };
        let answer = match &computed.outcome {
            Ok(outcome) if ask.identity.is_some() || !outcome.idle => {
                return Ok(Outlook { at, allowed: vec![], applies: Some(input), silent: None });
            }
            Err(_) if ask.identity.is_some() => {
                return Ok(Outlook { at, allowed: vec![], applies: Some(input), silent: None });
            }
            Ok(_) => Ok(json),
            Err(trap) => Err(trap.clone()),
        };
        let said = Said::Answered { answer, repeated: false, speaks: tongue.version };
        // What writes what was there already may be in the journal, and need not be.
        let silent = Trapped::of(instance, &input, computed.outcome.as_ref().err());
        let applies = computed.outcome.is_ok().then_some(input);
        Ok(Outlook { at, allowed: vec![said], applies, silent })
    }

    fn read(&self, json: &str, tongue: &Tongue, member: &Member) -> Result<Result<Value, Refused>, Wrong> {
        let spoken = tongue.other.as_ref().map_or(&member.part, |(_, old)| old);
        let Ok(value) = Value::from_json(json, spoken.verified.input()) else {
            return Ok(Err(Refused::WrongType));
        };
        let input = match &tongue.other {
            None => value,
            Some((way, old)) => match along(way, EdgeArrow::Lift, &value, old, &member.part)? {
                Ok(lifted) => lifted,
                Err(_) => return Ok(Err(Refused::NotLifted)),
            },
        };
        let Value::Sum(case, _) = &input else { unreachable!("inputs are variants") };
        if member.part.checked.internal[*case as usize] {
            return Ok(Err(Refused::Internal));
        }
        Ok(Ok(input))
    }

    /// Returns what is told of a request that is not new.
    fn known(
        &self,
        instance: &Instance,
        identity: &Identity,
        content: &serde_json::Value,
        tongue: &Tongue,
    ) -> Result<Option<Said>, Wrong> {
        let one = match instance.kept.look_up(identity, content) {
            Known::New => return Ok(None),
            Known::Conflict => return Ok(Some(Said::Refused(Refused::Conflict))),
            Known::Expired => return Ok(Some(Said::Refused(Refused::Expired))),
            Known::Answered(one) => one,
        };
        let answer = match &one.answer {
            Err(trap) => Err(trap.clone()),
            Ok(output) => match self.retold(one, output.as_ref(), &instance.member, tongue)? {
                Some(json) => Ok(json),
                None => return Ok(Some(Said::Refused(Refused::AnswerUntold))),
            },
        };
        Ok(Some(Said::Answered { answer, repeated: true, speaks: tongue.version.clone() }))
    }

    /// Returns an answer of another machine in the words of a client: by what runs, if there are ways.
    fn retold(
        &self,
        one: &One,
        output: Option<&Value>,
        member: &Member,
        tongue: &Tongue,
    ) -> Result<Option<String>, Wrong> {
        let writer = one.writer.digest();
        let running = member.part.digest();
        let spoken = tongue.other.as_ref().map_or(running, |(_, old)| old.digest());
        let Some(output) = output.filter(|_| writer != spoken) else {
            return Ok(Some(json_of(output, &one.writer)));
        };
        let newer = member.edge.as_ref().filter(|way| way.verified.edge().from == writer);
        let left = self.left.map(|left| self.world.editions[left].members.values());
        let older = left.into_iter().flatten().filter_map(|member| member.edge.as_ref()).find(|way| {
            let edge = way.verified.edge();
            (edge.from, edge.to) == (running, writer)
        });
        let here = if writer == running {
            Ok(output.clone())
        } else if let Some(way) = newer {
            along(way, EdgeArrow::Raise, output, &one.writer, &member.part)?
        } else if let Some(way) = older {
            along(way, EdgeArrow::Lower, output, &member.part, &one.writer)?
        } else {
            return Ok(None);
        };
        match here {
            Ok(here) => Ok(self.lowered(tongue, Some(&here), member)?.ok()),
            Err(_) => Ok(None),
        }
    }
}
