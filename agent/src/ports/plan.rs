//! Which attempt begins when: the calls of a node, without sockets and without a clock.
//!
//! Events go in, with the time; actions come out. The rules:
//!
//! - A *caller* is an instance at one of its ports. Its calls go in the order in which they were made: the first is
//!   attempted until it ends; then comes the next. Callers do not wait for each other.
//! - At most [`Bounds::port`] attempts are under way on a port, and [`Bounds::node`] on the node. Ports take
//!   turns, and so do the callers of a port.
//! - After the n-th attempt that may be repeated, a call waits `first * 2^(n-1)`, at most `most`, less up to half of it
//!   by chance. A receiver that asks to be left alone is, on that port as a whole, for at most `most`.
//! - A call ends when it was taken or refused, or when the last of its `attempts` failed.
//! - A call on a port that is not bound waits: nothing is lost when a line of a document is, and the next
//!   start of the agent may bind it.
//!
//! Nothing is remembered of a call that has ended, and attempts are counted since the start.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::num::NonZeroU32;
use std::ops::Bound;
use std::sync::Arc;

use camshaft_manifests::address::InstanceAddress;
use camshaft_manifests::agent::{PortAddress, Retry};

use super::judge::Outcome;
use super::{CallEnd, CallOut, Ended};

/// How many attempts may be under way at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// On one port.
    pub port: NonZeroU32,
    /// On the node.
    pub node: NonZeroU32,
}

impl Default for Bounds {
    /// A port takes what a small receiver bears; eight ports that hang do not keep others from their turn.
    fn default() -> Bounds {
        let [port, node] = [32, 256].map(|count| NonZeroU32::new(count).expect("not zero"));
        Bounds { port, node }
    }
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A call came. One that is here already is the same call, and changes nothing.
    Called(CallOut),
    /// An attempt that was begun has ended.
    Tried {
        /// The call.
        call: Arc<CallOut>,
        /// What came of it.
        outcome: Outcome,
    },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send the message, and tell what came of it.
    Try {
        /// The call.
        call: Arc<CallOut>,
        /// Which attempt it is, from 1.
        attempt: u32,
    },
    /// Tell that a call has ended.
    End(Ended),
}

/// How a port does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that have no end yet, those under way included.
    pub open: u64,
    /// Attempts under way.
    pub attempting: u32,
    /// Attempts that were begun since the start.
    pub attempts: u64,
    /// Attempts since the start after which the call was to be tried again.
    pub failed: u64,
    /// Calls since the start that were answered or delivered.
    pub taken: u64,
    /// Calls since the start that were given up.
    pub given_up: u64,
}

/// The calls of a node.
#[derive(Debug)]
pub struct Plan {
    bounds: Bounds,
    chance: Chance,
    now_ms: u64,
    closed: bool,
    ports: BTreeMap<PortAddress, Port>,
    callers: HashMap<Caller, Calls>,
    /// The callers whose first call waits before its next attempt, by when that may begin.
    resting: BTreeSet<(u64, Caller)>,
    /// How many attempts are under way.
    attempting: u32,
    /// The port whose turn it was.
    last: Option<PortAddress>,
}

/// An instance at one of its ports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Caller {
    port: PortAddress,
    instance: InstanceAddress,
}

/// The calls of a caller.
#[derive(Debug)]
struct Calls {
    /// The one that is attempted.
    first: Arc<CallOut>,
    /// How many attempts at it were begun.
    attempts: u32,
    /// True while one of those is under way.
    attempting: bool,
    /// Those after it, in the order in which they were made.
    rest: BTreeMap<(u64, u32), Arc<CallOut>>,
}

impl Calls {
    fn new(first: CallOut) -> Calls {
        Calls { first: Arc::new(first), attempts: 0, attempting: false, rest: BTreeMap::new() }
    }

    /// Takes a call, and returns false when it is here already.
    fn insert(&mut self, call: CallOut) -> bool {
        let order = |call: &CallOut| (call.id.seq, call.id.effect);
        let (first, new) = (order(&self.first), order(&call));
        if first == new || self.rest.contains_key(&new) {
            return false;
        }
        let mut call = Arc::new(call);
        // What was begun stays first, whatever comes.
        if self.attempts == 0 && new < first {
            std::mem::swap(&mut self.first, &mut call);
        }
        self.rest.insert(order(&call), call);
        true
    }

