//! `camshaft appup derive` and the laws of edges, as a user sees them.

use camshaft_tests::{Agent, World};

fn world() -> World {
    World::new(env!("CARGO_BIN_EXE_camshaft-under-test"))
}

/// Writes version `version` of a project with one machine.
fn project(world: &World, version: &str, from: &str, machine: &str) {
    let release = format!(
        "name = \"shop\"\nversion = \"{version}\"\n{from}\n[apps]\nshop = {{ path = \"apps/shop\" }}\n\n\
         [api]\ndefault = \"{version}\"\n"
    );
    world.write(&format!("{version}/release.toml"), release);
    let app = format!("name = \"shop\"\nversion = \"{version}\"\nmachines = [\"till\"]\n");
    world.write(&format!("{version}/apps/shop/app.toml"), app);
    world.write(&format!("{version}/apps/shop/machines/till.cam"), machine);
}

const OLD: &str = "machine till keyed Text\n\
    type Item = { qty: Int, note: Text }\n\
    type State = { items: Map(Text, Item), limit: Int, log: List(Item), legacy: Bool }\n\
    type Input = Take { item: Text } | Look\n\
    type Output = Ok | Sum(Int)\n\
    init = { items: [:], limit: 5, log: [], legacy: true }\n\
    on Take { item } => ({ ..state, items[item]: { qty: 1, note: \"\" } }, Ok)\n\
    on Look => (state, Sum(state.items.len()))\n";

const NEW: &str = "machine till keyed Text\n\
    type Item = { count: Int, note: Text }\n\
    type State = { items: Map(Text, Item), limit: Int(0..=99), log: List(Item), owner: Text }\n\
    type Input = Reserve { item: Text, count: Int } | Look\n\
    type Output = Ok | Sum(Int) | Empty\n\
    init = { items: [:], limit: 5, log: [], owner: \"\" }\n\
    on Reserve { item, count } => ({ ..state, items[item]: { count, note: \"\" } }, Ok)\n\
    on Look => (state, if state.items.is_empty() { Empty } else { Sum(state.items.len()) })\n";

#[test]
fn what_is_not_derived_is_written_with_holes_for_a_person_to_fill() {
    let world = world();
    project(&world, "1.0.0", "", OLD);
    project(&world, "2.0.0", "from = [\"1.0.0\"]", NEW);
    world.run(&["build", "1.0.0", "-o", "dist"]).expect(0);
    let dry = world.run(&["appup", "derive", "2.0.0", "-o", "dist", "--dry-run"]).expect(0);
    assert!(
        dry.stdout.starts_with("--- apps/shop/migrations/till-2.0.0-from-1.0.0.cam\nmigration till"),
        "{dry:?}"
    );
    assert!(!world.at("2.0.0/apps/shop/migrations").exists());

    let done = world.run(&["appup", "derive", "2.0.0", "-o", "dist"]).expect(0);
    assert_eq!(done.stdout, "apps/shop/migrations/till-2.0.0-from-1.0.0.cam\n");
    let written = std::fs::read_to_string(world.at("2.0.0/apps/shop/migrations/till-2.0.0-from-1.0.0.cam"));
    let written = written.expect("it was written");
    for line in [
        "// If it has another name now: rename Item.qty to count",
        "// If it was there by another name: rename Item.qty to count",
        "add Item.count = ?",
        "drop Item.qty else ?",
        "// Nothing can be kept aside below a list; what is it on the way back?",
        "  items: derived(old.items)",
        "  limit: ?",
        "  owner: ?",
        "  legacy: ?",
        "lift Take { item } => ?",
        "lower Empty => ?",
    ] {
        assert!(written.contains(line), "no `{line}` in\n{written}");
    }
    let appup = std::fs::read_to_string(world.at("2.0.0/apps/shop/appup.toml")).expect("an appup");
    assert_eq!(
        appup,
        "[[from]]\nversion = \"1.0.0\"\n\n[from.machines.till]\nmigration = \"migrations/till-2.0.0-from-1.0.0.cam\"\n"
    );
    let again = world.run(&["appup", "derive", "2.0.0", "-o", "dist"]).expect(0);
    assert_eq!(again.stdout, "every migration that is needed is there or is derived\n");

    // Every fault is a hole, with what belongs there.
    let refused = world.run(&["check", "2.0.0", "-o", "dist"]).expect(1).stderr;
    let count =
        written.lines().filter(|line| line.split("//").next().is_some_and(|code| code.contains('?'))).count();
    assert_eq!(refused.matches("error[E0407]").count(), count, "{refused}");
    assert_eq!(refused.matches("error[").count(), count, "{refused}");
    assert!(refused.contains("a hole is open: here belongs an Int(0..=99)"), "{refused}");

    // Filled in, it builds.
    let filled = written
        .replace("add Item.count = ?", "rename Item.qty to count")
        .lines()
        .filter(|line| !line.starts_with("drop Item.qty"))
        .map(|line| {
            let code = line.split("//").next().unwrap_or_default();
            let value = match code.trim() {
                "limit: ?" if !written[..written.find(line).unwrap_or(0)].contains("down (new)") => {
                    "limit: if old.limit < 0 { 0 } else if old.limit > 99 { 99 } else { old.limit }"
                }
                "owner: ?" => "owner: \"nobody\"",
                "legacy: ?" => "legacy: true",
                "lift Take { item } => ?" => "lift Take { item } => Reserve { item, count: 1 }",
                "lower Empty => ?" => "lower Empty => Sum(0)",
                other => other,
            };
            value.to_owned()
        })
        .collect::<Vec<_>>()
        .join("\n");
    world.write("2.0.0/apps/shop/migrations/till-2.0.0-from-1.0.0.cam", filled);
    // But the first law does not hold yet: what was clamped, and the old truth value, are lost.
    let broken = world.run(&["check", "2.0.0", "-o", "dist"]).expect(1).stderr;
    assert!(
        broken.contains("R0128") && broken.contains("law L1 does not hold of shop/till from 1.0.0"),
        "{broken}"
    );
    assert!(broken.contains("down(up s) is "), "{broken}");
    // Who sets the law aside says that nothing gives back what was there.
    let waived = format!("{appup}\n[[waive]]\nrule = \"L1\"\nreason = \"nobody goes back\"\n");
    world.write("2.0.0/apps/shop/appup.toml", waived);
    world.run(&["build", "2.0.0", "-o", "dist"]).expect(0);
    let told = world.run(&["diff", "dist/shop-1.0.0.tar.gz", "dist/shop-2.0.0.tar.gz"]).expect(0).stdout;
    assert!(told.contains("no way down gives back what was there (D4)"), "{told}");
}

