//! What traps lead to, as it is declared, in a running node: done, recorded, found again after a restart; and dead
//! letters.

mod common;

use camshaft_agent::api::{HistoryKind, InstanceState};
use camshaft_agent::engine::Redriven;
use camshaft_manifests::app::{After, Intensity, OnTrap, Strategy, Supervision};
use camshaft_manifests::duration::Millis;
use camshaft_store::{MemoryJournal, Redrive};
use common::{Made, TestNode, World, make};

const TILL: &str = "machine till keyed Text
type State = Int
type Input = Add { n: Int } | Refuse | Get
type Output = Ok | Is(Int)
init = 0
on Add { n } => (state + n, Ok)
on Refuse => fail \"no\"
on Get => (state, Is(state))
";

const LOG: &str = "machine log keyed Text
type State = Int
type Input = Note | Get
type Output = Ok | Is(Int)
init = 0
on Note => (state + 1, Ok)
on Get => (state, Is(state))
";

const HUGE: &str = "{\"Add\":{\"n\":\"9223372036854775807\"}}";

fn intensity(traps: u32, ms: u64) -> Intensity {
    Intensity { traps, within: Millis(ms) }
}

fn looked_after(
    on_trap: OnTrap,
    strategy: Strategy,
    shop: Option<Intensity>,
) -> (World, MemoryJournal, TestNode) {
    // What is not said is not there.
    let machines = [("till".parse().expect("a name"), on_trap)].into_iter();
    let machines = machines.filter(|(_, on_trap)| *on_trap != OnTrap::Refuse).collect();
    let supervision = Supervision { strategy, intensity: shop, machines };
    let made: Made = make("1.0.0", &[("shop/till", TILL), ("shop/log", LOG)], None, &[]);
    let world = World::of([made.looked_after("shop", supervision)]);
    let journal = MemoryJournal::default();
    let mut node = world.open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    for address in ["shop/till/a", "shop/till/b"] {
        assert_eq!(node.send(address, "{\"Add\":{\"n\":1}}"), "\"Ok\"");
        assert_eq!(node.send(&address.replace("till", "log"), "\"Note\""), "\"Ok\"");
    }
    (world, journal, node)
}

fn get(node: &mut TestNode, address: &str) -> String {
    node.send(address, "\"Get\"")
}

#[test]
fn an_instance_is_held_after_so_many_traps_and_nobody_else_is() {
    let hold = OnTrap::Hold(After::Within(intensity(3, 1000)));
    let (world, journal, mut node) = looked_after(hold, Strategy::OneForOne, None);
    for _ in 0..5 {
        assert!(
            node.send("shop/till/a", "\"Refuse\"").starts_with("trap fail"),
            "what is refused does not count"
        );
    }
    for _ in 0..2 {
        assert!(node.send("shop/till/a", HUGE).starts_with("trap overflow"));
    }
    node.advance(1001);
    assert!(node.send("shop/till/a", HUGE).starts_with("trap overflow"));
    assert_eq!(get(&mut node, "shop/till/a"), "{\"Is\":1}", "the first two are too long ago");
    for _ in 0..2 {
        assert!(node.send("shop/till/a", HUGE).starts_with("trap overflow"));
    }
    let held = "refused: shop/till/a is held: 3 traps within 1s, the last: overflow at Add";
    for _ in 0..2 {
        assert_eq!(get(&mut node, "shop/till/a"), held);
        assert_eq!(get(&mut node, "shop/till/b"), "{\"Is\":1}");
        assert_eq!(get(&mut node, "shop/log/a"), "{\"Is\":1}");
        let kinds: Vec<HistoryKind> = node.node.history().entries.iter().map(|entry| entry.what).collect();
        assert_eq!(kinds, [HistoryKind::Installed, HistoryKind::Held]);
        node.node.save_snapshot().expect("snapshot");
        drop(node);
        node = world.open(journal.clone(), 2000).expect("open");
    }
    let asked = node.asked();
    let address = "shop/till/a".parse().expect("an address");
    node.node.redrive(&asked, &address, Redrive::Released).expect("it is held");
    assert_eq!(get(&mut node, "shop/till/a"), "{\"Is\":1}", "with the state that it had");
    drop(node);
    let mut node = world.open(journal, 2000).expect("open");
    assert_eq!(get(&mut node, "shop/till/a"), "{\"Is\":1}");
    let told: Vec<_> = node.node.history().entries.into_iter().map(|entry| (entry.what, entry.why)).collect();
    assert_eq!(told.last(), Some(&(HistoryKind::Released, "shop/till/a".to_owned())));
    assert_eq!(told.len(), 3, "{told:?}");
}

