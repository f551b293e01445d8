//! What libFuzzer says while it runs, and what of it is worth telling.

/// How many of the last lines are shown when a target fails.
const TAIL_LINES: usize = 40;

/// What was seen of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How many inputs were tried.
    pub executions: u64,
    /// How many edges of the code were come to.
    pub coverage: u64,
    /// The same, told apart by how often.
    pub features: u64,
    /// How many inputs the corpus came to.
    pub corpus: u64,
    /// The file with the input that failed.
    pub artifact: Option<String>,
    /// True when the run ended otherwise than by its time.
    pub failed: bool,
    /// The last lines.
    pub tail: String,
}

impl Seen {
    /// Takes one line in.
    pub fn line(&mut self, line: &str) {
        // `#4194304 pulse  cov: 812 ft: 2301 corp: 211/48Kb lim: 4096 exec/s: 8123 rss: 421Mb`
        let words: Vec<&str> = line.split_whitespace().collect();
        let after = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            words.get(at + 1)?.split('/').next()?.parse().ok()
        };
        if let Some(count) = words.first().and_then(|word| word.strip_prefix('#')?.parse().ok()) {
            self.executions = self.executions.max(count);
            self.coverage = after("cov:").unwrap_or(self.coverage);
            self.features = after("ft:").unwrap_or(self.features);
            self.corpus = after("corp:").unwrap_or(self.corpus);
            return;
        }
        if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = count.trim().parse().unwrap_or(self.executions);
        }
        if let Some((_, path)) = line.split_once("Test unit written to ") {
            self.artifact = Some(path.trim().to_owned());
        }
        self.tail.push_str(line);
        self.tail.push('\n');
        let extra = self.tail.lines().count().saturating_sub(TAIL_LINES);
        let cut: usize = self.tail.split_inclusive('\n').take(extra).map(str::len).sum();
        self.tail.drain(..cut);
    }

    /// Returns the line of the table.
    pub fn row(&self, target: &str) -> String {
        let result = match (self.failed, &self.artifact) {
            (false, _) => "nothing found".to_owned(),
            (true, Some(artifact)) => format!("FAILED: {artifact}"),
            (true, None) => "FAILED before an input was tried".to_owned(),
        };
        let Seen { executions, coverage, features, corpus, .. } = self;
        format!("{target:<8} {executions:>12} {coverage:>9} {features:>9} {corpus:>7}  {result}")
    }

    /// Returns the command that shows the failure again.
    pub fn replay(&self, target: &str) -> Option<String> {
        let input = self.artifact.as_deref().unwrap_or("");
        self.failed.then(|| format!("cargo +nightly fuzz run {target} {input}").trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(failed: bool, lines: &[&str]) -> Seen {
        let mut seen = Seen { failed, ..Seen::default() };
        lines.iter().for_each(|line| seen.line(line));
        seen
    }

    #[test]
    fn a_run_that_finds_nothing_tells_what_it_did() {
        let seen = seen(
            false,
            &[
                "INFO: Seed: 1",
                "#2      INITED cov: 100 ft: 101 corp: 1/1b exec/s: 0 rss: 30Mb",
                "#4096   NEW    cov: 812 ft: 2301 corp: 211/48Kb lim: 4096 exec/s: 81 rss: 42Mb L: 3/3 MS: 1 -",
                "#5000   DONE   cov: 812 ft: 2302 corp: 212/48Kb lim: 4096 exec/s: 81 rss: 42Mb",
                "Done 5000 runs in 61 second(s)",
                "stat::number_of_executed_units: 5001",
            ],
        );
        assert_eq!((seen.executions, seen.coverage, seen.features, seen.corpus), (5001, 812, 2302, 212));
        assert_eq!(seen.row("run"), "run              5001       812      2302     212  nothing found");
        assert_eq!(seen.replay("run"), None);
    }

    #[test]
    fn a_failure_comes_with_its_input_and_the_command_that_shows_it_again() {
        let seen = seen(
            true,
            &[
                "#77     NEW    cov: 9 ft: 9 corp: 3/48b lim: 4096 exec/s: 81 rss: 42Mb",
                "thread '<unnamed>' panicked at src/lib.rs:1:1:",
                "artifact_prefix='fuzz/artifacts/run/'; Test unit written to fuzz/artifacts/run/crash-0a",
            ],
        );
        assert_eq!(seen.row("run").split("  ").last(), Some("FAILED: fuzz/artifacts/run/crash-0a"));
        let replay = seen.replay("run");
        assert_eq!(replay.as_deref(), Some("cargo +nightly fuzz run run fuzz/artifacts/run/crash-0a"));
        assert!(seen.tail.contains("panicked"));
    }

    #[test]
    fn a_run_that_ends_before_it_begins_is_a_failure_too() {
        let seen = seen(true, &["==1==ERROR: AddressSanitizer failed to allocate"]);
        assert!(seen.row("run").ends_with("FAILED before an input was tried"));
        assert_eq!(seen.replay("run").as_deref(), Some("cargo +nightly fuzz run run"));
    }

    #[test]
    fn of_many_words_the_last_are_kept() {
        let lines: Vec<String> = (0..100).map(|number| format!("line {number}")).collect();
        let seen = seen(true, &lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(seen.tail.lines().count(), TAIL_LINES);
        assert!(seen.tail.ends_with("line 99\n"));
    }
}
