//! `camshaft new` and `camshaft release cut`: from nothing to an upgrade, through the binary.

use camshaft_tests::{Agent, World};
use serde_json::json;

fn world() -> World {
    World::new(env!("CARGO_BIN_EXE_camshaft-under-test"))
}

/// Returns a world with a new project that was built as 0.1.0.
fn built() -> World {
    let world = world();
    world.run(&["new", "shop-floor"]).expect(0);
    world.run(&["build", "shop-floor"]).expect(0);
    world
}

fn text(world: &World, path: &str) -> String {
    String::from_utf8(world.read(path)).expect("text")
}

/// Changes a file of the project.
fn edit(world: &World, path: &str, from: &str, to: &str) {
    let path = format!("shop-floor/{path}");
    let before = text(world, &path);
    assert!(before.contains(from), "{from} is not in {before}");
    world.write(&path, before.replace(from, to));
}

const MACHINE: &str = "apps/shop_floor/machines/counter.cam";

/// A change that old clients do not see: a new input.
fn change(world: &World) {
    edit(world, MACHINE, "Incr | Read\n", "Incr | Read | Reset\n");
    edit(world, MACHINE, "on Read =>", "on Reset => (0, Ok)\non Read =>");
    edit(world, MACHINE, "state >= before", "input == Reset || state >= before");
}

#[test]
fn a_new_project_checks_tests_builds_and_runs_at_once() {
    let world = world();
    let made = world.run(&["new", "shop-floor", "--json"]).expect(0).json();
    assert_eq!((&made["release"], &made["app"]), (&json!("shop-floor"), &json!("shop_floor")));
    for path in made["files"].as_array().expect("a list") {
        let path = path.as_str().expect("a path");
        let text = text(&world, &format!("shop-floor/{path}"));
        assert!(!text.contains("{{"), "{path}: {text}");
        // The schema that a document names is there.
        if let Some(schema) = text.strip_prefix("#:schema ").and_then(|rest| rest.lines().next()) {
            let folder = world.at("shop-floor").join(path);
            let folder = folder.parent().expect("a file has a folder");
            assert!(folder.join(schema).is_file(), "{path} names {schema}");
        }
    }
    let checked = world.run(&["check", "shop-floor"]).expect(0);
    assert_eq!(checked.stdout, "shop-floor 0.1.0: 1 machine, 0 predecessors, 1 group, no faults\n");
    let tested = world.run(&["test", "--path", "shop-floor", "--json"]).expect(0).json();
    assert_eq!(tested["failed"], 0, "{tested}");
    world.run(&["fmt", "--check", "shop-floor"]).expect(0);
    let bundle = world.run(&["build", "shop-floor", "--json"]).expect(0).json();
    let bundle = bundle["bundle"].as_str().expect("a path");

    let words = ["--config", "shop-floor/agent.toml", "--listen", "127.0.0.1:0"];
    let agent = Agent::start_words(&world, "node", &words);
    let node = |words: &[&str]| world.run(&[&["node"], words, &["--node", agent.url()]].concat()).expect(0);
    node(&["install", bundle]);
    node(&["send", "shop_floor/counter", "\"Incr\""]);
    assert_eq!(node(&["send", "shop_floor/counter", "\"Read\""]).stdout, "{\"Count\":1}\n");
    assert!(node(&["status"]).stdout.contains("labels role=shop_floor\n"));
}

#[test]
fn nothing_is_written_over_and_no_bad_name_is_taken() {
    let world = world();
    for (path, reason) in [
        ("Shop", "`Shop` is no release name"),
        ("2shop", "`2shop` is no release name"),
        ("shop-", "`shop-` is no release name"),
        ("..", "has no name that a release could take"),
    ] {
        world.run(&["new", path]).refused(reason);
    }
    assert_eq!(std::fs::read_dir(world.path()).expect("readable").count(), 0);
    world.write("a/notes.txt", "mine");
    world.run(&["new", "a"]).refused("a is not empty: it has notes.txt");
    world.write("b/.gitignore", "mine");
    world.run(&["new", "b"]).refused("b is not empty: it has .gitignore");
    world.write("c", "mine");
    world.run(&["new", "c"]).refused("c is there, and it is no folder");
    for path in ["a/notes.txt", "b/.gitignore", "c"] {
        assert_eq!(world.read(path), b"mine");
    }
    assert!(!world.at("a/release.toml").exists() && !world.at("b/release.toml").exists());
    // A repository that was just made, and an empty folder, are ready for a project.
    world.write("d/.git/config", "");
    std::fs::create_dir(world.at("e")).expect("writable");
    for path in ["d", "e", "f/g"] {
        world.run(&["new", path]).expect(0);
        world.run(&["check", path]).expect(0);
    }
}

