//! One node on a virtual clock and a journal in memory: inputs, answers, upgrades, rollbacks.

mod common;

use camshaft_agent::api::{HistoryKind, InstanceState, ReleaseState};
use camshaft_agent::engine::Identity;
use camshaft_agent::node::Holding;
use camshaft_store::{Journal as _, MemoryJournal, Record};
use common::{World, client, counters, make, refusal};

#[test]
fn an_input_is_answered_and_remembered() {
    let journal = MemoryJournal::default();
    let mut node = counters().open(journal.clone(), 1_000).expect("open");
    assert_eq!(node.send("counter/counter", "\"Incr\""), "refused: no release is installed on this node");
    node.install("1.0.0").expect("install");
    assert_eq!(node.send("counter/counter", "\"Incr\""), "\"Ok\"");
    assert_eq!(node.send("counter/counter", "\"Read\""), "{\"Count\":1}");
    let inputs = |journal: &MemoryJournal| {
        let records = journal.records().expect("records");
        records.iter().filter(|record| matches!(record, Record::Input(_))).count()
    };
    assert_eq!(inputs(&journal), 1, "what changes nothing is not journalled");
    assert_eq!(
        node.send("counter/counter", "{\"Add\":{\"by\":\"9223372036854775807\"}}"),
        "trap overflow: integer overflow"
    );
    assert_eq!(inputs(&journal), 1, "a trap changes nothing");
    drop(node);
    let mut node = counters().open(journal, 0).expect("open");
    assert_eq!(node.send("counter/counter", "\"Read\""), "{\"Count\":1}");
}

#[test]
fn what_is_no_input_is_refused_with_the_reason() {
    let mut node = counters().open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    for (address, json, reason) in [
        ("counter/other", "\"Incr\"", "refused: the running release has no machine counter/other"),
        ("counter/counter/key", "\"Incr\"", "refused: counter/counter has one instance and no keys"),
    ] {
        assert_eq!(node.send(address, json), reason);
    }
    assert!(node.send("counter/counter", "{").starts_with("refused: $: the body is not JSON"));
}

#[test]
fn an_input_with_an_identity_is_applied_once() {
    let journal = MemoryJournal::default();
    let mut node = counters().open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    let counter = "counter/counter";
    assert_eq!(node.send_as(counter, "\"Incr\"", client("c", 1)), "\"Ok\"");
    assert_eq!(node.send_as(counter, " \"Incr\" ", client("c", 1)), "\"Ok\" again");
    let conflict = "refused: another input was sent under the same identity before";
    assert_eq!(node.send_as(counter, "\"Read\"", client("c", 1)), conflict);
    assert_eq!(node.send_as(counter, "\"Incr\"", client("d", 1)), "\"Ok\"");
    let key = Some(Identity::Key("k".into()));
    let overflow = "{\"Add\":{\"by\":\"9223372036854775807\"}}";
    assert_eq!(node.send_as(counter, overflow, key.clone()), "trap overflow: integer overflow");
    assert_eq!(node.send_as(counter, overflow, key.clone()), "trap overflow: integer overflow");
    for seq in 2..=40 {
        assert_eq!(node.send_as(counter, "\"Read\"", client("c", seq)), "{\"Count\":2}");
    }
    let expired = "refused: an input with this identity was applied before, and its answer is no longer kept";
    assert_eq!(node.send_as(counter, "\"Incr\"", client("c", 1)), expired);

    // After a crash, and after a snapshot, and under another release.
    drop(node);
    let mut node = counters().open(journal.clone(), 0).expect("open");
    assert_eq!(node.send_as(counter, "\"Read\"", client("c", 40)), "{\"Count\":2} again");
    assert_eq!(node.send_as(counter, "\"Incr\"", client("c", 1)), expired);
    node.node.save_snapshot().expect("snapshot");
    drop(node);
    let mut node = counters().open(journal, 0).expect("open");
    node.upgrade("2.0.0").expect("upgrade");
    assert_eq!(node.send_as(counter, "\"Incr\"", client("d", 1)), "\"Ok\" again");
    assert_eq!(node.send(counter, "\"Read\""), "{\"Count\":2}");
    // Two sendings of the same in one group: the second one waits behind the first.
    let first = node.post(counter, "\"Incr\"", client("e", 1));
    let second = node.post(counter, "\"Incr\"", client("e", 1));
    node.settle();
    let answers = node.node.take_answers();
    let of = |id| answers.iter().find(|(request, _)| request.0 == id).map(|(_, reply)| common::line(reply));
    assert_eq!(of(first).as_deref(), Some("\"Ok\""));
    assert_eq!(of(second).as_deref(), Some("\"Ok\" again"));
}

