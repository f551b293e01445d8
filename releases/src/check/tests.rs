use camshaft_manifests::transition::Transition;

use super::*;
use crate::plan::plan;
use crate::testing::{digest, predecessor, release};

/// `a` changes one of its machines and keeps the other, `b` and `c` come, `old` and `older` go.
fn example() -> (Relup, Facts) {
    let from = predecessor("1.0.0", &["a/m=a1", "a/n=n1", "old/m=o1 a", "older/m=o2 old"], &["a/m:l1"]);
    let to = release(
        "2.0.0",
        &["a/m=a2", "a/n=n1", "b/m=b1 a", "c/m=c1 b"],
        &["a/m:l2"],
        &["a/m a1 a2 e", "a/n n0 n1 f"],
        &[&from],
    );
    (plan(&from, &to), Facts::of(&from, &to))
}

/// Changes the example and compares the faults, a line each.
fn refused(change: impl FnOnce(&mut Relup, &mut Facts), expect: &str) {
    let (mut relup, mut facts) = example();
    assert_eq!(check_by(&relup, &facts), []);
    change(&mut relup, &mut facts);
    let found: Vec<String> = check_by(&relup, &facts).iter().map(ToString::to_string).collect();
    let mut found = found.join("\n");
    // Names for digests, so that the lines can be read.
    for name in ["a1", "a2", "n0", "n1", "o1", "o2", "b1", "c1", "l1", "l2", "e", "f", "x"] {
        found = found.replace(&digest(name).to_string(), name).replace(&digest(name).short(), name);
    }
    for line in found.lines() {
        assert!(RULES.contains(&&line[..3]), "{line}");
    }
    assert_eq!(found, expect);
}

fn switch(instructions: &mut [Instruction]) -> &mut Vec<Pair> {
    let found = instructions.iter_mut().find_map(|instruction| match instruction {
        Instruction::Switch(pairs) => Some(pairs),
        _ => None,
    });
    found.expect("a switch")
}

fn pair<'a>(relup: &'a mut Relup, machine: &str) -> &'a mut Pair {
    let found = switch(&mut relup.up).iter_mut().find(|pair| pair.machine.to_string() == machine);
    found.expect("a pair")
}

fn index(instructions: &[Instruction], word: &str) -> usize {
    instructions.iter().position(|instruction| instruction.word() == word).expect("an instruction")
}

fn machine(text: &str) -> MachineAddress {
    text.parse().expect("an address")
}

fn app(text: &str) -> AppName {
    text.parse().expect("a name")
}

fn code(text: &str, code: Code) -> CodeOf {
    CodeOf { machine: machine(text), code }
}

fn change(from: &str, to: &str, edge: &str) -> Change {
    Change { machine: machine("a/m"), from: digest(from), to: digest(to), edge: digest(edge) }
}

#[test]
fn c01_another_release() {
    refused(
        |relup, _| relup.release = "z".parse().expect("a name"),
        "C01: this is a relup of z, not of shop",
    );
    refused(
        |relup, _| relup.from.version = "0.9.0".parse().expect("a version"),
        "C01: it starts from 0.9.0, not from 1.0.0",
    );
    refused(
        |relup, facts| {
            relup.from.digest = digest("a1");
            facts.from.digest = digest("a2");
        },
        "C01: it starts from the bundle a1, not from a2",
    );
    refused(
        |relup, _| relup.to = "3.0.0".parse().expect("a version"),
        "C01: it leads to 3.0.0, not to 2.0.0",
    );
}

#[test]
fn c02_no_switch() {
    refused(
        |relup, _| {
            let at = index(&relup.up, "switch");
            relup.up.remove(at);
        },
        "C02 up: there is no switch",
    );
    refused(|relup, _| relup.down.clear(), "C02 down: there is no switch");
    refused(
        |_, facts| {
            facts.from.composition = facts.to.clone();
            facts.from.version = facts.to_version.clone();
        },
        "C01: it starts from 1.0.0, not from 2.0.0\n\
         C02 up 1: from a release to itself there is nothing to do\n\
         C02 down 1: from a release to itself there is nothing to do",
    );
}

