//! `camshaft.lock`: the predecessors of a release, pinned by the digests of their bundles.
//!
//! Written by the tool and committed. A lock that is not what the tool would write was edited or
//! garbled, and is refused rather than trusted in part: it decides which code upgrades start from.

use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::digest::Digest;

use crate::name::{AppName, ReleaseName};
use crate::reader::{Reader, Table};
use crate::version::Version;
use crate::writer::Writer;

/// The format that this version writes.
const FORMAT: u64 = 1;

/// The predecessors of a release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// Sorted by release and version, each once.
    predecessors: Vec<LockedRelease>,
    /// Sorted by name, each once.
    apps: Vec<LockedApp>,
}

/// An application that was taken from a release, pinned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedApp {
    /// The application.
    pub app: AppName,
    /// Its version.
    pub version: Version,
    /// The release that holds it.
    pub held_by: LockedRelease,
}

/// A predecessor, pinned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedRelease {
    /// The name of the release.
    pub release: ReleaseName,
    /// Its version.
    pub version: Version,
    /// The digest of its bundle.
    pub digest: Digest,
}

impl Lock {
    /// Returns a lock of these predecessors; of two with one name and version the later stays.
    pub fn new(predecessors: impl IntoIterator<Item = LockedRelease>) -> Lock {
        let by_version: std::collections::BTreeMap<_, _> =
            predecessors.into_iter().map(|one| ((one.release.clone(), one.version.clone()), one)).collect();
        Lock { predecessors: by_version.into_values().collect(), apps: vec![] }
    }

    /// Returns the same with these applications; of two with one name the later stays.
    pub fn with_apps(self, apps: impl IntoIterator<Item = LockedApp>) -> Lock {
        let by_name: std::collections::BTreeMap<_, _> =
            apps.into_iter().map(|one| (one.app.clone(), one)).collect();
        Lock { apps: by_name.into_values().collect(), ..self }
    }

    /// Returns where an application was taken from.
    pub fn app(&self, name: &AppName) -> Option<&LockedApp> {
        self.apps.iter().find(|one| one.app == *name)
    }

    /// Returns the predecessors, sorted by release and version.
    pub fn predecessors(&self) -> &[LockedRelease] {
        &self.predecessors
    }

    /// Returns the digest that a predecessor is pinned to.
    pub fn digest(&self, release: &ReleaseName, version: &Version) -> Option<Digest> {
        let found = self.predecessors.iter().find(|one| one.release == *release && one.version == *version);
        found.map(|one| one.digest)
    }
}

/// Reads a `camshaft.lock`.
///
/// # Errors
///
/// All faults of the text; a lock that reads well but is not written as the tool writes it.
pub fn read(source: &Source) -> Result<Lock, Vec<Diagnostic>> {
    let mend = "delete the file and build again, after making sure that the predecessors found are the ones \
                you released";
    let lock = Reader::read(source, |_, table| {
        let format = table.required("version");
        let format = format.and_then(|field| {
            let format = field.number(0..=u64::MAX)?;
            if format != FORMAT {
                field.refuse("M0121", format!("the lock has format {format}; this version knows {FORMAT}"));
            }
            Some(format)
        });
        let predecessors = match table.optional("predecessor") {
            Some(field) => {
                let read: Vec<Option<LockedRelease>> =
                    field.items()?.iter().map(|item| item.table_with(read_predecessor)).collect();
                read.into_iter().collect()
            }
            None => Some(Vec::new()),
        };
        let apps = match table.optional("app") {
            Some(field) => {
                let read: Vec<Option<LockedApp>> =
                    field.items()?.iter().map(|item| item.table_with(read_app)).collect();
                read.into_iter().collect()
            }
            None => Some(Vec::new()),
        };
        format?;
        Some(Lock { predecessors: predecessors?, apps: apps? })
    })
    .map_err(|faults| faults.into_iter().map(|fault| fault.help(mend)).collect::<Vec<_>>())?;
    let expected = write(&lock);
    let rewritten = Lock::new(lock.predecessors.iter().cloned()).with_apps(lock.apps.iter().cloned());
    // Git may turn line ends around on some systems; nothing else may differ.
    if source.text.replace("\r\n", "\n") != expected || rewritten != lock {
        let message = "the lock is not as the tool writes it: it was edited by hand or garbled";
        return Err(vec![Diagnostic::new("M0120", source, 0..0, message, "").help(mend)]);
    }
    Ok(lock)
}

fn read_predecessor(table: &Table<'_, '_>) -> Option<LockedRelease> {
    let release = table.required("release").and_then(|field| field.word());
    let version = table.required("version").and_then(|field| field.word());
    let digest = table.required("digest").and_then(|field| field.word());
    Some(LockedRelease { release: release?, version: version?, digest: digest? })
}

