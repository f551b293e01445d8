//! An instance: what a machine's code works on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, LazyLock};

use camshaft_cam::digest::Digest;
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_manifests::InstanceAddress;
use camshaft_store::{
    BeforeImage, CallSnapshot, MailOrigin, MailSnapshot, Parked, ParkedItem, TimerSnapshot,
};

use super::aside::KeptAside;
use super::kept::{Identity, Kept};
use super::rewind::Rewind;
use crate::release::MachineCode;

/// A request from outside, as the host numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// An instance of a machine of the running release.
///
/// Most instances of a node do nothing most of the time, so what such a one needs stands here, and
/// all else in [`Rest`], which is there only where it is needed.
#[derive(Debug, Clone)]
pub struct Instance {
    /// The code of the running release.
    pub code: Arc<MachineCode>,
    /// The number of the last input that was applied.
    pub seq: u64,
    /// How often it was born.
    pub life: u64,
    /// The state.
    pub state: State,
    /// The number of the last switch that it went over.
    pub switch: u64,
    /// Rises with every change: two copies with the same number are the same.
    pub version: u64,
    /// The number of the last state snapshot that has it, or that it is too new for.
    pub cut: u64,
    /// True while it stands in the shard's queue of instances with mail.
    pub queued: bool,
    /// The place of its code among what its shard runs.
    pub runner: u32,
    rest: Option<Box<Rest>>,
}

/// What most instances have nothing of.
#[derive(Debug, Clone, Default)]
pub struct Rest {
    /// The messages that wait.
    pub mailbox: VecDeque<Mail>,
    /// The timers, by name.
    pub timers: BTreeMap<Arc<str>, Timer>,
    /// How many timers were ever started.
    pub timer_generation: u64,
    /// The answers that are kept for repeated requests. Shared with copies that are tried.
    pub kept: Arc<Kept>,
    /// The state from before the last switch, while it is still exact.
    pub before: Option<Before>,
    /// What a rewind needs, where the way back may need one.
    pub rewind: Option<Rewind>,
    /// What was kept aside of the state on its way up, for the way down.
    pub aside: Option<KeptAside>,
    /// What no arrow accepted, and what could not be delivered.
    pub parked: Vec<Parked>,
    /// Calls on ports that have not ended.
    pub calls: Vec<CallSnapshot>,
}

static NOTHING: LazyLock<Rest> = LazyLock::new(Rest::default);

impl Rest {
    /// Returns how many messages and calls are kept that could not be delivered. What a switch parked is not
    /// counted: it only waits for the switch back.
    pub fn dead_letters(&self) -> usize {
        self.parked.iter().filter(|parked| parked.switch == 0).count()
    }

    /// Drops what a switch parked and what, were it still waiting, would be dropped now.
    pub fn drop_parked_by_switch(&mut self, drops: impl Fn(&ParkedItem) -> bool) {
        if !self.parked.is_empty() {
            self.parked.retain(|parked| parked.switch == 0 || !drops(&parked.item));
        }
    }

    /// Drops what waits for a life that is over, but for its timers that run: what it asked for, and what a switch parked
    /// of that. What others sent waits for the next one.
    pub fn drop_asked(&mut self) {
        self.mailbox.retain(|mail| !matches!(mail.origin, Origin::Answer { .. } | Origin::Port { .. }));
        self.drop_parked_by_switch(|item| match item {
            ParkedItem::Timer(_) => true,
            ParkedItem::Mail(mail) => {
                matches!(mail.origin, MailOrigin::Answer { .. } | MailOrigin::Port { .. })
            }
            ParkedItem::Call(_) => false,
        });
    }

    /// Returns true when nothing would be lost if it were forgotten.
    fn is_nothing(&self) -> bool {
        self.mailbox.is_empty()
            && self.timers.is_empty()
            && self.timer_generation == 0
            && self.kept.is_empty()
            && self.before.is_none()
            && self.rewind.is_none()
            && self.aside.is_none()
            && self.parked.is_empty()
            && self.calls.is_empty()
    }
}

/// The state of an instance.
#[derive(Debug, Clone)]
pub enum State {
    /// Not born, or stopped: the next input makes it anew.
    None,
    /// It lives; the state is in the types of its code.
    Live(Value),
    /// It may not go on. The state may be of another machine than runs, so it is kept as bytes.
    Held(Box<Held>),
}

/// The state of an instance that may not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Why, for people.
    pub reason: String,
    /// True when a switch could not take it along; then a switch to its machine wakes it.
    pub left_behind: bool,
    /// The machine that wrote the state.
    pub machine: Digest,
    /// The state; none when it was not born.
    pub state: Option<Vec<u8>>,
}

