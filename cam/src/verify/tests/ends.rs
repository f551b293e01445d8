//! Edges and links against the machines at their ends, and certificates.

use super::*;
use crate::code::ChannelEdge;

/// A machine with this state, Bool as output, `On(Int)` as input, a channel `c` with answers, and
/// an invariant for each text.
fn machine_of(state: &Ty, invariants: &[&str]) -> VerifiedMachine {
    machine_with(state, invariants, |_| vec![])
}

/// The same with ports.
fn machine_with(
    state: &Ty,
    invariants: &[&str],
    ports: impl FnOnce(&mut ModuleBuilder) -> Vec<Port>,
) -> VerifiedMachine {
    let mut builder = ModuleBuilder::new("test");
    let config = Ty::unit();
    let input = variant(&[("On", Ty::int()), ("Back", back())]);
    let failing = Block(fail(&mut builder));
    let answered = pair(state.clone(), Ty::bool());
    let always = block(&[yes(&mut builder)]);
    let invariant = builder.function("holds", std::slice::from_ref(state), &Ty::bool(), always);
    let entry = Machine {
        keyed: true,
        config: builder.ty(&config),
        state: builder.ty(state),
        input: builder.ty(&input),
        internal: vec![false, true],
        output: builder.ty(&Ty::bool()),
        init: builder.function("init", std::slice::from_ref(&config), state, failing.clone()),
        step: vec![
            builder.function("on", &[Ty::int(), state.clone(), config.clone()], &answered, failing),
            builder.function("back", &[back(), state.clone(), config], state, block(&[Op::Acc { level: 1 }])),
        ],
        invariants: invariants.iter().map(|text| ((*text).into(), invariant)).collect(),
        channels: vec![channel(&mut builder, "c", Some(1))],
        ports: ports(&mut builder),
    };
    let module = builder.finish(Entry::Machine(entry)).expect("the test uses what the builder gave out");
    verify(module)
        .unwrap_or_else(|error| panic!("{error}"))
        .into_machine()
        .expect("it was built as a machine")
}

fn input_of(machine: &VerifiedMachine) -> Ty {
    machine.input().clone()
}

/// The edge between two machines of equal inputs and outputs; `up` is this body.
fn edge_between(
    from: &VerifiedMachine,
    to: &VerifiedMachine,
    up: impl FnOnce(&mut ModuleBuilder) -> Vec<Op>,
    change: impl FnOnce(&mut Edge, &mut ModuleBuilder),
) -> VerifiedEdge {
    let mut builder = ModuleBuilder::new("test");
    let (old, new) = (from.state().clone(), to.state().clone());
    let (up, down) = (Block(up(&mut builder)), Block(fail(&mut builder)));
    let up = builder.function("up", std::slice::from_ref(&old), &new, up);
    let down = builder.function("down", &[new], &old, down);
    let mut same = |ty: &Ty| builder.function("same", std::slice::from_ref(ty), ty, block(&[acc()]));
    let (inputs, outputs, messages) = (same(from.input()), same(from.output()), same(&Ty::bool()));
    let mut edge = Edge {
        from: from.digest(),
        to: to.digest(),
        up,
        down,
        lift: inputs,
        unlift: inputs,
        lower: outputs,
        raise: outputs,
        channels: vec![ChannelEdge { name: "c".into(), up: messages, down: messages }],
        keep: None,
    };
    change(&mut edge, &mut builder);
    let module = builder.finish(Entry::Edge(edge)).expect("the test uses what the builder gave out");
    verify(module).unwrap_or_else(|error| panic!("{error}")).into_edge().expect("it was built as an edge")
}

fn keep(_: &mut ModuleBuilder) -> Vec<Op> {
    vec![acc()]
}

#[test]
fn an_edge_belongs_to_its_two_machines_alone() {
    let (old, new) = (machine_of(&Ty::int(), &[]), machine_of(&Ty::int(), &["new"]));
    let edge = edge_between(&old, &new, keep, |_, _| ());
    assert_eq!(edge.check_ends(&old, &new), Ok(()));
    assert_eq!(
        edge.check_ends(&new, &new),
        Err(EdgeEndsError::From { expected: old.digest(), found: new.digest() })
    );
    assert_eq!(
        edge.check_ends(&old, &old),
        Err(EdgeEndsError::To { expected: new.digest(), found: old.digest() })
    );
}

