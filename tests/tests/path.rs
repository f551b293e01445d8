//! The whole path, as a user walks it: build, install, send, try, upgrade, refuse, roll back.

use std::path::Path;

use camshaft_tests::{Agent, Done, World};
use serde_json::Value;

/// A world with one agent in it.
struct Story {
    world: World,
    agent: Agent,
}

impl Story {
    fn new() -> Story {
        let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
        let agent = Agent::start(&world, "d1");
        Story { world, agent }
    }

    /// Runs `camshaft node ...` against the agent.
    fn node(&self, words: &[&str]) -> Done {
        let line = [&["node"], words, &["--node", self.agent.url()]].concat();
        self.world.run(&line)
    }

    fn node_json(&self, words: &[&str]) -> Value {
        self.node(&[words, &["--json"]].concat()).expect(0).json()
    }

    fn bundle(&self, command: &str, bundle: &Path) -> Done {
        self.node(&[command, &bundle.to_string_lossy()])
    }

    fn send(&self, input: &str) -> String {
        self.node(&["send", "counter/counter", input]).expect(0).stdout.trim_end().to_owned()
    }

    /// Returns the release that runs and where it stands, as the node tells them.
    fn release(&self) -> (String, String) {
        let status = self.node_json(&["status"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&status["running"]["version"]), text(&status["state"]))
    }

    /// Returns everything that a refused request must leave as it was.
    fn all(&self) -> (Value, Value) {
        let mut status = self.node_json(&["status"]);
        // The node's time goes on; which bundles lie there for a next try is no part of what runs; and
        // how long the last switch took is forgotten when the agent ends. The journal grows with every refusal.
        for moving in ["now_ms", "releases", "last_pause_us", "journal"] {
            status.as_object_mut().expect("a status is an object").remove(moving);
        }
        // A probation's time goes on, stands still while there is no agent, and ends of the agent are counted.
        if let Some(probation) = status["probation"].as_object_mut() {
            for moving in ["left_ms", "until_ms", "ends"] {
                assert!(probation.remove(moving).is_some(), "{moving}");
            }
        }
        // Inputs by case are counted since the agent started.
        for machine in status["machines"].as_array_mut().into_iter().flatten() {
            machine.as_object_mut().expect("a machine is an object").remove("cases");
        }
        (status, self.node_json(&["instances"]))
    }
}

#[test]
fn a_counter_is_installed_upgraded_live_and_brought_back() {
    let story = Story::new();
    let v1 = story.world.build("counter/v1");
    let v2 = story.world.build("counter/v2");

    story.bundle("install", &v1).expect(0);
    assert_eq!(story.send("\"Incr\""), "\"Ok\"");
    assert_eq!(story.send("\"Read\""), "{\"Count\":1}");

    let before = story.all();
    story.bundle("try", &v2).expect(0);
    assert_eq!(story.all(), before, "a dry run changes nothing");

    story.bundle("upgrade", &v2).expect(0);
    assert_eq!(story.release(), ("2.0.0".into(), "provisional".into()));
    assert_eq!(story.send("\"Read\""), "{\"Count\":1}");
    assert_eq!(story.send("\"Incr\""), "\"Ok\"");

    let before = story.all();
    story.bundle("upgrade", &v2).refused("the running machine is not the one this upgrade starts from");
    assert_eq!(story.all(), before, "a refused upgrade changes nothing");
    let line = ["upgrade", &v2.to_string_lossy(), "--if-needed"].map(str::to_owned);
    story.node(&line.each_ref().map(String::as_str)).expect(0);
    assert_eq!(story.all(), before, "an upgrade that is not needed changes nothing");

    story.node(&["rollback"]).expect(0);
    assert_eq!(story.release(), ("1.0.0".into(), "permanent".into()));
    assert_eq!(story.send("\"Read\""), "{\"Count\":2}", "what was counted under 2.0.0 is kept");
    story.node(&["rollback"]).refused("There is no release to go back to");

    story.bundle("upgrade", &v2).expect(0);
    story.node(&["make-permanent"]).expect(0);
    assert_eq!(story.release(), ("2.0.0".into(), "permanent".into()));
    story.node(&["make-permanent"]).refused("permanent already");
    assert_eq!(story.send("\"Read\""), "{\"Count\":2}");
}

#[test]
fn a_third_version_adds_inputs_and_goes_back_over_them() {
    let story = Story::new();
    let bundles = ["counter/v1", "counter/v2", "counter/v3"].map(|example| story.world.build(example));
    story.bundle("install", &bundles[0]).expect(0);
    for _ in 0..5 {
        story.send("\"Incr\"");
    }
    story.bundle("upgrade", &bundles[1]).expect(0);
    story.send("\"Incr\"");
    story.bundle("upgrade", &bundles[2]).refused("The running release is provisional");
    story.node(&["make-permanent"]).expect(0);
    story.bundle("upgrade", &bundles[2]).expect(0);
    assert_eq!(story.send("\"Toggle\""), "\"Ok\"");
    assert_eq!(story.send("\"Incr\""), "\"Ok\"");
    assert_eq!(story.send("\"Read\""), "{\"Count\":5}");
    story.node(&["rollback"]).expect(0);
    story.node(&["send", "counter/counter", "\"Toggle\""]).refused("Toggle");
    assert_eq!(story.send("\"Read\""), "{\"Count\":5}");
    assert_eq!(story.send("\"Incr\""), "\"Ok\"");
    assert_eq!(story.send("\"Read\""), "{\"Count\":6}", "the direction is forgotten on the way back");
    story.bundle("upgrade", &bundles[2]).expect(0);
    story.send("\"Reset\"");
    assert_eq!(story.send("\"Read\""), "{\"Count\":0}");
}

