//! `camshaft appup import`, as somebody with an application of Erlang/OTP sees it.

use camshaft_tests::project::Project;
use camshaft_tests::{Agent, Done, World, repository};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_camshaft-under-test");

/// The appup of facts that everybody knows: a counter whose state changes, and a module that only changes.
const COUNTER: &str = "%% counter.appup\n{\"2.0.0\",\n [{\"1.0.0\",[{update,counter_srv,{advanced,[]}},\n            \
    {load_module,counter_app}]}],\n [{\"1.0.0\",[{update,counter_srv,{advanced,[]}},\n            \
    {load_module,counter_app}]}]}.\n";

const OLD: &str = "machine counter\ntype State = Int\ntype Input = Incr | Read\ntype Output = Ok | Count(Int)\n\
    init = 0\non Incr => (state + 1, Ok)\non Read => (state, Count(state))\n";

const NEW: &str = "machine counter\ntype State = { count: Int, steps: Int }\ntype Input = Incr | Read\n\
    type Output = Ok | Count(Int)\ninit = { count: 0, steps: 0 }\n\
    on Incr => ({ ..state, count: state.count + 1, steps: state.steps + 1 }, Ok)\non Read => (state, Count(state.count))\n";

/// Makes a project of version 2.0.0 whose predecessor is built.
fn ported(world: &World) -> Project<'_> {
    let project = Project::new(world);
    project.release("1.0.0", "").app("1.0.0", "").machine(OLD);
    project.run("build", &[]).expect(0);
    project.release("2.0.0", "from = [\"1.0.0\"]").app("2.0.0", "").machine(NEW);
    project
}

fn import(world: &World, more: &[&str]) -> Done {
    let words = [&["appup", "import", "counter.appup", "-o", "new"], more].concat();
    world.run(&words)
}

#[test]
fn an_imported_appup_leaves_the_holes_that_check_names_and_no_other_fault() {
    let world = World::new(PROGRAM);
    let project = ported(&world);
    world.write("counter.appup", COUNTER);
    let path = "new/apps/counter/migrations/counter-2.0.0-from-1.0.0.cam";
    let dry = import(&world, &["--machine", "counter_srv=counter/counter", "--dry-run"]).expect(0);
    assert!(
        dry.stdout.starts_with("--- new/apps/counter/appup.toml\n# counter.appup, from \"1.0.0\":\n"),
        "{dry:?}"
    );
    assert!(!world.at(path).exists());

    let done = import(&world, &["--machine", "counter_srv=counter/counter"]).expect(0);
    assert_eq!(done.stdout, format!("new/apps/counter/appup.toml\n{path}\n"));
    let written = std::fs::read_to_string(world.at(path)).expect("it was written");
    let holes = written.lines().filter(|line| line.split("//").next().is_some_and(|code| code.contains('?')));
    let holes = holes.count();
    assert!(holes > 1, "{written}");
    assert!(done.stderr.contains(&format!("{holes} holes to fill")), "{}", done.stderr);
    let refused = project.run("check", &[]).expect(1).stderr;
    assert_eq!(refused.matches("error[E0407]").count(), holes, "{refused}");
    assert_eq!(refused.matches("error[").count(), holes, "{refused}");

    // Twice is once.
    let again = import(&world, &["--machine", "counter_srv=counter/counter"]).expect(0);
    assert_eq!(again.stdout, "everything that the .appup says is there already\n");
    assert!(
        again.stderr.contains("note: the entry for 1.0.0 is there already and stays as it is"),
        "{again:?}"
    );
    assert_eq!(std::fs::read_to_string(world.at(path)).expect("still there"), written);

    // Filled in, it builds.
    world.write(
        path,
        "migration counter from \"1.0.0\"\n\nup (old) = { count: old, steps: old }\n\ndown (new) = new.count\n",
    );
    project.run("check", &[]).expect(0);
    project.run("build", &[]).expect(0);
}

/// As OTP's own compiler says it: any version, and all state is given up.
#[test]
fn an_application_that_otp_restarts_is_restarted_here_and_nothing_is_asked_for() {
    let world = World::new(PROGRAM);
    let project = ported(&world);
    let any = "[{<<\".*\">>,[{restart_application, counter}]}]";
    world.write("counter.appup", format!("{{\"2.0.0\",\n {any},\n {any}\n}}.\n"));
    let told = import(&world, &["--json"]).expect(0).json();
    assert_eq!(
        (&told["entries"][0]["as_range"], &told["entries"][0]["restarts"]),
        (&true.into(), &true.into())
    );
    assert_eq!(told["migrations"], serde_json::json!([]));
    let appup = String::from_utf8(world.read("new/apps/counter/appup.toml")).expect("a document");
    let entry = "[[from]]\nversions = \"*\"\nrestart = \"restart_application in counter.appup\"\n";
    assert!(appup.ends_with(entry), "{appup}");
    project.run("check", &[]).expect(0);
    project.run("build", &[]).expect(0);
}

