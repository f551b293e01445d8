//! `camshaft relup`, as a user sees it.

use std::io::Read;

use camshaft_tests::project::{COUNTER, Project};
use camshaft_tests::{Agent, World};

fn world() -> World {
    World::new(env!("CARGO_BIN_EXE_camshaft-under-test"))
}

/// Builds 1.0.0, a hotfix 1.0.1 of it, and 2.0.0, which names 1.0.0 alone. `counter` is the machine of 2.0.0.
fn hotfixed(world: &World, counter: &str) {
    let project = Project::new(world);
    let mended = COUNTER.replace("state.count + by", "state.count + by * 1");
    let into = |project: &Project<'_>| drop(project.run("build", &["-o", "dist"]).expect(0));
    into(project.release("1.0.0", "").app("1.0.0", "").machine(COUNTER));
    into(project.release("1.0.1", "from = [\"1.0.0\"]").app("1.0.1", "").machine(&mended));
    into(project.release("2.0.0", "from = [\"1.0.0\"]").app("2.0.0", "").machine(counter));
}

const V1: &str = "dist/shop-1.0.0.tar.gz";
const HOTFIX: &str = "dist/shop-1.0.1.tar.gz";
const V2: &str = "dist/shop-2.0.0.tar.gz";

fn wider() -> String {
    COUNTER.replace("step: Int = 1", "step: Int = 1, owner: Text = \"\"")
}

#[test]
fn the_plan_of_a_named_predecessor_is_the_one_in_the_bundle() {
    let world = world();
    hotfixed(&world, &wider());
    let planned = world.run(&["relup", "plan", V1, V2, "-o", "first.toml"]).expect(0);
    assert!(planned.stdout.starts_with("shop 1.0.0 -> 2.0.0\n\nup\n   1  load "), "{}", planned.stdout);
    world.run(&["relup", "plan", V1, V2, "-o", "second.toml"]).expect(0);
    assert_eq!(world.read("first.toml"), world.read("second.toml"), "the same input gives the same bytes");
    let bundle = world.read(V2);
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&*bundle));
    let entries = archive.entries().expect("a tar").map(|entry| entry.expect("an entry"));
    let mut entries = entries.filter(|entry| entry.path().expect("a path").ends_with("relup/1.0.0.toml"));
    let mut carried = vec![];
    entries.next().expect("the bundle has a relup").read_to_end(&mut carried).expect("readable");
    assert_eq!(world.read("first.toml"), carried);
    let json = world.run(&["relup", "plan", V1, V2, "--json"]).expect(0).json();
    assert_eq!((&json["recorded"], &json["edges"][0]["origin"]), (&true.into(), &"recorded".into()));
    assert_eq!(json["document"].as_str().map(str::as_bytes), Some(&world.read("first.toml")[..]));
    world.run(&["relup", "check", "first.toml", "--from", V1, "--to", V2]).expect(0);
    // A project is planned as it would be built.
    let built = world.run(&["relup", "plan", V1, "new", "--json"]).expect(0).json();
    assert_eq!(built["document"], json["document"]);
}

#[test]
fn the_plan_of_a_release_from_itself_is_empty() {
    let world = world();
    hotfixed(&world, &wider());
    let planned = world.run(&["relup", "plan", V1, V1, "-o", "same.toml"]).expect(0);
    assert_eq!(planned.stdout, "shop 1.0.0 -> 1.0.0\n\nnothing to do\n");
    world.run(&["relup", "check", "same.toml", "--from", V1, "--to", V1]).expect(0);
}

#[test]
fn a_hotfix_that_the_newer_release_does_not_name_is_planned_from_the_types() {
    let world = world();
    hotfixed(&world, &wider());
    let planned = world.run(&["relup", "plan", HOTFIX, V2, "-o", "relup.toml"]).expect(0).stdout;
    assert!(planned.contains("2.0.0 does not name 1.0.1: this needs a patch bundle\n"), "{planned}");
    assert!(planned.contains("  the edge of counter/counter: derived from the types\n"), "{planned}");
    world.run(&["relup", "check", "relup.toml", "--from", HOTFIX, "--to", V2]).expect(0);
    world.run(&["relup", "plan", V2, V1]).refused("2.0.0 comes from 1.0.0: the way there is `down`");
}