#[test]
fn c03_two_switches() {
    refused(
        |relup, _| {
            let at = index(&relup.up, "switch");
            relup.up.insert(at, relup.up[at].clone());
        },
        "C03 up 13: there is one switch, this is another",
    );
}

#[test]
fn c04_an_instruction_in_the_wrong_phase() {
    refused(
        |relup, _| {
            let at = index(&relup.up, "start");
            let start = relup.up.remove(at);
            relup.up.insert(0, start);
        },
        "C04 up 1: `start` stands before the switch",
    );
    refused(
        |relup, _| {
            let at = index(&relup.up, "try");
            let late = relup.up.remove(at);
            relup.up.push(late);
        },
        "C04 up 16: `try` stands after the switch",
    );
    refused(
        |relup, _| relup.up.insert(0, Instruction::Restart(app("a"))),
        "C04 up 1: `restart` stands before the switch\n\
         C28 up 1: application a restarts, and nobody said that it gives up its states",
    );
    refused(
        |relup, _| relup.up.extend([Instruction::MakePermanent, Instruction::Barrier("late".to_owned())]),
        "C04 up 18: `barrier` stands after `make_permanent`",
    );
}

#[test]
fn c05_a_machine_missing_from_the_switch() {
    refused(
        |relup, _| switch(&mut relup.up).retain(|pair| pair.machine != machine("a/n")),
        "C05 up 12: machine a/n is missing from the switch",
    );
    refused(
        |relup, _| switch(&mut relup.down).retain(|pair| pair.machine != machine("old/m")),
        "C05 down 12: machine old/m is missing from the switch",
    );
}

#[test]
fn c06_a_machine_too_much_in_the_switch() {
    refused(
        |relup, _| {
            let pairs = switch(&mut relup.up);
            pairs.push(pairs[1].clone());
        },
        "C06 up 12: machine a/n stands twice in the switch",
    );
    refused(
        |relup, _| {
            let pairs = switch(&mut relup.up);
            pairs.push(Pair { machine: machine("z/z"), ..pairs[1].clone() });
        },
        "C06 up 12: neither release has machine z/z",
    );
}

#[test]
fn c07_a_pair_with_other_digests() {
    refused(
        |relup, _| pair(relup, "a/n").from = Some(digest("x")),
        "C07 up 12: machine a/n before the switch is n1, the switch says x",
    );
    refused(
        |relup, _| pair(relup, "b/m").from = Some(digest("b1")),
        "C07 up 12: machine b/m before the switch is absent, the switch says b1",
    );
    refused(
        |relup, _| pair(relup, "a/n").to = None,
        "C07 up 12: machine a/n after the switch is n1, the switch says absent",
    );
}

#[test]
fn c08_a_changed_machine_without_an_edge() {
    refused(
        |relup, _| {
            pair(relup, "a/m").edge = None;
            let needless = [code("a/m", Code::Edge(digest("e")))];
            relup.up.retain(|one| !matches!(one, Instruction::Load(code) | Instruction::Verify(code) if needless.contains(code)));
            relup.up.retain(|one| one.word() != "try");
        },
        "C08 up 9: machine a/m changes and has no edge",
    );
    // What the planner makes of a release that lacks the edge.
    let (_, mut facts) = example();
    let to = release("2.0.0", &["a/m=a2"], &[], &[], &[]);
    facts.from = predecessor("1.0.0", &["a/m=a1"], &[]);
    facts.to = to.composition();
    let rules: Vec<&str> = check_by(&plan(&facts.from, &to), &facts).iter().map(|fault| fault.rule).collect();
    assert_eq!(rules, ["C08", "C08"]);
}

/// Changes where the edge `e` belongs.
fn change_edge(facts: &mut Facts, change: impl FnOnce(EdgeEnds) -> EdgeEnds) {
    let ends = facts.edges.get_mut(&digest("e")).expect("the edge");
    let one = ends.pop_first().expect("it has ends");
    ends.insert(change(one));
}

