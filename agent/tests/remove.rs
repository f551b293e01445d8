//! Removing releases: what is needed stays, and what needs it is named.

mod common;

use camshaft_agent::api::{HistoryKind, InstanceState, Report};
use camshaft_agent::node::{Holding, NodeError, WayBack};
use camshaft_cam::digest::Digest;
use camshaft_manifests::transition::Transition;
use camshaft_store::{
    Aside, Chunk, Class, FolderJournal, Journal as _, MemoryJournal, RecordRef, Redrive, Stamp,
};
use common::{COUNT, TestNode, World, client, make, make_said, refusal};

/// Three releases, each with other code.
fn world() -> World {
    let and = |machine: &str, case: &str| {
        machine.replace("| Get", &format!("| Get | {case}")) + &format!("on {case} => (state, Ok)\n")
    };
    let other = "machine other\ntype State = Int\ntype Input = | Get\ntype Output = | Ok\ninit = 0\n\
                 on Get => (state, Ok)\n";
    let second = and(COUNT, "Two");
    let third = and(&second, "Three");
    let one = make("1.0.0", &[("shop/count", COUNT), ("old/other", other)], None, &[]);
    let two = make("2.0.0", &[("shop/count", &second), ("old/other", other)], Some(&one), &[]);
    let three = make("3.0.0", &[("shop/count", &third)], Some(&two), &[]);
    World::of([one, two, three])
}

/// A node that runs a release, permanent, and all have gone over to it; the ones before it are there.
fn node_at(journal: &MemoryJournal, version: &str) -> TestNode {
    lived(world().open(journal.clone(), 0).expect("open"), version)
}

/// The same of one that is empty.
fn lived(mut node: TestNode, version: &str) -> TestNode {
    node.install("1.0.0").expect("install");
    assert_eq!(node.send("shop/count/a", "{\"Add\":1}"), "\"Ok\"");
    for next in ["2.0.0", "3.0.0"] {
        if next <= version {
            node.upgrade(next).expect("upgrade");
            node.node.make_permanent(&node.asked()).expect("permanent");
            node.settle();
        }
    }
    node
}

fn remove(node: &mut TestNode, which: &str, way_back: WayBack) -> Result<Report, NodeError> {
    let asked = node.asked();
    node.node.remove(&asked, which, way_back)
}

fn refused(node: &mut TestNode, which: &str, way_back: WayBack) -> (String, String) {
    refusal(remove(node, which, way_back))
}

fn kept(node: &mut TestNode) -> Vec<String> {
    node.status().releases.into_iter().map(|known| known.release.version).collect()
}

fn bundle(journal: &MemoryJournal, version: &str) -> Option<Vec<u8>> {
    journal.blob(Digest::of(version.as_bytes())).expect("memory")
}

#[test]
fn what_nothing_needs_goes_with_its_bundle_and_the_node_starts_without_it() {
    let journal = MemoryJournal::default();
    let mut node = node_at(&journal, "2.0.0");
    assert_eq!(kept(&mut node), ["1.0.0", "2.0.0"]);
    let (code, detail) = refused(&mut node, "1.0.0", WayBack::Keep);
    assert_eq!((code.as_str(), detail.as_str()), ("way-back", "the node can go back to test 1.0.0"));
    assert!(bundle(&journal, "1.0.0").is_some());

    let report = remove(&mut node, "1.0.0", WayBack::GiveUp).expect("nothing needs it");
    assert_eq!(report.from.expect("the release").version, "1.0.0");
    assert_eq!(report.running.version, "2.0.0");
    for _ in 0..2 {
        assert_eq!(kept(&mut node), ["2.0.0"]);
        assert_eq!(bundle(&journal, "1.0.0"), None);
        assert_eq!(node.send("shop/count/a", "\"Get\""), "{\"Is\":1}");
        assert_eq!(node.status().rollback_to, None);
        let (code, _) = refusal(node.rollback(Holding::Refuse));
        assert_eq!(code, "nothing-to-roll-back");
        let (code, detail) = refused(&mut node, "1.0.0", WayBack::GiveUp);
        let none = "the node keeps no release `1.0.0`";
        assert_eq!((code.as_str(), detail.as_str()), ("unknown-release", none));
        let history = node.node.history().entries;
        let entry = history.iter().find(|entry| entry.what == HistoryKind::Removed).expect("it is told");
        assert_eq!(entry.from.as_ref().expect("which").version, "1.0.0");
        drop(node);
        node = world().open(journal.clone(), 0).expect("it starts without the bundle");
    }
    node.upgrade("3.0.0").expect("it goes on from there");
}

