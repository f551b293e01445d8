//! The side of the agent that runs.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use camshaft_store::{FolderLock, Formats};
use tokio::sync::mpsc;

use super::wire::{FILES_MAX, Frame, Message, Wire, WireError};
use super::{Hello, PROTOCOL, VERSION, Welcome, socket};
use crate::api::Problem;
use crate::failpoint;
use crate::host::Host;
use crate::http::connections::Idle;
use crate::node::{Node, NodeError};
use crate::operate::{Busy, Operator, Outcome as Done};
use crate::problem;

/// How long the other agent may take for an answer that needs no work.
const ANSWER: Duration = Duration::from_secs(10);

/// How long it may take to verify bundles, or to load the state snapshot: nobody waits meanwhile.
const WORK: Duration = Duration::from_secs(600);

/// How long it may take to open the node, while clients wait.
const OPEN: Duration = Duration::from_secs(60);

/// How long it may take to end when it does not go on.
const GONE: Duration = Duration::from_secs(2);

/// How often it is looked whether the state snapshot is done.
const LOOK: Duration = Duration::from_millis(2);

/// Answers those who want to take the node over.
#[derive(Clone)]
pub(crate) struct Giver {
    pub(crate) host: Host,
    pub(crate) operator: Arc<Operator>,
    /// Where the node listens.
    pub(crate) listen: SocketAddr,
    /// Gets the one for whom the agent is to leave.
    pub(crate) leave: mpsc::Sender<Leaving>,
}

/// Somebody to whom the node is to be handed.
#[derive(Debug)]
pub(crate) struct Leaving {
    wire: Wire,
    process: Option<i32>,
    pub(crate) who: String,
    /// Other commands are refused until it is settled who has the node.
    _busy: Busy,
}

/// What came of handing a node over.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The process with this number has it.
    Taken(Option<u32>),
    /// Nobody has it: the one who was to get it is gone, or will not.
    Back(Box<Problem>),
    /// Nobody knows: the one who was to get it does not end.
    Unknown(WireError),
}

fn failed(error: &WireError) -> Box<Problem> {
    problem::TAKEOVER_FAILED.problem(error.to_string())
}

/// Returns what was said, or why that is not it.
fn expected<T>(frame: Frame, wanted: impl FnOnce(Message) -> Result<T, Message>) -> Done<T> {
    match wanted(frame.message) {
        Ok(value) => Ok(value),
        Err(Message::Refused(problem)) => Err(problem),
        Err(other) => Err(failed(&WireError::Unexpected(format!("{other:?}")))),
    }
}

/// Refuses another user than the agent's own, and one that the system does not tell. Root may do anything anyway.
fn check_user(own: u32, user: Option<u32>) -> Done<()> {
    let reason = match user {
        Some(user) if user == own || user == 0 => return Ok(()),
        Some(user) => format!("the agent is run by the user with the number {own}, and not by {user}"),
        None => "the system does not tell who asks for it".to_owned(),
    };
    Err(problem::TAKEOVER_USER.problem(reason))
}

impl Giver {
    /// Listens in the data folder for as long as the returned task runs. Without such a socket the node can be
    /// served, but not be taken over.
    pub(crate) fn listen(self, folder: &Path) -> Option<tokio::task::JoinHandle<()>> {
        let listening = socket::listen(folder).and_then(|listener| {
            listener.set_nonblocking(true)?;
            tokio::net::UnixListener::from_std(listener)
        });
        match listening {
            Ok(listener) => Some(tokio::spawn(self.answer_all(listener))),
            Err(error) => {
                tracing::warn!(%error, "no other agent will be able to take the node over");
                None
            }
        }
    }

