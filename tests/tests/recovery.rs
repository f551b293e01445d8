//! Recoveries that the agent does not survive: whatever code of a machine ends it, it keeps the node down three times
//! and no more. The binary is killed, by itself and with `kill -9`, while one instance is at one thing.

use camshaft_tests::{Agent, Client, Death, World, until};
use serde_json::Value;

fn world() -> World {
    World::new(env!("CARGO_BIN_EXE_camshaft-under-test"))
}

fn post(client: &Client, path: &str, bundle: Option<&std::path::Path>) {
    let bytes = bundle.map(|bundle| std::fs::read(bundle).expect("the bundle was built"));
    let answered = client.post(path, &[], bytes.unwrap_or_default()).expect("an answer");
    assert_eq!(answered.status, 200, "{answered:?}");
}

/// Starts the agent three times, which dies each time, while it starts or soon after; and a fourth time, when it lives.
fn die_three_times(world: &World, point: &str) -> Agent {
    let deadly = [("CAMSHAFT_FAILPOINT", point)];
    for death in 1..=3 {
        match Agent::try_start(world, "d", &deadly) {
            Ok(agent) => assert_eq!(agent.died(), Death::Signal(9), "{point}, death {death}"),
            Err((log, died)) => assert_eq!(died, Death::Signal(9), "{point}, death {death}: {log}"),
        }
    }
    // The environment still says so: it is not done any more.
    Agent::start_with(world, "d", &deadly)
}

fn history(agent: &Agent, what: &str) -> Vec<String> {
    let history = agent.client().get("/v1/node/history").expect("an answer").json();
    let entries = history["entries"].as_array().expect("a list").iter();
    let why = |entry: &Value| entry["why"].as_str().unwrap_or_default().to_owned();
    entries.filter(|entry| entry["what"] == what).map(why).collect()
}

