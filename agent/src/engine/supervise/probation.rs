//! Probation: what is looked at while a release is provisional, and what follows. Rules only; times and counts are
//! arguments.
//!
//! A release does not pass when one of these is seen before its time is over:
//!
//! - inputs of one case trap more often than before the switch ([`traps_more`]),
//! - an invariant does not hold for a state,
//! - the agent ended so many times without being told to.
//!
//! Instances that cannot go over are no matter of time: the node goes back because of them as long as it can.
//!
//! What clients send is theirs to choose, so that a trap alone says nothing. It counts only beside the rate of the same
//! case of the same machine before the switch: what trapped as often then does not count, nor does a `fail`, nor a case
//! that was hardly ever used before, of which nobody knows how often it would have trapped.

#[cfg(test)]
mod tests;

use std::fmt;

use camshaft_cam::words::counted;
use camshaft_store::Probation;

/// By chance alone, inputs of the same rate are as uneven as this less than once in so many looks.
const CHANCE: f64 = 1e-6;

/// Counts above this are made smaller, both sides alike: more of them would tell nothing more.
const COUNT_MAX: u64 = 1 << 20;

/// How many of how many inputs trapped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rate {
    /// How many inputs there were.
    pub taken: u64,
    /// How many of them trapped.
    pub trapped: u64,
}

/// The inputs of one case of a machine, before a switch and since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The machine.
    pub machine: String,
    /// The case.
    pub case: String,
    /// Before the switch.
    pub before: Rate,
    /// Since.
    pub since: Rate,
}

/// What was seen of a release on probation.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The time.
    pub now_ms: i64,
    /// What became of inputs.
    pub cases: Vec<Case>,
    /// An instance whose state is not as its machine says, and why.
    pub invariant: Option<(String, String)>,
    /// How many times the agent ended since the switch without being told to.
    pub ends: u32,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet.
    GoOn,
    /// The time is over, and a person says what becomes of the release.
    Over,
    /// It does not pass. A person goes back, since the policy says that the node does not.
    Wait(Why),
    /// It does not pass: the node goes back.
    Return(Why),
    /// It passed: it becomes permanent.
    MakePermanent,
}

/// Why a release does not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Inputs of a case trap more often than before.
    Traps(Case),
    /// An invariant does not hold for a state.
    Invariant {
        /// The instance.
        instance: String,
        /// Which, and how.
        reason: String,
    },
    /// The agent ended so many times without being told to.
    Ends(u32),
}

impl Why {
    /// Returns the instance that gave the reason, if it was one.
    pub fn instance(&self) -> Option<&str> {
        match self {
            Why::Invariant { instance, .. } => Some(instance),
            Why::Traps(_) | Why::Ends(_) => None,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Traps(Case { machine, case, before, since }) => {
                write!(f, "{machine} traps at {case} more often: {since} since the switch, {before} before")
            }
            Why::Invariant { reason, .. } => f.write_str(reason),
            Why::Ends(ends) => {
                write!(
                    f,
                    "the agent ended {} since the switch and was not told to",
                    counted(u64::from(*ends), "time")
                )
            }
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.trapped, counted(self.taken, "input"))
    }
}

/// Returns what follows from what was seen.
pub fn judge(policy: &Probation, seen: &Seen) -> Step {
    let over = seen.now_ms >= policy.until_ms;
    if over && !policy.auto_permanent {
        return Step::Over;
    }
    match why(policy, seen) {
        Some(why) if policy.auto_return => Step::Return(why),
        // What would have been a reason to go back is none to stay.
        Some(why) => Step::Wait(why),
        None if over => Step::MakePermanent,
        None => Step::GoOn,
    }
}

fn why(policy: &Probation, seen: &Seen) -> Option<Why> {
    if seen.ends >= policy.ends {
        return Some(Why::Ends(seen.ends));
    }
    if let Some((instance, reason)) = &seen.invariant {
        return Some(Why::Invariant { instance: instance.clone(), reason: reason.clone() });
    }
    let trapping = seen.cases.iter().find(|case| traps_more(policy, case.before, case.since));
    trapping.cloned().map(Why::Traps)
}

/// Returns true when inputs trap more often than before, all of this taken together:
///
/// - `traps` of them trapped since, at least: a client that repeats one input a few times is no reason;
/// - their share is higher by `rise` percent of the inputs, at least: less is not worth going back for;
/// - were the rate the same as before, so many would trap less than once in a million times (the exact test of
///   Fisher). So a case needs enough inputs before the switch as well: nothing is compared with nothing.
pub fn traps_more(policy: &Probation, before: Rate, since: Rate) -> bool {
    let (mut before, mut since) = (before.sane(), since.sane());
    if since.trapped < policy.traps.max(1) || before.taken == 0 {
        return false;
    }
    while before.taken.max(since.taken) > COUNT_MAX {
        (before, since) = (before.smaller(), since.smaller());
    }
    // since.trapped / since.taken >= before.trapped / before.taken + rise / 100, without fractions.
    let higher = 100 * since.trapped * before.taken;
    let least = 100 * before.trapped * since.taken + u64::from(policy.rise) * since.taken * before.taken;
    higher >= least && higher > 0 && chance(before, since) < CHANCE
}

impl Rate {
    /// No more traps than inputs.
    fn sane(self) -> Rate {
        Rate { taken: self.taken.max(self.trapped), trapped: self.trapped }
    }

    fn smaller(self) -> Rate {
        Rate { taken: self.taken / 2, trapped: self.trapped / 2 }
    }
}

/// Returns how likely it is that as many of all traps fall among the later inputs, or more, when each input is as
/// likely to be one of them.
///
/// Plus, minus, times and divided by only: every machine comes to the same number.
fn chance(before: Rate, since: Rate) -> f64 {
    let traps = before.trapped + since.trapped;
    let exact = exactly(before, since);
    // And more than so many: each next number from the one before.
    let (mut term, mut sum) = (exact, exact);
    let most = traps.min(since.taken);
    for more in since.trapped..most {
        let up = (since.taken - more) as f64 * (traps - more) as f64;
        let down = (more + 1) as f64 * (before.taken + more + 1 - traps) as f64;
        term *= up / down;
        sum += term;
        if term < sum * 1e-9 {
            break;
        }
    }
    sum.min(1.0)
}

/// Returns how likely it is that just so many of all traps fall among the later inputs. The traps are drawn one after
/// the other, those since first, and may come in any order.
fn exactly(before: Rate, since: Rate) -> f64 {
    // What is on the way to the result may be far too small or large to be a number: it is kept between these.
    const STEP: f64 = 1e150;
    let all = before.taken + since.taken;
    let (mut chance, mut steps) = (1.0, 0_i32);
    for drawn in 0..before.trapped + since.trapped {
        let left = match drawn.checked_sub(since.trapped) {
            None => (since.taken - drawn) as f64,
            Some(earlier) => (before.taken - earlier) as f64 * (drawn + 1) as f64 / (earlier + 1) as f64,
        };
        chance *= left / (all - drawn) as f64;
        if chance > STEP {
            (chance, steps) = (chance / STEP, steps + 1);
        } else if chance < 1.0 / STEP {
            (chance, steps) = (chance * STEP, steps - 1);
        }
    }
    match steps {
        0 => chance,
        // It is never above 1, so that what is left is a little below the smallest that is kept, or far below.
        -1 => chance / STEP,
        _ => 0.0,
    }
}
