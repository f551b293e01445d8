//! Clients of two versions, upgrades, ways back and restarts in any order, beside a model that
//! knows what each of them has to be told.

mod common;

use std::collections::BTreeMap;

use camshaft_agent::node::Holding;
use camshaft_store::MemoryJournal;
use common::{TILL_1, TILL_2, TILL_UP, World, client, make};
use proptest::prelude::*;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Input {
    Add(i64),
    Set(i64),
    Sum,
}

/// What makes a request this one and no other.
#[derive(Debug, Clone, Copy)]
enum Id {
    None,
    Next,
    /// So many before the next.
    Earlier(u64),
}

#[derive(Debug, Clone)]
enum Move {
    /// In 1.0.0, 2.0.0, or without saying.
    Send {
        version: &'static str,
        key: &'static str,
        input: Input,
        id: Id,
    },
    /// Up, or back down.
    Switch,
    Snapshot,
    Restart,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Answer {
    Ok,
    Sum(i64),
    Total(i64, i64),
}

#[derive(Default)]
struct Till {
    sum: i64,
    adds: i64,
    next: u64,
    /// What was answered by which version, in its types.
    kept: BTreeMap<u64, (Input, Answer, u8)>,
}

impl Input {
    fn json(self) -> String {
        match self {
            Input::Add(count) => format!("{{\"Add\":{{\"count\":{count}}}}}"),
            Input::Set(sum) => format!("{{\"Set\":{sum}}}"),
            Input::Sum => "\"Sum\"".to_owned(),
        }
    }
}

impl Answer {
    fn json(self) -> String {
        match self {
            Answer::Ok => "\"Ok\"".to_owned(),
            Answer::Sum(sum) => format!("{{\"Sum\":{sum}}}"),
            Answer::Total(sum, adds) => format!("{{\"Total\":{{\"sum\":{sum},\"adds\":{adds}}}}}"),
        }
    }

    fn lower(self) -> Result<Answer, &'static str> {
        match self {
            Answer::Total(sum, _) if sum >= 1000 => Err("failed: too large for a sum"),
            Answer::Total(sum, _) => Ok(Answer::Sum(sum)),
            other => Ok(other),
        }
    }

    fn raise(self) -> Answer {
        match self {
            Answer::Sum(sum) => Answer::Total(sum, 0),
            other => other,
        }
    }
}

impl Till {
    /// Returns what a client has to be told, and does what that takes.
    fn send(&mut self, running: u8, spoken: u8, input: Input, id: Option<u64>) -> String {
        if spoken > running {
            return "refused: the running release does not speak 2.0.0; it speaks 1.0.0".to_owned();
        }
        if let Some((before, answer, writer)) = id.and_then(|id| self.kept.get(&id)) {
            if *before != input {
                return "refused: another input was sent under the same identity before".to_owned();
            }
            let told = match (writer, spoken) {
                (1, 2) => Ok(answer.raise()),
                (2, 1) => answer.lower(),
                _ => Ok(*answer),
            };
            return told.map_or_else(
                |why| {
                    format!(
                        "refused: the input was applied before, and its answer cannot be told in 1.0.0: {why}"
                    )
                },
                |answer| format!("{} again", answer.json()),
            );
        }
        if let (2, 1, Input::Add(101..)) = (running, spoken, input) {
            let why = "has no counterpart in the running release: failed: too many";
            return format!("refused: this input of 1.0.0 {why}");
        }
        let (sum, adds) = match input {
            Input::Add(count) => (self.sum + count, self.adds + i64::from(running == 2)),
            Input::Set(sum) => (sum, self.adds),
            Input::Sum => (self.sum, self.adds),
        };
        let answer = match (running, input) {
            (_, Input::Add(_)) | (1, Input::Set(_)) => Answer::Ok,
            (1, _) => Answer::Sum(sum),
            _ => Answer::Total(sum, adds),
        };
        let told = if spoken < running { answer.lower() } else { Ok(answer) };
        match told {
            Err(why) => {
                format!("refused: the answer has no counterpart in 1.0.0: {why}; the input was not applied")
            }
            Ok(told) => {
                (self.sum, self.adds) = (sum, adds);
                self.kept.extend(id.map(|id| (id, (input, answer, running))));
                told.json()
            }
        }
    }
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let input =
        prop_oneof![(0i64..=120).prop_map(Input::Add), (0i64..=1500).prop_map(Input::Set), Just(Input::Sum),];
    let id = prop_oneof![Just(Id::None), Just(Id::Next), (0u64..8).prop_map(Id::Earlier)];
    let version = prop::sample::select(vec!["", "1.0.0", "2.0.0"]);
    let send = (version, prop::sample::select(vec!["a", "b"]), input, id)
        .prop_map(|(version, key, input, id)| Move::Send { version, key, input, id });
    let one =
        prop_oneof![12 => send, 2 => Just(Move::Switch), 1 => Just(Move::Snapshot), 1 => Just(Move::Restart)];
    prop::collection::vec(one, 1..50)
}

fn play(world: &World, moves: &[Move]) {
    let disk = MemoryJournal::default();
    let mut node = world.open(disk.clone(), 0).expect("an empty journal opens");
    node.install("1.0.0").expect("install");
    let mut tills = BTreeMap::from([("a", Till::default()), ("b", Till::default())]);
    let mut running = 1;
    for one in moves {
        match one {
            Move::Send { version, key, input, id } => {
                let till = tills.get_mut(key).expect("it is one of two");
                let id = match id {
                    Id::None => None,
                    Id::Next => {
                        till.next += 1;
                        Some(till.next)
                    }
                    Id::Earlier(back) => Some(till.next.saturating_sub(*back).max(1)),
                };
                let spoken = if *version == "2.0.0" { 2 } else { 1 };
                let told = till.send(running, spoken, *input, id);
                let identity = id.and_then(|id| client("c", id));
                let address = format!("shop/till/{key}");
                assert_eq!(node.speak(version, &address, &input.json(), identity), told, "{one:?}");
            }
            Move::Switch if running == 1 => {
                node.upgrade("2.0.0").expect("upgrade");
                tills.values_mut().for_each(|till| till.adds = 0);
                running = 2;
            }
            Move::Switch => {
                node.rollback(Holding::Refuse).expect("rollback");
                running = 1;
            }
            Move::Snapshot => node.node.save_snapshot().expect("it is saved"),
            Move::Restart => {
                drop(node);
                node = world.open(disk.clone(), 0).expect("what was durable opens");
            }
        }
    }
    for (key, till) in &mut tills {
        let told = till.send(running, running, Input::Sum, None);
        assert_eq!(node.send(&format!("shop/till/{key}"), "\"Sum\""), told, "in the end");
    }
}

#[test]
fn whatever_happens_each_client_is_told_what_its_version_can_say_and_no_more_is_done() {
    let one = make("1.0.0", &[("shop/till", TILL_1)], None, &[]);
    let two = make("2.0.0", &[("shop/till", TILL_2)], Some(&one), &[("shop/till", TILL_UP)]);
    let world = World::of([one, two]);
    let long: u32 = std::env::var("CAMSHAFT_LONG").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let config = ProptestConfig { cases: 100 * long, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(moves in moves())| play(&world, &moves));
}
