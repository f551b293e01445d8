//! Whether an application is healthy: how many traps all its instances had lately.
//!
//! Every shard counts its own in a [`TrapWindow`]; the node adds them up and asks [`AppHealth`]. A window does not
//! remember each trap but counts them in slots, since an application can have a million of them in it: it is up to one slot
//! longer than declared, a sixtieth, and shorter never.

use camshaft_manifests::app::Intensity;

/// How many slots there are: sixty to a window, the one that has begun, the one that is ending, rounded up.
const SLOTS: usize = 64;

/// Into how many slots a window is divided.
const SLOTS_PER_WINDOW: i64 = 60;

/// How many traps there were lately, in one shard or in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrapWindow {
    length_ms: i64,
    slot_ms: i64,
    /// The number of the newest slot: those before it are the others, as many as there are.
    newest: i64,
    slots: [u32; SLOTS],
}

impl TrapWindow {
    /// Returns an empty window of the length that the intensity says.
    pub fn new(intensity: Intensity) -> TrapWindow {
        // No longer than three million years, so that sums of times stay numbers.
        let length_ms = i64::try_from(intensity.within.0).unwrap_or(i64::MAX).min(1 << 56);
        let slot_ms = length_ms.div_euclid(SLOTS_PER_WINDOW) + i64::from(length_ms % SLOTS_PER_WINDOW != 0);
        TrapWindow { length_ms, slot_ms, newest: i64::MIN / 2, slots: [0; SLOTS] }
    }

    /// Notes a trap.
    pub fn note(&mut self, now_ms: i64) {
        self.add(now_ms.div_euclid(self.slot_ms), 1);
    }

    fn add(&mut self, number: i64, traps: u32) {
        if number > self.newest {
            let passed = usize::try_from(number.saturating_sub(self.newest)).unwrap_or(SLOTS).min(SLOTS);
            for back in 0..passed as i64 {
                self.slots[place(number - back)] = 0;
            }
            self.newest = number;
        }
        if number > self.newest - SLOTS as i64 {
            let slot = &mut self.slots[place(number)];
            *slot = slot.saturating_add(traps);
        }
    }

    /// Adds what another shard counted of the same application under the same release.
    pub fn merge(&mut self, other: &TrapWindow) {
        debug_assert_eq!(self.length_ms, other.length_ms, "windows of one application are of one length");
        for (number, traps) in other.filled() {
            self.add(number, traps);
        }
    }

    /// The slots with traps, the newest first.
    fn filled(&self) -> impl Iterator<Item = (i64, u32)> {
        let numbers = (0..SLOTS as i64).map(|back| self.newest - back);
        numbers.map(|number| (number, self.slots[place(number)])).filter(|(_, traps)| *traps > 0)
    }

    /// Returns how many traps are in the window.
    pub fn count(&self, now_ms: i64) -> u64 {
        let first = (now_ms - self.length_ms).div_euclid(self.slot_ms);
        self.filled().take_while(|(number, _)| *number >= first).map(|(_, traps)| u64::from(traps)).sum()
    }

    /// Returns when the window will be empty, if there is no further trap. `None`: it always was.
    pub fn clear_at_ms(&self) -> Option<i64> {
        let (number, _) = self.filled().next()?;
        Some((number + 1) * self.slot_ms + self.length_ms)
    }
}

fn place(number: i64) -> usize {
    number.rem_euclid(SLOTS as i64) as usize
}

/// Whether an application is healthy. It is until there are so many traps in the window, and is again when there
/// is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AppHealth {
    unhealthy_since_ms: Option<i64>,
}

/// What became of an application's health, for the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is unhealthy from now on.
    Unhealthy {
        /// How many traps there are in the window.
        traps: u64,
    },
    /// It is healthy again.
    Recovered {
        /// Since when it was not.
        since_ms: i64,
        /// Until when: that is when the window became empty, however late somebody looks.
        until_ms: i64,
    },
}

impl AppHealth {
    /// Looks at the window of all shards, and returns what changed. `seen` is none where the running release
    /// declares no intensity; then the application is healthy.
    ///
    /// To be called after traps, and when the window becomes empty ([`TrapWindow::clear_at_ms`]).
    pub fn look(&mut self, seen: Option<(Intensity, &TrapWindow)>, now_ms: i64) -> Option<Turn> {
        let traps = seen.map_or(0, |(_, window)| window.count(now_ms));
        match self.unhealthy_since_ms {
            Some(since_ms) if traps == 0 => {
                self.unhealthy_since_ms = None;
                let clear_at_ms = seen.and_then(|(_, window)| window.clear_at_ms()).unwrap_or(now_ms);
                // A switch may have brought a window of another length, which is empty already.
                let until_ms = clear_at_ms.clamp(since_ms.min(now_ms), now_ms);
                Some(Turn::Recovered { since_ms, until_ms })
            }
            None if seen.is_some_and(|(intensity, _)| traps >= u64::from(intensity.traps)) => {
                self.unhealthy_since_ms = Some(now_ms);
                Some(Turn::Unhealthy { traps })
            }
            Some(_) | None => None,
        }
    }

    /// Returns since when it is unhealthy.
    pub fn unhealthy_since_ms(&self) -> Option<i64> {
        self.unhealthy_since_ms
    }
}