#[test]
fn what_is_missing_is_told_with_a_migration_to_finish() {
    let world = world();
    let needy = COUNTER
        .replace("step: Int = 1", "step: Int = 1, owner: Text")
        .replace("{ count: 0 }", "{ count: 0, owner: \"\" }");
    let project = Project::new(&world);
    project.file(
        "apps/counter/appup.toml",
        "[[from]]\nversion = \"1.0.0\"\n\n[from.machines.counter]\nmigration = \"migrations/counter.cam\"\n",
    );
    project.file(
        "apps/counter/migrations/counter.cam",
        "migration counter from \"1.0.0\"\nadd State.owner = \"x\"\n",
    );
    // The appup names what only 2.0.0 has; the older ones are built without it.
    let appup = world.at("new/apps/counter/appup.toml");
    let away = std::fs::read(&appup).expect("it was written");
    let migration = world.at("new/apps/counter/migrations/counter.cam");
    let also = std::fs::read(&migration).expect("it was written");
    std::fs::remove_file(&appup).expect("it is there");
    std::fs::remove_file(&migration).expect("it is there");
    let mended = COUNTER.replace("state.count + by", "state.count + by * 1");
    project.release("1.0.0", "").app("1.0.0", "").machine(COUNTER).run("build", &["-o", "dist"]).expect(0);
    project.release("1.0.1", "from = [\"1.0.0\"]").app("1.0.1", "").machine(&mended);
    project.run("build", &["-o", "dist"]).expect(0);
    std::fs::write(appup, away).expect("writable");
    std::fs::write(migration, also).expect("writable");
    project.release("2.0.0", "from = [\"1.0.0\"]").app("2.0.0", "").machine(&needy);
    project.run("build", &["-o", "dist"]).expect(0);

    let refused = world.run(&["relup", "plan", HOTFIX, V2]);
    let refused = refused.refused("there is no way from 1.0.1 to 2.0.0 for 1 machine").stderr;
    assert!(refused.contains("counter/counter from 1.0.1: nothing leads over"), "{refused}");
    assert!(refused.contains("migration counter from \"1.0.1\""), "{refused}");
    assert!(refused.contains("add State.owner = ?"), "{refused}");
    world.write("m.cam", "migration counter from \"1.0.1\"\nadd State.owner = \"x\"\n");
    let planned = world.run(&["relup", "plan", HOTFIX, V2, "--migration", "counter/counter=m.cam"]).expect(0);
    assert!(planned.stdout.contains("counter/counter: the migration that was given"), "{}", planned.stdout);
    world.write("m.cam", "migration counter from \"1.0.1\"\nadd State.owner = 1\n");
    let wrong = world.run(&["relup", "plan", HOTFIX, V2, "--migration", "counter/counter=m.cam"]);
    assert!(wrong.refused("mend the migrations").stderr.contains("m.cam:2:"), "the place is told");
}

#[test]
fn an_explanation_has_a_reason_for_each_step_and_the_numbers_of_a_node() {
    let world = world();
    hotfixed(&world, &wider());
    let told = world.run(&["relup", "plan", V1, V2, "--explain", "--json"]).expect(0).json();
    for direction in ["up", "down"] {
        let steps = told[direction].as_array().expect("instructions");
        let reasons = told["explanation"][direction].as_array().expect("reasons");
        assert_eq!(steps.len(), reasons.len());
        for (step, reason) in steps.iter().zip(reasons) {
            assert_eq!(step["do"], reason["do"]);
            assert!(reason["why"].as_str().is_some_and(|why| !why.is_empty()), "{reason}");
        }
    }
    let machine = &told["explanation"]["machines"][0];
    assert_eq!((&machine["what"], &machine["class"]), (&"changed".into(), &"D1".into()));
    assert_eq!((&machine["certified"], &machine["instances"]), (&true.into(), &serde_json::Value::Null));
    assert_eq!(told["explanation"]["blocks"], serde_json::json!([]));

    let agent = Agent::start(&world, "d");
    let ask = |old: &str| {
        world.run(&["relup", "plan", old, V2, "--explain", "--node", agent.url()]).expect(0).stdout
    };
    assert!(ask(V1).contains("\n  the node is empty: a first release is installed\n"));
    world.run(&["node", "install", V1, "--node", agent.url()]).expect(0);
    let told = ask(V1);
    assert!(told.contains("counter/counter: changes, 1 instance\n"), "{told}");
    assert!(told.contains("in the way\n  nothing that can be known"), "{told}");
    let other = ask(HOTFIX);
    assert!(
        other.contains("\n  the node runs 1.0.0 (") && other.contains("this starts from 1.0.1 ("),
        "{other}"
    );
    world.run(&["node", "upgrade", V2, "--node", agent.url()]).expect(0);
    assert!(ask(V2).contains("2.0.0 is provisional on the node"), "it can still go back");
}

