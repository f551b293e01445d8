//! `camshaft test`: the tests of the examples hold, failures say what and where, and nothing that
//! stands in a test is built before it is right.

use std::collections::BTreeSet;
use std::path::Path;

use camshaft_tests::{World, repository};

fn world() -> World {
    World::new(env!("CARGO_BIN_EXE_camshaft-under-test"))
}

/// A machine, and tests of which some fail.
const BANK: &str = "machine bank keyed Text
type State  = { held: Map(Text, Int) = [:], total: Int = 0 }
type Input  = Put { name: Text, cents: Int } | Total
type Output = Ok | Sum(Int)
init = { held: [:] }
on Put { name, cents } => ({ ..state, held[name]: cents, total: state.total + cents }, Ok)
on Total => (state, Sum(state.total))

test \"it sums up\" {
  run Put { name: \"a\", cents: 2 } gives Ok
  run Total gives Sum(2)
}

test \"it forgets\" {
  run Put { name: \"a\", cents: 2 }
  run Total gives Sum(3)
}

property \"the total is what is held\" {
  for all inputs may trap overflow {
    expect state.total == state.held.fold(0, (n, _, cents) -> n + cents)
  }
}
";

/// Lists the machine files below a folder.
fn machines_below(folder: &Path, within: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let entry = entry.expect("an entry of a folder that can be read");
        let name = entry.file_name().into_string().expect("names here are text");
        let path = format!("{within}{name}");
        if entry.path().is_dir() {
            machines_below(&entry.path(), &format!("{path}/"), found);
        } else if path.contains("/machines/") && path.ends_with(".cam") {
            found.insert(path);
        }
    }
}

#[test]
fn the_tests_of_all_examples_pass() {
    let world = world();
    let examples = repository().join("examples");
    let examples = examples.to_str().expect("the path of the repository is text");
    let done = world.run(&["test", "--path", examples, "--json"]).expect(0);
    let document = done.json();
    assert_eq!(document["failed"], 0);
    let tests = document["tests"].as_array().expect("a list");
    let files: BTreeSet<String> =
        tests.iter().filter_map(|test| test["file"].as_str()).map(str::to_owned).collect();
    let mut machines = BTreeSet::new();
    machines_below(&repository().join("examples"), "", &mut machines);
    assert!(machines.len() > 20, "{machines:#?}");
    assert_eq!(files, machines, "every machine of every example has tests");
    assert!(tests.iter().any(|test| test["kind"] == "property" && test["cases"] == 200));
}

#[test]
fn a_failure_says_what_where_and_how_to_see_it_again() {
    let world = world();
    world.write("bank.cam", BANK);
    let done = world.run(&["test", "--path", "bank.cam"]).refused("2 of 3 tests failed");
    assert_eq!(done.stdout, "", "{done:#?}");
    for said in [
        "ok   bank.cam: it sums up\n",
        "FAIL bank.cam: it forgets\n",
        "error: test \"it forgets\": the answer is another\n",
        "--> bank.cam:16:19\n",
        "16 |   run Total gives Sum(3)\n",
        "^^^^^^ not what it gives\n",
        "note: expected  Sum(3)\n",
        "note: found     Sum(2)\n",
        "  what ran:\n    run Put { name: \"a\", cents: 2 } gives Ok\n    run Total gives Sum(2)\n",
        "error: property \"the total is what is held\": this does not hold\n",
        "state.total",
        "    run Put { name: \"\", cents: 1 } gives Ok\n    run Put { name: \"\", cents: 0 } gives Ok\n",
        "  the last step changed:\n    state.held[\"\"]: 1 -> 0\n",
        "  the state:\n    { held: [\"\": 0], total: 1 }\n",
        "hint: camshaft test 'it forgets' --path 'bank.cam' runs it again\n",
    ] {
        assert!(done.stderr.contains(said), "no `{said}` in {}", done.stderr);
    }
    // What the hint says shows the same, and nothing else.
    let again =
        world.run(&["test", "it forgets", "--path", "bank.cam", "--quiet"]).refused("1 of 1 test failed");
    assert!(again.stderr.starts_with("error: test \"it forgets\": the answer is another\n"), "{again:#?}");
}

#[test]
fn programs_get_the_same_in_one_document() {
    let world = world();
    world.write("bank.cam", BANK);
    let run = |seed: &str| {
        let words = ["test", "the total", "--path", "bank.cam", "--seed", seed, "--cases", "500", "--json"];
        let done = world.run(&words).expect(1);
        assert!(!done.stderr.contains("error"), "{done:#?}");
        done.json()
    };
    let document = run("7");
    let error = &document["error"];
    assert_eq!(error["code"], "tests");
    assert_eq!(
        error["hint"],
        "camshaft test 'the total is what is held' --path 'bank.cam' --seed 7 --cases 500 runs it again"
    );
    let test = &error["details"]["tests"][0];
    assert_eq!(test["passed"], false);
    assert_eq!(test["machine"], "bank");
    assert_eq!(test["failure"]["at"]["line"], 21);
    assert_eq!(test["failure"]["history"].as_array().map(Vec::len), Some(2), "{document:#}");
    assert_eq!(document, run("7"), "the same seed, the same failure");
    // Another seed comes to the same by another way.
    assert_eq!(run("8")["error"]["details"]["tests"][0]["failure"]["at"]["line"], 21);
}