fn read_app(table: &Table<'_, '_>) -> Option<LockedApp> {
    let app = table.required("name").and_then(|field| field.word());
    let version = table.required("version").and_then(|field| field.word());
    let held_by =
        table.required("held_by").and_then(|field| field.table_with(|table| read_predecessor(table)));
    Some(LockedApp { app: app?, version: version?, held_by: held_by? })
}

/// Writes a `camshaft.lock`.
pub fn write(lock: &Lock) -> String {
    let mut writer = Writer::commented(
        "Pins the predecessors of this release. Written by camshaft; commit it, do not edit it.",
    );
    writer.raw("version", FORMAT);
    for one in &lock.predecessors {
        writer.item("predecessor");
        writer.text("release", &one.release);
        writer.text("version", &one.version);
        writer.text("digest", one.digest);
    }
    for one in &lock.apps {
        writer.item("app");
        writer.text("name", &one.app);
        writer.text("version", &one.version);
        writer.table("app.held_by");
        writer.text("release", &one.held_by.release);
        writer.text("version", &one.held_by.version);
        writer.text("digest", one.held_by.digest);
    }
    writer.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Document;
    use crate::schema::testing::check;

    const MEND: &str = "\nhelp: delete the file and build again, after making sure that the predecessors found \
                        are the ones you released";

    fn lock() -> Lock {
        let one = |version: &str| LockedRelease {
            release: "shop".parse().expect("a name"),
            version: version.parse().expect("a version"),
            digest: Digest::of(version.as_bytes()),
        };
        let app = |name: &str| LockedApp {
            app: name.parse().expect("a name"),
            version: "1.4.0".parse().expect("a version"),
            held_by: one("3.0.0"),
        };
        Lock::new([one("1.10.0"), one("1.2.0"), one("1.2.0")]).with_apps([app("till"), app("stock")])
    }

    #[test]
    fn a_lock_reads_back_what_it_writes() {
        for lock in [lock(), Lock::default()] {
            let text = write(&lock);
            assert_eq!(read(&Source::new("camshaft.lock", text.as_str())), Ok(lock.clone()));
            let turned = text.replace('\n', "\r\n");
            assert_eq!(read(&Source::new("camshaft.lock", turned)), Ok(lock));
        }
        let versions: Vec<String> = lock().predecessors().iter().map(|one| one.version.to_string()).collect();
        assert_eq!(versions, ["1.2.0", "1.10.0"]);
    }

    #[test]
    fn a_lock_edited_by_hand_is_refused() {
        let good = write(&lock());
        let by_hand =
            format!("M0120 `` the lock is not as the tool writes it: it was edited by hand or garbled{MEND}");
        let refused = |text: &str, expect: &str| check(Document::Lock, text, read, expect);
        refused(&format!("{good}\n"), &by_hand);
        refused(&good.replace('"', "'"), &by_hand);
        refused("version = 1\n", &by_hand);
        let (head, entries) = good.split_once("\n\n").expect("a head");
        let (first, rest) = entries.split_once("\n\n").expect("two entries");
        let (second, apps) = rest.split_once("\n\n").expect("applications");
        let till = apps.rfind("[[app]]").expect("two of them");
        let (stock, till) = (apps[..till].trim_end(), apps[till..].trim_end());
        refused(&format!("{head}\n\n{first}\n\n{second}\n\n{till}\n\n{stock}\n"), &by_hand);
        refused(&format!("{head}\n\n{}\n\n{first}\n", second.trim_end()), &by_hand);
        refused(&format!("{head}\n\n{first}\n\n{first}\n"), &by_hand);
        refused(
            &good.replace("version = 1\n", "version = 2\n"),
            &format!("M0121 `2` the lock has format 2; this version knows 1{MEND}"),
        );
        refused(
            &good[..good.find("[[app]]").expect("applications")].trim_end().replace("digest = ", "# "),
            &format!(
                "M0103 `[[predecessor]]` `[predecessor]` needs the key `digest`{MEND}\n\
             M0103 `[[predecessor]]` `[predecessor]` needs the key `digest`{MEND}"
            ),
        );
    }

    #[test]
    fn no_single_byte_of_a_lock_can_be_lost_or_changed_unseen() {
        let good = write(&lock());
        let value = lock();
        for index in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[index] ^= 1;
            let flipped = String::from_utf8(bytes).expect("ASCII stays ASCII");
            let mut lost = good.clone();
            lost.remove(index);
            for text in [flipped, lost] {
                if let Ok(read) = read(&Source::new("camshaft.lock", text.as_str())) {
                    // A digit of a version or digest may turn into another; then the content differs.
                    assert_ne!(read, value, "{text}");
                }
            }
        }
    }
}
