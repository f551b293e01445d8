//! What a failure says: how to replay it, what happened, and with as few steps as still fail.

use std::fmt::Write as _;

use crate::run::{Failure, Options, run};
use crate::seen::{Entry, Source, Verdict};
use crate::world::World;

/// How many runs are spent on making a failure smaller.
const RUNS_MAX: u32 = 300;

/// Leaves out steps for as long as the run still fails, in whatever way.
pub fn shrink(failure: Box<Failure>) -> Box<Failure> {
    let mut best = failure;
    best.options.steps = best.step + 1;
    let mut runs = 0;
    let mut size = best.options.steps.div_ceil(2);
    while size > 0 && runs < RUNS_MAX {
        let mut from = 0;
        let mut smaller = false;
        while from < best.options.steps && runs < RUNS_MAX {
            let mut options = best.options.clone();
            options.skip.extend((from..from + size).filter(|step| *step < options.steps));
            options.skip.sort_unstable();
            options.skip.dedup();
            from += size;
            if options.skip.len() == best.options.skip.len() {
                continue;
            }
            runs += 1;
            if let Err(mut failure) = run(&options) {
                failure.options.steps = failure.step + 1;
                best = failure;
                smaller = true;
            }
        }
        if !smaller || size > 1 {
            size /= 2;
        }
    }
    best
}

impl Failure {
    /// Returns the command that does it again.
    pub fn replay(&self) -> String {
        let Options { seed, steps, skip, shards, fault } = &self.options;
        let mut text = format!("cargo xtask sim agent --seed {seed} --steps {steps}");
        if !skip.is_empty() {
            let _ = write!(text, " --skip {}", ranges(skip));
        }
        if let Some(shards) = shards {
            let _ = write!(text, " --shards {shards}");
        }
        if let Some(fault) = fault {
            let _ = write!(text, " (with the fault {fault:?} planted)");
        }
        text
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "seed {} fails in step {}: {}", self.options.seed, self.step, self.wrong.what)?;
        writeln!(f, "  expected: {}", self.wrong.expected)?;
        writeln!(f, "  seen:     {}", self.wrong.seen)?;
        writeln!(f, "the world:")?;
        for line in World::of(self.options.seed).lines() {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "the last events:")?;
        for event in &self.events {
            writeln!(f, "  {event}")?;
        }
        write!(f, "replay: {}", self.replay())
    }
}

/// Returns numbers as `1-3,7`.
fn ranges(numbers: &[u64]) -> String {
    let mut parts: Vec<(u64, u64)> = vec![];
    for number in numbers {
        match parts.last_mut() {
            Some((_, to)) if *to + 1 == *number => *to = *number,
            _ => parts.push((*number, *number)),
        }
    }
    let part = |(from, to): &(u64, u64)| if from == to { from.to_string() } else { format!("{from}-{to}") };
    parts.iter().map(part).collect::<Vec<_>>().join(",")
}

/// Reads what [`Failure::replay`] writes of the steps that are left out.
pub fn steps_of(text: &str) -> Option<Vec<u64>> {
    let mut steps = vec![];
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        steps.extend(from.parse::<u64>().ok()?..=to.parse::<u64>().ok()?);
    }
    Some(steps)
}

/// Returns an entry of the history in a line.
pub(crate) fn line(entry: &Entry) -> String {
    let Entry::Input(input) = entry else { return format!("{entry:?}") };
    let source = match &input.source {
        Source::Anonymous => "a request".to_owned(),
        Source::Named(identity) => format!("{identity:?}"),
        Source::Message(sent) => format!("message {}.{} of {}", sent.seq, sent.effect, sent.peer),
        Source::Answer(sent) => format!("answer of {} to {}.{}", sent.peer, sent.seq, sent.effect),
        Source::Timer { name, generation } => format!("timer {name}, generation {generation}"),
        Source::Relup { switch, index } => format!("applied {index} of switch {switch}"),
    };
    let came = match &input.verdict {
        Verdict::Applied { effects, .. } => format!("applied, {effects:?}"),
        Verdict::Trapped { kind, .. } => format!("trap {kind}"),
    };
    format!("{} takes {}, {source}, at {}: {came}", input.instance, input.seq, input.now_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_written_short_and_read_again() {
        let steps = [1, 2, 3, 7, 9, 10];
        assert_eq!(ranges(&steps), "1-3,7,9-10");
        assert_eq!(steps_of("1-3,7,9-10"), Some(steps.to_vec()));
        assert_eq!(steps_of("1-x"), None);
    }
}