#[test]
fn an_edited_relup_is_refused_with_rule_and_line() {
    let world = world();
    hotfixed(&world, &wider());
    world.run(&["relup", "plan", V1, V2, "-o", "relup.toml"]).expect(0);
    let text = String::from_utf8(world.read("relup.toml")).expect("TOML is text");
    let check = |text: &str| {
        world.write("edited.toml", text);
        world.run(&["relup", "check", "edited.toml", "--from", V1, "--to", V2])
    };
    // Without the trial of the way up.
    let start = text.find("[[up]]\ndo = \"try\"").expect("a trial");
    let end = start + text[start..].find("\n\n").expect("something after it") + 2;
    let without = [&text[..start], &text[end..]].concat();
    let told = check(&without).refused("1 fault").stderr;
    assert!(told.contains("error[C14]: the migration of machine counter/counter is never tried"), "{told}");
    assert!(told.contains("--> edited.toml:12:6") && told.contains("in `up`"), "{told}");
    assert!(told.contains("camshaft explain C14"), "{told}");

    // Twice the same instruction, and the line of the second.
    let load = text.find("[[up]]\ndo = \"load\"").expect("a load");
    let end = load + text[load..].find("\n\n").expect("something after it") + 2;
    let twice = [&text[..end], &text[load..end], &text[end..]].concat();
    let line = twice[..end].lines().count() + 2;
    let told = check(&twice).refused("1 fault").stderr;
    assert!(told.contains("error[C17]") && told.contains(&format!("edited.toml:{line}:6")), "{told}");
    assert!(told.contains("instruction 2 of `up`"), "{told}");
    let json =
        world.run(&["relup", "check", "edited.toml", "--from", V1, "--to", V2, "--json"]).expect(1).json();
    let fault = &json["error"]["details"]["faults"][0];
    assert_eq!(
        (&fault["rule"], &fault["direction"], &fault["instruction"]),
        (&"C17".into(), &"up".into(), &2.into())
    );
    assert_eq!(json["error"]["diagnostics"][0]["at"]["line"], line);

    // Its sense is right and its form is not.
    let told = check(&format!("# by hand\n{text}")).refused("1 fault").stderr;
    assert!(told.contains("error[M0120]"), "{told}");
    // Of other releases.
    let told = check(&text.replace("version = \"2.0.0\"", "version = \"2.0.1\"")).refused("1 fault").stderr;
    assert!(
        told.contains("error[C01]: it leads to 2.0.1, not to 2.0.0") && told.contains("edited.toml:9:11"),
        "{told}"
    );
    world.run(&["explain", "c14"]).expect(0);
}

const PATCH: &str = "dist/shop-1.0.1--2.0.0.tar.gz";

