//! `camshaft audit FILE [BUNDLE...]`: whether what a node tells of its commands and switches holds; with states from before
//! and after a switch, whether that made of each state what the bundles say.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use camshaft_agent::api::Audit;
use camshaft_agent::audit::{AuditError, AuditedMove, AuditedSwitch, Verified, verify, work_out};
use camshaft_agent::offline::{AuditedState, AuditedStates, Came, OfflineError, audit_states};
use camshaft_agent::release::Release;
use camshaft_agent::stage;
use camshaft_cam::digest::Digest;
use camshaft_cam::words::are;
use camshaft_store::Direction;
use serde_json::{Value, json};

use super::node::show;
use crate::failure::{Failure, chain};
use crate::files;
use crate::project::read_bundle;
use crate::render::{counted, one_line};
use crate::talk::Talk;

/// How large an audit may be.
const FILE_MAX: u64 = 256 << 20;

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The audit: what `camshaft node audit -o FILE` wrote
    file: PathBuf,

    /// Bundles of releases that ran: switches between them are worked out once more
    bundles: Vec<PathBuf>,

    /// A head that was noted earlier: the audit has to go on from there
    #[arg(long, value_name = "HASH")]
    head: Option<Digest>,

    /// The data folder or a backup of the node from before a switch, which is done once more on its states
    #[arg(long, value_name = "FOLDER|BACKUP", requires = "after")]
    before: Option<PathBuf>,

    /// The same from after the switch: each state has to be what comes of the one from before
    #[arg(long, value_name = "FOLDER|BACKUP", requires = "before")]
    after: Option<PathBuf>,
}

/// Verifies an audit, and works its switches out once more.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let bytes = files::read(&args.file, FILE_MAX)?;
    let audit: Audit = serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("{} is no audit: {error}", args.file.display());
        Failure::refused(message, "get one with: camshaft node audit -o FILE")
    })?;
    let releases = args.bundles.iter().map(|path| {
        stage::stage(&read_bundle(path)?).map(Arc::new).map_err(|error| {
            let message = format!("{} is refused: {}", path.display(), chain(&error));
            Failure::refused(message, "get the bundle again, or build it again")
        })
    });
    let releases: Vec<Arc<Release>> = releases.collect::<Result<_, Failure>>()?;
    let verified = verified(&audit, args.head)?;
    let (mut text, mut list) = (String::new(), vec![]);
    // Writing to a String cannot fail.
    let _ =
        writeln!(text, "the chain holds: {}; head {}", counted(audit.records.len(), "record"), audit.head);
    for switch in &verified.switches {
        let moves = work_out(switch, &releases).map_err(|reason| {
            let message = format!("{}\nthe bundles do not lead there: {reason}", line(switch, ""));
            Failure::refused(message, "are these the bundles that the node had?")
        })?;
        let word = if moves.is_some() { "; worked out once more" } else { "" };
        let _ = writeln!(text, "{}", line(switch, word));
        for AuditedMove { machine, before, edge, after } in moves.iter().flatten() {
            let (before, edge, after) = (before.short(), edge.short(), after.short());
            let _ = writeln!(text, "    {machine}: {before} by edge {edge} to {after}");
        }
        list.push(document(switch, moves.as_deref()));
    }
    let mut document = json!({ "records": audit.records.len(), "head": audit.head, "switches": list });
    if let (Some(before), Some(after)) = (&args.before, &args.after) {
        let folders = (before.as_path(), after.as_path());
        let states = talk
            .while_waiting("doing the switch once more", || {
                audit_states((&audit, &verified), &releases, folders)
            })
            .map_err(|error| not_compared(&error))?;
        document["states"] = states_document(&states);
        text += &states_text(&states);
        let others = states.instances.iter().filter(|one| is_other(one)).count();
        if others > 0 {
            let message = format!("{}{} not what the switch makes of it", text, is_not(others));
            let hint = "are these the states of right before and after the switch, and was no backup restored in between?";
            return Err(Failure::refused(message, hint).details(&document));
        }
    }
    talk.result(&document, text.trim_end());
    Ok(())
}

fn is_not(others: usize) -> String {
    format!("{} {}", counted(others, "state"), are(others as u64))
}

fn is_other(one: &AuditedState) -> bool {
    matches!(one.came, Came::Differs { .. } | Came::Gone)
}

fn not_compared(error: &OfflineError) -> Failure {
    let hint = "give the audit, the states from right before and right after one switch, and the bundles of both releases";
    Failure::refused(chain(error), hint)
}

