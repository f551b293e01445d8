use std::collections::BTreeMap;

use camshaft_cam::digest::Digest;
use camshaft_manifests::app::{Strategy, Supervision};
use camshaft_manifests::duration::Millis;
use camshaft_manifests::resolved::ResolvedMachine;
use proptest::prelude::*;
use proptest::strategy::Strategy as _;

use super::*;
use crate::api::CaseCount;

const LIVES: Being = Being::Lives { archived: 0 };

fn within(traps: u32, ms: u64) -> After {
    After::Within(Intensity { traps, within: Millis(ms) })
}

fn trap(now_ms: i64) -> Trapped<'static> {
    Trapped { now_ms, kind: TrapKind::Overflow, case: "Add", being: LIVES }
}

fn reason(after: After) -> Reason {
    Reason { after, kind: TrapKind::Overflow, case: "Add".to_owned(), shared: None, exhausted: false }
}

/// Lets one instance trap at these times, and returns at which of them it was held.
fn held_at(on_trap: OnTrap, times: &[i64]) -> Vec<i64> {
    let mut watches = Watches::default();
    let held = |now_ms: &&i64| watches.trap(&"one", on_trap, &trap(**now_ms)) != Verdict::Refuse;
    times.iter().filter(held).copied().collect()
}

#[test]
fn every_trap_is_one_but_fail() {
    let traps = [
        (Trap::Overflow, "overflow"),
        (Trap::DivisionByZero, "division_by_zero"),
        (Trap::Range, "range"),
        (Trap::Guard, "guard"),
        (Trap::Invariant("i".into()), "invariant"),
        (Trap::Fuel, "fuel"),
        (Trap::Memory, "memory"),
    ];
    for (trap, word) in &traps {
        let outcome = Outcome::from(trap);
        assert!(matches!(outcome, Outcome::Trapped(kind) if kind.word() == *word), "{word}: {outcome:?}");
        assert_eq!(Outcome::of_word(word), Some(outcome));
    }
    assert_eq!(Outcome::from(&Trap::Fail("no".into())), Outcome::Failed);
    assert_eq!(Outcome::of_word("fail"), Some(Outcome::Failed));
    assert_eq!(Outcome::of_word("key"), Some(Outcome::Trapped(TrapKind::Key)));
    assert_eq!(Outcome::of_word("applied"), None);
    for (index, kind) in TrapKind::ALL.into_iter().enumerate() {
        assert_eq!((kind as usize, Outcome::of_word(kind.word())), (index, Some(Outcome::Trapped(kind))));
    }
}

#[test]
fn who_declares_nothing_is_refused_and_not_remembered() {
    let mut watches = Watches::default();
    for now_ms in 0..1000 {
        assert_eq!(watches.trap(&"one", OnTrap::Refuse, &trap(now_ms)), Verdict::Refuse);
    }
    assert!(watches.is_empty());
}

#[test]
fn the_first_trap_is_enough_where_no_number_is_said() {
    let mut watches = Watches::default();
    let held = watches.trap(&"one", OnTrap::Hold(After::First), &trap(5));
    assert_eq!(held, Verdict::Hold(reason(After::First)));
    let reset = watches.trap(&"one", OnTrap::Reset(After::First), &trap(5));
    assert_eq!(reset, Verdict::Reset(reason(After::First)));
    assert!(watches.is_empty());
}

#[test]
fn so_many_traps_within_so_long_a_time() {
    let three = OnTrap::Hold(within(3, 10));
    assert_eq!(held_at(three, &[0, 1, 2]), [2]);
    assert_eq!(held_at(three, &[7, 7, 7]), [7]);
    // One that is as long ago as the window is long counts, and one that is longer ago does not.
    assert_eq!(held_at(three, &[0, 5, 10]), [10]);
    assert_eq!(held_at(three, &[0, 5, 11]), [] as [i64; 0]);
    assert_eq!(held_at(three, &[0, 5, 11, 15]), [15]);
    // What led to a hold counts no second time.
    assert_eq!(held_at(three, &[0, 1, 2, 3, 4, 5]), [2, 5]);
    // Windows without an end, and times before the epoch, are times like others.
    let for_ever = OnTrap::Hold(within(2, u64::MAX));
    assert_eq!(held_at(for_ever, &[-1, i64::MAX - 1]), [i64::MAX - 1]);
}