#[test]
fn a_hotfixed_node_reaches_the_new_release_by_a_patch_and_goes_back() {
    let world = world();
    hotfixed(&world, &wider());
    let made = world.run(&["relup", "patch", HOTFIX, V2]).expect(0);
    assert!(made.stdout.starts_with(&format!("{PATCH}\nsha256:")), "{}", made.stdout);
    let bytes = world.read(PATCH);
    world.run(&["relup", "patch", HOTFIX, V2, "-o", "again"]).expect(0);
    assert_eq!(world.read("again/shop-1.0.1--2.0.0.tar.gz"), bytes, "the same input gives the same bytes");

    let mut agent = Agent::start(&world, "d");
    let node =
        |agent: &Agent, words: &[&str]| world.run(&[&["node"], words, &["--node", agent.url()]].concat());
    let running = |agent: &Agent| agent.client().release().expect("a release runs");
    let count = |agent: &Agent| agent.client().send("counter/counter", "\"Read\"")["Count"].as_i64();
    let again = |agent: Agent| {
        agent.kill();
        Agent::start(&world, "d")
    };
    node(&agent, &["install", HOTFIX]).expect(0);
    agent.client().send("counter/counter", "{\"Add\":{\"by\":2}}");
    node(&agent, &["upgrade", V2]).refused("it runs shop 1.0.1");
    let tried = node(&agent, &["try", V2, "--patch", PATCH]).expect(0);
    assert!(tried.stdout.contains("2.0.0"), "{}", tried.stdout);
    assert_eq!(running(&agent), ("1.0.1".to_owned(), false), "a trial changes nothing");

    node(&agent, &["upgrade", V2, "--patch", PATCH]).expect(0);
    let digest = world.run(&["inspect", V2, "--json"]).expect(0).json()["digest"].clone();
    let status = node(&agent, &["status", "--json"]).expect(0).json();
    assert_eq!(status["running"]["digest"], digest, "it is the release that was published");
    agent.client().send("counter/counter", "{\"Add\":{\"by\":3}}");
    agent = again(agent);
    assert_eq!((running(&agent), count(&agent)), (("2.0.0".to_owned(), true), Some(5)));
    // Clients of the hotfix go on.
    let headers = [("camshaft-speaks", "1.0.1")];
    let old =
        agent.client().post("/v1/apps/counter/counter", &headers, b"\"Read\"".to_vec()).expect("an answer");
    assert_eq!((old.status, old.json()["Count"].as_i64()), (200, Some(5)));

    node(&agent, &["rollback"]).expect(0);
    agent = again(agent);
    assert_eq!((running(&agent), count(&agent)), (("1.0.1".to_owned(), false), Some(5)), "later writes stay");
    node(&agent, &["upgrade", V2, "--patch", PATCH]).expect(0);
    node(&agent, &["make-permanent"]).expect(0);
    agent = again(agent);
    assert_eq!((running(&agent), count(&agent)), (("2.0.0".to_owned(), false), Some(5)));
}

#[test]
fn a_patch_is_refused_where_it_does_not_belong() {
    let world = world();
    hotfixed(&world, &wider());
    world.run(&["relup", "patch", V1, V2]).refused("there is no patch to make: 2.0.0 names 1.0.0 itself");
    world.run(&["relup", "patch", HOTFIX, "new"]).refused("a patch belongs to one bundle");
    world.run(&["relup", "patch", HOTFIX, V2]).expect(0);
    let shown = world.run(&["inspect", PATCH]).expect(0).stdout;
    assert!(
        shown.starts_with("patch of shop from 1.0.1 to 2.0.0, ") && shown.contains("  relup/1.0.1.toml, "),
        "{shown}"
    );
    world.run(&["relup", "plan", HOTFIX, PATCH]).refused("the first file is not manifest.toml");

    let agent = Agent::start(&world, "d");
    let node = |words: &[&str]| world.run(&[&["node"], words, &["--node", agent.url()]].concat());
    node(&["install", PATCH]).refused("the first file is not manifest.toml");
    node(&["install", V1]).expect(0);
    node(&["upgrade", V2, "--patch", V2])
        .refused("this is no patch bundle: the first file is not patch.toml");
    node(&["upgrade", HOTFIX, "--patch", PATCH]).refused("this patch leads to shop 2.0.0");
    // From the one it names it is not needed, and it does no harm.
    node(&["upgrade", V2, "--patch", PATCH]).expect(0);

    // What nobody may lose is asked of a patch as of a build.
    let dropping = COUNTER.replace(", step: Int = 1", "");
    let project = Project::new(&world);
    project.release("3.0.0", "").app("3.0.0", "").machine(&dropping).run("build", &["-o", "dist"]).expect(0);
    let v3 = "dist/shop-3.0.0.tar.gz";
    world.write("m.cam", "migration counter from \"1.0.1\"\nup (old) = { count: old.count }\ndown (new) = { count: new.count, step: 9 }\n");
    let given = ["relup", "patch", HOTFIX, v3, "--migration", "counter/counter=m.cam"];
    let broken = world.run(&given).expect(1).stderr;
    assert!(broken.contains("error[R0128]: law L1 does not hold of counter/counter from 1.0.1"), "{broken}");
    assert!(broken.contains("write a migration of counter/counter for which it holds"), "{broken}");
}
