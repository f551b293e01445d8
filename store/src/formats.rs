//! The forms that this version writes, in numbers: what one version has to know of another before it hands it a folder.

use serde::{Deserialize, Serialize};

/// The forms in which a folder is written. Every version reads all that are lower than those that it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formats {
    /// Of records and of entries of state snapshots: [`crate::FORMAT`].
    pub records: u8,
    /// Of the frames of the log.
    pub log: u16,
    /// Of the blocks of state snapshots.
    pub snapshots: u16,
}

impl Formats {
    /// What this version writes.
    pub const OURS: Formats =
        Formats { records: crate::FORMAT, log: crate::log::VERSION, snapshots: crate::snapshots::VERSION };

    /// Returns what a version that writes these forms cannot read of a folder in others, if there is something.
    pub fn reason_unreadable(&self, folder: &Formats) -> Option<String> {
        let all = [
            ("records", u16::from(folder.records), u16::from(self.records)),
            ("the log", folder.log, self.log),
            ("state snapshots", folder.snapshots, self.snapshots),
        ];
        let (what, found, known) = all.into_iter().find(|(_, found, known)| found > known)?;
        Some(format!("the node writes {what} in format {found}, and this version knows those up to {known}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_newer_is_named() {
        let ours = Formats { records: 6, log: 1, snapshots: 1 };
        assert_eq!(ours.reason_unreadable(&ours), None);
        assert_eq!(ours.reason_unreadable(&Formats { records: 2, ..ours }), None);
        for (newer, reason) in [
            (Formats { records: 7, ..ours }, "records in format 7, and this version knows those up to 6"),
            (Formats { log: 2, ..ours }, "the log in format 2, and this version knows those up to 1"),
            (
                Formats { snapshots: 3, ..ours },
                "state snapshots in format 3, and this version knows those up to 1",
            ),
        ] {
            assert_eq!(ours.reason_unreadable(&newer), Some(format!("the node writes {reason}")));
        }
    }
}
