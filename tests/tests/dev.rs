//! `camshaft dev`: files are edited for real, and the lines that it prints are waited for.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};

use camshaft_tests::{PATIENCE, World};
use serde_json::{Value, json};

const MACHINE: &str = "p/apps/counter/machines/counter.cam";

fn world() -> World {
    let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
    world.copy_example("counter/v1", "p");
    world
}

/// A running `camshaft dev --json`; it dies with this.
struct Dev {
    child: Child,
    lines: Receiver<Value>,
}

impl Dev {
    fn start(world: &World) -> Dev {
        let mut command = world.command(&["dev", "p", "--json"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary runs");
        let stdout = child.stdout.take().expect("it was asked for");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).expect("a line is a document");
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let dev = Dev { child, lines };
        assert_eq!(dev.line()["event"], "watching");
        dev
    }

    fn line(&self) -> Value {
        self.lines.recv_timeout(PATIENCE).expect("it prints another line")
    }

    /// Waits for the end of the next round.
    fn round(&self) -> Value {
        let changed = self.line();
        assert_eq!(changed["event"], "changed", "{changed}");
        let round = self.line();
        assert_eq!(round["event"], "round", "{round}");
        assert_eq!(round["changed"], changed["files"]);
        round
    }

    /// Waits for a round for which `is` holds.
    fn until(&self, is: impl Fn(&Value) -> bool) -> Value {
        loop {
            let round = self.round();
            if is(&round) {
                return round;
            }
        }
    }

    fn interrupt(mut self) -> (Value, ExitStatus) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-INT", &pid]).status().expect("there is a kill");
        assert!(status.success());
        let last = self.line();
        (last, self.child.wait().expect("it ends"))
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(world: &World) -> String {
    String::from_utf8(world.read(MACHINE)).expect("a machine is text")
}

#[test]
fn each_save_is_checked_and_what_changed_is_told() {
    let world = world();
    let dev = Dev::start(&world);
    let first = dev.round();
    assert_eq!(
        (&first["clean"], &first["machines"], &first["changed"]),
        (&json!(true), &Value::Null, &json!([]))
    );
    assert_eq!(first["tests_passed"].as_u64().map(|count| count > 0), Some(true), "{first}");
    let bundle = world.at("p/dist/counter-1.0.0.tar.gz");
    assert_eq!(std::path::Path::new(first["bundle"].as_str().unwrap_or("")).file_name(), bundle.file_name());

    // All that is wrong is told, with its place.
    let good = text(&world);
    world.write(MACHINE, good.replace("(state + 1, Ok)", "(stat + 1, Okay)"));
    let faulty = dev.round();
    assert_eq!(
        (&faulty["clean"], &faulty["changed"]),
        (&json!(false), &json!(["apps/counter/machines/counter.cam"]))
    );
    let codes: Vec<&Value> =
        faulty["diagnostics"].as_array().expect("a list").iter().map(|one| &one["code"]).collect();
    assert_eq!(codes, ["E0206", "E0208"]);
    let before = std::fs::read(&bundle).expect("the bundle of the first round");

    // Mended, saved as editors do it: a file beside, renamed over the old one.
    world.write("p/apps/counter/machines/counter.cam.tmp", &good);
    std::fs::rename(world.at("p/apps/counter/machines/counter.cam.tmp"), world.at(MACHINE))
        .expect("writable");
    let mended = dev.until(|round| round["clean"] == true);
    assert_eq!(mended["machines"], json!([]), "every machine is as in the last good build");
    assert_eq!(std::fs::read(&bundle).expect("there"), before);

    // Another machine.
    world.write(
        MACHINE,
        good.replace("on Read => (state, Count(state))", "on Read => (state, Count(state * 1))"),
    );
    let other = dev.until(|round| round["clean"] == true);
    let change = &other["machines"][0];
    assert_eq!((&change["machine"], &change["what"]), (&json!("counter/counter"), &json!("changed")));
    assert_ne!(change["before"], change["after"]);
    assert_ne!(std::fs::read(&bundle).expect("there"), before);

    let (last, status) = dev.interrupt();
    assert_eq!(last, json!({ "event": "ended" }));
    assert_eq!(status.code(), Some(0));
}

#[test]
fn files_that_go_and_come_back_are_survived() {
    let world = world();
    let dev = Dev::start(&world);
    dev.round();
    let good = text(&world);
    std::fs::remove_file(world.at(MACHINE)).expect("it is there");
    let gone = dev.round();
    assert_eq!((&gone["clean"], &gone["diagnostics"][0]["code"]), (&json!(false), &json!("R0101")));
    world.write(MACHINE, &good);
    dev.until(|round| round["clean"] == true);

    // The whole project.
    std::fs::rename(world.at("p"), world.at("elsewhere")).expect("writable");
    let message = dev.round()["message"].to_string();
    assert!(message.contains("cannot read p"), "{message}");
    std::fs::rename(world.at("elsewhere"), world.at("p")).expect("writable");
    dev.until(|round| round["clean"] == true);
    // And it is watched as before.
    world.write(MACHINE, "machine");
    dev.until(|round| round["clean"] == false);
}

#[test]
fn a_folder_that_is_new_is_watched() {
    let world = world();
    let dev = Dev::start(&world);
    dev.round();
    let app = "name = \"more\"\nversion = \"1.0.0\"\nmachines = [\"m\"]\n";
    world.write("p/apps/more/app.toml", app);
    world.write(
        "p/apps/more/machines/m.cam",
        "machine m\ntype State = Int\ntype Input = | Go\ninit = 0\non Go => (state, ())\n",
    );
    let release = String::from_utf8(world.read("p/release.toml")).expect("a document is text");
    world.write("p/release.toml", format!("{release}more = {{ path = \"apps/more\" }}\n"));
    let with = dev.until(|round| round["clean"] == true && round["machines"] != json!([]));
    assert_eq!(
        (&with["machines"][0]["machine"], &with["machines"][0]["what"]),
        (&json!("more/m"), &json!("added"))
    );
    world.write("p/apps/more/machines/m.cam", "machine m\n");
    let faulty = dev.until(|round| round["clean"] == false);
    assert_eq!(faulty["changed"], json!(["apps/more/machines/m.cam"]));
}

#[test]
fn saves_without_end_lead_to_the_last_one() {
    let world = world();
    let dev = Dev::start(&world);
    let good = text(&world);
    let numbered = |n: u32| good.replace("(state + 1, Ok)", &format!("(state + {n} - {n} + 1, Ok)"));
    // While rounds run, as fast as it goes.
    for n in 1..200 {
        world.write(MACHINE, numbered(n));
    }
    world.copy_example("counter/v1", "other");
    world.write("other/apps/counter/machines/counter.cam", numbered(199));
    let expected = world.run(&["build", "other", "--json"]).expect(0).json()["digest"].clone();
    dev.until(|round| round["digest"] == expected);
    // A touch that changes nothing builds nothing: the next round is about the next change.
    world.write(MACHINE, numbered(199));
    world.write("p/release.toml", "name = 1\n");
    assert_eq!(dev.round()["changed"], json!(["release.toml"]));
}

#[test]
fn a_test_that_fails_keeps_the_bundle_back() {
    let world = world();
    let failing = format!("{}\ntest \"never\" {{ expect 1 == 2 }}\n", text(&world));
    world.write(MACHINE, failing);
    let once = world.run(&["dev", "p", "--once"]).refused("failed");
    assert!(once.stderr.contains("\"never\""), "{once:#?}");
    assert!(!world.at("p/dist").exists());
    let once = world.run(&["dev", "p", "--once", "--json"]).expect(1);
    let round = &once.json()["error"]["details"];
    let failed = |test: &&Value| test["passed"] == false;
    let names: Vec<&Value> =
        round["tests"].as_array().expect("a list").iter().filter(failed).map(|test| &test["name"]).collect();
    assert_eq!((&round["clean"], names.as_slice()), (&json!(false), &[&json!("never")][..]));
}

#[test]
fn one_round_ends_with_how_it_went() {
    let world = world();
    let done = world.run(&["dev", "p", "--once"]).expect(0);
    assert!(done.stdout.starts_with("counter 1.0.0: clean, p/dist/counter-1.0.0.tar.gz ("), "{done:#?}");
    assert!(done.stdout.contains("\n  1 machine\n"), "{done:#?}");
    // Held against the bundle that is there.
    let again = world.run(&["dev", "p", "--once"]).expect(0);
    assert!(again.stdout.contains("every machine is as in the last good build"), "{again:#?}");
    world.write(MACHINE, "machine counter\n");
    world.run(&["dev", "p", "--once"]).refused("E0205");
}
