//! Messages between machines, timers, keys; and what a switch does with those that wait.

mod common;

use camshaft_agent::api::InstanceState;
use camshaft_agent::node::Holding;
use camshaft_store::{Aside, Chunk, Class, Journal as _, MemoryJournal, Record, Redrive, Source, Stamp};
use common::{Made, TestNode, World, make, refusal};

const CLIENT: &str = "machine client
type Message = Ping { number: Int }
type Answer = Pong { number: Int, seen: Int }
type State = { goal: Int = 0, sent: Int = 0, good: Int = 0, bad: Int = 0, none: Int = 0 }
type Input = Start { count: Int } | Report | internal Answered { answer: Option(Answer) }
type Output = Ok | Counts { sent: Int, good: Int, bad: Int, none: Int }
channel server = pong/server(Message) -> Answered
init = { goal: 0 }
on Start { count } {
  send server Ping { number: state.sent }
  ({ ..state, goal: state.goal + count, sent: state.sent + 1 }, Ok)
}
on Report => (state, Counts { sent: state.sent, good: state.good, bad: state.bad, none: state.none })
on Answered { answer } {
  let s = match answer {
    Some(Pong { number, seen }) =>
      if number == state.good + state.bad + state.none && seen == number + 1 { { ..state, good: state.good + 1 } }
      else { { ..state, bad: state.bad + 1 } }
    None => { ..state, none: state.none + 1 }
  }
  if s.sent < s.goal {
    send server Ping { number: s.sent }
    { ..s, sent: s.sent + 1 }
  } else { s }
}
";

const SERVER_1: &str = "machine server
type Input = Ping { number: Int } | Crash
type Output = Pong { number: Int, seen: Int }
type State = Int
init = 0
on Ping { number } => (state + 1, Pong { number, seen: state + 1 })
on Crash => fail \"told to\"
";

const SERVER_2: &str = "machine server
type Input = Ping { number: Int, tag: Int = 0 } | Crash
type Output = Pong { number: Int, seen: Int }
type State = { seen: Int }
init = { seen: 0 }
on Ping { number, tag } => ({ seen: state.seen + 1 + tag }, Pong { number, seen: state.seen + 1 })
on Crash => fail \"told to\"
";

const SERVER_UP: &str = "migration server from \"1.0.0\"
up (old) = { seen: old }
down (new) = new.seen
unlift Ping { number, .. } => Ping { number }
";

fn pingpong() -> World {
    let one = make("1.0.0", &[("ping/client", CLIENT), ("pong/server", SERVER_1)], None, &[]);
    let machines = [("ping/client", CLIENT), ("pong/server", SERVER_2)];
    let two = make("2.0.0", &machines, Some(&one), &[("pong/server", SERVER_UP)]);
    World::of([one, two])
}

#[test]
fn every_ping_gets_one_pong_over_many_switches_and_crashes() {
    let journal = MemoryJournal::default();
    let world = pingpong();
    let mut node = world.open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    node.post("ping/client", "{\"Start\":{\"count\":20000}}", None);
    for round in 0..16 {
        // A group's worth: messages are always in flight.
        node.node.run(0).expect("run");
        assert!(node.node.has_work(), "the pings last");
        if round % 2 == 0 {
            node.upgrade("2.0.0").expect("upgrade");
        } else {
            node.rollback(Holding::Refuse).expect("rollback");
        }
        match round % 5 {
            0 => node.node.save_snapshot().expect("snapshot"),
            1 => {}
            _ => continue,
        }
        drop(node);
        node = world.open(journal.clone(), 0).expect("open");
    }
    node.settle();
    let counts = "{\"Counts\":{\"sent\":20000,\"good\":20000,\"bad\":0,\"none\":0}}";
    assert_eq!(node.send("ping/client", "\"Report\""), counts);
}