/// Tells how many states are what the switch makes of them, and of each that is not.
fn states_text(states: &AuditedStates) -> String {
    let count = |is: fn(&AuditedState) -> bool| states.instances.iter().filter(|one| is(one)).count();
    let stored = count(|one| one.came == Came::Stored);
    let replayed = count(|one| one.came == Came::Replayed);
    let mut text = format!(
        "states over switch {}: {} {} what comes of them here, {stored} as the node stored them, {replayed} as its journal \
         gives them; {} used in between\n",
        states.switch,
        stored + replayed,
        are((stored + replayed) as u64),
        count(|one| one.came == Came::Used),
    );
    for one in states.instances.iter().filter(|one| is_other(one)) {
        let has = match one.came {
            Came::Differs { machine, state } => format!("{} of {}", state.short(), machine.short()),
            _ => "nothing".to_owned(),
        };
        let edge = one.edge.map_or_else(String::new, |edge| format!(" by edge {}", edge.short()));
        let (before, after) = (one.before.1.short(), one.after.1.short());
        text += &one_line(&format!("  {}: {before}{edge} to {after}, and the node has {has}", one.instance));
        text.push('\n');
    }
    text
}

fn states_document(states: &AuditedStates) -> Value {
    let ends = |(machine, state): (Digest, Digest)| json!({ "machine": machine, "state": state });
    let each = |one: &AuditedState| {
        let (came, has) = match one.came {
            Came::Stored => ("stored", None),
            Came::Replayed => ("replayed", None),
            Came::Used => ("used", None),
            Came::Differs { machine, state } => ("differs", Some(ends((machine, state)))),
            Came::Gone => ("gone", None),
        };
        json!({
            "instance": one.instance, "before": ends(one.before), "edge": one.edge, "after": ends(one.after),
            "came": came, "has": has,
        })
    };
    json!({ "switch": states.switch, "instances": states.instances.iter().map(each).collect::<Vec<_>>() })
}

/// Verifies an audit.
pub fn verified(audit: &Audit, noted: Option<Digest>) -> Result<Verified, Failure> {
    verify(audit, noted).map_err(|error| {
        let hint = match error {
            AuditError::NotFrom(_) => "is this the node that the head was noted of?",
            AuditError::Unreadable { .. } => {
                "a later version of camshaft may have written it; else it was changed since the node wrote it"
            }
            AuditError::Broken { .. } | AuditError::OtherHead { .. } | AuditError::Impossible { .. } => {
                "it was changed since the node wrote it; get it again with: camshaft node audit -o FILE"
            }
        };
        Failure::refused(error.to_string(), hint)
    })
}

fn line(switch: &AuditedSwitch, word: &str) -> String {
    let AuditedSwitch { number, stamp, from, to, direction, relup, .. } = switch;
    let way = match direction {
        Direction::Up => "to",
        Direction::Down => "back to",
        Direction::Undo => "undone, back to",
    };
    // Who asked, and what releases are called, is what the file says.
    one_line(&format!(
        "  switch {number}, {}, {}: {} {} {way} {} {}, relup {}{word}",
        show::time(stamp.at_ms),
        stamp.who,
        from.name,
        from.version,
        to.name,
        to.version,
        relup.short(),
    ))
}

fn document(switch: &AuditedSwitch, moves: Option<&[AuditedMove]>) -> Value {
    let AuditedSwitch { number, stamp, from, to, direction, relup, hash } = switch;
    let way = match direction {
        Direction::Up => "up",
        Direction::Down => "down",
        Direction::Undo => "undo",
    };
    let moves = moves.map(|moves| {
        let each = |one: &AuditedMove| {
            json!({
                "machine": one.machine.to_string(), "before": one.before, "edge": one.edge, "after": one.after,
            })
        };
        moves.iter().map(each).collect::<Vec<Value>>()
    });
    json!({
        "switch": number, "at_ms": stamp.at_ms, "who": stamp.who, "way": way, "before": from.digest,
        "edge": relup, "after": to.digest, "hash": hash, "moves": moves,
    })
}

#[cfg(test)]
mod tests {
    use camshaft_store::{ReleaseEntry, Stamp};

    use super::*;

    #[test]
    fn what_an_audit_says_moves_no_cursor_and_adds_no_line() {
        let digest = Digest::of(b"");
        let entry = |name: &str, version: &str| ReleaseEntry {
            name: name.to_owned(),
            version: version.to_owned(),
            digest,
            archive: digest,
        };
        let switch = AuditedSwitch {
            number: 2,
            stamp: Stamp { at_ms: 0, who: "me\u{1b}[2J\u{1b}[H".to_owned() },
            from: entry("shop\r", "1.0.0"),
            to: entry("shop", "2.0.0\n  switch 3, 1970-01-01T00:00:00Z, root: all is well"),
            direction: Direction::Up,
            relup: digest,
            hash: digest,
        };
        let expected = format!(
            "  switch 2, 1970-01-01T00:00:00Z, me\u{fffd}[2J\u{fffd}[H: shop\u{fffd} 1.0.0 to shop 2.0.0   switch 3, \
             1970-01-01T00:00:00Z, root: all is well, relup {}",
            digest.short()
        );
        assert_eq!(line(&switch, ""), expected);
    }
}
