//! The audit of a node: a chain that holds, and what breaks it.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use camshaft_agent::api::Audit;
use camshaft_agent::audit::{AuditError, audit_of, verify, work_out};
use camshaft_agent::node::{Holding, Ledger, WayBack};
use camshaft_cam::digest::Digest;
use camshaft_store::{Control, Direction, MemoryJournal, Record, Stamp};
use common::{COUNT, TestNode, World, make};

fn world() -> World {
    let more = COUNT.replace("| Get", "| Get | More") + "on More => (state + 1, Ok)\n";
    let one = make("1.0.0", &[("shop/count", COUNT)], None, &[]);
    let two = make("2.0.0", &[("shop/count", &more)], Some(&one), &[]);
    World::of([one, two])
}

/// A node to which all was done that a switch can be.
fn lived(journal: &MemoryJournal) -> TestNode {
    let mut node = world().open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    node.upgrade("2.0.0").expect("upgrade");
    node.rollback(Holding::Refuse).expect("rollback");
    node.upgrade("2.0.0").expect("upgrade");
    let asked = node.asked();
    node.node.make_permanent(&asked).expect("permanent");
    node.settle();
    node.node.remove(&asked, "1.0.0", WayBack::GiveUp).expect("nothing needs it");
    node
}

fn controls() -> Vec<Control> {
    let journal = MemoryJournal::default();
    let audit = lived(&journal).node.audit();
    audit.records.iter().map(|record| control(&record.record)).collect()
}

fn control(record: &str) -> Control {
    match Record::read(&STANDARD.decode(record).expect("Base64")) {
        Ok(Record::Control(control)) => control,
        other => panic!("not a command: {other:?}"),
    }
}

/// Returns why records are refused that somebody put into a chain of his own.
fn impossible(controls: &[Control]) -> (usize, String) {
    match verify(&audit_of(controls.iter()), None) {
        Err(AuditError::Impossible { number, reason }) => (number, reason),
        other => panic!("{other:?}"),
    }
}

fn switches(controls: &[Control]) -> Vec<usize> {
    let is = |place: &usize| matches!(controls[*place], Control::Switch { .. });
    (0..controls.len()).filter(is).collect()
}

#[test]
fn an_audit_holds_over_restarts_and_goes_on_from_each_of_its_heads() {
    let journal = MemoryJournal::default();
    let mut node = lived(&journal);
    let first: Audit = node.node.audit();
    let verified = verify(&first, None).expect("it holds");
    let ways: Vec<_> = verified.switches.iter().map(|switch| (switch.number, switch.direction)).collect();
    assert_eq!(ways, [(2, Direction::Up), (3, Direction::Down), (4, Direction::Up)]);
    assert_eq!(verified.ledger.history, node.node.history().entries);
    for _ in 0..2 {
        node.node.save_snapshot().expect("snapshot");
        drop(node);
        node = world().open(journal.clone(), 0).expect("open");
        assert_eq!(node.node.audit(), first, "who looks and who starts writes nothing into it");
    }
    let asked = node.asked();
    node.node.remove(&asked, "2.0.0", WayBack::Keep).expect_err("it runs");
    let later = node.node.audit();
    assert_ne!(later.head, first.head, "what was refused is in it");
    for record in &first.records {
        verify(&later, Some(record.hash)).expect("it goes on from there");
    }
}

#[test]
fn a_switch_is_worked_out_once_more_from_its_bundles() {
    let verified = verify(&lived(&MemoryJournal::default()).node.audit(), None).expect("it holds");
    let both = [world().release("1.0.0"), world().release("2.0.0")];
    let code = |release: usize| both[release].machines().next().expect("a machine").digest();
    for switch in &verified.switches {
        let moves = work_out(switch, &both).expect("they lead there").expect("both are at hand");
        let (before, after) =
            if switch.direction == Direction::Up { (code(0), code(1)) } else { (code(1), code(0)) };
        assert_eq!((moves.len(), moves[0].before, moves[0].after), (1, before, after));
        assert_eq!(work_out(switch, &both[..1]), Ok(None), "one of them is not at hand");
        let mut other = switch.clone();
        other.relup = Digest::of(b"another way");
        let reason = work_out(&other, &both).expect_err("no bundle has it");
        assert_eq!(reason, format!("test 2.0.0 has no relup {}", other.relup));
    }
}