#[test]
fn what_runs_and_what_a_provisional_release_may_go_back_to_stays() {
    let mut node = node_at(&MemoryJournal::default(), "1.0.0");
    node.upgrade("2.0.0").expect("upgrade");
    let (code, detail) = refused(&mut node, "2.0.0", WayBack::GiveUp);
    assert_eq!((code.as_str(), detail.as_str()), ("release-needed", "test 2.0.0 is needed: it runs"));
    let (code, detail) = refused(&mut node, "1.0.0", WayBack::GiveUp);
    let needed = "test 1.0.0 is needed: the release that runs is provisional, and may go back to it";
    assert_eq!((code.as_str(), detail.as_str()), ("release-needed", needed));
    // The history has what was refused, and why.
    let last = node.node.history().entries.pop().expect("an entry");
    assert_eq!(
        (last.what, last.code.as_str(), last.why.as_str()),
        (HistoryKind::Refused, "release-needed", needed)
    );
}

#[test]
fn what_was_left_by_going_back_stays_until_the_next_upgrade() {
    let mut node = node_at(&MemoryJournal::default(), "1.0.0");
    node.upgrade("2.0.0").expect("upgrade");
    node.rollback(Holding::Refuse).expect("rollback");
    let (code, detail) = refused(&mut node, "2.0.0", WayBack::Keep);
    assert_eq!(code, "release-needed");
    assert!(detail.starts_with("test 2.0.0 is needed: it was left by going back"), "{detail}");
}

#[test]
fn a_switch_that_not_all_have_gone_over_needs_both_of_its_releases() {
    let mut node = node_at(&MemoryJournal::default(), "1.0.0");
    node.upgrade("2.0.0").expect("upgrade");
    let asked = node.asked();
    node.node.make_permanent(&asked).expect("permanent");
    let (code, detail) = refused(&mut node, "1.0.0", WayBack::GiveUp);
    let needed = "test 1.0.0 is needed: not all instances have gone over switch 2 yet; the sweeper is at it";
    assert_eq!((code.as_str(), detail.as_str()), ("release-needed", needed));
    node.settle();
    remove(&mut node, "1.0.0", WayBack::GiveUp).expect("they have by now");
}

#[test]
fn an_archived_state_needs_the_last_release_that_has_its_machine() {
    let journal = MemoryJournal::default();
    let mut node = node_at(&journal, "3.0.0");
    // The same code is in the second release too.
    remove(&mut node, "1.0.0", WayBack::GiveUp).expect("another one has all of its code");
    let (code, detail) = refused(&mut node, "2.0.0", WayBack::GiveUp);
    let needed = "test 2.0.0 is needed: the archived state of old/other is in its code";
    assert_eq!((code.as_str(), detail.as_str()), ("release-needed", needed));
    // With it, the state comes back.
    node.rollback(Holding::Refuse).expect("rollback");
    assert_eq!(node.send("old/other", "\"Get\""), "\"Ok\"");
}

fn drop_archived(node: &mut TestNode, instance: &str) -> Result<u64, NodeError> {
    let asked = node.asked();
    let address = instance.parse().expect("an address");
    node.node.redrive(&asked, &address, Redrive::Dropped).map(|dropped| dropped.driven)
}