#[test]
fn c09_an_edge_with_other_ends() {
    refused(
        |_, facts| change_edge(facts, |ends| EdgeEnds { from: digest("x"), ..ends }),
        "C09 up 12: the edge of machine a/m belongs to a/m, from x to a2\n\
         C09 down 12: the edge of machine a/m belongs to a/m, from x to a2",
    );
    refused(
        |_, facts| change_edge(facts, |ends| EdgeEnds { machine: machine("a/n"), ..ends }),
        "C09 up 12: the edge of machine a/m belongs to a/n, from a1 to a2\n\
         C09 down 12: the edge of machine a/m belongs to a/n, from a1 to a2",
    );
    refused(
        |_, facts| {
            facts.edges.remove(&digest("e"));
        },
        "C09 up 12: machine a/m has the edge e, which the release does not have\n\
         C09 down 12: machine a/m has the edge e, which the release does not have",
    );
}

/// Found by `cargo xtask compare-systools`: two applications with the same machine could not be upgraded.
#[test]
fn c09_two_machines_with_the_same_code_have_one_edge() {
    let (relup, mut facts) = example();
    let ends = facts.edges.get_mut(&digest("e")).expect("the edge");
    let one = ends.first().expect("it has ends").clone();
    ends.insert(EdgeEnds { machine: machine("a/another"), ..one.clone() });
    ends.insert(EdgeEnds { machine: machine("a/twin"), ..one });
    assert_eq!(check_by(&relup, &facts), vec![]);
}

#[test]
fn c10_an_edge_of_an_unchanged_machine() {
    refused(
        |relup, _| {
            pair(relup, "a/n").edge = Some(digest("f"));
            let of = code("a/n", Code::Edge(digest("f")));
            relup.up.insert(0, Instruction::Load(of.clone()));
            relup.up.insert(1, Instruction::Verify(of));
            relup.up.insert(
                2,
                Instruction::Try(Change {
                    machine: machine("a/n"),
                    from: digest("n1"),
                    to: digest("n1"),
                    edge: digest("f"),
                }),
            );
        },
        "C10 up 15: machine a/n has an edge and does not change\n\
         C15 up 3: machine a/n is tried before machine a/n (n1) is verified",
    );
}

#[test]
fn c11_code_that_is_not_loaded() {
    for (code, expect) in [
        (code("a/m", Code::Machine(digest("a2"))), "machine a/m (a2)"),
        (code("a/m", Code::Edge(digest("e"))), "the edge of a/m (e)"),
        (code("b/m", Code::Machine(digest("b1"))), "machine b/m (b1)"),
        (code("a/m", Code::Link(digest("l2"))), "a link of a/m (l2)"),
    ] {
        let (mut relup, facts) = example();
        relup.up.retain(|one| *one != Instruction::Load(code.clone()));
        let faults = check_by(&relup, &facts);
        let rules: Vec<&str> = faults.iter().map(|fault| fault.rule).collect();
        assert_eq!(rules, ["C13", "C11"], "{expect}");
        assert_eq!(faults[1].message.split(" (").next(), expect.split(" (").next());
        assert!(faults[1].message.ends_with("is never loaded"));
    }
}

#[test]
fn c12_code_that_is_not_verified() {
    refused(
        |relup, _| {
            relup.up.retain(|one| *one != Instruction::Verify(code("b/m", Code::Machine(digest("b1")))))
        },
        "C12 up: machine b/m (b1) is never verified",
    );
}

#[test]
fn c13_verified_before_loaded() {
    refused(
        |relup, _| {
            let of = code("b/m", Code::Machine(digest("b1")));
            let load = relup.up.iter().position(|one| *one == Instruction::Load(of.clone())).expect("a load");
            relup.up.swap(load, load + 1);
        },
        "C13 up 5: machine b/m (b1) is verified before it is loaded",
    );
}

#[test]
fn c14_a_migration_that_is_not_tried() {
    refused(
        |relup, _| relup.down.retain(|one| one.word() != "try"),
        "C14 down: the migration of machine a/m is never tried",
    );
}

