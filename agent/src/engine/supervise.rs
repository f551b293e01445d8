//! Supervision: what the traps of an instance lead to. Rules only; times and events are arguments.
//!
//! A trap refuses its input and leaves the state as it was, always. What else comes of it is declared in
//! `app.toml` ([`OnTrap`]) and decided here:
//!
//! - A trap counts, wherever its input came from. `fail` is no trap in this sense: it is what a program says to an
//!   input that it does not want, and nobody can bring anything down with it ([`Outcome`]).
//! - Only an instance that lives is held or reset. One that is not born has no state to look after, and whoever
//!   asks for keys that nobody uses must not fill the node ([`Being`]).
//! - So many traps within so long a time: a trap that is as long ago as the window is long still counts. What
//!   led to a hold or a reset is forgotten, and so are all windows at a restart ([`Watches`]).
//! - The strategy of the application says which siblings share a hold or a reset ([`Care`]): the instances of
//!   its other machines with the same key. They share what is done, whatever their own machine's `on_trap` is,
//!   and it goes no further from them. So an instance takes along only who was declared to go along.
//! - A reset archives the state. It is never thrown away, so that there is a limit: whose states were archived
//!   [`RESETS_MAX`] times is held instead, until a person has looked at them ([`Verdict`]).
//! - The intensity of an application tells that it is unhealthy, and changes nothing about what runs
//!   ([`health`]).
//!
//! Where to look: [`watch`] has windows of instances, [`health`] those of applications, [`counters`] what became
//! of inputs, case by case, [`probation`] what becomes of a release because of them.

pub mod counters;
pub mod health;
pub mod probation;
#[cfg(test)]
mod tests;
pub mod watch;

use std::fmt;

use camshaft_cam::run::Trap;
use camshaft_cam::words::counted;
use camshaft_manifests::MachineName;
use camshaft_manifests::app::{After, Intensity, OnTrap, Strategy};
use camshaft_manifests::resolved::ResolvedApp;

pub use counters::{CaseCounts, Counters};
pub use health::{AppHealth, TrapWindow, Turn};
pub use watch::{Trapped, Watches};

/// How many states of one instance resets archive: then it is held. They are states that somebody may want back, and
/// a client that makes an instance trap at will could else fill the disk with them.
pub const RESETS_MAX: u32 = 8;

/// Why a step had no result, `fail` excepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrapKind {
    /// A number left the range of integers.
    Overflow,
    /// A division by zero.
    DivisionByZero,
    /// A value does not fit the limits of its type.
    Range,
    /// An arrow is not defined for its value: that of a channel's link.
    Guard,
    /// An invariant does not hold.
    Invariant,
    /// Out of fuel.
    Fuel,
    /// Out of memory.
    Memory,
    /// A send names no key.
    Key,
    /// The input is not of the machine's type.
    Input,
}

impl TrapKind {
    /// All kinds.
    pub const ALL: [TrapKind; 9] = [
        TrapKind::Overflow,
        TrapKind::DivisionByZero,
        TrapKind::Range,
        TrapKind::Guard,
        TrapKind::Invariant,
        TrapKind::Fuel,
        TrapKind::Memory,
        TrapKind::Key,
        TrapKind::Input,
    ];

    /// Returns the word for it, as answers and the journal have it.
    pub const fn word(self) -> &'static str {
        match self {
            TrapKind::Overflow => "overflow",
            TrapKind::DivisionByZero => "division_by_zero",
            TrapKind::Range => "range",
            TrapKind::Guard => "guard",
            TrapKind::Invariant => "invariant",
            TrapKind::Fuel => "fuel",
            TrapKind::Memory => "memory",
            TrapKind::Key => "key",
            TrapKind::Input => "input",
        }
    }
}

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was applied.
    Applied,
    /// The program refused it: `fail`.
    Failed,
    /// The step trapped.
    Trapped(TrapKind),
}

impl From<&Trap> for Outcome {
    fn from(trap: &Trap) -> Outcome {
        Outcome::Trapped(match trap {
            Trap::Fail(_) => return Outcome::Failed,
            Trap::Overflow => TrapKind::Overflow,
            Trap::DivisionByZero => TrapKind::DivisionByZero,
            Trap::Range => TrapKind::Range,
            Trap::Guard => TrapKind::Guard,
            Trap::Invariant(_) => TrapKind::Invariant,
            Trap::Fuel => TrapKind::Fuel,
            Trap::Memory => TrapKind::Memory,
        })
    }
}

impl Outcome {
    /// Returns the outcome of a step that trapped, by the word of the kind. `None`: there is no such kind.
    pub fn of_word(word: &str) -> Option<Outcome> {
        if word == "fail" {
            return Some(Outcome::Failed);
        }
        TrapKind::ALL.into_iter().find(|kind| kind.word() == word).map(Outcome::Trapped)
    }
}

/// What there is of an instance, as far as supervision asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Being {
    /// Nothing, or it stopped: there is no state.
    Unborn,
    /// It lives.
    Lives {
        /// How many of its states resets archived and nobody removed since.
        archived: u32,
    },
    /// It may not go on already. It takes no inputs, and a person has to look in any case.
    Held,
}

/// What is to be done with an instance, beside that its input was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Refuse,
    /// It may not go on.
    Hold(Reason),
    /// It begins anew and its state is archived.
    Reset(Reason),
}