    /// Goes on to the next call, and returns false when there is none.
    fn advance(&mut self) -> bool {
        let Some((_, next)) = self.rest.pop_first() else { return false };
        (self.first, self.attempts, self.attempting) = (next, 0, false);
        true
    }
}

#[derive(Debug, Default)]
struct Port {
    /// What its binding says; `None`: it is not bound.
    retry: Option<Retry>,
    /// The instances whose next call may begin.
    ready: VecDeque<InstanceAddress>,
    /// Until when its receiver asked to be left alone.
    rest_until_ms: u64,
    counts: Counts,
}

impl Port {
    fn may_begin(&self, bound: NonZeroU32, now_ms: u64) -> bool {
        self.could_begin(bound) && self.rest_until_ms <= now_ms
    }

    /// Returns true when nothing but the rest of the receiver stands in the way.
    fn could_begin(&self, bound: NonZeroU32) -> bool {
        self.retry.is_some() && !self.ready.is_empty() && self.counts.attempting < bound.get()
    }
}

impl Plan {
    /// Returns a plan without calls. The same seed gives the same waits.
    pub fn new(bound: impl IntoIterator<Item = (PortAddress, Retry)>, bounds: Bounds, seed: u64) -> Plan {
        let port = |retry| Port { retry: Some(retry), ..Port::default() };
        Plan {
            bounds,
            chance: Chance(seed),
            now_ms: 0,
            closed: false,
            ports: bound.into_iter().map(|(address, retry)| (address, port(retry))).collect(),
            callers: HashMap::new(),
            resting: BTreeSet::new(),
            attempting: 0,
            last: None,
        }
    }

    /// Takes what happened until now, and returns what is to be done, in order.
    ///
    /// `now_ms` counts from any moment; a time before the last one is taken for that.
    ///
    /// # Panics
    ///
    /// When an attempt has ended that was not under way: then it would be in doubt whether there are two.
    pub fn step(&mut self, now_ms: u64, events: impl IntoIterator<Item = Event>) -> Vec<Action> {
        self.now_ms = self.now_ms.max(now_ms);
        let mut actions = Vec::new();
        for event in events {
            match event {
                Event::Called(call) => self.called(call),
                Event::Tried { call, outcome } => {
                    actions.extend(self.tried(&call, outcome).map(Action::End));
                }
            }
        }
        self.wake();
        while let Some(action) = self.begin() {
            actions.push(action);
        }
        actions
    }

    /// From now on no attempt begins. Those under way may end.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Returns when there is something to do again, if no event comes before.
    pub fn next_wake_ms(&self) -> Option<u64> {
        if self.closed {
            return None;
        }
        let call = self.resting.first().map(|(at, _)| *at);
        let resting = |port: &&Port| port.could_begin(self.bounds.port) && port.rest_until_ms > self.now_ms;
        let port = self.ports.values().filter(resting).map(|port| port.rest_until_ms).min();
        [call, port].into_iter().flatten().min()
    }

    /// Returns how the ports do, those that are not bound included when there are calls on them.
    pub fn counts(&self) -> BTreeMap<PortAddress, Counts> {
        self.ports.iter().map(|(address, port)| (address.clone(), port.counts)).collect()
    }

    fn called(&mut self, call: CallOut) {
        let caller = Caller { port: call.port.clone(), instance: call.id.instance.clone() };
        let port = self.ports.entry(call.port.clone()).or_default();
        let Some(calls) = self.callers.get_mut(&caller) else {
            port.counts.open += 1;
            port.ready.push_back(caller.instance.clone());
            self.callers.insert(caller, Calls::new(call));
            return;
        };
        if calls.insert(call) {
            port.counts.open += 1;
        }
    }