#[test]
fn only_who_lives_is_held_or_reset() {
    for on_trap in [OnTrap::Hold(After::First), OnTrap::Reset(After::First), OnTrap::Hold(within(2, 10))] {
        for being in [Being::Unborn, Being::Held] {
            let mut watches = Watches::default();
            for now_ms in 0..5 {
                let trapped = Trapped { being, ..trap(now_ms) };
                assert_eq!(watches.trap(&"one", on_trap, &trapped), Verdict::Refuse, "{on_trap:?} {being:?}");
            }
            assert!(watches.is_empty());
        }
    }
}

#[test]
fn states_of_resets_are_not_archived_without_end() {
    let reset = |archived| {
        let trapped = Trapped { being: Being::Lives { archived }, ..trap(0) };
        Watches::default().trap(&"one", OnTrap::Reset(After::First), &trapped)
    };
    assert_eq!(reset(RESETS_MAX - 1), Verdict::Reset(reason(After::First)));
    let Verdict::Hold(why) = reset(RESETS_MAX) else { panic!("not held") };
    assert_eq!(why.to_string(), "a trap: overflow at Add; the states of 8 earlier resets are still archived");
}

#[test]
fn a_window_is_forgotten_when_it_is_over() {
    let two = OnTrap::Hold(within(2, 10));
    let mut watches = Watches::default();
    watches.trap(&"a", two, &trap(0));
    watches.trap(&"b", two, &trap(3));
    watches.forget_ended(10);
    assert_eq!(watches.len(), 2);
    watches.forget_ended(11);
    assert_eq!(watches.len(), 1);
    watches.forget_ended(14);
    assert!(watches.is_empty());
    // A switch took the declaration away: what was noted goes with it.
    watches.trap(&"a", two, &trap(20));
    watches.trap(&"a", OnTrap::Refuse, &trap(21));
    assert!(watches.is_empty());
    // It was held with a sibling: what it did before does not count.
    watches.trap(&"a", two, &trap(30));
    watches.forget(&"a");
    assert_eq!(watches.trap(&"a", two, &trap(31)), Verdict::Refuse);
}

#[test]
fn there_are_no_more_windows_than_traps_within_the_longest() {
    let mut watches = Watches::default();
    for now_ms in 0..1000 {
        watches.trap(&now_ms, OnTrap::Hold(within(100, 10)), &trap(now_ms));
        assert!(watches.len() <= 11, "{} at {now_ms}", watches.len());
    }
}

/// An application; machines with a key stand with a `/`.
fn care(strategy: Strategy, machines: &[&str]) -> Care {
    let machine = |text: &&str| ResolvedMachine {
        name: text.trim_end_matches('/').parse().expect("a name"),
        keyed: text.ends_with('/'),
        digest: Digest::of(b""),
        config: "[]".to_owned(),
    };
    let first = machine(&machines[0]).name;
    let intensity = Some(Intensity { traps: 5, within: Millis(10_000) });
    Care::new(&ResolvedApp {
        name: "shop".parse().expect("a name"),
        version: "1.0.0".parse().expect("a version"),
        depends: BTreeMap::new(),
        supervision: Supervision {
            strategy,
            intensity,
            machines: [(first, OnTrap::Hold(After::First))].into(),
        },
        machines: machines.iter().map(machine).collect(),
        waivers: vec![],
        strictness: None,
    })
}