/// Nobody has looked after the node between the trap and the command.
#[test]
fn the_history_tells_of_a_hold_before_the_command_that_ends_it() {
    let (_world, _journal, mut node) = looked_after(OnTrap::Hold(After::First), Strategy::OneForOne, None);
    node.post("shop/till/a", HUGE, None);
    let asked = node.asked();
    for shard in 0..usize::from(node.node.shards()) {
        node.node.run_shard(shard, asked.now_ms);
    }
    node.node.sync().expect("the journal takes it");
    let address = "shop/till/a".parse().expect("an address");
    node.node.redrive(&asked, &address, Redrive::Released).expect("it is held");
    let kinds: Vec<HistoryKind> = node.node.history().entries.iter().map(|entry| entry.what).collect();
    assert_eq!(kinds, [HistoryKind::Installed, HistoryKind::Held, HistoryKind::Released]);
}

/// Its first input is in the journal before the hold, and is replayed; no snapshot has it.
#[test]
fn an_instance_that_is_held_has_its_inputs_also_after_a_restart() {
    let (world, journal, mut node) = looked_after(OnTrap::Hold(After::First), Strategy::OneForOne, None);
    assert!(node.send("shop/till/a", HUGE).starts_with("trap overflow"));
    drop(node);
    let mut node = world.open(journal, 0).expect("open");
    assert!(get(&mut node, "shop/till/a").starts_with("refused: shop/till/a is held: a trap"));
    let asked = node.asked();
    let address = "shop/till/a".parse().expect("an address");
    node.node.redrive(&asked, &address, Redrive::Released).expect("it is held");
    assert_eq!(get(&mut node, "shop/till/a"), "{\"Is\":1}");
}

#[test]
fn an_instance_begins_anew_and_its_state_is_archived_up_to_a_limit() {
    let (world, journal, mut node) = looked_after(OnTrap::Reset(After::First), Strategy::OneForOne, None);
    for number in 1..=8u64 {
        assert!(node.send("shop/till/a", HUGE).starts_with("trap overflow"), "{number}");
        assert_eq!(get(&mut node, "shop/till/a"), "{\"Is\":0}");
        assert_eq!(node.send("shop/till/a", "{\"Add\":{\"n\":5}}"), "\"Ok\"");
        assert_eq!(node.status().counts.archived, number);
        if number % 3 == 0 {
            node.node.save_snapshot().expect("snapshot");
        }
        drop(node);
        node = world.open(journal.clone(), 0).expect("open");
    }
    assert!(node.send("shop/till/a", HUGE).starts_with("trap overflow"));
    assert_eq!(
        get(&mut node, "shop/till/a"),
        "refused: shop/till/a is held: a trap: overflow at Add; the states of 8 earlier resets are still archived"
    );
    let all = node.instances(None, 100).instances;
    assert_eq!(all.iter().filter(|one| one.state == InstanceState::Archived).count(), 8);
    let asked = node.asked();
    let address = "shop/till/a".parse().expect("an address");
    let dropped = node.node.redrive(&asked, &address, Redrive::Dropped).expect("there are some");
    assert_eq!(dropped, Redriven { driven: 8, left: 0 });
    node.node.redrive(&asked, &address, Redrive::Released).expect("it is held");
    assert_eq!(get(&mut node, "shop/till/a"), "{\"Is\":5}");
    let resets = node.node.history().entries.iter().filter(|one| one.what == HistoryKind::Reset).count();
    assert_eq!(resets, 8);
}

#[test]
fn siblings_of_the_same_key_go_along() {
    let (world, journal, mut node) = looked_after(OnTrap::Hold(After::First), Strategy::RestForOne, None);
    assert!(node.send("shop/till/a", HUGE).starts_with("trap overflow"));
    for _ in 0..2 {
        assert_eq!(
            get(&mut node, "shop/log/a"),
            "refused: shop/log/a is held: it goes along with till (rest_for_one): a trap: overflow at Add"
        );
        assert_eq!(get(&mut node, "shop/log/b"), "{\"Is\":1}");
        drop(node);
        node = world.open(journal.clone(), 0).expect("open");
    }
}

#[test]
fn an_application_is_unhealthy_until_its_window_is_empty() {
    let (_, _, mut node) = looked_after(OnTrap::Refuse, Strategy::OneForOne, Some(intensity(3, 60_000)));
    for key in ["a", "b", "a"] {
        assert!(node.send(&format!("shop/till/{key}"), HUGE).starts_with("trap overflow"));
    }
    let status = node.status();
    assert_eq!(status.unhealthy.iter().map(|one| one.app.as_str()).collect::<Vec<_>>(), ["shop"]);
    let till = status.machines.iter().find(|one| one.machine == "shop/till").expect("it runs");
    let add = till.cases.iter().find(|one| one.case.as_deref() == Some("Add")).expect("a case");
    assert_eq!((add.applied, add.failed, add.trapped.get("overflow")), (2, 0, Some(&3)));
    node.advance(62_000);
    assert_eq!(node.status().unhealthy, []);
    let kinds: Vec<HistoryKind> = node.node.history().entries.iter().map(|entry| entry.what).collect();
    assert_eq!(kinds, [HistoryKind::Installed, HistoryKind::Unhealthy, HistoryKind::Recovered]);
}

