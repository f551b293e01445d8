//! The README's five-minute tour: its commands are run, and what they print is what it says.

use std::net::TcpListener;
use std::process::Stdio;

use camshaft_tests::{Done, World, repository, until};

const HEADING: &str = "## A tour in five minutes";

/// Returns the commands of the tour with what each is said to print.
fn commands(readme: &str) -> Vec<(String, Option<String>)> {
    let (_, tour) = readme.split_once(HEADING).expect("the README has the tour");
    let tour = tour.split("\n## ").next().unwrap_or_default();
    let blocks = tour.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
    let lines =
        blocks.flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| match line.split_once("  # ") {
            Some((command, said)) => (command.trim().to_owned(), Some(said.trim().to_owned())),
            None => (line.to_owned(), None),
        })
        .collect()
}

#[test]
fn the_commands_of_the_tour_do_what_the_readme_says() {
    let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
    std::fs::create_dir(world.at("bin")).expect("the world is writable");
    std::os::unix::fs::symlink(world.program(), world.at("bin/camshaft")).expect("the world is writable");
    world.copy_example("counter", "examples/counter");
    let path = format!("{}:{}", world.at("bin").display(), std::env::var("PATH").unwrap_or_default());
    // The tour names a port. Here a free one takes its place: it is free as long as nobody else asks.
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();

    let readme = std::fs::read_to_string(repository().join("README.md")).expect("there is a README");
    let commands = commands(&readme);
    assert!(commands.len() >= 10, "the tour is gone: {commands:?}");
    let mut environment: Vec<(String, String)> = Vec::new();
    let mut agents = Vec::new();
    for (line, said) in &commands {
        let line = line.replace("127.0.0.1:7101", &format!("127.0.0.1:{port}"));
        if line.starts_with("cargo ") {
            continue; // What it builds is here already.
        }
        if let Some((name, value)) = line.strip_prefix("export ").and_then(|rest| rest.split_once('=')) {
            environment.push((name.to_owned(), value.to_owned()));
            continue;
        }
        let mut command = std::process::Command::new("bash");
        command.current_dir(world.path()).env("PATH", &path).env_remove("CAMSHAFT_NODE");
        command.envs(environment.iter().cloned()).stdin(Stdio::null());
        if let Some(background) = line.strip_suffix('&') {
            let log = std::fs::File::create(world.at("agent.log")).expect("the world is writable");
            command.args(["-c", &format!("exec {background}")]).stdout(log).stderr(Stdio::null());
            agents.push(Killed(command.spawn().expect("bash runs")));
            let listens = || std::net::TcpStream::connect(("127.0.0.1", port)).ok();
            drop(until("the agent of the tour", listens));
            continue;
        }
        let done = Done::of(command.args(["-c", &line]));
        match said.as_deref() {
            Some(said) if said.starts_with("exit 1: ") => {
                drop(done.refused(said.trim_start_matches("exit 1: ")));
            }
            Some(said) if said.starts_with(['"', '{']) => {
                let done = done.expect(0);
                assert_eq!(done.stdout.trim(), said.split(": ").next().unwrap_or(said), "{done:#?}");
            }
            _ => drop(done.expect(0)),
        }
    }
    assert_eq!(agents.len(), 1, "the tour starts an agent");
}

/// A child that does not outlive the test.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
