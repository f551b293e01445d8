//! What is known of small machines, exactly; and that runs stay within what is known.

mod cost;
mod reach;
mod runs;

use crate::diagnostic::Source;
use crate::verify::{VerifiedMachine, verify};

/// Compiles a machine.
#[track_caller]
fn machine(text: &str) -> VerifiedMachine {
    let source = Source::new("test.cam", text);
    let module = crate::compile::machine(&source, None).unwrap_or_else(|errors| {
        let lines: Vec<String> = errors.iter().map(|error| error.one_line()).collect();
        panic!("{}", lines.join("\n"))
    });
    let verified = verify(module).unwrap_or_else(|error| panic!("{error}"));
    verified.into_machine().expect("it was compiled as a machine")
}