#[test]
fn the_traps_of_a_life_that_is_over_count_no_more() {
    let till = TILL.replace("| Refuse |", "| Refuse | End |") + "on End { stop; (state, Ok) }\n";
    let hold = OnTrap::Hold(After::Within(intensity(2, 60_000)));
    let machines = [("till".parse().expect("a name"), hold)].into();
    let supervision = Supervision { machines, ..Supervision::default() };
    let made = make("1.0.0", &[("shop/till", &till)], None, &[]).looked_after("shop", supervision);
    let mut node = World::of([made]).open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    let (asked, address) = (node.asked(), "shop/till/a".parse().expect("an address"));
    for ends_by_itself in [true, false] {
        assert_eq!(node.send("shop/till/a", "{\"Add\":{\"n\":1}}"), "\"Ok\"");
        assert!(node.send("shop/till/a", HUGE).starts_with("trap overflow"));
        if ends_by_itself {
            assert_eq!(node.send("shop/till/a", "\"End\""), "\"Ok\"");
        } else {
            node.node.redrive(&asked, &address, Redrive::Reset).expect("it lives");
        }
    }
    assert_eq!(node.send("shop/till/a", "{\"Add\":{\"n\":1}}"), "\"Ok\"");
    for held in [false, true] {
        assert!(node.send("shop/till/a", HUGE).starts_with("trap overflow"));
        assert_eq!(get(&mut node, "shop/till/a").starts_with("refused: shop/till/a is held"), held);
    }
}

/// A window of another length has slots of another length: the two cannot be added up.
#[test]
fn what_was_counted_for_one_intensity_counts_no_more_after_a_switch_to_another() {
    let of = |traps, ms| Supervision { intensity: Some(intensity(traps, ms)), ..Supervision::default() };
    let one = make("1.0.0", &[("shop/till", TILL)], None, &[]).looked_after("shop", of(3, 1_000));
    let two = make("2.0.0", &[("shop/till", TILL)], Some(&one), &[]).looked_after("shop", of(2, 60_000));
    let mut node = World::of([one, two]).open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    // Instances of both shards.
    for key in ["a", "b", "c", "d"] {
        assert_eq!(node.send(&format!("shop/till/{key}"), "{\"Add\":{\"n\":1}}"), "\"Ok\"");
        assert!(node.send(&format!("shop/till/{key}"), HUGE).starts_with("trap overflow"));
    }
    assert_eq!(node.status().unhealthy.len(), 1);
    node.upgrade("2.0.0").expect("upgrade");
    node.settle();
    assert_eq!(node.status().unhealthy, []);
    for unhealthy in [0, 1] {
        assert!(node.send("shop/till/a", HUGE).starts_with("trap overflow"));
        assert_eq!(node.status().unhealthy.len(), unhealthy);
    }
}

const SENDER: &str = "machine sender
type Message = Do { n: Int }
type State = Int
type Input = Go { n: Int }
type Output = | Ok
channel out = shop/picky(Message)
init = 0
on Go { n } { send out Do { n }; (state + 1, Ok) }
";

const PICKY_1: &str = "machine picky
type State = Int
type Input = Do { n: Int } | Get
type Output = Ok | Is(Int)
init = 0
on Do { n } => if n > 9 { fail \"too many\" } else { (state + n, Ok) }
on Get => (state, Is(state))
";

#[test]
fn a_message_that_traps_is_a_dead_letter_and_is_delivered_once_after_an_upgrade_that_takes_it() {
    let mended = PICKY_1
        .replace("n > 9", "n > 99")
        .replace("| Get", "| Get | Other")
        .replace("on Get", "on Other => (state, Ok)\non Get");
    let one = make("1.0.0", &[("shop/sender", SENDER), ("shop/picky", PICKY_1)], None, &[]);
    let two = make("2.0.0", &[("shop/sender", SENDER), ("shop/picky", &mended)], Some(&one), &[]);
    let (world, journal) = (World::of([one, two]), MemoryJournal::default());
    let mut node = world.open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    for n in [5, 50, 500] {
        assert_eq!(node.send("shop/sender", &format!("{{\"Go\":{{\"n\":{n}}}}}")), "\"Ok\"");
    }
    assert_eq!((get(&mut node, "shop/picky"), node.status().counts.parked), ("{\"Is\":5}".to_owned(), 2));
    node.upgrade("2.0.0").expect("upgrade");
    assert_eq!(node.status().counts.parked, 2, "a switch does not deliver them");
    let asked = node.asked();
    let address = "shop/picky".parse().expect("an address");
    let redriven = node.node.redrive(&asked, &address, Redrive::Parked).expect("there are some");
    assert_eq!(redriven, Redriven { driven: 2, left: 0 });
    node.settle();
    for _ in 0..2 {
        assert_eq!(
            (get(&mut node, "shop/picky"), node.status().counts.parked),
            ("{\"Is\":55}".to_owned(), 1)
        );
        drop(node);
        node = world.open(journal.clone(), 0).expect("open");
    }
    let refused = node.node.redrive(&asked, &"shop/sender".parse().expect("an address"), Redrive::Parked);
    let (code, detail) = common::refusal(refused);
    assert_eq!((code.as_str(), detail.as_str()), ("nothing-to-redrive", "nothing is parked of shop/sender"));
}