/// Why an instance is held or reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// How many traps there were.
    pub after: After,
    /// The kind of the last one.
    pub kind: TrapKind,
    /// The case of the input that it was at; empty when the input could not be read.
    pub case: String,
    /// The machine whose instance trapped, and the strategy by which others go along: where it is another.
    pub shared: Option<(MachineName, Strategy)>,
    /// True when it would have been a reset, were there not too many archived states.
    pub exhausted: bool,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((machine, strategy)) = &self.shared {
            write!(f, "it goes along with {machine} ({}): ", strategy.word())?;
        }
        match self.after {
            After::First => write!(f, "a trap")?,
            After::Within(Intensity { traps, within }) => {
                write!(f, "{} within {within}, the last", counted(traps, "trap"))?
            }
        }
        match &*self.case {
            "" => write!(f, ": {}", self.kind.word())?,
            case => write!(f, ": {} at {case}", self.kind.word())?,
        }
        if self.exhausted {
            write!(f, "; the states of {RESETS_MAX} earlier resets are still archived")?;
        }
        Ok(())
    }
}

impl Verdict {
    /// Returns what an instance declares, once there were so many traps.
    fn declared(on_trap: OnTrap, reason: Reason, being: Being) -> Verdict {
        match (on_trap, being) {
            (OnTrap::Refuse, _) | (_, Being::Unborn | Being::Held) => Verdict::Refuse,
            (OnTrap::Hold(_), Being::Lives { .. }) => Verdict::Hold(reason),
            (OnTrap::Reset(_), Being::Lives { archived }) if archived < RESETS_MAX => Verdict::Reset(reason),
            (OnTrap::Reset(_), Being::Lives { .. }) => Verdict::Hold(Reason { exhausted: true, ..reason }),
        }
    }
}

/// What is to be done with one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed<K> {
    /// Its machine.
    pub machine: usize,
    /// The instance.
    pub instance: K,
    /// A hold or a reset.
    pub verdict: Verdict,
}

/// How an application is looked after, ready to be asked. Machines are numbered as `machines` of its `app.toml` has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Care {
    strategy: Strategy,
    intensity: Option<Intensity>,
    machines: Vec<Machine>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Machine {
    name: MachineName,
    on_trap: OnTrap,
    /// The machines whose instances of the same key share a hold or a reset.
    sharing: Vec<usize>,
}

impl Care {
    /// Returns how an application is looked after.
    pub fn new(app: &ResolvedApp) -> Care {
        let strategy = app.supervision.strategy;
        let sharing = |own: usize| {
            let shares = |other: usize| match strategy {
                Strategy::OneForOne => false,
                Strategy::RestForOne => other > own,
                Strategy::OneForAll => other != own,
            };
            // An instance with a key and one without never have the same.
            let alike = |other: usize| app.machines[other].keyed == app.machines[own].keyed;
            (0..app.machines.len()).filter(|other| shares(*other) && alike(*other)).collect()
        };
        let machine = |(index, machine): (usize, &camshaft_manifests::resolved::ResolvedMachine)| Machine {
            name: machine.name.clone(),
            on_trap: app.supervision.on_trap(&machine.name),
            sharing: sharing(index),
        };
        let machines = app.machines.iter().enumerate().map(machine).collect();
        Care { strategy, intensity: app.supervision.intensity, machines }
    }

    /// Returns what the traps of an instance of a machine lead to.
    pub fn on_trap(&self, machine: usize) -> OnTrap {
        self.machines[machine].on_trap
    }

    /// Returns when the application counts as unhealthy.
    pub fn intensity(&self) -> Option<Intensity> {
        self.intensity
    }

    /// Returns the machines whose instances, of the same key, share what is done with one of `machine`, in their order.
    pub fn sharing(&self, machine: usize) -> &[usize] {
        &self.machines[machine].sharing
    }

    /// Notes that an instance of `machine` trapped, and returns what is to be done: with the instance itself first, then with those of
    /// its siblings that go along. Nothing, when the refusal of the input is all.
    ///
    /// `sibling` says of another machine which of its instances has the same key, and what there is of it. It is asked only when there
    /// is something to share.
    pub fn judge<K: Ord + Clone>(
        &self,
        watches: &mut Watches<K>,
        (machine, instance): (usize, &K),
        trapped: &Trapped<'_>,
        mut sibling: impl FnMut(usize) -> (K, Being),
    ) -> Vec<Deed<K>> {
        let verdict = watches.trap(instance, self.on_trap(machine), trapped);
        if verdict == Verdict::Refuse {
            return vec![];
        }
        let mut deeds = vec![];
        for &other in self.sharing(machine) {
            let (instance, being) = sibling(other);
            let verdict = self.shared(machine, &verdict, being);
            if verdict != Verdict::Refuse {
                watches.forget(&instance);
                deeds.push(Deed { machine: other, instance, verdict });
            }
        }
        deeds.insert(0, Deed { machine, instance: instance.clone(), verdict });
        deeds
    }

    /// Returns what is done with a sibling of an instance of `machine`, of which `verdict` was said.
    fn shared(&self, machine: usize, verdict: &Verdict, sibling: Being) -> Verdict {
        let shared = Some((self.machines[machine].name.clone(), self.strategy));
        let (on_trap, reason) = match verdict {
            Verdict::Refuse => return Verdict::Refuse,
            Verdict::Hold(reason) => (OnTrap::Hold(reason.after), reason),
            Verdict::Reset(reason) => (OnTrap::Reset(reason.after), reason),
        };
        Verdict::declared(on_trap, Reason { shared, ..reason.clone() }, sibling)
    }
}
