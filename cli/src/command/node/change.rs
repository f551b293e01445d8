//! The verbs that change what runs: install, upgrade, rollback, make-permanent; and `try`, which
//! does all of it but the switch.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use camshaft_agent::api::{Report, SIGNATURES_HEADER, TryReport};
use camshaft_manifests::Version;

use super::{look, show};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::http::{Effect, Node};
use crate::project::{open_bundle, read_bundle};
use crate::signatures::bytes_beside;
use crate::talk::Talk;

/// The header in which an operator says who it is.
const OPERATOR_HEADER: &str = "camshaft-operator";

/// What is sent to a node.
#[derive(Default)]
struct Upload {
    bundle: Vec<u8>,
    /// The signature file beside it, in base64.
    signatures: Option<String>,
}

impl Upload {
    fn read(path: &Path) -> Result<Upload, Failure> {
        let signatures = bytes_beside(path)?.map(|bytes| STANDARD.encode(bytes));
        Ok(Upload { bundle: read_bundle(path)?, signatures })
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        self.signatures.iter().map(|signatures| (SIGNATURES_HEADER, signatures.as_str())).collect()
    }
}

/// Arguments of `install`.
#[derive(Debug, clap::Args)]
pub struct Bundle {
    /// The bundle: NAME-VERSION.tar.gz
    bundle: PathBuf,
}

/// Arguments of `upgrade`.
#[derive(Debug, clap::Args)]
pub struct Upgrade {
    /// The bundle: NAME-VERSION.tar.gz
    bundle: PathBuf,

    /// Do nothing, and succeed, when exactly this release runs already
    #[arg(long)]
    if_needed: bool,

    #[command(flatten)]
    leaving: Leaving,
}

/// Arguments of `try`.
#[derive(Debug, clap::Args)]
pub struct Try {
    /// The bundle: NAME-VERSION.tar.gz
    bundle: PathBuf,

    #[command(flatten)]
    leaving: Leaving,
}

#[derive(Debug, clap::Args)]
struct Leaving {
    /// Leave the clients of this version behind, although they were here within the last day; may
    /// be repeated
    #[arg(long, value_name = "VERSION")]
    drop_clients: Vec<Version>,
}

impl Leaving {
    /// Returns the versions as the agent takes them; nothing when there are none.
    fn versions(&self) -> Option<String> {
        let versions: Vec<String> = self.drop_clients.iter().map(Version::to_string).collect();
        (!versions.is_empty()).then(|| versions.join(","))
    }
}

/// Returns the query that names versions whose clients may be left behind.
fn dropping(versions: Option<&str>) -> Vec<(&str, &str)> {
    versions.map(|versions| ("drop_clients", versions)).into_iter().collect()
}

/// Arguments of `rollback`.
#[derive(Debug, clap::Args)]
pub struct Rollback {
    /// Go back although some instances cannot, and hold those
    #[arg(long)]
    force: bool,
}

/// Installs the first release.
pub fn install(
    args: &Bundle,
    node: impl Fn() -> Result<Node, Failure>,
    talk: &mut Talk,
) -> Result<(), Failure> {
    let upload = Upload::read(&args.bundle)?;
    ask("install", &[], upload, &node()?, talk)
}

/// Upgrades.
pub fn upgrade(
    args: &Upgrade,
    node: impl Fn() -> Result<Node, Failure>,
    talk: &mut Talk,
) -> Result<(), Failure> {
    let upload = Upload::read(&args.bundle)?;
    let node = node()?;
    if args.if_needed {
        let wanted = open_bundle(&args.bundle)?.1.digest;
        let status = look::ask_status(&node)?;
        if let Some(running) = status.running.as_ref().filter(|running| running.digest == wanted) {
            let line = format!("{} {} runs already; nothing to do", running.name, running.version);
            talk.result(&serde_json::json!({ "what": "nothing", "running": running }), line);
            return Ok(());
        }
    }
    let versions = args.leaving.versions();
    ask("upgrade", &dropping(versions.as_deref()), upload, &node, talk)
}

/// Tries an upgrade on the live state.
pub fn try_upgrade(
    args: &Try,
    node: impl Fn() -> Result<Node, Failure>,
    talk: &mut Talk,
) -> Result<(), Failure> {
    let upload = Upload::read(&args.bundle)?;
    let versions = args.leaving.versions();
    let query = dropping(versions.as_deref());
    let node = node()?;
    let answer = talk.while_waiting("trying on the live state", || {
        node.post(
            &["v1", "node", "try"],
            &query,
            &upload.headers(),
            upload.bundle.clone(),
            None,
            Effect::Looks,
        )
    })?;
    let report: TryReport = answer.read()?;
    if report.passed {
        talk.result(&report, show::trial(&report));
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
    ask("rollback", query, Upload::default(), node, talk)
}

/// Settles on the running release.
pub fn make_permanent(node: &Node, talk: &mut Talk) -> Result<(), Failure> {
    ask("make-permanent", &[], Upload::default(), node, talk)
}

fn ask(
    verb: &str,
    query: &[(&str, &str)],
    upload: Upload,
    node: &Node,
    talk: &mut Talk,
) -> Result<(), Failure> {
    let who = who();
    let mut headers = upload.headers();
    headers.extend(who.iter().map(|who| (OPERATOR_HEADER, who.as_str())));
    let answer = talk.while_waiting(&format!("{verb} at {}", node.address()), || {
        node.post(&["v1", "node", verb], query, &headers, upload.bundle.clone(), None, Effect::Changes)
    })?;
    let report: Report = answer.read()?;
    if let Some(undone) = &report.undone {
        let message = format!("the upgrade was undone: {}", undone.reason);
        let failure =
            Failure::refused(message, "the release before runs as before; see: camshaft node history");
        return Err(failure.exit(Exit::Undone).details(&report));
    }
    talk.result(&report, show::report(&report));
    Ok(())
}

/// Returns the name that the node's history remembers: that of the account, if it has one.
fn who() -> Option<String> {
    let name = std::env::var("LOGNAME").or_else(|_| std::env::var("USER")).ok()?;
    let plain = (1..=200).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    plain.then_some(name)
}
