//! The verbs that change what runs: install, upgrade, rollback, make-permanent; and `try`, which
//! does all of it but the switch.

use std::path::PathBuf;
use std::time::Duration;

use camshaft_agent::api::{Report, Supplied, TrialProgress, TryReport};
use camshaft_agent::operate::Allowed;
use camshaft_cam::words::counted;
use camshaft_manifests::Version;
use camshaft_manifests::duration::Millis;
use camshaft_registry::Fetched;

use super::offer::{self, Offer, Request};
use super::{look, show};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::http::{Effect, Node};
use crate::talk::Talk;

/// The header in which an operator says who it is.
pub(super) const OPERATOR_HEADER: &str = "camshaft-operator";

/// Arguments of `install`.
#[derive(Debug, clap::Args)]
pub struct Bundle {
    /// The bundle: NAME-VERSION.tar.gz; or NAME@VERSION, which the agent fetches from its registry
    bundle: PathBuf,
}

/// Arguments of `upgrade`.
#[derive(Debug, clap::Args)]
pub struct Upgrade {
    /// The bundle: NAME-VERSION.tar.gz; or NAME@VERSION, which the agent fetches from its registry
    bundle: PathBuf,

    /// Do nothing, and succeed, when exactly this release runs already
    #[arg(long)]
    if_needed: bool,

    /// A patch bundle, when the release does not name the one that the node runs
    #[arg(long, value_name = "FILE")]
    patch: Option<PathBuf>,

    /// Give up to so many of the last inputs of each instance to both releases, and refuse the upgrade when they come out
    /// otherwise; the agent records them when its agent.toml says `shadow`
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    shadow: Option<u32>,

    /// With --shadow: they may come out otherwise
    #[arg(long, requires = "shadow")]
    allow_differences: bool,

    /// How long the release is on probation, such as 5m; the node's agent.toml says it otherwise
    #[arg(long, value_name = "TIME")]
    probation: Option<Millis>,

    /// Make the release permanent by itself when its probation is over
    #[arg(long)]
    auto_permanent: bool,

    #[command(flatten)]
    leaving: Leaving,
}

/// Arguments of `try`.
#[derive(Debug, clap::Args)]
pub struct Try {
    /// The bundle: NAME-VERSION.tar.gz; or NAME@VERSION, which the agent fetches from its registry
    bundle: PathBuf,

    /// A patch bundle, when the release does not name the one that the node runs
    #[arg(long, value_name = "FILE")]
    patch: Option<PathBuf>,

    /// Give up to so many of the last inputs of each instance to both releases, and show what comes out otherwise; the
    /// agent records them when its agent.toml says `shadow`
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    shadow: Option<u32>,

    #[command(flatten)]
    leaving: Leaving,
}

/// What an upgrade may leave behind.
#[derive(Debug, clap::Args)]
pub struct Leaving {
    /// Leave the clients of this version behind, although they were here within the last day; may
    /// be repeated
    #[arg(long, value_name = "VERSION")]
    drop_clients: Vec<Version>,

    /// Hold up to so many instances that cannot go over, with their messages, and go on with the rest
    #[arg(long, value_name = "N")]
    hold_failing: Option<u64>,
}

impl Leaving {
    /// Returns what is allowed as the agent takes it.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let versions: Vec<String> = self.drop_clients.iter().map(Version::to_string).collect();
        let versions = (!versions.is_empty()).then(|| ("drop_clients", versions.join(",")));
        let hold = self.hold_failing.map(|count| ("hold_failing", count.to_string()));
        versions.into_iter().chain(hold).collect()
    }
}

impl Leaving {
    /// Returns what is allowed.
    pub fn allowed(&self) -> Allowed {
        let hold_failing = self.hold_failing.unwrap_or(0);
        Allowed { dropped: self.drop_clients.clone(), hold_failing, ..Allowed::default() }
    }
}

/// Arguments of `rollback`.
#[derive(Debug, clap::Args)]
pub struct Rollback {
    /// Go back although some instances cannot, and hold those
    #[arg(long)]
    force: bool,
}

/// Arguments of `remove`.
#[derive(Debug, clap::Args)]
pub struct Remove {
    /// The release: its version, or its digest or the first eight digits of it or more
    #[arg(value_name = "RELEASE")]
    release: String,

    /// Remove it although the node can go back to it; only when the release that runs is permanent
    #[arg(long)]
    no_way_back: bool,
}

/// How long a node may take to say how far it is.
const QUICK: Duration = Duration::from_secs(5);

/// Installs the first release.
pub fn install(
    args: &Bundle,
    node: impl Fn() -> Result<Node, Failure>,
    talk: &mut Talk,
) -> Result<(), Failure> {
    let offer = offer::read(&args.bundle)?;
    ask("install", &[], Some(offer), &node()?, talk)
}

