//! A session without a terminal: what comes in is a script.
//!
//! A piece is taken as soon as it is known to be whole: when the next one begins, at an empty
//! line, or at the end. So a program can hold a conversation, with an empty line after each entry.

use std::io::BufRead;
use std::ops::ControlFlow;

use camshaft_cam::diagnostic::Source;
use camshaft_cam::syntax::entry::split;

use super::Shell;
use crate::failure::Failure;
use crate::talk::Talk;

/// How long a script may be, in bytes: what is entered is kept, to show the line that is wrong.
const SCRIPT_BYTES_MAX: usize = 16 << 20;

/// Takes a script from stdin. An entry that fails does not end it; it fails the whole.
pub fn run(shell: &mut Shell, talk: &mut Talk) -> Result<(), Failure> {
    let mut text = String::new();
    let mut done = 0;
    let mut input = std::io::stdin().lock();
    loop {
        let before = text.len();
        let read = input.read_line(&mut text).map_err(|error| {
            Failure::refused(format!("cannot read the script: {error}"), "a script is UTF-8 text")
        })?;
        if text.len() > SCRIPT_BYTES_MAX {
            let message = format!("the script is longer than {SCRIPT_BYTES_MAX} bytes");
            return Err(Failure::refused(message, "split it"));
        }
        let ended = read == 0;
        let empty = text[before..].trim().is_empty();
        if take(shell, talk, &text, &mut done, ended, empty).is_break() || ended {
            break;
        }
    }
    match shell.failed {
        0 => Ok(()),
        failed => {
            let message = format!("{failed} of {} entries failed", shell.entries);
            Err(Failure::refused(message, "the reasons stand above, each with its line"))
        }
    }
}

/// Takes the pieces that are whole. `done`: how much of the text was taken.
fn take(
    shell: &mut Shell,
    talk: &mut Talk,
    text: &str,
    done: &mut usize,
    ended: bool,
    empty: bool,
) -> ControlFlow<()> {
    let found = split(&text[*done..]);
    let whole = match ended || (empty && !found.open) {
        true => found.pieces.len(),
        // The last one may go on in the next line.
        false => found.pieces.len().saturating_sub(1),
    };
    if whole == 0 {
        return ControlFlow::Continue(());
    }
    let source = Source::new("(stdin)", text);
    let start = *done;
    for piece in &found.pieces[..whole] {
        *done = start + piece.span.end;
        shell.enter(&source, start + piece.span.start..start + piece.span.end, talk)?;
    }
    ControlFlow::Continue(())
}
