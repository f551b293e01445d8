//! The verifier: the only door from decoded code to code that runs.
//!
//! [`verify`] takes any [`Module`], from the decoder or built in memory, and returns what
//! [`crate::run`] accepts. It makes one forward pass over each function. The rules:
//!
//! | rule | what must hold |
//! |---|---|
//! | V01 | every index names something: types, constants, functions, bindings, members, cases, channels, ports, context fields |
//! | V02 | the limits: [`TYPES_MAX`] types, [`OPS_MAX`] instructions, [`NESTING_MAX`] nested blocks in a function and [`crate::run::NESTING_MAX`] through calls, [`DEPTH_MAX`] bindings and as many operands |
//! | V03 | the module is in canonical form, see [`crate::code::canonical`] |
//! | V04 | every constant is of its type |
//! | V05 | a function calls only functions before it, so there is no recursion |
//! | V06 | operands have the types that the instruction's row in [`crate::code::op`] asks for; where it says Int, Text, Bytes or List, one with limits will do, and what is made anew has none |
//! | V07 | the types that instructions make exist: not too deep, not too large |
//! | V08 | a block pops only operands that it pushed; CASE, IF and loops included |
//! | V09 | UNLET drops only bindings of its own block, never a parameter |
//! | V10 | a block ends with no binding and no operand of its own left |
//! | V11 | all blocks of a CASE or IF leave one type, and the body of a loop leaves what the loop asks for |
//! | V12 | CASE takes a variant with one block per case, or an option with two: None (which sees `()`) and Some |
//! | V13 | nothing stands after FAIL in its block, nor after a CASE or IF whose blocks all end in FAIL; such a block has no type and joins anything |
//! | V14 | the body of a function leaves the type that the function promises |
//! | V15 | EMIT and CTX stand in step functions only, those that `Machine.step` names |
//! | V16 | a step function is not called, and no other entry point |
//! | V17 | entry points have the types of the machine; the arrows of an edge agree among themselves, and `down` takes what `keep` keeps |
//! | V18 | the input of a machine is a variant; `internal` and `step` have one item per case |
//! | V19 | channels and ports have different names, those of an edge too |
//! | V20 | answers come back as an internal case with the fields `answer: Option(T)` and at most `from: Text` |
//! | V21 | the module comes back from its bytes, so it keeps the decoder's limits: what verifies can be shipped |
//! | V22 | the configuration holds no secret: it stands in the release for all to read |
//!
//! What EMIT takes is part of V06: `()` to stop, Text to log and to cancel, `(Text, Duration, Input)` for
//! a timer, the message of the channel to send and of the port to call, or `(Text, message)` where it is keyed.
//!
//! So is that LT, LE and HASH take nothing with a secret in it, and SHOW no secret: REVEAL is the only way to
//! what a secret holds.
//!
//! Beside the verdict it finds out per function which traps are possible, see
//! [`FunctionFacts::may_trap`]. What a verified machine can do per input case is told by
//! [`crate::facts`], on demand.
//!
//! What must stay true: code that passed never panics in [`crate::run`]; and the time that
//! verifying takes is bounded by the limits, for any module.

mod block;
mod cost;
mod ends;
mod entry;
mod fault;
mod plain;
#[cfg(test)]
mod tests;
mod texts;
mod verified;

use std::collections::BTreeSet;

use crate::code::canonical::{RangeError, canonical, code_types, entry_functions};
use crate::code::decode::{DecodeError, NESTING_MAX, OPS_MAX, TYPES_MAX, decode_digested};
use crate::code::encode::encode;
use crate::code::{FuncIx, Module};
use crate::digest::Digest;
use crate::run::Limits;
use block::Pass;
use cost::{Remembered, UNBOUNDED};

pub(crate) use ends::function_digest;
pub use ends::{ChannelSide, EdgeEndsError, LinkEndsError};
pub(crate) use entry::taken_by_down;
pub use fault::{Fault, Place, RULES, VerifyError};
pub(crate) use verified::is_invariant_of_steps;
pub use verified::{Verified, VerifiedEdge, VerifiedLink, VerifiedMachine, VerifiedModule};

/// The most bindings in the environment, and the most operands on the stack, of one function.
pub const DEPTH_MAX: usize = 4096;

