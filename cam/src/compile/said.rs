//! What a migration says of changes that would break something if nobody said anything.

use crate::check::migration::CheckedMigration;
use crate::derive::{Arrow, Breach, Edits, Effect, Strictness, compare};
use crate::verify::VerifiedMachine;

/// Returns the changes that a migration wrote or named, as [`Breach::id`] names them.
///
/// Of states on their way up, and of inputs, nothing is told: an edge is not compiled before each
/// has its counterpart.
pub(super) fn said(from: &VerifiedMachine, to: &VerifiedMachine, written: &CheckedMigration) -> Vec<String> {
    let unsaid = compare(from, to, &Edits::default()).breaches(Strictness::Frozen);
    let left = compare(from, to, &written.edits).breaches(Strictness::Frozen);
    let is_left = |breach: &Breach| {
        left.iter().any(|other| other.arrow == breach.arrow && place(other) == place(breach) && asks(other))
    };
    let said = |breach: &&Breach| asks(breach) && (covers(written, breach) || !is_left(breach));
    let mut said: Vec<String> = unsaid.iter().filter(said).map(Breach::id).collect();
    said.dedup();
    said
}

/// Returns true for what a migration may answer, and what the compiler does not insist on.
fn asks(breach: &Breach) -> bool {
    breach.change.effect >= Effect::Lost
        && match breach.arrow {
            Arrow::Lower => true,
            Arrow::Lift => !breach.is_settled_by_any_edge(),
            Arrow::Down => !breach.is_settled_by_any_edge(),
            Arrow::Up | Arrow::Outlet | Arrow::Config | Arrow::Invariant => false,
        }
}

/// Returns true when the migration writes the arrow for what the breach is about.
fn covers(written: &CheckedMigration, breach: &Breach) -> bool {
    let (name, is_written) = match breach.arrow {
        Arrow::Down => return written.down.is_some(),
        Arrow::Lift => ("lift", written.lift.is_some()),
        Arrow::Lower => ("lower", written.lower.is_some()),
        Arrow::Up | Arrow::Outlet | Arrow::Config | Arrow::Invariant => return false,
    };
    let mut derived = written.derived.iter().filter(|(arrow, _)| *arrow == name);
    is_written
        && match place(breach) {
            "" => derived.next().is_none(),
            case => !derived.any(|(_, label)| **label == *case),
        }
}

/// Returns the case that a breach is about; nothing where it is about the whole type.
fn place(breach: &Breach) -> &str {
    if breach.arrow == Arrow::Down {
        return "";
    }
    let inner = breach.change.path.split_once('.').map_or("", |(_, inner)| inner);
    inner.split(['.', '[']).next().unwrap_or(inner)
}