#[test]
fn the_right_digests_do_not_excuse_the_wrong_types() {
    let (old, new) = (machine_of(&Ty::int(), &[]), machine_of(&Ty::bool(), &[]));
    let wrong = edge_between(&old, &new, fail, |edge, builder| {
        edge.up = builder.function("up", &[Ty::int()], &Ty::int(), block(&[acc()]));
        edge.down = edge.up;
    });
    assert_eq!(
        wrong.check_ends(&old, &new),
        Err(EdgeEndsError::Arrow {
            arrow: "up".into(),
            from: "Int".into(),
            to: "Int".into(),
            expected_from: "Int".into(),
            expected_to: "Bool".into(),
        })
    );
    let wrong = edge_between(&old, &new, fail, |edge, _| {
        (edge.raise, edge.lower) = (edge.lift, edge.lift);
    });
    let error = wrong.check_ends(&old, &new);
    assert!(matches!(error, Err(EdgeEndsError::Arrow { arrow, .. }) if arrow == "raise"));
}

#[test]
fn the_channels_of_an_edge_are_those_of_the_machines() {
    let (old, new) = (machine_of(&Ty::int(), &[]), machine_of(&Ty::int(), &["new"]));
    let missing = edge_between(&old, &new, keep, |edge, _| edge.channels.clear());
    assert_eq!(missing.check_ends(&old, &new), Err(EdgeEndsError::MissingChannel { name: "c".into() }));
    let unknown = edge_between(&old, &new, keep, |edge, _| edge.channels[0].name = "d".into());
    assert_eq!(
        unknown.check_ends(&old, &new),
        Err(EdgeEndsError::UnknownChannel { name: "d".into(), side: ChannelSide::Old })
    );
    let mistyped = edge_between(&old, &new, keep, |edge, _| {
        (edge.channels[0].up, edge.channels[0].down) = (edge.up, edge.up);
    });
    let error = mistyped.check_ends(&old, &new);
    assert!(matches!(error, Err(EdgeEndsError::Arrow { arrow, .. }) if arrow == "`c` up"));
}

#[test]
fn an_edge_moves_the_calls_of_the_ports_that_both_machines_have() {
    let with_port = |invariants: &[&str], name: &'static str| {
        machine_with(&Ty::int(), invariants, |builder| vec![port(builder, name, None)])
    };
    let (old, new) = (with_port(&[], "p"), with_port(&["new"], "p"));
    let missing = edge_between(&old, &new, keep, |_, _| ());
    assert_eq!(missing.check_ends(&old, &new), Err(EdgeEndsError::MissingPort { name: "p".into() }));
    let and_port = |edge: &mut Edge, _: &mut ModuleBuilder| {
        let arrows = &edge.channels[0];
        let port = ChannelEdge { name: "p".into(), up: arrows.up, down: arrows.down };
        edge.channels.push(port);
    };
    let whole = edge_between(&old, &new, keep, and_port);
    assert_eq!(whole.check_ends(&old, &new), Ok(()));

    let renamed = with_port(&["new"], "q");
    let dropped = edge_between(&old, &renamed, keep, |_, _| ());
    assert_eq!(dropped.check_ends(&old, &renamed), Ok(()), "a port that is gone leaves nothing to move");
    let unknown = |side| Err(EdgeEndsError::UnknownChannel { name: "p".into(), side });
    let kept = edge_between(&old, &renamed, keep, and_port);
    assert_eq!(kept.check_ends(&old, &renamed), unknown(ChannelSide::New));
    let channel_instead = machine_with(&Ty::int(), &["c is a port"], |_| vec![]);
    let was_channel = edge_between(&channel_instead, &new, keep, and_port);
    assert_eq!(was_channel.check_ends(&channel_instead, &new), unknown(ChannelSide::Old));
}

#[test]
fn an_edge_is_certified_when_nothing_can_go_wrong() {
    let (old, new) = (machine_of(&Ty::int(), &["a"]), machine_of(&Ty::int(), &["a"]));
    let reason = |from: &VerifiedMachine, to: &VerifiedMachine, up: fn(&mut ModuleBuilder) -> Vec<Op>| {
        edge_between(from, to, up, |_, _| ()).reason_not_certified(from, to)
    };
    assert_eq!(reason(&old, &new, keep), None);
    assert_eq!(reason(&old, &new, fail).as_deref(), Some("the migration may trap: `fail` or a guard"));
    let negate = |_: &mut ModuleBuilder| vec![acc(), Op::Neg {}];
    assert_eq!(reason(&old, &new, negate).as_deref(), Some("the migration may trap: integer overflow"));
    let plain = machine_of(&Ty::int(), &[]);
    assert_eq!(reason(&plain, &new, keep).as_deref(), Some("the new machine adds the invariant \"a\""));
    // The same invariant, of another state.
    let zero = |builder: &mut ModuleBuilder| {
        vec![Op::Quote { constant: builder.constant(&Ty::int(), Value::Int(0)) }]
    };
    assert_eq!(reason(&old, &new, zero).as_deref(), Some("the migrated state may break the invariant \"a\""));
    assert_eq!(reason(&new, &plain, zero), None);
}

