//! What a round found: whether the project is clean, what was built, what is another than in the
//! last good build.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use camshaft_cam::digest::Digest;
use camshaft_releases::OpenedRelease;
use serde_json::{Value, json};

use crate::command::test::Tests;
use crate::failure::Failure;
use crate::render::{self, counted};

/// The machines of a build by address, with their configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machines(BTreeMap<String, (Digest, String)>);

impl Machines {
    /// Returns the machines of a release.
    pub fn of(release: &OpenedRelease) -> Machines {
        let machines = release.resolved.machines();
        Machines(
            machines
                .map(|(address, machine)| (address.to_string(), (machine.digest, machine.config.clone())))
                .collect(),
        )
    }
}

/// A machine that is another than in the last good build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `app/machine`.
    pub machine: String,
    /// What became of it.
    pub what: What,
}

/// What became of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It was not there.
    Added(Digest),
    /// It is not there any more.
    Removed(Digest),
    /// It is another machine.
    Digest(Digest, Digest),
    /// It is the same machine with another configuration.
    Config(Digest),
}

/// Returns what is another, by address.
pub fn changes(before: &Machines, after: &Machines) -> Vec<Change> {
    let mut found = Vec::new();
    for (machine, (digest, config)) in &after.0 {
        let what = match before.0.get(machine) {
            None => What::Added(*digest),
            Some((old, _)) if old != digest => What::Digest(*old, *digest),
            Some((_, old)) if old != config => What::Config(*digest),
            Some(_) => continue,
        };
        found.push(Change { machine: machine.clone(), what });
    }
    let gone = before.0.iter().filter(|(machine, _)| !after.0.contains_key(*machine));
    found.extend(
        gone.map(|(machine, (digest, _))| Change { machine: machine.clone(), what: What::Removed(*digest) }),
    );
    found.sort_by(|a, b| a.machine.cmp(&b.machine));
    found
}

/// A clean round.
#[derive(Debug)]
pub struct Clean {
    /// The name and version of the release.
    pub release: String,
    /// Where the bundle is.
    pub bundle: PathBuf,
    /// Its digest.
    pub digest: Digest,
    /// Its machines.
    pub machines: Machines,
    /// What is another than in the last good build; `None` when there is none to compare with.
    pub changes: Option<Vec<Change>>,
    /// How many tests passed.
    pub tests: usize,
    /// Why upgrades to it are not certified in advance.
    pub checked: Vec<String>,
    /// What is no fault and worth looking at.
    pub warnings: Vec<String>,
    /// The lock, when it was written anew.
    pub lock: Option<String>,
}

/// What keeps a round from being clean.
#[derive(Debug)]
pub enum Broken {
    /// The project has faults, or something around it has.
    Faulty(Failure),
    /// Tests failed; nothing was written.
    Tests(Tests),
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Broken {
        Broken::Faulty(failure)
    }
}

impl Broken {
    /// Returns it as a failure of a command.
    pub fn into_failure(self) -> Failure {
        match self {
            Broken::Faulty(failure) => failure,
            Broken::Tests(tests) => {
                let hint = "the failures stand above; camshaft test runs them again";
                Failure::refused(tests_message(&tests), hint).code("tests")
            }
        }
    }
}

fn tests_message(tests: &Tests) -> String {
    format!("{} of {} failed", tests.failures.len(), counted(tests.count, "test"))
}

/// A round.
#[derive(Debug)]
pub struct Round {
    /// The files that led to it; empty in the first.
    pub changed: Vec<String>,
    /// What came of it.
    pub result: Result<Clean, Broken>,
    /// How long it took.
    pub took: Duration,
}

