//! A session on a terminal: prompts, history, completion, Ctrl-C.

use std::io::Write;
use std::path::PathBuf;

use camshaft_cam::diagnostic::Source;
use camshaft_cam::syntax::entry::split;
use rustyline::completion::Completer;
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::Shell;
use crate::failure::{Failure, chain};
use crate::talk::Talk;

/// How many entries the history keeps.
const HISTORY_MAX: usize = 10_000;

const PROMPT: &str = "cam> ";

/// Runs a session until Ctrl-D or `:quit`.
pub fn run(shell: Shell, no_history: bool, talk: &mut Talk) -> Result<(), Failure> {
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(false).build();
    let mut editor: Editor<Line, DefaultHistory> =
        Editor::with_config(config).map_err(|error| terminal_fault(&error))?;
    editor.set_max_history_size(HISTORY_MAX).map_err(|error| terminal_fault(&error))?;
    editor.set_helper(Some(Line { shell }));
    let history = if no_history { None } else { history_path() };
    if let Some(path) = &history {
        // There is none before the first session.
        let _ = editor.load_history(path);
    }
    ignore_interrupts();
    talk.note(":help tells what can be entered, Ctrl-D ends");
    let result = converse(&mut editor, talk);
    if let Some(path) = &history
        && let Err(error) = keep(&mut editor, path)
    {
        talk.note(format!("note: the history was not kept in {}: {}", path.display(), chain(&*error)));
    }
    result
}

fn converse(editor: &mut Editor<Line, DefaultHistory>, talk: &mut Talk) -> Result<(), Failure> {
    let mut count = 0;
    loop {
        match editor.readline(PROMPT) {
            Ok(text) => {
                if text.trim().is_empty() {
                    continue;
                }
                // A fault of the history is none of the session.
                let _ = editor.add_history_entry(text.as_str());
                count += 1;
                let source = Source::new(format!("entry {count}"), text.as_str());
                let Some(line) = editor.helper_mut() else { return Ok(()) };
                for piece in split(&text).pieces {
                    if line.shell.enter(&source, piece.span, talk).is_break() {
                        return Ok(());
                    }
                }
            }
            Err(ReadlineError::Interrupted) => talk.note("(Ctrl-D or :quit ends)"),
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(terminal_fault(&error)),
        }
    }
}

fn terminal_fault(error: &ReadlineError) -> Failure {
    Failure::fault(
        format!("the terminal fails: {}", chain(error)),
        "a script can come from a pipe: camshaft repl < FILE",
    )
}

/// An entry ends by itself, at its fuel at the latest; Ctrl-C while it runs must not end the
/// session with everything in it. At the prompt the editor takes the key itself.
fn ignore_interrupts() {
    std::thread::spawn(|| {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                let _ = writeln!(std::io::stderr(), "(this ends by itself)");
            }
        });
    });
}

/// Returns where the history is kept: among what programs may forget, as the XDG base directory
/// specification has it.
fn history_path() -> Option<PathBuf> {
    // A relative path there is to be ignored, the specification says.
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("camshaft").join("repl_history"))
}

fn keep(
    editor: &mut Editor<Line, DefaultHistory>,
    path: &std::path::Path,
) -> Result<(), Box<dyn std::error::Error>> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Appended, so that two sessions at a time keep both.
    editor.append_history(path)?;
    Ok(())
}

/// What the editor asks about the line that is typed.
struct Line {
    shell: Shell,
}

impl Validator for Line {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match split(context.input()).open {
            true => ValidationResult::Incomplete,
            false => ValidationResult::Valid(None),
        })
    }
}

impl Completer for Line {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.shell.session.complete(&line[..at]))
    }
}

impl Hinter for Line {
    type Hint = String;
}

impl Highlighter for Line {}

impl Helper for Line {}