#[test]
fn a_way_down_cannot_fail_when_nothing_in_it_traps_and_no_invariant_is_at_stake() {
    let (old, new) = (machine_of(&Ty::int(), &["a"]), machine_of(&Ty::int(), &["a"]));
    let reason = |from: &VerifiedMachine, to: &VerifiedMachine, down: fn(&mut ModuleBuilder) -> Vec<Op>| {
        let change = |edge: &mut Edge, builder: &mut ModuleBuilder| {
            let body = Block(down(builder));
            edge.down = builder.function("back", &[Ty::int()], &Ty::int(), body);
        };
        edge_between(from, to, keep, change).reason_down_may_fail(from, to)
    };
    assert_eq!(reason(&old, &new, keep), None);
    assert_eq!(reason(&old, &new, fail).as_deref(), Some("the way back may trap: `fail` or a guard"));
    let negate = |_: &mut ModuleBuilder| vec![acc(), Op::Neg {}];
    assert_eq!(reason(&old, &new, negate).as_deref(), Some("the way back may trap: integer overflow"));
    // The newer machine no longer keeps the older one's invariant.
    let plain = machine_of(&Ty::int(), &[]);
    let breaks = Some("the state that goes back may break the invariant \"a\"");
    assert_eq!(reason(&old, &plain, keep).as_deref(), breaks);
    // The same invariant, of another state.
    let zero = |builder: &mut ModuleBuilder| {
        vec![Op::Quote { constant: builder.constant(&Ty::int(), Value::Int(0)) }]
    };
    assert_eq!(reason(&old, &new, zero).as_deref(), breaks);
    assert_eq!(reason(&plain, &new, zero), None);
}

#[test]
fn a_link_belongs_to_its_two_machines_alone() {
    let (sender, receiver) = (machine_of(&Ty::int(), &[]), machine_of(&Ty::bool(), &[]));
    let make = |change: fn(&mut Link)| {
        let mut builder = ModuleBuilder::new("test");
        let failing = Block(fail(&mut builder));
        let message = builder.function("message", &[Ty::bool()], &input_of(&receiver), failing);
        let answer = builder.function("answer", &[Ty::bool()], &Ty::bool(), block(&[acc()]));
        let mut link = Link {
            sender: sender.digest(),
            channel: "c".into(),
            receiver: receiver.digest(),
            message,
            answer: Some(answer),
        };
        change(&mut link);
        let module = builder.finish(Entry::Link(link)).expect("the test uses what the builder gave out");
        verify(module).unwrap_or_else(|error| panic!("{error}")).into_link().expect("it was built as a link")
    };
    assert_eq!(make(|_| ()).check_ends(&sender, &receiver), Ok(()));
    assert_eq!(
        make(|_| ()).check_ends(&receiver, &receiver),
        Err(LinkEndsError::Sender { expected: sender.digest(), found: receiver.digest() })
    );
    assert_eq!(
        make(|_| ()).check_ends(&sender, &sender),
        Err(LinkEndsError::Receiver { expected: receiver.digest(), found: sender.digest() })
    );
    assert_eq!(
        make(|link| link.channel = "d".into()).check_ends(&sender, &receiver),
        Err(LinkEndsError::Channel { name: "d".into() })
    );
    assert_eq!(
        make(|link| link.answer = None).check_ends(&sender, &receiver),
        Err(LinkEndsError::Answer { name: "c".into() })
    );
    let mut unkeyed = receiver.module().clone();
    let Entry::Machine(machine) = &mut unkeyed.entry else { unreachable!("it was built as a machine") };
    machine.keyed = false;
    let unkeyed = verify(unkeyed).expect("nothing else changed").into_machine().expect("it is a machine");
    let mut to_unkeyed = make(|_| ()).module().clone();
    let Entry::Link(link) = &mut to_unkeyed.entry else { unreachable!("it was built as a link") };
    link.receiver = unkeyed.digest();
    let to_unkeyed = verify(to_unkeyed).expect("nothing else changed").into_link().expect("it is a link");
    assert_eq!(to_unkeyed.check_ends(&sender, &unkeyed), Err(LinkEndsError::Keyed { name: "c".into() }));
    let crossed = make(|link| link.message = link.answer.expect("it has one"));
    let error = crossed.check_ends(&sender, &receiver);
    assert!(matches!(error, Err(LinkEndsError::Arrow { arrow: "message", .. })));
}
