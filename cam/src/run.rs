//! Running verified code. T0, the direct interpreter, is here: the executable specification. [`t1`] runs
//! the same code faster.
//!
//! Every entry point is a pure function of its arguments. A run ends with a result or with a
//! [`Trap`]; a trap leaves nothing behind, since values are never changed in place where another
//! can see them, and effects are data that the caller gets with the result.
//!
//! What must stay true: a run of verified code does not panic on values of the types that the
//! entry point takes; and what it costs follows from bytecode and values alone. The costs are
//! part of [`crate::code::SEMANTICS`]:
//!
//! **Fuel.** A block costs the sum of [`crate::code::Op::fuel`] over its own instructions, at its
//! entry. On top:
//!
//! | instruction | fuel |
//! |---|---|
//! | FOLD MAP FILTER FIND | per item looked at: 1 and the body's block |
//! | LOOP | per round: 1, the test's block, and the body's where the test leaves true |
//! | ENTRIES RANGE TAKE DROP OCTETS; SLICE of a List | 1 per item of the result |
//! | CAT | lists: 1 per item on the right; else 1 per 8 bytes of the result |
//! | LT LE EQ | 1 per pair of parts compared until the first difference, and 1 per 8 bytes of the shorter of two texts |
//! | GET PUT DEL on a map | binary digits of its size, times weight of the key / 8 |
//! | HASH | weight / 8 |
//! | LEN EDIT ENCODE of a Text, FIT of a Text to a limit, DECODE | 1 per 8 bytes |
//! | SLICE of a Text | 1 per 8 bytes up to its end, each scalar value counted as 4, and no more than there are |
//! | SLICE of Bytes | 1 per 8 bytes of the result |
//! | SEARCH | 1 per 8 bytes of both |
//! | SPLIT | 1 per 8 bytes of both, and 1 per item of the result |
//! | JOIN PACK | 1 per item, and 1 per 8 bytes of the result |
//!
//! **Memory** counts what is built up, in bytes of a model (a value in a product takes 32, an
//! item of a list 64, an entry of a map 128), and is never given back within a run:
//!
//! | instruction | memory |
//! |---|---|
//! | CONS REC UPD | 16 + 32 per member |
//! | INJ, PARSE, GET, FIND, SEARCH | 48 |
//! | OUTER | 128 |
//! | SHOW, CAT and SLICE of Text and Bytes, JOIN, ENCODE | 16 + bytes of the result |
//! | EDIT | 16 + bytes of the Text |
//! | DECODE PACK | 64 + bytes of the result |
//! | SPLIT | 80 per item + bytes of the Text |
//! | APPEND SET | 64 + 16 per binary digit of the length |
//! | CAT of lists | 64 per item on the right + 16 per binary digit of the length on the left |
//! | RANGE TAKE DROP OCTETS; SLICE, MAP and FILTER of lists | 64 per item of the result |
//! | ENTRIES | 128 per entry |
//! | PUT | 128 + 32 per binary digit of the size |
//! | DEL | 32 per binary digit of the size |
//! | MAP and FILTER of maps | 128 per entry of the result |
//! | EMIT | 64 + weight of what it takes |
//! | HASH | weight |
//!
//! The output of a step costs memory of its weight. **Weight** is 10 for each part of a value
//! and the bytes of its texts: no less than its canonical size. Parts are shared, so a list can
//! hold one long list many times for little, and its written form would be huge; therefore a
//! result whose type has a list or map within a list or map traps `memory` above
//! [`WEIGHT_MAX`]. For other types what was paid for is bound enough.

pub mod memo;
pub(crate) mod meter;
mod ops;
mod t0;
pub mod t1;
#[cfg(test)]
mod tests;
mod texts;

use std::sync::Arc;

use crate::code::{FuncIx, TypeIx};
use crate::ty::Ty;
use crate::value::Value;
use crate::verify::{VerifiedEdge, VerifiedLink, VerifiedMachine, VerifiedModule};
pub use memo::Memo;
pub use meter::weight_within;
use t0::Run;