/// What is archived, each with why it is told of.
fn archived(node: &mut TestNode) -> Vec<(String, Option<String>)> {
    let listed = node.instances(None, 100).instances.into_iter();
    let listed = listed.filter(|instance| instance.state == InstanceState::Archived);
    listed.map(|instance| (instance.address, instance.why)).collect()
}

#[test]
fn an_archived_state_that_is_given_up_needs_no_release() {
    for start in ["none", "from the journal", "from a state snapshot"] {
        let journal = MemoryJournal::default();
        let mut node = node_at(&journal, "3.0.0");
        assert_eq!(archived(&mut node), [("old/other".to_owned(), None)]);
        assert_eq!(drop_archived(&mut node, "old/other").expect("it is archived"), 1);
        if start == "from a state snapshot" {
            node.node.save_snapshot().expect("snapshot");
        }
        if start != "none" {
            drop(node);
            node = world().open(journal.clone(), 0).expect("open");
        }
        let left = "nothing is left of it but its numbers and kept answers";
        assert_eq!(archived(&mut node), [("old/other".to_owned(), Some(left.to_owned()))], "{start}");
        let history = node.node.history().entries;
        let entry = history.iter().find(|entry| entry.what == HistoryKind::Dropped).expect("it is told");
        assert_eq!((entry.who.as_str(), entry.why.as_str()), ("test", "old/other: 1 are given up"));
        for nothing in ["old/other", "old/other/k", "no/such"] {
            let (code, detail) = refusal(drop_archived(&mut node, nothing));
            assert_eq!(code, "nothing-to-redrive");
            assert_eq!(detail, format!("there is no instance {nothing}, nor is one archived"));
        }
        remove(&mut node, "2.0.0", WayBack::GiveUp).expect("nothing needs it any more");
        assert_eq!(kept(&mut node), ["1.0.0", "3.0.0"]);
    }
}

#[test]
fn what_a_provisional_release_may_go_back_to_is_not_given_up() {
    let mut node = node_at(&MemoryJournal::default(), "2.0.0");
    node.upgrade("3.0.0").expect("upgrade");
    let (code, detail) = refusal(drop_archived(&mut node, "old/other"));
    let back = "going back to test 2.0.0 brings old/other back";
    assert_eq!((code.as_str(), detail.as_str()), ("provisional", back));
    node.rollback(Holding::Refuse).expect("rollback");
    assert_eq!(node.send("old/other", "\"Get\""), "\"Ok\"");
}

fn with_case(machine: &str, case: &str) -> String {
    machine.replace("| Get", &format!("| Get | {case}")) + &format!("on {case} => (state, Ok)\n")
}

/// A machine that is there so that a release without the others has one.
const IDLE: &str = "machine idle\ntype State = Int\ntype Input = | Get\ntype Output = | Ok\ninit = 0\n\
                    on Get => (state, Ok)\n";

fn settled_at(node: &mut TestNode, version: &str) {
    node.upgrade(version).expect("upgrade");
    node.node.make_permanent(&node.asked()).expect("permanent");
    node.settle();
}

