use super::*;
use crate::ports::CallId;

mod scripts;

fn port(name: &str) -> PortAddress {
    let machine = "shop/till".parse().expect("an address");
    PortAddress { machine, port: name.parse().expect("a name") }
}

fn call(name: &str, instance: &str, seq: u64, effect: u32) -> CallOut {
    let instance = format!("shop/till/{instance}").parse().expect("an address");
    let id = CallId { instance, seq, effect };
    CallOut { id, port: port(name), key: None, message: "{}".to_owned(), answers: false, trace: None }
}

fn retry(attempts: Option<u32>, first: u64, most: u64) -> Retry {
    use camshaft_manifests::duration::Millis;
    Retry { attempts, first: Millis(first), most: Millis(most) }
}

fn bounds(port: u32, node: u32) -> Bounds {
    let [port, node] = [port, node].map(|count| NonZeroU32::new(count).expect("not zero"));
    Bounds { port, node }
}

/// A plan with the ports `mail` and `print`, and the clock that it is driven by. Actions are texts:
/// `mail/7 3.0 #1` begins the first attempt, `mail/7 3.0 delivered` is an end.
struct World {
    plan: Plan,
    now_ms: u64,
    begun: HashMap<String, Arc<CallOut>>,
}

impl World {
    fn new(retry: Retry, bounds: Bounds) -> World {
        let ports = ["mail", "print"].map(|name| (port(name), retry));
        World { plan: Plan::new(ports, bounds, 0), now_ms: 0, begun: HashMap::new() }
    }

    fn step(&mut self, events: impl IntoIterator<Item = Event>) -> Vec<String> {
        let actions = self.plan.step(self.now_ms, events);
        actions.into_iter().map(|action| self.shown(action)).collect()
    }

    fn shown(&mut self, action: Action) -> String {
        match action {
            Action::Try { call, attempt } => {
                let name = name(&call);
                self.begun.insert(name.clone(), call);
                format!("{name} #{attempt}")
            }
            Action::End(Ended { id, end }) => {
                let key = id.instance.key.as_ref().expect("a key");
                let end = match end {
                    CallEnd::Delivered => "delivered".to_owned(),
                    CallEnd::Answered { json } => format!("answered {json}"),
                    CallEnd::GivenUp { reason, attempts } => format!("given up after {attempts}: {reason}"),
                };
                format!("{key} {}.{} {end}", id.seq, id.effect)
            }
        }
    }

    fn called(&mut self, calls: impl IntoIterator<Item = CallOut>) -> Vec<String> {
        self.step(calls.into_iter().map(Event::Called))
    }

    fn tried(&mut self, name: &str, outcome: Outcome) -> Vec<String> {
        let call = self.begun.get(name).unwrap_or_else(|| panic!("{name} was not begun")).clone();
        self.step([Event::Tried { call, outcome }])
    }

    /// Sleeps until there is something to do, as often as the plan wants to be woken.
    fn wake(&mut self) -> Vec<String> {
        loop {
            self.now_ms = self.plan.next_wake_ms().expect("something to wake up for");
            let actions = self.step([]);
            if !actions.is_empty() {
                return actions;
            }
        }
    }
}

fn name(call: &CallOut) -> String {
    let key = call.id.instance.key.as_ref().expect("a key");
    format!("{}/{key} {}.{}", call.port.port, call.id.seq, call.id.effect)
}

fn again(rest_ms: Option<u64>) -> Outcome {
    Outcome::Again { why: "status 503".to_owned(), rest_ms }
}

#[test]
fn a_call_ends_as_its_attempt_says() {
    let mut world = World::new(retry(None, 100, 1000), Bounds::default());
    for (outcome, end) in [
        (Outcome::Delivered, "delivered"),
        (Outcome::Answered("{}".to_owned()), "answered {}"),
        (Outcome::Refused { why: "status 400".to_owned() }, "given up after 1: status 400"),
    ] {
        assert_eq!(world.called([call("mail", "a", 1, 0)]), ["mail/a 1.0 #1"]);
        assert_eq!(world.tried("mail/a 1.0", outcome), [format!("a 1.0 {end}")]);
        assert_eq!(world.plan.next_wake_ms(), None);
    }
    let counts = world.plan.counts()[&port("mail")];
    let expected = Counts { open: 0, attempting: 0, attempts: 3, failed: 0, taken: 2, given_up: 1 };
    assert_eq!(counts, expected);
    assert!(world.plan.callers.is_empty(), "something is remembered of calls that have ended");
}