/// The greatest weight of a result that is nested so that it may outgrow what was paid for:
/// what can still be weighed, written and read within a second or so.
pub const WEIGHT_MAX: u64 = 256 << 20;

/// How deep blocks may nest in a run, calls included: what the verifier admits, so that the
/// recursion of an interpreter fits a thread's stack of 2 MiB. A run past it traps `memory`.
pub const NESTING_MAX: u32 = 256;

/// What a run may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Units of fuel, see [`crate::code::op`].
    pub fuel: u64,
    /// Bytes that may be built up.
    pub memory: u64,
}

impl Limits {
    /// What a step may use: about a millisecond, and 16 MiB.
    pub const STEP: Limits = Limits { fuel: 100_000, memory: 16 << 20 };
    /// What one arrow of a migration may use: half a second or so, and 1 GiB.
    pub const MIGRATION: Limits = Limits { fuel: 50_000_000, memory: 1 << 30 };
}

/// What a step knows of its surroundings; recorded with the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ctx {
    /// Milliseconds since the Unix epoch; never runs backwards.
    pub now_ms: i64,
    /// The number of this step in the life of the instance, from 1.
    pub seq: i64,
    /// The instance's own key; empty if it has none.
    pub self_key: Arc<str>,
    /// A number for pseudo-random choices.
    pub seed: i64,
}

/// Why a run ended without a result. The state is untouched and nothing was emitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trap {
    /// An integer left the range of 64 bits.
    #[error("integer overflow")]
    Overflow,
    /// A division by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A value does not fit the limits of its type.
    #[error("value outside the limits of its type")]
    Range,
    /// The program said `fail`.
    #[error("failed: {0}")]
    Fail(Arc<str>),
    /// A guard does not hold: the arrow is partial, and not defined here.
    #[error("a guard does not hold")]
    Guard,
    /// An invariant does not hold.
    #[error("the invariant \"{0}\" does not hold")]
    Invariant(Arc<str>),
    /// Out of fuel.
    #[error("out of fuel")]
    Fuel,
    /// Out of memory.
    #[error("out of memory")]
    Memory,
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The next state.
    pub state: Value,
    /// The answer; `None` for an internal input.
    pub output: Option<Value>,
    /// What the step asks of the world, in order.
    pub effects: Vec<Effect>,
    /// The fuel used.
    pub fuel: u64,
}

/// An effect, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The instance ends after this step.
    Stop,
    /// A line for the log.
    Log(Arc<str>),
    /// Cancels a timer.
    Cancel(Arc<str>),
    /// Starts or replaces a timer.
    Timer {
        /// Its name within the instance.
        name: Arc<str>,
        /// When it fires, from `now`.
        after_ms: i64,
        /// What it fires: an input of the machine.
        input: Value,
    },
    /// Sends a message.
    Send {
        /// Index of the channel in [`crate::code::Machine::channels`].
        channel: u32,
        /// The receiver's key, if the channel is keyed.
        key: Option<Arc<str>>,
        /// The message, of the channel's message type.
        message: Value,
    },
    /// Calls something outside of the node.
    Call {
        /// Index of the port in [`crate::code::Machine::ports`].
        port: u32,
        /// What comes back with the answer, if the port is keyed.
        key: Option<Arc<str>>,
        /// The message, of the port's message type.
        message: Value,
    },
}

/// Which of the six arrows of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EdgeArrow {
    /// `State -> State'`.
    Up,
    /// `State' -> State`, or from that and what was kept aside.
    Down,
    /// `Input -> Input'`.
    Lift,
    /// `Input' -> Input`, partial.
    Unlift,
    /// `Output' -> Output`.
    Lower,
    /// `Output -> Output'`, partial.
    Raise,
}

/// Which way along an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To the new machine.
    Up,
    /// Back to the old one.
    Down,
}