#[test]
fn the_strategy_says_who_goes_along() {
    let sharing = |strategy, machines: &[&str]| {
        let care = care(strategy, machines);
        let told = (0..machines.len()).map(|machine| format!("{:?}", care.sharing(machine)));
        told.collect::<Vec<_>>().join(" ")
    };
    let keyed = ["a/", "b/", "c/"];
    assert_eq!(sharing(Strategy::OneForOne, &keyed), "[] [] []");
    assert_eq!(sharing(Strategy::RestForOne, &keyed), "[1, 2] [2] []");
    assert_eq!(sharing(Strategy::OneForAll, &keyed), "[1, 2] [0, 2] [0, 1]");
    // An instance with a key has no sibling without one.
    let mixed = ["a/", "b", "c/", "d"];
    assert_eq!(sharing(Strategy::OneForAll, &mixed), "[2] [3] [0] [1]");
    assert_eq!(sharing(Strategy::RestForOne, &mixed), "[2] [3] [] []");
}

/// What is done when an instance of the first machine traps; a line per deed.
fn done(care: &Care, trapped: Being, siblings: &[Being]) -> Vec<String> {
    let trapped = Trapped { being: trapped, ..trap(0) };
    let sibling = |machine: usize| (machine, siblings[machine - 1]);
    let deeds = care.judge(&mut Watches::default(), (0, &0), &trapped, sibling);
    let told = |deed: Deed<usize>| {
        assert_eq!(deed.machine, deed.instance);
        match deed.verdict {
            Verdict::Refuse => panic!("nothing is no deed"),
            Verdict::Hold(why) => format!("hold {}: {why}", deed.machine),
            Verdict::Reset(why) => format!("reset {}: {why}", deed.machine),
        }
    };
    deeds.into_iter().map(told).collect()
}

#[test]
fn who_goes_along_shares_what_is_done() {
    let held = care(Strategy::OneForAll, &["till/", "shelf/", "clock/"]);
    assert_eq!(held.on_trap(0), OnTrap::Hold(After::First));
    assert_eq!(held.intensity(), Some(Intensity { traps: 5, within: Millis(10_000) }));
    // The others declare nothing: they go along because of the strategy.
    assert_eq!((held.on_trap(1), held.on_trap(2)), (OnTrap::Refuse, OnTrap::Refuse));
    let own = "hold 0: a trap: overflow at Add";
    let along =
        |machine| format!("hold {machine}: it goes along with till (one_for_all): a trap: overflow at Add");
    assert_eq!(done(&held, LIVES, &[LIVES, LIVES]), [own.to_owned(), along(1), along(2)]);
    // Who is not born, and who is held already, stays so.
    assert_eq!(done(&held, LIVES, &[Being::Unborn, Being::Held]), [own]);
    assert_eq!(done(&held, LIVES, &[Being::Held, LIVES]), [own.to_owned(), along(2)]);
    // What is no hold takes nobody along.
    assert_eq!(done(&held, Being::Unborn, &[LIVES, LIVES]), [] as [&str; 0]);
    let alone = care(Strategy::OneForOne, &["till/", "shelf/"]);
    assert_eq!(done(&alone, LIVES, &[LIVES]), [own]);
}