#[test]
fn programs_are_told_of_every_instruction() {
    let world = World::new(PROGRAM);
    ported(&world);
    world.write("counter.appup", COUNTER);
    let done = import(&world, &["--json"]).expect(0);
    let told: Value = serde_json::from_str(&done.stdout).expect("JSON");
    let entry = &told["entries"][0];
    assert_eq!(entry["versions"], serde_json::json!(["1.0.0"]));
    assert_eq!(entry["instructions"].as_array().map(Vec::len), Some(4));
    let first = &entry["instructions"][0];
    assert_eq!((&first["way"], &first["line"], &first["column"]), (&"up".into(), &3.into(), &13.into()));
    assert_eq!(
        (&first["instruction"], &first["outcome"]),
        (&"{update,counter_srv,{advanced,[]}}".into(), &"open".into())
    );
    // Nobody said which machine stands for the module; the types tell all the same (E13b).
    assert_eq!(
        entry["remarks"],
        serde_json::json!([
            "counter/counter needs a migration from 1.0.0, which no instruction here asks for (OTP does not notice: E13b)"
        ])
    );
    assert_eq!(told["migrations"][0]["path"], "migrations/counter-2.0.0-from-1.0.0.cam");
    assert_eq!(told["written"], true);
}

#[test]
fn without_a_project_there_is_a_skeleton_all_the_same() {
    let world = World::new(PROGRAM);
    world.write("counter.appup", COUNTER);
    let done = import(&world, &["--machine", "counter_srv=counter/counter"]).expect(0);
    let path = "new/apps/counter/migrations/counter-2.0.0-from-1.0.0.cam";
    assert_eq!(done.stdout, format!("new/apps/counter/appup.toml\n{path}\n"));
    let said =
        "note: migrations are all holes: there is no release.toml yet, so that what changed is not known\n";
    assert!(done.stderr.starts_with(said), "{}", done.stderr);
}

#[test]
fn what_cannot_be_imported_is_refused_with_its_place() {
    let world = World::new(PROGRAM);
    ported(&world);
    let refused = |file: &str, text: &str, more: &[&str], expected: &str| {
        world.write(file, text);
        let words = [&["appup", "import", file, "-o", "new"], more].concat();
        let done = world.run(&words).expect(1);
        assert!(done.stderr.contains(expected), "{}", done.stderr);
        assert!(!world.at("new/apps/counter/appup.toml").exists());
    };
    refused(
        "counter.appup",
        &COUNTER.replacen("load_module", "laod_module", 1),
        &[],
        "error[R0206]: there is no instruction `laod_module`\n --> counter.appup:4:14\n",
    );
    refused(
        "counter.appup",
        "{\"2.0.0\",[],[]",
        &[],
        "error[R0202]: expected `,` or `}`, found the end of the text\n",
    );
    refused("Counter.appup", COUNTER, &[], "hint: name the application: `--app NAME`");
    refused(
        "other.appup",
        COUNTER,
        &[],
        "error: the release in new has no application other\nhint: it has counter; `--app NAME` says which one it is",
    );
    let machine =
        |said: &str, expected: &str| refused("counter.appup", COUNTER, &["--machine", said], expected);
    machine(
        "counter_srv",
        "error: --machine counter_srv: there is no `=`\nhint: write `--machine MODULE=APP/MACHINE`",
    );
    machine("counter_srv=counter", "hint: write `--machine MODULE=APP/MACHINE`");
    machine(
        "counter_server=counter/counter",
        "error: --machine counter_server=counter/counter: no instruction is about a module counter_server\n\
         hint: the modules of this .appup: counter_app, counter_srv",
    );
    machine(
        "counter_srv=counter/count",
        "error: --machine counter_srv=counter/count: the release has no machine counter/count",
    );
    let none = world.run(&["appup", "import", "none.appup"]).expect(1);
    assert!(none.stderr.contains("none.appup"), "{none:?}");
}

/// Returns where the applications of the OTP that is installed here are, if one is.
fn applications_of_otp() -> Option<std::path::PathBuf> {
    let mut erl = std::process::Command::new("erl");
    erl.args(["-noshell", "-eval", "io:put_chars(code:lib_dir()), halt()."]);
    let done = erl.output().ok()?;
    assert!(done.status.success(), "erl is here and does not run: {done:?}");
    Some(String::from_utf8(done.stdout).expect("the path of a folder").into())
}

