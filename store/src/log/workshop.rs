//! Segments that are to come and segments that are no longer needed: all of the log's work on files that an
//! append need not wait for.
//!
//! Orders are given under a lock that is held for moments. Who carries them out holds the hands: another
//! thread, ahead of time, or the appender, when it needs the next segment now. An appender that finds the
//! hands busy waits for work that it would have to do itself otherwise.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{SPARE, segment_name};
use crate::disk::{Disk, DiskFile, is_full};
use crate::journal::StoreError;

/// The name of a segment that is being filled with zeros.
pub(super) const UNFINISHED: &str = "log-next.tmp";

/// A segment that is ready to be written: its name and its space are durable.
#[derive(Debug)]
pub(super) struct Prepared {
    pub number: u64,
    pub size: u64,
    pub file: Arc<dyn DiskFile>,
}

/// A segment that is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Want {
    pub number: u64,
    pub size: u64,
}

/// What came of the orders.
#[derive(Debug)]
pub(super) enum Outcome {
    Ready(Prepared),
    /// There is no space for it.
    Full(io::Error),
    Failed(StoreError),
}

#[derive(Debug, Default)]
struct Orders {
    want: Option<Want>,
    /// Segments that are no longer needed, oldest first.
    retired: VecDeque<u64>,
    outcomes: VecDeque<Outcome>,
}

/// Whoever has it may change the files.
#[derive(Debug)]
struct Hands {
    /// The names of segments that may be used again.
    spares: Vec<String>,
}

/// Where segments are made ready and let go.
#[derive(Debug)]
pub(super) struct Workshop {
    disk: Arc<dyn Disk>,
    spares_most: usize,
    orders: Mutex<Orders>,
    hands: Mutex<Hands>,
}

/// Work on files that another thread may do while entries are appended. Dropping it undone is no harm:
/// an append that needs it does it.
#[derive(Debug)]
#[must_use = "nothing happens until it is run"]
pub struct Chore {
    workshop: Arc<Workshop>,
    _out: Arc<()>,
}

impl Chore {
    pub(super) fn new(workshop: Arc<Workshop>, out: Arc<()>) -> Chore {
        Chore { workshop, _out: out }
    }

    /// Does it. How it went is told to the log.
    pub fn run(self) {
        self.workshop.work();
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Workshop {
    pub(super) fn new(disk: Arc<dyn Disk>, spares: Vec<String>, spares_most: usize) -> Workshop {
        let (orders, hands) = (Mutex::default(), Mutex::new(Hands { spares }));
        Workshop { disk, spares_most, orders, hands }
    }

    /// Orders a segment, in place of what was ordered before.
    pub(super) fn order(&self, want: Want) {
        held(&self.orders).want = Some(want);
    }

    /// Hands over a segment that is no longer needed.
    pub(super) fn retire(&self, number: u64) {
        held(&self.orders).retired.push_back(number);
    }

    /// Returns whether something is to be done, or has been since it was last collected.
    pub(super) fn is_idle(&self) -> bool {
        let orders = held(&self.orders);
        orders.want.is_none() && orders.retired.is_empty()
    }

    /// Returns what came of the orders, one after the other.
    pub(super) fn collect(&self) -> Option<Outcome> {
        held(&self.orders).outcomes.pop_front()
    }

    /// Carries out all orders.
    pub(super) fn work(&self) {
        let mut hands = held(&self.hands);
        loop {
            let (retired, want) = {
                let mut orders = held(&self.orders);
                let retired = orders.retired.pop_front();
                // What is retired first may be what the next segment is made from.
                (retired, if retired.is_none() { orders.want.take() } else { None })
            };
            let outcome = match (retired, want) {
                (Some(number), _) => match self.retire_now(&mut hands, number) {
                    Ok(()) => continue,
                    Err(error) => Outcome::Failed(error),
                },
                (None, Some(want)) => match self.prepare(&mut hands, want) {
                    Ok(ready) => Outcome::Ready(ready),
                    Err(error) if is_full(&error) => Outcome::Full(error),
                    Err(source) => Outcome::Failed(failed("prepare", segment_name(want.number))(source)),
                },
                (None, None) => return,
            };
            held(&self.orders).outcomes.push_back(outcome);
        }
    }

    /// Segments go from the oldest on, each durably before the next, so that a power cut never
    /// leaves a gap between those that are there.
    fn retire_now(&self, hands: &mut Hands, number: u64) -> Result<(), StoreError> {
        let name = segment_name(number);
        if hands.spares.len() < self.spares_most {
            let spare = format!("{SPARE}{number:010}");
            self.disk.rename(&name, &spare).map_err(failed("rename", name.clone()))?;
            hands.spares.push(spare);
        } else {
            self.disk.remove(&name).map_err(failed("remove", name.clone()))?;
        }
        self.disk.sync_folder().map_err(failed("sync the folder of", name))
    }

    fn prepare(&self, hands: &mut Hands, want: Want) -> io::Result<Prepared> {
        let name = segment_name(want.number);
        let file = match self.spare(hands, want.size)? {
            Some((spare, file)) => {
                self.disk.rename(&spare, &name)?;
                file
            }
            None => {
                let file = self.filled(want.size)?;
                self.disk.rename(UNFINISHED, &name)?;
                file
            }
        };
        self.disk.sync_folder()?;
        Ok(Prepared { number: want.number, size: file.size()?, file })
    }

    /// Returns a spare segment that is large enough. Those that are not only take space.
    fn spare(&self, hands: &mut Hands, size: u64) -> io::Result<Option<(String, Arc<dyn DiskFile>)>> {
        while let Some(name) = hands.spares.pop() {
            match self.disk.open(&name)? {
                Some(file) if file.size()? >= size => return Ok(Some((name, file))),
                _ => self.disk.remove(&name)?,
            }
        }
        Ok(None)
    }

    fn filled(&self, size: u64) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.create(UNFINISHED)?;
        match file.allocate(size).and_then(|()| file.sync()) {
            Ok(()) => Ok(file),
            Err(error) => {
                // What is half there would keep others from the space. Whether it can be removed changes
                // nothing of what is to be said.
                let _ = self.disk.remove(UNFINISHED);
                Err(error)
            }
        }
    }
}

/// Returns what makes the error of a file from what the system says.
pub(super) fn failed(what: &'static str, path: String) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::File { what, path, source }
}
