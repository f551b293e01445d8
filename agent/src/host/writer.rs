//! The thread of the journal: the one who writes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use camshaft_store::{AppendError, Chunk, Class, Journal, StoreError};
use tokio::sync::oneshot;

use super::{Shared, Sink};
use crate::failpoint;
use crate::node::{Group, Pending};

/// How many groups go into one frame.
const GROUPS_MAX: usize = 1024;

/// How many bytes of records make a frame whole.
const BYTES_MAX: usize = 4 << 20;

/// How often room is looked for on a full disk.
const LOOK: Duration = Duration::from_millis(200);

type JournalJob = Box<dyn FnOnce(&mut dyn Journal) -> Result<(), StoreError> + Send>;

/// What the journal's thread is sent.
pub(super) enum ToWriter {
    Group(Group<Sink>),
    /// Control records, and who waits for their position.
    Control(Chunk, oneshot::Sender<Result<u64, AppendError>>),
    Job(JournalJob),
    /// Told when all before it is durable, or the disk is full.
    Barrier(oneshot::Sender<()>),
}

struct Writer<'a> {
    shared: &'a Arc<Shared>,
    journal: Box<dyn Journal>,
    /// Groups that gather, or wait for room.
    pending: Pending<Sink>,
}

/// Writes until nobody is left who could send something.
pub(super) fn writer_thread(
    shared: &Arc<Shared>,
    journal: Box<dyn Journal>,
    inbox: &Receiver<ToWriter>,
) -> Result<(), StoreError> {
    let mut writer = Writer { shared, journal, pending: Pending::new() };
    writer.look_for_room()?;
    let mut next: Option<ToWriter> = None;
    let mut looked = Instant::now();
    loop {
        // Also while messages come more often than it is to be looked.
        if shared.is_full() && looked.elapsed() >= LOOK {
            looked = Instant::now();
            writer.look_for_room()?;
        }
        let message = match next.take() {
            Some(message) => message,
            None if shared.is_full() => match inbox.recv_timeout(LOOK.saturating_sub(looked.elapsed())) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => continue,
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
                writer.pending.push(group);
                while writer.pending.len() < GROUPS_MAX && bytes < BYTES_MAX {
                    match inbox.try_recv() {
                        Ok(ToWriter::Group(group)) => {
                            bytes += size(&group);
                            writer.pending.push(group);
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
                let before = writer.pending.write_all(&mut *writer.journal, Class::Control);
                writer.release();
                let appended = match before {
                    Err(error) => Err(AppendError::Failed(error)),
                    Ok(false) => Err(AppendError::Full),
                    Ok(true) => writer.journal.append(&[chunk], Class::Control),
                };
                if matches!(appended, Err(AppendError::Full)) {
                    writer.set_full(true);
                }
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

fn size(group: &Group<Sink>) -> usize {
    group.chunk.as_ref().map_or(0, |chunk| chunk.bytes.len())
}

impl Writer<'_> {
    /// Makes the groups that wait durable, and gives away what hangs on them. On a full disk what does not fit
    /// waits.
    fn write(&mut self) -> Result<(), StoreError> {
        let records = self.pending.has_records();
        if records {
            failpoint::pass("append.before");
        }
        let room = self.pending.write(&mut *self.journal)?;
        if records && room {
            failpoint::pass("append.after");
            if let Some(chore) = self.journal.chore() {
                // Files are made ready ahead, while the next group gathers. Should there be no thread for
                // it, the journal does it itself when it must.
                let _ = std::thread::Builder::new().name("chore".to_owned()).spawn(chore);
            }
        }
        if !room {
            // Before anybody hears of it: what they send then is not admitted.
            self.set_full(true);
        }
        self.release();
        if room && !self.journal.has_room() { self.look_for_room() } else { Ok(()) }
    }

    /// Gives away what hangs on nothing that waits.
    fn release(&mut self) {
        let free = self.pending.take_free();
        for answer in free.answers {
            answer.who.give(answer.reply);
        }
        self.shared.call_out(free.calls);
    }

    fn look_for_room(&mut self) -> Result<(), StoreError> {
        let room = self.journal.make_room()?;
        self.set_full(!room);
        if room && !self.pending.is_empty() { self.write() } else { Ok(()) }
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
