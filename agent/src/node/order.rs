//! The order in which records are replayed.
//!
//! A shard that goes over a switch makes records of it while another one still makes records of the switch
//! before. A node that has fewer shards than the one that wrote them has the instances of both in one, and that
//! goes over once. So records are replayed switch by switch. That parts no record from what it follows from: who
//! gets a message of a higher switch goes over first, so nothing of a switch follows from anything of a higher
//! one.

use camshaft_store::{Aside, Control, Record};

/// Returns records, with their positions, in the order in which they are replayed: by switch, and those of one
/// switch as they are in the journal. `switch` is the one in force before the first of them.
pub(super) fn by_switch(records: Vec<(u64, Record)>, switch: u64) -> Vec<(u64, Record)> {
    let mut last = switch;
    let keys: Vec<u64> = records.iter().map(|(_, record)| key(record, &mut last)).collect();
    // Nearly always: switches are rare, and the shards close behind each other.
    if keys.is_sorted() {
        return records;
    }
    let mut keyed: Vec<_> = keys.into_iter().zip(records).collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, record)| record).collect()
}

/// Returns the switch that a record is of; for what says none, the last one before it.
fn key(record: &Record, last: &mut u64) -> u64 {
    match record {
        Record::Input(input) => input.switch,
        Record::Aside(
            Aside::Cared { switch, .. }
            | Aside::Called { switch, .. }
            | Aside::Redriven { switch, .. }
            | Aside::Dropped { switch, .. }
            | Aside::Settled { switch, .. },
        ) => *switch,
        Record::Control(Control::Installed { .. }) => {
            *last = 1;
            *last
        }
        Record::Control(Control::Switch { number, .. }) => {
            *last = *number;
            *last
        }
        Record::Control(_) | Record::Aside(Aside::Clients(_)) => *last,
    }
}

#[cfg(test)]
mod tests {
    use camshaft_cam::digest::Digest;
    use camshaft_store::{Direction, ReleaseEntry, Stamp};

    use super::*;

    fn called(instance: &str, switch: u64) -> Record {
        Record::Aside(Aside::Called {
            instance: instance.to_owned(),
            switch,
            seq: 1,
            effect: 0,
            given_up: None,
        })
    }

    fn switch(number: u64) -> Record {
        let entry = |version: &str| ReleaseEntry {
            name: "a".to_owned(),
            version: version.to_owned(),
            digest: Digest::of(version.as_bytes()),
            archive: Digest::of(version.as_bytes()),
        };
        Record::Control(Control::Switch {
            stamp: Stamp { at_ms: 0, who: "ann".to_owned() },
            number,
            from: entry("1.0.0"),
            to: entry("2.0.0"),
            direction: Direction::Up,
            relup: Digest::of(b"relup"),
        })
    }

    fn positions(records: Vec<Record>) -> Vec<u64> {
        by_switch((1..).zip(records).collect(), 4).into_iter().map(|(position, _)| position).collect()
    }

    #[test]
    fn what_is_in_order_stays_as_it_is() {
        let records = vec![called("a/m/1", 4), switch(5), called("a/m/2", 5), called("a/m/1", 5)];
        assert_eq!(positions(records), [1, 2, 3, 4]);
    }

    #[test]
    fn a_shard_that_goes_over_later_is_replayed_before_the_switch() {
        let passed = Record::Control(Control::CheckPassed { switch: 5 });
        let records = vec![
            called("a/m/1", 4),
            switch(5),
            called("a/m/1", 5),
            called("a/m/2", 4),
            Record::Aside(Aside::Clients(vec![])),
            called("a/m/2", 4),
            called("a/m/2", 5),
            passed,
        ];
        assert_eq!(positions(records), [1, 4, 6, 2, 3, 5, 7, 8]);
    }
}
