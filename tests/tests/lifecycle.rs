//! The releases that a node keeps, through the real command line: removing them, and cancelling a trial.

use std::path::PathBuf;

use camshaft_tests::{Agent, Death, Done, World, until};
use serde_json::Value;

fn world() -> World {
    World::new(env!("CARGO_BIN_EXE_camshaft-under-test"))
}

fn node(world: &World, agent: &Agent, words: &[&str]) -> Done {
    world.run(&[&["node"], words, &["--node", agent.url()]].concat())
}

fn status(world: &World, agent: &Agent) -> Value {
    node(world, agent, &["status", "--json"]).expect(0).json()
}

fn kept(world: &World, agent: &Agent) -> Vec<String> {
    let status = status(world, agent);
    let releases = status["releases"].as_array().expect("a list").iter();
    releases.map(|release| release["version"].as_str().expect("a version").to_owned()).collect()
}

/// The files of bundles that a node keeps.
fn bundles(world: &World) -> usize {
    std::fs::read_dir(world.at("d/blobs")).expect("the folder of bundles").count()
}

/// A node that runs 2.0.0, permanent; returns the bundles, too.
fn settled(world: &World, environment: &[(&str, &str)]) -> (Agent, [PathBuf; 2]) {
    let both = ["counter/v1", "counter/v2"].map(|project| world.build(project));
    let agent = Agent::start_with(world, "d", environment);
    node(world, &agent, &["install", &both[0].to_string_lossy()]).expect(0);
    node(world, &agent, &["send", "counter/counter", "\"Incr\""]).expect(0);
    node(world, &agent, &["upgrade", &both[1].to_string_lossy()]).expect(0);
    node(world, &agent, &["remove", "1.0.0", "--no-way-back"])
        .refused("the release that runs is provisional, and may go back to it");
    node(world, &agent, &["make-permanent"]).expect(0);
    until("the sweeper to be done", || (status(world, &agent)["counts"]["behind"] == 0).then_some(()));
    (agent, both)
}

/// Removes the old release once nothing needs it: the sweeper may still be at its last record.
fn remove(world: &World, agent: &Agent) -> Done {
    until("nothing to need the old release", || {
        let done = node(world, agent, &["remove", "1.0.0", "--no-way-back"]);
        (!done.stderr.contains("have gone over switch")).then_some(done)
    })
}

#[test]
fn an_old_release_is_removed_and_the_one_that_runs_never_is() {
    let world = world();
    let (agent, [v1, _]) = settled(&world, &[]);
    assert_eq!((kept(&world, &agent), bundles(&world)), (vec!["1.0.0".to_owned(), "2.0.0".to_owned()], 2));
    node(&world, &agent, &["remove", "2.0.0"]).refused("counter 2.0.0 is needed: it runs");
    node(&world, &agent, &["remove", "1.0.0"]).refused("the node can go back to counter 1.0.0");
    node(&world, &agent, &["remove", "3.0.0"]).refused("the node keeps no release `3.0.0`");
    let done = remove(&world, &agent).expect(0);
    assert!(done.stdout.starts_with("removed: counter 1.0.0"), "{done:#?}");
    assert_eq!((kept(&world, &agent), bundles(&world)), (vec!["2.0.0".to_owned()], 1));
    agent.kill();
    let agent = Agent::start(&world, "d");
    assert_eq!(
        node(&world, &agent, &["send", "counter/counter", "\"Read\""]).expect(0).stdout.trim(),
        "{\"Count\":1}"
    );
    node(&world, &agent, &["rollback"]).refused("counter 2.0.0 is the first release that this node keeps");
    let history = node(&world, &agent, &["history"]).expect(0).stdout;
    assert!(history.contains("removed"), "{history}");
    // It can come again, as any other bundle; here no upgrade leads to it.
    let again = node(&world, &agent, &["upgrade", &v1.to_string_lossy()]);
    assert_eq!(again.code, Some(1), "{again:#?}");
}

#[test]
fn a_kill_while_a_release_is_removed_leaves_it_whole_or_gone() {
    for (point, kept_then) in [("remove.before-record", 2), ("remove.after-record", 1)] {
        let world = world();
        let (agent, _) = settled(&world, &[("CAMSHAFT_FAILPOINT", point)]);
        let broken_off = remove(&world, &agent);
        assert_ne!(broken_off.code, Some(0), "{point} is not passed: {broken_off:#?}");
        assert_eq!(agent.died(), Death::Signal(9), "{point}");
        let agent = Agent::start(&world, "d");
        assert_eq!((kept(&world, &agent).len(), bundles(&world)), (kept_then, kept_then), "{point}");
        let read = node(&world, &agent, &["send", "counter/counter", "\"Read\""]).expect(0);
        assert_eq!(read.stdout.trim(), "{\"Count\":1}", "{point}");
        if kept_then == 2 {
            remove(&world, &agent).expect(0);
            assert_eq!(bundles(&world), 1, "{point}");
        }
    }
}