#[test]
fn a_release_is_cut_changed_and_upgraded_to() {
    let world = built();
    let manifest = text(&world, "shop-floor/release.toml");
    let cut = world.run(&["release", "cut", "minor", "--path", "shop-floor"]).expect(0);
    for line in
        ["-version = \"0.1.0\"\n", "+version = \"0.2.0\"\n", "+from = [\"0.1.0\"]\n", "+digest = \"sha256:"]
    {
        assert!(cut.stdout.contains(line), "no {line} in {}", cut.stdout);
    }
    // All the rest of the document is as it was.
    let after = text(&world, "shop-floor/release.toml");
    let expected = manifest.replace("version = \"0.1.0\"\n", "version = \"0.2.0\"\nfrom = [\"0.1.0\"]\n");
    assert_eq!(after, expected);
    world.run(&["check", "shop-floor", "--locked"]).expect(0);

    // What changes now asks for a version of its own.
    change(&world);
    world.run(&["check", "shop-floor"]).refused("shop_floor 0.1.0 is released, bump it");
    edit(&world, "apps/shop_floor/app.toml", "0.1.0", "0.1.1");
    world.run(&["check", "shop-floor"]).expect(0);
    let bundle = world.run(&["build", "shop-floor", "--locked", "--json"]).expect(0).json();
    assert_eq!(bundle["predecessors"], json!(["0.1.0"]));

    let agent = Agent::start(&world, "node");
    let node = |words: &[&str]| world.run(&[&["node"], words, &["--node", agent.url()]].concat()).expect(0);
    node(&["install", "shop-floor/dist/shop-floor-0.1.0.tar.gz"]);
    node(&["send", "shop_floor/counter", "\"Incr\""]);
    node(&["upgrade", bundle["bundle"].as_str().expect("a path")]);
    assert_eq!(node(&["send", "shop_floor/counter", "\"Read\""]).stdout, "{\"Count\":1}\n");
}

#[test]
fn what_changed_since_the_release_is_told_and_taken_along_when_a_person_says_so() {
    let world = built();
    let cut = |more: &[&str]| world.run(&[&["release", "cut"], more, &["--path", "shop-floor"]].concat());
    let files = || {
        ["release.toml", "apps/shop_floor/app.toml"].map(|path| text(&world, &format!("shop-floor/{path}")))
    };
    let before = files();
    // Nothing changed: the smallest step is told, and nothing is written.
    assert_eq!(cut(&[]).expect(0).stdout, "patch\n");
    change(&world);
    let proposed = cut(&["--json"]).expect(0).json();
    assert_eq!(
        (&proposed["smallest"], &proposed["changes"]),
        (&json!("patch"), &json!(["application shop_floor: machine counter: the input Reset is new"]))
    );
    cut(&["minor"]).refused(
        "the project is not what shop-floor-0.1.0.tar.gz was built from: application shop_floor: machine counter: \
         the input Reset is new",
    );
    let dry = cut(&["minor", "--released", "--dry-run"]).expect(0);
    assert!(
        dry.stdout.contains("+version = \"0.1.1\"") && dry.stderr.contains("nothing was written"),
        "{dry:#?}"
    );
    assert_eq!(files(), before);
    assert!(!world.at("shop-floor/camshaft.lock").exists());
    let done = cut(&["minor", "--released", "--json"]).expect(0).json();
    assert_eq!(done["apps"], json!([{ "name": "shop_floor", "before": "0.1.0", "after": "0.1.1" }]));
    assert_eq!(
        files(),
        [
            before[0].replace("version = \"0.1.0\"\n", "version = \"0.2.0\"\nfrom = [\"0.1.0\"]\n"),
            before[1].replace("\"0.1.0\"  ", "\"0.1.1\"  ")
        ]
    );
    world.run(&["check", "shop-floor", "--locked"]).expect(0);
    // The version that was cut is not built, and so no predecessor.
    cut(&["minor"]).refused("there is no shop-floor-0.2.0.tar.gz, so 0.2.0 cannot become a predecessor");
}

#[test]
fn a_step_that_is_too_small_or_leads_to_what_is_there_is_refused() {
    let world = built();
    let cut = |more: &[&str]| world.run(&[&["release", "cut"], more, &["--path", "shop-floor"]].concat());
    // An old client's answer is gone.
    edit(&world, MACHINE, "Ok | Count(Int)", "Done | Count(Int)");
    edit(&world, MACHINE, "config.step, Ok)", "config.step, Done)");
    edit(&world, MACHINE, "gives Ok\n", "gives Done\n");
    let done = cut(&["patch", "--released"])
        .refused("0.1.1 is too small a step: application shop_floor: machine counter: ");
    assert!(done.stderr.contains("hint: camshaft release cut minor would do"), "{done:#?}");
    assert!(!world.at("shop-floor/camshaft.lock").exists());

    world.write("shop-floor/dist/shop-floor-0.2.0.tar.gz", "taken");
    cut(&["minor", "--released"]).refused("0.2.0 is there already: ");
    cut(&["major", "--released"]).expect(0);
    assert!(text(&world, "shop-floor/release.toml").contains("version = \"1.0.0\""));
    assert!(text(&world, "shop-floor/apps/shop_floor/app.toml").contains("version = \"0.2.0\""));
}

#[test]
fn a_bundle_of_another_release_is_pinned_by_nobody() {
    let world = built();
    world.run(&["new", "other"]).expect(0);
    world.run(&["build", "other"]).expect(0);
    let other = world.read("other/dist/other-0.1.0.tar.gz");
    world.write("shop-floor/dist/shop-floor-0.1.0.tar.gz", other);
    world.run(&["release", "cut", "minor", "--path", "shop-floor"]).refused("holds other 0.1.0");
    world.run(&["release", "cut", "huge", "--path", "shop-floor"]).expect(1);
    world.run(&["release", "cut", "minor", "--path", "nowhere"]).refused("cannot read nowhere");
}
