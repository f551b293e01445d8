//! The side of the agent that takes over.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use camshaft_cam::digest::Digest;
use camshaft_store::{FolderJournal, FolderLock, Formats, Onlooker};

use super::wire::{Frame, Message, Wire, WireError};
use super::{Hello, PROTOCOL, TakeOver, VERSION, Welcome, socket, supervisor};
use crate::api::Problem;
use crate::failpoint;
use crate::node::{Asked, Node, Opener, Preloaded, Settings};
use crate::ports::Bindings;
use crate::problem;
use crate::release::Release;
use crate::serve::{ServeError, check_address, now_ms};
use crate::stage::stage_kept;
use crate::trust::{Gate, Trust};

/// How long the agent that runs may take for an answer that needs no work.
const ANSWER: Duration = Duration::from_secs(30);

/// How long it may take to make a state snapshot, or to answer what is under way.
const WORK: Duration = Duration::from_secs(600);

/// Why a node was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum TakeOverError {
    /// There is none.
    #[error("no agent runs on {folder} that could be taken over")]
    Nobody {
        /// The data folder.
        folder: String,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// One of the two agents will not.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// The agent that runs broke off.
    #[error("the agent that runs did not hand the node over")]
    Broken(#[from] WireError),
    /// It handed the node over, and nobody can tell whether the new agent opened it.
    #[error("the agent that was to take over does not end; nobody has the node")]
    Unknown(#[source] WireError),
}

/// A node that was taken over, and is open.
pub(crate) struct Taken {
    pub(crate) link: Link,
    pub(crate) node: Node,
    pub(crate) gate: Gate,
    pub(crate) lock: FolderLock,
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
    pub(crate) connections: Vec<(TcpStream, Bytes)>,
}

/// The way to the agent that ran. While it is open, that agent waits.
pub(crate) struct Link(Wire);

impl Link {
    /// Tells that the node is open: from here on the other agent does not come back.
    pub(crate) fn opened(mut self) {
        if let Err(error) = self.0.say(&Message::Opened) {
            tracing::warn!(%error, "the agent that ran has gone already");
        }
        failpoint::pass("takeover.told");
        // Only then is this one the agent, in the supervisor's eyes.
        let ended = std::thread::Builder::new().name("predecessor".to_owned()).spawn(move || {
            if let Err(error) = self.0.wait_for_end(ANSWER) {
                tracing::warn!(%error, "the agent that ran has not ended");
            }
            supervisor::ready();
        });
        if let Err(error) = ended {
            tracing::warn!(%error, "the supervisor will not be told");
        }
    }
}

fn refused(problem: Box<Problem>) -> ServeError {
    ServeError::TakeOver(TakeOverError::Refused(problem))
}

fn broken(error: WireError) -> ServeError {
    ServeError::TakeOver(TakeOverError::Broken(error))
}

fn unexpected(message: Message) -> ServeError {
    match message {
        Message::Refused(problem) => refused(problem),
        other => broken(WireError::Unexpected(format!("{other:?}"))),
    }
}

/// What the new agent needs to know of itself.
pub(crate) struct Taker<'t> {
    pub(crate) folder: &'t Path,
    pub(crate) asked: &'t TakeOver,
    pub(crate) trust: &'t Trust,
    pub(crate) ports: &'t Bindings,
    pub(crate) settings: Settings,
}

/// Takes a node over from the agent that runs.
///
/// # Errors
///
/// Why not. The other agent has been told, or sees it by the end of the connection.
pub(crate) fn take(taker: &Taker<'_>) -> Result<Taken, ServeError> {
    let nobody = |source| {
        let folder = taker.folder.display().to_string();
        ServeError::TakeOver(TakeOverError::Nobody { folder, source })
    };
    let stream = socket::connect(taker.folder).map_err(nobody)?;
    let mut wire = Wire::new(stream)?;
    match taker.speak(&mut wire) {
        Ok(given) => taker.open(given, Link(wire)),
        Err(error) => {
            tell(&mut wire, &error);
            if !matches!(error, ServeError::TakeOver(TakeOverError::Broken(_))) {
                // It may be sending still, and hears the reason only when it gets done with that.
                let _ = wire.wait_for_end(ANSWER);
            }
            Err(error)
        }
    }
}

/// Tells the other agent why its node is not taken over.
fn tell(wire: &mut Wire, error: &ServeError) {
    let problem = match error {
        ServeError::TakeOver(TakeOverError::Refused(problem)) => problem.clone(),
        error => problem::TAKEOVER_FAILED.problem(crate::serve::chain(error)),
    };
    // Who is gone needs no telling.
    let _ = wire.say(&Message::Refused(problem));
}

/// What was handed over.
struct Given {
    from: String,
    lock: OwnedFd,
    listener: TcpListener,
    address: SocketAddr,
    connections: Vec<(TcpStream, Bytes)>,
    preloaded: Option<Preloaded>,
    known: Known,
}

/// Releases that were verified.
type Known = Arc<BTreeMap<Digest, Arc<Release>>>;

impl Taker<'_> {
    fn speak(&self, wire: &mut Wire) -> Result<Given, ServeError> {
        let mut reads = Formats::OURS;
        // Lets a test look like an earlier version.
        reads.records = failpoint::figure("READS").unwrap_or(reads.records);
        let protocol = failpoint::figure("PROTOCOL").unwrap_or(PROTOCOL);
        let hello = Hello { protocol, agent: VERSION.to_owned(), reads, who: self.asked.who.clone() };
        wire.say(&Message::Hello(hello)).map_err(broken)?;
        let welcome = match wire.receive(ANSWER).map_err(broken)?.message {
            Message::Welcome(welcome) => welcome,
            other => return Err(unexpected(other)),
        };
        self.check(&welcome, &reads)?;
        let known: Known = Arc::new(self.verify(wire, welcome.bundles)?);
        failpoint::pass("takeover.verified");
        wire.say(&Message::Verified).map_err(broken)?;
        let number = match wire.receive(WORK).map_err(broken)?.message {
            Message::Saved(number) => number,
            other => return Err(unexpected(other)),
        };
        let preloaded = self.preload(number, &known)?;
        failpoint::pass("takeover.loaded");
        wire.say(&Message::Loaded).map_err(broken)?;
        let (lock, listener) = yours(wire.receive(WORK).map_err(broken)?)?;
        let connections = connections(wire)?;
        failpoint::pass("takeover.given");
        if failpoint::fault("takeover-hangs") {
            loop {
                std::thread::park();
            }
        }
        let from = welcome.agent;
        let address = listener.local_addr()?;
        Ok(Given { from, lock, listener, address, connections, preloaded, known })
    }

    /// Checks everything that can be known before the other agent stops anything.
    fn check(&self, welcome: &Welcome, reads: &Formats) -> Result<(), ServeError> {
        if let Some(reason) = reads.reason_unreadable(&welcome.writes) {
            let reason = format!("{reason} (it runs agent {}, this is {VERSION})", welcome.agent);
            return Err(refused(problem::TAKEOVER_FORMATS.problem(reason)));
        }
        if let Some(said) = self.asked.listen.filter(|said| !is_same(*said, welcome.listen)) {
            let reason =
                format!("the node listens on {}, and the new agent is to listen on {said}", welcome.listen);
            return Err(refused(problem::TAKEOVER_LISTEN.problem(reason)));
        }
        check_address(self.trust, welcome.listen)
    }

    /// Verifies the bundles that a start needs.
    fn verify(&self, wire: &mut Wire, count: usize) -> Result<BTreeMap<Digest, Arc<Release>>, ServeError> {
        let mut known = BTreeMap::new();
        for _ in 0..count {
            let Frame { message, bytes, .. } = wire.receive(ANSWER).map_err(broken)?;
            let entry = match message {
                Message::Bundle(entry) => entry,
                other => return Err(unexpected(other)),
            };
            let of = |reason: String| {
                let reason = format!("{} {}: {reason}", entry.name, entry.version);
                refused(problem::TAKEOVER_RELEASE.problem(reason))
            };
            let release = stage_kept(&bytes, &entry).map_err(|error| of(error.to_string()))?;
            self.ports.check(release.ports()).map_err(|unbound| of(unbound.to_string()))?;
            known.insert(entry.archive, Arc::new(release));
        }
        Ok(known)
    }

    fn opener(&self, known: &Known) -> Box<Opener> {
        let known = known.clone();
        Box::new(move |bytes, entry| match known.get(&entry.archive) {
            Some(release) if release.entry == *entry => Ok(release.clone()),
            _ => stage_kept(bytes, entry).map(Arc::new).map_err(|error| error.to_string()),
        })
    }

    /// Loads the state snapshot that the other agent made; it serves on meanwhile.
    fn preload(&self, number: u64, known: &Known) -> Result<Option<Preloaded>, ServeError> {
        if number == 0 {
            return Ok(None);
        }
        let onlooker = Box::new(Onlooker::at(self.folder, number));
        Ok(Some(Node::preload(onlooker, self.opener(known), self.settings)?))
    }

    /// Opens the node that is ours now; when that fails, the other agent is told, and takes it back.
    fn open(&self, given: Given, mut link: Link) -> Result<Taken, ServeError> {
        let Given { from, lock, listener, address, connections, preloaded, known } = given;
        match self.lock_and_open(&from, lock, preloaded, &known) {
            Ok((node, gate, lock)) => Ok(Taken { link, node, gate, lock, listener, address, connections }),
            Err(error) => {
                tell(&mut link.0, &error);
                Err(error)
            }
        }
    }

    fn lock_and_open(
        &self,
        from: &str,
        lock: OwnedFd,
        preloaded: Option<Preloaded>,
        known: &Known,
    ) -> Result<(Node, Gate, FolderLock), ServeError> {
        let lock = FolderLock::handed(lock, self.folder)?;
        let (journal, opened, _) = FolderJournal::open_with(self.folder, lock.clone())?;
        if let Some(torn) = &opened.torn {
            tracing::warn!(file = torn.file, offset = torn.offset, "the last group of records is cut off");
        }
        let gate = Gate::open(self.trust.clone(), self.folder)?;
        let newest = journal.newest_snapshot()?;
        let mut node = match preloaded.filter(|preloaded| preloaded.number() == newest) {
            Some(preloaded) => preloaded.open(Box::new(journal), now_ms())?,
            None => Node::open(Box::new(journal), self.opener(known), self.settings, now_ms())?,
        };
        failpoint::pass("takeover.opened");
        let asked = Asked { who: self.asked.who.clone(), now_ms: now_ms() };
        node.taken_over(&asked, from, VERSION)?;
        failpoint::pass("takeover.noted");
        Ok((node, gate, lock))
    }
}