#[test]
fn tests_are_listed_and_chosen_by_name() {
    let world = world();
    world.write("bank.cam", BANK);
    let done = world.run(&["test", "--list", "--path", "bank.cam"]).expect(0);
    let expected = "bank.cam: it sums up\nbank.cam: it forgets\nbank.cam: the total is what is held\n";
    assert_eq!(done.stdout, expected);
    let done = world.run(&["test", "--list", "forgets", "--path", "bank.cam", "--json"]).expect(0);
    assert_eq!(done.json()["tests"][0]["line"], 14);
    let done = world.run(&["test", "sums", "--path", "bank.cam"]).expect(0);
    assert_eq!(done.stdout, "1 test passed, 2 steps\n");
    world.run(&["test", "nothing of it", "--path", "bank.cam"]).refused("no test of bank.cam matches");
}

#[test]
fn what_cannot_be_tested_is_refused() {
    let world = world();
    std::fs::create_dir(world.at("empty")).expect("the world is writable");
    world.write("migration.cam", "migration m from \"1.0.0\"\n");
    world.write("odd.cam", [b'm', 0xff]);
    world.write("faulty.cam", BANK.replace("expect state.total", "expct state.total"));
    world.run(&["test", "--path", "nowhere"]).refused("cannot read nowhere");
    world.run(&["test", "--path", "empty"]).refused("there is no machine file in empty");
    world.run(&["test", "--path", "migration.cam"]).refused("E0301");
    world.run(&["test", "--path", "odd.cam"]).refused("odd.cam is not UTF-8 text");
    let done = world.run(&["test", "--path", "faulty.cam"]).refused("no test was run: a file has faults");
    assert!(done.stderr.contains("error[E0501]"), "{done:#?}");
    assert!(done.stderr.contains("did you mean `expect`?"), "{done:#?}");
    world.run(&["test", "--cases", "0"]).refused("0 is not in 1..=1000000");
    world.run(&["test", "--seed", "x"]).refused("invalid value 'x'");
}

#[test]
fn a_machine_without_tests_has_none_that_fail() {
    let world = world();
    world.write("bare.cam", BANK.split("\ntest ").next().expect("the machine stands first"));
    let done = world.run(&["test", "--path", "bare.cam"]).expect(0);
    assert_eq!(done.stdout, "0 tests passed, 0 steps\n");
}

/// `check` and `build` look at tests too, and what is built knows nothing of them.
#[test]
fn tests_are_checked_with_the_project_and_are_no_part_of_the_bundle() {
    let world = world();
    world.copy_example("counter/v1", "with");
    world.copy_example("counter/v1", "without");
    let path = "apps/counter/machines/counter.cam";
    let text = String::from_utf8(world.read(&format!("with/{path}"))).expect("an example is text");
    world.write(&format!("without/{path}"), text.split("\ntest ").next().expect("the machine stands first"));
    let build = |project: &str| {
        let bundle = world.run(&["build", project, "-o", project, "--json"]).expect(0).json();
        world.read(bundle["bundle"].as_str().expect("the path of a bundle"))
    };
    assert_eq!(build("with"), build("without"));
    world.write(&format!("with/{path}"), text.replace("gives Count(0)", "gives Count(true)"));
    for command in ["check", "build", "test"] {
        let words: &[&str] = if command == "test" { &["test", "--path", "with"] } else { &[command, "with"] };
        let done = world.run(words).expect(1);
        assert!(done.stderr.contains("error[E0210]: expected Int, found Bool"), "{done:#?}");
    }
}

#[test]
fn the_type_modules_of_an_application_are_there_in_its_tests() {
    let world = world();
    world.write("app/types/sums.cam", "types sums\nfn twice(n: Int) -> Int = n * 2\n");
    let machine = "machine m\nuse sums\ntype State = Int\ntype Input = | Go\ninit = 1\non Go => (twice(state), ())\n\
                   test \"it doubles\" { run Go; expect state == twice(1) }\n";
    world.write("app/machines/m.cam", machine);
    for path in [".", "app", "app/machines/m.cam"] {
        let done = world.run(&["test", "--path", path]).expect(0);
        assert!(done.stdout.starts_with("1 test passed"), "{path}: {done:#?}");
    }
    world.write("app/types/sums.cam", "types sums\nfn twice(n: Int) -> Text = n * 2\n");
    let done = world.run(&["test", "--path", "."]).refused("no test was run: a file has faults");
    assert!(done.stderr.contains("app/types/sums.cam:2:28"), "{done:#?}");
    assert!(!done.stderr.contains("m.cam"), "the machine has no fault of its own: {done:#?}");
}
