//! Do messages get lost while code is upgraded? Ping-pong, upgraded and brought back again and
//! again at random points while pings and pongs are in flight, with `kill -9` in between.
//!
//! The client of the example keeps the account: every pong must answer the next ping in line, and
//! the server must have seen exactly the pings sent so far. The counts are printed.

use std::path::Path;
use std::time::Duration;

use camshaft_tests::{Agent, Client, Death, Random, World, times, until};
use serde_json::Value;

/// Upgrades and ways back in the short form.
const MOVES: u32 = 2_000;

/// One `kill -9` in so many moves.
const KILLS_ONE_IN: u64 = 40;

/// Pings are ordered in portions of so many, more than are done between two moves: some are always in
/// flight then.
const PORTION: u32 = 10_000;

const WINDOW: u32 = 16;

struct Game {
    world: World,
    agent: Option<Agent>,
    random: Random,
    upgrades: u32,
    ways_back: u32,
    unsettled: u32,
    kills: u32,
    in_flight_at_a_move: u32,
}

/// What the client has counted.
struct Counts {
    goal: u64,
    sent: u64,
    answered: u64,
}

impl Game {
    fn client(&self) -> Client {
        self.agent.as_ref().expect("an agent runs").client()
    }

    /// Returns the account, after a look at what must be nought.
    fn counts(&self) -> Counts {
        let seed = self.random.seed();
        let report = self.client().send("ping/client", "\"Report\"");
        let counts = &report["Report"];
        for fault in ["unanswered", "disordered", "miscounted"] {
            assert_eq!(counts[fault], 0, "{fault}, seed {seed}: {report}");
        }
        let number =
            |field: &str| counts[field].as_u64().unwrap_or_else(|| panic!("no `{field}` in {report}"));
        Counts { goal: number("goal"), sent: number("sent"), answered: number("answered") }
    }

    /// Keeps pings in flight.
    fn feed(&mut self) {
        let counts = self.counts();
        if counts.sent > counts.answered {
            self.in_flight_at_a_move += 1;
        }
        if counts.goal - counts.answered < u64::from(PORTION) {
            let start = format!("{{\"Start\":{{\"count\":{PORTION},\"window\":{WINDOW}}}}}");
            assert_eq!(self.client().send("ping/client", &start), "Ok");
        }
    }

    fn version(&self) -> (String, bool) {
        self.client().release().expect("a release runs")
    }

    /// Goes to the next release, or back from it, and perhaps kills the agent on the way.
    fn make_a_move(&mut self, bundle: &Path) {
        let (_, provisional) = self.version();
        let client = self.client();
        let bytes = std::fs::read(bundle).expect("the bundle was built");
        let kill = self.random.below(KILLS_ONE_IN) == 0;
        let after = Duration::from_micros(self.random.below(30_000));
        let request = std::thread::spawn(move || match provisional {
            true => client.post("/v1/node/rollback", &[], Vec::new()),
            false => client.post("/v1/node/upgrade", &[], bytes),
        });
        if kill {
            // Not waiting for anything: the moment is to be a random one.
            std::thread::sleep(after);
            self.agent.take().expect("an agent runs").kill();
            self.kills += 1;
        }
        let answered = request.join().expect("the request does not panic");
        match answered {
            Ok(answered) if answered.status == 200 => {
                let count = if provisional { &mut self.ways_back } else { &mut self.upgrades };
                *count += 1;
            }
            Ok(answered) => panic!("seed {}: {answered:?}", self.random.seed()),
            Err(_) => {
                assert!(kill, "only a killed agent leaves a request without an answer");
                self.unsettled += 1;
            }
        }
        if kill {
            self.agent = Some(Agent::start(&self.world, "d"));
        }
    }

    /// Settles on the release of a bundle.
    fn settle(&mut self, bundle: &Path, version: &str) {
        let bytes = std::fs::read(bundle).expect("the bundle was built");
        if self.version().0 != version {
            let answered = self.client().post("/v1/node/upgrade", &[], bytes).expect("the node answers");
            assert_eq!(answered.status, 200, "{answered:?}");
            self.upgrades += 1;
        }
        let answered =
            self.client().post("/v1/node/make-permanent", &[], Vec::new()).expect("the node answers");
        assert_eq!(answered.status, 200, "{answered:?}");
    }
}

/// A node takes a snapshot of all instances now and then; a long life passes that point.
#[test]
fn a_kill_around_a_snapshot_loses_nothing() {
    let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
    let bundle = std::fs::read(world.build("pingpong/v1")).expect("the bundle was built");
    for point in ["snapshot.before", "snapshot.after"] {
        let agent = Agent::start_with(&world, point, &[("CAMSHAFT_FAILPOINT", point)]);
        let client = agent.client();
        let installed = client.post("/v1/node/install", &[], bundle.clone()).expect("the node answers");
        assert_eq!(installed.status, 200, "{installed:?}");
        // More records than stand between two snapshots.
        assert_eq!(client.send("ping/client", r#"{"Start":{"count":60000,"window":64}}"#), "Ok");
        assert_eq!(agent.died(), Death::Signal(9), "{point}");
        let agent = Agent::start(&world, point);
        let report = until("the last pong", || {
            let report = agent.client().send("ping/client", "\"Report\"");
            (report["Report"]["answered"] == 60_000).then_some(report)
        });
        for fault in ["unanswered", "disordered", "miscounted"] {
            assert_eq!(report["Report"][fault], 0, "{point}: {report}");
        }
    }
}

#[test]
fn every_ping_gets_its_pong_through_upgrades_ways_back_and_kills() {
    let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
    let [v1, v2, v3] = ["pingpong/v1", "pingpong/v2", "pingpong/v3"].map(|example| world.build(example));
    let agent = Agent::start(&world, "d");
    let install = std::fs::read(&v1).expect("the bundle was built");
    assert_eq!(agent.client().post("/v1/node/install", &[], install).expect("the node answers").status, 200);
    let random = Random::of_this_run();
    let mut game = Game {
        world,
        agent: Some(agent),
        random,
        upgrades: 0,
        ways_back: 0,
        unsettled: 0,
        kills: 0,
        in_flight_at_a_move: 0,
    };
    let moves = MOVES * times();
    for (bundle, version) in [(&v2, "2.0.0"), (&v3, "3.0.0")] {
        for _ in 0..moves / 2 {
            game.feed();
            game.make_a_move(bundle);
        }
        game.settle(bundle, version);
    }
    let last = until("the last pong", || {
        let counts = game.counts();
        (counts.answered == counts.goal).then_some(counts)
    });
    assert_eq!(last.sent, last.goal);
    let stats: Value = game.client().send("pong/server", "\"Stats\"");
    let of = |field: &str| stats["Stats"][field].as_u64().unwrap_or_default();
    assert_eq!(of("even") + of("odd"), last.sent, "{stats}");
    assert!(game.in_flight_at_a_move > 0, "no move met a message in flight");
    println!(
        "pings {}, pongs {}, lost 0, doubled 0, out of order 0; upgrades {}, ways back {}, kills {} ({} requests \
         without an answer); messages were in flight at {} of {moves} moves; seed {}",
        last.sent,
        last.answered,
        game.upgrades,
        game.ways_back,
        game.kills,
        game.unsettled,
        game.in_flight_at_a_move,
        game.random.seed(),
    );
}
