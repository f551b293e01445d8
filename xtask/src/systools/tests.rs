//! That the comparison can fail: plans that were doctored, and what is said of them.

use std::collections::{BTreeMap, BTreeSet};

use super::cases::{App, Case, Side, case};
use super::judge::compare;
use super::plans::{Both, read};
use super::rules::{RULES, Rule};

/// `till` needs `stock`, and both change; `new` comes and needs `stock` and `newer`, which comes too; `old` goes
/// and needs `stock` and `older`, which goes too; `till` loses `old` and gains `new`.
fn pair() -> Case {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let side = |app: &str, version: &str, code: u64, depends: &[&str]| {
        let modules = ["m0", "m1"].map(|module| (format!("{app}_{module}"), code));
        Some(Side { version: version.to_owned(), depends: names(depends), modules: modules.into() })
    };
    let changed = |app: &str, before: &[&str], after: &[&str]| {
        let none = ["m0", "m1"].map(|module| (format!("{app}_{module}"), vec![]));
        App {
            old: side(app, "1.0.0", 1, before),
            new: side(app, "2.0.0", 2, after),
            instructions: none.into(),
        }
    };
    let apps = BTreeMap::from([
        ("stock".to_owned(), changed("stock", &[], &[])),
        ("till".to_owned(), changed("till", &["stock", "old"], &["stock", "new"])),
        ("new".to_owned(), App { new: side("new", "1.0.0", 1, &["stock", "newer"]), ..App::default() }),
        ("newer".to_owned(), App { new: side("newer", "1.0.0", 1, &[]), ..App::default() }),
        ("old".to_owned(), App { old: side("old", "1.0.0", 1, &["stock", "older"]), ..App::default() }),
        ("older".to_owned(), App { old: side("older", "1.0.0", 1, &[]), ..App::default() }),
    ]);
    let rel = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let (old_rel, new_rel) =
        (rel(&["stock", "older", "old", "till"]), rel(&["stock", "new", "newer", "till"]));
    Case { seed: 0, apps, old_rel, new_rel }
}

/// What OTP makes of it: new ones first, in the order of the file; gone ones last, likewise.
const OTP: &str = "\
up load new_m0;up load new_m1;up start new;up load newer_m0;up load newer_m1;up start newer;\
up load stock_m0;up load stock_m1;up load till_m0;up load till_m1;\
up stop older;up remove older_m0;up remove older_m1;up stop old;up remove old_m0;up remove old_m1;\
down load older_m0;down load older_m1;down start older;down load old_m0;down load old_m1;down start old;\
down load stock_m0;down load stock_m1;down load till_m0;down load till_m1;\
down stop new;down remove new_m0;down remove new_m1;down stop newer;down remove newer_m0;down remove newer_m1";

/// What we make of it.
const OURS: &str = "\
up switch;up load newer_m0;up load newer_m1;up load stock_m0;up load stock_m1;up load new_m0;up load new_m1;\
up load till_m0;up load till_m1;up remove older_m0;up remove older_m1;up remove old_m0;up remove old_m1;\
up start newer;up start new;up stop old;up stop older;\
down switch;down load older_m0;down load older_m1;down load stock_m0;down load stock_m1;down load old_m0;\
down load old_m1;down load till_m0;down load till_m1;down remove newer_m0;down remove newer_m1;\
down remove new_m0;down remove new_m1;down start older;down start old;down stop new;down stop newer";

fn plan(text: &str) -> Both {
    let lines = format!("case x\n{}\n", text.replace(';', "\n"));
    read(&lines).expect("lines of a plan").remove("x").expect("the case").expect("a plan")
}

/// Returns a plan with two of its lines exchanged.
fn exchanged(text: &str, one: &str, other: &str) -> String {
    let lines: Vec<&str> = text.split(';').collect();
    assert!(lines.contains(&one) && lines.contains(&other), "{one} and {other}");
    let exchange = |line| {
        if line == one {
            other
        } else if line == other {
            one
        } else {
            line
        }
    };
    lines.into_iter().map(exchange).collect::<Vec<_>>().join(";")
}

