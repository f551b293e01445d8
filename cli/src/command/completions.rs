//! `camshaft completions SHELL`.

use clap_complete::Shell;

use crate::failure::Failure;
use crate::talk::Talk;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the completions of a shell.
pub fn run(args: &Args, definition: &mut clap::Command, talk: &mut Talk) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, definition, "camshaft", &mut script);
    let script = String::from_utf8_lossy(&script);
    talk.result(&serde_json::json!({ "shell": args.shell.to_string(), "script": script }), &script);
    Ok(())
}