#[test]
fn c15_tried_too_early_or_with_other_ends() {
    refused(
        |relup, _| {
            let at = index(&relup.up, "try");
            let early = relup.up.remove(at);
            relup.up.insert(1, early);
        },
        "C15 up 2: machine a/m is tried before machine a/m (a2) is verified\n\
         C15 up 2: machine a/m is tried before the edge of a/m (e) is verified",
    );
    refused(
        |relup, _| {
            let at = index(&relup.up, "try");
            relup.up[at] = Instruction::Try(change("x", "a2", "e"));
        },
        "C15 up 11: machine a/m is tried with other ends than the switch has",
    );
}

#[test]
fn c16_code_that_is_not_needed() {
    refused(
        |relup, _| relup.up.insert(0, Instruction::Load(code("a/m", Code::Machine(digest("x"))))),
        "C16 up 1: machine a/m (x) is not needed here",
    );
    refused(
        |relup, _| relup.up.insert(0, Instruction::Load(code("a/n", Code::Machine(digest("n1"))))),
        "C16 up 1: machine a/n (n1) is not needed here",
    );
}

#[test]
fn c17_twice() {
    refused(
        |relup, _| relup.up.insert(0, relup.up[0].clone()),
        "C17 up 2: machine a/m (a2) is there twice: `load`",
    );
    refused(
        |relup, _| {
            let at = index(&relup.up, "try");
            relup.up.insert(at, relup.up[at].clone());
        },
        "C17 up 12: machine a/m is tried twice",
    );
}

#[test]
fn c18_an_added_application_that_is_not_started() {
    refused(
        |relup, _| relup.up.retain(|one| *one != Instruction::Start(app("c"))),
        "C18 up: application c is added and never started",
    );
}

#[test]
fn c19_started_before_what_it_depends_on() {
    refused(
        |relup, _| {
            let at = index(&relup.up, "start");
            relup.up.swap(at, at + 1);
        },
        "C19 up 13: application c starts before b, which it depends on",
    );
}

#[test]
fn c20_started_without_being_added() {
    refused(
        |relup, _| relup.up.insert(14, Instruction::Start(app("a"))),
        "C20 up 15: application a is started, and the switch does not add it",
    );
    refused(
        |relup, _| relup.up.insert(14, Instruction::Start(app("b"))),
        "C20 up 15: application b is started twice",
    );
}

#[test]
fn c21_a_removed_application_that_is_not_stopped() {
    refused(
        |relup, _| relup.up.retain(|one| *one != Instruction::Stop(app("old"))),
        "C21 up: application old is removed and never stopped",
    );
}

#[test]
fn c22_stopped_before_what_depends_on_it() {
    refused(
        |relup, _| {
            let at = index(&relup.up, "stop");
            relup.up.swap(at, at + 1);
        },
        "C22 up 15: application old stops before older, which depends on it",
    );
}

#[test]
fn c23_stopped_without_being_removed() {
    refused(
        |relup, _| relup.up.push(Instruction::Stop(app("a"))),
        "C23 up 17: application a is stopped, and the switch does not remove it",
    );
    refused(
        |relup, _| relup.up.push(Instruction::Stop(app("old"))),
        "C23 up 17: application old is stopped twice",
    );
}

#[test]
fn c24_another_way_back() {
    refused(
        |relup, facts| {
            let ends = facts.edges[&digest("e")].clone();
            facts.edges.insert(digest("x"), ends);
            for instruction in &mut relup.down {
                match instruction {
                    Instruction::Load(CodeOf { code, .. }) | Instruction::Verify(CodeOf { code, .. })
                        if *code == Code::Edge(digest("e")) =>
                    {
                        *code = Code::Edge(digest("x"));
                    }
                    Instruction::Try(change) => change.edge = digest("x"),
                    Instruction::Switch(pairs) => pairs[0].edge = Some(digest("x")),
                    _ => {}
                }
            }
        },
        "C24 down: machine a/m goes back over another edge than it came",
    );
}

#[test]
fn c25_keys_that_come_or_go() {
    refused(
        |_, facts| facts.to.apps[0].machines[1].keyed = true,
        "C25 up 12: machine a/n is keyed in one release and not in the other\n\
         C25 down 12: machine a/n is keyed in one release and not in the other",
    );
}