/// A state from before a switch.
#[derive(Debug, Clone)]
pub struct Before {
    /// The machine that wrote it.
    pub machine: Digest,
    /// The type of the state.
    pub ty: Ty,
    /// The state.
    pub value: Value,
    /// What was kept aside of it before.
    pub aside: Option<KeptAside>,
}

/// A message that waits.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Where it comes from.
    pub origin: Origin,
    /// The machine whose input type the input is written in.
    pub writer: Digest,
    /// The input.
    pub input: Arc<[u8]>,
    /// The trace that it belongs to.
    pub trace: Option<Arc<str>>,
    /// The number of the last switch that it went over.
    pub switch: u64,
}

/// Where a message comes from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// From outside. It is applied when it is admitted, and never waits.
    Outside {
        /// What makes it this request and no other, and the digest of its content.
        identity: Option<(Identity, Digest)>,
    },
    /// From another instance, or from itself.
    Message(Sent),
    /// The answer to a message that this instance sent.
    Answer {
        /// Who answers.
        receiver: InstanceAddress,
        /// The number of the input that sent the message.
        seq: u64,
        /// The place of the send among that step's effects.
        effect: u32,
    },
    /// What came back from a call on a port.
    Port {
        /// The number of the input that called.
        seq: u64,
        /// The place among that step's effects.
        effect: u32,
    },
    /// The relup of a switch, which applies it.
    Relup {
        /// The number of the switch.
        switch: u64,
        /// The place among what the relup applies.
        index: u32,
    },
}

/// Which message of which instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The sender.
    pub sender: InstanceAddress,
    /// The number of the sender's input that sent it.
    pub seq: u64,
    /// The place among that step's effects.
    pub effect: u32,
    /// The sender's channel.
    pub channel: Arc<str>,
    /// Which life of the sender sent it.
    pub life: u64,
}

/// A timer that runs.
#[derive(Debug, Clone)]
pub struct Timer {
    /// Which one of its name.
    pub generation: u64,
    /// When it fires, in milliseconds since the Unix epoch.
    pub due_ms: i64,
    /// The machine whose input type the input is written in.
    pub writer: Digest,
    /// What it fires.
    pub input: Arc<[u8]>,
    /// The trace that it belongs to.
    pub trace: Option<Arc<str>>,
    /// The number of the last switch that it went over.
    pub switch: u64,
}

impl Instance {
    /// Returns an instance that is not yet born; `switch` is the number of the last switch.
    pub fn unborn(code: Arc<MachineCode>, switch: u64) -> Instance {
        Instance {
            code,
            switch,
            seq: 0,
            life: 0,
            state: State::None,
            version: 0,
            cut: 0,
            queued: false,
            runner: 0,
            rest: None,
        }
    }

    /// Returns what most instances have nothing of.
    pub fn rest(&self) -> &Rest {
        self.rest.as_deref().unwrap_or(&NOTHING)
    }

