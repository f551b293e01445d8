//! `camshaft try BUNDLE --state FOLDER|BACKUP`: a node's dry run of an upgrade, without the node.

use std::path::PathBuf;

use camshaft_agent::offline::{OfflineError, try_upgrade};
use camshaft_releases::patch;

use super::node::change::{Leaving, tell_trial};
use crate::failure::{Failure, chain};
use crate::project::read_bundle;
use crate::talk::Talk;

/// Arguments of `try`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bundle: NAME-VERSION.tar.gz
    bundle: PathBuf,

    /// The data folder of an agent that does not run, or a copy of it, or a backup; nothing is written to it
    #[arg(long, value_name = "FOLDER|BACKUP")]
    state: PathBuf,

    /// A patch bundle, when the release does not name the one that the node runs
    #[arg(long, value_name = "FILE")]
    patch: Option<PathBuf>,

    #[command(flatten)]
    leaving: Leaving,
}

/// Tries an upgrade on the states of a data folder.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let mut bundle = read_bundle(&args.bundle)?;
    if let Some(path) = &args.patch {
        bundle = patch::join(&bundle, &read_bundle(path)?);
    }
    let allowed = args.leaving.allowed();
    let tried = talk
        .while_waiting("trying on the states of the folder", || try_upgrade(&args.state, &bundle, &allowed));
    match tried {
        Ok(report) => tell_trial(report, None, talk),
        Err(error) => Err(failure(args, &error)),
    }
}

fn failure(args: &Args, error: &OfflineError) -> Failure {
    let message = format!("{}: {}", args.state.display(), chain(error));
    match error {
        OfflineError::Refused(problem) => {
            let mut message = match problem.detail.contains(&problem.title) {
                true => problem.detail.clone(),
                false => format!("{}: {}", problem.title, problem.detail),
            };
            for note in &problem.notes {
                message += &format!("\n  {note}");
            }
            Failure::refused(message, &problem.hint).code(&problem.code).details(problem)
        }
        OfflineError::NoNode => Failure::refused(message, "name the folder that `camshaft agent --data` has"),
        OfflineError::Store(_) => Failure::refused(
            message,
            "stop the agent, or copy its folder while it does not run; ask a running one with: camshaft node try",
        ),
        OfflineError::Backup(error) => {
            let said = super::restore::refused(&args.state, error);
            Failure { message: said.message, ..said }
        }
        OfflineError::Recover(_) | OfflineError::Apart(_) => {
            Failure::refused(message, "the folder is from another version, or damaged; it was not changed")
        }
    }
}