/// Holds against what is listed before and after `instance` is given up, at once and at starts from journal and state snapshot, and
/// that the first release can be removed then, and could not before.
fn is_given_up(world: &World, make_node: &dyn Fn(MemoryJournal) -> TestNode, instance: &str, states: u64) {
    let left = "nothing is left of it but its numbers and kept answers";
    for start in ["none", "from the journal", "from a state snapshot"] {
        let journal = MemoryJournal::default();
        let mut node = make_node(journal.clone());
        let listed = archived(&mut node);
        assert_eq!(listed.iter().filter(|(at, why)| at == instance && why.is_none()).count() as u64, states);
        let (code, detail) = refused(&mut node, "1.0.0", WayBack::GiveUp);
        assert_eq!(code, "release-needed", "{start}");
        assert!(detail.contains(&format!("the archived state of {instance}")), "{detail}");
        assert_eq!(drop_archived(&mut node, instance).expect("it is archived"), states, "{start}");
        if start == "from a state snapshot" {
            node.node.save_snapshot().expect("snapshot");
        }
        if start != "none" {
            drop(node);
            node = world.open(journal.clone(), 0).expect("open");
        }
        // The rest of the list is as it was.
        let others = |list: &[(String, Option<String>)]| -> Vec<_> {
            list.iter().filter(|(at, _)| at != instance).cloned().collect()
        };
        let after = archived(&mut node);
        assert_eq!(others(&after), others(&listed), "{start}");
        assert!(after.iter().all(|(at, why)| at != instance || why.as_deref() == Some(left)), "{after:?}");
        assert_eq!(refusal(drop_archived(&mut node, instance)).0, "nothing-to-redrive", "{start}");
        remove(&mut node, "1.0.0", WayBack::GiveUp).expect("nothing needs it any more");
        drop(node);
        let mut node = world.open(journal, 0).expect("it starts without the bundle");
        assert_eq!(archived(&mut node), after, "{start}");
    }
}

fn restarting() -> World {
    let one = make("1.0.0", &[("shop/count", COUNT)], None, &[]);
    let said = Transition {
        restarts: [("shop".parse().expect("a name"), "it fills itself".to_owned())].into(),
        ..Transition::default()
    };
    let two = make_said("2.0.0", &[("shop/count", &with_case(COUNT, "Two"))], Some(&one), &[], said);
    World::of([one, two])
}

fn add(node: &mut TestNode, instance: &str, n: u64) {
    assert_eq!(node.send(instance, &format!("{{\"Add\":{n}}}")), "\"Ok\"");
}

#[test]
fn a_state_from_before_a_restart_of_its_application_is_given_up() {
    let world = restarting();
    // Its instance lives on, or was not used since.
    for used in [true, false] {
        let make_node = |journal: MemoryJournal| {
            let mut node = world.open(journal, 0).expect("open");
            node.install("1.0.0").expect("install");
            add(&mut node, "shop/count/a", 1);
            settled_at(&mut node, "2.0.0");
            if used {
                add(&mut node, "shop/count/a", 7);
            }
            node
        };
        is_given_up(&world, &make_node, "shop/count/a", 1);
        let mut node = make_node(MemoryJournal::default());
        drop_archived(&mut node, "shop/count/a").expect("it is archived");
        assert_eq!(node.send("shop/count/a", "\"Get\""), format!("{{\"Is\":{}}}", if used { 7 } else { 0 }));
    }
}

#[test]
fn what_going_back_restarts_with_is_not_given_up_while_that_is_provisional() {
    let mut node = restarting().open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    add(&mut node, "shop/count/a", 1);
    node.upgrade("2.0.0").expect("upgrade");
    add(&mut node, "shop/count/a", 7);
    let (code, detail) = refusal(drop_archived(&mut node, "shop/count/a"));
    let back = "going back to test 1.0.0 brings shop/count/a back";
    assert_eq!((code.as_str(), detail.as_str()), ("provisional", back));
    node.rollback(Holding::Refuse).expect("rollback");
    assert_eq!(node.send("shop/count/a", "\"Get\""), "{\"Is\":1}");
}

#[test]
fn a_state_from_before_a_reset_is_given_up() {
    let one = make("1.0.0", &[("shop/count", COUNT)], None, &[]);
    let two = make("2.0.0", &[("shop/count", &with_case(COUNT, "Two"))], Some(&one), &[]);
    let world = World::of([one, two]);
    let make_node = |journal: MemoryJournal| {
        let mut node = world.open(journal, 0).expect("open");
        node.install("1.0.0").expect("install");
        add(&mut node, "shop/count/a", 1);
        reset(&mut node, "shop/count/a");
        add(&mut node, "shop/count/a", 2);
        settled_at(&mut node, "2.0.0");
        node
    };
    is_given_up(&world, &make_node, "shop/count/a", 1);
    let mut node = make_node(MemoryJournal::default());
    drop_archived(&mut node, "shop/count/a").expect("it is archived");
    assert_eq!((archived(&mut node).len(), node.send("shop/count/a", "\"Get\"").as_str()), (0, "{\"Is\":2}"));
}

