//! What a switch did to the states, proved away from the node: done once more on the states from before it, and compared with
//! those from after it.

use camshaft_tests::project::{APPUP, MIGRATION, NAMED, Project};
use camshaft_tests::{Agent, Done, World};
use serde_json::Value;

const OLD: &str = "machine counter keyed Text
type State = Int
type Input = Add { by: Int } | Read
type Output = Ok | Count(Int)
init = 0
on Add { by } => (state + by, Ok)
on Read => (state, Count(state))
";

const NEW: &str = "machine counter keyed Text
type State = { sum: Int, adds: Int }
type Input = Add { by: Int } | Read
type Output = Ok | Count(Int)
init = { sum: 0, adds: 0 }
on Add { by } => ({ sum: state.sum + by, adds: state.adds + 1 }, Ok)
on Read => (state, Count(state.sum))
";

const WAY: &str = "migration counter from \"1.0.0\"
up (old) = { sum: old, adds: 0 }
down (new) = if new.adds > 0 { fail \"it was added to\" } else { new.sum }
";

const FIRST: &str = "new/dist/shop-1.0.0.tar.gz";
const SECOND: &str = "new/dist/shop-2.0.0.tar.gz";

fn begun() -> World {
    let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
    let project = Project::new(&world);
    project.release("1.0.0", "").app("1.0.0", "").machine(OLD).builds();
    project.file(APPUP, NAMED).file(MIGRATION, WAY);
    project.release("2.0.0", "from = [\"1.0.0\"]").app("2.0.0", "").machine(NEW).builds();
    world
}

fn node(world: &World, agent: &Agent, words: &[&str]) -> Done {
    world.run(&[&["node"], words, &["--node", agent.url()]].concat())
}

fn backup(world: &World, agent: &Agent, name: &str) {
    node(world, agent, &["backup", "-o", name]).expect(0);
}

fn add(agent: &Agent, key: &str, by: i64) {
    assert_eq!(
        agent.client().send(&format!("counter/counter/{key}"), &format!("{{\"Add\":{{\"by\":{by}}}}}")),
        "Ok"
    );
}

fn read(agent: &Agent, key: &str) -> Value {
    agent.client().send(&format!("counter/counter/{key}"), "\"Read\"")
}

fn audited(world: &World, before: &str, after: &str) -> Done {
    world.run(&["audit", "audit.json", FIRST, SECOND, "--before", before, "--after", after])
}

/// Returns how each instance came over, by its key.
fn came(world: &World, before: &str, after: &str) -> Vec<(String, String)> {
    let words = ["audit", "audit.json", FIRST, SECOND, "--before", before, "--after", after, "--json"];
    let told = world.run(&words).expect(0).json();
    let list = told["states"]["instances"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    list.iter()
        .map(|one| (text(&one["instance"]).replace("counter/counter/", ""), text(&one["came"])))
        .collect()
}

#[test]
fn what_a_switch_did_to_each_state_is_done_once_more_and_compared() {
    let world = begun();
    let agent = Agent::start(&world, "d1");
    node(&world, &agent, &["install", FIRST]).expect(0);
    backup(&world, &agent, "first.tar");
    for (key, by) in [("a", 1), ("b", 2), ("c", 3)] {
        add(&agent, key, by);
    }
    backup(&world, &agent, "before.tar");
    node(&world, &agent, &["upgrade", SECOND]).expect(0);
    // One is used, one is looked at, and one never.
    add(&agent, "a", 10);
    assert_eq!(read(&agent, "b")["Count"], 2);
    backup(&world, &agent, "after.tar");
    node(&world, &agent, &["audit", "-o", "audit.json"]).expect(0);

    let told = audited(&world, "before.tar", "after.tar").expect(0).stdout;
    let line = "states over switch 2: 2 are what comes of them here, 0 as the node stored them, 2 as its journal gives them; 1 \
                used in between\n";
    assert!(told.contains(line), "{told}");
    let keys = |of: [&str; 3]| {
        ["a", "b", "c"].map(str::to_owned).into_iter().zip(of.map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(came(&world, "before.tar", "after.tar"), keys(["used", "replayed", "replayed"]));

    // A clean stop writes what has gone over. The audit need not be made anew.
    agent.stop();
    let told = came(&world, "before.tar", "d1");
    assert_eq!(told, keys(["used", "stored", "replayed"]));

    // And the way back: one does its inputs once more in the older release, one takes the state from before, one was never away.
    let agent = Agent::start(&world, "d1");
    backup(&world, &agent, "up.tar");
    node(&world, &agent, &["rollback"]).expect(0);
    backup(&world, &agent, "down.tar");
    node(&world, &agent, &["audit", "-o", "audit.json"]).expect(0);
    assert_eq!(came(&world, "up.tar", "down.tar"), keys(["replayed", "replayed", "replayed"]));
    assert_eq!(read(&agent, "a")["Count"], 11);
}

#[test]
fn a_state_that_no_switch_made_of_the_one_before_is_found() {
    let world = begun();
    let agent = Agent::start(&world, "d1");
    node(&world, &agent, &["install", FIRST]).expect(0);
    backup(&world, &agent, "first.tar");
    add(&agent, "a", 1);
    add(&agent, "b", 2);
    node(&world, &agent, &["upgrade", SECOND]).expect(0);
    backup(&world, &agent, "after.tar");
    node(&world, &agent, &["audit", "-o", "audit.json"]).expect(0);
    // Somebody who tells another story of what there was: the same commands, and another input.
    world.run(&["restore", "first.tar", "--data", "d2"]).expect(0);
    let other = Agent::start(&world, "d2");
    add(&other, "a", 5);
    add(&other, "b", 2);
    backup(&world, &other, "other.tar");
    let refused =
        audited(&world, "other.tar", "after.tar").refused("1 state is not what the switch makes of it");
    assert!(refused.stderr.contains("counter/counter/a: "), "{}", refused.stderr);
    assert!(!refused.stderr.contains("counter/counter/b: "), "{}", refused.stderr);
}

#[test]
fn states_that_do_not_belong_together_are_refused_with_the_reason() {
    let world = begun();
    let agent = Agent::start(&world, "d1");
    node(&world, &agent, &["install", FIRST]).expect(0);
    add(&agent, "a", 1);
    backup(&world, &agent, "before.tar");
    node(&world, &agent, &["upgrade", SECOND]).expect(0);
    backup(&world, &agent, "after.tar");
    node(&world, &agent, &["audit", "-o", "audit.json"]).expect(0);
    let between = "the states before are those after switch 2, and the states after are those after switch 2: there has to be \
                   one switch between them";
    audited(&world, "after.tar", "after.tar").refused(between);
    audited(&world, "after.tar", "before.tar").refused("there has to be one switch between them");
    world
        .run(&["audit", "audit.json", FIRST, "--before", "before.tar", "--after", "after.tar"])
        .refused("a bundle of switch 2 is missing: shop 1.0.0 and shop 2.0.0 are needed");
    world.run(&["audit", "audit.json", "--before", "before.tar"]).refused("--after");
    // Of another node.
    let other = Agent::start(&world, "d2");
    node(&world, &other, &["install", FIRST]).expect(0);
    backup(&world, &other, "other.tar");
    audited(&world, "other.tar", "after.tar")
        .refused("other.tar is of another node than the audit, or later than it");
    // Later than the audit.
    node(&world, &agent, &["rollback"]).expect(0);
    backup(&world, &agent, "down.tar");
    audited(&world, "after.tar", "down.tar")
        .refused("down.tar is of another node than the audit, or later than it");
}
