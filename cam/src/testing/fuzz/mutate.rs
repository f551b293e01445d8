//! Modules changed a little, so that they are still in the one form that the decoder takes.
//!
//! Nearly every change of a byte makes a module that the decoder refuses: a length is wrong, a type
//! is named twice, a constant by nobody. What lies behind the decoder sees such inputs never. Here a
//! module is taken apart, changed in one place, numbered anew and written.

use crate::code::canonical::canonical;
use crate::code::decode::decode;
use crate::code::encode::encode;
use crate::code::operand::OperandMut;
use crate::code::{Block, Entry, FuncIx, Module, Op};
use crate::testing::choices::Choices;
use crate::testing::program::any_value;

/// Returns the bytes of a module like this one; `None` when these are no module, or the change made
/// none. The seed says what is changed.
pub fn module(bytes: &[u8], seed: u32) -> Option<Vec<u8>> {
    let mut module = decode(bytes).ok()?;
    let mut choices = Choices::random(u64::from(seed));
    for _ in 0..=choices.below(3) {
        change(&mut module, &mut choices);
    }
    module.debug = Default::default();
    canonical(&module).ok().map(|module| encode(&module))
}

fn change(module: &mut Module, choices: &mut Choices) {
    let blocks: usize = count(module);
    let chosen = choices.index(blocks.max(1));
    match choices.weighted(&[4, 3, 3, 3, 6, 3, 2, 2]) {
        0 => each_block(module, chosen, |block| {
            if !block.0.is_empty() {
                let at = choices.index(block.0.len());
                block.0.remove(at);
            }
        }),
        1 => each_block(module, chosen, |block| {
            if !block.0.is_empty() {
                let (a, b) = (choices.index(block.0.len()), choices.index(block.0.len()));
                block.0.swap(a, b);
            }
        }),
        2 => each_block(module, chosen, |block| {
            if !block.0.is_empty() {
                let (from, to) = (choices.index(block.0.len()), choices.index(block.0.len() + 1));
                block.0.insert(to, block.0[from].clone());
            }
        }),
        3 => transplant(module, chosen, choices),
        4 => operand(module, chosen, choices),
        5 => constant(module, choices),
        6 => signature(module, choices),
        _ => entry(module, choices),
    }
}

/// Puts an instruction of one block into another.
fn transplant(module: &mut Module, to: usize, choices: &mut Choices) {
    let from = choices.index(count(module).max(1));
    let mut op: Option<Op> = None;
    each_block(module, from, |block| {
        if !block.0.is_empty() {
            op = Some(block.0[choices.index(block.0.len())].clone());
        }
    });
    let Some(op) = op else { return };
    each_block(module, to, |block| {
        let at = choices.index(block.0.len() + 1);
        block.0.insert(at, op.clone());
    });
}

/// Lets an instruction name another type, constant, function, member, case or binding.
fn operand(module: &mut Module, chosen: usize, choices: &mut Choices) {
    let (types, constants, functions) =
        (module.types.len() as u32, module.constants.len() as u32, module.functions.len() as u32);
    each_block(module, chosen, |block| {
        if block.0.is_empty() {
            return;
        }
        let at = choices.index(block.0.len());
        let op = &mut block.0[at];
        op.each_operand_mut(|operand| match operand {
            OperandMut::Type(ty) => ty.0 = choices.below(types.max(1)),
            OperandMut::Constant(constant) => constant.0 = choices.below(constants.max(1)),
            OperandMut::Function(function) => function.0 = choices.below(functions.max(1)),
            OperandMut::Plain | OperandMut::Blocks(_) => {}
        });
        let near = |count: u32, choices: &mut Choices| (count + choices.below(5)).saturating_sub(2);
        match op {
            Op::Acc { level } => *level = near(*level, choices),
            Op::Unlet { count } => *count = near(*count, choices),
            Op::Fld { index } | Op::Upd { index } => *index = near(*index, choices),
            Op::Inj { case, .. } => *case = near(*case, choices),
            _ => {}
        }
    });
}

/// Gives a constant another value of its type.
fn constant(module: &mut Module, choices: &mut Choices) {
    if module.constants.is_empty() {
        return;
    }
    let at = choices.index(module.constants.len());
    let ty = module.types[module.constants[at].0.0 as usize].clone();
    module.constants[at].1 = any_value(choices, &ty);
}

/// Gives a function another type of result or parameter.
fn signature(module: &mut Module, choices: &mut Choices) {
    if module.functions.is_empty() || module.types.is_empty() {
        return;
    }
    let (at, types) = (choices.index(module.functions.len()), module.types.len() as u32);
    let function = &mut module.functions[at];
    let places = function.params.len() + 1;
    let place = choices.index(places);
    let ty = if place == 0 { &mut function.result } else { &mut function.params[place - 1] };
    ty.0 = choices.below(types);
}

/// Lets an entry point be another function, or have more or fewer steps and invariants.
fn entry(module: &mut Module, choices: &mut Choices) {
    let functions = (module.functions.len() as u32).max(1);
    let any = |choices: &mut Choices| FuncIx(choices.below(functions));
    match &mut module.entry {
        Entry::Machine(machine) => match choices.below(5) {
            0 => machine.init = any(choices),
            1 if !machine.step.is_empty() => {
                let at = choices.index(machine.step.len());
                machine.step[at] = any(choices);
            }
            2 => machine.invariants.push(("it holds".into(), any(choices))),
            3 => drop(machine.invariants.pop()),
            _ => machine.keyed = !machine.keyed,
        },
        Entry::Edge(edge) => {
            let function = any(choices);
            let arrows = [
                &mut edge.up,
                &mut edge.down,
                &mut edge.lift,
                &mut edge.unlift,
                &mut edge.lower,
                &mut edge.raise,
            ];
            match choices.index(arrows.len() + 1) {
                at if at < arrows.len() => {
                    *arrows.into_iter().nth(at).expect("it is below their number") = function;
                }
                _ => edge.keep = edge.keep.is_none().then_some(function),
            }
        }
        Entry::Link(link) => link.message = any(choices),
    }
}

fn count(module: &mut Module) -> usize {
    let mut count = 0;
    for function in &mut module.functions {
        walk(&mut function.body, &mut |_| count += 1);
    }
    count
}

/// Shows the block of this number.
fn each_block(module: &mut Module, chosen: usize, mut see: impl FnMut(&mut Block)) {
    let mut at = 0;
    for function in &mut module.functions {
        walk(&mut function.body, &mut |block| {
            if at == chosen {
                see(block);
            }
            at += 1;
        });
    }
}

/// Shows a block after those in it. The decoder has bounded how deep they nest.
fn walk(block: &mut Block, see: &mut impl FnMut(&mut Block)) {
    for op in &mut block.0 {
        op.each_operand_mut(|operand| {
            if let OperandMut::Blocks(blocks) = operand {
                blocks.iter_mut().for_each(|block| walk(block, see));
            }
        });
    }
    see(block);
}
