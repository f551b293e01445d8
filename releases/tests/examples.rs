//! The examples of the repository, built as projects; and projects with one fault each.

use std::collections::BTreeMap;
use std::path::Path;

use camshaft_cam::derive::DownClass;
use camshaft_cam::diagnostic::Diagnostic;
use camshaft_manifests::relup::Instruction;
use camshaft_releases::open::{self, OpenedRelease};
use camshaft_releases::project::{self, Built, Files, Locking};

/// Reads the files of an example, without its lock: bundles change as long as Camshaft does.
fn example(path: &str) -> Files {
    fn walk(root: &Path, folder: &Path, files: &mut Files) {
        for entry in std::fs::read_dir(folder).expect("an example is there") {
            let path = entry.expect("an entry of a folder that can be read").path();
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                let name =
                    path.strip_prefix(root).expect("it lies within").to_string_lossy().replace('\\', "/");
                files.insert(name, std::fs::read_to_string(&path).expect("examples are text"));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(path);
    let mut files = Files::new();
    walk(&root, &root, &mut files);
    files.remove(project::LOCK_PATH);
    files
}

fn build(files: &Files, found: &[&Built]) -> Result<Built, String> {
    let find = |name: &camshaft_manifests::ReleaseName, version: &camshaft_manifests::Version| {
        let release: Option<&&Built> = found
            .iter()
            .find(|built| (&built.release.resolved.name, &built.release.resolved.version) == (name, version));
        release.map(|built| built.release.clone())
    };
    project::build(files, &find, Locking::Update).map_err(|faults| said(&faults))
}

fn said(faults: &[Diagnostic]) -> String {
    let line = |fault: &Diagnostic| {
        format!(
            "{} {} | {} | {}\n",
            fault.code,
            fault.one_line(),
            fault.label,
            fault.help.as_deref().unwrap_or("")
        )
    };
    faults.iter().map(line).collect()
}

fn good(path: &str, found: &[&Built]) -> Built {
    build(&example(path), found).unwrap_or_else(|faults| panic!("{path}:\n{faults}"))
}

fn words(instructions: &[Instruction]) -> Vec<&'static str> {
    instructions.iter().map(Instruction::word).collect()
}

#[test]
fn the_counter_in_all_its_versions() {
    let one = good("counter/v1", &[]);
    assert_eq!(one.file_name(), "counter-1.0.0.tar.gz");
    assert!(one.release.relups.is_empty());
    let two = good("counter/v2", &[&one]);
    assert_eq!(two.checked, Vec::<String>::new(), "this upgrade cannot fail");
    let relup = &two.release.relups[0];
    assert_eq!(words(&relup.up), ["load", "verify", "load", "verify", "try", "switch"]);
    assert_eq!(words(&relup.down), ["load", "verify", "load", "verify", "try", "switch"]);
    assert_eq!(relup.from.digest, one.release.digest);
    let three = good("counter/v3", &[&one, &two]);
    assert!(three.release.resolved.predecessors.iter().any(|other| other.digest == two.release.digest));
    for bad in ["counter/bad-migration", "counter/bad-invariant"] {
        let built = good(bad, &[&one]);
        assert_eq!(built.checked.len(), 1, "{bad} is tried, not certified: {:?}", built.checked);
    }
    let base = good("counter/wrong-base/base", &[]);
    assert_eq!(base.release.resolved.version, one.release.resolved.version);
    assert_ne!(base.release.digest, one.release.digest);
    good("counter/wrong-base/v2", &[&base]);
}

#[test]
fn pingpong_in_all_its_versions() {
    let one = good("pingpong/v1", &[]);
    let two = good("pingpong/v2", &[&one]);
    let three = good("pingpong/v3", &[&one, &two]);
    assert_eq!(three.release.resolved.links.len(), 1);
    let order: Vec<&str> = three.release.resolved.apps.iter().map(|app| app.name.as_str()).collect();
    assert_eq!(order, ["pong", "ping"], "the client depends on the server");
}

#[test]
fn the_same_source_gives_the_same_bytes_and_they_open_again() {
    let (one, again) = (good("counter/v1", &[]), good("counter/v1", &[]));
    assert_eq!(one.packed, again.packed);
    let (two, again) = (good("counter/v2", &[&one]), good("counter/v2", &[&one]));
    assert_eq!((&two.packed, &two.lock), (&again.packed, &again.lock));
    let opened: OpenedRelease = open::read(&two.packed.bytes).expect("what was built opens");
    assert_eq!((opened.digest, opened.resolved), (two.packed.digest, two.release.resolved));
}

/// Changes one file of a project.
fn with(files: &Files, path: &str, from: &str, to: &str) -> Files {
    let mut files = files.clone();
    let text = files.get_mut(path).unwrap_or_else(|| panic!("{path} is there"));
    assert!(text.contains(from), "{path} has `{from}`:\n{text}");
    *text = text.replace(from, to);
    files
}

fn without(files: &Files, path: &str) -> Files {
    let mut files = files.clone();
    files.remove(path).unwrap_or_else(|| panic!("{path} is there"));
    files
}

const APP: &str = "apps/counter/app.toml";
const APPUP: &str = "apps/counter/appup.toml";
const MACHINE: &str = "apps/counter/machines/counter.cam";
const MIGRATION: &str = "apps/counter/migrations/counter-2.0.0-from-1.0.0.cam";

#[test]
fn every_fault_of_a_project_says_what_and_where() {
    let one = good("counter/v1", &[]);
    let two = example("counter/v2");
    let ping = example("pingpong/v1");
    let base = good("counter/wrong-base/base", &[]);
    let found: &[&Built] = &[&one];
    let ping_one = good("pingpong/v1", &[]);
    let pings: &[&Built] = &[&good("pingpong/v2", &[&ping_one])];
    let three = without_default(example("pingpong/v3"));
    let inherits = without_default(two.clone());
    let inherits = build(&inherits, found).unwrap_or_else(|faults| panic!("{faults}"));
    let inherited: &[&Built] = &[&inherits];
    let both: &[&Built] = &[&inherits, &base];
    // A machine that the release between does not have: nobody comes over it from the one before.
    let without_ping = without_default(example("pingpong/v2"));
    let without_ping = with(&without_ping, "release.toml", "ping = { path = \"apps/ping\" }\n", "");
    let gone = build(&without_ping, &[&ping_one]).unwrap_or_else(|faults| panic!("{faults}"));
    let over_gap: &[&Built] = &[&gone];
    let mut returning = without_default(example("pingpong/v2"));
    returning.retain(|path, _| !path.starts_with("apps/pong/migrations") && path != "apps/pong/appup.toml");
    let returning = with(&returning, "release.toml", "from = [\"1.0.0\"]", "from = [\"2.0.0\"]");
    let returning = with(&returning, "release.toml", "version = \"2.0.0\"", "version = \"3.0.0\"");
    let client = "apps/ping/machines/client.cam";
    let returning = with(&returning, client, "goal: Int = 0 ", "more: Int = 0, goal: Int = 0 ");
    let mut extra = two.clone();
    extra.insert(
        "apps/counter/migrations/stray.cam".to_owned(),
        "migration counter from \"0.1.0\"\n".to_owned(),
    );
    let lock = |built: &Built| {
        let mut files = two.clone();
        let text = build(&two, &[built]).unwrap_or_else(|faults| panic!("{faults}")).lock;
        files.insert(project::LOCK_PATH.to_owned(), text);
        files
    };
    let configured = with(&two, "release.toml", "[apps]", "[config.counter.counter]\nlimit = 3\n\n[apps]");
    let other = with(&two, "release.toml", "[apps]", "[config.counter.other]\nlimit = 3\n\n[apps]");
    let typed = with(&configured, MACHINE, "init =", "config { limit: Text = \"x\" }\ninit =");
    let mut unchanged = two.clone();
    unchanged.insert(MACHINE.to_owned(), example("counter/v1")[MACHINE].clone());
    unchanged.insert(MIGRATION.to_owned(), "migration counter from \"1.0.0\"\n\nup (old) = old\n".to_owned());
    let mut renamed = with(&unchanged, APPUP, "machines.counter", "machines.clock");
    renamed.insert(MIGRATION.to_owned(), "migration clock from \"1.0.0\"\n\nup (old) = old\n".to_owned());
    let in_types = |path: &str, text: &str| {
        let mut files = with(&two, MACHINE, "machine counter", "machine counter\nuse shared");
        files.insert(format!("apps/counter/types/{path}.cam"), text.to_owned());
        files
    };
    let cases: Vec<(&str, Files, &[&Built], &str)> = vec![
        ("R0101", Files::new(), found, "there is no release.toml here"),
        ("R0101", without(&two, APP), found, "there is no apps/counter/app.toml"),
        ("R0101", without(&two, MACHINE), found, "there is no apps/counter/machines/counter.cam"),
        (
            "R0101",
            without(&two, MIGRATION),
            found,
            "there is no apps/counter/migrations/counter-2.0.0-from-1.0.0.cam",
        ),
        ("R0102", two.clone(), &[], "the predecessor 1.0.0 was not found"),
        ("R0103", lock(&base), found, "and the lock pins"),
        (
            "R0105",
            with(&two, "release.toml", "path = \"apps/counter\"", "version = \"=1.0.0\""),
            found,
            "no release was found that holds counter =1.0.0",
        ),
        (
            "R0106",
            with(&ping, "apps/ping/app.toml", ">=1.0.0", ">=9.0.0"),
            &[],
            "ping depends on pong >=9.0.0, and the release has 1.0.0",
        ),
        (
            "R0106",
            with(&two, APP, "machines", "depends = { stock = \"1\" }\nmachines"),
            found,
            "depends on stock, which the release does not have",
        ),
        (
            "R0107",
            with(&ping, "apps/pong/app.toml", "machines", "depends = { ping = \"1\" }\nmachines"),
            &[],
            "ping -> pong -> ping",
        ),
        (
            "R0108",
            with(&two, APP, "name = \"counter\"", "name = \"clock\""),
            found,
            "the release calls this application counter",
        ),
        (
            "R0109",
            with(
                &without(&without(&two, APPUP), MIGRATION),
                APP,
                "version = \"2.0.0\"",
                "version = \"1.0.0\"",
            ),
            found,
            "counter 1.0.0 is released, bump it",
        ),
        (
            "R0110",
            with(&ping, "apps/ping/machines/client.cam", "pong/server(", "pong/sever("),
            &[],
            "the release has no machine pong/sever",
        ),
        (
            "R0110",
            with(&ping, "apps/ping/app.toml", "depends = { pong = \">=1.0.0\" }\n", ""),
            &[],
            "ping sends to pong/server and does not depend on pong",
        ),
        (
            "R0111",
            with(
                &ping,
                "apps/ping/machines/client.cam",
                "type Message = Ping { number: Int }",
                "type Message = Ping { number: Int } | Pang",
            ),
            &[],
            "message.Pang: the case has no counterpart",
        ),
        (
            "R0112",
            with(&two, MACHINE, "machine counter", "machine counter keyed Text"),
            found,
            "was not keyed in 1.0.0",
        ),
        ("R0113", configured, found, "takes no configuration"),
        ("R0113", other, found, "has no machine other to configure"),
        (
            "R0113",
            typed,
            found,
            "release.toml:6:9: the configuration of counter/counter: $.limit: expected Text, found 3",
        ),
        (
            "R0114",
            with(&two, MIGRATION, "from \"1.0.0\"", "from \"1.0.1\""),
            found,
            "and the appup names it for counter from 1.0.0",
        ),
        ("R0115", extra, found, "no entry of apps/counter/appup.toml names this migration"),
        (
            "R0115",
            with(&two, "release.toml", "from = [\"1.0.0\"]", "from = []"),
            &[],
            "no predecessor has counter 1.0.0",
        ),
        ("R0115", unchanged, found, "counter/counter is the same as in 1.0.0"),
        ("R0115", renamed, found, "counter has no machine clock"),
        (
            "R0130",
            with(&two, "release.toml", "default = \"2.0.0\"", "default = \"0.9.0\""),
            found,
            "release.toml:9:11: the API default 0.9.0 is neither this release nor one that it comes from",
        ),
        (
            "R0130",
            returning,
            over_gap,
            "speak 1.0.0, as 2.0.0 has it, and this release has no edges from 1.0.0",
        ),
        (
            "R0126",
            with(
                &example("counter/v1"),
                "release.toml",
                "version = \"1.0.0\"",
                "version = \"1.0.0\"\nfrom = [\"2.0.0\"]",
            ),
            inherited,
            "release.toml:3:9: 2.0.0 comes from 1.0.0, and 1.0.0 would come from 2.0.0 | a circle |",
        ),
        (
            "R0127",
            with(&example("counter/v3"), "release.toml", "[\"2.0.0\"]", "[\"1.0.0\", \"2.0.0\"]"),
            both,
            "and 1.0.0 is or comes from another 1.0.0",
        ),
        (
            "R0118",
            in_types("common", "types shared\n"),
            found,
            "apps/counter/types/common.cam:1:7: this file declares the type module `shared`",
        ),
        (
            "R0118",
            in_types("deep/shared", "types shared\n"),
            found,
            "move it to apps/counter/types/shared.cam, or give it the name of the file",
        ),
        (
            "R0119",
            with(&three, "apps/pong/migrations/server-3.0.0-from-2.0.0.cam", "lower Stats", "// Stats"),
            pings,
            "U019 Output.Stats.seen: the field is gone, and the old version has no default for it (answers to older clients, \
             from pong 2.0.0) | breaks class `wire`, which `state` asks for too | say so: `drop Type.field`; or keep it\n\
             or set the rule aside in apps/pong/appup.toml:",
        ),
        (
            "R0120",
            with(&three, "apps/pong/app.toml", "version = \"3.0.0\"", "version = \"2.1.0\""),
            pings,
            "pong grew from 2.0.0 to 2.1.0 (minor), and what changed asks for major",
        ),
        (
            "R0121",
            with(&three, "release.toml", "version = \"3.0.0\"", "version = \"2.1.0\""),
            pings,
            "the release grew from 2.0.0 to 2.1.0 (minor), and what its applications do asks for major",
        ),
        (
            "E0201",
            in_types("shared", "types shared\ntype A = B\n"),
            found,
            "apps/counter/types/shared.cam:2:10: there is no type `B`",
        ),
        (
            "E0601",
            in_types("sharde", "types sharde\n"),
            found,
            "apps/counter/machines/counter.cam:3:5: there is no type module `shared` | not in this application | did you mean `sharde`?",
        ),
        (
            "E0401",
            without(&without(&two, APPUP), MIGRATION),
            found,
            "by hand: migrations/counter-from-1.0.0.cam",
        ),
    ];
    for (code, files, found, words) in &cases {
        let faults = match build(files, found) {
            Ok(_) => panic!("{code} `{words}`: builds"),
            Err(faults) => faults,
        };
        let right = faults.lines().any(|line| line.starts_with(code)) && faults.contains(words);
        assert!(right, "no {code} with `{words}` in\n{faults}");
    }
    let seen: BTreeMap<&str, ()> = cases.iter().map(|(code, ..)| (*code, ())).collect();
    let elsewhere = [
        "R0128", "R0129", "R0140", "R0141", "R0142", "R0132", "R0133", "R0134", "R0104", "R0116", "R0117",
        "R0122", "R0123",
    ];
    for (code, _) in project::CODES {
        assert!(seen.contains_key(code) || elsewhere.contains(code), "no case for {code}");
    }
}

fn without_default(mut files: Files) -> Files {
    let text = files.get_mut("release.toml").expect("it is there");
    let api = text.find("[api]").expect("it says what is spoken");
    text.truncate(api);
    files
}

#[test]
fn what_clients_speak_that_do_not_say_is_taken_over_until_a_person_moves_it() {
    let default = |built: &Built| {
        let resolved = &built.release.resolved;
        (resolved.api_default.as_ref().map(ToString::to_string), resolved.spoken_by_default().to_string())
    };
    let one = good("counter/v1", &[]);
    assert_eq!(default(&one), (None, "1.0.0".to_owned()));
    let two = good("counter/v2", &[&one]);
    assert_eq!(default(&two), (None, "2.0.0".to_owned()), "moved by hand");
    let silent = without_default(example("counter/v2"));
    let inherits = build(&silent, &[&one]).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(default(&inherits), (Some("1.0.0".to_owned()), "1.0.0".to_owned()));
    let three = good("counter/v3", &[&inherits]);
    assert_eq!(
        default(&three),
        (None, "3.0.0".to_owned()),
        "moved by hand, over a version that is not spoken"
    );
    let three = without_default(example("counter/v3"));
    let three = build(&three, &[&two]).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(default(&three), (Some("2.0.0".to_owned()), "2.0.0".to_owned()));
}

#[test]
fn a_node_that_skipped_a_release_comes_over_in_one_go() {
    let one = good("counter/v1", &[]);
    let two = good("counter/v2", &[&one]);
    let three = good("counter/v3", &[&two]);
    let resolved = &three.release.resolved;
    let reached: Vec<String> = resolved.predecessors.iter().map(|one| one.version.to_string()).collect();
    assert_eq!(reached, ["1.0.0", "2.0.0"]);
    assert_eq!(resolved.predecessors[0].digest, one.release.digest);
    let machine = |built: &Built| built.release.resolved.apps[0].machines[0].digest;
    let chained = resolved.edges.iter().find(|edge| edge.from == machine(&one)).expect("an edge from 1.0.0");
    assert_eq!(chained.over.as_ref().map(ToString::to_string).as_deref(), Some("2.0.0"));
    let edge = &three.release.edges[&chained.digest];
    edge.check_ends(&one.release.machines[&machine(&one)], &three.release.machines[&machine(&three)])
        .expect("it leads from the one to the other");
    let direct = resolved.edges.iter().find(|edge| edge.from == machine(&two)).expect("an edge from 2.0.0");
    assert_eq!((&direct.over, direct.class), (&None, Some(DownClass::D1)));
    let relup = three.release.relups.iter().find(|relup| relup.from.digest == one.release.digest);
    assert_eq!(words(&relup.expect("a relup from 1.0.0").up).last(), Some(&"switch"));
    // A person may leave old releases behind.
    let leaving =
        with(&example("counter/v3"), "release.toml", "[\"2.0.0\"]", "[\"2.0.0\"]\noldest = \"2.0.0\"");
    let leaving = build(&leaving, &[&two]).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!((leaving.release.relups.len(), leaving.release.edges.len()), (1, 1));
    // The lock pins what the project names; the rest follows from it.
    assert_eq!(three.lock.matches("[[predecessor]]").count(), 1, "{}", three.lock);
}

#[test]
fn declarations_that_move_into_a_type_module_change_no_machine() {
    let whole = good("counter/v1", &[]);
    let machine = "apps/counter/machines/counter.cam";
    let mut files = with(&example("counter/v1"), machine, "type Output = Ok | Count(Int)\n", "use answers\n");
    files.insert(
        "apps/counter/types/answers.cam".to_owned(),
        "types answers\ntype Output = Ok | Count(Int)\n".to_owned(),
    );
    let parted = build(&files, &[]).unwrap_or_else(|faults| panic!("{faults}"));
    let machine = |built: &Built| built.release.resolved.apps[0].machines[0].digest;
    assert_eq!(machine(&parted), machine(&whole));
}

#[test]
fn the_lock_pins_and_a_locked_build_needs_it() {
    let one = good("counter/v1", &[]);
    let two = example("counter/v2");
    let find =
        |_: &camshaft_manifests::ReleaseName, _: &camshaft_manifests::Version| Some(one.release.clone());
    let faults = project::build(&two, &find, Locking::Locked).expect_err("no lock");
    assert!(
        said(&faults).starts_with("R0104 release.toml:3:9: the lock has no entry for 1.0.0"),
        "{}",
        said(&faults)
    );
    let mut pinned = two.clone();
    let lock = project::build(&two, &find, Locking::Update).expect("builds").lock;
    pinned.insert(project::LOCK_PATH.to_owned(), lock.clone());
    let built = project::build(&pinned, &find, Locking::Locked).expect("pinned");
    assert_eq!(built.lock, lock);
    // A finder that brings another release than was asked for is not believed.
    let wrong = with(&pinned, "release.toml", "name = \"counter\"", "name = \"clock\"");
    let faults = project::build(&wrong, &find, Locking::Update).expect_err("another name");
    assert!(said(&faults).starts_with("R0117"), "{}", said(&faults));
}