#[test]
fn c26_what_does_not_run_after_the_switch() {
    refused(
        |relup, _| relup.up.insert(13, Instruction::Restart(app("old"))),
        "C26 up 14: application old does not run after the switch",
    );
    refused(
        |relup, _| {
            relup.up.insert(14, Instruction::Apply(apply("old/m", "1", "1")));
        },
        "C29 up 15: the input 1 to old/m is not what the release says here\n\
         C26 up 15: machine old/m does not run after the switch",
    );
    refused(
        |relup, facts| {
            facts.from.transition.migrates = [machine("a/m")].into();
            relup.up.insert(14, Instruction::Migrate(change("a1", "a2", "f")));
            relup.down.insert(14, Instruction::Migrate(change("a2", "a1", "e")));
        },
        "C26 up 15: machine a/m is migrated by another edge than the switch has",
    );
}

fn apply(to: &str, input: &str, inverse: &str) -> Apply {
    Apply { machine: machine(to), key: None, input: input.to_owned(), inverse: Some(inverse.to_owned()) }
}

/// A release in which everything is said that can be: `store` was `stock`, `till/desk` was
/// `till/counter`, `cache` gives up its states, and both applied inputs can be undone.
fn said() -> (Relup, Facts) {
    let mut from = predecessor(
        "1.0.0",
        &["stock/shelf=s1", "till/counter=t1 stock", "till/clock=k1 stock", "cache/m=c1"],
        &[],
    );
    from.transition = Transition {
        renamed_apps: [(app("store"), app("stock"))].into(),
        renamed_machines: [(machine("till/desk"), machine("till/counter"))].into(),
        restarts: [(app("cache"), "it fills itself".to_owned()), (app("store"), "so".to_owned())].into(),
        applies: vec![apply("till/desk", "1", "2"), apply("till/clock", "3", "4")],
        migrates: [machine("till/desk")].into(),
        preserves: Default::default(),
    };
    let to = release(
        "2.0.0",
        &[
            "store/shelf=s2",
            "stock/shelf=n1",
            "till/desk=t2 store",
            "till/clock=k1 store",
            "cache/m=c2 store",
        ],
        &[],
        &["till/desk t1 t2 e"],
        &[&from],
    );
    (plan(&from, &to), Facts::of(&from, &to))
}

/// Changes the release in which everything is said and compares the faults, a line each.
fn refused_said(change: impl FnOnce(&mut Relup, &mut Facts), expect: &str) {
    let (mut relup, mut facts) = said();
    assert_eq!(check_by(&relup, &facts), []);
    change(&mut relup, &mut facts);
    let found: Vec<String> = check_by(&relup, &facts).iter().map(ToString::to_string).collect();
    assert_eq!(found.join("\n"), expect);
}

fn at(instructions: &[Instruction], word: &str, place: usize) -> usize {
    let found = instructions.iter().enumerate().filter(|(_, instruction)| instruction.word() == word);
    found.map(|(index, _)| index).nth(place).expect("an instruction")
}

#[test]
fn c27_names_that_were_others() {
    refused_said(
        |relup, _| {
            let place = switch(&mut relup.up).iter().position(|pair| pair.was.is_some()).expect("a renaming");
            switch(&mut relup.up)[place].was = None;
        },
        "C27 up 12: machine store/shelf was called stock/shelf, the switch says store/shelf\n\
         C05 up 12: machine stock/shelf is missing from the switch",
    );
    refused(
        |relup, _| pair(relup, "b/m").was = Some(machine("old/m")),
        "C27 up 12: machine b/m is new, the switch says that it was called old/m",
    );
}

