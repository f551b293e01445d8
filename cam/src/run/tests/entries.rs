//! The entry points.

use super::*;

const LIMITS: Limits = Limits::STEP;

fn input_ty() -> Ty {
    variant_of(&[("Add", Ty::int()), ("Send", Ty::text()), ("Tick", Ty::unit())])
}

/// A counter: config is a limit, the state an Int from `init`. `Add` adds and answers the old
/// count, `Send` emits one of each effect, `Tick` is internal and adds the sequence number.
fn counter() -> VerifiedMachine {
    let mut b = ModuleBuilder::new("counter");
    let (int_ty, text, unit) = (Ty::int(), Ty::text(), Ty::unit());
    let both = pair_of(int_ty.clone(), int_ty.clone());
    let init = b.function("init", std::slice::from_ref(&int_ty), &int_ty, Block(vec![acc(0)]));
    let add = vec![acc(1), Op::Push {}, acc(0), Op::Add {}, Op::Push {}, acc(1), Op::Cons {}];
    let add = b.function("Add", &[int_ty.clone(), int_ty.clone(), int_ty.clone()], &both, Block(add));
    let timer = b.ty(&ty(Kind::Tuple(vec![text.clone(), Ty::duration(), input_ty()])));
    let input = b.ty(&input_ty());
    let delay = b.constant(&Ty::duration(), int(1500));
    let emit = |effect| Op::Emit { effect };
    let send = vec![
        acc(0),
        emit(EffectKind::Log),
        acc(0),
        emit(EffectKind::Cancel),
        acc(0),
        Op::Push {},
        Op::Quote { constant: delay },
        Op::Push {},
        Op::Unit {},
        Op::Inj { ty: input, case: 2 },
        Op::Rec { ty: timer },
        emit(EffectKind::Timer),
        acc(1),
        emit(EffectKind::Send(0)),
        acc(0),
        Op::Push {},
        acc(1),
        Op::Cons {},
        emit(EffectKind::Send(1)),
        acc(0),
        Op::Push {},
        acc(1),
        Op::Cons {},
        emit(EffectKind::Call(1)),
        acc(1),
        emit(EffectKind::Call(0)),
        emit(EffectKind::Stop),
        // The step traps after its effects when the state is zero.
        acc(2),
        Op::Push {},
        acc(1),
        Op::Div {},
        Op::Push {},
        Op::Ctx { field: 0 },
        Op::Cons {},
    ];
    let send = b.function("Send", &[text, int_ty.clone(), int_ty.clone()], &both, Block(send));
    let tick = vec![
        acc(1),
        Op::Push {},
        Op::Ctx { field: 1 },
        Op::Add {},
        Op::Push {},
        Op::Ctx { field: 3 },
        Op::Add {},
        Op::Push {},
        Op::Ctx { field: 2 },
        Op::Len {},
        Op::Add {},
    ];
    let tick = b.function("Tick", &[unit, int_ty.clone(), int_ty.clone()], &int_ty, Block(tick));
    let least = b.constant(&int_ty, int(-10));
    let invariant = vec![Op::Quote { constant: least }, Op::Push {}, acc(0), Op::Le {}];
    let invariant = b.function("invariant", std::slice::from_ref(&int_ty), &Ty::bool(), Block(invariant));
    let channel = |b: &mut ModuleBuilder, name: &str, keyed, answer| Channel {
        name: name.into(),
        target: "app/other".into(),
        keyed,
        message: b.ty(&Ty::int()),
        answer,
    };
    let channels = vec![channel(&mut b, "plain", false, None), channel(&mut b, "keyed", true, None)];
    let number = b.ty(&int_ty);
    let port = |name: &str, keyed| Port { name: name.into(), keyed, message: number, answer: None };
    let ports = vec![port("bare", false), port("named", true)];
    let module = b
        .finish(Entry::Machine(Machine {
            keyed: false,
            config: number,
            state: number,
            input,
            internal: vec![false, false, true],
            output: number,
            init,
            step: vec![add, send, tick],
            invariants: vec![("not below -10".into(), invariant)],
            channels,
            ports,
        }))
        .expect("the test names what the builder gave out");
    verified(module).into_machine().expect("it was built as a machine")
}

fn ctx() -> Ctx {
    Ctx { now_ms: 1_000, seq: 7, self_key: "key".into(), seed: 100 }
}

fn step_counter(input: Value, state: i64, config: i64) -> Result<Outcome, Trap> {
    step(&counter(), &input, &int(state), &ctx(), &int(config), LIMITS)
}

#[test]
fn init_makes_a_state_that_the_invariants_hold_of() {
    assert_eq!(init(&counter(), &int(5), LIMITS), Ok(int(5)));
    assert_eq!(init(&counter(), &int(-11), LIMITS), Err(Trap::Invariant("not below -10".into())));
}

#[test]
fn a_step_leaves_state_and_output() {
    let outcome = step_counter(Value::sum(0, int(3)), 4, 0).expect("the step does not trap");
    assert_eq!(outcome, Outcome { state: int(7), output: Some(int(4)), effects: vec![], fuel: 7 });
}

#[test]
fn an_internal_step_leaves_the_state_alone() {
    let outcome = step_counter(Value::sum(2, Value::Unit), 1, 0).expect("the step does not trap");
    assert_eq!((outcome.state, outcome.output), (int(1 + 7 + 100 + 3), None));
}