#[test]
fn a_stopped_instance_begins_anew() {
    let journal = MemoryJournal::default();
    let mut node = counters().open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    node.send("counter/counter", "\"Incr\"");
    assert_eq!(node.send("counter/counter", "\"Stop\""), "\"Ok\"");
    assert_eq!(node.instances(None, 10).instances[0].state, InstanceState::Stopped);
    assert_eq!(node.send("counter/counter", "\"Read\""), "{\"Count\":0}");
    drop(node);
    let mut node = counters().open(journal, 0).expect("open");
    assert_eq!(node.instances(None, 10).instances[0].seq, 2);
}

#[test]
fn an_upgrade_takes_the_state_along_and_a_rollback_brings_it_back() {
    let journal = MemoryJournal::default();
    let mut node = counters().open(journal.clone(), 5).expect("open");
    let counter = "counter/counter";
    node.install("1.0.0").expect("install");
    node.send(counter, "\"Incr\"");
    let trial = node.try_out("2.0.0").expect("a trial");
    assert!(trial.passed);
    assert_eq!((trial.machines.len(), trial.machines[0].states, trial.failure_count), (1, 1, 0));
    assert_eq!(node.running(), "1.0.0", "a trial changes nothing");

    let report = node.upgrade("2.0.0").expect("upgrade");
    assert_eq!((report.switch, report.state), (Some(2), ReleaseState::Provisional));
    assert_eq!(node.send(counter, "\"Both\""), "{\"Pair\":{\"old\":1,\"new\":1}}");
    let again = refusal(node.upgrade("2.0.0"));
    assert_eq!(again.0, "other-base");
    assert_eq!(
        again.1,
        "the running machine is not the one this upgrade starts from: test 2.0.0 runs already"
    );

    // Not written since: exactly the state from before.
    let report = node.rollback(Holding::Refuse).expect("rollback");
    assert_eq!(report.rollback.expect("counts").before_image, 1);
    assert_eq!(node.send(counter, "\"Read\""), "{\"Count\":1}");

    // Written since: later writes stay.
    node.upgrade("2.0.0").expect("upgrade");
    node.send(counter, "\"Incr\"");
    let report = node.rollback(Holding::Refuse).expect("rollback");
    assert_eq!(report.rollback.expect("counts").down, 1);
    assert_eq!(node.send(counter, "\"Read\""), "{\"Count\":2}");
    let nothing = refusal(node.rollback(Holding::Refuse));
    assert_eq!(
        nothing,
        (
            "nothing-to-roll-back".to_owned(),
            "test 1.0.0 is the first release that this node keeps".to_owned()
        )
    );

    // Permanent: there is still a way down.
    node.upgrade("2.0.0").expect("upgrade");
    node.node.make_permanent(&node.asked()).expect("permanent");
    assert_eq!(refusal(node.node.make_permanent(&node.asked())).0, "not-provisional");
    let report = node.rollback(Holding::Refuse).expect("rollback");
    assert_eq!(report.rollback.expect("counts").down, 1);
    assert_eq!(report.state, ReleaseState::Permanent);

    let kinds: Vec<HistoryKind> = node.node.history().entries.iter().map(|entry| entry.what).collect();
    use HistoryKind::{Installed, MadePermanent, Refused, RolledBack, Upgraded};
    let expected =
        [Installed, Upgraded, Refused, RolledBack, Upgraded, RolledBack, Upgraded, MadePermanent, RolledBack];
    assert_eq!(kinds, expected);
    drop(node);
    let mut node = counters().open(journal, 5).expect("open");
    assert_eq!(node.node.history().entries.len(), expected.len());
    assert_eq!(node.running(), "1.0.0");
}