fn unknown(case: &Case, otp: &str, ours: &str) -> Vec<String> {
    compare(case, &plan(otp), &plan(ours)).unknown
}

#[test]
fn the_faults_of_otp_are_known_and_counted() {
    let found = compare(&pair(), &plan(OTP), &plan(OURS));
    assert_eq!(found.unknown, Vec::<String>::new());
    let expected = [
        (Rule::AddedInFileOrder, 1),
        // Two modules of `stock`, on either way.
        (Rule::StartedOnOldCode, 4),
        // Two modules of `till`, each before two of `stock`.
        (Rule::CalleeFirstOnTheWayBack, 4),
        // `older` before `old` on the way there; on the way back the file happens to be right.
        (Rule::RemovedInFileOrder, 1),
        // Two modules that go, each before two of `stock`, on either way.
        (Rule::StoppedOnNewCode, 8),
        // Two modules of `till` need `new` and with it `newer`; on the way back `old` and `older`.
        (Rule::StartBehindSwitch, 8),
    ];
    assert_eq!(found.known, BTreeMap::from(expected));
    // Twelve loads, removals, starts and stops on either way, and the orders that both keep.
    assert!(found.agreed > 24, "{}", found.agreed);
}

#[test]
fn a_plan_of_otp_that_is_wrong_in_another_way_is_found() {
    let case = pair();
    // On the way there, who calls changes first.
    let wrong = exchanged(OTP, "up load stock_m1", "up load till_m0");
    assert_eq!(
        unknown(&case, &wrong, OURS),
        ["up: Load(\"stock_m1\") belongs before Load(\"till_m0\"), kept by OnlyOurs"]
    );
    // New ones start in another order than the file has.
    let mut other = case.clone();
    other.new_rel.swap(1, 2);
    assert_eq!(
        unknown(&other, OTP, OURS),
        ["up: Start(\"newer\") belongs before Start(\"new\"), kept by OnlyOurs"]
    );
    // Gone ones stop in another order than the file has.
    let mut other = case.clone();
    other.old_rel.swap(1, 2);
    assert_eq!(
        unknown(&other, OTP, OURS),
        ["up: Stop(\"old\") belongs before Stop(\"older\"), kept by OnlyOurs"]
    );
    // What is gone stops before who needed it changed.
    let early = exchanged(OTP, "up stop old", "up load till_m1");
    assert_eq!(
        unknown(&case, &early, OURS),
        ["old", "older"]
            .map(|app| format!("up: Load(\"till_m1\") belongs before Stop(\"{app}\"), kept by OnlyOurs"))
    );
    let missing = OTP.replace("up load till_m1;", "");
    assert_eq!(unknown(&case, &missing, OURS), ["up: only we have: load till_m1"]);
    let more = OTP.replace("up load till_m1;", "up load till_m1;up load zebra;");
    assert_eq!(unknown(&case, &more, OURS), ["up: only OTP has: load zebra"]);
}

#[test]
fn a_plan_of_ours_that_is_wrong_is_found() {
    let case = pair();
    let wrong = exchanged(OURS, "up start newer", "up start new");
    assert_eq!(
        unknown(&case, OTP, &wrong),
        ["up: Start(\"newer\") belongs before Start(\"new\"), kept by Neither"]
    );
    let wrong = exchanged(OURS, "up stop older", "up stop old");
    assert_eq!(
        unknown(&case, OTP, &wrong),
        ["up: Stop(\"old\") belongs before Stop(\"older\"), kept by Neither"]
    );
    // A start before the switch: against the old code, as OTP does it.
    let wrong = OURS.replace("up start new;", "").replacen("up switch", "up start new;up switch", 1);
    let said = unknown(&case, OTP, &wrong);
    assert!(
        said.contains(&"up: Load(\"stock_m0\") belongs before Start(\"new\"), kept by Neither".to_owned()),
        "{said:?}"
    );
    let missing = OURS.replace("down load till_m0;", "");
    assert_eq!(unknown(&case, OTP, &missing), ["down: only OTP has: load till_m0"]);
    let missing = OURS.replace(";down start old;", ";");
    assert_eq!(unknown(&case, OTP, &missing), ["down: only OTP has: start old"]);
    let more = format!("{OURS};down stop till");
    assert_eq!(unknown(&case, OTP, &more), ["down: only we have: stop till"]);
}

