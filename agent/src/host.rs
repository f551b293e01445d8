//! The thread that owns the node.
//!
//! It takes what waits, up to a group, lets the node run and make durable, and gives the answers
//! away; then the next group. Requests wait in a bounded queue; when it is full they are refused
//! at once. Commands of operators stand in the same queue, so that each sees a settled node.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use camshaft_store::StoreError;
use tokio::sync::oneshot;

use crate::api::Problem;
use crate::engine::{Identity, Reply, Request, RequestId};
use crate::node::{Node, NodeError};
use crate::problem;
use crate::speech::Says;

/// How many requests and commands may wait for the thread.
const QUEUE_MAX: usize = 4096;

/// How many of them go into one group.
const GROUP_MAX: usize = 1024;

/// The longest sleep: a clock that was set forward is noticed after this time at the latest.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// A request from outside that has no number yet.
#[derive(Debug)]
pub struct Input {
    /// The instance.
    pub address: camshaft_manifests::InstanceAddress,
    /// The input in its JSON form, in the version that the client speaks.
    pub json: String,
    /// What the client says of that version.
    pub says: Says,
    /// What makes it this request and no other.
    pub identity: Option<Identity>,
    /// The trace that it belongs to.
    pub trace: Option<String>,
}

type Job = Box<dyn FnOnce(&mut Node) -> Result<(), StoreError> + Send>;

enum Command {
    Input(Input, oneshot::Sender<Reply>),
    Call(Job),
    Stop,
}

/// The way to the thread that owns the node.
#[derive(Clone)]
pub struct Host {
    queue: SyncSender<Command>,
}

/// The thread that owns the node.
pub struct HostThread(JoinHandle<Result<(), StoreError>>);

impl Host {
    /// Starts the thread. `clock` gives milliseconds since the Unix epoch; `ended` is told when
    /// the thread ends, for whatever reason.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn start(
        node: Node,
        clock: impl Fn() -> i64 + Send + 'static,
        ended: oneshot::Sender<()>,
    ) -> std::io::Result<(Host, HostThread)> {
        let (queue, commands) = sync_channel(QUEUE_MAX);
        let thread = std::thread::Builder::new().name("node".to_owned()).spawn(move || {
            // Dropped when the thread ends, by a panic as well.
            let _ended = ended;
            Loop { node, clock, waiting: HashMap::new(), requests: 0 }.run(&commands)
        })?;
        Ok((Host { queue }, HostThread(thread)))
    }

    /// Gives an input to the node and waits until its answer is durable.
    ///
    /// # Errors
    ///
    /// When the node is busy or gone.
    pub async fn input(&self, input: Input) -> Result<Reply, Box<Problem>> {
        let (answer, answered) = oneshot::channel();
        match self.queue.try_send(Command::Input(input, answer)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                return Err(problem::BUSY.problem(format!("{QUEUE_MAX} inputs wait for this node")));
            }
            Err(TrySendError::Disconnected(_)) => return Err(gone()),
        }
        answered.await.map_err(|_| gone())
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
        self.queue.send(Command::Call(job)).map_err(|_| gone())?;
        answered.blocking_recv().map_err(|_| gone())?
    }

    /// Asks the thread to end after what waits.
    pub fn stop(&self) {
        // When it is gone already, that is what was wanted.
        let _ = self.queue.send(Command::Stop);
    }
}

impl HostThread {
    /// Waits for the end of the thread. Blocks.
    ///
    /// # Errors
    ///
    /// When the journal failed, or the thread panicked.
    pub fn join(self) -> Result<(), HostError> {
        match self.0.join() {
            Ok(result) => result.map_err(HostError::Journal),
            Err(_) => Err(HostError::Panicked),
        }
    }
}

/// Why the node's thread ended.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The journal failed.
    #[error("the journal failed; what is durable is found out at the next start")]
    Journal(#[source] StoreError),
    /// A fault of ours.
    #[error("the node's thread panicked; this is a fault of ours")]
    Panicked,
}

fn gone() -> Box<Problem> {
    problem::STOPPING.problem("the agent is stopping")
}

struct Loop<C> {
    node: Node,
    clock: C,
    waiting: HashMap<RequestId, oneshot::Sender<Reply>>,
    requests: u64,
}

impl<C: Fn() -> i64> Loop<C> {
    fn run(mut self, commands: &Receiver<Command>) -> Result<(), StoreError> {
        loop {
            // An error means that nobody is left who could ask.
            let Ok(mut command) = self.wait(commands) else { return self.end() };
            for taken in 1.. {
                match command {
                    None => break,
                    Some(Command::Input(input, answer)) => self.take_in(input, answer),
                    Some(Command::Call(job)) => {
                        job(&mut self.node)?;
                        self.answer();
                    }
                    Some(Command::Stop) => return self.end(),
                }
                command = if taken < GROUP_MAX { commands.try_recv().ok() } else { None };
            }
            self.node.run((self.clock)())?;
            self.answer();
        }
    }

    /// Returns the next command, or nothing when there is something to do without one.
    fn wait(&self, commands: &Receiver<Command>) -> Result<Option<Command>, ()> {
        if self.node.has_work() {
            return match commands.try_recv() {
                Ok(command) => Ok(Some(command)),
                Err(TryRecvError::Empty) => Ok(None),
                Err(TryRecvError::Disconnected) => Err(()),
            };
        }
        let until_due = self.node.next_due_ms().map(|due_ms| due_ms.saturating_sub((self.clock)()).max(0));
        let sleep = until_due.map_or(SLEEP_MAX, |ms| Duration::from_millis(ms.unsigned_abs()).min(SLEEP_MAX));
        match commands.recv_timeout(sleep) {
            Ok(command) => Ok(Some(command)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(()),
        }
    }

    fn take_in(&mut self, input: Input, answer: oneshot::Sender<Reply>) {
        // A client that went away while it waited gets no step; it was never acknowledged.
        if answer.is_closed() {
            return;
        }
        self.requests += 1;
        let id = RequestId(self.requests);
        self.waiting.insert(id, answer);
        let Input { address, json, says, identity, trace } = input;
        self.node.request((self.clock)(), Request { id, address, json, says, identity, trace });
    }

    fn answer(&mut self) {
        for (id, reply) in self.node.take_answers() {
            if let Some(answer) = self.waiting.remove(&id) {
                // Who asked may be gone; the step is durable all the same.
                let _ = answer.send(reply);
            }
        }
    }

    fn end(mut self) -> Result<(), StoreError> {
        while !self.waiting.is_empty() && self.node.has_work() {
            self.node.run((self.clock)())?;
            self.answer();
        }
        self.node.save_snapshot()
    }
}