#[test]
fn c28_states_that_are_given_up() {
    refused_said(
        |relup, _| drop(relup.up.remove(at(&relup.up, "restart", 1))),
        "C28 up: application cache gives up its states and never restarts",
    );
    refused_said(
        |relup, facts| {
            facts.from.transition.restarts.remove(&app("cache"));
            let place = at(&relup.up, "restart", 1);
            assert_eq!(relup.up[place], Instruction::Restart(app("cache")));
        },
        "C08 up 12: machine cache/m changes and has no edge\n\
         C28 up 15: application cache restarts, and nobody said that it gives up its states\n\
         C08 down 10: machine cache/m changes and has no edge\n\
         C28 down 12: application cache restarts, and nobody said that it gives up its states",
    );
    refused_said(
        |relup, _| relup.up.insert(at(&relup.up, "restart", 0), Instruction::Restart(app("store"))),
        "C28 up 15: application store restarts twice",
    );
    refused_said(
        |relup, _| {
            let place = switch(&mut relup.up).iter().position(|pair| pair.machine == machine("cache/m"));
            switch(&mut relup.up)[place.expect("a pair")].edge = Some(digest("e"));
        },
        &format!(
            "C10 up 12: machine cache/m gives up its states, and has an edge\n\
             C11 up: the edge of cache/m ({0}) is never loaded\n\
             C14 up: the migration of machine cache/m is never tried",
            digest("e").short()
        ),
    );
}

#[test]
fn c29_inputs_that_are_applied() {
    refused_said(
        |relup, _| {
            let place = at(&relup.up, "apply", 0);
            relup.up.swap(place, place + 1);
        },
        "C29 up 16: the input 3 to till/clock is not what the release says here",
    );
    refused_said(
        |relup, _| drop(relup.up.remove(at(&relup.up, "apply", 1))),
        "C29 up: the input 3 is never given to till/clock",
    );
    refused_said(
        |relup, _| drop(relup.down.remove(at(&relup.down, "apply", 1))),
        "C29 down: the input 2 is never given to till/counter",
    );
    refused_said(
        |relup, facts| {
            facts.from.transition.applies[0].inverse = None;
            relup.down.remove(at(&relup.down, "apply", 1));
            let place = at(&relup.up, "apply", 0);
            let Instruction::Apply(apply) = &mut relup.up[place] else { panic!("it is one") };
            apply.inverse = None;
        },
        "C29 up: nothing undoes the input 1 of till/desk, which goes back",
    );
}

#[test]
fn c30_machines_that_migrate_at_once() {
    refused_said(
        |relup, _| drop(relup.up.remove(at(&relup.up, "migrate", 0))),
        "C30 up: machine till/desk is to migrate at once and never does",
    );
    refused_said(
        |relup, _| {
            let place = at(&relup.up, "migrate", 0);
            relup.up.insert(place, relup.up[place].clone());
        },
        "C30 up 19: machine till/desk migrates twice",
    );
    refused(
        |relup, _| relup.up.insert(14, Instruction::Migrate(change("a1", "a2", "e"))),
        "C30 up 15: machine a/m migrates at once, and nobody said so",
    );
}

#[test]
fn c31_the_order_after_the_switch() {
    refused_said(
        |relup, _| {
            let place = at(&relup.up, "restart", 0);
            relup.up.swap(place, place + 1);
        },
        "C31 up 14: application cache restarts before store, which it depends on",
    );
    refused_said(
        |relup, _| {
            let place = at(&relup.up, "restart", 1);
            relup.up.swap(place, place + 1);
        },
        "C31 up 16: `restart` stands after `apply`",
    );
    refused_said(
        |relup, _| {
            let stop = relup.down.pop().expect("the way back stops what was added");
            relup.down.insert(at(&relup.down, "apply", 1), stop);
        },
        "C31 down 15: `apply` stands after `stop`\nC31 down 16: `migrate` stands after `stop`",
    );
}

#[test]
fn the_other_kinds_of_instruction_are_accepted_where_they_belong() {
    let (mut relup, facts) = example();
    relup.up.insert(0, Instruction::Barrier("all staged".to_owned()));
    relup.up.extend([Instruction::Barrier("all switched".to_owned()), Instruction::MakePermanent]);
    assert_eq!(check_by(&relup, &facts), []);
}

#[test]
fn the_page_lists_every_rule_and_every_rule_has_a_test() {
    let page = include_str!("../check.rs");
    let tests = include_str!("tests.rs");
    for rule in RULES {
        assert!(page.contains(&format!("//! | {rule} |")), "{rule} is not on the page");
        assert!(tests.contains(&format!("fn {}_", rule.to_lowercase())), "{rule} has no test");
    }
}