#[test]
fn an_upgrade_that_one_state_does_not_pass_is_refused_and_changes_nothing() {
    for (by, step, reason) in [
        (7, "up", "failed: seven"),
        (13, "invariant", "the invariant \"not thirteen\" does not hold"),
        (99, "down", "failed: ninety-nine"),
    ] {
        let mut node = counters().open(MemoryJournal::default(), 0).expect("open");
        node.install("1.0.0").expect("install");
        node.send("counter/counter", &format!("{{\"Add\":{{\"by\":{by}}}}}"));
        let trial = node.try_out("2.0.0").expect("a trial");
        assert!(!trial.passed);
        let failure = &trial.failures[0];
        assert_eq!((failure.step.as_str(), failure.reason.as_str()), (step, reason));
        assert_eq!(failure.capsule.value, by.to_string());
        let (code, detail) = refusal(node.upgrade("2.0.0"));
        assert_eq!((code.as_str(), detail), ("trial-failed", format!("counter/counter: {step}: {reason}")));
        assert_eq!(node.running(), "1.0.0");
        assert_eq!(node.send("counter/counter", "\"Read\""), format!("{{\"Count\":{by}}}"));
        let entry = node.node.history().entries.pop().expect("an entry");
        assert_eq!((entry.what, entry.code.as_str()), (HistoryKind::Refused, "trial-failed"));
    }
}

#[test]
fn what_changes_between_trial_and_switch_is_tried_again() {
    let mut node = counters().open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    let result = node.upgrade_meanwhile("2.0.0", |node| {
        node.send("counter/counter", "{\"Add\":{\"by\":7}}");
    });
    assert_eq!(refusal(result).0, "trial-failed");
    let mut input = 0;
    node.upgrade_meanwhile("2.0.0", |node| {
        // It waits when the switch is asked for, and is answered by the release that it came to.
        input = node.post("counter/counter", "{\"Add\":{\"by\":-2}}", None);
    })
    .expect("five passes");
    let answers = node.node.take_answers();
    assert_eq!(answers.len(), 1);
    assert_eq!((answers[0].0.0, common::line(&answers[0].1)), (input, "\"Ok\"".to_owned()));
    assert_eq!(node.send("counter/counter", "\"Both\""), "{\"Pair\":{\"old\":5,\"new\":5}}");
}

#[test]
fn a_rollback_that_would_hold_an_instance_is_refused_unless_asked_for() {
    let journal = MemoryJournal::default();
    let mut node = counters().open(journal.clone(), 0).expect("open");
    let counter = "counter/counter";
    node.install("1.0.0").expect("install");
    node.upgrade("2.0.0").expect("upgrade");
    node.send(counter, "{\"Add\":{\"by\":99}}");
    // The older release has no such input, so that it cannot do again what was done.
    assert!(node.send_as(counter, "\"Both\"", client("zoe", 1)).contains("99"));
    let (code, detail) = refusal(node.rollback(Holding::Refuse));
    let why =
        "failed: ninety-nine; and it cannot be rewound: input 2 has no form in the older release: failed: no";
    assert_eq!((code.as_str(), detail), ("would-hold", format!("counter/counter: rewind: {why}")));
    assert_eq!(node.running(), "2.0.0");
    let report = node.rollback(Holding::Hold).expect("rollback");
    assert_eq!(report.rollback.expect("counts").held, 1);
    let held = format!("refused: counter/counter is held: {why}");
    assert_eq!(node.send(counter, "\"Read\""), held);
    for _ in 0..2 {
        drop(node);
        node = counters().open(journal.clone(), 0).expect("open");
        assert_eq!(node.send(counter, "\"Read\""), held);
        node.node.save_snapshot().expect("snapshot");
    }
    // Under the release that wrote its state it goes on.
    node.upgrade("2.0.0").expect("upgrade");
    assert_eq!(node.send(counter, "\"Read\""), "{\"Count\":99}");
}

