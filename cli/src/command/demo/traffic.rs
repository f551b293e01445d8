//! A client that sends one input after another, and keeps its own account.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use camshaft_agent::api::MESSAGE_HEADER;

use crate::failure::Failure;
use crate::http::{Effect, Node};

/// How long to wait before an input is sent again to a node that did not take it.
const AGAIN: Duration = Duration::from_millis(5);

/// How long a node may take for one input.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client in a thread of its own.
pub struct Traffic {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), Failure>>>,
}

#[derive(Default)]
struct Shared {
    url: Mutex<String>,
    acknowledged: AtomicU64,
    repeated: AtomicU64,
    longest_us: AtomicU64,
    stop: AtomicBool,
}

impl Traffic {
    /// Starts to send to the node at an address.
    pub fn start(url: &str) -> Traffic {
        let shared = Arc::new(Shared { url: Mutex::new(url.to_owned()), ..Shared::default() });
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || send(&shared)
        });
        Traffic { shared, thread: Some(thread) }
    }

    /// Sends to another address from now on.
    pub fn aim(&self, url: &str) {
        url.clone_into(&mut self.shared.url.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Returns how many inputs were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::SeqCst)
    }

    /// Returns how many times an input was sent again.
    pub fn repeated(&self) -> u64 {
        self.shared.repeated.load(Ordering::SeqCst)
    }

    /// Begins to measure the longest wait anew.
    pub fn forget_longest(&self) {
        self.shared.longest_us.store(0, Ordering::SeqCst);
    }

    /// Returns the longest time from sending an input to its acknowledgement.
    pub fn longest_us(&self) -> u64 {
        self.shared.longest_us.load(Ordering::SeqCst)
    }

    /// Waits until so many more inputs were acknowledged, and returns how many it are in all.
    ///
    /// # Errors
    ///
    /// When that takes too long, or the client met an answer that it does not know.
    pub fn more(&self, count: u64, patience: Duration) -> Result<u64, Failure> {
        let goal = self.acknowledged() + count;
        let deadline = Instant::now() + patience;
        while self.acknowledged() < goal {
            let ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
            if ended || Instant::now() > deadline {
                let message = format!("the traffic stopped at {} inputs", self.acknowledged());
                return Err(Failure::fault(message, "camshaft demo --keep leaves the agents' logs"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(self.acknowledged())
    }

    /// Stops sending and returns how many inputs were acknowledged.
    ///
    /// # Errors
    ///
    /// When the client met an answer that it does not know.
    pub fn end(mut self) -> Result<u64, Failure> {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            ended.unwrap_or_else(|_| {
                Err(Failure::fault("the client died", "this is a fault of ours; please report it"))
            })?;
        }
        Ok(self.acknowledged())
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Sends until told to stop. An input that was sent is repeated until it is acknowledged, also
/// after the word to stop: otherwise nobody knew whether it was counted.
fn send(shared: &Shared) -> Result<(), Failure> {
    let mut node: Option<(String, Node)> = None;
    let mut number = 1;
    let mut began = Instant::now();
    let mut sent = false;
    let mut gave_up = None::<Instant>;
    while sent || !shared.stop.load(Ordering::SeqCst) {
        if shared.stop.load(Ordering::SeqCst) && gave_up.get_or_insert_with(Instant::now).elapsed() > PATIENCE
        {
            return Err(Failure::fault(
                "the last input was never acknowledged",
                "camshaft demo --keep leaves the agents' logs",
            ));
        }
        let url = shared.url.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (_, node) = match &node {
            Some(pair) if pair.0 == url => pair,
            _ => node.insert((url.clone(), Node::at(Some(&url))?)),
        };
        let id = format!("demo/{number}");
        let body = b"\"Incr\"".to_vec();
        let path = ["v1", "apps", "counter", "counter"];
        let answer = node.post(&path, &[], &[(MESSAGE_HEADER, &id)], body, Some(PATIENCE), Effect::Changes);
        sent = true;
        match answer {
            Ok(answer) if answer.status == 200 => {
                let waited = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                shared.longest_us.fetch_max(waited, Ordering::SeqCst);
                shared.acknowledged.store(number, Ordering::SeqCst);
                (number, began, sent) = (number + 1, Instant::now(), false);
            }
            // Busy, or held for the moment.
            Ok(answer) if matches!(answer.status, 429 | 503) => again(shared),
            Ok(answer) => return answer.text().map(|_| ()),
            Err(_) => again(shared),
        }
    }
    Ok(())
}

fn again(shared: &Shared) {
    shared.repeated.fetch_add(1, Ordering::SeqCst);
    std::thread::sleep(AGAIN);
}