/// Expects that one instance is held for this reason, and that this was told once.
#[track_caller]
fn expect_held(agent: &Agent, address: &str, why: &str) {
    let listed = agent.client().get("/v1/node/instances?held=true").expect("an answer").json();
    let held: Vec<(&str, &str)> = listed["instances"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (one["address"].as_str().unwrap_or_default(), one["why"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(held, [(address, why)]);
    assert_eq!(history(agent, "held"), [format!("{address}: {why}")]);
}

/// The same after two more deaths of other kinds: nothing of it hangs on notes.
#[track_caller]
fn stays_held(world: &World, agent: Agent, point: &str, address: &str, why: &str) -> Agent {
    expect_held(&agent, address, why);
    agent.kill();
    let agent = Agent::start_with(world, "d", &[("CAMSHAFT_FAILPOINT", point)]);
    expect_held(&agent, address, why);
    // Of lives in a probation it is noted all the same.
    let noted = std::fs::read_to_string(world.at("d/recovery")).expect("it was noted");
    let noted: Vec<&str> =
        noted.lines().filter(|line| !line.starts_with("life ") && *line != "end").collect();
    assert_eq!(noted, [""; 0], "nothing is noted of a recovery that ended");
    agent
}

fn release(world: &World, agent: &Agent, address: &str) {
    world.run(&["node", "release", address, "--node", agent.url()]).expect(0);
}

/// A node with the counter, which stands at 1 and was killed.
fn killed_counter(world: &World) {
    let v1 = world.build("counter/v1");
    let agent = Agent::start(world, "d");
    post(&agent.client(), "/v1/node/install", Some(&v1));
    agent.client().send("counter/counter", "\"Incr\"");
    agent.kill();
}

#[test]
fn an_input_that_ends_three_recoveries_holds_its_instance() {
    let world = world();
    killed_counter(&world);
    let point = "replay.input=counter/counter";
    let agent = die_three_times(&world, point);
    let why = "the agent died three times while it replayed input 1";
    stays_held(&world, agent, point, "counter/counter", why);
}

#[test]
fn a_birth_that_ends_three_recoveries_holds_its_instance_which_is_born_when_it_is_released() {
    let world = world();
    killed_counter(&world);
    let point = "replay.birth=counter/counter";
    let agent = die_three_times(&world, point);
    let why = "the agent died three times while it started it by switch 1";
    let agent = stays_held(&world, agent, point, "counter/counter", why);
    release(&world, &agent, "counter/counter");
    agent.client().send("counter/counter", "\"Incr\"");
    agent.kill();
    // The journal says that it was held, and that it was let go on.
    let agent = Agent::start_with(&world, "d", &[("CAMSHAFT_FAILPOINT", point)]);
    assert_eq!(agent.client().send("counter/counter", "\"Read\"")["Count"], 1);
}

#[test]
fn an_instance_that_no_recovery_takes_over_a_switch_is_left_behind_and_comes_back_with_the_release_before() {
    let world = world();
    killed_counter(&world);
    let v2 = world.build("counter/v2");
    // The release would be left because of so many deaths.
    world.write("agent.toml", "[probation]\nreturn = \"manual\"\n");
    let agent = Agent::try_start_as(&world, "d", &["--config", "agent.toml"]);
    let agent = agent.unwrap_or_else(|(log, _)| panic!("the agent did not start:\n{log}"));
    post(&agent.client(), "/v1/node/upgrade", Some(&v2));
    // It goes over when it is used; that is recorded, so a recovery takes it over again.
    agent.client().send("counter/counter", "\"Incr\"");
    agent.kill();
    let point = "replay.over=counter/counter";
    let agent = die_three_times(&world, point);
    let why = "the agent died three times while it replayed input 2";
    let agent = stays_held(&world, agent, point, "counter/counter", why);
    assert_eq!(agent.client().release(), Some(("2.0.0".to_owned(), true)));
    post(&agent.client(), "/v1/node/rollback", None);
    assert_eq!(agent.client().send("counter/counter", "\"Read\"")["Count"], 1);
    agent.kill();
    let agent = Agent::start_with(&world, "d", &[("CAMSHAFT_FAILPOINT", point)]);
    assert_eq!(agent.client().send("counter/counter", "\"Read\"")["Count"], 1);
}

/// Two machines: a bell that rings a second later, and begins anew when it is struck; and one beside it.
const BELL: &str = "machine bell
type State = { rung: Int(0..), strikes: Int(0..=1) }
type Input = Wind | Strike | internal Ring | Ask
type Output = Ok | Rung(Int)
init = { rung: 0, strikes: 0 }
on Wind {
  timer \"ring\" after 1s => Ring
  (state, Ok)
}
on Strike => ({ ..state, strikes: state.strikes + 2 }, Ok)
on Ring => { ..state, rung: state.rung + 1 }
on Ask => (state, Rung(state.rung))
";

/// A node with the bell and the counter.
fn bells(world: &World, environment: &[(&str, &str)]) -> Agent {
    world.write(
        "bells/release.toml",
        "name = \"bells\"\nversion = \"1.0.0\"\n\n[apps]\nchurch = { path = \"church\" }\n",
    );
    world.write(
        "bells/church/app.toml",
        "name = \"church\"\nversion = \"1.0.0\"\nmachines = [\"bell\", \"counter\"]\n\n\
         [supervision.machines.bell]\non_trap = \"reset\"\n",
    );
    world.write("bells/church/machines/bell.cam", BELL);
    let counter = "examples/counter/v1/apps/counter/machines/counter.cam";
    let counter = std::fs::read(camshaft_tests::repository().join(counter)).expect("the example is there");
    world.write("bells/church/machines/counter.cam", counter);
    let done = world.run(&["build", "bells", "-o", "dist", "--json"]).expect(0);
    let bundle = world.at(done.json()["bundle"].as_str().expect("a path"));
    let agent = Agent::start_with(world, "d", environment);
    post(&agent.client(), "/v1/node/install", Some(&bundle));
    agent
}

#[test]
fn a_timer_that_ends_each_life_at_its_begin_is_held_and_the_others_are_served() {
    let world = world();
    let point = "deliver.step=church/bell";
    let agent = bells(&world, &[("CAMSHAFT_FAILPOINT", point)]);
    agent.client().send("church/counter", "\"Incr\"");
    assert_eq!(agent.client().send("church/bell", "\"Wind\""), "Ok");
    assert_eq!(agent.died(), Death::Signal(9), "the bell rings");
    let agent = die_three_times(&world, point);
    let why = "the agent died three times while it delivered input 2";
    let agent = stays_held(&world, agent, point, "church/bell", why);
    assert_eq!(agent.client().send("church/counter", "\"Read\"")["Count"], 1);
    agent.kill();
    // With the cause away it is let go on, and nothing of it was lost.
    let agent = Agent::start(&world, "d");
    release(&world, &agent, "church/bell");
    until("the bell to ring", || (agent.client().send("church/bell", "\"Ask\"")["Rung"] == 1).then_some(()));
    agent.kill();
    let agent = Agent::start(&world, "d");
    assert_eq!(agent.client().send("church/bell", "\"Ask\"")["Rung"], 1);
}

#[test]
fn a_reset_that_ends_three_recoveries_holds_its_instance() {
    let world = world();
    let agent = bells(&world, &[]);
    let struck = agent.client().post("/v1/apps/church/bell", &[], "\"Strike\"").expect("an answer");
    assert_eq!(struck.status, 422, "{struck:?}");
    agent.kill();
    let point = "replay.aside=church/bell";
    let agent = die_three_times(&world, point);
    let why = "the agent died three times while it let it begin anew";
    let listed = agent.client().get("/v1/node/instances?held=true").expect("an answer").json();
    assert_eq!(listed["instances"][0]["why"], why, "{listed}");
    agent.kill();
    let agent = Agent::start_with(&world, "d", &[("CAMSHAFT_FAILPOINT", point)]);
    let listed = agent.client().get("/v1/node/instances?held=true").expect("an answer").json();
    assert_eq!(listed["instances"][0]["why"], why, "{listed}");
    assert_eq!(agent.client().send("church/counter", "\"Read\"")["Count"], 0);
}