/// Upgrades.
pub fn upgrade(
    args: &Upgrade,
    node: impl Fn() -> Result<Node, Failure>,
    talk: &mut Talk,
) -> Result<(), Failure> {
    let offer = offer::read(&args.bundle)?;
    let wanted = args.if_needed.then(|| offer.digest()).transpose()?;
    let offer = offer.with(args.patch.as_deref())?;
    let node = node()?;
    if let Some(wanted) = wanted {
        let status = look::ask_status(&node)?;
        if let Some(running) = status.running.as_ref().filter(|running| running.digest == wanted) {
            let line = format!("{} {} runs already; nothing to do", running.name, running.version);
            talk.result(&serde_json::json!({ "what": "nothing", "running": running }), line);
            return Ok(());
        }
    }
    let mut parameters = args.leaving.parameters();
    parameters.extend(args.shadow.map(|most| ("shadow", most.to_string())));
    parameters.extend(args.allow_differences.then(|| ("allow_differences", "true".to_owned())));
    parameters.extend(args.probation.map(|time| ("probation", time.to_string())));
    parameters.extend(args.auto_permanent.then(|| ("auto_permanent", "true".to_owned())));
    let query: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
    ask("upgrade", &query, Some(offer), &node, talk)
}

/// Tries an upgrade on the live state.
pub fn try_upgrade(
    args: &Try,
    node: impl Fn() -> Result<Node, Failure>,
    talk: &mut Talk,
) -> Result<(), Failure> {
    let offer = offer::read(&args.bundle)?.with(args.patch.as_deref())?;
    let mut parameters = args.leaving.parameters();
    parameters.extend(args.shadow.map(|most| ("shadow", most.to_string())));
    let query: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let node = node()?;
    let request = Request { verb: "try", query: &query, headers: &[], effect: Effect::Looks };
    let answer =
        talk.while_watching("trying on the live state", || progress(&node), || offer.make(&node, &request))?;
    let Supplied { report, fetched } = answer.read()?;
    tell_trial(report, fetched, talk)
}

/// Tells what came of a trial.
///
/// # Errors
///
/// When it did not pass.
pub fn tell_trial(report: TryReport, fetched: Option<Fetched>, talk: &mut Talk) -> Result<(), Failure> {
    if report.passed {
        let text = told(show::trial(&report), fetched.as_ref());
        talk.result(&Supplied { report, fetched }, text);
        return Ok(());
    }
    let message = format!(
        "{} {} does not pass on the live state\n{}",
        report.to.name,
        report.to.version,
        show::trial(&report)
    );
    Err(Failure::refused(message, "nothing was changed; mend the migration and build again").details(&report))
}

/// Goes back to the release before.
pub fn rollback(args: &Rollback, node: &Node, talk: &mut Talk) -> Result<(), Failure> {
    let query: &[(&str, &str)] = if args.force { &[("force", "true")] } else { &[] };
    ask("rollback", query, None, node, talk)
}

/// Removes a release that nothing needs.
pub fn remove(args: &Remove, node: &Node, talk: &mut Talk) -> Result<(), Failure> {
    let mut query = vec![("release", args.release.as_str())];
    query.extend(args.no_way_back.then_some(("no_way_back", "true")));
    ask("remove", &query, None, node, talk)
}

/// Lets the trial that goes on end before its time.
pub fn cancel(node: &Node, talk: &mut Talk) -> Result<(), Failure> {
    let cancelled: TrialProgress = node.delete(&["v1", "node", "trial"], QUICK)?.read()?;
    let line = cancelled.trial.as_ref().map_or_else(String::new, |trial| {
        let (looked, of) = (trial.looked, trial.of);
        format!(
            "the trial of {} {} ends, after {looked} of {}; the command that waits for it tells what came of it",
            trial.to.name,
            trial.to.version,
            counted(of, "instance")
        )
    });
    talk.result(&cancelled, line);
    Ok(())
}

/// Returns how far the trial is that a node is at.
fn progress(node: &Node) -> Option<String> {
    let progress: TrialProgress = node.get(&["v1", "node", "trial"], &[], QUICK).ok()?.read().ok()?;
    progress.trial.map(|trial| format!("{} of {} tried", trial.looked, counted(trial.of, "instance")))
}

/// Settles on the running release.
pub fn make_permanent(node: &Node, talk: &mut Talk) -> Result<(), Failure> {
    ask("make-permanent", &[], None, node, talk)
}

fn ask(
    verb: &str,
    query: &[(&str, &str)],
    offer: Option<Offer>,
    node: &Node,
    talk: &mut Talk,
) -> Result<(), Failure> {
    let who = crate::registry::who();
    let headers: Vec<(&str, &str)> = who.iter().map(|who| (OPERATOR_HEADER, who.as_str())).collect();
    let request = Request { verb, query, headers: &headers, effect: Effect::Changes };
    let what = format!("{verb} at {}", node.address());
    let answer = talk.while_watching(
        &what,
        || progress(node),
        || match offer {
            Some(offer) => offer.make(node, &request),
            None => node.post(&["v1", "node", verb], query, &headers, Vec::new(), None, Effect::Changes),
        },
    )?;
    let supplied: Supplied<Report> = answer.read()?;
    let report = &supplied.report;
    if let Some(undone) = &report.undone {
        let message = format!("the upgrade was undone: {}", undone.reason);
        let failure =
            Failure::refused(message, "the release before runs as before; see: camshaft node history");
        return Err(failure.exit(Exit::Undone).details(&report));
    }
    talk.result(&supplied, told(show::report(report), supplied.fetched.as_ref()));
    Ok(())
}

/// Returns a report with how much of the bundle travelled to the node, where that is known.
fn told(report: String, fetched: Option<&Fetched>) -> String {
    match fetched {
        Some(fetched) => format!("{report}\n  {} fetched", crate::registry::share(fetched)),
        None => report,
    }
}
