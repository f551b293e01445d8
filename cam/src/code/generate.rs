//! Modules for tests: any that the decoder accepts, sensible or not; and one small machine.

use std::sync::Arc;

use proptest::prelude::*;

use super::op::{Block, Count, EffectKind, Op};
use super::{
    Answer, Channel, ChannelEdge, ConstIx, Edge, Entry, FuncIx, Link, Machine, Module, ModuleBuilder, Port,
    TypeIx,
};
use crate::check::line::Name;
use crate::digest::Digest;
use crate::for_each_op;
use crate::testing::any_typed_value;
use crate::ty::{Case, Kind, Ty, Variant};
use crate::value::Value;

/// Returns a machine that keeps all rules, uses a little of everything and has no names.
pub(crate) fn small_machine() -> Module {
    let case = |(ordinal, label): (u32, &str), payload| Case { label: label.into(), ordinal, payload };
    let input = Variant { cases: vec![case((0, "Go"), Ty::int()), case((3, "End"), Ty::unit())] };
    let input = Ty::new(Kind::Variant(input)).expect("a variant of two cases");
    let answered = Ty::new(Kind::Tuple(vec![Ty::int(), Ty::bool()])).expect("a pair");
    let mut builder = ModuleBuilder::new("");
    let zero = Op::Quote { constant: builder.constant(&Ty::int(), Value::Int(0)) };
    let go = Block(vec![
        Op::Acc { level: 1 },
        Op::Push {},
        Op::Acc { level: 0 },
        Op::Add {},
        Op::Push {},
        zero.clone(),
        Op::Lt {},
        Op::If { yes: Block(vec![zero.clone()]), no: Block(vec![Op::Acc { level: 0 }]) },
        Op::Push {},
        zero.clone(),
        Op::Push {},
        Op::Eq {},
        Op::Cons {},
    ]);
    let end = Block(vec![Op::Emit { effect: EffectKind::Stop }, Op::Acc { level: 1 }]);
    let positive = Block(vec![zero.clone(), Op::Push {}, Op::Acc { level: 0 }, Op::Le {}]);
    let entry = Machine {
        keyed: true,
        config: builder.ty(&Ty::unit()),
        state: builder.ty(&Ty::int()),
        input: builder.ty(&input),
        internal: vec![false, true],
        output: builder.ty(&Ty::bool()),
        init: builder.function("", &[Ty::unit()], &Ty::int(), Block(vec![zero])),
        step: vec![
            builder.function("", &[Ty::int(), Ty::int(), Ty::unit()], &answered, go),
            builder.function("", &[Ty::unit(), Ty::int(), Ty::unit()], &Ty::int(), end),
        ],
        invariants: vec![("no debt".into(), builder.function("", &[Ty::int()], &Ty::bool(), positive))],
        channels: vec![],
        ports: vec![],
    };
    builder.finish(Entry::Machine(entry)).expect("it uses what the builder gave out")
}

/// Any module in canonical form, of any kind. Its code is seldom sensible.
pub(crate) fn any_module() -> BoxedStrategy<Module> {
    let constants = proptest::collection::vec(any_typed_value(), 1..5);
    let names = proptest::collection::vec("[a-z]{0,3}", 6);
    (constants, proptest::collection::vec(any::<u8>(), 0..200), names, 0..3u8)
        .prop_map(|(constants, choices, names, kind)| module(&constants, &choices, &names, kind))
        .boxed()
}

/// Any instruction that may stand in a module with so many types, constants, functions.
pub(crate) fn any_op(choices: &[u8], counts: [u32; 3]) -> Op {
    Chooser { choices: choices.iter(), counts, levels: 2 }.op()
}

