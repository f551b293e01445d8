//! `camshaft registry serve`: a registry over HTTP, until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;

use camshaft_registry::http::{Options, Reach, ServeError};
use camshaft_registry::{Folder, Token};

use crate::command::agent::log_to_stderr;
use crate::failure::{Failure, chain};
use crate::registry;
use crate::talk::Talk;

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The registry's folder; an empty one, or none, becomes one
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,

    /// Where to listen; port 0 takes any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7110")]
    listen: SocketAddr,

    /// The file whose first line is the token that publishers show; without it nobody publishes
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Let other machines in. There is no TLS here: put a proxy that has it in front where a token is used
    #[arg(long)]
    allow_remote: bool,
}

/// Runs a server. The line with its address is printed once it listens.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let token = args.token_file.as_deref().map(Token::read).transpose();
    let token = token.map_err(|error| registry::token_failure(&error))?;
    let reach = if args.allow_remote { Reach::Anywhere } else { Reach::Loopback };
    if reach == Reach::Loopback && !args.listen.ip().is_loopback() {
        return Err(failure(&ServeError::NotLoopback(args.listen)));
    }
    let folder = Folder::create(&args.dir).map_err(registry::failure)?;
    log_to_stderr();
    let takes = token.is_some();
    let options = Options { folder, listen: args.listen, reach, token };
    let ready = |address: SocketAddr| {
        let url = format!("http://{address}");
        let how = if takes { "who shows the token publishes" } else { "read-only" };
        let document = serde_json::json!({ "listening": url, "read_only": !takes });
        talk.result(&document, format!("listening on {url}; {how}"));
    };
    camshaft_registry::http::serve(options, ready).map_err(|error| failure(&error))
}

fn failure(error: &ServeError) -> Failure {
    let message = chain(error);
    match error {
        ServeError::NotLoopback(_) => {
            let hint =
                "listen on 127.0.0.1 or [::1]; or add --allow-remote, with a proxy that has TLS in front";
            Failure::refused(message, hint)
        }
        ServeError::Listen { .. } => {
            Failure::refused(message, "is another server there? --listen 127.0.0.1:0 takes a free port")
        }
        ServeError::System(_) => {
            Failure::fault(message, "check the limits of the system: files, threads, memory")
        }
    }
}
