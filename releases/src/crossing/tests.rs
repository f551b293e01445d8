use super::*;
use crate::project::Built;
use crate::testing::{TILL, built as build};

/// A hotfix: what it does is another thing, its types are the same.
fn mended() -> String {
    TILL.replace("state.sum + by", "state.sum + by + 0")
}

/// A field more.
fn wider() -> String {
    TILL.replace("sum: Int = 0", "sum: Int = 0, owner: Text = \"\"")
}

/// A field that nothing can be derived for.
fn named() -> String {
    wider().replace("Text = \"\"", "Text").replace("{ sum: 0 }", "{ sum: 0, owner: \"\" }")
}

fn machine() -> MachineAddress {
    "shop/till".parse().expect("an address")
}

fn written(text: &str) -> Given {
    Given { over: vec![], migrations: [(machine(), Source::new("till.cam", text))].into() }
}

const OWNED: &str = "migration till from \"1.0.1\"\nup (old) = { sum: old.sum, owner: \"x\" }\n";

fn crossed(old: &Built, new: &Built, given: &Given) -> Crossing {
    cross(&old.release, &new.release, given).expect("two releases of one name")
}

fn origin(crossing: &Crossing) -> &Origin {
    assert_eq!((&crossing.missing[..], &crossing.faults[..]), (&[][..], &[][..]));
    crossing.origins.get(&machine()).expect("the machine changes")
}

#[test]
fn what_the_newer_release_names_is_not_made_anew() {
    let first = build("1.0.0", &[], TILL, &[]);
    let second = build("2.0.0", &[&first], &wider(), &[]);
    let crossing = crossed(&first, &second, &Given::default());
    assert_eq!(origin(&crossing), &Origin::Recorded);
    assert!(crossing.recorded && crossing.made.is_empty());
    assert_eq!(crossing.relup, second.release.relups[0]);
    assert_eq!(plan(&crossing.from, &crossing.release.resolved), second.release.relups[0]);
    assert_eq!(crossing.release.resolved, second.release.resolved);
}

#[test]
fn from_a_release_to_itself_there_is_nothing_to_do() {
    let first = build("1.0.0", &[], TILL, &[]);
    let crossing = crossed(&first, &first, &Given::default());
    assert_eq!((&crossing.relup.up[..], &crossing.relup.down[..]), (&[][..], &[][..]));
    assert_eq!((crossing.faults, crossing.missing, crossing.origins), (vec![], vec![], BTreeMap::new()));
}

#[test]
fn a_hotfix_goes_over_by_an_edge_that_follows_from_the_types() {
    let first = build("1.0.0", &[], TILL, &[]);
    let hotfix = build("1.0.1", &[&first], &mended(), &[]);
    let second = build("2.0.0", &[&first], &wider(), &[]);
    let crossing = crossed(&hotfix, &second, &Given::default());
    assert_eq!(origin(&crossing), &Origin::Derived);
    assert!(!crossing.recorded);
    assert_eq!(crossing.made.len(), 1, "the laws are asked of it");
    let versions = crossing.release.resolved.predecessors.iter().map(|one| one.version.to_string());
    assert_eq!(versions.collect::<Vec<_>>(), ["1.0.0", "1.0.1"]);
    assert_eq!(crossed(&hotfix, &second, &Given::default()).relup, crossing.relup);
}

#[test]
fn an_edge_is_the_one_of_a_machine_whatever_release_it_was_made_for() {
    let first = build("1.0.0", &[], TILL, &[]);
    // Another release with the same machine.
    let again = build("1.0.1", &[&first], TILL, &[]);
    let second = build("2.0.0", &[&first], &wider(), &[]);
    let crossing = crossed(&again, &second, &Given::default());
    assert_eq!(origin(&crossing), &Origin::Recorded);
    assert!(!crossing.recorded && crossing.made.is_empty());
}

#[test]
fn what_cannot_be_derived_is_told_with_what_to_write_and_then_taken() {
    let first = build("1.0.0", &[], TILL, &[]);
    let hotfix = build("1.0.1", &[&first], &mended(), &[]);
    let second = build("2.0.0", &[], &named(), &[]);
    let crossing = crossed(&hotfix, &second, &Given::default());
    let [missing] = &crossing.missing[..] else { panic!("{:?}", crossing.missing) };
    assert_eq!(
        (missing.machine.to_string(), missing.version.to_string()),
        ("shop/till".into(), "1.0.1".into())
    );
    assert_eq!(missing.faults[0].label, "State.owner: the field is new and has no default");
    let template = missing.template.as_ref().expect("a template");
    assert!(template.starts_with("migration till from \"1.0.1\"\n"), "{template}");
    assert!(template.contains("add State.owner = ?"), "{template}");
    assert_eq!(crossing.faults, [], "nothing is judged that is not complete");

    let filled = template.replace("= ?", "= \"x\"");
    let crossing = crossed(&hotfix, &second, &written(&filled));
    assert_eq!(origin(&crossing), &Origin::Written);
    assert_eq!(crossing.made.len(), 1);

    let crossing =
        crossed(&hotfix, &second, &written("migration till from \"1.0.1\"\nadd State.owner = 1\n"));
    let [missing] = &crossing.missing[..] else { panic!("{:?}", crossing.missing) };
    assert_eq!(missing.faults[0].source.name.as_ref(), "till.cam");
    assert_eq!(missing.template, None);
}

