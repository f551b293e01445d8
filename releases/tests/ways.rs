//! Appups that say more than migrations: ranges of versions, names that were others, states that are
//! given up, inputs that are applied; and what is wrong with them, by code and place.

use std::collections::BTreeMap;

use camshaft_cam::diagnostic::Diagnostic;
use camshaft_manifests::relup::Instruction;
use camshaft_manifests::resolved::Predecessor;
use camshaft_releases::crossing::{Given, cross};
use camshaft_releases::diff::{MachineChange, diff};
use camshaft_releases::project::{self, Built, Files, Locking};

const SHELF: &str = "machine shelf keyed Text\n\
    type State = { n: Int }\n\
    type Input = Add { n: Int } | Get | internal Tick\n\
    type Output = Ok | Is(Int)\n\
    init = { n: 0 }\n\
    on Add { n } => ({ n: state.n + n }, Ok)\n\
    on Get => (state, Is(state.n))\n\
    on Tick => state\n";

const DESK: &str = "machine desk\n\
    type State = Int\n\
    type Input = | Ring\n\
    type Output = | Ok\n\
    init = 0\n\
    on Ring => (state + 1, Ok)\n";

/// A release of applications, each `name version`, with its machines by file name.
fn project(version: &str, from: &[&str], apps: &[(&str, &[(&str, &str)])]) -> Files {
    let from: Vec<String> = from.iter().map(|version| format!("\"{version}\"")).collect();
    let mut release =
        format!("name = \"shop\"\nversion = \"{version}\"\nfrom = [{}]\n\n[apps]\n", from.join(", "));
    let mut files = Files::new();
    for (app, machines) in apps {
        let (name, version) = app.split_once(' ').expect("a version");
        release.push_str(&format!("{name} = {{ path = \"apps/{name}\" }}\n"));
        let names: Vec<String> = machines.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let manifest =
            format!("name = \"{name}\"\nversion = \"{version}\"\nmachines = [{}]\n", names.join(", "));
        files.insert(format!("apps/{name}/app.toml"), manifest);
        for (machine, text) in *machines {
            files.insert(format!("apps/{name}/machines/{machine}.cam"), (*text).to_owned());
        }
    }
    files.insert("release.toml".to_owned(), release);
    files
}

fn with(mut files: Files, path: &str, text: &str) -> Files {
    files.insert(path.to_owned(), text.to_owned());
    files
}

fn build(files: &Files, found: &[&Built]) -> Result<Built, Vec<Diagnostic>> {
    let releases: BTreeMap<_, _> = found
        .iter()
        .map(|built| {
            let resolved = &built.release.resolved;
            ((resolved.name.clone(), resolved.version.clone()), built.release.clone())
        })
        .collect();
    let find = |name: &camshaft_manifests::ReleaseName, version: &camshaft_manifests::Version| {
        releases.get(&(name.clone(), version.clone())).cloned()
    };
    project::build(files, &find, Locking::Update)
}

fn good(files: &Files, found: &[&Built]) -> Built {
    build(files, found).unwrap_or_else(|faults| {
        let lines: Vec<String> =
            faults.iter().map(|fault| format!("{} {}", fault.code, fault.one_line())).collect();
        panic!("{}", lines.join("\n"))
    })
}

fn one() -> Built {
    good(
        &project("1.0.0", &[], &[("stock 1.0.0", &[("shelf", SHELF)]), ("till 1.0.0", &[("desk", DESK)])]),
        &[],
    )
}

