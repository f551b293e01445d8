//! Calls on ports, as the node keeps them: out only when durable, until their end is recorded.

mod common;

use camshaft_agent::engine::Redriven;
use camshaft_agent::node::Holding;
use camshaft_agent::ports::{CallEnd, CallOut};
use camshaft_manifests::transition::Transition;
use camshaft_store::{Chunk, Class, Journal as _, MemoryJournal, Record, Redrive};
use common::{TestNode, World, make, make_said};

const SIGNUP: &str = "machine signup keyed Text
type Mail = Letter { to: Text }
type Sent = Accepted { id: Int } | Bounced
type Fact = Told { n: Int }
type State = { asked: Int = 0, accepted: Int = 0, failed: Int = 0 }
type Input = Ask { to: Text } | Tell | End | Get | internal Delivered { from: Text, answer: Option(Sent) }
type Output = Ok | Is { asked: Int, accepted: Int, failed: Int }
port mail(Mail) -> Delivered
port feed(Fact)
init = { asked: 0 }
on Ask { to } { call mail Letter { to }; ({ ..state, asked: state.asked + 1 }, Ok) }
on Tell { call feed Told { n: state.asked }; (state, Ok) }
on End { stop; (state, Ok) }
on Get => (state, Is { asked: state.asked, accepted: state.accepted, failed: state.failed })
on Delivered { from, answer } => match answer {
  Some(Accepted { id }) => { ..state, accepted: state.accepted + id }
  Some(Bounced) => { ..state, failed: state.failed + 1 }
  None => { ..state, failed: state.failed + 100 }
}
";

const ASK: &str = "{\"Ask\":{\"to\":\"x\"}}";

fn world() -> (World, MemoryJournal, TestNode) {
    let grown = SIGNUP.replace("failed: Int = 0 }", "failed: Int = 0, more: Int = 0 }");
    let one = make("1.0.0", &[("shop/signup", SIGNUP)], None, &[]);
    let two = make("2.0.0", &[("shop/signup", &grown)], Some(&one), &[]);
    let (world, journal) = (World::of([one, two]), MemoryJournal::default());
    let mut node = world.open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    (world, journal, node)
}

/// A second release whose application begins anew.
fn restarting() -> World {
    let grown = SIGNUP.replace("failed: Int = 0 }", "failed: Int = 0, more: Int = 0 }");
    let one = make("1.0.0", &[("shop/signup", SIGNUP)], None, &[]);
    let said = Transition {
        restarts: [("shop".parse().expect("a name"), "it asks again".to_owned())].into(),
        ..Transition::default()
    };
    let two = make_said("2.0.0", &[("shop/signup", &grown)], Some(&one), &[], said);
    World::of([one, two])
}

fn end(node: &mut TestNode, call: &CallOut, end: CallEnd) {
    node.node.end_call(node.now_ms, &call.id, end);
    node.settle();
}

fn accepted(id: i64) -> CallEnd {
    CallEnd::Answered { json: format!("{{\"Accepted\":{{\"id\":{id}}}}}") }
}

fn get(node: &mut TestNode) -> String {
    node.send("shop/signup/a", "\"Get\"")
}

#[test]
fn a_call_is_out_until_its_answer_is_recorded() {
    let (world, journal, mut node) = world();
    node.send("shop/signup/a", ASK);
    let first = node.node.take_calls();
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].message, "{\"Letter\":{\"to\":\"x\"}}");
    assert_eq!((first[0].port.to_string().as_str(), first[0].answers), ("port mail of shop/signup", true));
    assert_eq!(node.node.take_calls(), [], "it comes out once");
    // Once from the journal, once from a snapshot: it is made again, under the same name.
    for _ in 0..2 {
        drop(node);
        node = world.open(journal.clone(), 0).expect("open");
        assert_eq!(node.node.take_calls(), first);
        node.node.save_snapshot().expect("snapshot");
    }
    end(&mut node, &first[0], accepted(7));
    assert_eq!(get(&mut node), "{\"Is\":{\"asked\":1,\"accepted\":7,\"failed\":0}}");
    end(&mut node, &first[0], accepted(7));
    assert_eq!(get(&mut node), "{\"Is\":{\"asked\":1,\"accepted\":7,\"failed\":0}}", "it ends once");
    drop(node);
    let mut node = world.open(journal, 0).expect("open");
    assert_eq!(node.node.take_calls(), []);
    assert_eq!(get(&mut node), "{\"Is\":{\"asked\":1,\"accepted\":7,\"failed\":0}}");
}

#[test]
fn an_answer_of_another_type_and_one_that_never_comes_are_none() {
    let (_, _, mut node) = world();
    node.send("shop/signup/a", ASK);
    node.send("shop/signup/a", ASK);
    let calls = node.node.take_calls();
    end(&mut node, &calls[0], CallEnd::Answered { json: "17".to_owned() });
    end(&mut node, &calls[1], CallEnd::GivenUp { reason: "gone".to_owned(), attempts: 3 });
    assert_eq!(get(&mut node), "{\"Is\":{\"asked\":2,\"accepted\":0,\"failed\":200}}");
    assert_eq!(node.status().counts.parked, 0, "the machine knows of it");
}