#[test]
fn what_is_changed_dropped_or_put_elsewhere_breaks_the_chain() {
    let whole = audit_of(controls().iter());
    let broken_at = |audit: &Audit| match verify(audit, None) {
        Err(AuditError::Broken { number, .. }) => number,
        other => panic!("{other:?}"),
    };
    for place in 0..whole.records.len() {
        let mut changed = whole.clone();
        let mut bytes = STANDARD.decode(&changed.records[place].record).expect("Base64");
        *bytes.last_mut().expect("a record has bytes") ^= 1;
        changed.records[place].record = STANDARD.encode(bytes);
        assert_eq!(broken_at(&changed), place + 1);

        let mut dropped = whole.clone();
        dropped.records.remove(place);
        if place + 1 < whole.records.len() {
            assert_eq!(broken_at(&dropped), place + 1);
            let mut swapped = whole.clone();
            swapped.records.swap(place, place + 1);
            assert_eq!(broken_at(&swapped), place + 1);
        } else {
            let told = whole.head;
            let is = dropped.records.last().expect("more than one").hash;
            let error = verify(&dropped, None).expect_err("its head is missing");
            assert_eq!(error, AuditError::OtherHead { told, is });
            // Whoever changes the head as well is found by the head that was noted.
            dropped.head = is;
            verify(&dropped, None).expect("it was so once");
            assert_eq!(verify(&dropped, Some(told)).expect_err("it lacks it"), AuditError::NotFrom(told));
        }
    }
}

#[test]
fn a_record_that_is_none_is_refused() {
    let mut audit = audit_of(controls().iter());
    audit.records[1].record = "?".to_owned();
    let error = verify(&audit, None).expect_err("it is no Base64");
    assert!(matches!(error, AuditError::Unreadable { number: 2, .. }), "{error}");

    // In a chain of their own: bytes that are no record, and one that is none of a command.
    let chained = |bytes: &[u8]| {
        let mut audit = audit_of(controls()[..1].iter());
        let before = audit.head;
        audit.head = Digest::of(&[before.as_bytes().as_slice(), bytes].concat());
        let record = STANDARD.encode(bytes);
        audit.records.push(camshaft_agent::api::AuditRecord { hash: audit.head, record });
        verify(&audit, None).expect_err("it is refused").to_string()
    };
    assert!(chained(&[250, 250]).starts_with("record 2 cannot be read: "));
    let settled = camshaft_store::Aside::Settled { instance: "a/b".to_owned(), switch: 2 };
    let other = Record::Aside(settled).to_bytes();
    assert_eq!(chained(&other), "record 2 cannot be read: it is none of a command or a switch");
}