fn words(instructions: &[Instruction]) -> String {
    let one = |instruction: &Instruction| match instruction {
        Instruction::Switch(pairs) => {
            let renamed =
                pairs.iter().filter_map(|pair| Some(format!(" {} was {}", pair.machine, pair.was.as_ref()?)));
            format!("switch{}", renamed.collect::<String>())
        }
        Instruction::Start(app) | Instruction::Stop(app) | Instruction::Restart(app) => {
            format!("{} {app}", instruction.word())
        }
        Instruction::Apply(apply) => format!("apply {}", apply.input),
        other => other.word().to_owned(),
    };
    instructions.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn predecessor(built: &Built) -> &Predecessor {
    &built.release.resolved.predecessors[0]
}

/// The second release, in which `store/rack` was `stock/shelf`.
fn renamed(text: &str) -> Files {
    let rack = text.replace("machine shelf", "machine rack");
    let files = project(
        "2.0.0",
        &["1.0.0"],
        &[("store 1.0.1", &[("rack", &rack)]), ("till 1.0.0", &[("desk", DESK)])],
    );
    let appup = "[[from]]\nversion = \"1.0.0\"\napp = \"stock\"\n\n[from.machines.rack]\nwas = \"shelf\"\n";
    with(files, "apps/store/appup.toml", appup)
}

#[test]
fn an_application_and_its_machine_go_on_under_new_names() {
    let one = one();
    let same = good(&renamed(SHELF), &[&one]);
    let relup = &same.release.relups[0];
    assert_eq!(words(&relup.up), "switch store/rack was stock/shelf");
    assert_eq!(words(&relup.down), "switch stock/shelf was store/rack");
    let crossing = cross(&one.release, &same.release, &Given::default()).expect("it is named");
    assert_eq!((&crossing.relup, crossing.faults), (relup, vec![]));
    // With another state it goes along an edge, and is still no other machine.
    let grown = SHELF.replace("State = { n: Int }", "State = { n: Int, more: Int = 1 }");
    let grown = grown.replace("({ n: state.n + n }, Ok)", "({ ..state, n: state.n + n }, Ok)");
    let two = good(&renamed(&grown), &[&one]);
    assert_eq!(
        words(&two.release.relups[0].up),
        "load, verify, load, verify, try, switch store/rack was stock/shelf"
    );
    assert_eq!(two.release.resolved.edges[0].machine.to_string(), "store/rack");
    let diff = diff(&one.release, &two.release);
    let store = &diff.apps[0];
    assert_eq!((store.name.as_str(), store.was.as_ref().map(|was| was.as_str())), ("store", Some("stock")));
    let rack = &store.machines[0];
    assert_eq!(rack.was.as_ref().map(ToString::to_string).as_deref(), Some("stock/shelf"));
    assert!(matches!(rack.what, MachineChange::Changed { .. }));
    assert_eq!(diff.apps.len(), 2, "nothing is gone");

    // Over it from the first release, under a third name.
    let stand = grown.replace("machine shelf", "machine stand");
    let files = project(
        "3.0.0",
        &["2.0.0"],
        &[("store 1.0.2", &[("stand", &stand)]), ("till 1.0.0", &[("desk", DESK)])],
    );
    let appup =
        "[[from]]\nversion = \"1.0.1\"\n[from.machines.stand]\nwas = \"rack\"\nmigrate = \"at_once\"\n";
    let three = good(&with(files, "apps/store/appup.toml", appup), &[&two]);
    let from: Vec<String> = three
        .release
        .relups
        .iter()
        .map(|relup| format!("{}: {}", relup.from.version, words(&relup.up)))
        .collect();
    assert_eq!(
        from,
        [
            "1.0.0: load, verify, load, verify, try, switch store/stand was stock/shelf, migrate",
            "2.0.0: switch store/stand was store/rack"
        ]
    );
}

#[test]
fn a_way_that_nobody_named_does_not_lose_what_was_renamed() {
    let one = one();
    let two = good(&renamed(SHELF), &[&one]);
    // A hotfix of the first release, which the second does not name.
    let fixed = SHELF.replace("init = { n: 0 }", "init = { n: 1 }");
    let hotfix = project(
        "1.0.1",
        &["1.0.0"],
        &[("stock 1.0.2", &[("shelf", &fixed)]), ("till 1.0.0", &[("desk", DESK)])],
    );
    let hotfix = good(&hotfix, &[&one]);
    let error =
        cross(&hotfix.release, &two.release, &Given::default()).expect_err("its states would be given up");
    assert_eq!(
        error.to_string(),
        "stock of 1.0.1 is called store in 2.0.0, and a way that nobody named does not follow names"
    );
}

#[test]
fn an_application_gives_up_its_states() {
    let one = one();
    let torn = SHELF.replace("State = { n: Int }", "State = { m: Text }");
    let torn = torn.replace("{ n: 0 }", "{ m: \"\" }").replace("({ n: state.n + n }, Ok)", "(state, Ok)");
    let torn = torn.replace("Is(state.n)", "Is(0)");
    let files = project(
        "1.0.1",
        &["1.0.0"],
        &[("stock 1.0.1", &[("shelf", &torn)]), ("till 1.0.0", &[("desk", DESK)])],
    );
    let faults = build(&files, &[&one]).expect_err("nobody said what becomes of the states");
    assert!(faults.iter().any(|fault| fault.code == "E0401"), "{faults:?}");
    let appup = "[[from]]\nversions = \"^1\"\nrestart = \"it is filled from the till\"\n";
    let two = good(&with(files, "apps/stock/appup.toml", appup), &[&one]);
    let relup = &two.release.relups[0];
    assert_eq!(words(&relup.up), "load, verify, switch, restart stock");
    assert_eq!(words(&relup.down), "load, verify, switch, restart stock");
    let reason = &predecessor(&two).transition.restarts.values().next().expect("a restart");
    assert_eq!(*reason, "it is filled from the till");
    assert!(two.edges.is_empty(), "no law is asked of states that are given up");
}

/// The second release with an appup of `stock`, whose shelf counts from 1.
fn said(appup: &str) -> Files {
    let other = SHELF.replace("init = { n: 0 }", "init = { n: 1 }");
    let files = project(
        "1.0.1",
        &["1.0.0"],
        &[
            ("stock 1.0.1", &[("shelf", &other)]),
            ("till 1.0.0", &[("desk", DESK)]),
            ("box 1.0.0", &[("desk", DESK)]),
        ],
    );
    let files = with(
        files,
        "release.toml",
        &project("1.1.0", &["1.0.0"], &[("stock 1.0.1", &[]), ("till 1.0.0", &[]), ("box 1.0.0", &[])])["release.toml"],
    );
    with(files, "apps/stock/appup.toml", appup)
}

#[test]
fn inputs_are_applied_and_undone() {
    let one = one();
    let appup = "[[from]]\nversion = \"1.0.0\"\n\
        [[from.apply]]\nmachine = \"shelf\"\nkey = \"a\"\ninput = '{ \"Add\" : {\"n\": 2} }'\ninverse = '{\"Add\":{\"n\":-2}}'\n\
        [[from.apply]]\nmachine = \"shelf\"\nkey = \"b\"\ninput = '\"Get\"'\ninverse = '\"Get\"'\n";
    let two = good(&said(appup), &[&one]);
    let relup = &two.release.relups[0];
    assert!(
        words(&relup.up).ends_with("start box, apply {\"Add\":{\"n\":2}}, apply \"Get\""),
        "{}",
        words(&relup.up)
    );
    assert!(
        words(&relup.down).ends_with("apply \"Get\", apply {\"Add\":{\"n\":-2}}, stop box"),
        "{}",
        words(&relup.down)
    );
    let again = good(&said(appup), &[&one]);
    assert_eq!(again.packed.bytes, two.packed.bytes, "the same source gives the same bytes");
}

#[test]
fn each_fault_says_what_and_where() {
    let one = one();
    let refused = |files: &Files, expect: &str| {
        let faults = build(files, &[&one]).expect_err(expect);
        let lines: Vec<String> = faults
            .iter()
            .map(|fault| {
                let under = fault.source.text.get(fault.span.clone()).unwrap_or_default();
                format!("{} {} `{under}` {}", fault.code, fault.source.name, fault.message)
            })
            .collect();
        assert_eq!(lines.join("\n"), expect);
    };
    let apply = |entry: &str| said(&format!("[[from]]\nversion = \"1.0.0\"\n[[from.apply]]\n{entry}\n"));
    refused(
        &said("[[from]]\nversions = \"^1\"\n[[from]]\nversions = \">=0.9\"\n"),
        "R0132 apps/stock/appup.toml `>=0.9` the ranges ^1 and >=0.9 both take in stock 1.0.0",
    );
    refused(
        &said("[[from]]\nversion = \"1.0.0\"\napp = \"till\"\n"),
        "R0133 apps/stock/appup.toml `\"till\"` stock cannot have been till in release 1.0.0, which has stock as well",
    );
    refused(
        &said("[[from]]\nversion = \"1.0.0\"\n[from.machines.shelf]\nwas = \"gone\"\n"),
        "R0133 apps/stock/appup.toml `was = \"gone\"` stock 1.0.0 has no machine gone",
    );
    refused(
        &said("[[from]]\nversion = \"1.0.0\"\n[from.machines.desk]\nwas = \"shelf\"\n"),
        "R0133 apps/stock/appup.toml `was = \"shelf\"` stock has no machine desk",
    );
    refused(
        &said("[[from]]\nversion = \"1.0.0\"\n[from.machines.shelf]\nwas = \"shelf\"\n"),
        "R0133 apps/stock/appup.toml `was = \"shelf\"` shelf was called shelf before",
    );
    refused(
        &said("[[from]]\nversion = \"0.9.0\"\nrestart = \"so\"\n"),
        "R0115 apps/stock/appup.toml `\"0.9.0\"` no predecessor has stock 0.9.0",
    );
    refused(
        &said("[[from]]\nversion = \"0.9.0\"\napp = \"store\"\n"),
        "R0115 apps/stock/appup.toml `\"0.9.0\"` no predecessor has store 0.9.0",
    );
    refused(
        &apply("machine = \"rack\"\ninput = '\"Get\"'"),
        "R0134 apps/stock/appup.toml `rack` stock has no machine rack",
    );
    refused(
        &apply("machine = \"shelf\"\ninput = '\"Get\"'"),
        "R0134 apps/stock/appup.toml `\"Get\"` stock/shelf has keys, and the input names none",
    );
    refused(
        &apply("machine = \"shelf\"\nkey = \"a\"\ninput = '\"Got\"'\ninverse = '\"Get\"'"),
        "R0134 apps/stock/appup.toml `\"Got\"` what is applied is not an input of stock/shelf: \
         $: there is no case \"Got\"; did you mean \"Get\"?",
    );
    refused(
        &apply("machine = \"shelf\"\nkey = \"a\"\ninput = '\"Tick\"'\ninverse = '\"Get\"'"),
        "R0134 apps/stock/appup.toml `\"Tick\"` what is applied is an internal input of stock/shelf",
    );
    refused(
        &apply("machine = \"shelf\"\nkey = \"a\"\ninput = '\"Get\"'"),
        "R0134 apps/stock/appup.toml `\"Get\"` nothing undoes \"Get\" on the way back to 1.0.0",
    );
    let merged = project(
        "1.1.0",
        &["1.0.0"],
        &[
            ("stock 1.1.0", &[("shelf", SHELF), ("rack", &SHELF.replace("machine shelf", "machine rack"))]),
            ("till 1.0.0", &[("desk", DESK)]),
        ],
    );
    let both = "[[from]]\nversion = \"1.0.0\"\n[from.machines.rack]\nwas = \"shelf\"\n[from.machines.shelf]\nwas = \"shelf\"\n";
    refused(
        &with(merged, "apps/stock/appup.toml", both),
        "R0133 apps/stock/appup.toml `was = \"shelf\"` shelf was called shelf before",
    );
}
