use camshaft_manifests::relup::Relup;

use super::*;
use crate::crossing::{Given, cross};
use crate::plan::plan;
use crate::project::Built;
use crate::testing::{TILL, built, predecessor, release};

/// The reasons of a direction, each after the word of its instruction.
fn reasons(relup: &Relup, machines: &[MachineStory], ends: [&ResolvedRelease; 2]) -> [String; 2] {
    let steps = steps::Steps { old: ends[0], new: ends[1], machines };
    let told = |instructions: &[camshaft_manifests::relup::Instruction], reasons: Vec<String>| {
        assert_eq!(instructions.len(), reasons.len());
        let lines = instructions.iter().zip(reasons).map(|(one, why)| format!("{}: {why}", one.word()));
        lines.filter(|line| !line.starts_with("verify")).collect::<Vec<_>>().join("\n")
    };
    [told(&relup.up, steps.up(&relup.up)), told(&relup.down, steps.down(&relup.down))]
}

#[test]
fn every_step_has_its_reason() {
    // `c` depends on `b` depends on `a`; `older` on `old`.
    let before = ["a/m=a1", "old/m=o1 a", "older/m=o2 old"];
    let from = predecessor("1.0.0", &before, &["a/m:l1"]);
    let old = release("1.0.0", &before, &["a/m:l1"], &[], &[]);
    let after = ["a/m=a2", "b/m=b1 a", "c/m=c1 b"];
    let new = release("2.0.0", &after, &["a/m:l2"], &["a/m a1 a2 e"], &[&from]);
    let [up, down] = reasons(&plan(&from, &new), &[], [&old, &new]);
    assert_eq!(
        up,
        "load: its code changed\n\
         load: states, inputs and answers go over by it\n\
         load: 1.0.0 does not have it\n\
         load: 1.0.0 does not have it\n\
         load: channel c to a/m: types at one of its ends changed\n\
         try: every live state goes over on a copy first: one that cannot changes nothing\n\
         switch: one durable record: before it 1.0.0 runs, after it 2.0.0, and a node that is killed runs one of them\n\
         start: 1.0.0 does not have it; before c, which depends on it\n\
         start: 1.0.0 does not have it; after b, which it depends on\n\
         stop: 2.0.0 does not have it; its instances are put away whole\n\
         stop: 2.0.0 does not have it; after older, which depends on it; its instances are put away whole"
    );
    assert_eq!(
        down.lines().filter(|line| line.starts_with("start") || line.starts_with("stop")).collect::<Vec<_>>(),
        [
            "start: 2.0.0 does not have it; before older, which depends on it",
            "start: 2.0.0 does not have it; after old, which it depends on",
            "stop: 1.0.0 does not have it; its instances are put away whole",
            "stop: 1.0.0 does not have it; after c, which depends on it; its instances are put away whole",
        ]
    );
    assert!(down.contains("load: it is what ran in 1.0.0"), "{down}");
    assert!(down.contains("load: they go back by the edge by which they came"), "{down}");
}

fn explained(old: &Built, new: &Built) -> Explanation {
    let crossing = cross(&old.release, &new.release, &Given::default()).expect("one release");
    let explanation = explain(&old.release, &crossing);
    assert_eq!(explanation.up.len(), crossing.relup.up.len());
    assert_eq!(explanation.down.len(), crossing.relup.down.len());
    explanation
}

fn of_till(explanation: &Explanation) -> &Changed {
    let [MachineStory { fate: Fate::Changed(changed), .. }] = &explanation.machines[..] else {
        panic!("{:?}", explanation.machines)
    };
    changed
}

#[test]
fn what_becomes_of_states_is_told_for_each_class() {
    let first = built("1.0.0", &[], TILL, &[]);
    let wider = TILL.replace("sum: Int = 0", "sum: Int = 0, owner: Text = \"\"");
    let explanation = explained(&first, &built("2.0.0", &[&first], &wider, &[]));
    assert_eq!(explanation.blocks, Vec::<String>::new());
    let changed = of_till(&explanation);
    assert_eq!((changed.states, changed.class), (States::Made, DownClass::D1));
    assert!(changed.why[0].contains("State.owner"), "{:?}", changed.why);
    assert!(changed.lost.is_empty());
    assert!(changed.lost_back[0].contains("State.owner"), "{:?}", changed.lost_back);
    let edge = changed.edge.as_ref().expect("an edge");
    assert_eq!((&edge.origin, &edge.not_certified), (&Origin::Recorded, &None));
    assert!(explanation.up.iter().any(|why| why.starts_with("it cannot fail")), "{:?}", explanation.up);

    let mended = TILL.replace("state.sum + by", "state.sum + by + 0");
    let explanation = explained(&first, &built("1.0.1", &[&first], &mended, &[]));
    let changed = of_till(&explanation);
    assert_eq!((changed.states, changed.class), (States::AsTheyWere, DownClass::D0));
    assert_eq!(changed.why, ["on Add: it may act otherwise"]);
    assert_eq!(changed.lost_back, Vec::<String>::new());
    assert!(explanation.up.iter().any(|why| why.starts_with("its states stay as they are")));

    // Dropped, and kept aside.
    let first = built("1.0.0", &[], &wider, &[]);
    let dropped = "migration till from \"1.0.0\"\ndrop State.owner\n";
    let appup =
        "[[from]]\nversion = \"1.0.0\"\n\n[from.machines.till]\nmigration = \"migrations/till.cam\"\n";
    let more = [("apps/shop/appup.toml", appup), ("apps/shop/migrations/till.cam", dropped)];
    let explanation = explained(&first, &built("2.0.0", &[&first], TILL, &more));
    let changed = of_till(&explanation);
    assert_eq!(changed.class, DownClass::D3);
    assert!(changed.lost[0].contains("State.owner") && changed.lost[0].ends_with("(the migration says)"));
    assert_eq!(changed.lost_back, Vec::<String>::new());
}