fn reset(node: &mut TestNode, instance: &str) {
    let (asked, address) = (node.asked(), instance.parse().expect("an address"));
    node.node.redrive(&asked, &address, Redrive::Reset).expect("it is there");
}

#[test]
fn states_of_a_machine_that_came_back_in_other_code_are_given_up() {
    let one = make("1.0.0", &[("shop/idle", IDLE), ("shop/count", COUNT)], None, &[]);
    let two = make("2.0.0", &[("shop/idle", IDLE)], Some(&one), &[]);
    let other = with_case(COUNT, "Three");
    let three = make("3.0.0", &[("shop/idle", IDLE), ("shop/count", &other)], Some(&two), &[]);
    let world = World::of([one, two, three]);
    for used in [true, false] {
        let make_node = |journal: MemoryJournal| {
            let mut node = world.open(journal, 0).expect("open");
            node.install("1.0.0").expect("install");
            add(&mut node, "shop/count/a", 1);
            reset(&mut node, "shop/count/a");
            add(&mut node, "shop/count/a", 2);
            settled_at(&mut node, "2.0.0");
            settled_at(&mut node, "3.0.0");
            if used {
                add(&mut node, "shop/count/a", 7);
            }
            node
        };
        // What it left when it went away, and what was there before the reset.
        is_given_up(&world, &make_node, "shop/count/a", 2);
    }
}

#[test]
fn a_state_under_a_name_that_another_machine_has_now_is_given_up_and_nothing_of_that_one() {
    let one = make("1.0.0", &[("shop/count", COUNT)], None, &[]);
    let machine = |text: &str| text.parse().expect("an address");
    let said = Transition {
        renamed_machines: [(machine("shop/tally"), machine("shop/count"))].into(),
        ..Transition::default()
    };
    let tally = with_case(COUNT, "Two").replace("machine count", "machine tally");
    let other = with_case(COUNT, "Other");
    let two = make_said("2.0.0", &[("shop/tally", &tally), ("shop/count", &other)], Some(&one), &[], said);
    let world = World::of([one, two]);
    let make_node = |journal: MemoryJournal| {
        let mut node = world.open(journal, 0).expect("open");
        node.install("1.0.0").expect("install");
        add(&mut node, "shop/count/a", 1);
        reset(&mut node, "shop/count/a");
        add(&mut node, "shop/count/a", 2);
        settled_at(&mut node, "2.0.0");
        add(&mut node, "shop/count/a", 7);
        reset(&mut node, "shop/tally/a");
        add(&mut node, "shop/tally/a", 3);
        node
    };
    is_given_up(&world, &make_node, "shop/count/a", 1);
    let mut node = make_node(MemoryJournal::default());
    drop_archived(&mut node, "shop/count/a").expect("it is archived");
    assert_eq!(archived(&mut node), [("shop/tally/a".to_owned(), None)]);
    assert_eq!(node.send("shop/count/a", "\"Get\""), "{\"Is\":7}");
    assert_eq!(node.send("shop/tally/a", "\"Get\""), "{\"Is\":3}");
}