#[test]
fn a_check_that_fails_after_the_switch_undoes_it() {
    let journal = MemoryJournal::default();
    let mut node = counters().open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    node.send("counter/counter", "\"Incr\"");
    let release = counters().release("2.0.0");
    let plan = node.node.plan_upgrade(&release).expect("a plan");
    let trial = node.node.try_all(plan).expect("a trial");
    node.node.upgrade(&node.asked(), trial, b"2.0.0", &[]).expect("upgrade");
    node.send("counter/counter", "\"Incr\"");
    let address = "counter/counter".parse().expect("an address");
    let (code, detail) = refusal(node.node.settle_check(&node.asked(), Err((address, "so".to_owned()))));
    assert_eq!((code.as_str(), detail.as_str()), ("undone", "2.0.0 is undone: counter/counter: so"));
    assert_eq!(node.running(), "1.0.0");
    assert_eq!(node.send("counter/counter", "\"Read\""), "{\"Count\":2}");
    let kinds: Vec<HistoryKind> = node.node.history().entries.iter().map(|entry| entry.what).collect();
    assert_eq!(kinds, [HistoryKind::Installed, HistoryKind::Upgraded, HistoryKind::Undone]);
    // Two inputs, four of the operator's, what each of both switches did, who was seen, and that the instance went back.
    assert_eq!(journal.last(), 10);
    drop(node);
    let mut node = counters().open(journal, 0).expect("open");
    assert_eq!(node.send("counter/counter", "\"Read\""), "{\"Count\":2}");
}

#[test]
fn a_secret_is_plain_in_the_answer_and_nowhere_else() {
    let machine = |more: &str| {
        format!(
            "machine safe\ntype Input = Set(secret Text) | Get\ntype Output = Got(secret Text)\n\
             type State = {{ token: secret Text{more} }}\ninit = {{ token: \"none\" }}\n\
             on Set(token) => ({{ ..state, token }}, Got(token))\non Get => (state, Got(state.token))\n"
        )
    };
    let (old, new) = (machine(""), machine(", uses: Int = 0"));
    let one = make("1.0.0", &[("app/safe", &old)], None, &[]);
    let migration = "migration safe from \"1.0.0\"\n\
                     up (old) = if old.token == \"hunter2\" { fail \"this one\" } else { { token: old.token } }\n";
    let two = make("2.0.0", &[("app/safe", &new)], Some(&one), &[("app/safe", migration)]);
    let lossy = "migration safe from \"1.0.0\"\nup (old) = { token: \"other\" }\n";
    let three = make("3.0.0", &[("app/safe", &new)], Some(&one), &[("app/safe", lossy)]);
    let mut node = World::of([one, two, three]).open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    assert_eq!(node.send("app/safe", "{\"Set\":\"hunter2\"}"), "{\"Got\":\"hunter2\"}");
    assert_eq!(node.send("app/safe", "\"Get\""), "{\"Got\":\"hunter2\"}");
    let wrong = node.send("app/safe", "{\"Set\":[\"hunter2\"]}");
    assert_eq!(wrong, "refused: $.Set: expected secret Text, found something else");

    let trial = node.try_out("2.0.0").expect("a trial");
    assert_eq!(trial.failures[0].capsule.value, "{\"token\":\"[secret]\"}");
    let trial = node.try_out("3.0.0").expect("a trial");
    assert_eq!(trial.failures[0].reason, "the way back gives {\"token\":\"[secret]\"}");
    let kept =
        serde_json::to_string(&(node.status(), node.node.history(), &trial)).expect("it has a JSON form");
    assert!(!kept.contains("hunter2"), "{kept}");
}
