//! What fails on a node is seen again on another machine: from what a trial printed, and from capsules of steps.

use std::path::PathBuf;

use camshaft_tests::project::{APPUP, MIGRATION, NAMED, Project};
use camshaft_tests::{Agent, World};
use serde_json::Value;

const OLD: &str = "machine counter
type State = { count: Int, token: secret Int }
type Input = Add(Int) | Read
type Output = Ok | Count(Int)
init = { count: 0, token: 987654 }
on Add(n) => ({ ..state, count: state.count + n }, Ok)
on Read => (state, Count(state.count))
";

/// What fails when the counter stands at 7, and what is told of it.
struct Case {
    migration: &'static str,
    new_state: &'static str,
    invariant: &'static str,
    step: &'static str,
    told: &'static str,
}

const PLAIN: &str = "{ count: Int, seen: Int = 0 }";

const CASES: [Case; 3] = [
    Case {
        migration: "up (old) = if old.count == 7 { fail \"seven\" } else { { count: old.count, seen: 0 } }\n\
                    down (new) = { count: new.count }\n",
        new_state: PLAIN,
        invariant: "",
        step: "up",
        told: "fail: failed: seven",
    },
    Case {
        migration: "up (old) = { count: old.count, seen: old.count }\ndown (new) = { count: new.count }\n",
        new_state: PLAIN,
        invariant: "invariant \"small\" = state.seen < 7\n",
        step: "invariant",
        told: "invariant: the invariant \"small\" does not hold",
    },
    Case {
        migration: "up (old) = { count: old.count, seen: 0 }\n\
                    down (new) = if new.count == 7 { fail \"no way\" } else { { count: new.count } }\n",
        new_state: PLAIN,
        invariant: "",
        step: "down",
        told: "fail: failed: no way",
    },
];

/// Builds 1.0.0 and what is tried, and tries it on a node whose counter stands at 7. Returns the file with what was
/// printed, and both bundles.
fn tried(world: &World, old: &str, new: &str, migration: &str) -> (PathBuf, String, String) {
    let project = Project::new(world);
    project.release("1.0.0", "").app("1.0.0", "").machine(old).builds();
    project.release("2.0.0", "from = [\"1.0.0\"]").app("2.0.0", "").machine(new);
    project.file(APPUP, NAMED);
    project.file(MIGRATION, &format!("migration counter from \"1.0.0\"\n{migration}"));
    project.run("build", &[]).expect(0);
    let [first, second] = ["1.0.0", "2.0.0"].map(|version| {
        let name = format!("shop-{version}.tar.gz");
        let places = [world.at(&format!("new/dist/{name}")), world.at(&format!("dist/{name}"))];
        places.iter().find(|place| place.exists()).expect("it was built").to_string_lossy().into_owned()
    });
    let agent = Agent::start(world, "d1");
    world.run(&["node", "install", &first, "--node", agent.url()]).expect(0);
    assert_eq!(agent.client().send("counter/counter", "{\"Add\":7}"), "Ok");
    let done = world.run(&["node", "try", &second, "--json", "--node", agent.url()]).expect(1);
    let text = if done.stdout.trim().is_empty() { done.stderr } else { done.stdout };
    world.write("tried.json", &text);
    (world.at("tried.json"), first, second)
}

#[test]
fn what_fails_on_a_node_fails_here_in_the_same_way() {
    for case in CASES {
        let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
        let old = OLD.replace(", token: secret Int", "").replace(", token: 987654", "");
        let new = format!(
            "machine counter\ntype State = {}\ntype Input = Add(Int) | Read\ntype Output = Ok | Count(Int)\n\
             init = {{ count: 0, seen: 0 }}\n{}on Add(n) => ({{ ..state, count: state.count + n }}, Ok)\n\
             on Read => (state, Count(state.count))\n",
            case.new_state, case.invariant
        );
        let (file, _, bundle) = tried(&world, &old, &new, case.migration);
        let file = file.to_string_lossy().into_owned();
        let done = world.run(&["replay", &file, &bundle]).expect(0);
        let line = format!("reproduced: counter/counter at {}: {}, with ", case.step, case.told);
        assert!(done.stdout.starts_with(&line) && done.stdout.ends_with(" fuel\n"), "{}", done.stdout);

        // Another value fails otherwise, or not at all, and that is told.
        let text = String::from_utf8(world.read("tried.json")).expect("it is JSON");
        let other = text.replace("\\\"count\\\":7", "\\\"count\\\":6");
        assert_ne!(other, text);
        world.write("other.json", &other);
        let told = world.run(&["replay", &world.at("other.json").to_string_lossy(), &bundle]).expect(1);
        let says = told.stderr;
        assert!(says.contains("1 of 1 failure comes out otherwise here"), "{says}");
        assert!(says.contains("(the value is not that of the node)"), "{says}");
    }
}

#[test]
fn what_is_missing_is_told_with_what_to_do() {
    let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
    let new = OLD
        .replace("count: Int, token", "count: Int, seen: Int = 0, token")
        .replace("count: 0, token", "count: 0, seen: 0, token");
    let migration = "up (old) = if old.count == 7 { fail \"seven\" } else { { count: old.count, seen: 0, token: old.token } }\n\
                     down (new) = { count: new.count, token: new.token }\n";
    let (file, first, second) = tried(&world, OLD, &new, migration);
    let file = file.to_string_lossy().into_owned();
    // The older bundle alone has no edge.
    world.run(&["replay", &file, &first]).refused("no bundle here has the edge");
    // What is secret never left the node.
    let text = String::from_utf8(world.read("tried.json")).expect("it is JSON");
    assert!(!text.contains("987654"), "{text}");
    world.run(&["replay", &file, &second]).refused("put a value for each \"[secret]\" into the file");
    world.write("filled.json", text.replace("\\\"[secret]\\\"", "5"));
    let told =
        world.run(&["replay", &world.at("filled.json").to_string_lossy(), &second, "--json"]).expect(0);
    let list: Value = told.json();
    assert_eq!(list[0]["replay"]["came"], "reproduced");
    assert_eq!(list[0]["replay"]["same_value"], false);
    // And files that are none.
    world.write("none.json", "{\"passed\":true,\"failures\":[]}");
    world.run(&["replay", &world.at("none.json").to_string_lossy(), &second]).refused("nothing failed in it");
    world.write("text.json", "no JSON");
    world.run(&["replay", &world.at("text.json").to_string_lossy(), &second]).refused("it is no JSON");
    world.write("else.json", "[1]");
    world
        .run(&["replay", &world.at("else.json").to_string_lossy(), &second])
        .refused("there are no failures in it");
}