#[test]
fn a_full_archive_makes_a_hold_of_a_reset_and_of_no_other() {
    let mut resets = care(Strategy::RestForOne, &["till/", "shelf/", "clock/"]);
    resets.machines[0].on_trap = OnTrap::Reset(After::First);
    let full = Being::Lives { archived: RESETS_MAX };
    let what = |own, siblings: &[Being]| {
        let deeds = done(&resets, own, siblings);
        deeds.iter().map(|deed| deed[..deed.find(':').expect("a colon")].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(what(LIVES, &[LIVES, LIVES]), ["reset 0", "reset 1", "reset 2"]);
    assert_eq!(what(LIVES, &[full, LIVES]), ["reset 0", "hold 1", "reset 2"]);
    // Who goes along with one that is held is held: nothing is given up for one that does not begin anew.
    assert_eq!(what(full, &[LIVES, LIVES]), ["hold 0", "hold 1", "hold 2"]);
}

#[test]
fn what_somebody_did_before_going_along_is_forgotten() {
    let mut care = care(Strategy::OneForAll, &["till/", "shelf/"]);
    care.machines[1].on_trap = OnTrap::Hold(within(2, 10));
    let mut watches = Watches::default();
    let judge = |watches: &mut Watches<usize>, machine: usize, now_ms| {
        care.judge(watches, (machine, &machine), &trap(now_ms), |other| (other, LIVES)).len()
    };
    assert_eq!(judge(&mut watches, 1, 0), 0);
    assert_eq!(watches.len(), 1);
    assert_eq!(judge(&mut watches, 0, 1), 2);
    assert!(watches.is_empty());
    assert_eq!(judge(&mut watches, 1, 2), 0);
    assert_eq!(judge(&mut watches, 1, 3), 2);
}

#[test]
fn a_reason_tells_what_could_not_be_read() {
    let why = Reason { kind: TrapKind::Input, case: String::new(), ..reason(After::First) };
    assert_eq!(why.to_string(), "a trap: input");
}

fn so_many(traps: u32, ms: u64) -> Intensity {
    Intensity { traps, within: Millis(ms) }
}

#[test]
fn a_window_of_an_application_counts_what_is_not_too_long_ago() {
    // Slots of a millisecond: exact.
    let mut window = TrapWindow::new(so_many(1, 60));
    assert_eq!((window.count(0), window.clear_at_ms()), (0, None));
    window.note(100);
    window.note(130);
    assert_eq!([130, 160, 161, 190, 191].map(|now_ms| window.count(now_ms)), [2, 2, 1, 1, 0]);
    assert_eq!(window.clear_at_ms(), Some(191));
    // Slots of ten: up to one longer.
    let mut window = TrapWindow::new(so_many(1, 600));
    window.note(105);
    assert_eq!([705, 709, 710].map(|now_ms| window.count(now_ms)), [1, 1, 0]);
    assert_eq!(window.clear_at_ms(), Some(710));
    // One that comes from a shard whose time was behind counts, unless it is long over.
    window.note(95);
    window.note(105 - 64 * 10);
    assert_eq!(window.count(105), 2);
    // A leap of the clock empties it.
    window.note(1_000_000_000);
    assert_eq!(window.count(1_000_000_000), 1);
}

#[test]
fn an_application_is_unhealthy_until_its_window_is_empty() {
    let intensity = so_many(3, 60);
    let mut window = TrapWindow::new(intensity);
    let mut health = AppHealth::default();
    window.note(100);
    window.note(110);
    assert_eq!(health.look(Some((intensity, &window)), 110), None);
    window.note(120);
    assert_eq!(health.look(Some((intensity, &window)), 120), Some(Turn::Unhealthy { traps: 3 }));
    assert_eq!(health.unhealthy_since_ms(), Some(120));
    // It is told once, and below the number is not yet healthy.
    assert_eq!(health.look(Some((intensity, &window)), 120), None);
    assert_eq!(window.count(175), 1);
    assert_eq!(health.look(Some((intensity, &window)), 175), None);
    assert_eq!(window.clear_at_ms(), Some(181));
    assert_eq!(health.look(Some((intensity, &window)), 180), None);
    // However late it is seen.
    let recovered = Turn::Recovered { since_ms: 120, until_ms: 181 };
    assert_eq!(health.look(Some((intensity, &window)), 900), Some(recovered));
    assert_eq!(health, AppHealth::default());
}

#[test]
fn a_switch_to_a_release_without_intensity_makes_an_application_healthy() {
    let intensity = so_many(1, 1000);
    let mut window = TrapWindow::new(intensity);
    window.note(5);
    let mut health = AppHealth::default();
    assert!(health.look(Some((intensity, &window)), 5).is_some());
    let recovered = Some(Turn::Recovered { since_ms: 5, until_ms: 9 });
    assert_eq!(health.look(None, 9), recovered);
    assert_eq!(health.look(None, 10), None);
    // So does one to a window of another length, which begins empty.
    assert!(health.look(Some((intensity, &window)), 10).is_some());
    let other = so_many(1, 2000);
    let empty = TrapWindow::new(other);
    assert_eq!(health.look(Some((other, &empty)), 12), Some(Turn::Recovered { since_ms: 10, until_ms: 12 }));
}

#[test]
fn counters_tell_what_became_of_inputs_case_by_case() {
    let mut one = Counters::new(2);
    one.applied(0);
    one.note(Some(0), Outcome::Applied);
    one.note(Some(0), Outcome::Failed);
    let earlier = one.clone();
    let mut other = Counters::new(2);
    other.note(Some(0), Outcome::Trapped(TrapKind::Overflow));
    other.note(Some(0), Outcome::Trapped(TrapKind::Overflow));
    other.note(Some(0), Outcome::Trapped(TrapKind::Fuel));
    other.note(None, Outcome::Trapped(TrapKind::Input));
    one.merge(&other);
    let add = one.cases()[0];
    assert_eq!((add.applied, add.failed, add.trapped(), add.taken()), (2, 1, 3, 6));
    assert_eq!((add.trapped_by(TrapKind::Overflow), add.trapped_by(TrapKind::Range)), (2, 0));
    assert_eq!(one.since(&earlier), other);
    let case = |case: Option<&str>, applied, failed, trapped: &[(&str, u64)]| CaseCount {
        case: case.map(str::to_owned),
        applied,
        failed,
        trapped: trapped.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
    };
    assert_eq!(
        one.status(["Add", "Set"]),
        [case(Some("Add"), 2, 1, &[("fuel", 1), ("overflow", 2)]), case(None, 0, 0, &[("input", 1)])],
        "a case that nobody sent is left out"
    );
    let json = serde_json::to_string(&one.status(["Add", "Set"])[0]).expect("JSON");
    assert_eq!(json, r#"{"case":"Add","applied":2,"failed":1,"trapped":{"fuel":1,"overflow":2}}"#);
}

#[test]
#[should_panic(expected = "counters of one machine have the same cases")]
fn counters_of_different_machines_are_not_added() {
    Counters::new(2).merge(&Counters::new(3));
}

/// What a generated script does.
#[derive(Debug, Clone, Copy)]
enum Act {
    Wait(i64),
    Trap { instance: usize, being: Being },
    Forget(usize),
    Sweep,
}

/// What the instances of scripts declare: windows that fit into one another, and neighbours of none.
const DECLARED: [OnTrap; 5] = [
    OnTrap::Refuse,
    OnTrap::Hold(After::First),
    OnTrap::Hold(After::Within(Intensity { traps: 2, within: Millis(1) })),
    OnTrap::Reset(After::Within(Intensity { traps: 3, within: Millis(10) })),
    OnTrap::Hold(After::Within(Intensity { traps: 4, within: Millis(25) })),
];

fn act() -> impl proptest::strategy::Strategy<Value = Act> {
    let being = prop_oneof![
        8 => (0..=RESETS_MAX).prop_map(|archived| Being::Lives { archived }),
        1 => Just(Being::Unborn),
        1 => Just(Being::Held),
    ];
    prop_oneof![
        4 => (0i64..8).prop_map(Act::Wait),
        8 => (0..DECLARED.len(), being).prop_map(|(instance, being)| Act::Trap { instance, being }),
        1 => (0..DECLARED.len()).prop_map(Act::Forget),
        1 => Just(Act::Sweep),
    ]
}

/// Every trap that may still count, and nothing clever.
#[derive(Default)]
struct Naive(BTreeMap<usize, Vec<i64>>);

impl Naive {
    fn trap(&mut self, instance: usize, now_ms: i64, being: Being) -> Verdict {
        let Being::Lives { archived } = being else {
            self.0.remove(&instance);
            return Verdict::Refuse;
        };
        let (holds, after) = match DECLARED[instance] {
            OnTrap::Refuse => return Verdict::Refuse,
            OnTrap::Hold(after) => (true, after),
            OnTrap::Reset(after) => (false, after),
        };
        let times = self.0.entry(instance).or_default();
        times.push(now_ms);
        let (enough, ms) = match after {
            After::First => (1, 0),
            After::Within(Intensity { traps, within }) => (traps as usize, within.0 as i64),
        };
        if times.iter().filter(|time| now_ms - **time <= ms).count() < enough {
            return Verdict::Refuse;
        }
        self.0.remove(&instance);
        match holds || archived >= RESETS_MAX {
            true => Verdict::Hold(Reason { exhausted: !holds, ..reason(after) }),
            false => Verdict::Reset(reason(after)),
        }
    }

    /// The instances with a trap that may still count.
    fn watched(&self, now_ms: i64) -> usize {
        let counts = |(instance, times): &(&usize, &Vec<i64>)| match DECLARED[**instance].after() {
            Some(After::Within(Intensity { within, .. })) => {
                times.last().is_some_and(|time| now_ms - time <= within.0 as i64)
            }
            Some(After::First) | None => false,
        };
        self.0.iter().filter(counts).count()
    }
}

fn config() -> ProptestConfig {
    let long: u32 = std::env::var("CAMSHAFT_LONG").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    ProptestConfig { cases: 500 * long, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn windows_say_what_a_list_of_all_traps_says() {
    proptest!(config(), |(acts in prop::collection::vec(act(), 0..80), start in -30i64..30)| {
        let (mut watches, mut naive, mut now_ms) = (Watches::default(), Naive::default(), start);
        for act in acts {
            match act {
                Act::Wait(ms) => now_ms += ms,
                Act::Trap { instance, being } => {
                    let trapped = Trapped { being, ..trap(now_ms) };
                    let verdict = watches.trap(&instance, DECLARED[instance], &trapped);
                    prop_assert_eq!(verdict, naive.trap(instance, now_ms, being));
                }
                Act::Forget(instance) => {
                    watches.forget(&instance);
                    naive.0.remove(&instance);
                }
                Act::Sweep => {
                    watches.forget_ended(now_ms);
                    prop_assert_eq!(watches.len(), naive.watched(now_ms));
                }
            }
            prop_assert!(watches.len() >= naive.watched(now_ms));
        }
    });
}

#[test]
fn windows_of_shards_add_up_to_that_of_the_application() {
    let noted = prop::collection::vec((0..3usize, 0i64..40, 0i64..200), 1..100);
    proptest!(config(), |(length in 1u64..2000, noted in noted, order in Just([0, 1, 2]).prop_shuffle())| {
        let intensity = so_many(1, length);
        let mut shards = [(); 3].map(|()| TrapWindow::new(intensity));
        let (mut all, mut now_ms) = (vec![], 0);
        for (shard, wait_ms, later_ms) in noted {
            now_ms += wait_ms;
            shards[shard].note(now_ms);
            all.push(now_ms);
            let mut sum = TrapWindow::new(intensity);
            for shard in order {
                sum.merge(&shards[shard]);
            }
            let asked_ms = now_ms + later_ms;
            let since = |ms: i64| all.iter().filter(|time| **time >= asked_ms - ms).count() as u64;
            let (length, slot) = (length as i64, (length as i64 + 59) / 60);
            let count = sum.count(asked_ms);
            prop_assert!(since(length) <= count, "never shorter");
            prop_assert!(count <= since(length + slot - 1), "longer by less than a slot");
            let clear_at_ms = sum.clear_at_ms().expect("there was a trap");
            prop_assert_eq!((sum.count(clear_at_ms - 1) > 0, sum.count(clear_at_ms)), (true, 0));
        }
    });
}
