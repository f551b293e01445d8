//! The two founding programs, from source through the verifier to T0: steps, edges, links.

use std::path::Path;

use camshaft_cam::code::Module;
use camshaft_cam::compile;
use camshaft_cam::derive;
use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::facts::Answers;
use camshaft_cam::run::{self, Ctx, EdgeArrow, Limits, Trap};
use camshaft_cam::value::Value;
use camshaft_cam::verify::{Verified, VerifiedEdge, VerifiedLink, VerifiedMachine, verify};

fn source(path: &str) -> Source {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(path);
    Source::new(path, std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}")))
}

fn lines(errors: &[Diagnostic]) -> String {
    errors.iter().map(|error| format!("{} {}\n", error.code, error.one_line())).collect()
}

fn machine(path: &str, predecessor: Option<&VerifiedMachine>) -> VerifiedMachine {
    let module = compile::machine(&source(path), predecessor.map(VerifiedMachine::module));
    match verified(module.unwrap_or_else(|errors| panic!("{}", lines(&errors)))) {
        Verified::Machine(machine) => machine,
        other => panic!("{path} is no machine: {other:?}"),
    }
}

fn verified(module: Module) -> Verified {
    verify(module).unwrap_or_else(|error| panic!("{error}"))
}

fn edge(from: &VerifiedMachine, to: &VerifiedMachine, migration: Option<&str>) -> VerifiedEdge {
    let migration = migration.map(source);
    let module = compile::edge(from, to, migration.as_ref());
    match verified(module.unwrap_or_else(|errors| panic!("{}", lines(&errors)))) {
        Verified::Edge(edge) => {
            edge.check_ends(from, to).expect("the edge was made for these two machines");
            edge
        }
        other => panic!("no edge: {other:?}"),
    }
}

fn link(sender: &VerifiedMachine, channel: &str, receiver: &VerifiedMachine) -> VerifiedLink {
    let module = derive::link(sender, channel, receiver).unwrap_or_else(|faults| panic!("{faults:?}"));
    match verified(module) {
        Verified::Link(link) => {
            link.check_ends(sender, receiver).expect("the link was made for these two machines");
            link
        }
        other => panic!("no link: {other:?}"),
    }
}

/// An instance in a test's hand.
struct Instance<'m> {
    machine: &'m VerifiedMachine,
    state: Value,
    seq: i64,
}