    /// Returns the same, to be changed.
    pub fn rest_mut(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    /// Returns the same, to be changed, if there is any of it.
    pub fn rest_if_any(&mut self) -> Option<&mut Rest> {
        self.rest.as_deref_mut()
    }

    /// Says that it and all that waits for it has gone over a switch. What waits in other types says so itself.
    pub fn is_at(&mut self, switch: u64) {
        self.switch = switch;
        let digest = self.code.digest();
        let Some(rest) = self.rest_if_any() else { return };
        for mail in rest.mailbox.iter_mut().filter(|mail| mail.writer == digest) {
            mail.switch = switch;
        }
        for timer in rest.timers.values_mut().filter(|timer| timer.writer == digest) {
            timer.switch = switch;
        }
    }

    /// Gives the room back that nothing is in.
    pub fn shrink(&mut self) {
        if self.rest.as_deref().is_some_and(Rest::is_nothing) {
            self.rest = None;
        }
    }

    /// Returns true when nothing would be lost if it were forgotten.
    pub fn is_blank(&self) -> bool {
        matches!(self.state, State::None) && self.seq == 0 && self.life == 0 && self.rest().is_nothing()
    }

    /// Returns the canonical bytes of the state of one that lives.
    pub fn state_bytes(&self) -> Option<Vec<u8>> {
        match &self.state {
            State::Live(value) => Some(value.to_binary(self.code.verified.state())),
            State::None | State::Held(_) => None,
        }
    }

    /// Returns why it may not go on.
    pub fn held(&self) -> Option<&Held> {
        match &self.state {
            State::Held(held) => Some(held),
            State::None | State::Live(_) => None,
        }
    }

    /// Returns the machine that wrote the state.
    pub fn writer(&self) -> Digest {
        self.held().map_or_else(|| self.code.digest(), |held| held.machine)
    }

    /// Returns true when its state, or one from before, takes a while to be gone through.
    pub fn is_large(&self) -> bool {
        let rest = self.rest();
        let before = rest.before.as_ref().into_iter();
        let before = before.chain(rest.rewind.as_ref().and_then(Rewind::start)).map(|before| &before.value);
        let state = match &self.state {
            State::Live(value) => Some(value),
            State::None | State::Held(_) => None,
        };
        before.chain(state).any(Value::is_large)
    }

    /// Takes a state over, and what was kept aside of it. Returns what was kept aside of the one that it leaves; whoever
    /// calls has that itself.
    pub(super) fn take_state(&mut self, (state, aside): (Value, Option<KeptAside>)) -> Option<KeptAside> {
        self.state = State::Live(state);
        match self.rest_if_any() {
            None if aside.is_none() => None,
            _ => std::mem::replace(&mut self.rest_mut().aside, aside),
        }
    }

    /// Holds it: from now on it takes no inputs. Returns the state that it had, which it has as bytes now.
    #[must_use = "a state may be large: let go of it"]
    pub(super) fn hold(&mut self, reason: String, left_behind: bool) -> State {
        // The first reason stands.
        if self.held().is_some() {
            return State::None;
        }
        let (machine, state) = (self.code.digest(), self.state_bytes());
        let held = State::Held(Box::new(Held { reason, left_behind, machine, state }));
        std::mem::replace(&mut self.state, held)
    }
}

impl Before {
    /// Returns the form for a snapshot.
    pub fn save(&self) -> BeforeImage {
        let state = self.value.to_binary(&self.ty);
        BeforeImage { machine: self.machine, state, aside: self.aside.as_ref().map(KeptAside::save) }
    }
}

impl Mail {
    /// Returns the form for a snapshot; nothing for a request from outside, which never waits.
    pub fn save(&self) -> Option<MailSnapshot> {
        let origin = match &self.origin {
            Origin::Outside { .. } => return None,
            Origin::Message(sent) => MailOrigin::Message {
                sender: sent.sender.to_string(),
                seq: sent.seq,
                effect: sent.effect,
                channel: sent.channel.to_string(),
                life: sent.life,
            },
            Origin::Answer { receiver, seq, effect } => {
                MailOrigin::Answer { receiver: receiver.to_string(), seq: *seq, effect: *effect }
            }
            Origin::Port { seq, effect } => MailOrigin::Port { seq: *seq, effect: *effect },
            Origin::Relup { switch, index } => MailOrigin::Relup { switch: *switch, index: *index },
        };
        Some(MailSnapshot {
            origin,
            writer: self.writer,
            input: self.input.to_vec(),
            trace: self.trace.as_deref().map(str::to_owned),
            switch: self.switch,
        })
    }

    /// Returns the message of a snapshot.
    ///
    /// # Errors
    ///
    /// What is no address.
    pub fn load(saved: MailSnapshot) -> Result<Mail, String> {
        let address = |text: String| text.parse().map_err(|error| format!("`{text}` is no address: {error}"));
        let origin = match saved.origin {
            MailOrigin::Message { sender, seq, effect, channel, life } => {
                Origin::Message(Sent { sender: address(sender)?, seq, effect, channel: channel.into(), life })
            }
            MailOrigin::Answer { receiver, seq, effect } => {
                Origin::Answer { receiver: address(receiver)?, seq, effect }
            }
            MailOrigin::Port { seq, effect } => Origin::Port { seq, effect },
            MailOrigin::Relup { switch, index } => Origin::Relup { switch, index },
        };
        Ok(Mail {
            origin,
            writer: saved.writer,
            input: saved.input.into(),
            trace: saved.trace.map(Into::into),
            switch: saved.switch,
        })
    }
}

impl Timer {
    /// Returns the form for a snapshot.
    pub fn save(&self, name: &str) -> TimerSnapshot {
        TimerSnapshot {
            name: name.to_owned(),
            generation: self.generation,
            due_ms: self.due_ms,
            writer: self.writer,
            input: self.input.to_vec(),
            trace: self.trace.as_deref().map(str::to_owned),
            switch: self.switch,
        }
    }

    /// Returns name and timer of a snapshot.
    pub fn load(saved: TimerSnapshot) -> (Arc<str>, Timer) {
        let timer = Timer {
            generation: saved.generation,
            due_ms: saved.due_ms,
            writer: saved.writer,
            input: saved.input.into(),
            trace: saved.trace.map(Into::into),
            switch: saved.switch,
        };
        (saved.name.into(), timer)
    }
}