/// Returns the state that a new instance starts from, with all invariants holding.
///
/// # Errors
///
/// When the program traps, or an invariant does not hold.
pub fn init(machine: &VerifiedMachine, config: &Value, limits: Limits) -> Result<Value, Trap> {
    let parts = machine.machine();
    let state = arrow(&machine.0, parts.init, vec![config.clone()], limits)?;
    check_invariants(machine, &state, limits)?;
    Ok(state)
}

/// Does one step, and checks [those invariants](VerifiedMachine::invariants_of_steps) that are
/// checked after every one. The fuel of the outcome is that of the step alone; each invariant has
/// the limits anew, so that whether and when invariants are checked changes no step.
///
/// # Errors
///
/// When the program traps, or such an invariant does not hold of the new state. Nothing was emitted
/// then, and the state is what it was.
pub fn step(
    machine: &VerifiedMachine,
    input: &Value,
    state: &Value,
    ctx: &Ctx,
    config: &Value,
    limits: Limits,
) -> Result<Outcome, Trap> {
    step_counting(machine, (input, state, ctx, config), limits, &mut 0)
}

/// The same, and adds to `fuel` what was used, by the invariants too and when it ends in a trap.
///
/// # Errors
///
/// As those of [`step`].
pub fn step_counting(
    machine: &VerifiedMachine,
    (input, state, ctx, config): (&Value, &Value, &Ctx, &Value),
    limits: Limits,
    fuel: &mut u64,
) -> Result<Outcome, Trap> {
    let (module, parts) = (&*machine.0.module, machine.machine());
    let Value::Sum(case, payload) = input else { unreachable!("an input is a variant") };
    debug_assert!(input.has_type(module.ty(parts.input)), "the input has the machine's type");
    debug_assert!(config.has_type(module.ty(parts.config)), "the configuration has the machine's type");
    let args = vec![(**payload).clone(), state.clone(), config.clone()];
    let mut effects = vec![];
    let mut run = Run::new(module, Some(ctx), limits, &mut effects);
    let result = run.function(parts.step[*case as usize], args);
    let used = limits.fuel - run.meter.fuel_left();
    *fuel += used;
    let result = result?;
    let (state, output) = match (parts.internal[*case as usize], result) {
        (true, state) => (state, None),
        (false, Value::Product(pair)) => (pair[0].clone(), Some(pair[1].clone())),
        _ => unreachable!("the step of an outside case leaves state and output"),
    };
    if let Some(output) = &output {
        run.meter.emit(output)?;
    }
    check_weight(&state, module.ty(parts.state))?;
    for index in machine.invariants_of_steps() {
        check_invariant(machine, index, &state, limits, (fuel, None))?;
    }
    Ok(Outcome { state, output, effects, fuel: used })
}

/// Does one step as [`step`] does, and checks all invariants after it, whatever they cost: for tests,
/// and for whoever tries things out.
///
/// # Errors
///
/// As those of [`step`], of any invariant.
pub fn step_checking_all(
    machine: &VerifiedMachine,
    input: &Value,
    state: &Value,
    ctx: &Ctx,
    config: &Value,
    limits: Limits,
) -> Result<Outcome, Trap> {
    let outcome = step(machine, input, state, ctx, config, limits)?;
    check_invariants(machine, &outcome.state, Limits::MIGRATION)?;
    Ok(outcome)
}

/// Checks that all invariants hold of a state. Each may use the whole limits.
///
/// # Errors
///
/// The first invariant that does not hold, or the trap in which it ends.
pub fn check_invariants(machine: &VerifiedMachine, state: &Value, limits: Limits) -> Result<(), Trap> {
    check_invariants_noting(machine, state, limits, (&mut 0, None))
}

/// The same, and adds to `fuel` what was used, also when it ends in a trap.
///
/// # Errors
///
/// As those of [`check_invariants`].
pub fn check_invariants_counting(
    machine: &VerifiedMachine,
    state: &Value,
    limits: Limits,
    fuel: &mut u64,
) -> Result<(), Trap> {
    check_invariants_noting(machine, state, limits, (fuel, None))
}

