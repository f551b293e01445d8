//! The last inputs of instances through both releases, through the binary: shown by `try`, and a gate of `upgrade`.

use camshaft_tests::project::{COUNTER, begun};
use camshaft_tests::{Agent, World};

const ADDRESS: &str = "counter/counter";
const ADD: &str = "{\"Add\":{\"by\":30}}";

/// A world with two releases in `new/dist`. The second counts more where it is given much.
fn world() -> World {
    let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
    begun(&world).machine(&COUNTER.replace("state.count + by", "state.count + by + by / 20")).builds();
    world
}

const FIRST: &str = "new/dist/shop-1.0.0.tar.gz";
const SECOND: &str = "new/dist/shop-2.0.0.tar.gz";

#[test]
fn what_would_come_out_otherwise_is_shown_and_refuses_an_upgrade_unless_it_is_meant() {
    let world = world();
    world.write("agent.toml", "data = \"d\"\n\n[limits]\nshadow = 4\n");
    let words = ["--config", "agent.toml", "--listen", "127.0.0.1:0"];
    let agent = Agent::start_words(&world, "d", &words);
    let url = agent.url().to_owned();
    let node = |words: &[&str]| world.run(&[&["node"], words, &["--node", &url]].concat());
    node(&["install", FIRST]).expect(0);
    node(&["upgrade", SECOND, "--shadow", "4"]).refused("nothing was recorded of machines that go on");
    for _ in 0..3 {
        assert_eq!(agent.client().send(ADDRESS, ADD), "Ok");
    }
    assert_eq!(agent.client().send(ADDRESS, "{\"Add\":{\"by\":1}}"), "Ok");
    let tried = node(&["try", SECOND, "--shadow", "8"]).expect(0).stdout;
    for line in [
        "  recorded inputs: 4 of 1 instance, 3 come out otherwise\n",
        "    counter/counter at Add: of 4, 3 in state\n",
        "    counter/counter, input 1: {\"Add\":{\"by\":30}} on {\"count\":0,\"step\":1}\n",
        "      state was {\"count\":30,\"step\":1}\n      state  is {\"count\":31,\"step\":1}\n",
    ] {
        assert!(tried.contains(line), "no `{line}` in {tried}");
    }
    let report = node(&["try", SECOND, "--shadow", "1", "--json"]).expect(0).json();
    assert_eq!(report["shadow"]["inputs"], 1);
    assert_eq!(report["shadow"]["same"], 1, "the last one is the same");
    let none = node(&["try", SECOND, "--json"]).expect(0).json();
    assert!(none.get("shadow").is_none());

    let refused =
        node(&["upgrade", SECOND, "--shadow", "4"]).refused("3 of 4 recorded inputs come out otherwise");
    assert!(refused.stderr.contains("--allow-differences"), "{}", refused.stderr);
    assert_eq!(agent.client().release(), Some(("1.0.0".to_owned(), false)));
    let history = agent.client().get("/v1/node/history").expect("an answer").json();
    let last = history["entries"].as_array().expect("a list").last().expect("an entry").clone();
    assert_eq!((&last["what"], &last["code"]), (&"refused".into(), &"shadow-differs".into()));
    node(&["upgrade", SECOND, "--shadow", "4", "--allow-differences"]).expect(0);
    assert_eq!(agent.client().release(), Some(("2.0.0".to_owned(), true)));
}

#[test]
fn an_agent_that_records_nothing_says_so_and_wrong_words_are_refused() {
    let world = world();
    let agent = Agent::start(&world, "d");
    let url = agent.url().to_owned();
    let node = |words: &[&str]| world.run(&[&["node"], words, &["--node", &url]].concat());
    node(&["install", FIRST]).expect(0);
    assert_eq!(agent.client().send(ADDRESS, ADD), "Ok");
    for verb in ["try", "upgrade"] {
        let refused = node(&[verb, SECOND, "--shadow", "4"]).refused("this agent records no inputs");
        assert!(refused.stderr.contains("set `shadow` in [limits] of agent.toml"), "{}", refused.stderr);
    }
    node(&["upgrade", SECOND, "--allow-differences"]).refused("--shadow");
    node(&["upgrade", SECOND, "--shadow", "0"]).refused("0 is not in 1..");
    let post = |query: &str| {
        let answered =
            agent.client().post(&format!("/v1/node/upgrade?{query}"), &[], "x").expect("an answer");
        answered.json()["detail"].as_str().expect("a detail").to_owned()
    };
    assert_eq!(post("shadow=none"), "`shadow` is a number of inputs, 1 or more");
    assert_eq!(post("allow_differences=true"), "`allow_differences` goes with `shadow`");
    assert_eq!(post("shadow=1&allow_differences=yes"), "`allow_differences` is true or false, not `yes`");
}