fn module(constants: &[(Ty, Value)], choices: &[u8], names: &[String], kind: u8) -> Module {
    let mut builder = ModuleBuilder::new(&names[0]);
    let mut chooser = Chooser { choices: choices.iter(), counts: [0, 0, 1], levels: 6 };
    for (ty, value) in constants {
        builder.constant(ty, value.clone());
        chooser.counts[0] = builder.ty(ty).0 + 1;
        chooser.counts[1] += 1;
    }
    for (name, (ty, _)) in names.iter().zip(constants) {
        builder.declare(name.as_str(), ty);
    }
    // Names of earlier releases, in one module out of two.
    let retired = names.iter().zip(constants).zip(0..).filter(|_| kind.is_multiple_of(2));
    for ((label, (ty, _)), ordinal) in retired {
        let place = (names[0].as_str().into(), ".part".into());
        builder.retire(&(
            Name { place, case: ordinal % 2 == 0, label: label.as_str().into(), ordinal },
            ty.clone(),
        ));
    }
    // Doubled constants count once.
    let known: std::collections::HashSet<&(Ty, Value)> = constants.iter().collect();
    chooser.counts[1] = u32::try_from(known.len()).expect("a handful");
    for (index, name) in (0..).zip(names) {
        chooser.counts[2] = index.max(1);
        let block = chooser.block();
        let (ty, _) = &constants[index as usize % constants.len()];
        builder.function(name, std::slice::from_ref(ty), ty, block);
    }
    let digest = Digest::of(names[1].as_bytes());
    let name: Arc<str> = names[1].as_str().into();
    let [ty, other] = [constants[0].0.clone(), constants[constants.len() - 1].0.clone()];
    let [ty, other] = [builder.ty(&ty), builder.ty(&other)];
    let f = FuncIx;
    let entry = match kind {
        0 => Entry::Machine(Machine {
            keyed: choices.len().is_multiple_of(2),
            config: ty,
            state: other,
            input: ty,
            internal: vec![true, false],
            output: other,
            init: f(5),
            step: vec![f(3), f(0)],
            invariants: vec![(name.clone(), f(4))],
            channels: vec![Channel {
                name: name.clone(),
                target: name,
                keyed: false,
                message: ty,
                answer: Some(Answer { case: 7, ty: other }),
            }],
            ports: match choices.len() % 3 {
                0 => vec![],
                more => {
                    let answer = (more == 1).then_some(Answer { case: 0, ty: other });
                    vec![Port { name: names[2].as_str().into(), keyed: more == 2, message: ty, answer }]
                }
            },
        }),
        1 => Entry::Edge(Edge {
            from: digest,
            to: Digest::of(b"to"),
            up: f(0),
            down: f(1),
            lift: f(2),
            unlift: f(3),
            lower: f(4),
            raise: f(5),
            channels: vec![ChannelEdge { name, up: f(1), down: f(2) }],
            keep: choices.len().is_multiple_of(3).then_some(f(4)),
        }),
        _ => Entry::Link(Link {
            sender: digest,
            channel: name,
            receiver: Digest::of(b"receiver"),
            message: f(5),
            answer: choices.len().is_multiple_of(3).then_some(f(2)),
        }),
    };
    builder.finish(entry).expect("all indices are below the counts")
}

/// Makes code of a row of bytes; when they run out, of zeros.
struct Chooser<'a> {
    choices: std::slice::Iter<'a, u8>,
    /// How many types, constants and functions there are; at least one each.
    counts: [u32; 3],
    /// How deep blocks may nest.
    levels: u32,
}

impl Chooser<'_> {
    fn choose(&mut self, below: u32) -> u32 {
        u32::from(self.choices.next().copied().unwrap_or(0)) % below.max(1)
    }

    fn block(&mut self) -> Block {
        let Some(levels) = self.levels.checked_sub(1) else { return Block::default() };
        self.levels = levels;
        let count = self.choose(8);
        let ops = (0..count).map(|_| self.op()).collect();
        self.levels += 1;
        Block(ops)
    }
}

trait Choose {
    fn choose(chooser: &mut Chooser<'_>) -> Self;
}

macro_rules! choose {
    ($($ty:ty: $chooser:ident => $made:expr;)*) => {
        $(impl Choose for $ty {
            fn choose($chooser: &mut Chooser<'_>) -> Self { $made }
        })*
    };
}

choose! {
    Count: chooser => chooser.choose(4);
    TypeIx: chooser => TypeIx(chooser.choose(chooser.counts[0]));
    ConstIx: chooser => ConstIx(chooser.choose(chooser.counts[1]));
    FuncIx: chooser => FuncIx(chooser.choose(chooser.counts[2]));
    Block: chooser => chooser.block();
    Vec<Block>: chooser => (0..chooser.choose(4)).map(|_| chooser.block()).collect();
    EffectKind: chooser => match chooser.choose(6) {
        0 => EffectKind::Stop,
        1 => EffectKind::Log,
        2 => EffectKind::Cancel,
        3 => EffectKind::Timer,
        4 => EffectKind::Send(chooser.choose(3)),
        _ => EffectKind::Call(chooser.choose(3)),
    };
}

macro_rules! define_chooser {
    ($($name:ident = $code:literal, $fuel:literal, ($($operand:ident: $ty:ty),*), $rule:literal, $doc:literal;)*) => {
        impl Chooser<'_> {
            fn op(&mut self) -> Op {
                let makers: &[fn(&mut Chooser<'_>) -> Op] =
                    &[$(|_chooser| Op::$name { $($operand: <$ty as Choose>::choose(_chooser)),* }),*];
                let index = self.choose(u32::try_from(makers.len()).expect("an opcode is a byte"));
                makers[index as usize](self)
            }
        }
    };
}

for_each_op!(define_chooser);