/// Its record said "what is parked, and what resets archived", and somebody may have gone back since.
#[test]
fn what_an_earlier_version_left_when_it_gave_something_up_is_left_in_a_replay() {
    let (world, journal) = (restarting(), MemoryJournal::default());
    let mut node = world.open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    add(&mut node, "shop/count/a", 1);
    node.upgrade("2.0.0").expect("upgrade");
    add(&mut node, "shop/count/a", 7);
    drop(node);
    let stamp = Stamp { at_ms: 0, who: "somebody".to_owned() };
    let instance = "shop/count/a".to_owned();
    let dropped = Aside::Redriven { instance, switch: 2, stamp, what: Redrive::Dropped };
    let mut chunk = Chunk::new(0, 0);
    chunk.push_with(|bytes| *bytes = RecordRef::Aside(&dropped).write(std::mem::take(bytes)));
    journal.clone().append(&[chunk], Class::Input).expect("memory");
    let mut node = world.open(journal, 0).expect("open");
    assert_eq!(archived(&mut node), [("shop/count/a".to_owned(), None)]);
    node.rollback(Holding::Refuse).expect("rollback");
    assert_eq!(node.send("shop/count/a", "\"Get\""), "{\"Is\":1}");
}

#[test]
fn instances_are_listed_once_whatever_the_pages() {
    let apps = ["a/count", "a_b/count", "ab/count"];
    let one = make("1.0.0", &apps.map(|app| (app, COUNT)), None, &[]);
    let two = make("2.0.0", &[("a/idle", IDLE)], Some(&one), &[]);
    let mut node = World::of([one, two]).open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    let mut all: Vec<String> =
        apps.iter().flat_map(|app| ["a", "b", "a@b!1"].map(|key| format!("{app}/{key}"))).collect();
    all.iter().for_each(|instance| add(&mut node, instance, 1));
    let listed = |node: &mut TestNode, limit: usize| {
        let (mut after, mut found) = (None, vec![]);
        loop {
            let page = node.instances(after.as_deref(), limit);
            found.extend(page.instances.into_iter().map(|instance| instance.address));
            match page.next {
                Some(next) => after = Some(next),
                None => return found,
            }
        }
    };
    for archived in [false, true] {
        if archived {
            node.upgrade("2.0.0").expect("upgrade");
            all.push("a/idle".to_owned());
        }
        for limit in [1, 2, 4, 100] {
            let mut found = listed(&mut node, limit);
            found.sort();
            all.sort();
            assert_eq!(found, all, "{limit}");
        }
    }
}

/// Should the machine come back, neither numbers nor answers are given away twice.
#[test]
fn what_was_given_up_begins_anew_and_goes_on_with_its_numbers() {
    let one = make("1.0.0", &[("shop/count", COUNT), ("old/count", COUNT)], None, &[]);
    let two = make("2.0.0", &[("shop/count", COUNT)], Some(&one), &[]);
    let mut node = World::of([one, two]).open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    for _ in 0..2 {
        assert_eq!(node.send("old/count/a", "{\"Add\":1}"), "\"Ok\"");
    }
    assert_eq!(node.send_as("old/count/a", "{\"Add\":5}", client("till", 1)), "\"Ok\"");
    node.upgrade("2.0.0").expect("upgrade");
    node.node.make_permanent(&node.asked()).expect("permanent");
    node.settle();
    assert_eq!(drop_archived(&mut node, "old/count/a").expect("it is archived"), 1);
    node.rollback(Holding::Refuse).expect("rollback");
    assert_eq!(node.send_as("old/count/a", "{\"Add\":5}", client("till", 1)), "\"Ok\" again");
    assert_eq!(node.send("old/count/a", "{\"Add\":1}"), "\"Ok\"");
    assert_eq!(node.send("old/count/a", "\"Get\""), "{\"Is\":1}");
    let seq = node.instances(None, 100).instances.iter().map(|instance| instance.seq).max();
    assert!(seq >= Some(4), "{seq:?}: three inputs were before");
}