#[test]
fn what_instructions_name_is_in_order_or_found() {
    let mut case = pair();
    let till = case.apps.get_mut("till").expect("it is there");
    till.instructions.insert("till_m1".to_owned(), vec!["till_m0".to_owned(), "stock_m0".to_owned()]);
    // As OTP does it: both of `till` with what they name, before the rest of `stock`; the way back reversed.
    let up = "up load stock_m0;up load stock_m1;up load till_m0;up load till_m1";
    let pulled = "up load stock_m0;up load till_m0;up load till_m1;up load stock_m1";
    let down = "down load stock_m0;down load stock_m1;down load till_m0;down load till_m1";
    let back = "down load till_m1;down load till_m0;down load stock_m0;down load stock_m1";
    let otp = OTP.replace(up, pulled).replace(down, back);
    let found = compare(&case, &plan(&otp), &plan(OURS));
    assert_eq!(found.unknown, Vec::<String>::new());
    assert_eq!(found.known.get(&Rule::PulledForward), Some(&2));
    assert_eq!(found.known.get(&Rule::CalleeFirstOnTheWayBack), None);
    // Joined by DepMods, and not in the order that the applications have.
    let unnamed = "up load till_m0;up load stock_m0;up load till_m1;up load stock_m1";
    let found = compare(&case, &plan(&otp.replace(pulled, unnamed)), &plan(OURS));
    assert_eq!((found.unknown, found.known.get(&Rule::UnnamedOrder)), (vec![], Some(&1)));
    // What is named may not be broken.
    let broken = exchanged(&otp, "up load till_m0", "up load till_m1");
    assert_eq!(
        unknown(&case, &broken, OURS),
        ["up: Load(\"till_m0\") belongs before Load(\"till_m1\"), kept by OnlyOurs"]
    );
}

/// E13: an appup without an instruction for a module that changed.
#[test]
fn a_forgotten_module_is_known_and_a_lost_one_is_not() {
    let mut case = pair();
    case.apps.get_mut("till").expect("it is there").instructions.remove("till_m1");
    let forgotten = OTP.replace("up load till_m1;", "").replace(";down load till_m1", "");
    let found = compare(&case, &plan(&forgotten), &plan(OURS));
    assert_eq!((found.unknown, found.known.get(&Rule::Forgotten)), (vec![], Some(&2)));
    let lost = forgotten.replace("up load till_m0;", "");
    assert_eq!(unknown(&case, &lost, OURS), ["up: only we have: load till_m0"]);
}

#[test]
fn lines_that_are_no_plan_are_refused() {
    let refused = |text: &str| read(text).expect_err(text).to_string();
    assert_eq!(refused("up load x\n"), "a line before the first case");
    assert_eq!(refused("case x\nup laod y\n"), "this is no line of a plan: up laod y");
    assert_eq!(refused("case x\nsideways load y\n"), "this is no line of a plan: sideways load y");
    assert_eq!(refused("case x\nerror why\nup load y\n"), "a line behind an error: up load y");
    let plans = read("case x\nerror {no_relup,why}\ncase y\n").expect("two cases");
    assert_eq!(plans["x"], Err("{no_relup,why}".to_owned()));
    assert_eq!(plans["y"], Ok(Both::default()));
}