    async fn answer_all(self, listener: tokio::net::UnixListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let giver = self.clone();
                    let peer = stream.peer_cred();
                    tokio::task::spawn_blocking(move || {
                        let Ok(stream) = stream.into_std() else { return };
                        giver.answer(stream, peer.ok());
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "somebody could not be heard who wants to take the node over");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// Speaks with one who wants to take the node over, up to where the agent has to leave.
    fn answer(&self, stream: UnixStream, peer: Option<tokio::net::unix::UCred>) {
        let Ok(mut wire) = Wire::new(stream) else { return };
        let mut who = "somebody".to_owned();
        match self.prepare(&mut wire, peer, &mut who) {
            Ok(busy) => {
                let process = peer.and_then(|peer| peer.pid());
                let leaving = Leaving { wire, process, who, _busy: busy };
                // Who does not take it is ending anyway; the other agent sees that by itself.
                let _ = self.leave.blocking_send(leaving);
            }
            Err(problem) => {
                let _ = self.host.call(|node| {
                    node.hand_over_no_more();
                    Ok(())
                });
                tracing::warn!(who, code = problem.code, "the node is not handed over: {}", problem.detail);
                // The other one may be gone, or have said it itself.
                let _ = wire.say(&Message::Refused(problem.clone()));
                self.operator.note_refused(&who, problem);
            }
        }
    }

    fn prepare(
        &self,
        wire: &mut Wire,
        peer: Option<tokio::net::unix::UCred>,
        who: &mut String,
    ) -> Done<Busy> {
        check_user(rustix::process::geteuid().as_raw(), peer.map(|peer| peer.uid()))?;
        let next = |wire: &mut Wire, patience| wire.receive(patience).map_err(|error| failed(&error));
        let hello: Hello = expected(next(wire, ANSWER)?, |message| match message {
            Message::Hello(hello) => Ok(hello),
            other => Err(other),
        })?;
        who.clone_from(&hello.who);
        if hello.protocol != PROTOCOL {
            let reason = format!(
                "agent {} takes over in way {}, and this one, {VERSION}, gives in way {PROTOCOL}",
                hello.agent, hello.protocol
            );
            return Err(problem::TAKEOVER_PROTOCOL.problem(reason));
        }
        let busy = self.operator.begin()?;
        failpoint::pass("handing.asked");
        tracing::info!(who, agent = hello.agent, "another agent is about to take the node over");
        let bundles = self.host.call(Node::needed_bundles)?;
        let writes = Formats::OURS;
        let agent = VERSION.to_owned();
        let welcome = Welcome { agent, writes, listen: self.listen, bundles: bundles.len() };
        wire.say(&Message::Welcome(welcome)).map_err(|error| failed(&error))?;
        for (entry, bytes) in bundles {
            wire.send(&Message::Bundle(entry), &bytes, &[]).map_err(|error| failed(&error))?;
        }
        expected(next(wire, WORK)?, |message| match message {
            Message::Verified => Ok(()),
            other => Err(other),
        })?;
        let number = self.save()?;
        failpoint::pass("handing.saved");
        wire.say(&Message::Saved(number)).map_err(|error| failed(&error))?;
        expected(next(wire, WORK)?, |message| match message {
            Message::Loaded => Ok(()),
            other => Err(other),
        })?;
        Ok(busy)
    }

    /// Makes a state snapshot while the node is served, and returns its number.
    fn save(&self) -> Done<u64> {
        self.host.call(|node| {
            if node.is_full() {
                let reason = "what waits for room is not durable, and another agent would not have it";
                return Err(NodeError::Refused(problem::DISK_FULL.problem(reason)));
            }
            node.begin_to_hand_over()
        })?;
        loop {
            if let Some(number) = self.host.call(|node| Ok(node.handed_over()))? {
                return Ok(number);
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Leaving {
    /// Hands lock, socket and connections over, after the journal was closed, and waits for what comes of it.
    pub(crate) fn give(mut self, lock: &FolderLock, listener: &TcpListener, idle: &[Idle]) -> Outcome {
        let opened = self.send_all(lock, listener, idle).and_then(|()| {
            failpoint::pass("handing.given");
            self.wire.receive(failpoint::figure("OPEN_MS").map_or(OPEN, Duration::from_millis))
        });
        let reason = match opened {
            Ok(Frame { message: Message::Opened, .. }) => {
                failpoint::pass("handing.taken");
                return Outcome::Taken(self.process.and_then(|process| u32::try_from(process).ok()));
            }
            Ok(Frame { message: Message::Refused(problem), .. }) => problem,
            Ok(frame) => failed(&WireError::Unexpected(format!("{:?}", frame.message))),
            Err(error) => failed(&error),
        };
        // It may have the journal open for as long as it holds the connection.
        if self.wire.wait_for_end(GONE).is_err() {
            self.kill();
        }
        match self.wire.wait_for_end(ANSWER) {
            Ok(()) => Outcome::Back(reason),
            Err(error) => Outcome::Unknown(error),
        }
    }

    fn send_all(
        &mut self,
        lock: &FolderLock,
        listener: &TcpListener,
        idle: &[Idle],
    ) -> Result<(), WireError> {
        self.wire.send(&Message::Yours, &[], &[lock.as_fd(), listener.as_fd()])?;
        for some in idle.chunks(FILES_MAX) {
            let sent: Vec<usize> = some.iter().map(|idle| idle.sent.len()).collect();
            let bytes: Vec<u8> = some.iter().flat_map(|idle| idle.sent.to_vec()).collect();
            let files: Vec<_> = some.iter().map(|idle| idle.stream.as_fd()).collect();
            self.wire.send(&Message::Connections(sent), &bytes, &files)?;
        }
        self.wire.say(&Message::All)
    }

    /// Kills the other agent. It holds the connection, so the number is still its own.
    fn kill(&self) {
        let Some(process) = self.process.and_then(rustix::process::Pid::from_raw) else { return };
        tracing::error!(process = process.as_raw_nonzero(), "the new agent does not go on, and is killed");
        if let Err(error) = rustix::process::kill_process(process, rustix::process::Signal::KILL) {
            tracing::error!(%error, "it cannot be killed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_is_handed_to_its_own_user_and_to_root_only() {
        assert!(check_user(1000, Some(1000)).is_ok() && check_user(1000, Some(0)).is_ok());
        for (user, reason) in [
            (Some(1001), "the agent is run by the user with the number 1000, and not by 1001"),
            (None, "the system does not tell who asks for it"),
        ] {
            let problem = check_user(1000, user).expect_err("it is another one");
            assert_eq!((problem.code.as_str(), problem.detail.as_str()), ("takeover-user", reason));
        }
        assert!(check_user(0, Some(1000)).is_err());
    }
}
