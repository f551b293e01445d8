//! `camshaft node ...`: talking to a running node.

mod backup;
mod batch;
mod capsule;
pub mod change;
mod look;
mod offer;
mod send;
pub mod show;
mod waiting;

pub use look::ask_status;

use clap::Subcommand;

use crate::failure::Failure;
use crate::http::Node;
use crate::talk::Talk;

/// Arguments of `node`.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,

    /// The node, as http://HOST:PORT
    #[arg(long, value_name = "URL", env = "CAMSHAFT_NODE", global = true)]
    node: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// How the node is: release, machines, counts
    Status,
    /// Send an input to an instance and print its answer; or many, from a file
    Send(send::Args),
    /// Install the first release on an empty node
    Install(change::Bundle),
    /// Try an upgrade on the live state; nothing changes
    Try(change::Try),
    /// Upgrade to the release of a bundle
    Upgrade(change::Upgrade),
    /// Go back to the release before the last upgrade
    Rollback(change::Rollback),
    /// Keep the running release; only then can the next upgrade come
    MakePermanent,
    /// Remove a release that nothing on the node needs any more
    Remove(change::Remove),
    /// End the trial that goes on, of an upgrade or a way back, before it switches
    Cancel,
    /// What was done to the node
    History,
    /// Every command and switch as the journal has it, in a chain of hashes; see `camshaft audit`
    Audit(look::Audit),
    /// Get a backup of the node as one file, while it runs; see `camshaft restore`
    Backup(backup::Args),
    /// The instances of the node
    Instances(look::Instances),
    /// Messages, timers and calls that were not delivered and are kept
    Parked(waiting::Parked),
    /// What failed lately; and one of these, for `camshaft replay`
    Capsule(capsule::Args),
    /// Deliver anew what is parked of an instance, in the types that run
    Redrive(waiting::Redriving),
    /// Give up what is parked of an instance, and its states that are archived
    Drop(waiting::GivenUp),
    /// Let an instance that is held go on
    Release(waiting::One),
    /// Let an instance begin anew; its state is archived
    Reset(waiting::GivenUp),
}

/// Runs a verb against the node.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let node = || Node::at(args.node.as_deref());
    match &args.verb {
        Verb::Status => look::status(&node()?, talk),
        Verb::History => look::history(&node()?, talk),
        Verb::Audit(args) => look::audit(args, &node()?, talk),
        Verb::Backup(args) => backup::run(args, &node()?, talk),
        Verb::Instances(args) => look::instances(args, &node()?, talk),
        // What can be judged without a node is judged first.
        Verb::Send(args) => send::run(args, node, talk),
        Verb::Install(bundle) => change::install(bundle, node, talk),
        Verb::Try(bundle) => change::try_upgrade(bundle, node, talk),
        Verb::Upgrade(upgrade) => change::upgrade(upgrade, node, talk),
        Verb::Rollback(args) => change::rollback(args, &node()?, talk),
        Verb::Parked(args) => waiting::parked(args, &node()?, talk),
        Verb::Capsule(args) => capsule::capsule(args, &node()?, talk),
        Verb::Redrive(args) => waiting::redrive(args, node, talk),
        Verb::Drop(args) => waiting::drop_parked(args, node, talk),
        Verb::Release(args) => waiting::release(args, node, talk),
        Verb::Reset(args) => waiting::reset(args, node, talk),
        Verb::Remove(args) => change::remove(args, &node()?, talk),
        Verb::Cancel => change::cancel(&node()?, talk),
        Verb::MakePermanent => change::make_permanent(&node()?, talk),
    }
}
