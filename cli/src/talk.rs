//! Talking: data to stdout, everything else to stderr.
//!
//! With `--json`, stdout gets exactly one JSON document, also when the command fails. A reader
//! that closes its end early (`camshaft ... | head`) ends the printing and not the command:
//! the exit code still tells what became of the request.

use std::io::{ErrorKind, IsTerminal, Write};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::render;

/// Where a command talks to.
#[derive(Debug)]
pub struct Talk {
    /// One JSON document on stdout instead of lines for people.
    pub json: bool,
    /// No talk on stderr but errors.
    pub quiet: bool,
    fault: Option<std::io::Error>,
    closed: bool,
}

impl Talk {
    /// Returns a talk in one of the two forms.
    pub fn new(json: bool, quiet: bool) -> Talk {
        Talk { json, quiet, fault: None, closed: false }
    }

    /// Prints the result of the command: `human` for people, `data` with `--json`. Text of a node or a file does nothing
    /// to the terminal.
    pub fn result(&mut self, data: &impl Serialize, human: impl AsRef<str>) {
        self.coloured_result(data, render::harmless(human.as_ref()));
    }

    /// The same with colours: nothing of `human` comes from anybody else as it is.
    pub fn coloured_result(&mut self, data: &impl Serialize, human: impl AsRef<str>) {
        if !self.json {
            return self.out(human.as_ref());
        }
        match serde_json::to_string(data) {
            Ok(text) => self.out(&text),
            Err(error) => self.fault = Some(std::io::Error::other(error)),
        }
    }

    /// Prints text that is the same in both forms.
    pub fn out(&mut self, text: &str) {
        if self.closed {
            return;
        }
        let mut stdout = std::io::stdout().lock();
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let written = write!(stdout, "{text}{end}").and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.closed = true,
            Err(error) => self.fault = Some(error),
            Ok(()) => {}
        }
    }

    /// Says something to the person who watches; without what text of others could do to the terminal.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            // Nobody is left to tell when stderr is closed.
            let _ = writeln!(std::io::stderr(), "{}", render::harmless(text.as_ref()));
        }
    }

    /// Says, also to who wants quiet, what a failure is about that follows. Programs get it with
    /// the failure.
    pub fn report(&self, text: &str) {
        if !self.json {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Reports a failure.
    pub fn failure(&mut self, failure: &Failure) {
        if self.json {
            let mut error = json!({
                "message": failure.message,
                "hint": failure.hint,
                "exit": failure.exit.code(),
            });
            if let Some(code) = &failure.code {
                error["code"] = json!(code);
            }
            if !failure.diagnostics.is_empty() {
                error["diagnostics"] = failure.diagnostics.iter().map(render::to_json).collect();
            }
            if let Some(details) = &failure.details {
                error["details"] = (**details).clone();
            }
            let document: Value = json!({ "error": error });
            return self.out(&document.to_string());
        }
        let colour = colour();
        let mut text = String::new();
        for diagnostic in &failure.diagnostics {
            text += &render::to_text(diagnostic, colour);
            text += "\n\n";
        }
        let (red, cyan, plain) = if colour { ("\x1b[1;31m", "\x1b[1;36m", "\x1b[0m") } else { ("", "", "") };
        text += &format!(
            "{red}error:{plain} {}\n{cyan}hint:{plain} {}",
            render::harmless(&failure.message),
            render::harmless(&failure.hint)
        );
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Returns what went wrong with printing.
    ///
    /// # Errors
    ///
    /// When a result could not be written, a full disk for instance.
    pub fn end(self) -> Result<(), std::io::Error> {
        self.fault.map_or(Ok(()), Err)
    }

    /// Runs long work and says on a terminal how long it has been going on.
    pub fn while_waiting<T: Send>(&self, what: &str, work: impl FnOnce() -> T + Send) -> T {
        self.while_watching(what, || None, work)
    }

    /// The same, and how far it is where that is known: `look` is asked now and then.
    pub fn while_watching<T: Send>(
        &self,
        what: &str,
        look: impl Fn() -> Option<String> + Send,
        work: impl FnOnce() -> T + Send,
    ) -> T {
        if self.quiet || self.json || !std::io::stderr().is_terminal() {
            return work();
        }
        let started = Instant::now();
        std::thread::scope(|scope| {
            let (done, waiting) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || {
                let mut widest = 0;
                let tick = Duration::from_millis(500);
                while waiting.recv_timeout(tick) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    let far = look().map(|far| format!(", {far}")).unwrap_or_default();
                    let line = format!("{what} ... {} s{far}", started.elapsed().as_secs());
                    widest = widest.max(line.len());
                    let _ = write!(std::io::stderr(), "\r{line:widest$}");
                }
                if widest > 0 {
                    let _ = write!(std::io::stderr(), "\r{:widest$}\r", "");
                }
            });
            let result = work();
            drop(done);
            result
        })
    }
}

/// Returns true when errors may be coloured: a terminal, and nobody asked for none.
pub fn colour() -> bool {
    std::io::stderr().is_terminal() && may_colour()
}

/// Returns true when results may be coloured, likewise.
pub fn colour_out() -> bool {
    std::io::stdout().is_terminal() && may_colour()
}

fn may_colour() -> bool {
    let asked_for_none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !asked_for_none && !dumb
}
