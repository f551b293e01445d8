//! Agents as child processes.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::client::Client;
use crate::until;
use crate::world::World;

/// A running agent, or registry. It is killed when the guard goes.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    url: String,
    log: PathBuf,
}

/// How an agent ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Death {
    /// It ended by itself, with an exit code.
    Code(i32),
    /// A signal ended it; 9 is `kill -9`.
    Signal(i32),
}

impl Agent {
    /// Starts an agent on a free port of loopback and waits until it is ready.
    ///
    /// # Panics
    ///
    /// When it does not become ready; the message has its log.
    pub fn start(world: &World, data: &str) -> Agent {
        Agent::start_with(world, data, &[])
    }

    /// The same with further environment variables.
    ///
    /// # Panics
    ///
    /// When it does not become ready.
    pub fn start_with(world: &World, data: &str, environment: &[(&str, &str)]) -> Agent {
        Agent::try_start(world, data, environment)
            .unwrap_or_else(|(log, death)| panic!("the agent did not start ({death:?}):\n{log}"))
    }

    /// Starts an agent with these arguments and waits until it is ready. `name` is that of its log.
    ///
    /// # Panics
    ///
    /// When it does not become ready; the message has its log.
    pub fn start_words(world: &World, name: &str, words: &[&str]) -> Agent {
        Agent::spawn(world, name, &[&["agent"], words].concat(), &[])
            .unwrap_or_else(|(log, death)| panic!("the agent did not start ({death:?}):\n{log}"))
    }

    /// The same, for agents that may die while they start.
    ///
    /// # Errors
    ///
    /// The log, and how the agent ended.
    ///
    /// # Panics
    ///
    /// When the program cannot be run at all.
    pub fn try_start(
        world: &World,
        data: &str,
        environment: &[(&str, &str)],
    ) -> Result<Agent, (String, Death)> {
        let words = ["agent", "--data", data, "--listen", "127.0.0.1:0"];
        Agent::spawn(world, data, &words, environment)
    }

    /// Starts an agent that takes the node over from the one that runs on this folder, and waits until it is ready.
    /// `name` is that of its log.
    ///
    /// # Errors
    ///
    /// The log, and how the agent ended.
    ///
    /// # Panics
    ///
    /// When the program cannot be run at all.
    pub fn take_over(
        world: &World,
        (name, data): (&str, &str),
        environment: &[(&str, &str)],
    ) -> Result<Agent, (String, Death)> {
        Agent::spawn(world, name, &["agent", "--data", data, "--take-over"], environment)
    }

    /// Returns the number of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Starts a server of the registry in this folder, which takes what comes with the token in a
    /// file, and waits until it is ready.
    ///
    /// # Panics
    ///
    /// When it does not become ready; the message has its log.
    pub fn registry(world: &World, folder: &str, token_file: Option<&str>) -> Agent {
        let mut words = vec!["registry", "serve", "--dir", folder, "--listen", "127.0.0.1:0"];
        words.extend(token_file.iter().flat_map(|file| ["--token-file", file]));
        Agent::spawn(world, folder, &words, &[])
            .unwrap_or_else(|(log, death)| panic!("the registry did not start ({death:?}):\n{log}"))
    }

    /// The same, for agents with further arguments.
    ///
    /// # Errors
    ///
    /// The log, and how the agent ended.
    ///
    /// # Panics
    ///
    /// When the program cannot be run at all.
    pub fn try_start_as(world: &World, data: &str, arguments: &[&str]) -> Result<Agent, (String, Death)> {
        let words = [&["agent", "--data", data, "--listen", "127.0.0.1:0"], arguments].concat();
        Agent::spawn(world, data, &words, &[])
    }

    fn spawn(
        world: &World,
        name: &str,
        words: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Agent, (String, Death)> {
        let log = world.at(&format!("{}.log", name.replace('/', "-")));
        let stderr = File::options().create(true).append(true).open(&log).expect("the world is writable");
        let words = [words, &["--json"]].concat();
        let mut command: Command = world.command(&words);
        command.envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().expect("the binary can be run");
        let stdout = child.stdout.take().expect("stdout is a pipe");
        // The line comes when the agent has recovered and listens; its end comes when it dies.
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        let ready: Option<serde_json::Value> = read.ok().and_then(|_| serde_json::from_str(&line).ok());
        match ready.as_ref().and_then(|ready| ready["listening"].as_str()) {
            Some(url) => Ok(Agent { child, url: url.to_owned(), log }),
            None => {
                let death = death(&mut child);
                // With `--json` it says on stdout why it does not start.
                Err((text(&log) + &line, death))
            }
        }
    }

    /// Returns the address, such as `http://127.0.0.1:40123`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns a client of this agent.
    pub fn client(&self) -> Client {
        Client::new(&self.url)
    }

    /// Returns what the agent logged so far.
    pub fn log(&self) -> String {
        text(&self.log)
    }

    /// Ends the agent with `kill -9` and waits until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    /// Asks the agent to stop, as an operator's Ctrl-C or systemd does, and waits for its end.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub fn stop(mut self) -> Death {
        self.ask_to_stop();
        self.wait()
    }

    /// Asks the agent to stop, and does not wait for its end.
    ///
    /// # Panics
    ///
    /// When it cannot be asked.
    pub fn ask_to_stop(&self) {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().expect("there is a kill command");
        assert!(asked.success(), "cannot signal the agent");
    }

    /// Waits until the agent has died.
    ///
    /// # Panics
    ///
    /// When it lives on.
    pub fn died(mut self) -> Death {
        self.wait()
    }

    /// Returns true when the process is gone.
    pub fn is_dead(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    fn wait(&mut self) -> Death {
        until("the end of the agent", || self.child.try_wait().ok().flatten().map(|_| ()));
        death(&mut self.child)
    }

    fn end(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("--- the agent's log, its end:");
            for line in tail.into_iter().rev() {
                eprintln!("{line}");
            }
        }
    }
}

fn text(log: &Path) -> String {
    std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn death(child: &mut Child) -> Death {
    use std::os::unix::process::ExitStatusExt;
    let status = child.wait().expect("a child can be waited for");
    match (status.code(), status.signal()) {
        (Some(code), _) => Death::Code(code),
        (None, signal) => Death::Signal(signal.unwrap_or(0)),
    }
}
