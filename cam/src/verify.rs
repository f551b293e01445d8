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
