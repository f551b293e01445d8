//! The silence of an instance around a switch, by the number of instances.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::measure::{median, quantile};
use crate::node::{INCR, Rig, input};
use crate::report::{Bar, Row};
use anyhow::{Context, Result};
use camshaft_store::MemoryJournal;
use tempfile::TempDir;

use super::Setting;
use super::pair::tally;
use super::probe::{Probe, Waited, between};
use super::rig::{self, Way};

/// How many instances there are, and how many times as many rounds are made as asked for: where they are
/// quick, more are made.
const NUMBERS: [(usize, u32); 4] = [(1, 12), (1_000, 12), (100_000, 6), (1_000_000, 4)];

/// How often the probe is due, and the others in turn.
const EVERY: Duration = Duration::from_micros(250);

/// How long it is listened before the trial begins, and after the switch.
const AROUND: Duration = Duration::from_millis(400);

/// Who is due shortly before and after the command of the switch counts as well.
const MARGIN: Duration = Duration::from_millis(2);

/// How long inputs waited.
#[derive(Default)]
struct Found {
    /// The probe's, while nothing is done.
    calm: Vec<f64>,
    /// The probe's, during the trial.
    trial: Vec<f64>,
    /// The probe's, while the switch is made; and the longest of each.
    switch: Vec<f64>,
    longest: Vec<f64>,
    /// Of others, which are touched after the switch.
    others: Vec<f64>,
    /// What the node says of its pauses.
    pauses: Vec<f64>,
}

/// With the journal on a disk.
pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    measure(setting, |counters| {
        let folder = tempfile::tempdir_in(&setting.folder).context("cannot make a folder")?;
        let rig = rig::start(&setting.pair, &folder.path().join("node"), counters)?;
        Ok((rig, Some(folder)))
    })
}

/// With the journal in memory, as nothing of Erlang's is on a disk: what is left is the switch itself.
pub(crate) fn in_memory(setting: &Setting) -> Result<Vec<Row>> {
    measure(setting, |counters| {
        Ok((rig::start_on(&setting.pair, Box::<MemoryJournal>::default(), counters)?, None))
    })
}

/// Starts a node with so many counters; its folder, if it has one, is there for as long as what is returned.
type Start<'a> = dyn Fn(Range<usize>) -> Result<(Rig, Option<TempDir>)> + 'a;

fn measure(
    setting: &Setting,
    start: impl Fn(Range<usize>) -> Result<(Rig, Option<TempDir>)>,
) -> Result<Vec<Row>> {
    let mut rows = vec![];
    for (number, times) in NUMBERS {
        eprintln!("  {number}");
        let found = around_switches(setting, &start, number, setting.rounds * times)?;
        // An upgrade of Erlang's takes the longer the more there are.
        let rounds = (setting.rounds * times.min(2)).max(3);
        let theirs = setting.peer.as_ref().map(|peer| peer.many(number, rounds)).transpose()?;
        let what = match number {
            1 => "1 instance".to_owned(),
            number => format!("{} instances", thousands(number)),
        };
        rows.extend(found.rows(&what, theirs.map(|theirs| (theirs.middle, theirs.longest))));
    }
    Ok(rows)
}

/// Returns a number as people write it.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

fn around_switches(setting: &Setting, start: &Start<'_>, number: usize, rounds: u32) -> Result<Found> {
    let (rig, _folder) = start(0..number)?;
    let mut found = Found::default();
    for round in 0..=rounds {
        for way in [Way::Up, Way::Back] {
            // The one is asked all the time; the others in turn, each of them seldom.
            let probe = Probe::start(&rig.host, EVERY, |_| input(tally(0), INCR))?;
            let mut place = 0;
            let others = Probe::start(&rig.host, EVERY, move |_| {
                place = (place + 7919) % number;
                input(tally(place), INCR)
            })?;
            std::thread::sleep(AROUND);
            let times = rig::switch(&rig, &setting.pair, way)?;
            std::thread::sleep(AROUND);
            let (probe, others) = (probe.end()?, others.end()?);
            // The first round makes files and caches ready.
            if round > 0 {
                found.add(times, (&probe, &others));
            }
            if way == Way::Back {
                rig::swept(&rig)?;
            }
        }
    }
    rig.stop()?;
    Ok(found)
}

impl Found {
    fn add(&mut self, times: rig::Times, (probe, others): (&[Waited], &[Waited])) {
        let (begin, commanded) = times.trial;
        let done = times.switch.1;
        self.calm.extend(between(probe, begin - AROUND, begin));
        self.trial.extend(between(probe, begin, commanded));
        let around = between(probe, commanded - MARGIN, done + MARGIN);
        self.longest.push(around.iter().copied().fold(0.0, f64::max));
        self.switch.extend(around);
        self.others.extend(between(others, done, Instant::now()));
        self.pauses.push(times.pause_us);
    }

    fn rows(&self, what: &str, theirs: Option<(f64, f64)>) -> Vec<Row> {
        let beside = |name: &str, ours: f64, theirs: Option<f64>| Row {
            bench: format!("{what}: {name}"),
            ours,
            against: Some("release_handler"),
            peer: theirs,
            unit: "us",
            bar: None,
        };
        let longest = |name: &str, figures: &[f64], theirs| beside(name, median(figures), theirs);
        let mut rows = vec![
            longest(
                "longest wait at a switch, of all switches the median",
                &self.longest,
                theirs.map(|theirs| theirs.0),
            ),
            beside(
                "the longest wait at any switch",
                quantile(&self.longest, 1.0),
                theirs.map(|theirs| theirs.1),
            ),
        ];
        let mut add = |name: &str, figures: &[f64], bar| {
            for (figure, share) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
                let bar = if figure == "p99" { bar } else { None };
                let bench = format!("{what}: {name}, {figure}");
                rows.push(Row::alone(bench, quantile(figures, share), "us", bar));
            }
        };
        add("waits at a switch", &self.switch, Some(Bar::Below(1000.0)));
        add("waits of others, used in the 0.4 s after it", &self.others, Some(Bar::Below(1000.0)));
        add("waits during the trial", &self.trial, None);
        add("waits when nothing is done", &self.calm, None);
        rows.push(Row::alone(
            format!("{what}: what the node tells as its pause, median"),
            median(&self.pauses),
            "us",
            None,
        ));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_groups() {
        let all = [1, 12, 123, 1_234, 100_000, 1_000_000].map(thousands);
        assert_eq!(all, ["1", "12", "123", "1,234", "100,000", "1,000,000"]);
    }
}
