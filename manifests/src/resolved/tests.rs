use super::*;
use crate::app::{After, OnTrap};
use crate::reader::testing::check;

fn app(name: &str, depends: &[(&str, &str)]) -> ResolvedApp {
    ResolvedApp {
        name: name.parse().expect("a name"),
        version: "1.2.0".parse().expect("a version"),
        depends: depends
            .iter()
            .map(|(name, range)| (name.parse().expect("a name"), range.parse().expect("a range")))
            .collect(),
        supervision: Supervision::default(),
        machines: vec![ResolvedMachine {
            name: "m".parse().expect("a name"),
            keyed: true,
            digest: Digest::of(name.as_bytes()),
            config: "{\"hold\":1}".to_owned(),
        }],
        waivers: vec![Waiver {
            rule: "T1".to_owned(),
            reason: "a \"reason\"".to_owned(),
            machine: None,
            from: "1.0.0".parse().ok(),
        }],
        strictness: (name == "b").then_some(Strictness::Wire),
    }
}

fn example() -> ResolvedRelease {
    let address = |text: &str| -> MachineAddress { text.parse().expect("an address") };
    let base = ResolvedRelease {
        name: "shop".parse().expect("a name"),
        version: "2.0.0".parse().expect("a version"),
        api_default: Some("1.0.0".parse().expect("a version")),
        strictness: Strictness::History,
        apps: vec![app("a", &[]), app("b", &[("a", "^1.0")])],
        links: vec![ResolvedLink {
            sender: address("b/m"),
            channel: "c".parse().expect("a name"),
            receiver: address("a/m"),
            digest: Digest::of(b"link"),
        }],
        edges: vec![ResolvedEdge {
            machine: address("a/m"),
            from: Digest::of(b"old"),
            to: Digest::of(b"a"),
            digest: Digest::of(b"edge"),
            said: vec!["lower U024 Output.New".to_owned()],
            class: Some(DownClass::D2),
            checked: Some("the migration may trap: `fail`".to_owned()),
            over: Some("1.5.0".parse().expect("a version")),
        }],
        predecessors: vec![],
    };
    let predecessor = Predecessor {
        version: "1.0.0".parse().expect("a version"),
        digest: Digest::of(b"predecessor"),
        composition: base.composition(),
        transition: Transition::default(),
    };
    ResolvedRelease { predecessors: vec![predecessor], ..base }
}

#[test]
fn a_resolved_release_reads_back_what_it_writes() {
    let text = write(&example());
    assert_eq!(read(&Source::new("release.toml", text)), Ok(example()));
}

#[test]
fn what_traps_lead_to_goes_with_the_release_and_is_about_its_machines() {
    let plain = "supervision = { strategy = \"one_for_one\" }\n";
    assert_eq!(write(&example()).matches(plain).count(), 2, "who says nothing keeps the bytes");
    let mut release = example();
    let machines = [("m".parse().expect("a name"), OnTrap::Hold(After::First))].into();
    release.apps[0].supervision.machines = machines;
    let text = write(&release);
    let said = "supervision = { strategy = \"one_for_one\", machines = { m = { on_trap = \"hold\" } } }\n";
    assert!(text.contains(said), "{text}");
    assert_eq!(read(&Source::new("release.toml", &*text)), Ok(release));
    check(
        &text.replace("{ m = {", "{ other = {"),
        read,
        "M0134 `other` the application has no machine other",
    );
    // To say the default would be a second text of one meaning.
    check(
        &text.replace("\"hold\"", "\"refuse\""),
        read,
        "M0120 `` this is not as the tool writes it: it was edited by hand or garbled",
    );
}

/// The example with everything that can be said of a way.
fn with_transition() -> ResolvedRelease {
    let mut release = example();
    let address = |text: &str| -> MachineAddress { text.parse().expect("an address") };
    let composition = &mut release.predecessors[0].composition;
    composition.links.clear();
    composition.apps[1].name = "old".parse().expect("a name");
    composition.apps[0].machines[0].name = "was".parse().expect("a name");
    release.predecessors[0].transition = Transition {
        renamed_apps: [("b".parse().expect("a name"), "old".parse().expect("a name"))].into(),
        renamed_machines: [(address("a/m"), address("a/was"))].into(),
        restarts: [("b".parse().expect("a name"), "a \"cache\"".to_owned())].into(),
        applies: vec![crate::relup::Apply {
            machine: address("a/m"),
            key: Some("k".parse().expect("a key")),
            input: "\"Set\"".to_owned(),
            inverse: Some("\"Unset\"".to_owned()),
        }],
        migrates: [address("a/m")].into(),
        preserves: [address("a/m")].into(),
    };
    release
}

#[test]
fn what_was_said_of_a_way_reads_back() {
    let text = write(&with_transition());
    assert_eq!(read(&Source::new("release.toml", text)), Ok(with_transition()));
}

