//! Places where a test can end the agent as a power cut would.
//!
//! With the cargo feature `failpoints`, `CAMSHAFT_FAILPOINT=name` or `name:n` kills the process
//! at the n-th passage of that place, `CAMSHAFT_FAILPOINT=name=instance` when that instance is at it, and `CAMSHAFT_FAULT=check` lets the check after a switch
//! fail. `CAMSHAFT_FIGURE_NAME` replaces a figure that else only a long life or another machine brings
//! about. Without the feature these functions do nothing.

/// Every place, in the order in which an agent's life passes them.
pub const FAILPOINTS: &[&str] = &[
    "install.staged",
    "install.before-blob",
    "install.before-record",
    "install.after-record",
    "install.started",
    "append.before",
    "append.after",
    "upgrade.staged",
    "upgrade.tried",
    "upgrade.before-blob",
    "upgrade.before-switch",
    "upgrade.after-switch",
    "upgrade.switched",
    "check.before-record",
    "check.after-record",
    "undo.before-record",
    "undo.after-record",
    "undo.switched",
    "rollback.tried",
    "rollback.before-switch",
    "rollback.after-switch",
    "rollback.switched",
    "permanent.before-record",
    "permanent.after-record",
    "remove.before-record",
    "remove.after-record",
    "snapshot.before",
    "snapshot.begun",
    "snapshot.part",
    "snapshot.before-finish",
    "snapshot.finished",
    "snapshot.after",
    "handing.asked",
    "handing.saved",
    "handing.drained",
    "handing.closed",
    "handing.given",
    "handing.taken",
    "takeover.verified",
    "takeover.loaded",
    "takeover.given",
    "takeover.opened",
    "takeover.noted",
    "takeover.told",
    "taking.before-rename",
    "taking.after-rename",
    "replay.input",
    "replay.aside",
    "replay.birth",
    "replay.carry",
    "replay.over",
    "deliver.step",
];

/// Dies here if the environment says `name=subject`.
#[cfg(feature = "failpoints")]
pub fn pass_of(name: &'static str, subject: &impl std::fmt::Display) {
    /// Read once: places on the way of every delivery ask for it.
    static WANTED: std::sync::LazyLock<Option<(String, String)>> = std::sync::LazyLock::new(|| {
        let wanted = std::env::var("CAMSHAFT_FAILPOINT").ok()?;
        let (name, subject) = wanted.split_once('=')?;
        Some((name.to_owned(), subject.to_owned()))
    });
    debug_assert!(FAILPOINTS.contains(&name), "the failpoint {name} is not listed");
    let Some((point, wanted)) = &*WANTED else { return };
    if point == name && *wanted == subject.to_string() {
        die();
    }
}

/// Dies here if the environment says `name=subject`.
#[cfg(not(feature = "failpoints"))]
pub fn pass_of(_name: &'static str, _subject: &impl std::fmt::Display) {}

/// Ends the process as a kill from outside would: no destructor runs and no buffer is written.
#[cfg(feature = "failpoints")]
fn die() -> ! {
    let _ = std::process::Command::new("kill").args(["-9", &std::process::id().to_string()]).status();
    std::process::abort();
}

/// Dies here if the environment says so.
#[cfg(feature = "failpoints")]
pub fn pass(name: &'static str) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static PASSED: AtomicU64 = AtomicU64::new(0);
    debug_assert!(FAILPOINTS.contains(&name), "the failpoint {name} is not listed");
    let Ok(wanted) = std::env::var("CAMSHAFT_FAILPOINT") else { return };
    let (point, count) = match wanted.split_once(':') {
        Some((point, count)) => (point, count.parse().unwrap_or(1)),
        None => (wanted.as_str(), 1),
    };
    if point == name && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == count {
        die();
    }
}

/// Dies here if the environment says so.
#[cfg(not(feature = "failpoints"))]
pub fn pass(_name: &'static str) {}

/// Returns true when the environment asks for this fault.
#[cfg(feature = "failpoints")]
pub fn fault(name: &str) -> bool {
    std::env::var("CAMSHAFT_FAULT").is_ok_and(|fault| fault == name)
}

/// Returns true when the environment asks for this fault.
#[cfg(not(feature = "failpoints"))]
pub fn fault(_name: &str) -> bool {
    false
}

/// Returns what the environment says in place of a figure.
#[cfg(feature = "failpoints")]
pub fn figure<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(format!("CAMSHAFT_FIGURE_{name}")).ok()?.parse().ok()
}

/// Returns what the environment says in place of a figure.
#[cfg(not(feature = "failpoints"))]
pub fn figure<T: std::str::FromStr>(_name: &str) -> Option<T> {
    None
}

#[cfg(test)]
mod tests {
    use super::FAILPOINTS;

    /// Returns the text of all other files below a folder.
    fn source(folder: &std::path::Path) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(folder).expect("the sources are there") {
            let path = entry.expect("an entry that can be read").path();
            if path.is_dir() {
                text += &source(&path);
            } else if !path.ends_with("failpoint.rs") {
                text += &std::fs::read_to_string(&path).expect("sources are text");
            }
        }
        text
    }

    #[test]
    fn every_listed_failpoint_is_somewhere() {
        let source = source(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        for name in FAILPOINTS {
            assert_eq!(source.matches(&format!("\"{name}\"")).count(), 1, "{name} stands in one place");
        }
    }
}
