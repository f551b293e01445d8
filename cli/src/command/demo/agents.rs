//! The agents of the demo: processes of this same binary.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::failure::Failure;
use crate::files;
use crate::http::Node;

/// An agent as a child process; it ends with this value.
pub struct Agent {
    name: String,
    folder: PathBuf,
    child: Child,
    url: String,
    node: Node,
}

impl Agent {
    /// Starts the agent with a number and waits until it listens.
    pub fn start(folder: &Path, number: usize) -> Result<Agent, Failure> {
        let name = format!("node{number}");
        let (child, url) = spawn(folder, &name)?;
        // From here on the value ends the process, whatever happens.
        let node = Node::at(Some(&url))?;
        Ok(Agent { name, folder: folder.to_owned(), child, url, node })
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the way to talk to it.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Ends the process with `kill -9`, and starts another on the same folder.
    pub fn kill_and_restart(&mut self) -> Result<(), Failure> {
        end(&mut self.child);
        let (child, url) = spawn(&self.folder, &self.name)?;
        (self.child, self.node, self.url) = (child, Node::at(Some(&url))?, url);
        Ok(())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    // Both fail only when it has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

fn spawn(folder: &Path, name: &str) -> Result<(Child, String), Failure> {
    let program = std::env::current_exe().map_err(|error| {
        Failure::fault(format!("cannot find this program itself: {error}"), "was it moved while it ran?")
    })?;
    let log = folder.join(format!("{name}.log"));
    let file = File::options()
        .create(true)
        .append(true)
        .open(&log)
        .map_err(|error| files::cannot("write", &log, &error))?;
    let mut child = Command::new(program)
        .args(["agent", "--listen", "127.0.0.1:0", "--json", "--data"])
        .arg(folder.join(name))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(file)
        .spawn()
        .map_err(|error| {
            Failure::fault(format!("cannot start an agent: {error}"), "are processes limited here?")
        })?;
    let mut line = String::new();
    // One line comes when the agent listens; the end of the stream when it dies before that.
    let _ = child.stdout.take().map(|stdout| BufReader::new(stdout).read_line(&mut line));
    let ready: Option<serde_json::Value> = serde_json::from_str(&line).ok();
    match ready.as_ref().and_then(|ready| ready["listening"].as_str()) {
        Some(url) => Ok((child, url.to_owned())),
        None => {
            end(&mut child);
            let log = std::fs::read(&log).unwrap_or_default();
            let last = String::from_utf8_lossy(&log).lines().last().unwrap_or("it said nothing").to_owned();
            Err(Failure::fault(
                format!("{name} did not start: {line}{last}"),
                "camshaft demo --keep leaves its log",
            ))
        }
    }
}
