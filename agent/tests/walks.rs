//! Counting and listing all instances: a slice at a time, so that no step waits for a million of them.

mod common;

use std::ops::Bound;

use camshaft_agent::engine::{CountPlace, SLICE};
use camshaft_manifests::InstanceAddress;
use camshaft_manifests::app::{After, OnTrap, Strategy, Supervision};
use camshaft_store::MemoryJournal;
use common::{TestNode, World, make};

const TILL: &str = "machine till keyed Text
type State = Int
type Input = Add { n: Int } | Get
type Output = Ok | Is(Int)
init = 0
on Add { n } => (state + n, Ok)
on Get => (state, Is(state))
";

const SENDER: &str = "machine sender
type Message = Do { n: Int }
type State = Int
type Input = Go { to: Text, n: Int }
type Output = | Ok
channel out = shop/picky(Message)
init = 0
on Go { to, n } { send out[to] Do { n }; (state + 1, Ok) }
";

const PICKY: &str = "machine picky keyed Text
type State = Int
type Input = Do { n: Int } | Get
type Output = Ok | Is(Int)
init = 0
on Do { n } => if n > 9 { fail \"too many\" } else { (state + n, Ok) }
on Get => (state, Is(state))
";

/// A node with so many tills, each hundredth of them held, and as many pickies, each fiftieth with two dead letters.
fn node(tills: usize) -> TestNode {
    let machines = [("till".parse().expect("a name"), OnTrap::Hold(After::First))];
    let supervision =
        Supervision { strategy: Strategy::OneForOne, intensity: None, machines: machines.into() };
    let made =
        make("1.0.0", &[("shop/till", TILL), ("shop/sender", SENDER), ("shop/picky", PICKY)], None, &[]);
    let world = World::of([made.looked_after("shop", supervision)]);
    let mut node = world.open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    for key in 0..tills {
        let (till, n) = (format!("shop/till/{key:05}"), "{\"Add\":{\"n\":1}}");
        assert_eq!(node.send(&till, n), "\"Ok\"");
        if key % 100 == 0 {
            let huge = "{\"Add\":{\"n\":\"9223372036854775807\"}}";
            assert!(node.send(&till, huge).starts_with("trap overflow"));
        }
    }
    for key in (0..tills).step_by(25) {
        for n in [1, if key % 50 == 0 { 10 } else { 2 }, if key % 50 == 0 { 11 } else { 3 }] {
            node.send("shop/sender", &format!("{{\"Go\":{{\"to\":\"{key:05}\",\"n\":{n}}}}}"));
        }
    }
    node.settle();
    node
}

#[test]
fn a_count_looks_at_so_many_instances_in_a_job_and_at_each_once() {
    let mut node = node(600);
    let (mut slices, mut visited, mut tills, mut held, mut parked) = (0, 0, 0, 0, 0);
    for shard in node.node.look() {
        let mut place = Some(CountPlace::Slot(0));
        while let Some(at) = place {
            let counted = shard.count_some(&at, 64);
            assert!(counted.visited <= 64, "{counted:?}");
            let of = |name: &str| {
                let found = counted.machines.iter().find(|(machine, _)| machine.to_string() == name);
                found.map(|(_, counts)| *counts).unwrap_or_default()
            };
            tills += of("shop/till").instances;
            held += of("shop/till").held;
            parked += of("shop/picky").parked;
            (place, slices, visited) = (counted.next, slices + 1, visited + counted.visited);
        }
    }
    assert_eq!((tills, held, parked), (600, 6, 24));
    // The sender, and the pickies.
    assert_eq!(visited, 625);
    assert!(slices >= 10, "{slices}");
    let counts = node.status().counts;
    assert_eq!((counts.instances, counts.held, counts.parked), (625, 6, 24));
}

#[test]
fn lists_look_at_so_many_instances_in_a_job_and_go_on_where_they_ended() {
    let mut node = node(600);
    let (mut held, mut parked) = (vec![], vec![]);
    for shard in node.node.look() {
        let mut after = None;
        loop {
            let slice = shard.held_some(after.as_ref(), 1_000, 64);
            assert!(slice.visited <= 64, "{}", slice.visited);
            held.extend(slice.found.into_iter().map(|listed| listed.status().address));
            after = slice.next;
            if after.is_none() {
                break;
            }
        }
        let mut from = Bound::Unbounded;
        loop {
            let slice = shard.parked_some(from.as_ref(), None, 1_000, 64);
            assert!(slice.visited <= 64, "{}", slice.visited);
            parked.extend(slice.found.into_iter().map(|(place, _)| place));
            match slice.next {
                Some(next) => from = Bound::Excluded(next),
                None => break,
            }
        }
    }
    held.sort();
    parked.sort();
    let expected: Vec<String> = (0..6).map(|hundred| format!("shop/till/{:05}", hundred * 100)).collect();
    assert_eq!(held, expected);
    let place = |key: usize, number: u64| {
        let address: InstanceAddress = format!("shop/picky/{key:05}").parse().expect("an address");
        (address, number)
    };
    let all: Vec<_> = (0..600).step_by(50).flat_map(|key| [place(key, 1), place(key, 2)]).collect();
    assert_eq!(parked, all);

    // The same page by page through the node.
    let (mut after, mut paged) = (None, vec![]);
    loop {
        let page = node.node.held_instances(after.as_deref(), 4).expect("a page").page();
        paged.extend(page.instances.into_iter().map(|one| one.address));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(paged, expected);
    let first = node.node.parked(None, None, 7).expect("a page");
    let rest = node.node.parked(None, Some(&all[6]), 100).expect("a page");
    let places = first.parked.iter().chain(&rest.parked).map(|one| (one.instance.clone(), one.number));
    let all: Vec<_> = all.iter().map(|(address, number)| (address.to_string(), *number)).collect();
    assert_eq!(places.collect::<Vec<_>>(), all);
    assert_eq!((first.next.as_deref(), rest.next), (Some("1@shop/picky/00150"), None));
}

#[test]
fn more_instances_than_a_slice_has_are_counted_in_several() {
    // One of the shards has more than a slice.
    let count = SLICE * node(1).node.look().len() + 100;
    let mut node = node(count);
    let shard = node.node.look().iter().find(|shard| shard.len() > SLICE).expect("one has more");
    let first = shard.count_some(&CountPlace::Slot(0), SLICE);
    assert_eq!((first.visited, &first.next), (SLICE, &Some(CountPlace::Slot(SLICE))));
    let tills = node.status().machines.into_iter().find(|one| one.machine == "shop/till").expect("it runs");
    assert_eq!(tills.counts.instances, count as u64);
}
