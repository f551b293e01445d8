//! Modules that were verified. Nothing outside [`super::verify`] makes one.

use std::sync::{Arc, OnceLock};

use super::FunctionFacts;
use crate::code::{Channel, Edge, Entry, FuncIx, Link, Machine, Module, Port};
use crate::digest::Digest;
use crate::facts::{Cost, Facts, Reach};
use crate::run::Limits;
use crate::ty::Ty;
use crate::value::Value;

/// A module that was verified; cannot be built elsewhere.
#[derive(Debug, Clone)]
pub struct VerifiedModule {
    pub(crate) module: Arc<Module>,
    pub(crate) digest: Digest,
    /// Per function.
    pub(crate) facts: Arc<Vec<FunctionFacts>>,
    /// What was found out when somebody asked: most modules are run without.
    more: Arc<OnceLock<Facts>>,
    /// Of an edge, when somebody asked: whether it leaves states as they are.
    pub(crate) zero_touch: Arc<OnceLock<bool>>,
}

/// A verified machine.
#[derive(Debug, Clone)]
pub struct VerifiedMachine(pub(crate) VerifiedModule);

/// A verified edge.
#[derive(Debug, Clone)]
pub struct VerifiedEdge(pub(crate) VerifiedModule);

/// A verified link.
#[derive(Debug, Clone)]
pub struct VerifiedLink(pub(crate) VerifiedModule);

/// What a module turned out to be.
#[derive(Debug, Clone)]
pub enum Verified {
    /// A machine.
    Machine(VerifiedMachine),
    /// An edge.
    Edge(VerifiedEdge),
    /// A link.
    Link(VerifiedLink),
}

impl Verified {
    pub(super) fn new(module: VerifiedModule) -> Verified {
        match module.module.entry {
            Entry::Machine(_) => Verified::Machine(VerifiedMachine(module)),
            Entry::Edge(_) => Verified::Edge(VerifiedEdge(module)),
            Entry::Link(_) => Verified::Link(VerifiedLink(module)),
        }
    }

    /// Returns what is in it, as any kind of module.
    pub fn verified_module(&self) -> &VerifiedModule {
        match self {
            Verified::Machine(VerifiedMachine(module))
            | Verified::Edge(VerifiedEdge(module))
            | Verified::Link(VerifiedLink(module)) => module,
        }
    }

    /// Returns the digest.
    pub fn digest(&self) -> Digest {
        self.verified_module().digest
    }

    /// Returns the module.
    pub fn module(&self) -> &Module {
        &self.verified_module().module
    }

    /// Returns the machine, if it is one.
    pub fn into_machine(self) -> Option<VerifiedMachine> {
        match self {
            Verified::Machine(machine) => Some(machine),
            _ => None,
        }
    }

    /// Returns the edge, if it is one.
    pub fn into_edge(self) -> Option<VerifiedEdge> {
        match self {
            Verified::Edge(edge) => Some(edge),
            _ => None,
        }
    }

    /// Returns the link, if it is one.
    pub fn into_link(self) -> Option<VerifiedLink> {
        match self {
            Verified::Link(link) => Some(link),
            _ => None,
        }
    }

    /// Returns the kind in one word: `machine`, `edge` or `link`.
    pub fn kind(&self) -> &'static str {
        match self {
            Verified::Machine(_) => "machine",
            Verified::Edge(_) => "edge",
            Verified::Link(_) => "link",
        }
    }
}

impl VerifiedModule {
    pub(super) fn new(module: Module, digest: Digest, facts: Vec<FunctionFacts>) -> VerifiedModule {
        VerifiedModule {
            module: Arc::new(module),
            digest,
            facts: Arc::new(facts),
            more: Arc::new(OnceLock::new()),
            zero_touch: Arc::new(OnceLock::new()),
        }
    }

    /// Returns the symbolic cost of a function: a bound of its fuel in terms of its arguments.
    /// Found out at the first call, for all functions.
    ///
    /// # Panics
    ///
    /// When the module has no such function.
    pub fn cost(&self, function: FuncIx) -> &Cost {
        &self.more().costs[function.0 as usize]
    }

    /// Returns what else is known of the code; found out at the first call.
    fn more(&self) -> &Facts {
        self.more.get_or_init(|| Facts::of(self))
    }

    /// Returns the module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// Returns the digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns what was found out about a function.
    ///
    /// # Panics
    ///
    /// When the module has no such function; those that it names it has.
    pub fn facts(&self, function: FuncIx) -> &FunctionFacts {
        &self.facts[function.0 as usize]
    }

    /// Returns the two ends of an arrow: its only parameter and its result.
    pub(super) fn ends(&self, arrow: FuncIx) -> (&Ty, &Ty) {
        let function = self.module.function(arrow);
        (self.module.ty(function.params[0]), self.module.ty(function.result))
    }
}