#[test]
fn calls_of_one_instance_on_one_port_follow_each_other_and_others_do_not_wait() {
    let mut world = World::new(retry(None, 100, 1000), Bounds::default());
    let calls = [
        call("mail", "a", 1, 0),
        call("mail", "a", 1, 1),
        call("mail", "a", 2, 0),
        call("print", "a", 2, 1),
        call("mail", "b", 1, 0),
    ];
    assert_eq!(world.called(calls), ["mail/a 1.0 #1", "print/a 2.1 #1", "mail/b 1.0 #1"]);
    // What waits before its next attempt keeps its place too.
    assert_eq!(world.tried("mail/a 1.0", again(None)), [""; 0]);
    assert_eq!(world.wake(), ["mail/a 1.0 #2"]);
    assert_eq!(world.tried("mail/a 1.0", Outcome::Delivered), ["a 1.0 delivered", "mail/a 1.1 #1"]);
    let refused = Outcome::Refused { why: "status 400".to_owned() };
    let expected = ["a 1.1 given up after 1: status 400", "mail/a 2.0 #1"];
    assert_eq!(world.tried("mail/a 1.1", refused), expected);
    assert_eq!(world.tried("mail/a 2.0", Outcome::Delivered), ["a 2.0 delivered"]);
}

#[test]
fn calls_go_in_the_order_in_which_they_were_made_and_not_in_which_they_came() {
    let mut world = World::new(retry(None, 100, 1000), Bounds::default());
    let calls = [call("mail", "a", 2, 0), call("mail", "a", 1, 1), call("mail", "a", 1, 0)];
    assert_eq!(world.called(calls), ["mail/a 1.0 #1"]);
    // What was begun stays first.
    assert_eq!(world.called([call("mail", "a", 0, 5)]), [""; 0]);
    assert_eq!(world.tried("mail/a 1.0", Outcome::Delivered), ["a 1.0 delivered", "mail/a 0.5 #1"]);
    assert_eq!(world.tried("mail/a 0.5", Outcome::Delivered), ["a 0.5 delivered", "mail/a 1.1 #1"]);
    assert_eq!(world.tried("mail/a 1.1", Outcome::Delivered), ["a 1.1 delivered", "mail/a 2.0 #1"]);
}

#[test]
fn a_call_that_comes_twice_is_one_call() {
    let mut world = World::new(retry(None, 100, 1000), Bounds::default());
    let both = || [call("mail", "a", 1, 0), call("mail", "a", 2, 0)];
    assert_eq!(world.called(both()), ["mail/a 1.0 #1"]);
    assert_eq!(world.called(both()), [""; 0]);
    assert_eq!(world.tried("mail/a 1.0", again(None)), [""; 0]);
    assert_eq!(world.called(both()), [""; 0]);
    assert_eq!(world.plan.counts()[&port("mail")].open, 2);
    assert_eq!(world.wake(), ["mail/a 1.0 #2"]);
    assert_eq!(world.tried("mail/a 1.0", Outcome::Delivered), ["a 1.0 delivered", "mail/a 2.0 #1"]);
    assert_eq!(world.tried("mail/a 2.0", Outcome::Delivered), ["a 2.0 delivered"]);
}

