//! `camshaft agent`: one node, until it is told to stop.

mod config;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;

use camshaft_agent::{ServeError, TakeOverError};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::failure::{Failure, chain};
use crate::talk::Talk;

/// Arguments of `agent`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder that the node remembers everything in; made when it is not there
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Where to listen: an address of loopback, or any with --trust; port 0 takes any that is free
    /// [default: 127.0.0.1:7101]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,

    /// Where bundles are fetched from that are named and not sent: a folder, or an address
    #[arg(long, value_name = "REGISTRY", env = crate::registry::VARIABLE)]
    registry: Option<String>,

    /// The node's agent.toml; a flag wins over what it says
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Whose bundles the node takes: a signers.toml, or the root of a registry's metadata. Without
    /// it, it takes those of anybody who reaches it, and listens on loopback only
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,

    /// Where the metadata under a pinned root comes from: the folder or address of a registry, or a
    /// copy of its folder tuf
    #[arg(long, value_name = "PLACE", requires = "trust")]
    metadata: Option<String>,

    /// Take the node over from the agent that runs on --data: its sockets are handed over, and no
    /// connection is refused
    #[arg(long)]
    take_over: bool,

    /// A name of the host that the node may be asked for by, besides its addresses; may be repeated
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
}

/// Runs an agent. The line with its address is printed once it has recovered and listens.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let options = config::options(args)?;
    if options.data.exists() && !options.data.is_dir() {
        let message = format!("cannot keep a node in {}: it is no folder", options.data.display());
        return Err(Failure::refused(message, "name a folder; it is made when it is not there"));
    }
    log_to_stderr();
    let ready = |address: SocketAddr| {
        let url = format!("http://{address}");
        talk.result(&serde_json::json!({ "listening": url }), format!("listening on {url}"));
    };
    camshaft_agent::serve(&options, ready).map_err(|error| failure(&error))
}

fn failure(error: &ServeError) -> Failure {
    let hint = match error {
        ServeError::NotLoopback(_) => {
            "add --trust FILE, so that only signed bundles are taken; or listen on 127.0.0.1 or [::1]"
        }
        ServeError::Trust(_) => {
            "what runs on the node is as it was; docs/trust.md says what each file is for"
        }
        ServeError::Listen { .. } => "is another agent there? --listen 127.0.0.1:0 takes a free port",
        ServeError::Store(_) => {
            "check --data: the folder, its permissions and the disk; one agent uses it at a time"
        }
        ServeError::Recover(_) => "the folder is from another version, or damaged; it was not changed",
        ServeError::Ports(_) => "check the [ports] of the agent.toml",
        ServeError::TakeOver(TakeOverError::Nobody { .. }) => {
            "start the agent without --take-over; an agent that was made before there was taking over is stopped first"
        }
        ServeError::TakeOver(TakeOverError::Refused(problem)) => &problem.hint,
        ServeError::TakeOver(TakeOverError::Broken(_)) => {
            "look at the log of the agent that ran; if it does not run any more, start without --take-over"
        }
        ServeError::TakeOver(TakeOverError::Unknown(_)) => {
            "end the other agent, then start one without --take-over; what was acknowledged is durable"
        }
        ServeError::System(_) => "check the limits of the system: files, threads, memory",
        ServeError::Node(_) => "start the agent again; what was acknowledged is durable",
    };
    let message = chain(error);
    if error.is_refusal() { Failure::refused(message, hint) } else { Failure::fault(message, hint) }
}

/// Logs at level `info`, unless RUST_LOG says otherwise.
pub(super) fn log_to_stderr() {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && !no_colour)
        // A log that cannot be written must not end the node.
        .log_internal_errors(false);
    // Fails only where a log was set up before, by a test in the same process.
    let _ = log.try_init();
}