macro_rules! common {
    ($($name:ident),*) => {
        $(impl $name {
            /// Returns the module.
            pub fn module(&self) -> &Module {
                &self.0.module
            }

            /// Returns the digest.
            pub fn digest(&self) -> Digest {
                self.0.digest
            }

            /// Returns it as any kind of verified module.
            pub fn verified_module(&self) -> &VerifiedModule {
                &self.0
            }

            /// Returns what was found out about a function.
            ///
            /// # Panics
            ///
            /// When the module has no such function; those that it names it has.
            pub fn facts(&self, function: FuncIx) -> &FunctionFacts {
                self.0.facts(function)
            }
        })*
    };
}

common!(VerifiedMachine, VerifiedEdge, VerifiedLink);

/// The most fuel of an invariant that is checked after every step: a hundredth of what a step may
/// use.
pub const INVARIANT_FUEL_MAX: u64 = Limits::STEP.fuel / 100;

/// Returns true for an invariant that is checked after every step.
pub(crate) fn is_invariant_of_steps(module: &VerifiedModule, function: FuncIx) -> bool {
    module.facts(function).fuel_max.is_some_and(|most| most <= INVARIANT_FUEL_MAX)
}

impl VerifiedMachine {
    /// Returns the entry points and signature.
    pub fn machine(&self) -> &Machine {
        match &self.0.module.entry {
            Entry::Machine(machine) => machine,
            _ => unreachable!("a verified machine has the entry of a machine"),
        }
    }

    /// Returns the indexes of the invariants that are checked after every step: those that cost
    /// [`INVARIANT_FUEL_MAX`] fuel at most, whatever the state. The others may cost more than
    /// a step may, the more the state grows; they are checked of first states, in tests, and whenever
    /// states are looked at as a whole: by migrations and trials.
    pub fn invariants_of_steps(&self) -> impl Iterator<Item = usize> {
        let invariants = self.machine().invariants.iter().enumerate();
        invariants
            .filter_map(|(index, (_, function))| is_invariant_of_steps(&self.0, *function).then_some(index))
    }

    /// Returns the type of the state.
    pub fn state(&self) -> &Ty {
        self.0.module.ty(self.machine().state)
    }

    /// Returns the type of the inputs.
    pub fn input(&self) -> &Ty {
        self.0.module.ty(self.machine().input)
    }

    /// Returns the type of the outputs.
    pub fn output(&self) -> &Ty {
        self.0.module.ty(self.machine().output)
    }

    /// Returns the type of the configuration.
    pub fn config(&self) -> &Ty {
        self.0.module.ty(self.machine().config)
    }

    /// Returns true when an input case comes from timers and answers only.
    pub fn case_is_internal(&self, index: usize) -> bool {
        self.machine().internal.get(index).copied().unwrap_or(false)
    }

    /// Returns what an input case can lead to: answers, effects, writes. Found out at the first
    /// call, for all cases.
    ///
    /// # Panics
    ///
    /// When the input has no such case.
    pub fn reach(&self, case: usize) -> &Reach {
        &self.0.more().reach[case]
    }

    /// Returns the symbolic cost of an input case, in terms of the input, the state and the
    /// configuration.
    ///
    /// # Panics
    ///
    /// When the input has no such case.
    pub fn step_cost(&self, case: usize) -> &Cost {
        self.0.cost(self.machine().step[case])
    }

    /// Returns the most fuel that a step uses, if that can be said, see [`Cost::bound`].
    ///
    /// # Panics
    ///
    /// When the input is none of this machine.
    pub fn step_fuel_bound(&self, input: &Value, state: &Value, config: &Value) -> Option<u64> {
        let Value::Sum(case, payload) = input else { panic!("an input is a variant") };
        self.step_cost(*case as usize).bound(&[(**payload).clone(), state.clone(), config.clone()])
    }

    /// Returns the channels, in the order of their indices.
    pub fn channels(&self) -> &[Channel] {
        &self.machine().channels
    }

    /// Returns the channel of this name.
    pub fn channel(&self, name: &str) -> Option<&Channel> {
        self.channels().iter().find(|channel| &*channel.name == name)
    }

    /// Returns the ports, in the order of their indices.
    pub fn ports(&self) -> &[Port] {
        &self.machine().ports
    }

    /// Returns the port of this name.
    pub fn port(&self, name: &str) -> Option<&Port> {
        self.ports().iter().find(|port| &*port.name == name)
    }
}

impl VerifiedEdge {
    /// Returns the arrows.
    pub fn edge(&self) -> &Edge {
        match &self.0.module.entry {
            Entry::Edge(edge) => edge,
            _ => unreachable!("a verified edge has the entry of an edge"),
        }
    }
}

impl VerifiedEdge {
    /// Returns the type of what is kept aside of a state on its way up, if anything is.
    pub fn kept(&self) -> Option<&Ty> {
        self.edge().keep.map(|keep| self.module().ty(self.module().function(keep).result))
    }
}

impl VerifiedLink {
    /// Returns the arrows.
    pub fn link(&self) -> &Link {
        match &self.0.module.entry {
            Entry::Link(link) => link,
            _ => unreachable!("a verified link has the entry of a link"),
        }
    }
}
