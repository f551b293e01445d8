//! Several arrows in a row become one pass.
//!
//! [`fuse`] takes the arrows of an edge or link that call others one after another, and writes each as
//! one function in which the values in between are not built. It is the use that the laws of the
//! machine are for: to read a member of a record that was just made is that member, a CASE of a case
//! that was just made is its block, a MAP of a MAP is one MAP. The function is run on the nodes of a
//! graph ([`trace`]), the graph is written anew until nothing more comes together ([`merge`]), and becomes
//! instructions again ([`emit`]).
//!
//! What must stay true:
//!
//! - every value leads to the same result as before, and traps if and only if it trapped before. Which of
//!   several traps is met first may differ; fuel and memory last longer, if anything;
//! - what is new verifies, is not more than [`GROWTH_MAX`] times as long, and costs no more, by what can
//!   be said before it runs; else the arrow stays as it was;
//! - the same module leads to the same bytes.

mod emit;
mod graph;
mod merge;
mod trace;
mod uses;

use std::collections::BTreeSet;

use crate::code::canonical::{canonical, entry_functions};
use crate::code::operand::Operand;
use crate::code::{Block, Entry, FuncIx, Module, Op};
use crate::verify::{Fault, FunctionFacts, VerifiedModule, verify};
use graph::{Graph, Tables};
use merge::Merge;
use trace::{Trace, count, entered_sizes};

/// How many times as long a function may become as it and what it calls were.
const GROWTH_MAX: usize = 2;

/// How often a graph is written anew at most: each time brings together what came to light the time
/// before, and types nest no deeper.
const PASSES_MAX: usize = crate::ty::DEPTH_MAX as usize;

/// How many rounds a loop is taken to have, when the costs of two functions are compared.
const ROUNDS: [u64; 2] = [1, 16];

/// Returns the same module with each of its entry points in one pass, where that is the better one.
///
/// A machine stays as it is, and so does what does not verify.
pub fn fuse(module: &Module) -> Module {
    let verified = match (&module.entry, verify(module.clone())) {
        (Entry::Edge(_) | Entry::Link(_), Ok(verified)) => verified,
        _ => return module.clone(),
    };
    let before = verified.verified_module();
    let sizes = entered_sizes(module);
    let mut tables = Tables::of(module);
    // Numbered as before; it becomes canonical where it is verified.
    let mut fused = module.clone();
    for (place, index) in entry_functions(&module.entry).into_iter().enumerate() {
        let first = entry_functions(&module.entry)[..place].iter().all(|other| *other != index);
        let Some(body) = first.then(|| one_pass(before, index, &sizes, &mut tables)).flatten() else {
            continue;
        };
        let mut tried = fused.clone();
        tried.types.clone_from(&tables.types);
        tried.constants.clone_from(&tables.constants);
        tried.functions[index.0 as usize].body = body;
        if is_better(&tried, before, index, place) {
            fused = tried;
        }
    }
    numbered(&fused)
}

fn numbered(module: &Module) -> Module {
    canonical(module).expect("each index comes from a verified module or its tables")
}

/// Returns the body of a function in one pass, unless it would be too long.
fn one_pass(module: &VerifiedModule, index: FuncIx, sizes: &[usize], tables: &mut Tables) -> Option<Block> {
    let size = composed_size(module.module(), index);
    let room = GROWTH_MAX * size + 64;
    let mut trace = Trace::new(module, Graph::new(tables), sizes, room);
    let mut whole = trace.function(index);
    let mut nodes = trace.graph.nodes;
    for _ in 0..PASSES_MAX {
        let mut merge = Merge::new(&nodes, &whole, Graph::new(tables), 8 * room);
        let again = merge.region(&whole);
        let (merged, new) = (merge.merged, merge.graph.nodes);
        (whole, nodes) = (again, new);
        if merged == 0 {
            break;
        }
    }
    let body = emit::emit(&nodes, &whole);
    (count(&body) <= GROWTH_MAX * size).then_some(body)
}

/// Returns how many instructions a function and all that it calls have, each function counted once.
fn composed_size(module: &Module, index: FuncIx) -> usize {
    let mut reached = BTreeSet::from([index]);
    let mut size = 0;
    // Callees stand before their callers.
    while let Some(index) = reached.pop_last() {
        module.function(index).body.each_op(&mut |op| {
            size += 1;
            if let Op::Call { function } = op {
                reached.insert(*function);
            }
        });
    }
    size
}

/// Tells whether a module with another body for the entry point at this place verifies, and whether
/// that one costs less than it did.
fn is_better(tried: &Module, before: &VerifiedModule, index: FuncIx, place: usize) -> bool {
    for rounds in ROUNDS {
        let (old, new) = (fuel_at(before.module(), index, rounds), fuel_at(tried, index, rounds));
        if new >= old {
            return false;
        }
    }
    let verified = match verify(numbered(tried)) {
        Ok(verified) => verified,
        Err(error) => {
            debug_assert!(matches!(error.fault, Fault::Limit { .. }), "what is fused verifies: {error}");
            return false;
        }
    };
    let after = verified.verified_module();
    let (old, new) = (before.facts(index), after.facts(entry_functions(&after.module().entry)[place]));
    costs_no_more(old, new)
}

fn costs_no_more(old: &FunctionFacts, new: &FunctionFacts) -> bool {
    let no_more =
        |old: Option<u64>, new: Option<u64>| old.is_none_or(|old| new.is_some_and(|new| new <= old));
    no_more(old.fuel_max, new.fuel_max)
        && no_more(old.memory_max, new.memory_max)
        && new.may_trap.is_subset(&old.may_trap)
}

/// Returns the fuel of a function whose loops have so many rounds each and whose branches are the
/// dearest, the costs that depend on sizes left out.
fn fuel_at(module: &Module, index: FuncIx, rounds: u64) -> u64 {
    let mut known: Vec<u64> = vec![];
    for function in &module.functions[..=index.0 as usize] {
        known.push(block_fuel(&function.body, rounds, &known));
    }
    known.pop().unwrap_or(0)
}

fn block_fuel(Block(ops): &Block, rounds: u64, known: &[u64]) -> u64 {
    ops.iter().fold(0u64, |sum, op| {
        let mut within = vec![];
        op.each_operand(|_, operand| match operand {
            Operand::Block(block) => within.push(block_fuel(block, rounds, known)),
            Operand::Blocks(blocks) => {
                within.extend(blocks.iter().map(|block| block_fuel(block, rounds, known)));
            }
            Operand::Function(function) => within.push(known[function.0 as usize]),
            _ => {}
        });
        let within = match op {
            Op::Case { .. } | Op::If { .. } | Op::Call { .. } => within.into_iter().max().unwrap_or(0),
            _ if within.is_empty() => 0,
            _ => within.into_iter().fold(1, u64::saturating_add).saturating_mul(rounds),
        };
        sum.saturating_add(op.fuel()).saturating_add(within)
    })
}
