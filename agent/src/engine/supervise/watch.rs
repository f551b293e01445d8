//! Windows of traps, instance by instance.
//!
//! What must stay true: who does not trap costs nothing, and who traps no more costs nothing once the window
//! is over; a window holds fewer times than it takes traps to act, and those are at most
//! [`camshaft_manifests::app::AFTER_TRAPS_MAX`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use camshaft_manifests::app::{After, Intensity, OnTrap};

use super::{Being, Reason, TrapKind, Verdict};

/// How many windows that are over are looked for with each trap: more than one can begin with it, so that there
/// are never more than there were traps lately.
const FORGOTTEN_PER_TRAP: usize = 2;

/// The windows of a shard. Times never run backwards.
#[derive(Debug, Clone)]
pub struct Watches<K> {
    windows: BTreeMap<K, Window>,
    /// When each window is over, soonest first.
    ends: BTreeSet<(i64, K)>,
}

#[derive(Debug, Clone)]
struct Window {
    times: VecDeque<i64>,
    ends_ms: i64,
}

/// A step that trapped, not by `fail`.
#[derive(Debug, Clone, Copy)]
pub struct Trapped<'a> {
    /// When.
    pub now_ms: i64,
    /// Why.
    pub kind: TrapKind,
    /// The case of the input; empty when it could not be read.
    pub case: &'a str,
    /// What there was of the instance before the step.
    pub being: Being,
}

impl<K> Default for Watches<K> {
    fn default() -> Watches<K> {
        Watches { windows: BTreeMap::new(), ends: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> Watches<K> {
    /// Notes a trap and returns what is to be done with the instance. After a hold or a reset its window is empty.
    pub(super) fn trap(&mut self, instance: &K, on_trap: OnTrap, trapped: &Trapped<'_>) -> Verdict {
        let Trapped { now_ms, kind, case, being } = *trapped;
        for _ in 0..FORGOTTEN_PER_TRAP {
            self.forget_first_before(now_ms);
        }
        let lives = matches!(being, Being::Lives { .. });
        let (Some(after), true) = (on_trap.after(), lives) else {
            // A switch may have brought another `on_trap` than that for which the window began.
            self.forget(instance);
            return Verdict::Refuse;
        };
        if let After::Within(intensity) = after
            && self.note(instance, now_ms, intensity) < intensity.traps as usize
        {
            return Verdict::Refuse;
        }
        self.forget(instance);
        let reason = Reason { after, kind, case: case.to_owned(), shared: None, exhausted: false };
        Verdict::declared(on_trap, reason, being)
    }

    /// Notes a trap and returns how many there are in the window, this one included.
    fn note(&mut self, instance: &K, now_ms: i64, Intensity { within, .. }: Intensity) -> usize {
        let length_ms = i64::try_from(within.0).unwrap_or(i64::MAX);
        let ends_ms = now_ms.saturating_add(length_ms);
        let window = match self.windows.get_mut(instance) {
            Some(window) => {
                self.ends.remove(&(window.ends_ms, instance.clone()));
                window
            }
            None => {
                let empty = Window { times: VecDeque::new(), ends_ms };
                self.windows.entry(instance.clone()).or_insert(empty)
            }
        };
        while window.times.front().is_some_and(|first| first.saturating_add(length_ms) < now_ms) {
            window.times.pop_front();
        }
        window.times.push_back(now_ms);
        window.ends_ms = ends_ms;
        self.ends.insert((ends_ms, instance.clone()));
        window.times.len()
    }

    /// Forgets the traps of an instance: it stopped, was held, reset, archived or removed.
    pub fn forget(&mut self, instance: &K) {
        if let Some(window) = self.windows.remove(instance) {
            self.ends.remove(&(window.ends_ms, instance.clone()));
        }
    }

    /// Forgets every window that is over. Nothing depends on when this is called but the memory that is used.
    pub fn forget_ended(&mut self, now_ms: i64) {
        while self.forget_first_before(now_ms) {}
    }

    fn forget_first_before(&mut self, now_ms: i64) -> bool {
        let over = |(ends_ms, _): &&(i64, K)| *ends_ms < now_ms;
        let Some((ends_ms, instance)) = self.ends.first().filter(over).cloned() else { return false };
        self.ends.remove(&(ends_ms, instance.clone()));
        self.windows.remove(&instance);
        true
    }

    /// Returns how many instances are watched.
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Returns true when no instance is watched.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }
}
