//! The dry run of an upgrade away from the node: on its data folder, which stays as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use camshaft_tests::project::{APPUP, MIGRATION, NAMED, Project};
use camshaft_tests::{Agent, World};
use serde_json::Value;

const COUNTER: &str = "machine counter
type State = STATE
type Input = Add(Int) | Read
type Output = Ok | Count(Int)
init = { count: 0SEEN }
on Add(n) => ({ ..state, count: state.count + n }, Ok)
on Read => (state, Count(state.count))
";

const UP: &str = "migration counter from \"1.0.0\"
up (old) = if old.count == 7 { fail \"seven\" } else { { count: old.count, seen: 0 } }
down (new) = { count: new.count }
";

/// Builds 1.0.0, and 2.0.0, which goes on from all states but one.
fn bundles(world: &World) -> [String; 2] {
    let old = COUNTER.replace("STATE", "{ count: Int }").replace("SEEN", "");
    let new = COUNTER.replace("STATE", "{ count: Int, seen: Int = 0 }").replace("SEEN", ", seen: 0");
    let project = Project::new(world);
    project.release("1.0.0", "").app("1.0.0", "").machine(&old).builds();
    project.release("2.0.0", "from = [\"1.0.0\"]").app("2.0.0", "").machine(&new);
    project.file(APPUP, NAMED);
    project.file(MIGRATION, UP);
    project.run("build", &[]).expect(0);
    ["1.0.0", "2.0.0"].map(|version| {
        let name = format!("shop-{version}.tar.gz");
        let places = [world.at(&format!("new/dist/{name}")), world.at(&format!("dist/{name}"))];
        places.iter().find(|place| place.exists()).expect("it was built").to_string_lossy().into_owned()
    })
}

/// All files of a folder, with what is in them and when they were written.
fn files(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            // The socket that an agent is taken over through is none.
            let written = path.metadata().and_then(|data| data.modified()).expect("a time");
            found.insert(path.clone(), (std::fs::read(&path).expect("readable"), written));
        }
    }
    found
}

/// What does not depend on how fast the machine is.
fn timeless(mut report: Value) -> Value {
    report.as_object_mut().expect("a report").remove("pause_us");
    for machine in report["machines"].as_array_mut().expect("machines") {
        machine.as_object_mut().expect("a machine").remove("worst_us");
    }
    report
}

#[test]
fn a_folder_says_what_its_node_says_and_stays_as_it_is() {
    let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
    let [first, second] = bundles(&world);
    let folder = world.at("d1");
    let state = folder.to_string_lossy().into_owned();
    let agent = Agent::start(&world, "d1");
    world.run(&["node", "install", &first, "--node", agent.url()]).expect(0);
    assert_eq!(agent.client().send("counter/counter", "{\"Add\":6}"), "Ok");
    world.run(&["try", &second, "--state", &state]).refused("another agent runs on");
    let by_node = world.run(&["node", "try", &second, "--json", "--node", agent.url()]).expect(0).json();
    // However it ends: the recovery of one that was killed stays in memory too.
    agent.kill();
    let before = files(&folder);
    let by_folder = world.run(&["try", &second, "--state", &state, "--json"]).expect(0).json();
    assert_eq!(by_folder["machines"][0]["states"], 1);
    assert_eq!(timeless(by_folder), timeless(by_node));
    assert!(files(&folder) == before, "something was written");

    // What fails, fails here too, in the same words and with the same exit code.
    let agent = Agent::start(&world, "d1");
    assert_eq!(agent.client().send("counter/counter", "{\"Add\":1}"), "Ok");
    let by_node = world.run(&["node", "try", &second, "--json", "--node", agent.url()]).expect(1).json();
    agent.stop();
    let by_folder = world.run(&["try", &second, "--state", &state, "--json"]).expect(1).json();
    let details = |mut told: Value| timeless(told["error"]["details"].take());
    assert_eq!(details(by_folder), details(by_node));
    world.run(&["try", &second, "--state", &state]).refused("2.0.0 does not pass on the live state");
    world.run(&["try", &second, "--state", &state, "--hold-failing", "1"]).expect(0);

    // The node goes on from the folder.
    let agent = Agent::start(&world, "d1");
    assert_eq!(agent.client().send("counter/counter", "\"Read\"")["Count"], 7);
}

#[test]
fn what_is_no_folder_of_a_node_is_refused() {
    let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
    let [first, second] = bundles(&world);
    let refused = |bundle: &str, folder: &str, reason: &str| {
        let state = world.at(folder).to_string_lossy().into_owned();
        world.run(&["try", bundle, "--state", &state]).refused(reason);
    };
    refused(&second, "nowhere", "cannot read the data folder");
    world.write("empty/else", "");
    refused(&second, "empty", "there is no journal in it");
    Agent::start(&world, "fresh").stop();
    refused(&second, "fresh", "nothing was ever installed");
    world.write("older/journal.sqlite", "");
    refused(&second, "older", "it has the form of an earlier version: start an agent on a copy of it");

    let agent = Agent::start(&world, "d1");
    world.run(&["node", "install", &first, "--node", agent.url()]).expect(0);
    agent.stop();
    refused(&first, "d1", "shop 1.0.0 runs already");
    world.write("none.tar.gz", "no bundle");
    refused(&world.at("none.tar.gz").to_string_lossy(), "d1", "The bundle cannot be used: ");
    // A copy that lacks the bundle that runs, and one whose journal is damaged.
    let blobs: Vec<PathBuf> = std::fs::read_dir(world.at("d1/blobs"))
        .expect("blobs")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    for blob in blobs {
        std::fs::remove_file(blob).expect("it was there");
    }
    refused(&second, "d1", "the bundle of shop 1.0.0 cannot be used");
    let logs = files(&world.at("d1"));
    let (log, (bytes, _)) =
        logs.iter().find(|(path, _)| path.to_string_lossy().contains("/log-")).expect("a log");
    let mut other = bytes.clone();
    let first = other.iter().position(|byte| *byte != 0).expect("a frame");
    other[first + 60] ^= 1;
    std::fs::write(log, other).expect("writable");
    refused(&second, "d1", "the log ends at entry 0, and it was begun after entry 1");
}