const COUNTER: &str = "machine till\ntype State = Int\ntype Input = Add(Int(0..=9)) | Get\ntype Output = Ok | Sum(Int)\n\
    init = 0\non Add(by) => (state + by, Ok)\non Get => (state, Sum(state))\n";

fn appup(world: &World, text: &str) {
    world.write("1.0.1/apps/shop/appup.toml", text);
}

#[test]
fn a_release_that_says_it_behaves_as_before_is_held_to_it() {
    let world = world();
    project(&world, "1.0.0", "", COUNTER);
    world.run(&["build", "1.0.0", "-o", "dist"]).expect(0);
    let other = COUNTER.replace("Sum(state)", "Sum(if state == 4 { 5 } else { state })");
    project(&world, "1.0.1", "from = [\"1.0.0\"]", &other);
    world.run(&["check", "1.0.1", "-o", "dist"]).expect(0);
    let says = "[[from]]\nversion = \"1.0.0\"\n\n[from.machines.till]\npreserves_behaviour = true\n";
    appup(&world, says);
    let broken = world.run(&["check", "1.0.1", "-o", "dist"]).expect(1).stderr;
    assert!(broken.contains("law L3 does not hold of shop/till from 1.0.0"), "{broken}");
    assert!(broken.contains("s = 4") && broken.contains("i = Get"), "{broken}");
    assert!(broken.contains("the answer was Sum(4), and is Sum(5)"), "{broken}");
    appup(&world, &format!("{says}\n[[waive]]\nrule = \"L3\"\nreason = \"four was wrong\"\n"));
    let waived = world.run(&["check", "1.0.1", "-o", "dist"]).expect(0);
    assert!(waived.stderr.contains("set aside: law L3 does not hold"), "{}", waived.stderr);
    assert!(!waived.stderr.contains("sets nothing aside"), "{}", waived.stderr);
}

#[test]
fn generated_states_without_a_way_are_told_of() {
    let world = world();
    project(&world, "1.0.0", "", COUNTER);
    world.run(&["build", "1.0.0", "-o", "dist"]).expect(0);
    let strict = format!("{COUNTER}invariant \"small\" = state < 30\n");
    project(&world, "1.0.1", "from = [\"1.0.0\"]", &strict);
    let told = world.run(&["check", "1.0.1", "-o", "dist"]).expect(0).stderr;
    assert!(told.contains("generated states break an invariant of the new version, such as 30: "), "{told}");
}

#[test]
fn a_node_that_skipped_a_release_goes_over_in_one_switch_and_back() {
    let world = world();
    let [v1, _, v3] = ["v1", "v2", "v3"].map(|version| world.build(&format!("counter/{version}")));
    let agent = Agent::start(&world, "d");
    let client = agent.client();
    let post = |path: &str, bundle: Vec<u8>| {
        let answered = client.post(path, &[], bundle).expect("the node answers");
        assert_eq!(answered.status, 200, "{answered:?}");
        answered.json()
    };
    let bundle = |path: &std::path::Path| std::fs::read(path).expect("the bundle was built");
    post("/v1/node/install", bundle(&v1));
    for _ in 0..3 {
        client.send("counter/counter", "\"Incr\"");
    }
    let report = post("/v1/node/upgrade", bundle(&v3));
    assert_eq!((&report["switch"], &report["running"]["version"]), (&2.into(), &"3.0.0".into()));
    assert_eq!(report["trial"]["machines"][0]["states"], 1);
    assert_eq!(report["trial"]["downgrade_lossy"], 0);
    client.send("counter/counter", "\"Toggle\"");
    client.send("counter/counter", "\"Incr\"");
    assert_eq!(client.send("counter/counter", "\"Read\"")["Count"], 2);
    // A client of the first release is served over both edges.
    let headers = [("camshaft-speaks", "1.0.0")];
    let old = client.post("/v1/apps/counter/counter", &headers, b"\"Read\"".to_vec()).expect("an answer");
    assert_eq!((old.status, old.json()["Count"].as_i64()), (200, Some(2)));
    let report = post("/v1/node/rollback", vec![]);
    assert_eq!(report["rollback"]["down"], 1);
    assert_eq!(client.send("counter/counter", "\"Read\"")["Count"], 2, "later writes stay");
}