/// A machine whose steps fail in two ways, one of them because of what is secret.
const STEPS: &str = "machine counter
type State = { count: Int, token: secret Int }
type Input = Add(Int) | Guess { n: secret Int } | Read
type Output = Ok | Count(Int)
init = { count: 0, token: 0 }
invariant \"small\" = state.count < 100
on Add(n) => ({ ..state, count: state.count + n }, Ok)
on Guess { n } => ({ ..state, token: 7 / n.reveal() }, Ok)
on Read => (state, Count(state.count))
";

#[test]
fn a_step_that_failed_on_a_node_fails_here_to_the_last_unit_of_fuel() {
    let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
    let project = Project::new(&world);
    project.release("1.0.0", "").app("1.0.0", "").machine(STEPS).builds();
    let bundle = ["new/dist/shop-1.0.0.tar.gz", "dist/shop-1.0.0.tar.gz"].map(|place| world.at(place));
    let bundle = bundle.iter().find(|place| place.exists()).expect("it was built");
    let bundle = bundle.to_string_lossy().into_owned();
    let agent = Agent::start(&world, "d1");
    let url = agent.url().to_owned();
    world.run(&["node", "install", &bundle, "--node", &url]).expect(0);
    let none = world.run(&["node", "capsule", "--node", &url]).expect(0);
    assert_eq!(none.stdout.trim_end(), "nothing failed since the agent started");
    let send = |input: &str, id: &str| {
        world.run(&["node", "send", "counter/counter", input, "--id", id, "--node", &url]).expect(1);
    };
    send("{\"Add\":100}", "till/1");
    send("{\"Guess\":{\"n\":0}}", "till/2");
    let list = world.run(&["node", "capsule", "--node", &url, "--json"]).expect(0).json();
    let list = list["capsules"].as_array().expect("a list");
    let told = |index: usize| ["at", "kind", "who"].map(|name| list[index][name].as_str().expect("text"));
    assert_eq!(told(0), ["Add", "invariant", "client till/1"]);
    assert_eq!(told(1), ["Guess", "division_by_zero", "client till/2"]);
    let files = [0, 1].map(|index: usize| {
        let file = world.at(&format!("capsule{index}.json")).to_string_lossy().into_owned();
        let id = list[index]["id"].to_string();
        let done = world.run(&["node", "capsule", &id, "-o", &file, "--node", &url]).expect(0);
        assert!(done.stdout.contains(&format!("written to {file}")), "{}", done.stdout);
        let text = std::fs::read_to_string(&file).expect("it was written");
        (file, text)
    });
    let replay = |file: &str| world.run(&["replay", file, &bundle]);
    // What is secret stays on the node: a number has to be put there, and then it is told that it is another.
    for (index, (file, text)) in files.iter().enumerate() {
        replay(file).refused("put a value for each \"[secret]\" into the file");
        let fuel = serde_json::from_str::<Value>(text).expect("JSON")["step"]["fuel"].clone();
        let filled = world.at(&format!("filled{index}.json")).to_string_lossy().into_owned();
        std::fs::write(&filled, text.replace("\\\"[secret]\\\"", "0")).expect("written");
        let lines = [
            format!("invariant: the invariant \"small\" does not hold, with {fuel} fuel"),
            format!("division_by_zero: division by zero, with {fuel} fuel"),
        ];
        let at = ["Add", "Guess"][index];
        let done = replay(&filled).expect(0);
        assert_eq!(done.stdout.trim_end(), format!("reproduced: counter/counter at {at}: {}", lines[index]));
        let other = world.at(&format!("other{index}.json")).to_string_lossy().into_owned();
        let changed = text.replace("\\\"[secret]\\\"", "5").replace("{\\\"Add\\\":100}", "{\\\"Add\\\":1}");
        std::fs::write(&other, changed).expect("written");
        let told = replay(&other).expect(1).stderr;
        assert!(told.contains("1 of 1 failure comes out otherwise here"), "{told}");
        assert!(told.contains("it does not fail; it gives \"Ok\""), "{told}");
        assert!(told.contains("(the value is not that of the node)"), "{told}");
    }
    // A bundle without the machine, and what is no capsule.
    project.release("1.0.1", "").app("1.0.1", "").machine(&STEPS.replace("< 100", "< 99"));
    project.run("build", &[]).expect(0);
    let second = ["new/dist/shop-1.0.1.tar.gz", "dist/shop-1.0.1.tar.gz"].map(|place| world.at(place));
    let second =
        second.iter().find(|place| place.exists()).expect("it was built").to_string_lossy().into_owned();
    world.run(&["replay", &files[0].0, &second]).refused("no bundle here has the machine");
    world
        .run(&["node", "capsule", "99", "--node", &url])
        .refused("no capsule of this node has the number `99`");
    world.write("no.json", "{\"what\":\"step\"}");
    replay(&world.at("no.json").to_string_lossy()).refused("missing field");
}
