//! What `check` and `build` hold a release to, as a user sees it: the class of strictness, waivers,
//! version bumps; and documents that say what cannot be.

use camshaft_tests::World;
use camshaft_tests::project::{APPUP, COUNTER, MIGRATION, NAMED, Project, begun, codes};

fn world() -> World {
    World::new(env!("CARGO_BIN_EXE_camshaft-under-test"))
}

/// As `COUNTER`, and `Add` may be answered by a case that older clients do not know.
const MANY: &str = "machine counter
type State = { count: Int = 0, step: Int = 1 }
type Input = Add { by: Int = 1 } | Read
type Output = Ok | Count(Int) | Many
init = { count: 0 }
on Add { by } => ({ ..state, count: state.count + by }, if by > 9 { Many } else { Ok })
on Read => (state, Count(state.count))
";

#[test]
fn what_breaks_the_class_is_refused_with_both_ways_out() {
    let world = world();
    let project = begun(&world);
    project.machine(MANY).refused(
        "R0119",
        &[
            "U024 Output.Many: the case is new, and the old version has no counterpart",
            "answers to older clients, from counter 1.0.0",
            "breaks class `wire`, which `state` asks for too",
            "apps/counter/machines/counter.cam:4:1",
            "say what old clients get: `lower New => Old`",
            "or set the rule aside in apps/counter/appup.toml:",
            "rule = \"U024\"",
        ],
    );
    // Written: it is no breach.
    let written = "migration counter from \"1.0.0\"\n\nlower Many => Ok\n";
    project.file(APPUP, NAMED).file(MIGRATION, written);
    assert_eq!(project.builds().stderr.matches("warning").count(), 0);
    let json = world
        .run(&["diff", "new/dist/shop-1.0.0.tar.gz", "new", "--strict", "wire", "--json"])
        .expect(0)
        .json();
    assert_eq!(json["apps"][0]["machines"][0]["said"][0], "lower U024 Output.Many");
    // Written for another case alone: it is one.
    project.file(MIGRATION, "migration counter from \"1.0.0\"\n\nlower Count(n) => Count(n)\n");
    project.refused("R0119", &["U024 Output.Many"]);
}

#[test]
fn a_waiver_sets_aside_what_it_names_and_no_more() {
    let world = world();
    let project = begun(&world);
    project.machine(MANY);
    let waiver =
        |more: &str| format!("[[waive]]\nrule = \"U024\"\nreason = \"nobody is out there yet\"\n{more}");
    for narrow in
        ["", "machine = \"counter\"\n", "from = \"1.0.0\"\n", "machine = \"counter\"\nfrom = \"1.0.0\"\n"]
    {
        let done = project.file(APPUP, &waiver(narrow)).builds();
        assert!(!done.stderr.contains("warning"), "{narrow}: {}", done.stderr);
    }
    for other in ["machine = \"clock\"\n", "from = \"0.9.0\"\n"] {
        project.file(APPUP, &waiver(other)).refused("R0119", &["U024 Output.Many"]);
    }
    // The waiver is told by `diff`, and holds in the bundle.
    project.file(APPUP, &waiver("machine = \"counter\"\n")).builds();
    let told =
        world.run(&["diff", "new/dist/shop-1.0.0.tar.gz", "new/dist/shop-2.0.0.tar.gz", "--strict", "wire"]);
    let told = told.expect(0).stdout;
    assert!(told.contains("U024 for machine counter is set aside: nobody is out there yet"), "{told}");
}

#[test]
fn a_waiver_for_nothing_is_a_warning() {
    let world = world();
    let project = begun(&world);
    project.file(APPUP, "[[waive]]\nrule = \"U019\"\nreason = \"who knows\"\nmachine = \"counter\"\n");
    for command in ["check", "build"] {
        let done = project.run(command, &[]).expect(0);
        let words = "warning: apps/counter/appup.toml:1:1: the waiver of U019 for machine counter sets nothing aside; \
                     delete it";
        assert!(done.stderr.contains(words), "{}", done.stderr);
        let json = project.run(command, &["--json"]).expect(0).json();
        assert_eq!(json["warnings"][0]["code"], "R0122");
    }
}