const FAN: &str = "machine fan
type Message = Tell { text: Text }
type Reply = Heard(Int)
type State = { heard: Int = 0, lost: Int = 0, from: Text = \"\" }
type Input = Say { to: Text, text: Text } | Read | internal Back { from: Text, answer: Option(Reply) }
type Output = Ok | State(State)
channel ears = e/ear(Message) -> Back
init = { heard: 0 }
on Say { to, text } {
  send ears[to] Tell { text }
  (state, Ok)
}
on Read => (state, State(state))
on Back { from, answer } => match answer {
  Some(_) => { ..state, heard: state.heard + 1, from: from }
  None => { ..state, lost: state.lost + 1, from: from }
}
";

const EAR: &str = "machine ear keyed Text
type Input = Tell { text: Text } | Read
type Output = Heard(Int) | All(Text)
type State = { all: Text = \"\" }
init = { all: \"\" }
on Tell { text } => if text == \"bad\" { fail \"bad\" } else { ({ all: state.all ++ text }, Heard(1)) }
on Read => (state, All(state.all))
";

fn fan() -> Made {
    make("1.0.0", &[("a/fan", FAN), ("e/ear", EAR)], None, &[])
}

#[test]
fn an_instance_is_born_at_its_first_input_and_answers_its_sender() {
    let world = World::of([fan()]);
    let journal = MemoryJournal::default();
    let mut node = world.open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    assert_eq!(node.send("e/ear/nobody", "\"Read\""), "{\"All\":\"\"}");
    assert_eq!(node.status().counts.instances, 1, "asking makes no instance");
    assert_eq!(
        node.send("e/ear", "\"Read\""),
        "refused: e/ear has an instance for each key, and the address has no key"
    );
    for text in ["a", "b", "bad", "c"] {
        node.send("a/fan", &format!("{{\"Say\":{{\"to\":\"x/y\",\"text\":\"{text}\"}}}}"));
    }
    assert_eq!(node.send("e/ear/x/y", "\"Read\""), "{\"All\":\"abc\"}");
    let state = "{\"State\":{\"heard\":3,\"lost\":1,\"from\":\"x/y\"}}";
    assert_eq!(node.send("a/fan", "\"Read\""), state);
    assert_eq!(
        node.send("a/fan", "{\"Say\":{\"to\":\"\",\"text\":\"x\"}}"),
        "trap key: the key of a send on `ears`: a key is not empty"
    );
    drop(node);
    let mut node = world.open(journal, 0).expect("open");
    assert_eq!(node.send("a/fan", "\"Read\""), state);
    assert_eq!(node.send("e/ear/x/y", "\"Read\""), "{\"All\":\"abc\"}");
}

const CLOCK: &str = "machine clock keyed Text
type Input = Set { name: Text, after: Duration } | Stop { name: Text } | Read | Now | internal Rang { name: Text }
type Output = Ok | Log(Text) | At(Int)
type State = { log: Text = \"\" }
init = { log: \"\" }
on Set { name, after } {
  timer name after after => Rang { name }
  (state, Ok)
}
on Stop { name } { cancel name; (state, Ok) }
on Read => (state, Log(state.log))
on Now => (state, At(ctx.now))
on Rang { name } => { log: state.log ++ name }
";

#[test]
fn timers_fire_in_order_once_and_after_a_crash() {
    let world = World::of([make("1.0.0", &[("c/clock", CLOCK)], None, &[])]);
    let journal = MemoryJournal::default();
    let mut node = world.open(journal.clone(), 1_000).expect("open");
    node.install("1.0.0").expect("install");
    let set = |name: &str, after: i64| format!("{{\"Set\":{{\"name\":\"{name}\",\"after\":{after}}}}}");
    for (name, after) in [("b", 20), ("a", 10), ("c", 30), ("a", 25), ("d", 5)] {
        node.send("c/clock/k", &set(name, after));
    }
    node.send("c/clock/k", "{\"Stop\":{\"name\":\"d\"}}");
    node.send("c/clock/j", &set("z", 15));
    assert_eq!(node.node.next_due_ms(), Some(1_015));
    node.advance(19);
    assert_eq!(node.send("c/clock/k", "\"Read\""), "{\"Log\":\"\"}");
    assert_eq!(node.send("c/clock/j", "\"Read\""), "{\"Log\":\"z\"}");
    node.advance(1);
    assert_eq!(node.send("c/clock/k", "\"Read\""), "{\"Log\":\"b\"}");
    drop(node);
    // Overdue at the next start; a clock that was set back stands still.
    let mut node = world.open(journal.clone(), 500).expect("open");
    assert_eq!(node.send("c/clock/k", "\"Now\""), "{\"At\":1020}");
    node.node.save_snapshot().expect("snapshot");
    drop(node);
    let mut node = world.open(journal, 9_000).expect("open");
    node.settle();
    assert_eq!(node.send("c/clock/k", "\"Read\""), "{\"Log\":\"bac\"}");
    assert_eq!(node.status().counts.timers, 0);
}

#[test]
fn a_timer_without_delay_that_starts_itself_anew_does_not_stop_the_mail() {
    let machine = CLOCK
        .replace("on Rang { name } =>", "on Rang { name } { timer name after 0ms => Rang { name }\n")
        .replace("{ log: state.log ++ name }\n", "{ log: state.log }\n}\n");
    let world = World::of([make("1.0.0", &[("c/clock", &machine)], None, &[])]);
    let mut node = world.open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    node.post("c/clock/k", "{\"Set\":{\"name\":\"a\",\"after\":0}}", None);
    node.node.run(0).expect("run");
    node.node.take_answers();
    node.post("c/clock/k", "\"Read\"", None);
    node.node.run(0).expect("run");
    assert_eq!(node.node.take_answers().len(), 1);
}

#[test]
fn what_cannot_go_back_is_parked_and_comes_back() {
    let ears_2 = EAR
        .replace("Tell { text: Text } | Read", "Tell { text: Text } | Shout { text: Text } | Read")
        .replace(
            "on Read =>",
            "on Shout { text } => ({ all: state.all ++ \"!\" ++ text }, Heard(1))\non Read =>",
        );
    let fan_2 = FAN.replace("Tell { text: Text }", "Tell { text: Text } | Shout { text: Text }").replace(
        "  send ears[to] Tell { text }",
        "  if text == \"now\" { send ears[to] Shout { text } } else { send ears[to] Tell { text } }",
    );
    let one = fan();
    let migration = "migration ear from \"1.0.0\"\nunlift Shout(_) => fail \"no shouting\"\n";
    let fan_up = "migration fan from \"1.0.0\"\n";
    let two = make(
        "2.0.0",
        &[("a/fan", &fan_2), ("e/ear", &ears_2)],
        Some(&one),
        &[("e/ear", migration), ("a/fan", fan_up)],
    );
    let world = World::of([one, two]);
    let journal = MemoryJournal::default();
    let mut node = world.open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    node.upgrade("2.0.0").expect("upgrade");
    node.post("a/fan", "{\"Say\":{\"to\":\"k\",\"text\":\"then\"}}", None);
    node.post("a/fan", "{\"Say\":{\"to\":\"k\",\"text\":\"now\"}}", None);
    // Both requests are settled before the switch. One message was delivered meanwhile and its
    // answer waits; the other one waits for `k`.
    let report = node.rollback(Holding::Refuse).expect("rollback");
    let counts = report.rollback.expect("counts");
    assert_eq!((counts.parked, counts.moved), (1, 1));
    for _ in 0..2 {
        node.settle();
        assert_eq!(node.send("e/ear/k", "\"Read\""), "{\"All\":\"then\"}");
        assert_eq!(node.status().counts.parked, 1);
        node.node.save_snapshot().expect("snapshot");
        drop(node);
        node = world.open(journal.clone(), 0).expect("open");
    }
    node.upgrade("2.0.0").expect("upgrade");
    node.settle();
    assert_eq!(node.status().counts.parked, 0);
    assert_eq!(node.send("e/ear/k", "\"Read\""), "{\"All\":\"then!now\"}");
    assert_eq!(node.send("a/fan", "\"Read\""), "{\"State\":{\"heard\":2,\"lost\":0,\"from\":\"k\"}}");
}

#[test]
fn a_machine_that_owes_answers_is_not_removed() {
    let one = fan();
    let two = make("2.0.0", &[("e/ear", EAR)], Some(&one), &[]);
    let world = World::of([one, two]);
    let journal = MemoryJournal::default();
    let mut node = world.open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    node.post("a/fan", "{\"Say\":{\"to\":\"k\",\"text\":\"a\"}}", None);
    let (code, detail) = refusal(node.upgrade("2.0.0"));
    let owed = "a/fan: answer: a/fan waits for an answer on `ears`, which it no longer has";
    assert_eq!((code.as_str(), detail.as_str()), ("trial-failed", owed));
    node.settle();
    let report = node.upgrade("2.0.0").expect("nothing is owed any more");
    assert_eq!((report.counts.archived, report.counts.instances), (1, 1));
    assert_eq!(node.send("a/fan", "\"Read\""), "refused: the running release has no machine a/fan");
    node.node.save_snapshot().expect("snapshot");
    drop(node);
    let mut node = world.open(journal, 0).expect("open");
    assert_eq!(node.instances(None, 9).instances[1].state, InstanceState::Archived);
    let report = node.rollback(Holding::Refuse).expect("rollback");
    assert_eq!(report.rollback.expect("counts").restored, 1);
    assert_eq!(node.send("a/fan", "\"Read\""), "{\"State\":{\"heard\":1,\"lost\":0,\"from\":\"k\"}}");
}

#[test]
fn an_added_machine_starts_and_goes_away_and_comes_back() {
    let one = make("1.0.0", &[("e/ear", EAR)], None, &[]);
    let two = make("2.0.0", &[("a/fan", FAN), ("e/ear", EAR)], Some(&one), &[]);
    let world = World::of([one, two]);
    let journal = MemoryJournal::default();
    let mut node = world.open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    assert_eq!(node.try_out("2.0.0").expect("a trial").starts, ["a/fan"]);
    node.upgrade("2.0.0").expect("upgrade");
    node.send("a/fan", "{\"Say\":{\"to\":\"k\",\"text\":\"a\"}}");
    // With a message of the added machine in flight.
    node.post("a/fan", "{\"Say\":{\"to\":\"k\",\"text\":\"b\"}}", None);
    let counts = node.rollback(Holding::Refuse).expect("rollback").rollback.expect("counts");
    assert_eq!((counts.archived, counts.parked), (1, 1));
    assert_eq!(node.send("e/ear/k", "\"Read\""), "{\"All\":\"a\"}");
    drop(node);
    let mut node = world.open(journal, 0).expect("open");
    node.upgrade("2.0.0").expect("upgrade");
    node.settle();
    assert_eq!(node.send("e/ear/k", "\"Read\""), "{\"All\":\"ab\"}");
    assert_eq!(node.send("a/fan", "\"Read\""), "{\"State\":{\"heard\":2,\"lost\":0,\"from\":\"k\"}}");
}

#[test]
fn an_instance_whose_replay_differs_is_held_and_the_others_go_on() {
    let world = pingpong();
    let journal = MemoryJournal::default();
    let mut node = world.open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    node.post("ping/client", "{\"Start\":{\"count\":5}}", None);
    node.settle();
    drop(node);
    // The same journal, and a server that counts otherwise: as if the agent had changed.
    let other = SERVER_1.replace("Pong { number, seen: state + 1 }", "Pong { number, seen: state + 2 }");
    let changed = make("1.0.0", &[("ping/client", CLIENT), ("pong/server", &other)], None, &[]);
    let changed = World::of([changed]);
    let before = journal.last();
    for _ in 0..2 {
        let mut node = changed.open(journal.clone(), 0).expect("open");
        let instances = node.instances(None, 9).instances;
        assert_eq!(instances[1].state, InstanceState::Held);
        let why = "replaying the journal gives another result: output";
        assert_eq!(instances[1].why.as_deref(), Some(why));
        assert_eq!(instances[0].state, InstanceState::Live);
        assert_eq!(journal.last(), before + 1, "it is noted once");
    }
    let mut node = changed.open(journal, 0).expect("open");
    let counts = "{\"Counts\":{\"sent\":5,\"good\":5,\"bad\":0,\"none\":0}}";
    assert_eq!(node.send("ping/client", "\"Report\""), counts);
}

#[test]
fn a_trial_leaves_the_live_node_alone() {
    let world = pingpong();
    let mut node = world.open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    node.post("ping/client", "{\"Start\":{\"count\":3000}}", None);
    node.node.run(0).expect("run");
    let plan = node.node.plan_upgrade(&world.release("2.0.0")).expect("a plan");
    assert!(node.node.try_all(plan).expect("a trial").report().passed);
    node.settle();
    let counts = "{\"Counts\":{\"sent\":3000,\"good\":3000,\"bad\":0,\"none\":0}}";
    assert_eq!(node.send("ping/client", "\"Report\""), counts);
}

fn fan_node() -> (World, MemoryJournal, TestNode) {
    let (world, journal) = (World::of([fan()]), MemoryJournal::default());
    let mut node = world.open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    (world, journal, node)
}

fn say(key: u32) -> String {
    format!("{{\"Say\":{{\"to\":\"k{key}\",\"text\":\"x\"}}}}")
}

/// Answers wait while it begins anew: those of ears in the other shard.
#[test]
fn who_begins_anew_gets_no_answer_to_what_it_asked_before() {
    let (world, journal, mut node) = fan_node();
    for key in 0..8 {
        node.post("a/fan", &say(key), None);
    }
    let waits = |node: &mut TestNode| {
        let all = node.instances(None, 100).instances;
        all.iter().find(|one| one.address == "a/fan").map_or(0, |one| one.queued)
    };
    let shards = usize::from(node.node.shards());
    for shard in (0..shards).chain(0..shards) {
        if waits(&mut node) == 0 {
            node.node.run_shard(shard, 0);
        }
    }
    assert!(waits(&mut node) > 0 || shards == 1, "answers wait");
    let (asked, fan) = (node.asked(), "a/fan".parse().expect("an address"));
    node.node.redrive(&asked, &fan, Redrive::Reset).expect("it is there");
    for _ in 0..2 {
        let expected = "{\"State\":{\"heard\":0,\"lost\":0,\"from\":\"\"}}";
        assert_eq!(node.send("a/fan", "\"Read\""), expected);
        drop(node);
        node = world.open(journal.clone(), 0).expect("open");
    }
}

/// Earlier agents let such an answer wait on, and their journals say that it was delivered.
#[test]
fn an_answer_that_was_given_to_who_began_anew_is_replayed() {
    let (world, journal, mut node) = fan_node();
    node.send("a/fan", &say(1));
    drop(node);
    let mut earlier = MemoryJournal::default();
    earlier.put_blob(b"1.0.0").expect("memory");
    let mut append = |record: &Record| {
        let is_control = matches!(record, Record::Control(_));
        let mut chunk = if is_control { Chunk::new(u16::MAX, u64::MAX) } else { Chunk::new(0, 0) };
        chunk.push(&record.to_bytes());
        earlier.append(&[chunk], Class::Control).expect("memory");
    };
    for record in journal.records().expect("records") {
        if matches!(&record, Record::Input(input) if matches!(input.source, Source::Answer { .. })) {
            append(&Record::Aside(Aside::Redriven {
                instance: "a/fan".to_owned(),
                switch: 1,
                stamp: Stamp { at_ms: 0, who: "ann".to_owned() },
                what: Redrive::Reset,
            }));
        }
        append(&record);
    }
    let mut node = world.open(earlier, 0).expect("open");
    let expected = "{\"State\":{\"heard\":1,\"lost\":0,\"from\":\"k1\"}}";
    assert_eq!(node.send("a/fan", "\"Read\""), expected);
}