#[test]
fn what_was_said_of_a_way_is_about_what_there_is() {
    let refused = |change: &dyn Fn(&mut Transition), expect: &str| {
        let mut release = with_transition();
        change(&mut release.predecessors[0].transition);
        check(&write(&release), read, expect);
    };
    let address = |text: &str| -> MachineAddress { text.parse().expect("an address") };
    let app = |text: &str| -> AppName { text.parse().expect("a name") };
    refused(
        &|said| drop(said.renamed_apps.insert(app("a"), app("gone"))),
        "M0124 `` predecessor 1.0.0: application a cannot have been gone",
    );
    refused(
        &|said| drop(said.renamed_machines.insert(address("b/m"), address("old/z"))),
        "M0124 `` predecessor 1.0.0: machine b/m cannot have been old/z",
    );
    refused(
        &|said| drop(said.renamed_machines.insert(address("b/m"), address("a/was"))),
        "M0124 `` predecessor 1.0.0: machines a/m and b/m cannot both have been a/was",
    );
    refused(
        &|said| said.applies[0].machine = address("a/z"),
        "M0124 `` predecessor 1.0.0: the release has no machine a/z",
    );
    refused(
        &|said| said.migrates = [address("z/m")].into(),
        "M0124 `` predecessor 1.0.0: the release has no machine z/m",
    );
    refused(
        &|said| said.preserves = [address("z/o")].into(),
        "M0124 `` predecessor 1.0.0: the release has no machine z/o",
    );
    refused(
        &|said| drop(said.restarts.insert(app("z"), "so".to_owned())),
        "M0124 `` predecessor 1.0.0: the release has no application z",
    );
}

#[test]
fn what_is_left_out_is_the_default() {
    let mut release = example();
    release.strictness = Strictness::default();
    release.edges[0].said.clear();
    let text = write(&release);
    assert!(!text.contains("said") && text.matches("strictness").count() == 1, "{text}");
    assert_eq!(read(&Source::new("release.toml", text)), Ok(release));
    let names: [AppName; 2] = ["a", "b"].map(|name| name.parse().expect("a name"));
    assert_eq!(names.map(|name| example().strictness_of(&name)), [Strictness::History, Strictness::Wire]);
}

#[test]
fn a_list_has_a_limit() {
    let mut release = example();
    release.links = vec![release.links[0].clone(); ENTRIES_MAX + 1];
    let source = Source::new("release.toml", write(&release));
    let faults = read(&source).expect_err("to be refused");
    assert_eq!(faults[0].message, "`link` has at most 16384 entries");
}

#[test]
fn each_fault_is_named() {
    let refused = |change: &dyn Fn(&mut ResolvedRelease), expect: &str| {
        let mut release = example();
        change(&mut release);
        check(&write(&release), read, expect);
    };
    refused(
        &|release| release.apps.swap(0, 1),
        "M0123 `` the release has no application a before b, which depends on it",
    );
    refused(
        &|release| release.predecessors[0].composition.apps.swap(0, 1),
        "M0123 `` predecessor 1.0.0 has no application a before b, which depends on it",
    );
    refused(
        &|release| release.apps[1] = app("b", &[("a", "^2")]),
        "M0123 `` application b depends on a ^2, the release has 1.2.0",
    );
    refused(&|release| release.apps.push(app("b", &[])), "M0112 `` the release has application b twice");
    refused(
        &|release| {
            let machine = release.apps[0].machines[0].clone();
            release.apps[0].machines.push(machine);
        },
        "M0112 `[[app.machine]]` `m` stands twice in `app.machine`",
    );
    refused(
        &|release| release.links[0].receiver = "z/m".parse().expect("an address"),
        "M0124 `` a link names machine z/m, which the release does not have",
    );
    refused(
        &|release| release.links[0].sender = "z/m".parse().expect("an address"),
        "M0124 `` a link of the release names machine z/m, which it does not have",
    );
    refused(
        &|release| release.links.push(release.links[0].clone()),
        "M0112 `` channel c of b/m has two links",
    );
    refused(
        &|release| release.edges[0].machine = "a/z".parse().expect("an address"),
        "M0124 `` an edge names machine a/z, which the release does not have",
    );
    refused(
        &|release| release.edges[0].to = Digest::of(b"?"),
        "M0124 `` an edge of a/m leads to another machine",
    );
    refused(
        &|release| release.edges.push(release.edges[0].clone()),
        "M0112 `` two edges of a/m start from one machine",
    );
    refused(
        &|release| release.predecessors.push(release.predecessors[0].clone()),
        "M0112 `` predecessor 1.0.0 stands twice",
    );
    refused(
        &|release| {
            release.api_default = None;
            release.predecessors[0].version = release.version.clone();
        },
        "M0114 `` release 2.0.0 does not come from itself",
    );
    refused(
        &|release| release.api_default = Some("0.9.0".parse().expect("a version")),
        "M0124 `` the API default 0.9.0 is neither this release nor one of its predecessors",
    );
    refused(
        &|release| release.predecessors[0].composition.apps.clear(),
        "M0103 `[[predecessor]]` `[predecessor]` needs the key `app`",
    );
    refused(
        &|release| release.apps[0].machines[0].config = String::new(),
        "M0115 `\"\"` `app.machine.config` may not be empty",
    );
}
