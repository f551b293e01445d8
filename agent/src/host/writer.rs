//! The thread of the journal: the one who writes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use camshaft_store::{AppendError, Chunk, Class, Journal, StoreError};
use tokio::sync::oneshot;

use super::{Shared, Sink};
use crate::engine::Reply;
use crate::failpoint;
use crate::ports::CallOut;

/// How many groups go into one frame.
const GROUPS_MAX: usize = 1024;

/// How many bytes of records make a frame whole.
const BYTES_MAX: usize = 4 << 20;

/// How often room is looked for on a full disk.
const LOOK: Duration = Duration::from_millis(200);

/// Records of a shard, and what hangs on them.
pub(super) struct Group {
    pub(super) chunk: Option<Chunk>,
    pub(super) answers: Vec<(Sink, Reply)>,
    pub(super) calls: Vec<CallOut>,
}

type JournalJob = Box<dyn FnOnce(&mut dyn Journal) -> Result<(), StoreError> + Send>;

/// What the journal's thread is sent.
pub(super) enum ToWriter {
    Group(Group),
    /// Control records, and who waits for their position.
    Control(Chunk, oneshot::Sender<Result<u64, AppendError>>),
    Job(JournalJob),
    /// Told when all before it is durable, or the disk is full.
    Barrier(oneshot::Sender<()>),
}

struct Writer<'a> {
    shared: &'a Arc<Shared>,
    journal: Box<dyn Journal>,
    /// Groups that wait for room.
    held: Vec<Group>,
}

/// Writes until nobody is left who could send something.
pub(super) fn writer_thread(
    shared: &Arc<Shared>,
    journal: Box<dyn Journal>,
    inbox: &Receiver<ToWriter>,
) -> Result<(), StoreError> {
    let mut writer = Writer { shared, journal, held: vec![] };
    writer.look_for_room()?;
    let mut next: Option<ToWriter> = None;
    loop {
        let message = match next.take() {
            Some(message) => message,
            None if shared.is_full() => match inbox.recv_timeout(LOOK) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => {
                    writer.look_for_room()?;
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            },
            None => match inbox.recv() {
                Ok(message) => message,
                Err(_) => return Ok(()),
            },
        };
        match message {
            ToWriter::Group(group) => {
                let mut bytes = size(&group);
                writer.held.push(group);
                while writer.held.len() < GROUPS_MAX && bytes < BYTES_MAX {
                    match inbox.try_recv() {
                        Ok(ToWriter::Group(group)) => {
                            bytes += size(&group);
                            writer.held.push(group);
                        }
                        Ok(other) => {
                            next = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                writer.write()?;
            }
            ToWriter::Control(chunk, position) => {
                // What is decided follows from what waits for room: that goes first, into the room that is set
                // aside.
                let before = if writer.held.is_empty() { Ok(()) } else { writer.write_as(Class::Control) };
                let appended = match before {
                    Err(error) => Err(AppendError::Failed(error)),
                    Ok(()) if !writer.held.is_empty() => Err(AppendError::Full),
                    Ok(()) => writer.journal.append(&[chunk], Class::Control),
                };
                let failed = matches!(appended, Err(AppendError::Failed(_)));
                // Who asked tells what became of it; that nothing more is written is said here.
                let _ = position.send(appended);
                if failed {
                    return Err(StoreError::Refused("control records could not be appended".to_owned()));
                }
            }
            ToWriter::Job(job) => job(&mut *writer.journal)?,
            ToWriter::Barrier(told) => drop(told.send(())),
        }
    }
}

fn size(group: &Group) -> usize {
    group.chunk.as_ref().map_or(0, |chunk| chunk.bytes.len())
}

impl Writer<'_> {
    /// Makes all groups that wait durable, and gives away what hangs on them. On a full disk they wait.
    fn write(&mut self) -> Result<(), StoreError> {
        self.write_as(Class::Input)?;
        if !self.journal.has_room() { self.look_for_room() } else { Ok(()) }
    }

    fn write_as(&mut self, class: Class) -> Result<(), StoreError> {
        let mut chunks: Vec<Chunk> = vec![];
        let mut places = vec![];
        for (place, group) in self.held.iter_mut().enumerate() {
            if let Some(chunk) = group.chunk.take() {
                chunks.push(chunk);
                places.push(place);
            }
        }
        if !chunks.is_empty() {
            failpoint::pass("append.before");
            match self.journal.append(&chunks, class) {
                Ok(_) => {}
                Err(AppendError::Full) => {
                    for (place, chunk) in places.into_iter().zip(chunks) {
                        self.held[place].chunk = Some(chunk);
                    }
                    self.set_full(true);
                    return Ok(());
                }
                Err(AppendError::Failed(error)) => return Err(error),
            }
            failpoint::pass("append.after");
            if let Some(chore) = self.journal.chore() {
                // Files are made ready ahead, while the next group gathers. Should there be no thread for
                // it, the journal does it itself when it must.
                let _ = std::thread::Builder::new().name("chore".to_owned()).spawn(chore);
            }
        }
        for group in self.held.drain(..) {
            for (sink, reply) in group.answers {
                sink.give(reply);
            }
            self.shared.call_out(group.calls);
        }
        Ok(())
    }

    fn look_for_room(&mut self) -> Result<(), StoreError> {
        let room = self.journal.make_room()?;
        self.set_full(!room);
        if room && !self.held.is_empty() { self.write() } else { Ok(()) }
    }

    fn set_full(&self, full: bool) {
        if self.shared.full.swap(full, Ordering::AcqRel) != full {
            if full {
                tracing::error!("the disk is full: inputs are refused, reads are answered");
            } else {
                tracing::info!("there is room on the disk again");
            }
        }
    }
}