/// What is noted of a run beside its result: what was used is added to the fuel, and what becomes of the parts of
/// large maps is remembered.
type Noted<'a> = (&'a mut u64, Option<&'a mut Memo>);

fn check_invariants_noting(
    machine: &VerifiedMachine,
    state: &Value,
    limits: Limits,
    (fuel, mut memo): Noted<'_>,
) -> Result<(), Trap> {
    (0..machine.machine().invariants.len()).try_for_each(|index| {
        check_invariant(machine, index, state, limits, (&mut *fuel, memo.as_deref_mut()))
    })
}

fn check_invariant(
    machine: &VerifiedMachine,
    index: usize,
    state: &Value,
    limits: Limits,
    noted: Noted<'_>,
) -> Result<(), Trap> {
    let (text, function) = &machine.machine().invariants[index];
    match call_noting(&machine.0, *function, vec![state.clone()], limits, noted)? {
        Value::Bool(true) => Ok(()),
        _ => Err(Trap::Invariant(text.clone())),
    }
}

/// Returns what is kept aside of an old state on the way up; `None` where the edge keeps nothing.
///
/// # Errors
///
/// When the arrow traps.
pub fn edge_keep(edge: &VerifiedEdge, state: &Value, limits: Limits) -> Result<Option<Value>, Trap> {
    edge.edge().keep.map(|keep| arrow(&edge.0, keep, vec![state.clone()], limits)).transpose()
}

/// Takes a new state down, with what was kept aside of the old one it came from, if anything.
///
/// # Errors
///
/// When the arrow traps; a partial one that is not defined for the state traps `guard` or `fail`.
pub fn edge_down(
    edge: &VerifiedEdge,
    state: &Value,
    kept: Option<&Value>,
    limits: Limits,
) -> Result<Value, Trap> {
    arrow(&edge.0, edge.edge().down, vec![down_argument(edge, state, kept)], limits)
}

fn down_argument(edge: &VerifiedEdge, state: &Value, kept: Option<&Value>) -> Value {
    match edge.edge().keep {
        None => state.clone(),
        Some(_) => {
            let kept = kept.map_or_else(Value::none, |kept| Value::some(kept.clone()));
            Value::product(vec![state.clone(), kept])
        }
    }
}

/// Takes a value along one of the six arrows of an edge. Where the edge keeps something aside, `down`
/// takes the state with an Option of that: see [`edge_down`].
///
/// # Errors
///
/// When the arrow traps; a partial one that is not defined for the value traps `guard` or `fail`.
pub fn edge_arrow(
    edge: &VerifiedEdge,
    which: EdgeArrow,
    value: &Value,
    limits: Limits,
) -> Result<Value, Trap> {
    arrow(&edge.0, function_of(edge, which), vec![value.clone()], limits)
}

fn function_of(edge: &VerifiedEdge, which: EdgeArrow) -> FuncIx {
    let parts = edge.edge();
    match which {
        EdgeArrow::Up => parts.up,
        EdgeArrow::Down => parts.down,
        EdgeArrow::Lift => parts.lift,
        EdgeArrow::Unlift => parts.unlift,
        EdgeArrow::Lower => parts.lower,
        EdgeArrow::Raise => parts.raise,
    }
}

/// Takes an owed answer of a channel along an edge.
///
/// # Errors
///
/// When the arrow traps, and `fail` when the edge has no arrows for the channel.
pub fn edge_channel(
    edge: &VerifiedEdge,
    channel: &str,
    direction: Direction,
    value: &Value,
    limits: Limits,
) -> Result<Value, Trap> {
    let Some(arrows) = edge.edge().channels.iter().find(|arrows| &*arrows.name == channel) else {
        return Err(Trap::Fail(format!("the edge has no arrows for the channel `{channel}`").into()));
    };
    let function = match direction {
        Direction::Up => arrows.up,
        Direction::Down => arrows.down,
    };
    arrow(&edge.0, function, vec![value.clone()], limits)
}

