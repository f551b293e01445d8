//! The last inputs of instances through both releases, through the binary: shown by `try`, and a gate of `upgrade`.

use camshaft_tests::project::{APPUP, COUNTER, begun};
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
    // And seen again elsewhere, to the last unit of fuel.
    let tried = node(&["try", SECOND, "--shadow", "8", "--json"]).expect(0).stdout;
    world.write("tried.json", &tried);
    let seen = world.run(&["replay", "tried.json", FIRST, SECOND]).expect(0).stdout;
    assert_eq!(seen.lines().count(), 3, "{seen}");
    let line = "reproduced: counter/counter at Add: state was {\"count\":30,\"step\":1}, is {\"count\":31,\"step\":1}, with ";
    assert!(seen.starts_with(line), "{seen}");
    world.write("other.json", tried.replace("{\\\"Add\\\":{\\\"by\\\":30}}", "{\\\"Add\\\":{\\\"by\\\":3}}"));
    let other = world.run(&["replay", "other.json", FIRST, SECOND]).expect(1).stderr;
    assert!(other.contains("3 of 3 failures come out otherwise here"), "{other}");
    assert!(other.contains("the same comes of it in both"), "{other}");
    let less = tried.replacen("\"fuel_after\":", "\"fuel_after\":9", 1);
    world.write("less.json", less);
    let other = world.run(&["replay", "less.json", FIRST, SECOND]).expect(1).stderr;
    assert!(other.contains("1 of 3 failures comes out otherwise here"), "{other}");
    world.run(&["replay", "tried.json", FIRST]).refused("no bundle here has the machine");
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

/// An appup that promises that the counter does what it did.
const PROMISE: &str =
    "[[from]]\nversion = \"1.0.0\"\n\n[from.machines.counter]\npreserves_behaviour = true\n";

#[test]
fn who_promises_to_do_what_it_did_is_held_to_it_without_being_asked() {
    let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
    // No generated input finds this one, which is true of 7777.
    let rare = "state.count + (if by % 100003 * 7919 % 99991 == 91598 { by + 1 } else { by })";
    let second = COUNTER.replace("state.count + by", rare);
    begun(&world).machine(&second).file(APPUP, PROMISE).builds();
    let told = world.run(&["inspect", SECOND]).expect(0).stdout;
    assert!(told.contains("  counter/counter promises to do what it did\n"), "{told}");
    assert!(!world.run(&["inspect", FIRST]).expect(0).stdout.contains("promises"));
    let told = world.run(&["relup", "plan", FIRST, SECOND, "--explain"]).expect(0).stdout;
    assert!(
        told.contains("it promises to do what it did; a node that records inputs holds it to that"),
        "{told}"
    );

    world.write("agent.toml", "data = \"d\"\n\n[limits]\nshadow = 4\n");
    let agent = Agent::start_words(&world, "d", &["--config", "agent.toml", "--listen", "127.0.0.1:0"]);
    let url = agent.url().to_owned();
    let node = |words: &[&str]| world.run(&[&["node"], words, &["--node", &url]].concat());
    node(&["install", FIRST]).expect(0);
    let told = node(&["try", SECOND]).expect(0).stdout;
    assert!(told.contains("no input of it is recorded here, so that nothing was held to it"), "{told}");
    assert_eq!(agent.client().send(ADDRESS, "{\"Add\":{\"by\":1}}"), "Ok");
    let told = node(&["try", SECOND]).expect(0).stdout;
    let line = "  counter/counter promises to do what it did: 0 of 1 recorded input come out otherwise\n";
    assert!(told.contains(line), "{told}");
    assert_eq!(agent.client().send(ADDRESS, "{\"Add\":{\"by\":7777}}"), "Ok");
    let why = "counter/counter at preserve: it promises to do what it did (preserves_behaviour), and of input 2, \
               {\"Add\":{\"by\":7777}} on {\"count\":1,\"step\":1}, the state was {\"count\":7778,\"step\":1} and is \
               {\"count\":7779,\"step\":1}";
    node(&["try", SECOND]).refused(why);
    let tried = node(&["try", SECOND, "--json"]).expect(1).stdout;
    let report: serde_json::Value = serde_json::from_str(&tried).expect("JSON");
    let report = &report["error"]["details"];
    assert_eq!(
        (&report["failures"][0]["step"], &report["failures"][0]["kind"]),
        (&"preserve".into(), &"state".into())
    );
    let preserved = serde_json::json!([{ "machine": "counter/counter", "inputs": 2, "differ": 1 }]);
    assert_eq!(report["preserved"], preserved);
    world.write("tried.json", &tried);
    let seen = world.run(&["replay", "tried.json", FIRST, SECOND]).expect(0).stdout;
    assert!(
        seen.starts_with("reproduced: counter/counter at Add: state was {\"count\":7778,\"step\":1}, is "),
        "{seen}"
    );
    // To allow differences allows none that somebody promised not to be.
    for more in [&["--shadow", "4", "--allow-differences"][..], &[]] {
        let refused =
            node(&[&["upgrade", SECOND], more].concat()).refused("counter/counter: preserve: it promises");
        assert!(refused.stderr.contains("does not pass on the live state"), "{}", refused.stderr);
    }
    assert_eq!(agent.client().release(), Some(("1.0.0".to_owned(), false)));
}

#[test]
fn who_sets_the_law_aside_promises_nothing() {
    let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
    let waived = format!("{PROMISE}\n[[waive]]\nrule = \"L3\"\nreason = \"it counts otherwise\"\n");
    begun(&world)
        .machine(&COUNTER.replace("state.count + by", "state.count + by + 1"))
        .file(APPUP, &waived)
        .builds();
    assert!(!world.run(&["inspect", SECOND]).expect(0).stdout.contains("promises"));
}
