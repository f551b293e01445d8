//! A release on probation, through the binary: it goes back by itself when it traps more than the one before, when a
//! state is not as its machine says and when the agent dies again and again; and it becomes permanent when it is time.

use camshaft_tests::project::{COUNTER, begun};
use camshaft_tests::{Agent, World, until};
use serde_json::Value;

const ADDRESS: &str = "counter/counter";
const ADD: &str = "{\"Add\":{\"by\":1}}";

/// A world with two releases in `new/dist`. The second divides by what it is given, less 1.
fn world() -> World {
    let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
    begun(&world).machine(&COUNTER.replace("state.count + by", "state.count + by / (by - 1)")).builds();
    world
}

fn bundle(version: &str) -> String {
    format!("new/dist/shop-{version}.tar.gz")
}

/// An agent that serves the first release, with 30 inputs behind it.
fn served(world: &World, environment: &[(&str, &str)]) -> Agent {
    let agent = Agent::start_with(world, "d", environment);
    world.run(&["node", "install", &bundle("1.0.0"), "--node", agent.url()]).expect(0);
    for _ in 0..30 {
        assert_eq!(agent.client().send(ADDRESS, ADD), "Ok");
    }
    agent
}

fn upgrade(world: &World, agent: &Agent, more: &[&str]) {
    let two = bundle("2.0.0");
    world.run(&[&["node", "upgrade", &two, "--node", agent.url()], more].concat()).expect(0);
}

/// Returns the last thing that was done to the node: what, by whom, and both reasons.
fn last(agent: &Agent) -> [String; 4] {
    let history = agent.client().get("/v1/node/history").expect("an answer").json();
    let entry = history["entries"].as_array().expect("a list").last().expect("an entry").clone();
    ["what", "who", "code", "why"].map(|field| entry[field].as_str().unwrap_or_default().to_owned())
}

/// Waits until a release runs, provisional or not.
fn until_it_runs(agent: &Agent, version: &str, provisional: bool) {
    let wanted = Some((version.to_owned(), provisional));
    until("the release", || (agent.client().release() == wanted).then_some(()));
}

#[test]
fn a_release_that_traps_more_than_the_one_before_is_left_and_keeps_what_was_written() {
    let world = world();
    let agent = served(&world, &[]);
    upgrade(&world, &agent, &["--probation", "5m"]);
    assert_eq!(agent.client().send(ADDRESS, "{\"Add\":{\"by\":2}}"), "Ok");
    let trap = || {
        let answered = agent.client().post("/v1/apps/counter/counter", &[], ADD).expect("an answer");
        answered.problem(422, "division by zero");
    };
    (0..9).for_each(|_| trap());
    let status = world.run(&["node", "status", "--node", agent.url()]).expect(0).stdout;
    assert!(status.contains("\non probation until "), "{status}");
    assert!(
        status.contains("trapped          case  before   since\ncounter/counter  Add   0 of 30  9 of 10\n"),
        "{status}"
    );
    let left = agent.client().node()["probation"]["left_ms"].as_u64().expect("a number");
    assert!((1..=300_000).contains(&left), "{left}");
    let metrics = agent.client().get("/v1/metrics").expect("an answer").body;
    assert!(metrics.contains("\ncamshaft_probation_left_seconds "), "{metrics}");
    trap();
    until_it_runs(&agent, "1.0.0", false);
    let why =
        "counter/counter traps at Add more often: 10 of 11 inputs since the switch, 0 of 30 inputs before";
    assert_eq!(last(&agent), ["undone", "agent", "probation-traps", why]);
    assert_eq!(agent.client().send(ADDRESS, "\"Read\"")["Count"], 32);
    assert_eq!(agent.client().node()["probation"], Value::Null);
}

#[test]
fn a_release_becomes_permanent_when_its_probation_is_over() {
    let world = world();
    let agent = served(&world, &[]);
    upgrade(&world, &agent, &["--probation", "300ms", "--auto-permanent"]);
    until_it_runs(&agent, "2.0.0", false);
    assert_eq!(last(&agent), ["made-permanent", "agent", "", "it passed its probation"]);
    let refused = agent.client().post("/v1/node/upgrade?probation=0s", &[], world.read(&bundle("2.0.0")));
    refused.expect("an answer").problem(400, "`probation` is longer than nothing");
}

#[test]
fn a_state_that_is_not_as_its_machine_says_returns() {
    let world = world();
    let agent = served(&world, &[("CAMSHAFT_FAULT", "invariant")]);
    upgrade(&world, &agent, &[]);
    // What was not used since the switch says nothing of the release.
    assert_eq!(agent.client().send(ADDRESS, "{\"Add\":{\"by\":2}}"), "Ok");
    until_it_runs(&agent, "1.0.0", false);
    let why = "counter/counter: the environment asks for this failure";
    assert_eq!(last(&agent), ["undone", "agent", "probation-invariant", why]);
}

#[test]
fn an_agent_that_dies_three_times_comes_back_with_the_release_before_and_one_that_stops_does_not() {
    let world = world();
    let agent = served(&world, &[]);
    upgrade(&world, &agent, &[]);
    agent.kill();
    for ends in 1..=2 {
        let agent = Agent::start(&world, "d");
        assert_eq!(agent.client().node()["probation"]["ends"], ends);
        agent.stop();
        let agent = Agent::start(&world, "d");
        assert_eq!(agent.client().release(), Some(("2.0.0".to_owned(), true)));
        agent.kill();
    }
    let agent = Agent::start(&world, "d");
    assert_eq!(agent.client().release(), Some(("1.0.0".to_owned(), false)));
    let why = "the agent ended 3 times since the switch and was not told to";
    assert_eq!(last(&agent), ["undone", "agent", "probation-ends", why]);
    assert_eq!(agent.client().send(ADDRESS, "\"Read\"")["Count"], 30);
}