impl Round {
    /// Returns the round in words; why it is not clean is in the failure.
    pub fn to_text(&self) -> String {
        let took = self.took.as_millis();
        let clean = match &self.result {
            Ok(clean) => clean,
            Err(Broken::Faulty(failure)) => return format!("not clean: {} ({took} ms)\n", failure.message),
            Err(Broken::Tests(tests)) => return format!("not clean: {} ({took} ms)\n", tests_message(tests)),
        };
        let mut text = format!("{}: clean, {} ({took} ms)\n", clean.release, clean.bundle.display());
        match clean.changes.as_deref() {
            None => {
                let _ = writeln!(text, "  {}", counted(clean.machines.0.len(), "machine"));
            }
            Some([]) => text.push_str("  every machine is as in the last good build\n"),
            Some(changes) => changes.iter().for_each(|change| {
                let _ = writeln!(text, "  {} {}", change.machine, change.what.to_words());
            }),
        }
        if clean.tests > 0 {
            let _ = writeln!(text, "  {} passed", counted(clean.tests, "test"));
        }
        for reason in &clean.checked {
            let _ = writeln!(text, "  tried on the live state, not certified in advance: {reason}");
        }
        for warning in &clean.warnings {
            let _ = writeln!(text, "  {warning}");
        }
        if clean.lock.is_some() {
            text.push_str("  camshaft.lock was brought up to date; commit it\n");
        }
        text
    }

    /// Returns the round as data.
    pub fn to_json(&self) -> Value {
        let took = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX);
        let mut object = json!({ "event": "round", "changed": self.changed, "ms": took });
        match &self.result {
            Err(Broken::Tests(tests)) => {
                object["clean"] = json!(false);
                object["message"] = json!(tests_message(tests));
                object["tests"] = json!(tests.tests);
            }
            Err(Broken::Faulty(failure)) => {
                object["clean"] = json!(false);
                object["message"] = json!(failure.message);
                object["hint"] = json!(failure.hint);
                object["diagnostics"] = failure.diagnostics.iter().map(render::to_json).collect();
            }
            Ok(clean) => {
                object["clean"] = json!(true);
                object["release"] = json!(clean.release);
                object["bundle"] = json!(clean.bundle);
                object["digest"] = json!(clean.digest);
                object["tests_passed"] = json!(clean.tests);
                object["checked"] = json!(clean.checked);
                object["warnings"] = json!(clean.warnings);
                object["lock_changed"] = json!(clean.lock.is_some());
                let changes = clean.changes.as_ref();
                object["machines"] =
                    changes.map_or(Value::Null, |all| all.iter().map(Change::to_json).collect());
            }
        }
        object
    }
}

impl What {
    fn to_words(self) -> String {
        match self {
            What::Added(digest) => format!("is new: {}", digest.short()),
            What::Removed(digest) => format!("is gone: was {}", digest.short()),
            What::Digest(old, new) => format!("changed: {} -> {}", old.short(), new.short()),
            What::Config(digest) => format!("has another configuration: {}", digest.short()),
        }
    }
}

impl Change {
    fn to_json(&self) -> Value {
        let (what, before, after) = match self.what {
            What::Added(digest) => ("added", None, Some(digest)),
            What::Removed(digest) => ("removed", Some(digest), None),
            What::Digest(old, new) => ("changed", Some(old), Some(new)),
            What::Config(digest) => ("config", Some(digest), Some(digest)),
        };
        json!({ "machine": self.machine, "what": what, "before": before, "after": after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machines(list: &[(&str, &str, &str)]) -> Machines {
        let machine = |(name, code, config): &(&str, &str, &str)| {
            ((*name).to_owned(), (Digest::of(code.as_bytes()), (*config).to_owned()))
        };
        Machines(list.iter().map(machine).collect())
    }

    #[test]
    fn machines_are_told_apart_by_digest_and_configuration() {
        let before = machines(&[
            ("a/gone", "1", ""),
            ("a/code", "1", ""),
            ("a/config", "1", "{}"),
            ("a/same", "1", ""),
        ]);
        let after = machines(&[
            ("a/code", "2", ""),
            ("a/config", "1", "[]"),
            ("a/new", "1", ""),
            ("a/same", "1", ""),
        ]);
        let [one, two] = [Digest::of(b"1"), Digest::of(b"2")];
        let found: Vec<(String, What)> =
            changes(&before, &after).into_iter().map(|change| (change.machine, change.what)).collect();
        assert_eq!(
            found,
            [
                ("a/code".to_owned(), What::Digest(one, two)),
                ("a/config".to_owned(), What::Config(one)),
                ("a/gone".to_owned(), What::Removed(one)),
                ("a/new".to_owned(), What::Added(one)),
            ]
        );
        assert_eq!(changes(&after, &after), []);
    }
}