/// What the verifier found out about a function, the functions that it calls included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FunctionFacts {
    /// The kinds of trap that the function may end in. Never too few; sometimes too many.
    ///
    /// - `Overflow`: ADD, SUB, MUL, NEG or DIV whose result may leave 64 bits, going by the
    ///   limits of the operands' types (`Int(0..=10)` plus `Int(0..=10)` cannot).
    /// - `DivisionByZero`: DIV or MOD by an Int whose limits include 0.
    /// - `Range`: FIT to limits that do not include those of the source.
    /// - `Fail`: any FAIL or GUARD.
    /// - `Fuel`, `Memory`: [`FunctionFacts::fuel_max`] or [`FunctionFacts::memory_max`] is above
    ///   [`Limits::STEP`], or there is no such bound. A run with limits below those may run out
    ///   all the same.
    pub may_trap: BTreeSet<TrapKind>,
    /// The deepest environment, in bindings, of this function alone.
    pub environment_max: u32,
    /// The deepest operand stack, in values, of this function alone.
    pub stack_max: u32,
    /// How deep blocks nest, calls included.
    pub nesting: u32,
    /// The most fuel that a run may use: straight-line code costs the sum of its instructions,
    /// branches the dearest, a loop the bound of its list or map times its body. `None` where
    /// that bound is missing: a loop over a list without a limit or a map, or work on a Text or
    /// Bytes without one.
    pub fuel_max: Option<u64>,
    /// The most memory that a run may take, likewise. For an entry point it includes what the
    /// run charges for the result.
    pub memory_max: Option<u64>,
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

impl TrapKind {
    /// Returns the word for programs, as tests and capsules have it.
    pub fn word(self) -> &'static str {
        match self {
            TrapKind::Overflow => "overflow",
            TrapKind::DivisionByZero => "division_by_zero",
            TrapKind::Range => "range",
            TrapKind::Fail => "fail",
            TrapKind::Fuel => "fuel",
            TrapKind::Memory => "memory",
        }
    }

    /// Returns the words for people.
    pub fn words(self) -> &'static str {
        match self {
            TrapKind::Overflow => "integer overflow",
            TrapKind::DivisionByZero => "division by zero",
            TrapKind::Range => "a value outside the limits of its type",
            TrapKind::Fail => "`fail` or a guard",
            TrapKind::Fuel => "out of fuel",
            TrapKind::Memory => "out of memory",
        }
    }
}

/// Verifies a module that was built in memory. For bytes there is [`load`].
///
/// # Errors
///
/// The first rule that the module breaks, and where.
pub fn verify(module: Module) -> Result<Verified, VerifyError> {
    let whole = |fault| VerifyError { place: Place::Module, fault };
    check_limits(&module).map_err(whole)?;
    check_numbering(&module).map_err(whole)?;
    check_constants(&module).map_err(whole)?;
    let digest = check_byte_form(&module).map_err(whole)?;
    check_code(module, digest)
}

/// Why bytes do not become code that runs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// They are no module.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The module breaks a rule.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// Decodes a module and verifies it: the way of a node. The same as [`decode`](crate::code::decode::decode)
/// and then [`verify`]; faster, since what comes from bytes is known to keep V03, V04 and V21, and
/// the limits of the whole module.
///
/// # Errors
///
/// When the bytes are no module, or the first rule that it breaks, and where.
pub fn load(bytes: &[u8]) -> Result<Verified, LoadError> {
    let (module, digest) = decode_digested(bytes)?;
    Ok(check_code(module, digest)?)
}

/// Checks what the form of a module does not say.
fn check_code(module: Module, digest: Digest) -> Result<Verified, VerifyError> {
    let steps = entry::step_functions(&module)?;
    let facts = check_functions(&module, &steps)?;
    entry::check(&module)?;
    let facts = entry::with_results(&module, facts);
    Ok(Verified::new(VerifiedModule::new(module, digest, facts)))
}

