//! The Erlang programs of `peers/erlang/`: compiled and run as their own process.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::workload::CHECK;

/// The compiled programs.
#[derive(Debug)]
pub struct Erlang {
    folder: TempDir,
}

/// What one run of the step programs took, in nanoseconds of CPU time per step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steps {
    /// The counter's function.
    pub counter: f64,
    /// The ledger's function.
    pub ledger: f64,
}

/// What to say where Erlang is missing.
pub const MISSING: &str =
    "Erlang is not installed; on Debian: apt-get install --no-install-recommends erlang-base erlang-dev";

impl Erlang {
    /// Compiles the programs. `None` where Erlang is not installed.
    ///
    /// # Errors
    ///
    /// When it is installed and does not take them.
    pub fn new() -> Result<Option<Erlang>> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/erlang");
        let folder = tempfile::tempdir().context("cannot make a folder for what Erlang compiles")?;
        let mut compile = Command::new("erlc");
        compile.arg("+inline").arg("-o").arg(folder.path());
        for name in ["counter_srv.erl", "ledger_srv.erl", "step_bench.erl"] {
            compile.arg(sources.join(name));
        }
        match compile.output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("cannot run erlc"),
            Ok(done) if done.status.success() => Ok(Some(Erlang { folder })),
            Ok(done) => bail!("erlc refuses the programs: {}", String::from_utf8_lossy(&done.stdout)),
        }
    }

    /// Returns the release of Erlang/OTP and its way to run, such as `25 jit`.
    ///
    /// # Errors
    ///
    /// When it cannot be run.
    pub fn release(&self) -> Result<String> {
        let print = "io:format(\"~s ~s\", [erlang:system_info(otp_release), erlang:system_info(emu_flavor)]), halt().";
        self.run(&["-eval", print])
    }

    /// Runs both functions once.
    ///
    /// # Errors
    ///
    /// When it cannot be run, or the ledger ends in other figures than [`CHECK`].
    pub fn steps(&self) -> Result<Steps> {
        let out = self.run(&["-s", "step_bench", "main", "-extra", "1", "x", "fun"])?;
        parse(&out, "fun").with_context(|| format!("the step programs say {out:?}"))
    }

    /// Calls a `gen_server` from one process, with one scheduler: caller and server take turns.
    ///
    /// # Errors
    ///
    /// When it cannot be run, or the ledger ends in other figures than [`CHECK`].
    pub fn calls(&self) -> Result<Steps> {
        let out = self.run(&["+S", "1:1", "-s", "step_bench", "main", "-extra", "1", "x", "all"])?;
        parse(&out, "call1").with_context(|| format!("the step programs say {out:?}"))
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("erl");
        command.arg("-noshell").arg("-pa").arg(self.folder.path()).args(arguments);
        let done = command.output().context("cannot run erl")?;
        if !done.status.success() {
            bail!("erl failed: {}", String::from_utf8_lossy(&done.stderr));
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }
}

/// Reads `name<TAB>wall<TAB>cpu` lines and the check list.
fn parse(out: &str, how: &str) -> Result<Steps> {
    let cpu = |machine: &str| -> Result<f64> {
        let name = format!("erl_{machine}_{how}_");
        let line = out.lines().find(|line| line.starts_with(&name));
        let figure = line.and_then(|line| line.split('\t').nth(2));
        figure.with_context(|| format!("there is no line {name}"))?.parse().context("a figure is a number")
    };
    let found =
        out.lines().find_map(|line| line.strip_prefix("# check ")).context("there is no check list")?;
    let expected = CHECK.map(|figure| figure.to_string()).join(",");
    if found != format!("[{expected}]") {
        bail!("the ledger ends in {found}, not in [{expected}]: it did other work");
    }
    Ok(Steps { counter: cpu("counter")?, ledger: cpu("ledger")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUT: &str = "# otp 25 jit schedulers 2\nerl_counter_fun_x\t20.1\t19.0\n\
                       # check [591865,16255439,66535,974,996845,1070410,16355439]\nerl_ledger_fun_x\t118\t105.5\n";

    #[test]
    fn what_the_programs_print_is_read() {
        assert_eq!(parse(OUT, "fun").expect("it is in order"), Steps { counter: 19.0, ledger: 105.5 });
    }

    #[test]
    fn other_work_is_refused() {
        let error = parse(&OUT.replace("66535", "66536"), "fun").expect_err("the check list differs");
        assert!(error.to_string().ends_with("it did other work"), "{error}");
        let error = parse("", "fun").expect_err("nothing was printed");
        assert_eq!(error.to_string(), "there is no check list");
    }
}