/// The bundle of the old release can be neither read nor removed: that is said in the log, and the agent serves on.
#[test]
fn a_bundle_that_cannot_be_removed_ends_no_agent() {
    let world = world();
    let (agent, [v1, _]) = settled(&world, &[]);
    let bytes = std::fs::read(v1).expect("the bundle");
    let entries = std::fs::read_dir(world.at("d/blobs")).expect("the folder of bundles");
    let mut paths = entries.map(|entry| entry.expect("an entry").path());
    let old = paths.find(|path| std::fs::read(path).is_ok_and(|kept| kept == bytes)).expect("it is kept");
    std::fs::remove_file(&old).expect("it is there");
    std::fs::create_dir_all(old.join("no file")).expect("there is room");
    assert!(remove(&world, &agent).expect(0).stdout.starts_with("removed: counter 1.0.0"));
    let read = node(&world, &agent, &["send", "counter/counter", "\"Read\""]).expect(0);
    assert_eq!((read.stdout.trim(), old.is_dir()), ("{\"Count\":1}", true));
    agent.kill();
    std::fs::remove_dir_all(&old).expect("it is there");
    std::fs::write(&old, bytes).expect("there is room");
    let agent = Agent::start(&world, "d");
    assert_eq!((kept(&world, &agent), bundles(&world)), (vec!["2.0.0".to_owned()], 1));
}

#[test]
fn a_trial_is_watched_and_cancelled_and_nothing_is_changed() {
    let world = world();
    let [v1, v2] = ["counter/v1", "counter/v2"].map(|project| world.build(project));
    let agent = Agent::start_with(&world, "d", &[("CAMSHAFT_FAULT", "endless-trial")]);
    node(&world, &agent, &["install", &v1.to_string_lossy()]).expect(0);
    node(&world, &agent, &["cancel"]).refused("no trial goes on");
    for verb in ["upgrade", "try"] {
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| node(&world, &agent, &[verb, &v2.to_string_lossy()]));
            let trial = until("the trial to be told of", || {
                let trial = status(&world, &agent)["trial"].clone();
                (trial["looked"] == 1).then_some(trial)
            });
            assert_eq!((&trial["to"]["version"], &trial["of"]), (&"2.0.0".into(), &1.into()), "{trial}");
            node(&world, &agent, &["make-permanent"]).refused("another command is at work");
            let done = node(&world, &agent, &["cancel"]).expect(0);
            assert!(
                done.stdout.contains(
                    "the trial of counter 2.0.0 ends, after 1 of 1 instance; the command that waits for it tells"
                ),
                "{done:#?}"
            );
            let cancelled = waiting.join().expect("the command ends");
            cancelled.refused("the trial of counter 2.0.0 was cancelled after 1 of 1 instance");
        });
        let status = status(&world, &agent);
        assert_eq!((&status["running"]["version"], &status["trial"]), (&"1.0.0".into(), &Value::Null));
    }
}

#[test]
fn an_audit_is_verified_away_from_the_node() {
    let world = world();
    let (agent, [v1, v2]) = settled(&world, &[]);
    let noted = node(&world, &agent, &["audit", "--json"]).expect(0).json()["head"].clone();
    let noted = noted.as_str().expect("a hash").to_owned();
    node(&world, &agent, &["rollback"]).expect(0);
    node(&world, &agent, &["audit", "-o", "audit.json"]).expect(0);
    let bundles = [v1.to_string_lossy(), v2.to_string_lossy()];
    let words = ["audit", "audit.json", &bundles[0], &bundles[1], "--head", &noted];
    let done = world.run(&words).expect(0);
    let worked_out = done.stdout.lines().filter(|line| line.ends_with("; worked out once more")).count();
    assert_eq!(worked_out, 2, "{done:#?}");
    let document = world.run(&[&words[..], &["--json"]].concat()).expect(0).json();
    let [up, down] = &document["switches"].as_array().expect("a list")[..] else { panic!("{document}") };
    assert_eq!((&up["way"], &down["way"]), (&"up".into(), &"down".into()));
    assert_eq!((&up["before"], &up["edge"], &up["after"]), (&down["after"], &down["edge"], &down["before"]));
    assert_eq!(up["moves"][0]["before"], down["moves"][0]["after"]);

    let text = std::fs::read_to_string(world.at("audit.json")).expect("it was written");
    let mut audit: Value = serde_json::from_str(&text).expect("it is JSON");
    audit["records"].as_array_mut().expect("a list").remove(1);
    world.write("changed.json", audit.to_string());
    world.run(&["audit", "changed.json"]).refused("the chain breaks at record 2");
    world.write("none.json", "{}");
    world.run(&["audit", "none.json"]).refused("none.json is no audit");
    let other = format!("sha256:{}", "0".repeat(64));
    world.run(&["audit", "audit.json", "--head", &other]).refused("the audit does not go on from there");
}