impl<'m> Instance<'m> {
    fn new(machine: &'m VerifiedMachine) -> Instance<'m> {
        let state = run::init(machine, &Value::Unit, Limits::STEP).expect("the example begins");
        Instance { machine, state, seq: 0 }
    }

    fn send(&mut self, input: &str) -> String {
        self.seq += 1;
        let input = Value::from_json(input, self.machine.input()).expect("an input of the machine");
        let ctx = Ctx { now_ms: 0, seq: self.seq, self_key: "".into(), seed: 0 };
        let done = run::step(self.machine, &input, &self.state, &ctx, &Value::Unit, Limits::STEP);
        let done = done.expect("the example goes on");
        self.state = done.state;
        done.output.map(|output| output.to_json(self.machine.output())).unwrap_or_default()
    }

    fn state(&self) -> String {
        self.state.to_json(self.machine.state())
    }
}

const COUNTER: &str = "apps/counter/machines/counter.cam";

fn counters() -> [VerifiedMachine; 3] {
    let one = machine(&format!("counter/v1/{COUNTER}"), None);
    let two = machine(&format!("counter/v2/{COUNTER}"), Some(&one));
    let three = machine(&format!("counter/v3/{COUNTER}"), Some(&two));
    [one, two, three]
}

#[test]
fn the_counter_counts_and_is_carried_over_and_back() {
    let [one, two, three] = counters();
    let mut counter = Instance::new(&one);
    for _ in 0..3 {
        assert_eq!(counter.send("\"Incr\""), "\"Ok\"");
    }
    assert_eq!(counter.send("\"Read\""), "{\"Count\":3}");

    let forth = edge(&one, &two, Some("counter/v2/apps/counter/migrations/counter-2.0.0-from-1.0.0.cam"));
    let state = run::edge_arrow(&forth, EdgeArrow::Up, &counter.state, Limits::MIGRATION).expect("goes up");
    let mut second = Instance { machine: &two, state, seq: counter.seq };
    assert_eq!(second.state(), "[3,3]");
    second.send("\"Incr\"");
    assert_eq!(second.state(), "[3,4]", "the old counter is kept, the new one counts");
    let back = run::edge_arrow(&forth, EdgeArrow::Down, &second.state, Limits::MIGRATION).expect("goes down");
    assert_eq!(back, Value::Int(4), "the way back keeps what was counted since");

    let forth = edge(&two, &three, Some("counter/v3/apps/counter/migrations/counter-3.0.0-from-2.0.0.cam"));
    let state = run::edge_arrow(&forth, EdgeArrow::Up, &second.state, Limits::MIGRATION).expect("goes up");
    let mut third = Instance { machine: &three, state, seq: second.seq };
    third.send("\"Toggle\"");
    third.send("\"Incr\"");
    assert_eq!(third.send("\"Read\""), "{\"Count\":3}", "it counts down now");
    third.send("\"Reset\"");
    assert_eq!(third.state(), r#"{"kept":3,"count":0,"falling":false}"#);
}

#[test]
fn the_same_source_gives_the_same_machine_and_names_do_not_matter() {
    let [one, ..] = counters();
    assert_eq!(one.digest(), counters()[0].digest());
    let text = source(&format!("counter/v1/{COUNTER}")).text.replace("machine counter", "machine other");
    let renamed = compile::machine(&Source::new("other.cam", text), None).expect("still a machine");
    assert_eq!(verified_digest(renamed), one.digest());
    let base = machine(&format!("counter/wrong-base/base/{COUNTER}"), None);
    assert_ne!(base.digest(), one.digest(), "another machine with the same version number");
}

fn verified_digest(module: Module) -> camshaft_cam::digest::Digest {
    match verified(module) {
        Verified::Machine(machine) => machine.digest(),
        other => panic!("no machine: {other:?}"),
    }
}

#[test]
fn a_bad_migration_traps_for_the_state_it_does_not_think_of() {
    let [one, ..] = counters();
    let bad = machine(&format!("counter/bad-migration/{COUNTER}"), Some(&one));
    let edge =
        edge(&one, &bad, Some("counter/bad-migration/apps/counter/migrations/counter-2.0.1-from-1.0.0.cam"));
    let up = |count| run::edge_arrow(&edge, EdgeArrow::Up, &Value::Int(count), Limits::MIGRATION);
    assert!(up(2).is_ok());
    assert_eq!(up(3), Err(Trap::Fail("three is not thought of".into())));
    assert_eq!(
        edge.reason_not_certified(&one, &bad).as_deref(),
        Some("the migration may trap: `fail` or a guard")
    );
}

#[test]
fn a_bad_invariant_refuses_the_migrated_state() {
    let [one, ..] = counters();
    let bad = machine(&format!("counter/bad-invariant/{COUNTER}"), Some(&one));
    let edge =
        edge(&one, &bad, Some("counter/bad-invariant/apps/counter/migrations/counter-2.0.2-from-1.0.0.cam"));
    let state = run::edge_arrow(&edge, EdgeArrow::Up, &Value::Int(5), Limits::MIGRATION).expect("goes up");
    let refused = run::check_invariants(&bad, &state, Limits::MIGRATION);
    assert!(matches!(refused, Err(Trap::Invariant(_))), "{refused:?}");
}

#[test]
fn an_upgrade_that_cannot_fail_is_certified_and_any_other_says_why() {
    let [one, two, three] = counters();
    let first = edge(&one, &two, Some("counter/v2/apps/counter/migrations/counter-2.0.0-from-1.0.0.cam"));
    assert_eq!(first.reason_not_certified(&one, &two), None);
    let second = edge(&two, &three, Some("counter/v3/apps/counter/migrations/counter-3.0.0-from-2.0.0.cam"));
    assert_eq!(second.reason_not_certified(&two, &three), None);
    assert!(first.check_ends(&two, &three).is_err(), "an edge fits its own ends only");
}

#[test]
fn ping_and_pong_speak_through_a_link_in_every_version() {
    let mut client: Option<VerifiedMachine> = None;
    let mut server: Option<VerifiedMachine> = None;
    for version in ["v1", "v2", "v3"] {
        let next_client =
            machine(&format!("pingpong/{version}/apps/ping/machines/client.cam"), client.as_ref());
        let next_server =
            machine(&format!("pingpong/{version}/apps/pong/machines/server.cam"), server.as_ref());
        let link = link(&next_client, "server", &next_server);
        let channel = &next_client.channels()[0];
        let message = next_client.module().ty(channel.message);
        let ping = Value::from_json(r#"{"Ping":{"number":7}}"#, message).expect("a message");
        let input = run::link_message(&link, &ping, Limits::STEP).expect("the receiver takes it");
        let input = input.to_json(next_server.input());
        assert!(input.starts_with(r#"{"Ping":{"number":7"#), "{input}");
        let output =
            Value::from_json(r#"{"Pong":{"number":7,"seen":8}}"#, next_server.output()).expect("an output");
        let answer = run::link_answer(&link, &output, Limits::STEP).expect("the sender takes it");
        let answer_ty = next_client.module().ty(channel.answer.expect("it waits for answers").ty);
        assert_eq!(answer.to_json(answer_ty), r#"{"Pong":{"number":7,"seen":8}}"#);
        (client, server) = (Some(next_client), Some(next_server));
    }
}

#[test]
fn only_the_outputs_that_a_message_can_lead_to_have_to_fit() {
    let server = machine("pingpong/v3/apps/pong/machines/server.cam", None);
    let cases = &server.output().as_variant().expect("a variant").cases;
    let inputs = server.input().as_variant().expect("a variant");
    let reached = |label: &str| {
        let index = inputs.index(label).expect("a case");
        let Answers::Cases(reached) = &server.reach(index).answers else { panic!("the output is a variant") };
        reached.iter().map(|case| cases[*case as usize].label.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(reached("Ping"), ["Pong"]);
    assert_eq!(reached("Stats"), ["Stats"]);
}