#[test]
fn a_class_is_chosen_by_the_release_or_by_the_application() {
    let world = world();
    let project = begun(&world);
    let other = COUNTER.replace("by: Int = 1", "by: Int = 2");
    let from = "from = [\"1.0.0\"]\n";
    // Class `state`, the default, does not ask what a default means.
    project.machine(&other).builds();
    let history = |strictness: &str| format!("{from}strictness = \"{strictness}\"\n");
    let words = ["U023 Input.Add.by", "was 1, and is 2", "breaks class `history`"];
    project.release("2.0.0", &history("history")).refused("R0119", &words);
    project.app("2.0.0", "strictness = \"wire\"\n").builds();
    project.release("2.0.0", from).app("2.0.0", "strictness = \"history\"\n").refused("R0119", &words);
    // The class is in the bundle, so that `diff` needs no word of it; it tells, and refuses nothing.
    project.release("2.0.0", &history("frozen")).app("2.0.0", "");
    let told = world.run(&["diff", "new/dist/shop-1.0.0.tar.gz", "new"]).expect(0);
    assert!(told.stdout.contains("! U023 Input.Add.by"), "{told:#?}");
    assert!(told.stderr.contains("note: what the newer release asks for is broken in 1 place"), "{told:#?}");
    let asked = ["diff", "new/dist/shop-1.0.0.tar.gz", "new", "--strict", "history"];
    world.run(&asked).refused("what class `history` promises is broken in 1 place");
    let lenient = ["diff", "new/dist/shop-1.0.0.tar.gz", "new", "--strict", "state"];
    assert!(!world.run(&lenient).expect(0).stdout.contains('!'));
    // Everything that is not both ways is asked for by `frozen`.
    let wider = COUNTER.replace("step: Int = 1", "step: Option(Int) = None");
    project
        .machine(&wider)
        .refused("R0119", &["U006 State.step", "states on their way down", "breaks class `frozen`"]);
    project.file("release.toml", "strictness = \"strict\"").run("check", &[]).refused("M0111");
}

#[test]
fn a_version_grows_as_much_as_what_changed_asks_for() {
    let world = world();
    let project = begun(&world);
    let lowered = "migration counter from \"1.0.0\"\n\nlower Many => Ok\n";
    project.machine(MANY).file(APPUP, NAMED).file(MIGRATION, lowered).app("1.9.0", "").refused(
        "R0120",
        &[
            "counter grew from 1.0.0 to 1.9.0 (minor), and what changed asks for major",
            "machine counter: answers to old clients, U024 Output.Many",
            "the smallest version that would do is 2.0.0",
            "apps/counter/app.toml:2:11",
        ],
    );
    project.app("2.0.0", "").release("1.1.0", "from = [\"1.0.0\"]").refused(
        "R0121",
        &[
            "the release grew from 1.0.0 to 1.1.0 (minor), and what its applications do asks for major",
            "application counter: machine counter: answers to old clients, U024 Output.Many",
            "the smallest version that would do is 2.0.0",
        ],
    );
    project.release("2.0.0", "from = [\"1.0.0\"]").builds();
}

#[test]
fn an_input_more_or_other_code_asks_for_less() {
    let world = world();
    let project = begun(&world);
    let more = format!("{}on Reset => ({{ count: 0 }}, Ok)\n", COUNTER.replace("| Read", "| Read | Reset"));
    project.machine(&more).app("1.0.1", "").refused(
        "R0120",
        &["(patch), and what changed asks for minor", "the input Reset is new", "would do is 1.1.0"],
    );
    project.app("1.1.0", "").release("1.1.0", "from = [\"1.0.0\"]").builds();
    // Other code alone.
    project.machine(&COUNTER.replace("count + by", "count + by + 0"));
    project.app("1.0.1", "").release("1.0.1", "from = [\"1.0.0\"]").builds();
    project.app("1.0.0", "").refused("R0109", &["counter 1.0.0 is released, bump it"]);
}

#[test]
fn before_the_first_release_the_numbers_stand_one_place_further_to_the_right() {
    let world = world();
    let project = Project::new(&world);
    project.release("0.1.0", "").app("0.1.0", "").machine(COUNTER).builds();
    let more = format!("{}on Reset => ({{ count: 0 }}, Ok)\n", COUNTER.replace("| Read", "| Read | Reset"));
    project.release("0.1.1", "from = [\"0.1.0\"]").app("0.1.1", "").machine(&more).builds();
    let gone = COUNTER.replace(" | Read", "").replace("on Read => (state, Count(state.count))\n", "");
    let lift = NAMED.replace("1.0.0", "0.1.0");
    let migration = "migration counter from \"0.1.0\"\n\nlift Read => Add { by: 0 }\n";
    project.machine(&gone).file(APPUP, &lift).file(MIGRATION, migration);
    project.app("0.1.1", "").release("0.2.0", "from = [\"0.1.0\"]");
    project.refused("R0120", &["asks for major", "U025 Input.Read", "would do is 0.2.0"]);
    project.app("0.2.0", "").builds();
}

