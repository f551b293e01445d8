//! Clients of an older version, over HTTP: they go on as if nothing had happened, or nothing
//! happens.

use std::path::{Path, PathBuf};

use camshaft_tests::{Agent, Answered, Client, Done, World};
use serde_json::{Value, json};

const TILL_1: &str = "machine till
type State = Int
type Input = Add { count: Int } | Sum
type Output = Ok | Sum(Int)
init = 0
on Add { count } => (state + count, Sum(state + count))
on Sum => (state, Sum(state))
";

const TILL_2: &str = "machine till
type State = { sum: Int, adds: Int }
type Input = Add { count: Int, note: Text } | Sum
type Output = Ok | Total { sum: Int, adds: Int }
init = { sum: 0, adds: 0 }
on Add { count, note } =>
  ({ sum: state.sum + count, adds: state.adds + 1 }, Total { sum: state.sum + count, adds: state.adds + 1 })
on Sum => (state, Total { sum: state.sum, adds: state.adds })
";

const TILL_UP: &str = "migration till from \"1.0.0\"
up (old) = { sum: old, adds: 0 }
down (new) = new.sum
lift Add { count } => if count > 100 { fail \"too many at once\" } else { Add { count, note: \"\" } }
lower Total { sum, .. } => if sum >= 1000 { fail \"too large for version 1\" } else { Sum(sum) }
raise Sum(sum) => Total { sum, adds: 0 }
";

const TILL_3: &str = "machine till
type State = { sum: Int, adds: Int }
type Input = Add { count: Int, note: Text } | Sum | Adds
type Output = Ok | Total { sum: Int, adds: Int }
init = { sum: 0, adds: 0 }
on Add { count, note } =>
  ({ sum: state.sum + count, adds: state.adds + 1 }, Total { sum: state.sum + count, adds: state.adds + 1 })
on Sum => (state, Total { sum: state.sum, adds: state.adds })
on Adds => (state, Total { sum: 0, adds: state.adds })
";

const SPEAKS: &str = "camshaft-speaks";
const MESSAGE: &str = "camshaft-message";
const PATH: &str = "/v1/apps/shop/till";

/// The bundles of a shop: 2.0.0 speaks 1.0.0 as well, 3.0.0 does not.
struct Shop {
    world: World,
    one: PathBuf,
    two: PathBuf,
    three: PathBuf,
}

impl Shop {
    fn new() -> Shop {
        let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
        let one = project(&world, "1.0.0", "from = []", "", TILL_1);
        world.write("2.0.0/apps/shop/migrations/till-from-1.0.0.cam", TILL_UP);
        let appup = "[[from]]\nversion = \"1.0.0\"\n\n[from.machines.till]\nmigration = \"migrations/till-from-1.0.0.cam\"\n";
        world.write("2.0.0/apps/shop/appup.toml", appup);
        let two = project(&world, "2.0.0", "from = [\"1.0.0\"]", "", TILL_2);
        let three = project(
            &world,
            "3.0.0",
            "from = [\"2.0.0\"]\noldest = \"2.0.0\"",
            "\n[api]\ndefault = \"2.0.0\"\n",
            TILL_3,
        );
        Shop { world, one, two, three }
    }

    fn start(&self) -> Agent {
        let agent = Agent::start(&self.world, "d");
        let install = std::fs::read(&self.one).expect("it was built");
        if agent.client().release().is_none() {
            let installed = agent.client().post("/v1/node/install", &[], install).expect("an answer");
            assert_eq!(installed.status, 200, "{installed:?}");
        }
        agent
    }

    fn node(&self, agent: &Agent, words: &[&str]) -> Done {
        self.world.run(&[&["node", "--node", agent.url()], words].concat())
    }

    fn upgrade(&self, agent: &Agent, bundle: &Path) {
        self.node(agent, &["upgrade", &bundle.to_string_lossy()]).expect(0);
    }
}

fn project(world: &World, version: &str, from: &str, api: &str, till: &str) -> PathBuf {
    let release = format!(
        "name = \"shop\"\nversion = \"{version}\"\n{from}\n\n[apps]\nshop = {{ path = \"apps/shop\" }}\n{api}"
    );
    world.write(&format!("{version}/release.toml"), release);
    let app = format!("name = \"shop\"\nversion = \"{version}\"\nmachines = [\"till\"]\n");
    world.write(&format!("{version}/apps/shop/app.toml"), app);
    world.write(&format!("{version}/apps/shop/machines/till.cam"), till);
    let built = world.run(&["build", version, "-o", "dist", "--json"]).expect(0).json();
    world.at(built["bundle"].as_str().expect("a bundle"))
}

fn speak(client: &Client, headers: &[(&str, &str)], input: &str) -> Answered {
    client.post(PATH, headers, input.to_owned()).expect("the node answers")
}

/// Sends an input in a version and expects an answer in that version.
#[track_caller]
fn say(client: &Client, version: &str, input: &str) -> Value {
    let answered = speak(client, &[(SPEAKS, version)], input);
    assert_eq!((answered.status, answered.speaks.as_deref()), (200, Some(version)), "{answered:?}");
    answered.json()
}

/// Sends an input without a version and expects an answer in the version that is the default.
#[track_caller]
fn untagged(client: &Client, version: &str, input: &str) -> Value {
    let answered = speak(client, &[], input);
    assert_eq!((answered.status, answered.speaks.as_deref()), (200, Some(version)), "{answered:?}");
    answered.json()
}

#[test]
fn an_old_client_goes_on_over_an_upgrade_and_the_way_back() {
    let shop = Shop::new();
    let agent = shop.start();
    let client = agent.client();
    let add = r#"{"Add":{"count":3}}"#;
    assert_eq!(say(&client, "1.0.0", add), json!({ "Sum": 3 }));
    assert_eq!(untagged(&client, "1.0.0", add), json!({ "Sum": 6 }));
    shop.upgrade(&agent, &shop.two);
    assert_eq!(say(&client, "1.0.0", add), json!({ "Sum": 9 }));
    assert_eq!(untagged(&client, "1.0.0", add), json!({ "Sum": 12 }), "a switch moves no default");
    let noted = r#"{"Add":{"count":1,"note":"n"}}"#;
    assert_eq!(say(&client, "2.0.0", noted), json!({ "Total": { "sum": 13, "adds": 3 } }));
    assert_eq!(say(&client, "1.0.0", "\"Sum\""), json!({ "Sum": 13 }));
    shop.node(&agent, &["rollback"]).expect(0);
    assert_eq!(say(&client, "1.0.0", add), json!({ "Sum": 16 }));
    assert_eq!(untagged(&client, "1.0.0", "\"Sum\""), json!({ "Sum": 16 }));
    let gone = speak(&client, &[(SPEAKS, "2.0.0")], "\"Sum\"").problem(400, "does not speak 2.0.0");
    assert_eq!((&gone["code"], &gone["more"]["speaks"]), (&json!("unknown-version"), &json!("1.0.0")));
}

#[test]
fn what_cannot_be_translated_is_refused_and_changes_nothing() {
    let shop = Shop::new();
    let agent = shop.start();
    let client = agent.client();
    shop.upgrade(&agent, &shop.two);
    say(&client, "2.0.0", r#"{"Add":{"count":950,"note":"n"}}"#);
    let instances = || client.get("/v1/node/instances").expect("an answer").json();
    let before = instances();
    let cases = [
        ("1.0.0", r#"{"Add":{"count":60}}"#, 422, "no-answer-for-version", "too large for version 1"),
        ("1.0.0", r#"{"Add":{"count":101}}"#, 422, "input-not-lifted", "too many at once"),
        ("1.0.0", r#"{"Add":{"count":"x"}}"#, 400, "wrong-type", "$.Add.count"),
        ("1.0.0", r#"{"Add":{"count":1,"note":"n"}}"#, 400, "wrong-type", "(in the types of 1.0.0)"),
        ("2.0.0", r#"{"Add":{"count":1}}"#, 400, "wrong-type", "note"),
        ("9.9.9", "\"Sum\"", 400, "unknown-version", "it speaks 1.0.0, 2.0.0"),
        ("nonsense", "\"Sum\"", 400, "unknown-version", "it speaks 1.0.0, 2.0.0"),
    ];
    for (version, input, status, code, reason) in cases {
        for headers in [vec![(SPEAKS, version)], vec![(SPEAKS, version), (MESSAGE, "c/1")]] {
            let problem = speak(&client, &headers, input).problem(status, reason);
            assert_eq!(problem["code"], code, "{input}: {problem}");
            assert_eq!(instances(), before, "{input}");
        }
    }
    let header = speak(&client, &[(SPEAKS, "1.0.0"), (SPEAKS, "2.0.0")], "\"Sum\"");
    header.problem(400, "camshaft-speaks stands more than once");
    // The identity is still free, and the sum what it was.
    let answered = speak(&client, &[(SPEAKS, "1.0.0"), (MESSAGE, "c/1")], r#"{"Add":{"count":1}}"#);
    assert_eq!(answered.json(), json!({ "Sum": 951 }));
}

#[test]
fn a_repeated_request_is_answered_in_the_version_that_is_spoken() {
    let shop = Shop::new();
    let agent = shop.start();
    let client = agent.client();
    let again = |version: &str, id: &str, input: &str| {
        let answered = speak(&client, &[(SPEAKS, version), (MESSAGE, id)], input);
        assert_eq!(answered.status, 200, "{answered:?}");
        answered.json()
    };
    let add = r#"{"Add":{"count":3}}"#;
    assert_eq!(again("1.0.0", "c/1", add), json!({ "Sum": 3 }));
    shop.upgrade(&agent, &shop.two);
    assert_eq!(again("1.0.0", "c/1", add), json!({ "Sum": 3 }));
    assert_eq!(again("2.0.0", "c/1", add), json!({ "Total": { "sum": 3, "adds": 0 } }), "raised");
    let other = speak(&client, &[(SPEAKS, "1.0.0"), (MESSAGE, "c/1")], "\"Sum\"");
    assert_eq!(other.problem(409, "another input")["code"], "conflict");
    let noted = r#"{"Add":{"count":4,"note":"n"}}"#;
    assert_eq!(again("2.0.0", "c/2", noted), json!({ "Total": { "sum": 7, "adds": 1 } }));
    assert_eq!(again("1.0.0", "c/2", noted), json!({ "Sum": 7 }), "lowered");
    let large = r#"{"Add":{"count":2000,"note":"n"}}"#;
    again("2.0.0", "c/3", large);
    shop.node(&agent, &["rollback"]).expect(0);
    assert_eq!(again("1.0.0", "c/1", add), json!({ "Sum": 3 }));
    assert_eq!(again("1.0.0", "c/2", noted), json!({ "Sum": 7 }), "of the release that was left");
    let untold = speak(&client, &[(SPEAKS, "1.0.0"), (MESSAGE, "c/3")], large);
    assert_eq!(untold.problem(409, "was applied before")["code"], "answer-untold");
    assert_eq!(say(&client, "1.0.0", "\"Sum\""), json!({ "Sum": 2007 }), "nothing was applied twice");
}

#[test]
fn clients_are_counted_and_not_left_behind_unless_that_is_asked_for() {
    let shop = Shop::new();
    let agent = shop.start();
    let client = agent.client();
    say(&client, "1.0.0", "\"Sum\"");
    shop.upgrade(&agent, &shop.two);
    say(&client, "1.0.0", "\"Sum\"");
    untagged(&client, "1.0.0", "\"Sum\"");
    assert_eq!(say(&client, "2.0.0", "\"Sum\"")["Total"]["sum"], 0);
    // The operator's tool speaks what runs, unless it is told otherwise.
    let sum = shop.node(&agent, &["send", "shop/till", "\"Sum\""]).expect(0).stdout;
    assert_eq!(sum.trim(), r#"{"Total":{"sum":0,"adds":0}}"#);
    let sum = shop.node(&agent, &["send", "shop/till", "\"Sum\"", "--speaks", "1.0.0"]).expect(0).stdout;
    assert_eq!(sum.trim(), r#"{"Sum":0}"#);
    shop.node(&agent, &["send", "shop/till", "\"Sum\"", "--speaks", "0.1.0"]).refused("does not speak 0.1.0");
    shop.node(&agent, &["make-permanent"]).expect(0);

    let counted = |agent: &Agent| {
        let node = agent.client().node();
        let clients = node["clients"].as_array().expect("a list").clone();
        let count = |count: &Value| {
            assert!(count["last_seen_ms"].as_i64().is_some_and(|seen| seen > 0), "{count}");
            format!("{} {} {}", count["app"], count["speaks"], count["requests"]).replace('"', "")
        };
        (node["speaks"].clone(), node["api_default"].clone(), clients.iter().map(count).collect::<Vec<_>>())
    };
    let expected = (
        json!(["1.0.0", "2.0.0"]),
        json!("1.0.0"),
        ["shop untagged 1", "shop running 1", "shop 1.0.0 3", "shop 2.0.0 1"].map(str::to_owned).to_vec(),
    );
    assert_eq!(counted(&agent), expected);
    let text = shop.node(&agent, &["status"]).expect(0).stdout;
    assert!(text.contains("clients may speak 1.0.0, 2.0.0; untagged ones speak 1.0.0\n"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("shop  1.0.0     3 ")), "{text}");
    agent.stop();
    let agent = shop.start();
    assert_eq!(counted(&agent), expected, "over a restart");

    let three = shop.three.to_string_lossy();
    let instances = |agent: &Agent| agent.client().get("/v1/node/instances").expect("an answer").json();
    let before = instances(&agent);
    for verb in ["try", "upgrade"] {
        for words in [vec![verb, &three], vec![verb, &three, "--drop-clients", "2.0.0"]] {
            let refused = shop.node(&agent, &words).refused("3.0.0 does not speak 1.0.0");
            assert!(refused.stderr.contains("untagged, which is 1.0.0: 1 request to shop"), "{refused:?}");
            assert!(refused.stderr.contains("--drop-clients"), "{refused:?}");
        }
        let refused = shop.node(&agent, &[&[verb, &*three][..], &["--json"]].concat()).expect(1).json();
        assert_eq!(refused["error"]["code"], "clients-left-behind", "{refused}");
    }
    assert_eq!(instances(&agent), before);
    assert_eq!(agent.client().release(), Some(("2.0.0".to_owned(), false)));

    let dropping = ["--drop-clients", "1.0.0", "--drop-clients", "0.5.0"];
    shop.node(&agent, &[&["try", &*three][..], &dropping].concat()).expect(0);
    shop.node(&agent, &[&["upgrade", &*three][..], &dropping].concat()).expect(0);
    let history = shop.node(&agent, &["history", "--json"]).expect(0).json();
    let last = history["entries"].as_array().and_then(|entries| entries.last()).expect("an entry").clone();
    assert_eq!(last["what"], "upgraded", "{last}");
    let why = last["why"].as_str().unwrap_or_default();
    assert!(why.starts_with("left behind: untagged: 1 request to shop, "), "{why}");
    assert!(why.contains("; 1.0.0: 3 requests to shop, "), "{why}");
    assert_eq!(untagged(&agent.client(), "2.0.0", "\"Sum\""), json!({ "Total": { "sum": 0, "adds": 0 } }));
    // Nobody is asked on the way back, though there are clients of 3.0.0 by now.
    say(&agent.client(), "3.0.0", "\"Adds\"");
    shop.node(&agent, &["rollback"]).expect(0);
    assert_eq!(agent.client().release(), Some(("2.0.0".to_owned(), false)));
}

#[test]
fn versions_to_drop_that_are_none_are_refused() {
    let shop = Shop::new();
    let agent = shop.start();
    let two = shop.two.to_string_lossy();
    let done = shop.node(&agent, &["upgrade", &two, "--drop-clients", "one"]);
    assert_ne!(done.code, Some(0), "{done:?}");
    let bytes = std::fs::read(&shop.two).expect("it was built");
    for verb in ["try", "upgrade"] {
        let path = format!("/v1/node/{verb}?drop_clients=1.0.0,one");
        let answered = agent.client().post(&path, &[], bytes.clone()).expect("an answer");
        answered.problem(400, "`drop_clients` has `one`, which is no version");
    }
}