/// Makes a receiver's input of a sender's message.
///
/// # Errors
///
/// When the arrow traps.
pub fn link_message(link: &VerifiedLink, message: &Value, limits: Limits) -> Result<Value, Trap> {
    arrow(&link.0, link.link().message, vec![message.clone()], limits)
}

/// Makes a sender's answer of a receiver's output.
///
/// # Errors
///
/// When the arrow traps, and `fail` when the channel takes no answers.
pub fn link_answer(link: &VerifiedLink, output: &Value, limits: Limits) -> Result<Value, Trap> {
    let Some(function) = link.link().answer else {
        return Err(Trap::Fail("the channel takes no answers".into()));
    };
    arrow(&link.0, function, vec![output.clone()], limits)
}

/// Calls one function that neither emits nor reads the context: for tests and for trying parts
/// of a program.
///
/// # Errors
///
/// When the function traps.
///
/// # Panics
///
/// When there is no such function, or the arguments are not what it takes.
pub fn call(
    module: &VerifiedModule,
    function: FuncIx,
    args: Vec<Value>,
    limits: Limits,
) -> Result<Value, Trap> {
    call_noting(module, function, args, limits, (&mut 0, None))
}

fn call_noting(
    module: &VerifiedModule,
    function: FuncIx,
    args: Vec<Value>,
    limits: Limits,
    (fuel, memo): Noted<'_>,
) -> Result<Value, Trap> {
    check_args(module, function, &args);
    let mut effects = vec![];
    let mut run = Run::new(&module.module, None, limits, &mut effects);
    run.memo = memo.filter(|memo| memo.sees());
    if let Some(memo) = &mut run.memo {
        memo.hold(&module.module);
    }
    let result = run.function(function, args);
    *fuel += limits.fuel - run.meter.fuel_left();
    result
}

fn check_args(module: &VerifiedModule, function: FuncIx, args: &[Value]) {
    let params = &module.module.function(function).params;
    assert_eq!(params.len(), args.len(), "a function is called with as many arguments as it takes");
    let typed = |(ty, value): (&TypeIx, &Value)| value.has_type(module.module.ty(*ty));
    debug_assert!(params.iter().zip(args).all(typed), "arguments have the types of the parameters");
}

/// Calls a function whose result leaves the run.
fn arrow(module: &VerifiedModule, function: FuncIx, args: Vec<Value>, limits: Limits) -> Result<Value, Trap> {
    arrow_counting(module, function, args, limits, &mut 0)
}

/// Calls a function of an edge, a link or a machine whose result leaves the run, and adds to `fuel` what was used, also
/// when it ends in a trap: what `init`, the arrows of edges and those of links do.
///
/// # Errors
///
/// When the function traps.
///
/// # Panics
///
/// When there is no such function, or the arguments are not what it takes.
pub fn arrow_counting(
    module: &VerifiedModule,
    function: FuncIx,
    args: Vec<Value>,
    limits: Limits,
    fuel: &mut u64,
) -> Result<Value, Trap> {
    arrow_noting(module, function, args, limits, (fuel, None))
}

fn arrow_noting(
    module: &VerifiedModule,
    function: FuncIx,
    args: Vec<Value>,
    limits: Limits,
    noted: Noted<'_>,
) -> Result<Value, Trap> {
    let result = call_noting(module, function, args, limits, noted)?;
    check_weight(&result, module.module.ty(module.module.function(function).result))?;
    Ok(result)
}

fn check_weight(value: &Value, ty: &Ty) -> Result<(), Trap> {
    if ty.nests() && meter::weight_within(value, WEIGHT_MAX).is_none() {
        return Err(Trap::Memory);
    }
    Ok(())
}
