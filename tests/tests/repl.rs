//! `camshaft repl` without a terminal: a script comes in, results go out.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use camshaft_tests::{Done, World, repository};
use serde_json::{Value, json};

fn world() -> World {
    World::new(env!("CARGO_BIN_EXE_camshaft-under-test"))
}

fn stock() -> String {
    repository().join("cam/tests/fixtures/stock.cam").display().to_string()
}

/// Runs a session on a script.
fn session(world: &World, words: &[&str], script: &str) -> Done {
    world.write("script", script);
    let words: Vec<&str> = ["repl"].into_iter().chain(words.iter().copied()).collect();
    let script = std::fs::File::open(world.at("script")).expect("it was just written");
    Done::of(world.command(&words).stdin(script))
}

#[test]
fn results_go_to_stdout_and_nothing_else_does() {
    let world = world();
    let script = "let n = 20 + 1\nn * 2\ntype A = B\n       | C(Int)\n[B, C(n)]\n  .len()\n";
    let done = session(&world, &[], script).expect(0);
    assert_eq!(done.stdout, "n = 21 : Int\n42 : Int\ntype A is declared\n2 : Int\n");
    assert_eq!(done.stderr, "");
}

#[test]
fn an_entry_that_fails_fails_the_script_and_does_not_end_it() {
    let world = world();
    let done = session(&world, &[], "1\nnothing\n1 / 0\nexpect 1 == 2\n2\n").refused("3 of 5 entries failed");
    assert_eq!(done.stdout, "1 : Int\n2 : Int\n");
    for reason in [
        "--> (stdin):2:1",
        "error: line 2: 1 fault\n",
        "error: line 3: trap: division by zero\n",
        "error: line 4: does not hold: left is 1, right is 2\n",
    ] {
        assert!(done.stderr.contains(reason), "no `{reason}` in {done:#?}");
    }
}

#[test]
fn a_machine_is_stepped_and_time_passes() {
    let world = world();
    let script = "run Add { item: \"nut\", count: 5 }\nrun Reserve { order: \"o\", item: \"nut\", count: 2 }\n\
                  advance 15m\nexpect state.reserved == 0\n:quit\nnever reached\n";
    let done = session(&world, &[&stock()], script).expect(0);
    assert!(
        done.stdout.contains("  send billing[\"o\"] Charge { cents: 0 } (to payments/account)\n"),
        "{done:#?}"
    );
    assert!(done.stdout.contains("at 15m timer \"o\": Expire { order: \"o\" }\n"), "{done:#?}");
    assert!(done.stdout.ends_with("it is 15m now\nholds\n"), "{done:#?}");
}

#[test]
fn with_json_there_is_one_object_per_entry() {
    let world = world();
    let script = "run Add { item: \"nut\", count: 5 }\n\nrun Add\nstate.reserved\n";
    let done = session(&world, &[&stock(), "--json"], script).expect(1);
    let lines: Vec<Value> = done
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {done:#?}")))
        .collect();
    assert_eq!(lines.len(), 4, "{done:#?}");
    assert_eq!(lines[0]["kind"], "step");
    assert_eq!(lines[0]["output"]["value"], "Ok");
    assert_eq!(lines[0]["input"], json!({ "Add": { "item": "nut", "count": 5 } }));
    assert_eq!(
        lines[0]["changes"],
        json!([{ "path": "state.items[\"nut\"]", "before": null, "after": "{ count: 5, price: 0, note: None }" }])
    );
    assert_eq!((&lines[1]["kind"], &lines[1]["line"]), (&json!("error"), &json!(3)));
    let fault = &lines[1]["error"]["diagnostics"][0];
    assert_eq!(
        (&fault["code"], &fault["at"]["line"], &fault["at"]["column"]),
        (&json!("E0214"), &json!(3), &json!(5))
    );
    assert_eq!((&lines[2]["value"], &lines[2]["type"]), (&json!(0), &json!("Int")));
    assert_eq!(lines[3]["error"]["message"], "1 of 3 entries failed");
}

#[test]
fn a_program_can_hold_a_conversation() {
    let world = world();
    let mut child = world
        .command(&["repl", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut to = child.stdin.take().expect("it was asked for");
    let mut from = BufReader::new(child.stdout.take().expect("it was asked for"));
    for n in 1..=3 {
        // An empty line ends an entry: the answer comes before anything else is written.
        write!(to, "{n} +\n  1\n\n").expect("it reads");
        let mut line = String::new();
        from.read_line(&mut line).expect("it answers");
        let answer: Value = serde_json::from_str(&line).expect("a line is a document");
        assert_eq!(answer["value"], n + 1);
    }
    drop(to);
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_machine_of_a_project_has_the_projects_configuration_and_can_be_loaded_again() {
    let world = world();
    world.copy_example("counter/v1", "p");
    let text =
        String::from_utf8(world.read("p/apps/counter/machines/counter.cam")).expect("a machine is text");
    // Its tests, which come last, would have to say with which configuration.
    let (machine, _) = text.split_once("\ntest ").expect("the example has tests");
    let with = machine.replace("type State", "config { step: Int }\ntype State");
    assert_ne!(machine, with);
    world.write("p/apps/counter/machines/counter.cam", &with);
    let release = String::from_utf8(world.read("p/release.toml")).expect("a document is text");
    world.write("p/release.toml", format!("{release}\n[config.counter.counter]\nstep = 3\n"));
    let done =
        session(&world, &["p"], "config.step\nrun Incr\n:load\nstate\n:load p count\n").refused("1 of 5");
    assert!(done.stdout.starts_with("3 : Int\n"), "{done:#?}");
    assert!(done.stdout.contains("takes Incr, Read; the state is kept\n1 : Int\n"), "{done:#?}");
    assert!(done.stderr.contains("p has no machine `count`"), "{done:#?}");
}

#[test]
fn a_project_that_does_not_build_is_played_with_all_the_same() {
    let world = world();
    world.copy_example("counter/v2", "p");
    // Its predecessor is not there.
    let done = session(&world, &["p", "counter"], "run Incr\n").expect(0);
    assert!(done.stderr.contains("note: the project does not build"), "{done:#?}");
    assert!(done.stdout.starts_with("Ok : Output\n"), "{done:#?}");
}
