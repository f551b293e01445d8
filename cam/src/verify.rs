//! The verifier: the only door from decoded code to code that runs.
//! (rules to be numbered here)

use std::collections::BTreeSet;

use crate::code::{Edge, Link, Machine, Module};
use crate::digest::Digest;

/// A module that was verified; cannot be built elsewhere.
#[derive(Debug, Clone)]
pub struct VerifiedModule {
    pub(crate) module: std::sync::Arc<Module>,
    pub(crate) digest: Digest,
    /// Per function.
    pub(crate) facts: std::sync::Arc<Vec<FunctionFacts>>,
}

/// What the verifier found out about a function.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FunctionFacts {
    /// The kinds of trap that the function may end in.
    pub may_trap: BTreeSet<TrapKind>,
    /// The deepest environment, in bindings.
    pub environment_max: u32,
    /// The deepest operand stack, in values.
    pub stack_max: u32,
}

/// The kinds of trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrapKind {
    /// Integer overflow.
    Overflow,
    /// Division by zero.
    DivisionByZero,
    /// A value outside the limits of its type.
    Range,
    /// `fail` or a guard.
    Fail,
    /// Out of fuel.
    Fuel,
    /// Out of memory.
    Memory,
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
#[allow(unused)]
type Contract = (Edge, Link, Machine);
impl VerifiedMachine {
    /// Returns the entry points and signature.
    pub fn machine(&self) -> &Machine {
        match &self.0.module.entry {
            crate::code::Entry::Machine(machine) => machine,
            _ => unreachable!("a verified machine has the entry of a machine"),
        }
    }

    /// Returns the module.
    pub fn module(&self) -> &Module {
        &self.0.module
    }

    /// Returns the machine digest.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// Returns the type of the state.
    pub fn state(&self) -> &crate::ty::Ty {
        self.0.module.ty(self.machine().state)
    }

    /// Returns the type of the inputs.
    pub fn input(&self) -> &crate::ty::Ty {
        self.0.module.ty(self.machine().input)
    }

    /// Returns the type of the outputs.
    pub fn output(&self) -> &crate::ty::Ty {
        self.0.module.ty(self.machine().output)
    }

    /// Returns the type of the configuration.
    pub fn config(&self) -> &crate::ty::Ty {
        self.0.module.ty(self.machine().config)
    }

    /// Returns true when an input case comes from timers and answers only.
    pub fn case_is_internal(&self, index: usize) -> bool {
        self.machine().internal.get(index).copied().unwrap_or(false)
    }
}
