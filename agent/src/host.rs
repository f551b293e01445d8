//! The threads of a node: one for each shard, one for the journal, one for what operators ask for, one
//! that drops what is large and needed no more, and after a start one that works out what becomes of large states
//! before they are used.
//!
//! A shard's thread takes what waits, up to a group, lets the shard run, and hands the records with the
//! answers that hang on them to the journal's thread before it hands messages to other shards. The
//! journal's thread makes one frame of all groups that wait, writes and syncs it, and gives the answers
//! away. No timer makes groups: while one is being synced, the next one gathers.
//!
//! Requests are bounded in number; above that they are refused at once.

mod ahead;
mod away;
mod places;
mod shard;
mod writer;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use camshaft_manifests::{AppName, InstanceAddress};
use camshaft_store::StoreError;
use tokio::sync::{mpsc, oneshot, watch};

pub(crate) use away::Away;
use places::{Kind, Places};
use shard::{ToShard, shard_thread};
use writer::{ToWriter, writer_thread};

use crate::api::Problem;
use crate::engine::{Discarded, Epoch, Identity, Reply, Request, RequestId, shard_of};
use crate::node::{Departing, Group, Node, NodeError};
use crate::ports::{CallEnd, CallId, CallOut};
use crate::problem;
use crate::speech::Says;

/// How many requests may wait in a node when nobody says otherwise.
pub const WAITING_MAX: usize = 4096;

/// How many commands of operators may wait.
const COMMANDS_MAX: usize = 64;

/// How many groups may wait for the journal's thread; a shard that has another one waits with it.
const GROUPS_MAX: usize = 256;

/// How long the sweeper rests after a batch.
const SWEEP: Duration = Duration::from_millis(2);

/// How long what is large is taken down at a time, and the rest after it: a fraction of what an input may wait.
const DISCARD: Duration = Duration::from_micros(200);

/// How often it is looked whether a state snapshot is due.
const LOOK: Duration = Duration::from_millis(100);

/// A request from outside that has no number yet.
#[derive(Debug)]
pub struct Input {
    /// The instance.
    pub address: InstanceAddress,
    /// The input in its JSON form, in the version that the client speaks.
    pub json: String,
    /// What the client says of that version.
    pub says: Says,
    /// What makes it this request and no other.
    pub identity: Option<Identity>,
    /// The trace that it belongs to.
    pub trace: Option<String>,
}

/// Who gets a reply.
#[derive(Debug)]
pub(crate) enum Sink {
    One(oneshot::Sender<Reply>),
    Many(mpsc::UnboundedSender<(usize, Reply)>, usize),
}

impl Sink {
    fn give(self, reply: Reply) {
        // Who asked may be gone; the step is durable all the same.
        match self {
            Sink::One(sender) => drop(sender.send(reply)),
            Sink::Many(sender, index) => drop(sender.send((index, reply))),
        }
    }
}

type Job = Box<dyn FnOnce(&mut Node) -> Result<(), StoreError> + Send>;

enum Command {
    Call(Job),
    Stop(Save),
}

/// Whether a state snapshot is made before the threads end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Save {
    /// So that the next start is quick.
    Snapshot,
    /// One was made lately, and somebody waits for the folder.
    Nothing,
}

/// What all threads of a node see.
pub(crate) struct Shared {
    shards: Vec<Sender<ToShard>>,
    /// The last switch, from before any shard goes over it.
    epoch: RwLock<Option<Arc<Epoch>>>,
    /// True while nothing can be recorded.
    full: AtomicBool,
    /// How many requests wait.
    places: Places,
    /// True when the agent is about to stop.
    stopping: watch::Sender<bool>,
    /// Told when a thread ends, for whatever reason.
    ended: Mutex<Option<oneshot::Sender<()>>>,
    /// Why a thread ended.
    failure: Mutex<Option<StoreError>>,
    calls: Mutex<Option<mpsc::UnboundedSender<CallOut>>>,
}

