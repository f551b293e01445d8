//! What is still needed: one pass from the last instruction to the first.
//!
//! It takes out instructions whose result nobody reads, and turns the last use of a ref register into
//! one that takes the value away, so that whoever gets it owns it alone and may change it in place.

use std::collections::HashMap;

use super::code::{Arg, ArgIx, Base, Code, Dest, Ins, Ints, LoopKind, Out, Pc, PlaceIx};

/// A set of registers: words first, then refs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Set(Vec<u64>);

impl Set {
    fn add(&mut self, register: usize) {
        self.0[register / 64] |= 1 << (register % 64);
    }

    fn remove(&mut self, register: usize) {
        self.0[register / 64] &= !(1 << (register % 64));
    }

    fn has(&self, register: usize) -> bool {
        self.0[register / 64] & (1 << (register % 64)) != 0
    }

    fn add_all(&mut self, other: &Set) {
        self.0.iter_mut().zip(&other.0).for_each(|(mine, other)| *mine |= other);
    }
}

/// Drops what is not needed, and takes what is needed no more.
pub(super) fn takes(mut code: Code) -> Code {
    let mut keep = pass(&mut code);
    // Nothing jumps to the first instruction, which pays for the first block.
    if let Some(Ins::Fuel { fuel }) = code.ins.first() {
        code.entry_fuel = u64::from(*fuel);
        keep[0] = false;
    }
    compact(&mut code, &keep);
    fields(&mut code);
    code
}

/// What an instruction reads and writes.
#[derive(Default)]
struct Touched {
    reads: Vec<usize>,
    writes: Vec<usize>,
    /// It does nothing but write.
    pure: bool,
}

fn pass(code: &mut Code) -> Vec<bool> {
    let words = code.words.len();
    let nothing = Set(vec![0; (words + code.refs).div_ceil(64).max(1)]);
    let touched: Vec<Touched> = code.ins.iter().map(|ins| touched(code, ins)).collect();
    let mut first_write = vec![usize::MAX; words + code.refs];
    for (at, touched) in touched.iter().enumerate().rev() {
        touched.writes.iter().for_each(|register| first_write[*register] = at);
    }
    let mut ends: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, ins) in code.ins.iter().enumerate() {
        if let Ins::Loop { body } = ins {
            ends.entry(code.loops[*body as usize].next as usize).or_default().push(at);
        }
    }
    let mut labels: HashMap<Pc, Set> = targets(code).into_iter().map(|at| (at, nothing.clone())).collect();
    // The loops around the instruction that the pass is at, the innermost last: where each begins, and
    // what is live at the end of its body.
    let mut around: Vec<(usize, Set)> = vec![];
    let mut keep = vec![true; code.ins.len()];
    let mut live = nothing.clone();
    for at in (0..code.ins.len()).rev() {
        // Loops that end before the instruction after this one; the outer one of several first.
        if let Some(loops) = ends.get(&(at + 1)) {
            let mut begins = loops.clone();
            begins.sort_unstable();
            for begin in begins {
                let after = labels.get(&((at + 1) as Pc)).unwrap_or(&nothing);
                around.push((begin, live_at_end(code, &touched, &first_write, begin, after)));
            }
        }
        match code.ins[at] {
            Ins::Jump { to } => live = labels[&to].clone(),
            Ins::Unless { to, .. }
            | Ins::UnlessLt { to, .. }
            | Ins::UnlessLe { to, .. }
            | Ins::UnlessEq { to, .. } => live.add_all(&labels[&to]),
            Ins::Switch { table, .. } => {
                live = nothing.clone();
                for to in &code.tables[table as usize] {
                    live.add_all(&labels[to]);
                }
            }
            Ins::Return { .. } | Ins::Leave { .. } | Ins::Fail { .. } => live = nothing.clone(),
            Ins::End | Ins::Stop => {
                live = around.last().expect("a body's end stands within a loop").1.clone()
            }
            Ins::Loop { body } => {
                around.pop();
                live.add_all(&labels[&code.loops[body as usize].next]);
            }
            _ => {}
        }
        let touched = &touched[at];
        if touched.pure && touched.writes.iter().all(|register| !live.has(*register)) {
            keep[at] = false;
        } else {
            touched.writes.iter().for_each(|register| live.remove(*register));
            take(code, at, words, &live, &touched.reads);
            touched.reads.iter().for_each(|register| live.add(*register));
        }
        if let Some(label) = labels.get_mut(&(at as Pc)) {
            label.clone_from(&live);
        }
    }
    keep
}