/// Installs 1.0.0, counts to three, and expects a release to be refused with a reason, by the dry
/// run and by the upgrade, before anything changes.
fn refused(bundle: impl FnOnce(&World) -> std::path::PathBuf, reason: &str) {
    let story = Story::new();
    let v1 = story.world.build("counter/v1");
    let bad = bundle(&story.world);
    story.bundle("install", &v1).expect(0);
    for _ in 0..3 {
        story.send("\"Incr\"");
    }
    let before = story.all();
    for command in ["try", "upgrade"] {
        story.bundle(command, &bad).refused(reason);
        assert_eq!(story.all(), before, "{command} changes nothing");
    }
    assert_eq!(story.send("\"Read\""), "{\"Count\":3}");
    assert_eq!(story.send("\"Incr\""), "\"Ok\"");

    // The good release still goes through afterwards.
    let v2 = story.world.build("counter/v2");
    story.bundle("upgrade", &v2).expect(0);
    assert_eq!(story.send("\"Read\""), "{\"Count\":4}");
}

#[test]
fn a_migration_that_traps_on_the_live_state_is_refused() {
    refused(|world| world.build("counter/bad-migration"), "three is not thought of");
}

#[test]
fn a_migration_into_a_state_that_breaks_an_invariant_is_refused() {
    refused(|world| world.build("counter/bad-invariant"), "the new counter is not behind the old one");
}

#[test]
fn a_release_built_against_another_machine_of_the_same_version_is_refused() {
    let bundle = |world: &World| {
        world.build_into("counter/wrong-base/base", "other");
        world.build_into("counter/wrong-base/v2", "other")
    };
    refused(bundle, "the running machine is not the one this upgrade starts from");
}

#[test]
fn what_is_durable_survives_a_clean_stop_and_a_kill() {
    let mut story = Story::new();
    let v1 = story.world.build("counter/v1");
    let v2 = story.world.build("counter/v2");
    story.bundle("install", &v1).expect(0);
    story.send("\"Incr\"");
    for round in 0..4 {
        let expected = story.all();
        let Story { world, agent } = story;
        if round % 2 == 0 {
            assert_eq!(agent.stop(), camshaft_tests::Death::Code(0));
        } else {
            agent.kill();
        }
        let agent = Agent::start(&world, "d1");
        story = Story { world, agent };
        assert_eq!(story.all(), expected, "round {round}");
        if round == 1 {
            story.bundle("upgrade", &v2).expect(0);
        }
    }
    assert_eq!(story.send("\"Read\""), "{\"Count\":1}");
    story.node(&["rollback"]).expect(0);
    assert_eq!(story.send("\"Read\""), "{\"Count\":1}");
}

#[test]
fn history_tells_what_was_done_and_by_which_numbers() {
    let story = Story::new();
    let v1 = story.world.build("counter/v1");
    let v2 = story.world.build("counter/v2");
    story.bundle("install", &v1).expect(0);
    story.bundle("upgrade", &v2).expect(0);
    story.node(&["rollback"]).expect(0);
    story.bundle("upgrade", &v1).refused("");
    let history = story.node_json(&["history"]);
    let entries = history["entries"].as_array().expect("a list of entries");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told: Vec<(String, String)> =
        entries.iter().map(|entry| (text(&entry["what"]), text(&entry["to"]["version"]))).collect();
    let expected =
        [("installed", "1.0.0"), ("upgraded", "2.0.0"), ("rolled-back", "1.0.0"), ("refused", "1.0.0")];
    assert_eq!(told, expected.map(|(what, to)| (what.to_owned(), to.to_owned())));
    let switches: Vec<u64> = entries.iter().filter_map(|entry| entry["switch"].as_u64()).collect();
    assert_eq!(switches.len(), 3, "a refusal is no switch");
    assert!(switches.is_sorted_by(|a, b| a < b), "{switches:?}");
    assert!(!text(&entries[3]["why"]).is_empty(), "a refusal has a reason");
}

#[test]
fn what_is_inspected_is_what_was_built() {
    let story = Story::new();
    story.world.build("counter/v1");
    let v2 = story.world.build("counter/v2");
    let inspected = story.world.run(&["inspect", &v2.to_string_lossy(), "--json"]).expect(0).json();
    assert_eq!(inspected["name"], "counter");
    assert_eq!(inspected["version"], "2.0.0");
    let incr = &inspected["apps"][0]["machines"][0]["inputs"][0];
    assert_eq!(
        (&incr["case"], &incr["answers"][0], &incr["internal"]),
        (&"Incr".into(), &"Ok".into(), &false.into())
    );
    assert!(incr["fuel"].as_str().is_some_and(|fuel| fuel.parse::<u64>().is_ok()), "{incr}");
    let text = story.world.run(&["inspect", &v2.to_string_lossy()]).expect(0).stdout;
    assert!(text.contains("\n    on Incr: answers Ok; writes "), "{text}");
    let code = story.world.run(&["inspect", &v2.to_string_lossy(), "--code"]).expect(0).stdout;
    for part in ["counter", "up", "down", "; fuel "] {
        assert!(code.contains(part), "no `{part}` in {code}");
    }
}