/// The limits come first: they bound what the other checks walk over.
fn check_limits(module: &Module) -> Result<(), Fault> {
    let limit = |what, max: usize, found: usize| match found > max {
        true => Err(Fault::Limit { what, max }),
        false => Ok(()),
    };
    limit("types", TYPES_MAX, module.types.len())?;
    limit("constants", OPS_MAX, module.constants.len())?;
    limit("functions", OPS_MAX, module.functions.len())?;
    let mut left = OPS_MAX;
    for function in &module.functions {
        limit("parameters", crate::ty::MEMBERS_MAX, function.params.len())?;
        if !function.body.nests_at_most(block::FUNCTION_NESTING_MAX) {
            return Err(Fault::Limit { what: "blocks within each other", max: NESTING_MAX as usize });
        }
        let mut count = 0usize;
        function.body.each_op(&mut |_| count += 1);
        left = match left.checked_sub(count) {
            Some(left) => left,
            None => return Err(Fault::Limit { what: "instructions", max: OPS_MAX }),
        };
    }
    Ok(())
}

fn check_numbering(module: &Module) -> Result<(), Fault> {
    if code_types(module).is_some() {
        return Ok(());
    }
    match canonical(module) {
        Ok(_) => Err(Fault::NotCanonical {}),
        Err(RangeError::Type(index)) => Err(Fault::Index { what: "type", index, count: module.types.len() }),
        Err(RangeError::Constant(index)) => {
            Err(Fault::Index { what: "constant", index, count: module.constants.len() })
        }
        Err(RangeError::Function(index)) => {
            Err(Fault::Index { what: "function", index, count: module.functions.len() })
        }
    }
}

fn check_constants(module: &Module) -> Result<(), Fault> {
    for ((ty, value), index) in module.constants.iter().zip(0..) {
        let ty = module.ty(*ty);
        if !value.has_type(ty) {
            return Err(Fault::Constant { index, ty: fault::short(ty) });
        }
    }
    Ok(())
}

fn check_byte_form(module: &Module) -> Result<Digest, Fault> {
    match decode_digested(&encode(module)) {
        Ok((_, digest)) => Ok(digest),
        Err(error) => Err(Fault::ByteForm { error }),
    }
}

fn check_functions(module: &Module, steps: &BTreeSet<FuncIx>) -> Result<Vec<FunctionFacts>, VerifyError> {
    let mut facts: Vec<FunctionFacts> = Vec::with_capacity(module.functions.len());
    let mut remembered = Remembered::default();
    for index in (0..).map(FuncIx).take(module.functions.len()) {
        let mut pass = Pass::new(module, steps, index, &facts, &mut remembered);
        let cost = pass.function()?;
        let mut found = pass.facts;
        found.set_cost(cost);
        facts.push(found);
    }
    Ok(facts)
}

/// Returns the type that each instruction of a function leaves in the value register, in the order
/// in which they stand, those of a block after the instruction that holds it; `None` after FAIL.
pub(crate) fn types_left(module: &VerifiedModule, index: FuncIx) -> Vec<Option<crate::ty::Ty>> {
    let steps = entry::step_functions(&module.module).expect("a verified module passes again");
    let mut remembered = Remembered::default();
    let mut pass = Pass::new(&module.module, &steps, index, &module.facts, &mut remembered);
    pass.lefts = Some(vec![]);
    pass.function().expect("a verified function passes again");
    pass.lefts.unwrap_or_default()
}

/// Returns the most items of a list, entries of a map, or bytes of a Text or Bytes of the type.
pub(crate) fn count_max(ty: &crate::ty::Ty) -> Option<u64> {
    Some(cost::count(ty)).filter(|count| *count != UNBOUNDED)
}

/// Returns the greatest weight of a value of the type.
pub(crate) fn weight_max(ty: &crate::ty::Ty) -> Option<u64> {
    Some(cost::Weights::default().weight(ty)).filter(|weight| *weight != UNBOUNDED)
}

impl FunctionFacts {
    fn set_cost(&mut self, cost: cost::Cost) {
        let bound = |cost| (cost != UNBOUNDED).then_some(cost);
        self.fuel_max = bound(cost.fuel);
        self.memory_max = bound(cost.memory);
        if cost.fuel > Limits::STEP.fuel {
            self.may_trap.insert(TrapKind::Fuel);
        }
        if cost.memory > Limits::STEP.memory {
            self.may_trap.insert(TrapKind::Memory);
        }
    }

    /// Returns the possible traps in words, such as `integer overflow, out of fuel`.
    pub fn traps_in_words(&self) -> String {
        self.may_trap.iter().map(|trap| trap.words()).collect::<Vec<_>>().join(", ")
    }
}

/// Returns the functions that an entry names.
fn entries(module: &Module) -> Vec<FuncIx> {
    entry_functions(&module.entry)
}