/// What the plans of OTP's own applications do, and which of it may be unlike.
#[test]
fn a_restart_that_only_one_side_makes_is_found() {
    use super::real::{Does, does, is_known};
    let does = |lines: &str| does("compiler", &plan(lines).up);
    assert_eq!(does("up stop compiler;up load compile;up start compiler"), Does::Restarts);
    assert_eq!(does("up switch;up load work;up restart compiler"), Does::Restarts);
    assert_eq!(does("up emulator;up load kernel"), Does::StartsAnew);
    assert_eq!(does("up switch;up load work"), Does::GoesOn);
    // A start before the stop is no restart, nor is one of another application.
    assert_eq!(does("up start compiler;up stop compiler"), Does::GoesOn);
    assert_eq!(does("up restart kernel"), Does::GoesOn);
    let all = [Does::Restarts, Does::StartsAnew, Does::GoesOn];
    let known = |otp: Does| all.map(|ours| is_known(otp, ours));
    assert_eq!(known(Does::Restarts), [true, false, false]);
    assert_eq!(known(Does::StartsAnew), [false, true, true]);
    assert_eq!(known(Does::GoesOn), [false, false, true]);
}

#[test]
fn choices_that_differ_are_found() {
    use super::entries::differences;
    let same = "case a\n1.0 0\n1.1 none\n";
    assert_eq!(differences(same, same), Vec::<String>::new());
    assert_eq!(differences(same, "case a\n1.0 0\n1.1 2\n"), ["a: OTP: 1.1 none; ours: 1.1 2"]);
    assert_eq!(differences(same, "case a\n1.0 0\n"), ["a: OTP: 1.1 none; ours: nothing"]);
    assert_eq!(differences("", "case a\n"), [": OTP: nothing; ours: case a"]);
}

#[test]
fn cases_are_sound_and_the_same_for_the_same_number() {
    let mut kinds = BTreeSet::new();
    for seed in 0..300 {
        let made = case(seed);
        assert_eq!(format!("{made:?}"), format!("{:?}", case(seed)));
        for (name, app) in &made.apps {
            kinds.insert((app.old.is_some(), app.new.is_some(), app.is_changed()));
            let of_old: fn(&App) -> &Option<Side> = |app| &app.old;
            let of_new: fn(&App) -> &Option<Side> = |app| &app.new;
            let sides = [(&app.old, of_old), (&app.new, of_new)];
            for (side, of) in sides {
                let Some(side) = side else { continue };
                assert!(!side.modules.is_empty(), "seed {seed}: {name} has no module");
                for needed in &side.depends {
                    assert!(
                        of(&made.apps[needed]).is_some(),
                        "seed {seed}: {name} needs {needed}, which is not there"
                    );
                }
            }
            for depends in app.instructions.values() {
                let named =
                    |module: &String| made.apps.values().any(|app| app.instructions.contains_key(module));
                assert!(depends.iter().all(named), "seed {seed}: {name} names what has no instruction");
            }
        }
    }
    // Same, changed, new, gone.
    assert_eq!(kinds.len(), 4);
}

/// The table of the differences in `docs/from-erlang.md`; `UPDATE_EXPECT=1` writes it anew.
#[test]
fn the_page_has_every_difference() {
    let path = crate::tree::root().join("docs/from-erlang.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let rows = RULES
        .iter()
        .map(|text| format!("| `{}` | {} | {} | {} |\n", text.name, text.otp, text.ours, text.shown_by));
    let table =
        format!("| difference | OTP | here | shown by |\n|---|---|---|---|\n{}", rows.collect::<String>());
    let (begin, end) = ("<!-- differences: begin -->\n", "<!-- differences: end -->");
    let (head, rest) = page.split_once(begin).expect("the mark where the table begins");
    let (found, tail) = rest.split_once(end).expect("the mark where it ends");
    if found != table && std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, format!("{head}{begin}{table}{end}{tail}")).expect("writable");
        return;
    }
    assert_eq!(found, table, "run with UPDATE_EXPECT=1 to write it anew");
}