#[test]
fn what_cannot_have_been_is_refused() {
    let good = controls();
    let [up, back, again] = switches(&good)[..] else { panic!("{good:?}") };
    let with = |place: usize, control: Control| {
        let mut controls = good.clone();
        controls[place] = control;
        impossible(&controls)
    };
    let without = |place: usize| {
        let mut controls = good.clone();
        controls.remove(place);
        impossible(&controls)
    };
    assert_eq!(
        with(up, good[0].clone()),
        (up + 1, "test 1.0.0 is installed, and test 1.0.0 runs".to_owned())
    );
    assert_eq!(without(0), (up, "a switch from test 1.0.0, and nothing runs".to_owned()));
    let told = "what became of switch 2 is told, and the last switch is 1";
    assert_eq!(without(up), (up + 1, told.to_owned()));
    let mut gap = good.clone();
    gap.drain(up..back);
    assert_eq!(impossible(&gap).1, "a switch from test 2.0.0, and test 1.0.0 runs");
    let number = |place: usize, number: u64| match good[place].clone() {
        Control::Switch { stamp, from, to, direction, relup, .. } => {
            Control::Switch { stamp, number, from, to, direction, relup }
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(with(back, number(back, 7)), (back + 1, "switch 7 follows on switch 2".to_owned()));
    let to = |place: usize, release: usize| match (good[place].clone(), good[release].clone()) {
        (Control::Switch { stamp, number, from, relup, .. }, Control::Switch { from: to, .. }) => {
            Control::Switch { stamp, number, from, to, direction: Direction::Down, relup }
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(with(back, to(back, back)).1, "a way back to test 2.0.0, which did not run before");
    let on_top = match good[back].clone() {
        Control::Switch { stamp, number, from, to, relup, .. } => {
            Control::Switch { stamp, number, from, to, direction: Direction::Up, relup }
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(with(back, on_top).1, "a switch on top of test 2.0.0, which is provisional");
    let stamp = Stamp { at_ms: 0, who: "mallory".to_owned() };
    let mut early = good.clone();
    early.insert(up, Control::Permanent { stamp: stamp.clone(), switch: 1 });
    assert_eq!(impossible(&early), (up + 1, "switch 1 is made permanent, and is not provisional".to_owned()));
    let Control::Switch { to: two, .. } = good[again].clone() else { unreachable!("it is a switch") };
    let mut gone = good.clone();
    gone.push(Control::Removed { stamp: stamp.clone(), release: two });
    assert_eq!(impossible(&gone), (good.len() + 1, "test 2.0.0 is removed, and it runs".to_owned()));
    let Control::Switch { from: one, .. } = good[up].clone() else { unreachable!("it is a switch") };
    let mut twice = good.clone();
    twice.push(Control::Removed { stamp, release: one });
    assert_eq!(impossible(&twice).1, "test 1.0.0 is removed, and was not kept");
}

/// However large the number is that a hostile record has.
#[test]
fn what_became_of_another_switch_than_the_last_is_refused() {
    let good = controls();
    let up = switches(&good)[0];
    let stamp = Stamp { at_ms: 0, who: "mallory".to_owned() };
    let reason = "so they say".to_owned();
    let told = |switch: u64| {
        let (stamp, reason, code) = (stamp.clone(), reason.clone(), "probation".to_owned());
        [
            Control::CheckPassed { switch },
            Control::CheckFailed { stamp: stamp.clone(), switch, instance: None, reason: reason.clone() },
            Control::Returned { stamp, switch, code, instance: None, reason },
        ]
    };
    for switch in [0, 1, 3, u64::MAX] {
        for control in told(switch) {
            let mut controls = good[..=up].to_vec();
            controls.push(control);
            let expected = format!("what became of switch {switch} is told, and the last switch is 2");
            assert_eq!(impossible(&controls), (up + 2, expected));
        }
    }
    for control in told(2) {
        let mut controls = good[..=up].to_vec();
        controls.push(control);
        verify(&audit_of(controls.iter()), None).expect("it can have been");
    }
    // A ledger that is read without an audit takes any number.
    let mut ledger = Ledger::default();
    told(u64::MAX).iter().for_each(|control| ledger.apply(control));
    assert_eq!(ledger.history.last().expect("it is told").switch, Some(u64::MAX));
}

#[test]
fn every_record_of_the_journal_that_is_a_command_is_in_the_audit() {
    let journal = MemoryJournal::default();
    let node = lived(&journal);
    let records = journal.records().expect("records");
    let commands: Vec<Control> = records
        .into_iter()
        .filter_map(|record| if let Record::Control(control) = record { Some(control) } else { None })
        .collect();
    let audit: Vec<Control> = node.node.audit().records.iter().map(|one| control(&one.record)).collect();
    assert!(audit.ends_with(&commands) && !commands.is_empty(), "{commands:?}");
}

/// Who noted a head is held to it by agents to come: this one was given out by agents that wrote format 6.
#[test]
fn a_head_stays_the_same_whatever_the_journal_is_written_in() {
    let audit = audit_of([Control::CheckPassed { switch: 2 }].iter());
    assert_eq!(STANDARD.decode(&audit.records[0].record).expect("bytes"), [6, 1, 2, 2]);
    let head = "sha256:0ae231e48964faffdb07a78085988c7bb804a7522365c6a1ef06115b0725564f";
    assert_eq!(audit.head.to_string(), head);
}