#[test]
fn attempts_under_way_are_bounded_on_a_port_and_on_the_node_and_ports_take_turns() {
    let mut world = World::new(retry(None, 100, 1000), bounds(2, 3));
    let mail = ["a", "b", "c", "d"].map(|key| call("mail", key, 1, 0));
    assert_eq!(world.called(mail), ["mail/a 1.0 #1", "mail/b 1.0 #1"]);
    let print = ["a", "b"].map(|key| call("print", key, 1, 1));
    assert_eq!(world.called(print), ["print/a 1.1 #1"]);
    // One ended on `mail`; that of `print` waits for its turn.
    assert_eq!(world.tried("mail/a 1.0", Outcome::Delivered), ["a 1.0 delivered", "mail/c 1.0 #1"]);
    assert_eq!(world.tried("mail/b 1.0", Outcome::Delivered), ["b 1.0 delivered", "print/b 1.1 #1"]);
    assert_eq!(world.tried("print/a 1.1", Outcome::Delivered), ["a 1.1 delivered", "mail/d 1.0 #1"]);
    assert_eq!(world.tried("mail/c 1.0", Outcome::Delivered), ["c 1.0 delivered"]);
}

#[test]
fn callers_of_a_port_take_turns() {
    let mut world = World::new(retry(None, 100, 1000), bounds(1, 1));
    let calls = [call("mail", "a", 1, 0), call("mail", "a", 2, 0), call("mail", "b", 1, 0)];
    assert_eq!(world.called(calls), ["mail/a 1.0 #1"]);
    assert_eq!(world.tried("mail/a 1.0", Outcome::Delivered), ["a 1.0 delivered", "mail/b 1.0 #1"]);
    assert_eq!(world.tried("mail/b 1.0", Outcome::Delivered), ["b 1.0 delivered", "mail/a 2.0 #1"]);
}

#[test]
fn the_last_of_the_attempts_ends_a_call() {
    let mut world = World::new(retry(Some(3), 100, 1000), Bounds::default());
    world.called([call("mail", "a", 1, 0), call("mail", "a", 2, 0)]);
    assert_eq!(world.tried("mail/a 1.0", again(None)), [""; 0]);
    assert_eq!(world.wake(), ["mail/a 1.0 #2"]);
    assert_eq!(world.tried("mail/a 1.0", again(None)), [""; 0]);
    assert_eq!(world.wake(), ["mail/a 1.0 #3"]);
    let expected = ["a 1.0 given up after 3: status 503 (attempt 3 of 3)", "mail/a 2.0 #1"];
    assert_eq!(world.tried("mail/a 1.0", again(None)), expected);
    let counts = world.plan.counts()[&port("mail")];
    assert_eq!((counts.open, counts.attempts, counts.failed, counts.given_up), (1, 4, 3, 1));
}

#[test]
fn waits_double_up_to_the_longest_less_half_by_chance() {
    let retry = retry(None, 100, 1000);
    for (attempts, whole) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1000), (64, 1000), (u32::MAX, 1000)]
    {
        assert_eq!(wait_ms(&retry, attempts, 0), whole);
        assert_eq!(wait_ms(&retry, attempts, whole / 2), whole - whole / 2);
        assert_eq!(wait_ms(&retry, attempts, whole / 2 + 1), whole);
        let all: BTreeSet<u64> = (0..=whole / 2).map(|chance| wait_ms(&retry, attempts, chance)).collect();
        assert_eq!(all, (whole - whole / 2..=whole).collect());
    }
    // Even the shortest wait is one.
    assert_eq!(wait_ms(&self::retry(None, 1, 1), 1, u64::MAX), 1);
    let longest = self::retry(None, u64::MAX, u64::MAX);
    assert_eq!(wait_ms(&longest, u32::MAX, 0), u64::MAX);
}

#[test]
fn the_same_seed_gives_the_same_waits_and_another_gives_others() {
    let wakes = |seed| -> Vec<u64> {
        let mut plan = Plan::new([(port("mail"), retry(None, 1000, 60_000))], Bounds::default(), seed);
        let mut now_ms = 0;
        let mut events = vec![Event::Called(call("mail", "a", 1, 0))];
        let wake = |_| {
            let actions = plan.step(now_ms, std::mem::take(&mut events));
            let [Action::Try { call, .. }] = &actions[..] else { panic!("one attempt, not {actions:?}") };
            plan.step(now_ms, [Event::Tried { call: call.clone(), outcome: again(None) }]);
            now_ms = plan.next_wake_ms().expect("the next attempt");
            now_ms
        };
        (0..10).map(wake).collect()
    };
    assert_eq!(wakes(1), wakes(1));
    assert_ne!(wakes(1), wakes(2));
}