/// Each appup of the OTP that is installed here is read, and each instruction is told.
#[test]
fn the_appups_of_otp_itself_are_imported() {
    let Some(root) = applications_of_otp() else {
        eprintln!("Erlang is not installed here; CI installs it");
        return;
    };
    let apps = std::fs::read_dir(root).expect("a folder").flatten();
    let files = apps.filter_map(|app| std::fs::read_dir(app.path().join("ebin")).ok()).flatten().flatten();
    let appups =
        files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|end| end == "appup"));
    let appups: Vec<std::path::PathBuf> = appups.collect();
    assert!(appups.len() > 3, "kernel, stdlib, sasl and compiler have one: {appups:?}");
    let world = World::new(PROGRAM);
    for appup in appups {
        let out = appup.file_stem().expect("a name").to_string_lossy().into_owned();
        let path = appup.display().to_string();
        let done = world.run(&["appup", "import", &path, "-o", &out, "--json"]);
        let told: Value =
            serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{path}: {error}: {done:?}"));
        // Their versions have two numbers or three; those that have more cannot be versions here.
        if done.code == Some(1) {
            let why = told["error"]["message"].as_str().unwrap_or_default();
            assert!(why.starts_with("the version of the .appup is none here: "), "{path}: {why}");
            continue;
        }
        assert_eq!(done.code, Some(0), "{path}: {}", done.stderr);
        for entry in told["entries"].as_array().expect("a list") {
            let instructions = entry["instructions"].as_array().expect("a list");
            assert!(
                instructions.iter().all(|one| one["text"].as_str().is_some_and(|text| !text.is_empty())),
                "{path}: {entry}"
            );
        }
    }
}

/// The commands after the edit of the machine, in order. OTP's eight: compile, make_relup, make_script, make_tar,
/// copying, unpack_release, install_release, make_permanent.
const UPGRADE: [&str; 5] = [
    "release cut major -p counter --released",
    "appup derive counter",
    "build counter",
    "node upgrade counter/dist/counter-2.0.0.tar.gz",
    "node make-permanent",
];

/// What a change of one machine costs, done on `examples/counter` and counted: the table of
/// `docs/from-erlang.md`. `UPDATE_EXPECT=1` writes it anew.
#[test]
fn what_a_change_costs_stands_on_the_page() {
    let world = World::new(PROGRAM);
    world.copy_example("counter/v1", "counter");
    world.run(&["build", "counter"]).expect(0);
    let agent = Agent::start(&world, "data");
    let node = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let url = ["--node", agent.url()];
        world.run(&if words[0] == "node" { [&words[..], &url].concat() } else { words.clone() })
    };
    node("node install counter/dist/counter-1.0.0.tar.gz").expect(0);
    node("node send counter/counter \"Incr\"").expect(0);

    // By hand: the machine, and then what the migration asks for.
    let example = repository().join("examples/counter/v2/apps/counter");
    let mut by_hand = std::collections::BTreeMap::new();
    let edit = |path: String, text: String| {
        world.write(&format!("counter/{path}"), &text);
        (path, text)
    };
    let machine = std::fs::read_to_string(example.join("machines/counter.cam")).expect("the example");
    by_hand.extend([edit("apps/counter/machines/counter.cam".to_owned(), machine)]);
    for line in UPGRADE {
        node(line).expect(0);
        if line.starts_with("appup derive") {
            let folder = world.at("counter/apps/counter/migrations");
            let mut written =
                std::fs::read_dir(folder).expect("a migration").map(|entry| entry.expect("one").path());
            let path = written.next().expect("a migration");
            let text = std::fs::read_to_string(&path).expect("a migration");
            assert_eq!(text.matches("= ?").count(), 2, "{text}");
            let filled = text
                .replace("up (old) = ?", "up (old) = (old, old)")
                .replace("down (new) = ?", "down (new) = new.1");
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            // What is typed is what stands in the place of the holes.
            edit(format!("apps/counter/migrations/{name}"), filled);
            by_hand.insert(format!("apps/counter/migrations/{name}"), "(old, old)new.1".to_owned());
        }
    }
    assert_eq!(agent.client().release(), Some(("2.0.0".to_owned(), false)));
    assert_eq!(node("node send counter/counter \"Read\"").expect(0).stdout, "{\"Count\":1}\n");

    // The name of a bundle is completed by the shell; a version is what a person puts into a document.
    let typed = by_hand.values().map(|text| text.matches("2.0.0").count()).sum::<usize>();
    let table = format!(
        "| for one change of one module or machine | OTP 25 | here |\n|---|---|---|\n\
         | files edited by hand | 4: module, .app, .appup, .rel | {}: machine, migration |\n\
         | commands | 8: compile, make_relup, make_script, make_tar, copying, unpack_release, install_release, make_permanent | {}: {} |\n\
         | places where the new version is typed | 4 | {typed} |\n",
        by_hand.len(),
        UPGRADE.len(),
        UPGRADE
            .map(|line| line
                .split(' ')
                .take(2)
                .collect::<Vec<_>>()
                .join(" ")
                .replace("build counter", "build"))
            .join(", "),
    );
    let path = repository().join("docs/from-erlang.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let (begin, end) = ("<!-- costs: begin -->\n", "<!-- costs: end -->");
    let (head, rest) = page.split_once(begin).expect("the mark where the table begins");
    let (found, tail) = rest.split_once(end).expect("the mark where it ends");
    if found != table && std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, format!("{head}{begin}{table}{end}{tail}")).expect("writable");
        return;
    }
    assert_eq!(found, table, "run with UPDATE_EXPECT=1 to write it anew");
}