#[test]
fn effects_are_data_in_order() {
    let outcome = step_counter(Value::sum(1, Value::text("x")), 3, 12).expect("the step does not trap");
    assert_eq!((outcome.state, outcome.output), (int(4), Some(int(1_000))));
    assert_eq!(
        outcome.effects,
        vec![
            Effect::Log("x".into()),
            Effect::Cancel("x".into()),
            Effect::Timer { name: "x".into(), after_ms: 1500, input: Value::sum(2, Value::Unit) },
            Effect::Send { channel: 0, key: None, message: int(3) },
            Effect::Send { channel: 1, key: Some("x".into()), message: int(3) },
            Effect::Call { port: 1, key: Some("x".into()), message: int(3) },
            Effect::Call { port: 0, key: None, message: int(3) },
            Effect::Stop,
        ]
    );
}

#[test]
fn a_trap_leaves_the_state_and_emits_nothing() {
    let (machine, state) = (counter(), int(0));
    let input = Value::sum(1, Value::text("x"));
    let result = step(&machine, &input, &state, &ctx(), &int(12), LIMITS);
    assert_eq!(result, Err(Trap::DivisionByZero));
    assert_eq!(state, int(0));
}

#[test]
fn a_step_whose_state_breaks_an_invariant_traps() {
    let broken = Err(Trap::Invariant("not below -10".into()));
    assert_eq!(step_counter(Value::sum(0, int(-20)), 4, 0).map(|_| ()), broken);
    assert_eq!(check_invariants(&counter(), &int(-11), LIMITS), broken);
    assert_eq!(check_invariants(&counter(), &int(-10), LIMITS), Ok(()));
}

#[test]
fn a_step_may_use_its_limits_and_no_more() {
    let run = |fuel, memory| {
        let limits = Limits { fuel, memory };
        step(&counter(), &Value::sum(0, int(3)), &int(4), &ctx(), &int(0), limits).map(|_| ())
    };
    // 80 for the pair, 10 for the output.
    assert_eq!(run(7, 90), Ok(()));
    assert_eq!(run(6, 90), Err(Trap::Fuel));
    assert_eq!(run(7, 89), Err(Trap::Memory));
}

/// An edge whose arrows each add their own number.
fn edge() -> VerifiedEdge {
    let mut b = ModuleBuilder::new("edge");
    let mut plus = |number| {
        let number = b.constant(&Ty::int(), int(number));
        let body = vec![acc(0), Op::Push {}, Op::Quote { constant: number }, Op::Add {}];
        b.function("arrow", &[Ty::int()], &Ty::int(), Block(body))
    };
    let edge = Edge {
        from: Digest::of(b"from"),
        to: Digest::of(b"to"),
        up: plus(1),
        down: plus(2),
        lift: plus(3),
        unlift: plus(4),
        lower: plus(5),
        raise: plus(6),
        channels: vec![ChannelEdge { name: "billing".into(), up: plus(7), down: plus(8) }],
        keep: None,
    };
    let module = b.finish(Entry::Edge(edge)).expect("the test names what the builder gave out");
    verified(module).into_edge().expect("it was built as an edge")
}

#[test]
fn each_arrow_of_an_edge_is_its_own() {
    use EdgeArrow::*;
    for (number, which) in (1..).zip([Up, Down, Lift, Unlift, Lower, Raise]) {
        assert_eq!(edge_arrow(&edge(), which, &int(0), LIMITS), Ok(int(number)));
    }
    let channel = |name, direction| edge_channel(&edge(), name, direction, &int(0), LIMITS);
    assert_eq!(channel("billing", Direction::Up), Ok(int(7)));
    assert_eq!(channel("billing", Direction::Down), Ok(int(8)));
    assert_eq!(
        channel("mail", Direction::Up),
        Err(Trap::Fail("the edge has no arrows for the channel `mail`".into()))
    );
}

fn linked(b: ModuleBuilder, message: FuncIx, answer: Option<FuncIx>) -> VerifiedLink {
    let module = b.finish(link(message, answer)).expect("the test names what the builder gave out");
    verified(module).into_link().expect("it was built as a link")
}

#[test]
fn a_link_takes_messages_and_answers() {
    let link = |answered: bool| {
        let mut b = ModuleBuilder::new("link");
        let one = [Ty::int()];
        let negate = b.function("message", &one, &Ty::int(), Block(vec![acc(0), Op::Neg {}]));
        let show = b.function("answer", &one, &Ty::text(), Block(vec![acc(0), Op::Show {}]));
        linked(b, negate, answered.then_some(show))
    };
    assert_eq!(link_message(&link(true), &int(1), LIMITS), Ok(int(-1)));
    assert_eq!(link_answer(&link(true), &int(1), LIMITS), Ok(Value::text("1")));
    assert_eq!(
        link_answer(&link(false), &int(1), LIMITS),
        Err(Trap::Fail("the channel takes no answers".into()))
    );
}

#[test]
fn a_result_that_shares_its_way_to_a_huge_size_is_refused() {
    // A list of a thousand times the same list, four levels: 10^12 items for some thousand fuel.
    let mut levels = vec![list_of(Ty::int())];
    for level in 0..3 {
        levels.push(list_of(levels[level].clone()));
    }
    let mut b = ModuleBuilder::new("bomb");
    let mut quote = |value| Op::Quote { constant: b.constant(&Ty::int(), int(value)) };
    let (zero, thousand) = (quote(0), quote(1_000));
    let mut body = vec![zero, Op::Push {}, thousand, Op::Range {}, Op::Let {}];
    for (level, ty) in levels.iter().enumerate().skip(1) {
        // Binding 1 are the thousand numbers, binding `level` is the list of the level below.
        let below = acc(level as u32);
        let repeat = Block(vec![below]);
        body.extend([acc(1), Op::Map { ty: b.ty(ty), body: repeat }, Op::Let {}]);
    }
    body.push(Op::Unlet { count: 4 });
    let message = b.function("bomb", &[Ty::int()], &levels[3], Block(body));
    let bomb = linked(b, message, None);
    assert_eq!(link_message(&bomb, &int(0), LIMITS), Err(Trap::Memory));
}