/// Returns true when somebody who was told to listen on `said` may listen on `on`.
fn is_same(said: SocketAddr, on: SocketAddr) -> bool {
    said.ip() == on.ip() && (said.port() == on.port() || said.port() == 0)
}

/// Returns lock and listening socket.
fn yours(frame: Frame) -> Result<(OwnedFd, TcpListener), ServeError> {
    match (frame.message, <[OwnedFd; 2]>::try_from(frame.files)) {
        (Message::Yours, Ok([lock, listener])) => Ok((lock, TcpListener::from(listener))),
        (Message::Yours, Err(files)) => {
            let reason = format!("{} files, where there are two", files.len());
            Err(broken(WireError::Unexpected(reason)))
        }
        (other, _) => Err(unexpected(other)),
    }
}

/// Returns the connections that are between two requests, with what they sent of the next.
fn connections(wire: &mut Wire) -> Result<Vec<(TcpStream, Bytes)>, ServeError> {
    let mut connections = vec![];
    loop {
        let Frame { message, bytes, files } = wire.receive(ANSWER).map_err(broken)?;
        let sent = match message {
            Message::All => return Ok(connections),
            Message::Connections(sent) if sent.len() == files.len() => sent,
            other => return Err(unexpected(other)),
        };
        let mut rest = Bytes::from(bytes);
        for (file, sent) in files.into_iter().zip(sent) {
            if sent > rest.len() {
                return Err(broken(WireError::Unexpected("fewer bytes than it says".to_owned())));
            }
            connections.push((TcpStream::from(file), rest.split_to(sent)));
        }
    }
}