#[test]
fn a_release_is_named_by_its_version_or_by_the_beginning_of_its_digest() {
    let journal = MemoryJournal::default();
    let mut node = node_at(&journal, "2.0.0");
    let digest = world().release("1.0.0").entry.digest.hex();
    for unknown in ["", "1.0", &digest[..7], "sha256:", "deadbeef00"] {
        assert_eq!(refused(&mut node, unknown, WayBack::GiveUp).0, "unknown-release", "{unknown}");
    }
    remove(&mut node, &format!("sha256:{}", &digest[..8]), WayBack::GiveUp).expect("these are enough");
    assert_eq!(kept(&mut node), ["2.0.0"]);
}

#[test]
fn a_bundle_that_the_end_of_the_agent_left_there_goes_at_the_next_start() {
    let journal = MemoryJournal::default();
    let mut node = node_at(&journal, "2.0.0");
    remove(&mut node, "1.0.0", WayBack::GiveUp).expect("nothing needs it");
    drop(node);
    journal.clone().put_blob(b"1.0.0").expect("memory");
    let mut node = world().open(journal.clone(), 0).expect("open");
    assert_eq!((kept(&mut node), bundle(&journal, "1.0.0")), (vec!["2.0.0".to_owned()], None));
}

/// A bundle that cannot be taken away takes room, and nothing else: no command fails, no start.
#[test]
fn a_bundle_that_cannot_be_taken_away_is_tried_again_at_the_next_removal_and_the_next_start() {
    for at_start in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || world().open(FolderJournal::open(folder.path()).expect("it opens").0, 0).expect("open");
        let mut node = lived(open(), "3.0.0");
        let blob = |version: &str| folder.path().join("blobs").join(Digest::of(version.as_bytes()).hex());
        std::fs::remove_file(blob("1.0.0")).expect("it is kept");
        std::fs::create_dir_all(blob("1.0.0").join("no file")).expect("there is room");
        remove(&mut node, "1.0.0", WayBack::GiveUp).expect("nothing needs it");
        assert_eq!(kept(&mut node), ["2.0.0", "3.0.0"]);
        assert_eq!(node.send("shop/count/a", "\"Get\""), "{\"Is\":1}");
        drop(node);
        let mut node = open();
        assert_eq!(node.send("shop/count/a", "\"Get\""), "{\"Is\":1}");
        assert!(blob("1.0.0").is_dir(), "it cannot be taken away yet");

        std::fs::remove_dir_all(blob("1.0.0")).expect("it is there");
        std::fs::write(blob("1.0.0"), "1.0.0").expect("there is room");
        if at_start {
            drop(node);
            node = open();
        } else {
            drop_archived(&mut node, "old/other").expect("it is archived");
            remove(&mut node, "2.0.0", WayBack::GiveUp).expect("nothing needs it");
            assert!(!blob("2.0.0").exists());
        }
        assert!(!blob("1.0.0").exists(), "{at_start}");
        assert_eq!(node.send("shop/count/a", "\"Get\""), "{\"Is\":1}");
    }
}

/// Found by the simulation: a snapshot from after the switch is still one of before the sweep.
#[test]
fn a_start_from_a_snapshot_that_is_older_than_the_sweep_is_no_more_when_a_release_goes() {
    let journal = MemoryJournal::default();
    let mut node = node_at(&journal, "1.0.0");
    node.upgrade("2.0.0").expect("upgrade");
    for _ in 0..2 {
        assert_eq!(node.send("shop/count/a", "{\"Add\":1}"), "\"Ok\"");
        node.node.save_snapshot().expect("snapshot");
    }
    let asked = node.asked();
    node.node.make_permanent(&asked).expect("permanent");
    node.settle();
    // One that is being made is of before the removal, too.
    assert!(node.node.begin_snapshot().expect("it begins"));
    remove(&mut node, "1.0.0", WayBack::GiveUp).expect("nothing needs it");
    drop(node);
    let mut node = world().open(journal, 0).expect("it starts without the bundle");
    assert_eq!(node.send("shop/count/a", "\"Get\""), "{\"Is\":3}");
}
