//! Dead letters: listed, delivered anew after an upgrade that mends the machine, or given up.

use camshaft_tests::project::Project;
use camshaft_tests::{Agent, World, until};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_camshaft-under-test");

const TELLER: &str = "machine teller
type Message = | Add { by: Int }
type State = Int
type Input = | Tell { by: Int }
type Output = | Ok
channel counter = counter/counter(Message)
init = 0
on Tell { by } {
  send counter Add { by: by }
  (state + 1, Ok)
}
";

fn counter(more: &str, add: &str) -> String {
    format!(
        "machine counter\ntype State = Int\ntype Input = Add {{ by: Int }} | Read{more}\n\
         type Output = Ok | Count(Int)\ninit = 0\non Add {{ by }} {add}\non Read => (state, Count(state))\n"
    )
}

/// Runs a node whose counter takes no more than 5 at a time, and builds one that does.
fn begun(world: &World) -> Agent {
    let project = Project::new(world);
    let app = |version: &str| {
        let text =
            format!("name = \"counter\"\nversion = \"{version}\"\nmachines = [\"counter\", \"teller\"]\n");
        project.file("apps/counter/app.toml", &text);
    };
    project.file("apps/counter/machines/teller.cam", TELLER);
    app("1.0.0");
    let first = counter("", "{\n  if by > 5 { fail \"at most 5\" } else { (state + by, Ok) }\n}");
    project.release("1.0.0", "").machine(&first).builds();
    app("2.0.0");
    let second = counter(" | Clear", "=> (state + by, Ok)") + "on Clear => (0, Ok)\n";
    project.release("2.0.0", "from = [\"1.0.0\"]").machine(&second).builds();
    let agent = Agent::start(world, "d1");
    world.run(&["node", "install", &bundle(world, "1.0.0"), "--node", agent.url()]).expect(0);
    agent
}

fn bundle(world: &World, version: &str) -> String {
    let name = format!("shop-{version}.tar.gz");
    let places = [world.at(&format!("new/dist/{name}")), world.at(&format!("dist/{name}"))];
    places.iter().find(|place| place.exists()).expect("it was built").to_string_lossy().into_owned()
}

fn parked(agent: &Agent, query: &str) -> Value {
    let answered = agent.client().get(&format!("/v1/node/parked{query}")).expect("an answer");
    assert_eq!(answered.status, 200, "{answered:?}");
    answered.json()
}