#[test]
fn what_is_given_up_and_nobody_hears_of_is_a_dead_letter_that_can_be_redriven() {
    let (world, journal, mut node) = world();
    node.send("shop/signup/a", "\"Tell\"");
    let call = node.node.take_calls().remove(0);
    assert_eq!((call.message.as_str(), call.answers), ("{\"Told\":{\"n\":0}}", false));
    end(&mut node, &call, CallEnd::GivenUp { reason: "410".to_owned(), attempts: 1 });
    for _ in 0..2 {
        assert_eq!(node.status().counts.parked, 1);
        assert_eq!(node.node.take_calls(), []);
        node.node.save_snapshot().expect("snapshot");
        drop(node);
        node = world.open(journal.clone(), 0).expect("open");
    }
    let asked = node.asked();
    let redriven = node.node.redrive(&asked, &"shop/signup/a".parse().expect("an address"), Redrive::Parked);
    assert_eq!(redriven.expect("there is one"), Redriven { driven: 1, left: 0 });
    node.settle();
    assert_eq!(node.node.take_calls(), std::slice::from_ref(&call), "under the same name");
    end(&mut node, &call, CallEnd::Delivered);
    drop(node);
    let mut node = world.open(journal, 0).expect("open");
    assert_eq!((node.status().counts.parked, node.node.take_calls()), (0, vec![]));
}

#[test]
fn a_call_goes_along_over_a_switch_and_back_and_its_answer_is_of_what_runs() {
    let (_, _, mut node) = world();
    node.send("shop/signup/a", ASK);
    node.send("shop/signup/a", ASK);
    let calls = node.node.take_calls();
    node.upgrade("2.0.0").expect("upgrade");
    end(&mut node, &calls[0], accepted(1));
    node.rollback(Holding::Refuse).expect("rollback");
    end(&mut node, &calls[1], accepted(2));
    assert_eq!(get(&mut node), "{\"Is\":{\"asked\":2,\"accepted\":3,\"failed\":0}}");
}

/// What came after it is archived when it comes back, and its numbers were given away: a receiver would take a call with one of
/// them for done.
#[test]
fn a_life_that_comes_back_gives_no_number_again_that_another_had() {
    let (world, journal) = (restarting(), MemoryJournal::default());
    let mut node = world.open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    let ask = |node: &mut TestNode| {
        node.send("shop/signup/a", ASK);
        let calls = node.node.take_calls();
        assert_eq!(calls.len(), 1, "{calls:?}");
        end(node, &calls[0], accepted(1));
        calls[0].id.seq
    };
    let mut numbers = vec![ask(&mut node)];
    for _ in 0..2 {
        node.upgrade("2.0.0").expect("upgrade");
        numbers.push(ask(&mut node));
        node.rollback(Holding::Refuse).expect("rollback");
        numbers.push(ask(&mut node));
        drop(node);
        node = world.open(journal.clone(), 0).expect("open");
    }
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    assert_eq!(get(&mut node), "{\"Is\":{\"asked\":3,\"accepted\":3,\"failed\":0}}");
}

/// Earlier agents gave it again, and their journals say so.
#[test]
fn a_number_that_was_given_twice_is_replayed() {
    let (world, journal) = (restarting(), MemoryJournal::default());
    let mut node = world.open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    node.send("shop/signup/a", ASK);
    node.upgrade("2.0.0").expect("upgrade");
    node.send("shop/signup/a", ASK);
    node.rollback(Holding::Refuse).expect("rollback");
    node.send("shop/signup/a", ASK);
    drop(node);
    let mut earlier = MemoryJournal::default();
    for blob in ["1.0.0", "2.0.0"] {
        earlier.put_blob(blob.as_bytes()).expect("memory");
    }
    let mut changed = 0;
    for mut record in journal.records().expect("records") {
        if let Record::Input(input) = &mut record
            && input.seq == 3
        {
            (input.seq, changed) = (2, changed + 1);
        }
        let is_control = matches!(record, Record::Control(_));
        let mut chunk = if is_control { Chunk::new(u16::MAX, u64::MAX) } else { Chunk::new(0, 0) };
        chunk.push(&record.to_bytes());
        earlier.append(&[chunk], Class::Control).expect("memory");
    }
    assert_eq!(changed, 1);
    let mut node = world.open(earlier, 0).expect("open");
    assert_eq!(get(&mut node), "{\"Is\":{\"asked\":2,\"accepted\":0,\"failed\":0}}");
    let numbers: Vec<u64> = node.node.take_calls().iter().map(|call| call.id.seq).collect();
    assert_eq!(numbers, [1, 2]);
}

#[test]
fn the_answer_to_a_life_that_is_over_begins_no_other() {
    let (world, journal, mut node) = world();
    let (asked, address) = (node.asked(), "shop/signup/a".parse().expect("an address"));
    for ends_by_itself in [true, false] {
        node.send("shop/signup/a", ASK);
        let calls = node.node.take_calls();
        if ends_by_itself {
            node.send("shop/signup/a", "\"End\"");
        } else {
            node.node.redrive(&asked, &address, Redrive::Reset).expect("it lives");
        }
        end(&mut node, &calls[0], accepted(1));
        assert_eq!(get(&mut node), "{\"Is\":{\"asked\":0,\"accepted\":0,\"failed\":0}}");
    }
    drop(node);
    let mut node = world.open(journal, 0).expect("open");
    assert_eq!(node.node.take_calls(), []);
}

#[test]
fn the_answer_to_a_life_that_is_over_reaches_nobody() {
    let (_, _, mut node) = world();
    node.send("shop/signup/a", ASK);
    let calls = node.node.take_calls();
    node.send("shop/signup/a", "\"End\"");
    node.send("shop/signup/a", ASK);
    end(&mut node, &calls[0], accepted(1));
    assert_eq!(get(&mut node), "{\"Is\":{\"asked\":1,\"accepted\":0,\"failed\":0}}");
    let again = node.node.take_calls();
    assert_ne!(again[0].id, calls[0].id, "no name is given twice");
    end(&mut node, &again[0], accepted(5));
    assert_eq!(get(&mut node), "{\"Is\":{\"asked\":1,\"accepted\":5,\"failed\":0}}");
}
