//! `camshaft repl [FILE.cam | PROJECT [MACHINE]]`: an interactive session.
//!
//! What an entry means is decided in `camshaft_cam::session`; here is what surrounds it: files to
//! load, a terminal with history and completion, or a script from a pipe.

mod answer;
mod script;
mod target;
mod terminal;

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::PathBuf;

use camshaft_cam::diagnostic::{Source, Span};
use camshaft_cam::session::{Refusal, Reply, Request, Session};

use crate::failure::Failure;
use crate::talk::Talk;
use target::Target;

/// Arguments of `repl`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A machine file, or the folder of a project; without either, a session on nothing
    #[arg(value_name = "FILE.cam | PROJECT")]
    target: Option<PathBuf>,

    /// Which machine of the project: MACHINE or APP/MACHINE; may be left out when it has one
    machine: Option<String>,

    /// Keep no history of what is entered
    #[arg(long)]
    no_history: bool,
}

/// Runs a session: interactively on a terminal, else as a script.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let mut shell =
        Shell { session: Session::new(), target: None, lines: !interactive(), entries: 0, failed: 0 };
    if let Some(path) = &args.target {
        let target = Target::new(path, args.machine.as_deref())?;
        let result = shell.load(target, false, talk)?;
        // On a terminal it says what was loaded; the results of a script are those of its entries.
        match result {
            Err(refusal) => return Err(answer::failure(refusal)),
            Ok(reply) if interactive() && !talk.json => talk.out(&reply.to_text()),
            Ok(reply) => {
                if let Reply::Loaded(loading) = reply
                    && let Some(fresh) = loading.fresh
                {
                    talk.note(format!("note: {}", fresh.to_words()));
                }
            }
        }
    }
    if interactive() { terminal::run(shell, args.no_history, talk) } else { script::run(&mut shell, talk) }
}

fn interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// A session with what it was loaded from.
#[derive(Debug)]
struct Shell {
    session: Session,
    target: Option<Target>,
    /// True where a refusal says on which line its entry stands.
    lines: bool,
    entries: usize,
    failed: usize,
}

impl Shell {
    /// Takes one piece of a text and prints what came of it. Breaks where the session is to end.
    fn enter(&mut self, source: &Source, piece: Span, talk: &mut Talk) -> ControlFlow<()> {
        self.entries += 1;
        let line = source.line_column(piece.start).0;
        let shown = self.lines.then_some(line);
        let result = match self.session.enter(source, piece) {
            Ok(Reply::Asked(Request::Quit)) => return ControlFlow::Break(()),
            Ok(Reply::Asked(Request::Load(path))) => self.load_asked(path, talk),
            result => result,
        };
        self.failed += usize::from(result.is_err());
        answer::print(talk, self.entries, line, shown, &result);
        ControlFlow::Continue(())
    }

    fn load_asked(&mut self, path: Option<String>, talk: &Talk) -> Result<Reply, Refusal> {
        let target = match (path, &self.target) {
            (Some(path), _) => Target::of_line(&path),
            (None, Some(target)) => Ok(target.clone()),
            (None, None) => {
                Err(Failure::refused("nothing was loaded that could be loaded again", ":load FILE.cam"))
            }
        };
        let again = target.as_ref().is_ok_and(|target| Some(target) == self.target.as_ref());
        match target.and_then(|target| self.load(target, again, talk)) {
            Ok(result) => result,
            Err(failure) if failure.diagnostics.is_empty() => {
                Err(Refusal::Refused { message: failure.message, hint: failure.hint })
            }
            Err(failure) => Err(Refusal::Faults(failure.diagnostics)),
        }
    }

    /// Loads a machine; what was loaded before stays when this one is refused.
    fn load(&mut self, target: Target, keep: bool, talk: &Talk) -> Result<Result<Reply, Refusal>, Failure> {
        let load = target.read(talk)?;
        let result = self.session.load(load, keep);
        if result.is_ok() {
            self.target = Some(target);
        }
        Ok(result)
    }
}