impl Shared {
    fn epoch(&self) -> Option<Arc<Epoch>> {
        self.epoch.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_epoch(&self, epoch: Option<Arc<Epoch>>) {
        *self.epoch.write().unwrap_or_else(PoisonError::into_inner) = epoch;
    }

    fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    /// Tells that a thread ends.
    fn end(&self, failure: Option<StoreError>) {
        if let Some(failure) = failure {
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        }
        if let Some(ended) = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Nobody may listen any more.
            let _ = ended.send(());
        }
        for shard in &self.shards {
            // It may have ended already.
            let _ = shard.send(ToShard::Stop);
        }
    }

    fn call_out(&self, calls: Vec<CallOut>) {
        if calls.is_empty() {
            return;
        }
        if let Some(out) = &*self.calls.lock().unwrap_or_else(PoisonError::into_inner) {
            for call in calls {
                // Who makes them may be gone; they are made again after the next start.
                let _ = out.send(call);
            }
        }
    }

    fn shard(&self, address: &InstanceAddress, says: Option<&Says>) -> usize {
        let shards = u16::try_from(self.shards.len()).unwrap_or(1);
        if shards == 1 {
            return 0;
        }
        let Some(epoch) = self.epoch() else {
            return usize::from(shard_of(&BTreeMap::<AppName, AppName>::new(), shards, address));
        };
        // A client uses the names of the version that it speaks; the shard is that of those that run.
        let moved = says.and_then(|says| epoch.release.speech.moved(says, address));
        let moved = moved.map(|moved| address.at(moved));
        usize::from(shard_of(&epoch.homes, shards, moved.as_ref().unwrap_or(address)))
    }
}

/// Ends all threads when one of them does, by a panic as well.
struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.end(None);
    }
}

/// The way to the threads of a node.
#[derive(Clone)]
pub struct Host {
    shared: Arc<Shared>,
    commands: SyncSender<Command>,
}

/// The threads of a node.
pub struct HostThreads {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What time it is, in milliseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

impl Host {
    /// Starts the threads. `ended` is told when one of them ends, for whatever reason; `calls` gets the
    /// calls on ports.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn start(
        mut node: Node,
        clock: Clock,
        waiting_max: usize,
        ended: oneshot::Sender<()>,
        calls: Option<mpsc::UnboundedSender<CallOut>>,
    ) -> std::io::Result<(Host, HostThreads)> {
        let (commands, to_do) = sync_channel(COMMANDS_MAX);
        let outstanding = node.take_calls();
        let mut threads = vec![];
        let mut found = None;
        let of_node = clock.clone();
        let may_be_behind = node.may_be_behind();
        let node = node.depart(|departing, epoch| {
            let Departing { shards, journal, waiting } = departing;
            let (lines, inboxes): (Vec<_>, Vec<_>) = shards.iter().map(|_| channel()).unzip();
            let (to_writer, groups) = sync_channel(GROUPS_MAX);
            let shared = Arc::new(Shared {
                shards: lines,
                epoch: RwLock::new(epoch),
                full: AtomicBool::new(false),
                places: Places::new(waiting_max),
                stopping: watch::Sender::new(false),
                ended: Mutex::new(Some(ended)),
                failure: Mutex::new(None),
                calls: Mutex::new(calls),
            });
            shared.call_out(outstanding);
            threads.push(spawn("journal", &shared, {
                let shared = shared.clone();
                move || writer_thread(&shared, journal, &groups)
            })?);
            // Before all that comes from the shards' threads.
            for Group { lane, chunk, calls, .. } in waiting {
                // A writer that is gone tells so itself.
                let _ = to_writer.send(ToWriter::Group(Group { lane, chunk, answers: vec![], calls }));
            }
            let (discards, discarded) = channel::<Vec<Discarded>>();
            threads.push(spawn("discard", &shared, move || {
                discard_thread(discarded);
                Ok(())
            })?);
            for (index, (shard, inbox)) in shards.into_iter().zip(inboxes).enumerate() {
                let (shared_too, to_writer, clock) = (shared.clone(), to_writer.clone(), clock.clone());
                let discards = discards.clone();
                let run = move || shard_thread(&shared_too, shard, &inbox, &to_writer, &clock, &discards);
                threads.push(spawn(&format!("shard-{index}"), &shared, run)?);
            }
            found = Some(shared.clone());
            Ok::<_, std::io::Error>(Away::new(shared, to_writer))
        })?;
        let shared = found.expect("the node departed");
        threads.push(spawn("node", &shared, {
            let shared = shared.clone();
            move || node_thread(&shared, node, &to_do, &of_node)
        })?);
        let host = Host { shared: shared.clone(), commands };
        if may_be_behind {
            let host = host.clone();
            // Nobody waits for its end, and the node goes on without it.
            let run = move || ahead::work_ahead(&host);
            drop(std::thread::Builder::new().name("ahead".to_owned()).spawn(run)?);
        }
        Ok((host, HostThreads { shared, threads }))
    }