#[test]
fn a_port_rests_as_a_whole_for_as_long_as_its_receiver_asks() {
    let mut world = World::new(retry(None, 100, 10_000), bounds(1, 9));
    let calls = [call("mail", "a", 1, 0), call("mail", "b", 1, 0), call("print", "a", 1, 1)];
    assert_eq!(world.called(calls), ["mail/a 1.0 #1", "print/a 1.1 #1"]);
    assert_eq!(world.tried("mail/a 1.0", again(Some(5000))), [""; 0]);
    // The wait of the call passes, the rest of the port does not; other ports go on.
    world.now_ms = 100;
    assert_eq!(world.step([]), [""; 0]);
    assert_eq!(world.called([call("mail", "c", 1, 0)]), [""; 0]);
    assert_eq!(world.tried("print/a 1.1", Outcome::Delivered), ["a 1.1 delivered"]);
    assert_eq!(world.plan.next_wake_ms(), Some(5000));
    world.now_ms = 4999;
    assert_eq!(world.step([]), [""; 0]);
    assert_eq!(world.wake(), ["mail/b 1.0 #1"]);
    // A shorter rest does not shorten a longer one.
    assert_eq!(world.tried("mail/b 1.0", again(Some(5000))), [""; 0]);
    assert_eq!(world.wake(), ["mail/a 1.0 #2"]);
    assert_eq!(world.now_ms, 10_000);
    assert_eq!(world.tried("mail/a 1.0", again(Some(u64::MAX))), [""; 0]);
    // No receiver is waited for longer than the document says.
    assert_eq!(world.wake(), ["mail/c 1.0 #1"]);
    assert_eq!(world.now_ms, 20_000);
}

#[test]
fn a_short_rest_does_not_shorten_the_wait_of_a_call() {
    let mut world = World::new(retry(None, 1000, 10_000), Bounds::default());
    world.called([call("mail", "a", 1, 0)]);
    world.tried("mail/a 1.0", again(Some(1)));
    assert!(world.plan.next_wake_ms().expect("a wake") >= 500);
}

#[test]
fn calls_on_a_port_that_is_not_bound_wait_and_keep_nobody_else() {
    let mut world = World::new(retry(None, 100, 1000), bounds(1, 1));
    assert_eq!(world.called([call("fax", "a", 1, 0), call("fax", "b", 1, 0)]), [""; 0]);
    assert_eq!(world.plan.next_wake_ms(), None);
    assert_eq!(world.called([call("mail", "a", 2, 0)]), ["mail/a 2.0 #1"]);
    assert_eq!(world.plan.counts()[&port("fax")], Counts { open: 2, ..Counts::default() });
}

#[test]
fn nothing_begins_after_the_end() {
    let mut world = World::new(retry(None, 100, 1000), Bounds::default());
    world.called([call("mail", "a", 1, 0), call("mail", "b", 1, 0)]);
    world.plan.close();
    assert_eq!(world.called([call("mail", "c", 1, 0)]), [""; 0]);
    assert_eq!(world.tried("mail/a 1.0", Outcome::Delivered), ["a 1.0 delivered"]);
    assert_eq!(world.tried("mail/b 1.0", again(None)), [""; 0]);
    assert_eq!(world.plan.next_wake_ms(), None);
}

#[test]
fn a_clock_that_goes_back_stands_still() {
    let mut world = World::new(retry(None, 100, 100), Bounds::default());
    world.now_ms = 1000;
    world.called([call("mail", "a", 1, 0)]);
    world.now_ms = 0;
    world.tried("mail/a 1.0", again(None));
    assert!((1050..=1100).contains(&world.plan.next_wake_ms().expect("a wake")));
}

#[test]
#[should_panic(expected = "no attempt at the call 1.0 of shop/till/a is under way")]
fn an_attempt_ends_once() {
    let mut world = World::new(retry(None, 100, 1000), Bounds::default());
    world.called([call("mail", "a", 1, 0)]);
    world.tried("mail/a 1.0", again(None));
    world.tried("mail/a 1.0", Outcome::Delivered);
}
