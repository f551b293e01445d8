//! The thread of a shard.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError};
use std::time::Duration;

use camshaft_store::{Chunk, StoreError};

use super::writer::ToWriter;
use super::{Clock, Shared, Sink};
use crate::engine::{Answer, Discarded, Posted, Request, RequestId, Shard};
use crate::node::Group;
use crate::ports::{CallEnd, CallId};

/// How many messages from outside go into one group.
const GROUP_MAX: usize = 1024;

/// How many steps of its own go into one group.
const STEPS_MAX: usize = 1024;

/// How many bytes of records make a group whole.
const BYTES_MAX: usize = 1 << 20;

/// The longest sleep: a clock that was set forward is noticed after this time at the latest.
const SLEEP_MAX: Duration = Duration::from_secs(1);

pub(super) type ShardJob = Box<dyn FnOnce(&mut Shard) + Send>;

/// What a shard's thread is sent.
pub(super) enum ToShard {
    Request(Request, Sink),
    Requests(Vec<(Request, Sink)>),
    Mail(Posted),
    Ended(CallId, CallEnd),
    Job(ShardJob),
    Stop,
}

struct Thread<'a> {
    shared: &'a Arc<Shared>,
    shard: Shard,
    writer: &'a SyncSender<ToWriter>,
    clock: &'a Clock,
    /// Where what is needed no more is dropped.
    discards: &'a Sender<Vec<Discarded>>,
    /// Who waits for the answers of the group that gathers, by their numbers.
    sinks: Vec<Option<Sink>>,
}

/// Runs a shard until it is stopped.
pub(super) fn shard_thread(
    shared: &Arc<Shared>,
    shard: Shard,
    inbox: &Receiver<ToShard>,
    writer: &SyncSender<ToWriter>,
    clock: &Clock,
    discards: &Sender<Vec<Discarded>>,
) -> Result<(), StoreError> {
    let mut thread = Thread { shared, shard, writer, clock, discards, sinks: vec![] };
    loop {
        let Ok(mut next) = thread.wait(inbox) else { return Ok(()) };
        thread.shard.advance(clock());
        thread.shard.set_read_only(shared.is_full());
        let mut taken = 0;
        while let Some(message) = next {
            if matches!(message, ToShard::Stop) {
                thread.flush();
                return Ok(());
            }
            taken += thread.take(message);
            if taken >= GROUP_MAX || thread.shard.chunk_bytes() >= BYTES_MAX {
                break;
            }
            next = inbox.try_recv().ok();
        }
        thread.shard.run(STEPS_MAX);
        thread.shard.record_seen(false);
        if !thread.flush() {
            return Ok(());
        }
    }
}

impl Thread<'_> {
    /// Returns what comes next, or nothing when there is something to do without.
    fn wait(&self, inbox: &Receiver<ToShard>) -> Result<Option<ToShard>, ()> {
        if self.shard.has_work() {
            return match inbox.try_recv() {
                Ok(message) => Ok(Some(message)),
                Err(TryRecvError::Empty) => Ok(None),
                Err(TryRecvError::Disconnected) => Err(()),
            };
        }
        // The usual case under load: no need to ask for the time.
        if let Ok(message) = inbox.try_recv() {
            return Ok(Some(message));
        }
        let until_due = self.shard.next_due_ms().map(|due_ms| due_ms.saturating_sub((self.clock)()).max(0));
        let sleep = until_due.map_or(SLEEP_MAX, |ms| Duration::from_millis(ms.unsigned_abs()).min(SLEEP_MAX));
        match inbox.recv_timeout(sleep) {
            Ok(message) => Ok(Some(message)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(()),
        }
    }

    /// Takes a message in; returns how many inputs it was.
    fn take(&mut self, message: ToShard) -> usize {
        match message {
            ToShard::Request(request, sink) => {
                self.request(request, sink);
                self.shared.places.take(1);
                1
            }
            ToShard::Requests(requests) => {
                let count = requests.len();
                for (request, sink) in requests {
                    self.request(request, sink);
                    if self.shard.chunk_bytes() >= BYTES_MAX {
                        self.flush();
                    }
                }
                self.shared.places.take(count);
                count
            }
            ToShard::Mail(posted) => {
                self.catch_up(&posted);
                self.shard.receive(posted);
                1
            }
            ToShard::Ended(id, end) => {
                self.shard.end_call(&id, end);
                1
            }
            ToShard::Job(job) => {
                self.flush();
                job(&mut self.shard);
                self.flush();
                1
            }
            ToShard::Stop => 0,
        }
    }

    fn request(&mut self, request: Request, sink: Sink) {
        // A client that went away while it waited gets no step; it was never acknowledged.
        if let Sink::One(sender) = &sink
            && sender.is_closed()
        {
            return;
        }
        let id = RequestId(self.sinks.len() as u64);
        self.sinks.push(Some(sink));
        self.shard.request(Request { id, ..request });
    }

    /// Goes over a switch, or begins a state snapshot, that the sender of a message has.
    fn catch_up(&mut self, posted: &Posted) {
        if posted.switch > self.shard.switch_number()
            && let Some(epoch) = self.shared.epoch()
        {
            self.flush();
            self.shard.enter_early(&epoch);
        }
        if posted.cut > self.shard.cut() {
            self.flush();
            self.shard.begin_saving(posted.cut);
        }
    }

    /// Hands on what came out of the shard: records with what hangs on them first, messages then.
    /// Returns false when the journal's thread is gone.
    fn flush(&mut self) -> bool {
        let out = self.shard.take_out();
        if !out.discarded.is_empty() {
            // A thread that is gone leaves it to be dropped here.
            let _ = self.discards.send(out.discarded);
        }
        for line in out.logs {
            tracing::info!(target: "machine", instance = %line.instance, seq = line.seq, "{}", line.line);
        }
        let answers = self.answered(out.answers);
        if out.chunk.count > 0 || !answers.is_empty() || !out.calls.is_empty() {
            let group = Group { lane: self.shard.lane(), chunk: some(out.chunk), answers, calls: out.calls };
            if self.writer.send(ToWriter::Group(group)).is_err() {
                return false;
            }
        }
        for posted in out.mail {
            let to = usize::from(posted.shard);
            // A node that ends delivers it after the next start.
            let _ = self.shared.shards[to].send(ToShard::Mail(posted));
        }
        true
    }

    fn answered(&mut self, answers: Vec<Answer<RequestId>>) -> Vec<Answer<Sink>> {
        let sinks = &mut self.sinks;
        let with = |Answer { who, reply, after, changed }: Answer<RequestId>| {
            let sink = usize::try_from(who.0).ok().and_then(|place| sinks.get_mut(place)?.take());
            Some(Answer { who: sink?, reply, after, changed })
        };
        let answered = answers.into_iter().filter_map(with).collect();
        sinks.clear();
        answered
    }
}

fn some(chunk: Chunk) -> Option<Chunk> {
    (chunk.count > 0).then_some(chunk)
}