    fn tried(&mut self, call: &Arc<CallOut>, outcome: Outcome) -> Option<Ended> {
        let caller = Caller { port: call.port.clone(), instance: call.id.instance.clone() };
        let calls =
            self.callers.get_mut(&caller).filter(|calls| calls.attempting && calls.first.id == call.id);
        let calls = calls.unwrap_or_else(|| panic!("no attempt at the {} is under way", call.id));
        let port = self.ports.get_mut(&call.port).expect("the port of an attempt");
        let retry = port.retry.expect("attempts are at bound ports");
        calls.attempting = false;
        port.counts.attempting -= 1;
        self.attempting -= 1;
        let attempts = calls.attempts;
        let end = match outcome {
            Outcome::Answered(json) => CallEnd::Answered { json },
            Outcome::Delivered => CallEnd::Delivered,
            Outcome::Refused { why } => CallEnd::GivenUp { reason: why, attempts },
            Outcome::Again { why, rest_ms } => {
                port.counts.failed += 1;
                let rest_ms = rest_ms.unwrap_or(0).min(retry.most.0);
                port.rest_until_ms = port.rest_until_ms.max(self.now_ms.saturating_add(rest_ms));
                if retry.attempts.is_none_or(|most| attempts < most) {
                    let wait_ms = wait_ms(&retry, attempts, self.chance.next());
                    self.resting.insert((self.now_ms.saturating_add(wait_ms), caller));
                    return None;
                }
                CallEnd::GivenUp { reason: format!("{why} (attempt {attempts} of {attempts})"), attempts }
            }
        };
        match end {
            CallEnd::GivenUp { .. } => port.counts.given_up += 1,
            CallEnd::Answered { .. } | CallEnd::Delivered => port.counts.taken += 1,
        }
        port.counts.open -= 1;
        if calls.advance() {
            port.ready.push_back(caller.instance);
        } else {
            self.callers.remove(&caller);
        }
        Some(Ended { id: call.id.clone(), end })
    }

    /// Makes the callers ready whose wait is over.
    fn wake(&mut self) {
        while let Some((at, _)) = self.resting.first()
            && *at <= self.now_ms
        {
            let (_, caller) = self.resting.pop_first().expect("the one that was looked at");
            let port = self.ports.get_mut(&caller.port).expect("the port of a caller");
            port.ready.push_back(caller.instance);
        }
    }

    /// Begins one attempt, if one may begin.
    fn begin(&mut self) -> Option<Action> {
        if self.closed || self.attempting >= self.bounds.node.get() {
            return None;
        }
        let address = self.turn()?;
        let port = self.ports.get_mut(&address).expect("the port whose turn it is");
        let instance = port.ready.pop_front().expect("a port whose turn it is has a caller that is ready");
        port.counts.attempting += 1;
        port.counts.attempts += 1;
        self.attempting += 1;
        let caller = Caller { port: address.clone(), instance };
        self.last = Some(address);
        let calls = self.callers.get_mut(&caller).expect("a caller that is ready has calls");
        assert!(!calls.attempting, "a second attempt at the {} while one is under way", calls.first.id);
        calls.attempting = true;
        calls.attempts = calls.attempts.saturating_add(1);
        Some(Action::Try { call: calls.first.clone(), attempt: calls.attempts })
    }

    /// Returns the next port, after the one whose turn it was, that may begin an attempt.
    fn turn(&self) -> Option<PortAddress> {
        let may = |(_, port): &(&PortAddress, &Port)| port.may_begin(self.bounds.port, self.now_ms);
        let after = match &self.last {
            Some(last) => self.ports.range((Bound::Excluded(last), Bound::Unbounded)).find(may),
            None => None,
        };
        after.or_else(|| self.ports.iter().find(may)).map(|(address, _)| address.clone())
    }
}

/// Returns how long a call waits after this many attempts, more than none.
///
/// Up to half is taken off by chance, so that what a receiver lost at once does not come back at once.
fn wait_ms(retry: &Retry, attempts: u32, chance: u64) -> u64 {
    let doubled = 1_u64.checked_shl(attempts - 1).unwrap_or(u64::MAX);
    let whole = retry.first.0.saturating_mul(doubled).min(retry.most.0);
    whole - chance % (whole / 2 + 1)
}

/// Numbers that look like chance and follow from a seed: splitmix64.
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests;