#[test]
fn a_dead_letter_is_delivered_once_when_the_machine_is_mended() {
    let world = World::new(PROGRAM);
    let agent = begun(&world);
    let client = agent.client();
    let run = |words: &[&str]| world.run(&[&["node", "--node", agent.url()], words].concat());
    for by in [3, 6, 7] {
        client.send("counter/teller", &format!("{{\"Tell\":{{\"by\":{by}}}}}"));
    }
    until("two dead letters", || (client.node()["counts"]["parked"] == 2).then_some(()));
    assert_eq!(client.send("counter/counter", "\"Read\""), json!({ "Count": 3 }));
    let list = parked(&agent, "");
    let entries = list["parked"].as_array().expect("a list");
    assert_eq!((entries.len(), &list["next"]), (2, &Value::Null));
    let first = &entries[0];
    assert_eq!(first["instance"], "counter/counter");
    assert_eq!(
        (&first["number"], &first["what"], &first["switch"]),
        (&json!(1), &json!("message"), &json!(0))
    );
    assert_eq!(first["from"], "counter/teller");
    assert_eq!(first["input"], "{\"Add\":{\"by\":6}}");
    assert!(first["why"].as_str().is_some_and(|why| why.contains("at most 5")), "{first}");
    assert!(first["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{first}");
    // Page by page, and of one instance.
    let page = parked(&agent, "?limit=1");
    assert_eq!(page["parked"].as_array().map(Vec::len), Some(1));
    assert_eq!(page["next"], "1@counter/counter");
    let rest = parked(&agent, "?after=1@counter/counter&instance=counter/counter");
    assert_eq!(rest["parked"][0]["input"], "{\"Add\":{\"by\":7}}");
    assert_eq!(parked(&agent, "?instance=counter/teller")["parked"], json!([]));
    let shown = run(&["parked"]).expect(0).stdout;
    assert!(shown.contains("{\"Add\":{\"by\":7}}") && shown.contains("counter/teller"), "{shown}");

    // Under the code that trapped they trap again, and stay.
    assert_eq!(
        run(&["redrive", "counter/counter"]).expect(0).stdout,
        "2 of counter/counter go on, 0 stay parked\n"
    );
    until("two dead letters", || (client.node()["counts"]["parked"] == 2).then_some(()));

    run(&["upgrade", &bundle(&world, "2.0.0")]).expect(0);
    let list = parked(&agent, "");
    if list["parked"] != json!([]) {
        let report = run(&["redrive", "counter/counter", "--json"]).expect(0).json();
        assert_eq!((&report["driven"], &report["left"]), (&json!(2), &json!(0)), "{report}");
    }
    until("the letters to be applied", || {
        (client.send("counter/counter", "\"Read\"") == json!({ "Count": 16 })).then_some(())
    });
    run(&["redrive", "counter/counter"]).refused("nothing is parked of counter/counter");
    assert_eq!(client.node()["counts"]["parked"], 0);
    // It is told who did it, when it did something.
    let history = run(&["history", "--json"]).expect(0).json();
    let told = history["entries"].as_array().expect("a list").iter();
    let told: Vec<_> = told.filter(|entry| entry["what"] == "redriven").collect();
    assert_eq!(told.len(), 2, "{history}");
    for entry in told {
        assert_eq!(entry["why"], "counter/counter: 2 go on, 0 stay parked");
        assert!(
            entry["who"].as_str().is_some_and(|who| !who.is_empty()) && entry["at_ms"].is_i64(),
            "{entry}"
        );
        assert_eq!(entry["to"]["name"], "shop");
    }
    // Also after a restart: once.
    drop(agent);
    let agent = Agent::start(&world, "d1");
    assert_eq!(agent.client().send("counter/counter", "\"Read\""), json!({ "Count": 16 }));
    assert_eq!(parked(&agent, "")["parked"], json!([]));
}

#[test]
fn what_is_given_up_is_confirmed_and_what_cannot_be_is_refused() {
    let world = World::new(PROGRAM);
    let agent = begun(&world);
    let client = agent.client();
    let run = |words: &[&str]| world.run(&[&["node", "--node", agent.url()], words].concat());
    for by in [3, 6] {
        client.send("counter/teller", &format!("{{\"Tell\":{{\"by\":{by}}}}}"));
    }
    until("a dead letter", || (client.node()["counts"]["parked"] == 1).then_some(()));
    run(&["drop", "counter/counter"]).refused("nobody is there to be asked");
    run(&["reset", "counter/counter"]).refused("nobody is there to be asked");
    assert_eq!(client.node()["counts"]["parked"], 1);
    assert_eq!(
        run(&["drop", "counter/counter", "--yes"]).expect(0).stdout,
        "1 of counter/counter are given up\n"
    );
    run(&["drop", "counter/counter", "--yes"]).refused("nothing is parked or archived of counter/counter");
    run(&["redrive", "counter/nobody"]).refused("there is no instance counter/nobody");
    run(&["redrive", "counter"]).refused("`counter` is no address");
    run(&["release", "counter/counter"]).refused("counter/counter is not held");
    assert_eq!(run(&["instances", "--held"]).expect(0).stdout, "no instances\n");
    assert_eq!(client.send("counter/counter", "\"Read\""), json!({ "Count": 3 }));
    run(&["reset", "counter/counter", "--yes"]).expect(0);
    assert_eq!(client.send("counter/counter", "\"Read\""), json!({ "Count": 0 }));

    for (query, reason) in [
        ("parked?after=x", "`after` is what was given as `next`"),
        ("parked?instance=x", "`x` is no address of an instance"),
        ("parked?limit=0", "`limit` is a number from 1 to 10000"),
        ("parked?held=true", "there is no parameter `held` here"),
        ("instances?held=maybe", "`held` is true or false"),
    ] {
        client.get(&format!("/v1/node/{query}")).expect("an answer").problem(400, reason);
    }
    for body in ["", "{}", "{\"instance\":\"counter/counter\",\"what\":\"all\"}"] {
        let answered = client.post("/v1/node/redrive", &[], body).expect("an answer");
        answered.problem(400, "the body is not {");
    }
    let nowhere = client.post("/v1/node/redrive", &[], "{\"instance\":\"x\",\"what\":\"parked\"}");
    nowhere.expect("an answer").problem(400, "`x` is no address of an instance");
}

/// A machine that is held by its first trap, two instances of it with dead letters.
fn supervised(world: &World) -> Agent {
    let project = Project::new(world);
    let text = "name = \"counter\"\nversion = \"1.0.0\"\nmachines = [\"counter\", \"teller\", \"strict\"]\n\
                [supervision.machines.strict]\non_trap = \"hold\"\n";
    project.file("apps/counter/app.toml", text);
    project.file("apps/counter/machines/teller.cam", TELLER);
    let strict = "machine strict keyed Text\ntype State = Int\ntype Input = Add { by: Int } | Read\n\
                  type Output = Ok | Count(Int)\ninit = 0\non Add { by } => (state + by, Ok)\n\
                  on Read => (state, Count(state))\n";
    project.file("apps/counter/machines/strict.cam", strict);
    let counter = counter("", "{\n  if by > 5 { fail \"at most 5\" } else { (state + by, Ok) }\n}");
    project.release("1.0.0", "").machine(&counter).builds();
    let agent = Agent::start(world, "d1");
    world.run(&["node", "install", &bundle(world, "1.0.0"), "--node", agent.url()]).expect(0);
    agent
}

#[test]
fn an_instance_that_is_held_goes_on_or_begins_anew_by_command() {
    let world = World::new(PROGRAM);
    let agent = supervised(&world);
    let client = agent.client();
    let run = |words: &[&str]| world.run(&[&["node", "--node", agent.url()], words].concat());
    let huge = "{\"Add\":{\"by\":\"9223372036854775807\"}}";
    for key in ["a", "b"] {
        let path = format!("/v1/apps/counter/strict/{key}");
        client.send(&format!("counter/strict/{key}"), "{\"Add\":{\"by\":4}}");
        client.post(&path, &[], huge).expect("an answer").problem(422, "overflow");
        let held = client.post(&path, &[], "\"Read\"").expect("an answer");
        let problem = held.problem(503, "is held: a trap: overflow at Add");
        assert!(problem["hint"].as_str().is_some_and(|hint| hint.contains("node release")), "{problem}");
        assert_eq!(held.retry_after, None, "it does not come back by itself");
    }
    let metrics = client.get("/v1/metrics").expect("an answer").body;
    let traps = "camshaft_traps_total{machine=\"counter/strict\",kind=\"overflow\"} 2\n";
    assert!(metrics.contains(traps), "{metrics}");
    let listed = run(&["instances", "--held"]).expect(0).stdout;
    assert!(listed.contains("counter/strict/a") && listed.contains("counter/strict/b"), "{listed}");
    assert_eq!(run(&["release", "counter/strict/a"]).expect(0).stdout, "counter/strict/a goes on\n");
    assert_eq!(client.send("counter/strict/a", "\"Read\""), json!({ "Count": 4 }));
    assert_eq!(
        run(&["reset", "counter/strict/b", "--yes"]).expect(0).stdout,
        "counter/strict/b begins anew; its state is in the archive\n"
    );
    assert_eq!(client.send("counter/strict/b", "\"Read\""), json!({ "Count": 0 }));
    assert_eq!(
        run(&["drop", "counter/strict/b", "--yes"]).expect(0).stdout,
        "1 of counter/strict/b are given up\n"
    );
    run(&["release", "counter/strict/a"]).refused("counter/strict/a is not held");
    let told = |agent: &Agent| {
        let history = agent.client().get("/v1/node/history").expect("an answer").json();
        let entries = history["entries"].as_array().expect("a list").iter();
        let told = entries.map(|entry| format!("{} {}", entry["what"], entry["why"]).replace('"', ""));
        told.skip(3).collect::<Vec<_>>()
    };
    let expected = [
        "released counter/strict/a",
        "reset counter/strict/b: by command",
        "dropped counter/strict/b: 1 are given up",
    ];
    assert_eq!(told(&agent), expected);
    agent.kill();
    let agent = Agent::start(&world, "d1");
    assert_eq!(told(&agent), expected);
    assert_eq!(agent.client().send("counter/strict/a", "\"Read\""), json!({ "Count": 4 }));
    assert_eq!(agent.client().send("counter/strict/b", "\"Read\""), json!({ "Count": 0 }));
}

#[test]
fn all_that_is_parked_is_redriven_by_one_command() {
    let world = World::new(PROGRAM);
    let agent = begun(&world);
    let client = agent.client();
    let run = |words: &[&str]| world.run(&[&["node", "--node", agent.url()], words].concat());
    assert_eq!(run(&["redrive", "--all"]).expect(0).stdout, "nothing is parked\n");
    for by in [6, 7] {
        client.send("counter/teller", &format!("{{\"Tell\":{{\"by\":{by}}}}}"));
    }
    until("two dead letters", || (client.node()["counts"]["parked"] == 2).then_some(()));
    assert_eq!(run(&["redrive", "--all", "--app", "other"]).expect(0).stdout, "nothing is parked\n");
    assert_eq!(
        run(&["redrive", "--all", "--machine", "counter/teller"]).expect(0).stdout,
        "nothing is parked\n"
    );
    let all = run(&["redrive", "--all", "--machine", "counter/counter", "--json"]).expect(0).json();
    assert_eq!(all["redriven"][0]["instance"], "counter/counter", "{all}");
    assert_eq!((&all["redriven"][0]["driven"], &all["refused"]), (&json!(2), &json!([])), "{all}");
    // The words of the two ways do not mix.
    for words in [
        &["redrive"][..],
        &["redrive", "counter/counter", "--all"],
        &["redrive", "counter/counter", "--app", "x"],
    ] {
        assert_ne!(run(words).code, Some(0), "{words:?}");
    }
}