#[test]
fn settings_supervision_and_what_clients_speak_are_told() {
    let release = |version: &str, from: &str, price: u32, default: &str| {
        format!(
            "name = \"shop\"\nversion = \"{version}\"\nfrom = [{from}]\n\n[apps]\nshop = {{ path = \"apps/shop\" }}\n\n\
             [api]\ndefault = \"{default}\"\n\n[config.shop.till]\nprice = {price}\n"
        )
    };
    let app = |version: &str, more: &str| {
        format!("name = \"shop\"\nversion = \"{version}\"\nmachines = [\"till\"]\n{more}")
    };
    let till = TILL.replace("machine till\n", "machine till\nconfig { price: Int = 5 }\n");
    let first =
        [("release.toml", release("1.0.0", "", 7, "1.0.0")), ("apps/shop/app.toml", app("1.0.0", ""))];
    let watched = "\n[supervision]\nstrategy = \"one_for_all\"\n\n[supervision.machines.till]\n\
                   on_trap = \"reset\"\nafter = { traps = 3, within = \"1m\" }\n";
    let second = [
        ("release.toml", release("1.0.1", "\"1.0.0\"", 9, "1.0.1")),
        ("apps/shop/app.toml", app("1.0.1", watched)),
    ];
    let texts = |files: &[(&'static str, String); 2]| files.clone().map(|(path, text)| (path, text));
    let (first, second) = (texts(&first), texts(&second));
    fn borrowed<'t>(files: &'t [(&'static str, String); 2]) -> [(&'t str, &'t str); 2] {
        [0, 1].map(|index| (files[index].0, files[index].1.as_str()))
    }
    let old = built("1.0.0", &[], &till, &borrowed(&first));
    let new = built("1.0.1", &[&old], &till, &borrowed(&second));
    let explanation = explained(&old, &new);
    let [story] = &explanation.machines[..] else { panic!("{:?}", explanation.machines) };
    assert_eq!(story.fate, Fate::Same);
    assert_eq!(story.config, Some(("{\"price\":7}".to_owned(), "{\"price\":9}".to_owned())));
    let [app] = &explanation.apps[..] else { panic!("{:?}", explanation.apps) };
    let watched = app.supervision.clone().expect("it changed");
    assert_eq!(
        watched,
        (
            "one_for_one, any number of traps".to_owned(),
            "one_for_all, any number of traps, till resets after 3 traps within 1m".to_owned()
        )
    );
    let clients = &explanation.clients;
    let version = |text: &str| -> Version { text.parse().expect("a version") };
    assert_eq!((&clients.default_before, &clients.default_after), (&version("1.0.0"), &version("1.0.1")));
    assert_eq!(
        (&clients.spoken[..], &clients.dropped[..]),
        (&[version("1.0.0"), version("1.0.1")][..], &[][..])
    );

    // Who leaves a predecessor out does not speak it any more.
    let hotfix = built("1.0.2", &[&new], &till, &[]);
    let beside = built("2.0.0", &[&old], &till, &[]);
    let dropped = explained(&hotfix, &beside).clients.dropped;
    assert_eq!(dropped, [version("1.0.1")]);
}

#[test]
fn what_stands_in_the_way_is_told() {
    let first = built("1.0.0", &[], TILL, &[]);
    let named = TILL
        .replace("sum: Int = 0", "sum: Int = 0, owner: Text")
        .replace("{ sum: 0 }", "{ sum: 0, owner: \"\" }");
    let explanation = explained(&first, &built("2.0.0", &[], &named, &[]));
    assert_eq!(
        explanation.blocks,
        ["shop/till from 1.0.0: nothing leads over; a migration has to be written"]
    );
    let changed = of_till(&explanation);
    assert_eq!((changed.edge.as_ref(), changed.states), (None, States::Made));

    // Derived, and not what the release promises: nobody judged it when it was built.
    let gone = TILL.replace(" | Get", "").replace("on Get => (state, Sum(state.sum))\n", "");
    let explanation = explained(&first, &built("2.0.0", &[], &gone, &[]));
    assert!(!explanation.blocks.is_empty());
}
