//! Documents of a node, and schemas, through the binary.

use camshaft_tests::{Agent, Death, World};

const PROGRAM: &str = env!("CARGO_BIN_EXE_camshaft-under-test");

#[test]
fn an_agent_runs_as_its_document_says_and_a_flag_wins() {
    let world = World::new(PROGRAM);
    world.write(
        "node/agent.toml",
        "data = \"state\"\nlisten = \"127.0.0.1:1\"\n\n[labels]\nzone = \"eu-1\"\nrole = \"edge\"\n",
    );
    // The port of the document is not free to an ordinary user; the flag takes another.
    let agent = Agent::start_words(&world, "n1", &["--config", "node/agent.toml", "--listen", "127.0.0.1:0"]);
    // Relative to the document and not to where the agent was started.
    assert!(world.at("node/state").is_dir());
    let status = world.run(&["node", "status", "--node", agent.url(), "--json"]).expect(0).json();
    assert_eq!(status["labels"], serde_json::json!({ "role": "edge", "zone": "eu-1" }));
    let shown = world.run(&["node", "status", "--node", agent.url()]).expect(0).stdout;
    assert!(shown.contains("\nlabels role=edge, zone=eu-1\n"), "{shown}");
    assert_eq!(agent.stop(), Death::Code(0));
}

#[test]
fn what_the_agent_cannot_do_yet_is_refused_by_name() {
    let world = World::new(PROGRAM);
    for (text, reason) in [
        ("controller = { url = \"http://a\" }", "the agent cannot act on `controller` yet"),
        ("limits.memory = \"1GiB\"", "the agent cannot act on `limits.memory` yet"),
        ("routes = { \"a/b\" = \"http://a\" }", "the agent cannot act on `routes` yet"),
    ] {
        world.write("agent.toml", text);
        let done = world.run(&["agent", "--data", "d", "--config", "agent.toml"]).refused(reason);
        assert!(done.stderr.contains("error[M0156]") && done.stderr.contains("agent.toml:1:"), "{done:#?}");
        assert!(!world.at("d").exists(), "the node's folder was made");
    }
}

#[test]
fn a_faulty_document_of_a_node_is_refused_with_all_its_faults() {
    let world = World::new(PROGRAM);
    world.write("agent.toml", "dta = \"d\"\nlisten = \"localhost\"\n");
    let done = world.run(&["agent", "--config", "agent.toml"]).refused("agent.toml: 2 faults");
    assert!(done.stderr.contains("did you mean `data`?"), "{done:#?}");
    assert!(done.stderr.contains("agent.toml:2:10"), "{done:#?}");
    world.write("agent.toml", "listen = \"127.0.0.1:0\"\n");
    world
        .run(&["agent", "--config", "agent.toml"])
        .refused("nobody says where the node keeps what it remembers");
    world.run(&["agent", "--config", "none.toml"]).refused("cannot read none.toml");
    world.run(&["agent"]).refused("nobody says where the node keeps what it remembers");
}

#[test]
fn schemas_are_printed_listed_and_written() {
    let world = World::new(PROGRAM);
    let listed = world.run(&["schema", "toml", "--json"]).expect(0).json();
    let names: Vec<&str> =
        listed.as_array().expect("a list").iter().filter_map(|one| one["document"].as_str()).collect();
    assert!(names.contains(&"release") && names.contains(&"agent"), "{names:?}");
    world.run(&["schema", "toml", "--out", "schemas"]).expect(0);
    for name in names {
        let printed = world.run(&["schema", "toml", name]).expect(0);
        assert_eq!(printed.json()["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(world.read(&format!("schemas/{name}.json")), printed.stdout.as_bytes());
    }
    let by_file = world.run(&["schema", "toml", "app.toml"]).expect(0);
    assert_eq!(by_file.json()["title"], "app.toml");
    world.run(&["schema", "toml", "relese"]).refused("there is no document `relese`");
    world.run(&["schema"]).expect(1);
}
