//! Generated scripts: whatever happens, the rules of the plan hold.

use super::*;

/// What an observer knows of a call.
#[derive(Debug, Default)]
struct Seen {
    attempts: u32,
    attempting: bool,
    ended: bool,
    /// When the next attempt may begin, and when it has to be possible.
    window: Option<(u64, u64)>,
}

/// An observer that keeps its own account, and panics when a rule is broken.
struct Observer {
    bounds: Bounds,
    retries: BTreeMap<PortAddress, Retry>,
    calls: BTreeMap<CallId, (CallOut, Seen)>,
    rests: BTreeMap<PortAddress, u64>,
}

impl Observer {
    fn saw(&mut self, now_ms: u64, actions: &[Action]) -> Vec<Arc<CallOut>> {
        let mut begun = Vec::new();
        for action in actions {
            match action {
                Action::Try { call, attempt } => {
                    self.began(now_ms, call, *attempt);
                    begun.push(call.clone());
                }
                Action::End(Ended { id, end }) => self.ended(id, end),
            }
        }
        begun
    }

    fn began(&mut self, now_ms: u64, call: &CallOut, attempt: u32) {
        let retry = self.retries.get(&call.port).unwrap_or_else(|| panic!("{} is not bound", call.port));
        let earlier = self.calls.values().filter(|(other, _)| {
            other.port == call.port && other.id.instance == call.id.instance && other.id < call.id
        });
        for (other, seen) in earlier {
            assert!(seen.ended, "the {} began before the end of the {}", call.id, other.id);
        }
        assert!(self.rests.get(&call.port).is_none_or(|until| *until <= now_ms), "{} rests", call.port);
        let (_, seen) = self.calls.get_mut(&call.id).expect("a call that came");
        assert!(!seen.ended && !seen.attempting, "two attempts at the {}", call.id);
        assert_eq!(attempt, seen.attempts + 1);
        assert!(retry.attempts.is_none_or(|most| attempt <= most), "attempt {attempt} of {retry:?}");
        if let Some((earliest, _)) = seen.window {
            assert!(earliest <= now_ms, "the {} began {} ms early", call.id, earliest - now_ms);
        }
        (seen.attempts, seen.attempting) = (attempt, true);
        let on_port = self.attempting().filter(|(other, _)| other.port == call.port).count();
        assert!(on_port <= self.bounds.port.get() as usize, "{on_port} attempts on {}", call.port);
        assert!(self.attempting().count() <= self.bounds.node.get() as usize);
    }

    fn attempting(&self) -> impl Iterator<Item = &(CallOut, Seen)> {
        self.calls.values().filter(|(_, seen)| seen.attempting)
    }

    fn ended(&mut self, id: &CallId, end: &CallEnd) {
        let (_, seen) = self.calls.get_mut(id).expect("a call that came");
        assert!(!seen.ended && seen.attempts > 0, "the {id} ended twice, or untried");
        seen.ended = true;
        if let CallEnd::GivenUp { attempts, .. } = end {
            assert_eq!(*attempts, seen.attempts);
        }
    }

    fn tried(&mut self, now_ms: u64, call: &CallOut, outcome: &Outcome) {
        let retry = self.retries[&call.port];
        let (_, seen) = self.calls.get_mut(&call.id).expect("a call that came");
        seen.attempting = false;
        let Outcome::Again { rest_ms, .. } = outcome else { return };
        let whole = (retry.first.0 << (seen.attempts - 1).min(32)).min(retry.most.0);
        seen.window = Some((now_ms + whole - whole / 2, now_ms + whole));
        let rest = now_ms + rest_ms.unwrap_or(0).min(retry.most.0);
        let until = self.rests.entry(call.port.clone()).or_default();
        *until = rest.max(*until);
    }

    /// A call that may begin, on a port and a node with room, has begun by the end of its wait.
    fn check_no_delay(&self, now_ms: u64) {
        if self.attempting().count() >= self.bounds.node.get() as usize {
            return;
        }
        for (call, seen) in self.calls.values().filter(|(_, seen)| !seen.ended && !seen.attempting) {
            let full = self.attempting().filter(|(other, _)| other.port == call.port).count()
                >= self.bounds.port.get() as usize;
            let rests = self.rests.get(&call.port).is_some_and(|until| *until > now_ms);
            let waits = seen.window.is_some_and(|(_, latest)| latest > now_ms);
            let behind = self.calls.values().any(|(other, seen)| {
                let same = other.port == call.port && other.id.instance == call.id.instance;
                same && other.id < call.id && !seen.ended
            });
            let bound = self.retries.contains_key(&call.port);
            assert!(full || rests || waits || behind || !bound, "nothing keeps the {}", call.id);
        }
    }
}

