use super::*;

const MINUTE: i64 = 60_000;

fn policy() -> Probation {
    Probation {
        switch: 2,
        until_ms: 10 * MINUTE,
        auto_permanent: false,
        auto_return: true,
        traps: 10,
        rise: 1,
        ends: 3,
        before: vec![],
    }
}

fn rate(trapped: u64, taken: u64) -> Rate {
    Rate { taken, trapped }
}

fn seen(before: Rate, since: Rate) -> Seen {
    let case = Case { machine: "shop/till".to_owned(), case: "Add".to_owned(), before, since };
    Seen { now_ms: MINUTE, cases: vec![case], invariant: None, ends: 0 }
}

/// Numbers that look like chance, the same for the same seed.
struct Random(u64);

impl Random {
    /// Returns true so many times in a thousand.
    fn hits(&mut self, per_mille: u64) -> bool {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % 1000 < per_mille
    }

    fn traffic(&mut self, per_mille: u64, inputs: u64) -> Rate {
        rate((0..inputs).filter(|_| self.hits(per_mille)).count() as u64, inputs)
    }
}

/// Returns after how many inputs since the switch the rates are told apart, if they are.
fn told_apart(random: &mut Random, (old, new): (u64, u64), before: u64, since: u64) -> Option<u64> {
    let before = random.traffic(old, before);
    let mut now = rate(0, 0);
    (1..=since).find(|_| {
        now = rate(now.trapped + u64::from(random.hits(new)), now.taken + 1);
        traps_more(&policy(), before, now)
    })
}

#[test]
fn the_same_rate_is_never_told_apart_however_often_one_looks() {
    for seed in 0..60 {
        let mut random = Random(seed);
        for per_mille in [0, 1, 10, 100, 500, 900, 1000] {
            for (before, since) in [(20, 400), (200, 400), (2000, 400), (50, 3000)] {
                let found = told_apart(&mut random, (per_mille, per_mille), before, since);
                assert_eq!(found, None, "seed {seed}, {per_mille} of 1000, {before} before");
            }
        }
    }
}

#[test]
fn a_rate_that_rose_is_told_apart_soon() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let most =
            [((0, 1000), 20, 12), ((0, 200), 200, 200), ((10, 200), 1000, 250), ((100, 400), 500, 200)];
        for (rates, before, most) in most {
            let found = told_apart(&mut random, rates, before, 2000);
            assert!(found.is_some_and(|after| after <= most), "seed {seed}: {rates:?} after {found:?}");
        }
    }
}

#[test]
fn what_is_too_little_to_say_says_nothing() {
    let some = |before, since| traps_more(&policy(), before, since);
    assert!(some(rate(0, 100), rate(10, 10)));
    assert!(!some(rate(0, 100), rate(9, 9)), "a client repeats an input that traps");
    assert!(!some(rate(0, 0), rate(1000, 1000)), "nobody knows how it was before");
    assert!(!some(rate(0, 5), rate(10, 10)), "five are too few to know");
    assert!(!some(rate(100, 100), rate(1000, 1000)), "it always trapped");
    assert!(!some(rate(30, 100), rate(30, 100)));
    assert!(!some(rate(500, 1000), rate(10, 1000)), "it is better now");
    // Surely more often, and yet not worth it: from 1 to 5 of a thousand.
    assert!(!some(rate(1000, 1_000_000), rate(5000, 1_000_000)));
    assert!(some(rate(1000, 1_000_000), rate(11_100, 1_000_000)));
    let Probation { rise, .. } = policy();
    let more = Probation { rise: rise + 1, ..policy() };
    assert!(!traps_more(&more, rate(1000, 1_000_000), rate(11_100, 1_000_000)));
    // Numbers that no node comes to are no trouble.
    assert!(some(rate(0, u64::MAX), rate(u64::MAX, u64::MAX)));
    assert!(!some(rate(u64::MAX, 1), rate(u64::MAX, 1)));
}

/// By counting all ways.
fn counted(before: Rate, since: Rate) -> f64 {
    let choose = |of: u64, some: u64| {
        (0..some).fold(1_u128, |ways, at| ways * u128::from(of - at) / u128::from(at + 1))
    };
    let traps = before.trapped + since.trapped;
    let ways = |late: u64| match traps - late {
        early if early <= before.taken => choose(since.taken, late) * choose(before.taken, early),
        _ => 0,
    };
    let more: u128 = (since.trapped..=traps.min(since.taken)).map(ways).sum();
    more as f64 / choose(before.taken + since.taken, traps) as f64
}

#[test]
fn the_chance_is_that_of_counting_all_ways() {
    let numbers = [0, 1, 2, 5, 9, 20];
    for before in numbers {
        for since in numbers {
            for early in 0..=before {
                for late in 0..=since {
                    let (before, since) = (rate(early, before), rate(late, since));
                    let (told, counted) = (chance(before, since), counted(before, since));
                    assert!((told - counted).abs() <= counted * 1e-6, "{before}, {since}: {told} {counted}");
                }
            }
        }
    }
    // What lies between is far too small to be a number; the result is not.
    let half = chance(rate(500_000, 1_000_000), rate(500_000, 1_000_000));
    assert!((half - 0.5).abs() < 0.01, "{half}");
    assert!(chance(rate(0, 1_000_000), rate(1_000_000, 1_000_000)) < 1e-100);
}

#[test]
fn each_reason_returns_while_it_is_time_and_the_node_may() {
    let invariant = Some(("shop/till/a".to_owned(), "positive".to_owned()));
    let good = seen(rate(0, 100), rate(0, 100));
    let all = [
        (
            seen(rate(0, 100), rate(20, 100)),
            "shop/till traps at Add more often: 20 of 100 inputs since the switch, 0 of 100 inputs before",
        ),
        (Seen { invariant, ..good.clone() }, "positive"),
        (Seen { ends: 3, ..good.clone() }, "the agent ended 3 times since the switch and was not told to"),
    ];
    for (seen, text) in all {
        let Step::Return(why) = judge(&policy(), &seen) else { panic!("{seen:?} returns") };
        assert_eq!(why.to_string(), text);
        let by_hand = Probation { auto_return: false, auto_permanent: true, ..policy() };
        assert_eq!(judge(&by_hand, &seen), Step::Wait(why.clone()));
        let late = Seen { now_ms: policy().until_ms, ..seen };
        assert_eq!(judge(&policy(), &late), Step::Over, "an operator decides from then on");
        let auto = Probation { auto_permanent: true, ..policy() };
        assert_eq!(
            judge(&auto, &late),
            Step::Return(why.clone()),
            "what does not pass is not made permanent"
        );
        assert_eq!(judge(&by_hand, &late), Step::Wait(why));
    }
    assert_eq!(judge(&policy(), &Seen { ends: 2, ..good }), Step::GoOn);
}

#[test]
fn what_passes_becomes_permanent_at_the_time_and_not_before() {
    let at = |now_ms| Seen { now_ms, ..seen(rate(1, 100), rate(1, 100)) };
    let auto = Probation { auto_permanent: true, ..policy() };
    assert_eq!(judge(&auto, &at(auto.until_ms - 1)), Step::GoOn);
    assert_eq!(judge(&auto, &at(auto.until_ms)), Step::MakePermanent);
    assert_eq!(judge(&policy(), &at(auto.until_ms)), Step::Over);
}