#[test]
fn documents_that_say_what_cannot_be_are_refused() {
    let world = world();
    let project = begun(&world);
    project.machine(MANY);
    let waive = |rest: &str| format!("[[waive]]\n{rest}");
    let from = |rest: &str| format!("{NAMED}{rest}");
    let good = "migration counter from \"1.0.0\"\n\nlower Many => Ok\n";
    let cases: [(&str, &str, String, &str, &str); 13] = [
        (
            "a waiver without a reason",
            "M0103",
            waive("rule = \"U024\"\n"),
            good,
            "`[waive]` needs the key `reason`",
        ),
        (
            "a blank reason",
            "M0115",
            waive("rule = \"U024\"\nreason = \" \"\n"),
            good,
            "`waive.reason` may not be empty",
        ),
        (
            "an unknown rule",
            "M0126",
            waive("rule = \"U240\"\nreason = \"x\"\n"),
            good,
            "there is no rule `U240`",
        ),
        ("a slip", "M0126", waive("rule = \"u024\"\nreason = \"x\"\n"), good, "did you mean `U024`?"),
        (
            "one rule waived twice",
            "M0112",
            waive("rule = \"U024\"\nreason = \"x\"\n[[waive]]\nrule = \"U024\"\nreason = \"y\"\n"),
            good,
            "the rule U024 stands twice in `waive`",
        ),
        (
            "two entries for one version",
            "M0112",
            from("\n[[from]]\nversion = \"1.0.0\"\n"),
            good,
            "version 1.0.0 stands twice in `from`",
        ),
        (
            "two migrations for one machine of a version",
            "M0101",
            from("\n[from.machines.counter]\nmigration = \"migrations/other.cam\"\n"),
            good,
            "duplicate key",
        ),
        (
            "a file for a pair that the appup does not name it for",
            "R0114",
            NAMED.to_owned(),
            "migration counter from \"1.1.0\"\n\nlower Many => Ok\n",
            "this migrates `counter` from \"1.1.0\", and the appup names it for counter from 1.0.0",
        ),
        (
            "a version that is not in `from`",
            "R0115",
            from("\n[[from]]\nversion = \"0.9.0\"\n"),
            good,
            "no predecessor has counter 0.9.0",
        ),
        (
            "a type that was never released",
            "E0201",
            NAMED.to_owned(),
            "migration counter from \"1.0.0\"\n\nfn f(old: Receipt) -> Int = 1\n",
            "there is no type `Receipt`",
        ),
        (
            "a case that was never released",
            "E0208",
            NAMED.to_owned(),
            "migration counter from \"1.0.0\"\n\nlift Remove => Read\n",
            "Remove",
        ),
        (
            "a field that was never released",
            "E0209",
            NAMED.to_owned(),
            "migration counter from \"1.0.0\"\n\ndrop State.total\n",
            "`State` of the old version has no member `total`",
        ),
        (
            "a case that old clients never knew",
            "E0208",
            NAMED.to_owned(),
            "migration counter from \"1.0.0\"\n\nlower Many => Plenty\n",
            "has no case `Plenty`",
        ),
    ];
    for (what, code, appup, migration, words) in cases {
        project.file(APPUP, &appup).file(MIGRATION, migration);
        let done = project.run("check", &[]).expect(1);
        assert!(codes(&done.stderr).contains(&code), "{what}: no {code} in {}", done.stderr);
        assert!(done.stderr.contains(words), "{what}: no `{words}` in {}", done.stderr);
        project.run("build", &[]).refused(words);
    }
    // Two files for one pair, both named: the second under another version.
    let twice = from(
        "\n[[from]]\nversion = \"1.1.0\"\n\n[from.machines.counter]\nmigration = \"migrations/other.cam\"\n",
    );
    project.file(APPUP, &twice).file(MIGRATION, good).file("apps/counter/migrations/other.cam", good);
    let done = project.run("check", &[]).expect(1);
    assert!(codes(&done.stderr).contains(&"R0114"), "{}", done.stderr);
    // And one that nobody names.
    project
        .file(APPUP, NAMED)
        .refused("R0115", &["no entry of apps/counter/appup.toml names this migration"]);
}

#[test]
fn a_lock_that_was_edited_is_refused() {
    let world = world();
    let project = begun(&world);
    project.builds();
    let lock = String::from_utf8(world.read("new/camshaft.lock")).expect("a lock is text");
    let digest =
        lock.split("digest = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("it pins one");
    let other = format!("{}{}", &digest[..digest.len() - 1], if digest.ends_with('0') { '1' } else { '0' });
    let garbled = digest.replace(|c: char| c.is_ascii_digit(), "z");
    let cases = [
        ("a garbled digest", "M0109", lock.replace(digest, &garbled)),
        ("a digest that is not the bundle's", "R0103", lock.replace(digest, &other)),
        ("an unknown key", "M0102", format!("{lock}note = \"mine\"\n")),
        ("a comment", "M0120", format!("{lock}# mine\n")),
        ("another format", "M0121", lock.replace("version = 1\n", "version = 7\n")),
    ];
    for (what, code, text) in cases {
        assert_ne!(text, lock, "{what}");
        for locked in [&[][..], &["--locked"]] {
            let done = project.file("camshaft.lock", &text).run("check", locked).expect(1);
            assert_eq!(codes(&done.stderr), [code], "{what}: {}", done.stderr);
            assert!(done.stderr.contains("help: "), "{what}: no mend in {}", done.stderr);
        }
    }
    let entry = lock.find("[[predecessor]]").expect("it pins one");
    let without = lock[..entry].trim_end().to_owned() + "\n";
    let done = project.file("camshaft.lock", &without).run("build", &["--locked"]).expect(1);
    assert_eq!(codes(&done.stderr), ["R0104"], "{}", done.stderr);
    project.run("build", &[]).expect(0);
    assert_eq!(world.read("new/camshaft.lock"), lock.into_bytes());
}
