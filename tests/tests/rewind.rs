//! Going back where a migration has no way down: the older release does the inputs since the switch again, in a real agent
//! and over its death.

use camshaft_tests::project::{self, APPUP, NAMED, Project};
use camshaft_tests::{Agent, World};
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_camshaft-under-test");

const OLD: &str = "machine counter keyed Text
type State = Int
type Input = Add { by: Int } | Read
type Output = Ok | Count(Int)
init = 0
on Add { by } => (state + by, Ok)
on Read => (state, Count(state))
";

/// It says how much was added, where that is above a hundred.
const NEW: &str = "machine counter keyed Text
type State = { sum: Int, adds: Int }
type Input = Add { by: Int } | Read
type Output = Ok | Count(Int)
init = { sum: 0, adds: 0 }
on Add { by } => ({ sum: state.sum + by, adds: state.adds + 1 }, if by > 100 { Count(by) } else { Ok })
on Read => (state, Count(state.sum))
";

const MIGRATION: &str = "migration counter from \"1.0.0\"
up (old) = { sum: old, adds: 0 }
down (new) = if new.adds > 0 { fail \"it was added to\" } else { new.sum }
";

/// Runs a node on 1.0.0, and builds 2.0.0, with which an instance that is written does not go down.
fn begun(world: &World) -> Agent {
    let project = Project::new(world);
    project.release("1.0.0", "").app("1.0.0", "").machine(OLD).builds();
    project.file(APPUP, NAMED).file(project::MIGRATION, MIGRATION);
    project.release("2.0.0", "from = [\"1.0.0\"]").app("2.0.0", "").machine(NEW).builds();
    let agent = Agent::start(world, "d1");
    world.run(&["node", "install", &bundle(world, "1.0.0"), "--node", agent.url()]).expect(0);
    agent
}

fn bundle(world: &World, version: &str) -> String {
    let name = format!("shop-{version}.tar.gz");
    let places = [world.at(&format!("new/dist/{name}")), world.at(&format!("dist/{name}"))];
    places.iter().find(|place| place.exists()).expect("it was built").to_string_lossy().into_owned()
}

fn add(by: i64) -> String {
    format!("{{\"Add\":{{\"by\":{by}}}}}")
}

#[test]
fn a_rollback_does_again_what_was_done_and_says_how_often() {
    let world = World::new(PROGRAM);
    let agent = begun(&world);
    agent.client().send("counter/counter/a", &add(5));
    world.run(&["node", "upgrade", &bundle(&world, "2.0.0"), "--node", agent.url()]).expect(0);
    for key in ["a", "b"] {
        for by in [3, 4] {
            agent.client().send(&format!("counter/counter/{key}"), &add(by));
        }
    }
    agent.kill();
    let agent = Agent::start(&world, "d1");
    let client = agent.client();
    let run = |words: &[&str]| world.run(&[&["node", "--node", agent.url()], words].concat());
    let text = run(&["rollback"]).expect(0).stdout;
    assert!(text.contains("0 went down with later writes; 0 held"), "{text}");
    let told = "\n  2 instances were rewound: their inputs since the switch gave the same answers in the older release";
    assert!(text.contains(told), "{text}");
    let told = run(&["history"]).expect(0).stdout;
    for line in ["  1 to migrate when used\n", "  2 instances were rewound\n"] {
        assert!(told.contains(line), "no `{line}` in {told}");
    }
    for (key, sum) in [("a", 12), ("b", 7)] {
        assert_eq!(client.send(&format!("counter/counter/{key}"), "\"Read\""), json!({ "Count": sum }));
    }

    // And once more, with an answer that the older release does not give.
    run(&["upgrade", &bundle(&world, "2.0.0")]).expect(0);
    client.send("counter/counter/a", &add(1));
    assert_eq!(client.send("counter/counter/b", &add(101)), json!({ "Count": 101 }));
    let why = "failed: it was added to; and it cannot be rewound: input 3 was answered {\"Count\":101}, and would be answered \
               \"Ok\" in the older release";
    run(&["rollback"]).refused(&format!("counter/counter/b: rewind: {why}"));
    let report = run(&["rollback", "--force", "--json"]).expect(0).json();
    let counts = &report["rollback"];
    assert_eq!((&counts["rewound"], &counts["held"]), (&json!(1), &json!(1)), "{report}");
    let text = run(&["history"]).expect(0).stdout;
    assert!(text.contains("1 instance was rewound, 1 held\n"), "{text}");
    assert_eq!(client.send("counter/counter/a", "\"Read\""), json!({ "Count": 13 }));
    let held = run(&["instances", "--held", "--json"]).expect(0).stdout;
    assert!(held.contains("counter/counter/b") && held.contains("input 3 was answered"), "{held}");
    // What a switch did stands in the journal.
    let history = || run(&["history", "--json"]).expect(0).json();
    let before = history();
    let [.., last] = &before["entries"].as_array().expect("a list")[..] else { panic!("{before}") };
    let counts = json!({ "untouched": 0, "before_image": 0, "migrated": 0, "rewound": 1, "held": 1, "archived": 0,
        "restored": 0, "moved": 0, "parked": 0 });
    assert_eq!(last["counts"], counts);
    assert_eq!(report["switched"], counts);
    agent.kill();
    let agent = Agent::start(&world, "d1");
    let after = world.run(&["node", "--node", agent.url(), "history", "--json"]).expect(0).json();
    assert_eq!(after, before);
}
