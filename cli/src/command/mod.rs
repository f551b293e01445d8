//! The commands: one file each, and the way into them.

mod agent;
mod appup;
mod audit;
mod build;
mod check;
mod completions;
mod demo;
mod dev;
mod diff;
mod explain;
mod fmt;
mod inspect;
mod key;
mod new;
mod node;
mod publish;
mod pull;
mod registry;
mod release;
mod relup;
mod repl;
mod replay;
mod restore;
mod schema;
mod sign;
mod test;
mod trust;
mod try_state;

use std::ffi::OsString;
use std::io::Write;

use clap::{CommandFactory, Parser, Subcommand};

use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::talk::Talk;

/// Camshaft upgrades typed state machines while they run, and brings them back when an upgrade
/// does not hold.
#[derive(Debug, Parser)]
#[command(name = "camshaft", version, after_help = exit::HELP, max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true)]
struct Line {
    #[command(subcommand)]
    command: Command,

    /// Print one JSON document on stdout instead of lines for people
    #[arg(long, global = true)]
    json: bool,

    /// Say nothing on stderr but errors
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a project that checks, tests, builds and runs at once
    New(new::Args),
    /// Build a project into a bundle
    Build(build::Args),
    /// Check a project; nothing is written
    Check(check::Args),
    /// Run the tests and properties of machine files
    Test(test::Args),
    /// Format machine and migration files
    Fmt(fmt::Args),
    /// Check and build whenever a file is saved
    Dev(dev::Args),
    /// Try out expressions and machines, interactively or from a pipe
    Repl(repl::Args),
    /// Show what changed between two releases, and whether that keeps what was promised
    Diff(diff::Args),
    /// Move a project on to its next version
    Release(release::Args),
    /// Work on the migrations of a project
    Appup(appup::Args),
    /// Plan and check the way from one release to another
    Relup(relup::Args),
    /// Print the schemas of documents, for editors
    Schema(schema::Args),
    /// Show what a bundle holds, after checking everything in it
    Inspect(inspect::Args),
    /// Make and list keys that sign
    Key(key::Args),
    /// Sign a bundle; the signature stands in a file beside it
    Sign(sign::Args),
    /// Publish a bundle in a registry
    Publish(publish::Args),
    /// Get a bundle from a registry
    Pull(pull::Args),
    /// Run a registry, and look after what is published
    Registry(registry::Args),
    /// Say who may sign, and keep the metadata of a registry fresh
    Trust(trust::Args),
    /// Run a node
    Agent(agent::Args),
    /// Talk to a running node
    Node(node::Args),
    /// Try an upgrade on the states of a data folder, without its node; nothing changes
    Try(try_state::Args),
    /// See again, here, what failed on a node: a step, a migration
    Replay(replay::Args),
    /// Verify what a node tells of its commands and switches
    Audit(audit::Args),
    /// Make a data folder of a backup, or look at one
    Restore(restore::Args),
    /// Play the whole story on three agents, explained as it goes
    Demo(demo::Args),
    /// Print completions for a shell
    Completions(completions::Args),
    /// Explain the code of an error, such as E0201
    Explain(explain::Args),
}

/// Runs the command that the arguments name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let line = match Line::try_parse_from(&arguments) {
        Ok(line) => line,
        Err(error) => return not_understood(&error, &arguments),
    };
    let mut talk = Talk::new(line.json, line.quiet);
    let result = dispatch(&line.command, &mut talk);
    let mut exit = match result {
        Ok(()) => Exit::Done,
        Err(failure) => {
            talk.failure(&failure);
            failure.exit
        }
    };
    if let Err(error) = talk.end() {
        let _ = writeln!(
            std::io::stderr(),
            "error: cannot write the result: {error}\nhint: check where stdout goes"
        );
        // What became of the request is worth more than that it could not be told.
        exit = if exit == Exit::Done { Exit::Fault } else { exit };
    }
    exit
}

fn dispatch(command: &Command, talk: &mut Talk) -> Result<(), Failure> {
    match command {
        Command::New(args) => new::run(args, talk),
        Command::Release(args) => release::run(args, talk),
        Command::Try(args) => try_state::run(args, talk),
        Command::Replay(args) => replay::run(args, talk),
        Command::Restore(args) => restore::run(args, talk),
        Command::Audit(args) => audit::run(args, talk),
        Command::Build(args) => build::run(args, talk),
        Command::Check(args) => check::run(args, talk),
        Command::Test(args) => test::run(args, talk),
        Command::Fmt(args) => fmt::run(args, talk),
        Command::Dev(args) => dev::run(args, talk),
        Command::Repl(args) => repl::run(args, talk),
        Command::Diff(args) => diff::run(args, talk),
        Command::Appup(args) => appup::run(args, talk),
        Command::Relup(args) => relup::run(args, talk),
        Command::Schema(args) => schema::run(args, talk),
        Command::Inspect(args) => inspect::run(args, talk),
        Command::Key(args) => key::run(args, talk),
        Command::Sign(args) => sign::run(args, talk),
        Command::Publish(args) => publish::run(args, talk),
        Command::Pull(args) => pull::run(args, talk),
        Command::Registry(args) => registry::run(args, talk),
        Command::Trust(args) => trust::run(args, talk),
        Command::Agent(args) => agent::run(args, talk),
        Command::Demo(args) => demo::run(args, talk),
        Command::Node(args) => node::run(args, talk),
        Command::Completions(args) => completions::run(args, &mut Line::command(), talk),
        Command::Explain(args) => explain::run(args, talk),
    }
}

/// Help and version are done; everything else that clap stops at is a usage error.
fn not_understood(error: &clap::Error, arguments: &[OsString]) -> Exit {
    use clap::error::ErrorKind;
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let json = arguments.iter().skip(1).take_while(|argument| *argument != "--").any(|word| word == "--json");
    if !asked && json {
        let text = error.render().to_string();
        // The first paragraph says what is wrong; usage follows.
        let said: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
        let said = said.join(" ").trim_start_matches("error: ").to_owned();
        let mut talk = Talk::new(true, false);
        let failure = Failure::refused(said, "camshaft --help lists the commands and their arguments");
        talk.failure(&failure.code("usage"));
        return Exit::Refused;
    }
    // Nobody is left to tell when the stream is closed.
    let _ = error.print();
    if asked {
        return Exit::Done;
    }
    if error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = writeln!(std::io::stderr(), "hint: camshaft --help lists the commands and their arguments");
    }
    Exit::Refused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Line::command().debug_assert();
    }

    #[test]
    fn arguments_that_are_no_text_are_refused() {
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStringExt;
            let odd = OsString::from_vec(vec![0xff, 0xfe]);
            for line in [vec!["camshaft".into(), odd.clone()], vec!["camshaft".into(), "explain".into(), odd]]
            {
                assert_eq!(run(line), Exit::Refused);
            }
        }
    }
}