#[test]
fn edges_of_other_releases_are_gone_over() {
    let first = build("1.0.0", &[], TILL, &[]);
    let hotfix = build("1.0.1", &[&first], &mended(), &[]);
    let appup =
        "[[from]]\nversion = \"1.0.1\"\n\n[from.machines.till]\nmigration = \"migrations/till.cam\"\n";
    let migration = [("apps/shop/appup.toml", appup), ("apps/shop/migrations/till.cam", OWNED)];
    // The same machine as in 2.0.0, reached from the hotfix.
    let between = build("2.0.1", &[&hotfix], &named(), &migration);
    let second = build("2.0.0", &[], &named(), &[]);
    let third = build("3.0.0", &[&second], &named().replace("sum + by", "sum + by + 0"), &[]);
    let given = Given { over: vec![between.release.clone()], migrations: BTreeMap::new() };
    let crossing = crossed(&hotfix, &third, &given);
    assert_eq!(origin(&crossing), &Origin::Over("2.0.1".parse().expect("a version")));
    assert!(crossing.made.is_empty(), "the laws were asked of both when they were made");
    // Without the release between nothing leads over.
    assert_eq!(crossed(&hotfix, &third, &Given::default()).missing.len(), 1);
}

#[test]
fn a_machine_that_got_keys_has_no_way() {
    let first = build("1.0.0", &[], TILL, &[]);
    let keyed = build("2.0.0", &[], &TILL.replace("machine till", "machine till keyed Text"), &[]);
    let crossing = crossed(&first, &keyed, &Given::default());
    assert_eq!(crossing.missing[0].faults[0].message, "shop/till was not keyed in 1.0.0, and now it is");
}

#[test]
fn what_is_no_older_and_newer_version_of_one_release_is_refused() {
    let first = build("1.0.0", &[], TILL, &[]);
    let second = build("2.0.0", &[&first], &wider(), &[]);
    let none = Given::default();
    let refused =
        |old: &Built, new: &Built, given: &Given| *cross(&old.release, &new.release, given).unwrap_err();
    assert!(matches!(refused(&second, &first, &none), CrossError::Back { .. }));
    let other = build("1.0.0", &[], &mended(), &[]);
    assert!(matches!(refused(&other, &second, &none), CrossError::Version { .. }));
    assert!(matches!(refused(&other, &first, &none), CrossError::Version { .. }));
    let mut renamed = first.clone();
    renamed.release.resolved.name = "bank".parse().expect("a name");
    assert!(matches!(refused(&renamed, &second, &none), CrossError::Names { .. }));
}

#[test]
fn a_migration_that_does_not_belong_is_refused() {
    let first = build("1.0.0", &[], TILL, &[]);
    let second = build("2.0.0", &[&first], &wider(), &[]);
    let hotfix = build("1.0.1", &[&first], &mended(), &[]);
    let refused = |old: &Built, new: &Built, given: &Given| {
        cross(&old.release, &new.release, given).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&first, &second, &written("migration till from \"1.0.0\"\n")),
        "the migration of shop/till is for nothing: 2.0.0 has an edge from the one of 1.0.0"
    );
    assert_eq!(
        refused(&first, &first, &written("migration till from \"1.0.0\"\n")),
        "the migration of shop/till is for nothing: it is the same in 1.0.0 and 1.0.0"
    );
    let elsewhere = Given {
        over: vec![],
        migrations: [("shop/desk".parse().expect("an address"), Source::new("d", OWNED))].into(),
    };
    assert_eq!(
        refused(&hotfix, &second, &elsewhere),
        "the migration of shop/desk is for nothing: 1.0.1 has no such machine"
    );
    assert_eq!(
        refused(&hotfix, &second, &written("migration till from \"1.0.0\"\n")),
        "till.cam migrates `till` from \"1.0.0\", and was given for shop/till from 1.0.1"
    );
    let garbled = cross(&hotfix.release, &second.release, &written("machine till\n")).unwrap_err();
    assert!(matches!(*garbled, CrossError::Garbled { .. }), "{garbled}");
}