    /// Gives an input to the node and waits until its answer is durable.
    ///
    /// # Errors
    ///
    /// When the node is busy or gone.
    pub async fn input(&self, input: Input) -> Result<Reply, Box<Problem>> {
        let (answer, answered) = oneshot::channel();
        self.shared.places.admit(1, Kind::One)?;
        self.send(input, Sink::One(answer))?;
        answered.await.map_err(|_| gone())
    }

    /// Gives inputs to the node and waits for nothing: all of them, or none when it returns an error.
    /// Each has a number, with which its answer goes to `answers` when it is durable. An input whose
    /// answer never comes, because the last sender of `answers` is gone before, is of a node that
    /// ended: nobody knows whether it is durable.
    ///
    /// # Errors
    ///
    /// When the node is busy, and the inputs are where they were; or when it is gone.
    pub fn input_all(
        &self,
        inputs: &mut Vec<(usize, Input)>,
        answers: &mpsc::UnboundedSender<(usize, Reply)>,
    ) -> Result<(), Box<Problem>> {
        self.shared.places.admit(inputs.len(), Kind::OfMany)?;
        let mut by_shard: Vec<Vec<(Request, Sink)>> = self.shared.shards.iter().map(|_| vec![]).collect();
        for (number, input) in inputs.drain(..) {
            let shard = self.shared.shard(&input.address, Some(&input.says));
            by_shard[shard].push((request(input), Sink::Many(answers.clone(), number)));
        }
        for (shard, requests) in by_shard.into_iter().enumerate() {
            if !requests.is_empty() {
                self.shared.shards[shard].send(ToShard::Requests(requests)).map_err(|_| gone())?;
            }
        }
        Ok(())
    }

    /// Returns how many requests wait, and how many may.
    pub fn waiting(&self) -> (usize, usize) {
        (self.shared.places.waiting(), self.shared.places.max())
    }

    /// Lets those know that go on for as long as they like that the agent is about to stop.
    pub fn begin_stopping(&self) {
        self.shared.stopping.send_replace(true);
    }

    /// Returns what tells when the agent is about to stop.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.shared.stopping.subscribe()
    }

    fn send(&self, input: Input, sink: Sink) -> Result<(), Box<Problem>> {
        let shard = self.shared.shard(&input.address, Some(&input.says));
        self.shared.shards[shard].send(ToShard::Request(request(input), sink)).map_err(|_| gone())
    }

    /// Takes in how a call on a port ended.
    pub fn end_call(&self, id: CallId, end: CallEnd) {
        let shard = self.shared.shard(&id.instance, None);
        // A node that ends makes the call again after the next start.
        let _ = self.shared.shards[shard].send(ToShard::Ended(id, end));
    }

    /// Does something with the node in its thread, and waits for the result. Blocks: not for
    /// asynchronous code.
    ///
    /// # Errors
    ///
    /// What `job` refuses, and when the node is gone.
    pub fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Node) -> Result<T, NodeError> + Send + 'static,
    ) -> Result<T, Box<Problem>> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |node| {
            let (result, fatal) = match job(node) {
                Ok(value) => (Ok(value), Ok(())),
                Err(NodeError::Refused(problem)) => (Err(problem), Ok(())),
                Err(NodeError::Journal(error)) => {
                    let mut problem = problem::FAULT.problem(format!("the journal failed: {error}"));
                    problem.changed = crate::api::Changed::Unsettled;
                    (Err(problem), Err(error))
                }
            };
            // Who asked may be gone; what was asked for is done all the same.
            let _ = answer.send(result);
            fatal
        });
        self.commands.send(Command::Call(job)).map_err(|_| gone())?;
        answered.blocking_recv().map_err(|_| gone())?
    }

    /// Asks the threads to end after what waits.
    pub fn stop(&self) {
        // When they are gone already, that is what was wanted.
        let _ = self.commands.send(Command::Stop(Save::Snapshot));
    }

    /// Asks the threads to end after what waits, without a state snapshot: another process goes on with the folder.
    pub fn leave(&self) {
        // When they are gone already, that is found out by who waits for them.
        let _ = self.commands.send(Command::Stop(Save::Nothing));
    }
}