fn outcome(chance: &mut Chance) -> Outcome {
    let why = || "why".to_owned();
    match chance.next() % 8 {
        0 | 1 => Outcome::Delivered,
        2 => Outcome::Answered("1".to_owned()),
        3 => Outcome::Refused { why: why() },
        4 => Outcome::Again { why: why(), rest_ms: Some(chance.next() % 3000) },
        _ => Outcome::Again { why: why(), rest_ms: None },
    }
}

fn run(seed: u64) {
    let mut chance = Chance(seed);
    let retries: BTreeMap<PortAddress, Retry> = ["mail", "print"]
        .map(|name| {
            let attempts = [None, Some(1), Some(3)][usize::try_from(chance.next() % 3).expect("small")];
            let first = 1 + chance.next() % 200;
            (port(name), retry(attempts, first, first + chance.next() % 2000))
        })
        .into();
    let small = |number: u64| 1 + u32::try_from(number % 4).expect("small");
    let bounds = bounds(small(chance.next()), small(chance.next()));
    let mut plan = Plan::new(retries.clone(), bounds, seed);
    let mut observer = Observer { bounds, retries, calls: BTreeMap::new(), rests: BTreeMap::new() };
    let (mut now_ms, mut seq, mut under_way) = (0, 0, Vec::new());
    let (steps, calls) = (200, 150);
    let mut step = 0;
    // First anything happens; then no more calls come, and every attempt succeeds in the end.
    loop {
        step += 1;
        let events = match chance.next() % 3 {
            0 if step < calls => {
                seq += chance.next() % 2;
                let name = ["mail", "print", "fax"][usize::try_from(chance.next() % 3).expect("small")];
                let instance = ["a", "b", "c"][usize::try_from(chance.next() % 3).expect("small")];
                let new = call(name, instance, seq, u32::try_from(step).expect("small"));
                observer.calls.insert(new.id.clone(), (new.clone(), Seen::default()));
                // Half of them come twice.
                vec![Event::Called(new); 1 + usize::try_from(chance.next() % 2).expect("small")]
            }
            1 if !under_way.is_empty() => {
                let at = usize::try_from(chance.next()).unwrap_or(0) % under_way.len();
                let call: Arc<CallOut> = under_way.swap_remove(at);
                let outcome = if step < steps { outcome(&mut chance) } else { Outcome::Delivered };
                observer.tried(now_ms, &call, &outcome);
                vec![Event::Tried { call, outcome }]
            }
            _ => {
                match plan.next_wake_ms() {
                    Some(wake) if chance.next().is_multiple_of(2) => now_ms = wake.max(now_ms),
                    _ if step < steps => now_ms += chance.next() % 100,
                    None if under_way.is_empty() => break,
                    _ => {}
                }
                Vec::new()
            }
        };
        under_way.extend(observer.saw(now_ms, &plan.step(now_ms, events)));
        observer.check_no_delay(now_ms);
    }
    let (mut open, mut ended) = (0, 0);
    for (call, seen) in observer.calls.values() {
        // Every call has ended, but those that nothing is bound to.
        assert_eq!(seen.ended, observer.retries.contains_key(&call.port), "the {}", call.id);
        *(if seen.ended { &mut ended } else { &mut open }) += 1;
    }
    let counts = plan.counts();
    assert_eq!(counts.values().map(|counts| counts.open).sum::<u64>(), open);
    assert_eq!(counts.values().map(|counts| counts.taken + counts.given_up).sum::<u64>(), ended);
    assert!(counts.values().all(|counts| counts.attempting == 0));
}

#[test]
fn the_rules_hold_whatever_happens() {
    let long: u64 = std::env::var("CAMSHAFT_LONG").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    for seed in 0..300 * long {
        let ran = std::panic::catch_unwind(|| run(seed));
        ran.unwrap_or_else(|_| panic!("seed {seed}; what broke stands above"));
    }
}