/// Returns what is live at the end of a loop's body: what is after the loop, what it leaves, what goes
/// into the next round, and what every round reads from outside.
fn live_at_end(code: &Code, touched: &[Touched], first_write: &[usize], begin: usize, after: &Set) -> Set {
    let Ins::Loop { body } = code.ins[begin] else { unreachable!("loops begin with their instruction") };
    let (words, body) = (code.words.len(), &code.loops[body as usize]);
    let mut live = after.clone();
    let mut add = |dest: &Dest| match dest {
        Dest::Nowhere => {}
        Dest::Word(word) => live.add(*word as usize),
        Dest::Ref(register) => live.add(words + *register as usize),
    };
    match &body.kind {
        LoopKind::Fold { carried } | LoopKind::Repeat { carried, .. } => carried.iter().for_each(add),
        LoopKind::Map { left, .. } => reads_of(code, left, &mut |register| live.add(register)),
        LoopKind::Filter { left, .. } | LoopKind::Find { left, .. } => add(&Dest::Word(*left)),
    }
    for inside in &touched[begin + 1..body.next as usize] {
        inside.reads.iter().filter(|register| first_write[**register] < begin).for_each(|r| live.add(*r));
    }
    live
}

/// Returns where jumps go, and where loops go on.
fn targets(code: &Code) -> Vec<Pc> {
    let mut targets: Vec<Pc> = code.tables.iter().flatten().copied().collect();
    targets.extend(code.loops.iter().map(|body| body.next));
    for ins in &code.ins {
        match ins {
            Ins::Jump { to }
            | Ins::Unless { to, .. }
            | Ins::UnlessLt { to, .. }
            | Ins::UnlessLe { to, .. }
            | Ins::UnlessEq { to, .. } => targets.push(*to),
            _ => {}
        }
    }
    targets
}

