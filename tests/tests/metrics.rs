//! The metrics of a node, read as strictly as their form allows.

use std::collections::{BTreeMap, BTreeSet};

use camshaft_tests::{Agent, World};

const PROGRAM: &str = env!("CARGO_BIN_EXE_camshaft-under-test");

/// Reads the text form: each family once, with help and type before its values, each value once.
fn read(text: &str) -> BTreeMap<String, u64> {
    assert!(text.ends_with('\n'));
    let (mut families, mut values) = (BTreeSet::new(), BTreeMap::new());
    let mut lines = text.lines().peekable();
    while let Some(help) = lines.next() {
        let (family, _) = help.strip_prefix("# HELP ").and_then(|help| help.split_once(' ')).expect(help);
        assert!(family.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{family}");
        assert!(families.insert(family.to_owned()), "{family} stands twice");
        let kind = if family.ends_with("_total") { "counter" } else { "gauge" };
        assert_eq!(lines.next(), Some(format!("# TYPE {family} {kind}").as_str()));
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').expect(line);
            let labels = name.strip_prefix(family).expect(line);
            if !labels.is_empty() {
                let inner = labels.strip_prefix('{').and_then(|labels| labels.strip_suffix('}')).expect(line);
                for label in inner.split(',') {
                    let (name, text) = label.split_once('=').expect(line);
                    assert!(name.bytes().all(|byte| byte.is_ascii_lowercase()), "{line}");
                    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).expect(line);
                    assert!(!text.contains(['"', '\\']), "{line}");
                }
            }
            assert!(
                values.insert(name.to_owned(), value.parse().expect(line)).is_none(),
                "{line} stands twice"
            );
        }
    }
    values
}

#[test]
fn a_node_tells_how_it_is_to_prometheus() {
    let world = World::new(PROGRAM);
    let bundle = world.build("counter/v1");
    let agent = Agent::start(&world, "d1");
    let metrics = || {
        let answered = agent.client().get("/v1/metrics").expect("an answer");
        assert_eq!(
            (answered.status, answered.kind.as_str()),
            (200, "text/plain; version=0.0.4; charset=utf-8")
        );
        read(&answered.body)
    };
    let empty = metrics();
    assert_eq!(empty["camshaft_switch_number"], 0);
    assert!(!empty.keys().any(|name| name.starts_with("camshaft_release_info")), "{empty:?}");
    world.run(&["node", "install", &bundle.to_string_lossy(), "--node", agent.url()]).expect(0);
    for _ in 0..3 {
        agent.client().send("counter/counter", "\"Incr\"");
    }
    let running = metrics();
    assert_eq!(running["camshaft_switch_number"], 1);
    assert_eq!(running["camshaft_instances{machine=\"counter/counter\"}"], 1);
    assert_eq!(running["camshaft_applied_inputs{machine=\"counter/counter\"}"], 3);
    assert_eq!(running["camshaft_waiting_requests_limit"], 4096);
    assert_eq!(running["camshaft_disk_full"], 0);
    // The install, and three inputs.
    assert!(running["camshaft_journal_position"] >= empty["camshaft_journal_position"] + 4, "{running:?}");
    assert!(running["camshaft_journal_bytes"] > empty["camshaft_journal_bytes"], "{running:?}");
    assert_eq!(running["camshaft_journal_covered_position"], 0);
    assert!(!running.keys().any(|name| name.starts_with("camshaft_traps_total{")), "{running:?}");
    let info = running.keys().find(|name| name.starts_with("camshaft_release_info{")).expect("the release");
    assert!(info.contains("version=\"1.0.0\"") && info.contains("digest=\"sha256:"), "{info}");
}