fn request(input: Input) -> Request {
    let Input { address, json, says, identity, trace } = input;
    // The shard's thread gives it its number.
    Request { id: RequestId(0), address, json, says, identity, trace }
}

fn spawn(
    name: &str,
    shared: &Arc<Shared>,
    run: impl FnOnce() -> Result<(), StoreError> + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let guard = Guard(shared.clone());
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let guard = guard;
        if let Err(error) = run() {
            guard.0.end(Some(error));
        }
    })
}

/// Drops what is needed no more, and rests for as long as it works: a core that it shares with a shard is the shard's
/// as soon as that has something to do.
fn discard_thread(discarded: Receiver<Vec<Discarded>>) {
    for what in discarded.into_iter().flatten() {
        let mut since = Instant::now();
        what.take_down(&mut || {
            if since.elapsed() >= DISCARD {
                std::thread::sleep(DISCARD);
                since = Instant::now();
            }
        });
    }
}

fn node_thread(
    shared: &Arc<Shared>,
    mut node: Node,
    commands: &Receiver<Command>,
    clock: &Clock,
) -> Result<(), StoreError> {
    let journal = |error| match error {
        NodeError::Journal(error) => Err(error),
        // Looking after itself asks for nothing that could be refused for long.
        NodeError::Refused(_) => Ok(()),
    };
    // Also when commands come more often than it is to be looked.
    let mut looked = Instant::now();
    loop {
        let wait = match (node.is_saving(), node.is_sweeping()) {
            (true, _) => Duration::ZERO,
            (false, true) => SWEEP,
            (false, false) => LOOK.saturating_sub(looked.elapsed()),
        };
        match commands.recv_timeout(wait) {
            Ok(Command::Call(job)) => job(&mut node)?,
            Ok(Command::Stop(Save::Snapshot)) | Err(RecvTimeoutError::Disconnected) => {
                let saved = node.stop(clock()).or_else(journal);
                stop_shards(shared);
                return saved;
            }
            Ok(Command::Stop(Save::Nothing)) => {
                let left = node.leave(clock()).or_else(journal);
                stop_shards(shared);
                return left;
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        node.sweep_if_due().or_else(journal)?;
        if node.is_saving() || looked.elapsed() >= LOOK {
            looked = Instant::now();
            node.look_after(clock()).or_else(journal)?;
            node.look_at_first().or_else(journal)?;
            node.snapshot_if_due().or_else(journal)?;
        }
    }
}

fn stop_shards(shared: &Arc<Shared>) {
    for shard in &shared.shards {
        // It may have ended already.
        let _ = shard.send(ToShard::Stop);
    }
}

impl HostThreads {
    /// Waits for the end of the threads. Blocks.
    ///
    /// # Errors
    ///
    /// When the journal failed, or a thread panicked.
    pub fn join(self) -> Result<(), HostError> {
        let mut panicked = false;
        // The thread of the operators comes last, and holds the others' lines until then.
        for thread in self.threads.into_iter().rev() {
            panicked |= thread.join().is_err();
        }
        if let Some(failure) = self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(HostError::Journal(failure));
        }
        if panicked { Err(HostError::Panicked) } else { Ok(()) }
    }
}

/// Why the node's threads ended.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The journal failed.
    #[error("the journal failed; what is durable is found out at the next start")]
    Journal(#[source] StoreError),
    /// A fault of ours.
    #[error("a thread of the node panicked; this is a fault of ours")]
    Panicked,
}

fn gone() -> Box<Problem> {
    problem::STOPPING.problem("the agent is stopping")
}