fn touched(code: &Code, ins: &Ins) -> Touched {
    let words = code.words.len();
    let mut touched = Touched::default();
    let mut reads = vec![];
    let word = |word: u16| word as usize;
    let dest = |dest: &Dest| match dest {
        Dest::Nowhere => None,
        Dest::Word(word) => Some(*word as usize),
        Dest::Ref(register) => Some(words + *register as usize),
    };
    let place = |place: u16| match code.places[place as usize].base {
        Base::Ref(register) => Some(words + register as usize),
        Base::Param(_) | Base::Constant(_) => None,
    };
    let mut arg = |arg: &Arg| reads_of(code, arg, &mut |register| reads.push(register));
    match ins {
        Ins::Find { .. } | Ins::SizeField { .. } | Ins::GrowInt { .. } | Ins::PayInt { .. } => {
            unreachable!("these come after this pass")
        }
        Ins::Param { to, .. } | Ins::Field { to, .. } => {
            touched = Touched { writes: vec![word(*to)], pure: true, ..touched }
        }
        Ins::Fuel { .. } | Ins::Memory { .. } | Ins::Jump { .. } | Ins::End | Ins::Stop => {}
        Ins::Load { to, from } | Ins::Tag { to, from } => {
            touched =
                Touched { reads: place(*from).into_iter().collect(), writes: vec![word(*to)], pure: true };
        }
        Ins::Size { to, map } => {
            touched =
                Touched { reads: place(*map).into_iter().collect(), writes: vec![word(*to)], pure: true };
        }
        Ins::Copy { to, from: a } | Ins::Not { to, a } => {
            touched = Touched { reads: vec![word(*a)], writes: vec![word(*to)], pure: true };
        }
        Ins::Neg { to, a } => {
            touched = Touched { reads: vec![word(*a)], writes: vec![word(*to)], pure: false };
        }
        Ins::Add { to, a, b }
        | Ins::Sub { to, a, b }
        | Ins::Mul { to, a, b }
        | Ins::Div { to, a, b }
        | Ins::Mod { to, a, b } => {
            touched = Touched { reads: vec![word(*a), word(*b)], writes: vec![word(*to)], pure: false };
        }
        Ins::Lt { to, a, b } | Ins::Le { to, a, b } | Ins::Eq { to, a, b } => {
            touched = Touched { reads: vec![word(*a), word(*b)], writes: vec![word(*to)], pure: true };
        }
        Ins::Fit { word: a, .. }
        | Ins::Unless { word: a, .. }
        | Ins::Switch { tag: a, .. }
        | Ins::Guard { word: a } => touched.reads.push(word(*a)),
        Ins::UnlessLt { a, b, .. } | Ins::UnlessLe { a, b, .. } | Ins::UnlessEq { a, b, .. } => {
            touched.reads = vec![word(*a), word(*b)];
        }
        Ins::Make { to, arg: index } => {
            arg(&code.args[*index as usize]);
            touched.writes.push(words + *to as usize);
            touched.pure = true;
        }
        Ins::GetInt { map, key, tag, to } | Ins::Index { list: map, index: key, tag, to } => {
            touched.reads = place(*map).into_iter().chain([word(*key)]).collect();
            touched.writes = dest(to).into_iter().chain([word(*tag)]).collect();
        }
        Ins::Get { map, key, tag, to } => {
            arg(&code.args[*key as usize]);
            touched.reads = place(*map).into_iter().collect();
            touched.writes = dest(to).into_iter().chain([word(*tag)]).collect();
        }
        Ins::Grow { size, map, key } | Ins::Shrink { size, map, key } => {
            arg(&code.args[*key as usize]);
            touched.reads = place(*map).into_iter().chain([word(*size)]).collect();
            // It is written too, but not anew: what it was is read.
        }
        Ins::PayPut { size, key } | Ins::PayDel { size, key } => {
            arg(&code.args[*key as usize]);
            touched.reads.push(word(*size));
        }
        Ins::Plain { plain } => {
            let plain = &code.plains[*plain as usize];
            plain.args.iter().for_each(arg);
            touched.writes = dest(&plain.to).into_iter().collect();
        }
        Ins::Loop { body } => {
            let body = &code.loops[*body as usize];
            arg(&body.over);
            touched.writes = body.bound.iter().filter_map(dest).collect();
            match &body.kind {
                LoopKind::Fold { .. } => {}
                LoopKind::Repeat { times, .. } => touched.reads.push(word(*times)),
                LoopKind::Map { to, .. } | LoopKind::Filter { to, .. } => {
                    touched.writes.push(words + *to as usize);
                }
                LoopKind::Find { tag, to, .. } => {
                    touched.writes.extend(dest(to).into_iter().chain([word(*tag)]))
                }
            }
        }
        Ins::PayOutput { arg: index } | Ins::Leave { arg: index } | Ins::Fail { arg: index } => {
            arg(&code.args[*index as usize]);
        }
        Ins::Return { commit } => {
            let commit = &code.commits[*commit as usize];
            if let Out::Value(output) = &commit.output {
                arg(output);
            }
            commit.stores.iter().flat_map(|store| store.args()).for_each(&mut arg);
            match &commit.ints {
                Ints::State(from) => touched.reads.push(word(*from)),
                Ints::Members(ints) => touched.reads.extend(ints.iter().map(|(_, from)| word(*from))),
            }
        }
    }
    touched.reads.extend(reads);
    touched
}

/// Calls `read` with each register that making an argument reads.
fn reads_of(code: &Code, arg: &Arg, read: &mut dyn FnMut(usize)) {
    let words = code.words.len();
    match arg {
        Arg::Unit | Arg::Case(_) => {}
        Arg::Int(word) | Arg::Bool(word) => read(*word as usize),
        Arg::Copy(place) => {
            if let Base::Ref(register) = code.places[*place as usize].base {
                read(words + register as usize);
            }
        }
        Arg::Take(register) => read(words + *register as usize),
        Arg::Product(parts) => parts.iter().for_each(|part| reads_of(code, part, read)),
        Arg::Choice(tag, parts) => {
            read(*tag as usize);
            parts.iter().for_each(|part| reads_of(code, part, read));
        }
        Arg::Sum(_, payload) => reads_of(code, payload, read),
        Arg::Changed(map, key, value) => {
            reads_of(code, map, read);
            reads_of(code, key, read);
            value.iter().for_each(|value| reads_of(code, value, read));
        }
    }
}

/// Turns copies of whole registers into takes where `live`, what is needed after the instruction, has
/// them not, and the instruction reads them once.
fn take(code: &mut Code, at: usize, words: usize, live: &Set, reads: &[usize]) {
    let once = |register: usize| reads.iter().filter(|read| **read == register).count() == 1;
    let dead = |register: usize| !live.has(register) && once(register);
    let Code { places, args, plains, loops, commits, ins, .. } = code;
    let mut arg = |arg: &mut Arg| {
        visit(arg, &mut |part| {
            if let Arg::Copy(place) = part
                && let place = &places[*place as usize]
                && let Base::Ref(register) = place.base
                && place.path.is_empty()
                && dead(words + register as usize)
            {
                *part = Arg::Take(register);
            }
        });
    };
    match ins[at] {
        Ins::Make { arg: index, .. } | Ins::Leave { arg: index } | Ins::Fail { arg: index } => {
            arg(&mut args[index as usize]);
        }
        Ins::Plain { plain } => plains[plain as usize].args.iter_mut().for_each(arg),
        Ins::Loop { body } => arg(&mut loops[body as usize].over),
        Ins::Return { commit } => {
            let commit = &mut commits[commit as usize];
            if let Out::Value(output) = &mut commit.output {
                arg(output);
            }
            commit.stores.iter_mut().flat_map(|store| store.args_mut()).for_each(&mut arg);
        }
        _ => {}
    }
}

/// Calls `f` with an argument and all within it.
fn visit(arg: &mut Arg, f: &mut dyn FnMut(&mut Arg)) {
    f(arg);
    match arg {
        Arg::Product(parts) | Arg::Choice(_, parts) => parts.iter_mut().for_each(|part| visit(part, f)),
        Arg::Sum(_, payload) => visit(payload, f),
        Arg::Changed(map, key, value) => {
            visit(map, f);
            visit(key, f);
            value.iter_mut().for_each(|value| visit(value, f));
        }
        Arg::Unit | Arg::Int(_) | Arg::Bool(_) | Arg::Copy(_) | Arg::Take(_) | Arg::Case(_) => {}
    }
}

/// Gives the commonest accesses their own instructions, which need no values.
fn fields(code: &mut Code) {
    let Code { ins, places, args, memory_max, .. } = code;
    let member_of = |place: PlaceIx| {
        let place = &places[place as usize];
        match (place.base, &*place.path) {
            (Base::Param(param), [member]) => u16::try_from(*member).ok().map(|member| (param, member)),
            _ => None,
        }
    };
    let int = |arg: ArgIx| match args[arg as usize] {
        Arg::Int(word) => Some(word),
        _ => None,
    };
    for ins in ins {
        let better = match *ins {
            Ins::Load { to, from } => match (places[from as usize].base, member_of(from)) {
                (_, Some((param, member))) => Some(Ins::Field { to, param, member }),
                (Base::Param(param), None) if places[from as usize].path.is_empty() => {
                    Some(Ins::Param { to, param })
                }
                _ => None,
            },
            Ins::GetInt { map, key, tag, to: Dest::Word(to) } => {
                member_of(map).map(|(param, member)| Ins::Find { to, tag, key, param, member })
            }
            Ins::Size { to, map } => {
                member_of(map).map(|(param, member)| Ins::SizeField { to, param, member })
            }
            Ins::Grow { size, map, key } => member_of(map)
                .zip(int(key))
                .map(|((param, member), key)| Ins::GrowInt { size, key, param, member }),
            Ins::PayPut { size, key } | Ins::PayDel { size, key } if *memory_max > 0 => {
                int(key).map(|_| Ins::PayInt { size })
            }
            _ => None,
        };
        if let Some(better) = better {
            *ins = better;
        }
    }
}

/// Drops the instructions that are not kept.
fn compact(code: &mut Code, keep: &[bool]) {
    let mut moved: Vec<Pc> = Vec::with_capacity(keep.len() + 1);
    let mut count: Pc = 0;
    for kept in keep {
        moved.push(count);
        count += Pc::from(*kept);
    }
    moved.push(count);
    let mut kept = keep.iter();
    code.ins.retain(|_| *kept.next().expect("one for each instruction"));
    for ins in &mut code.ins {
        match ins {
            Ins::Jump { to }
            | Ins::Unless { to, .. }
            | Ins::UnlessLt { to, .. }
            | Ins::UnlessLe { to, .. }
            | Ins::UnlessEq { to, .. } => *to = moved[*to as usize],
            _ => {}
        }
    }
    code.tables.iter_mut().flatten().for_each(|to| *to = moved[*to as usize]);
    code.loops.iter_mut().for_each(|body| body.next = moved[body.next as usize]);
}
