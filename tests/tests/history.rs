//! What `check` and `build` say of names and defaults over a line of releases, and of changes that break
//! nothing or that a migration settles.

use camshaft_tests::World;
use camshaft_tests::project::{APPUP, COUNTER, MIGRATION, NAMED, begun};

fn world() -> World {
    World::new(env!("CARGO_BIN_EXE_camshaft-under-test"))
}

/// A state without `step`, which is dropped on the way from a version that has it.
const PLAIN: &str = "machine counter
type State = { count: Int = 0 }
type Input = Add { by: Int = 1 } | Read
type Output = Ok | Count(Int)
init = { count: 0 }
on Add { by } => ({ count: state.count + by }, Ok)
on Read => (state, Count(state.count))
";

#[test]
fn a_retired_name_comes_back_as_what_it_was_or_not_at_all() {
    let world = world();
    let project = begun(&world);
    let dropped = "migration counter from \"1.0.0\"\n\ndrop State.step\n";
    project.machine(PLAIN).file(APPUP, NAMED).file(MIGRATION, dropped).builds();
    // As another type, two releases later.
    let text = COUNTER.replace("step: Int = 1", "step: Text = \"\"");
    project
        .release("3.0.0", "from = [\"2.0.0\"]")
        .app("3.0.0", "")
        .machine(PLAIN.replace("count + by", "count + by + 0").as_str());
    project.file(APPUP, "").file(MIGRATION, "");
    std::fs::remove_file(world.at(&format!("new/{MIGRATION}"))).expect("it was written");
    project.builds();
    project.release("4.0.0", "from = [\"3.0.0\"]").app("4.0.0", "").machine(&text);
    project.refused(
        "R0119",
        &[
            "U022 State.step: the name was retired as Int, and comes back as Text",
            "apps/counter/machines/counter.cam:2:32",
            "refused in every class",
            "take another name: old states, backups and clients mean the old one",
            "rule = \"U022\"",
        ],
    );
    let waived = "[[waive]]\nrule = \"U022\"\nreason = \"no backup is that old\"\n";
    let done = project.file(APPUP, waived).builds();
    assert!(!done.stderr.contains("warning") && !done.stderr.contains("U022"), "{}", done.stderr);
    // As what it was: told, and refused by class `history`.
    project.file(APPUP, "").machine(COUNTER);
    let done = project.run("check", &[]).expect(0);
    let words = "note: apps/counter/machines/counter.cam:2:32: U022 State.step: the name was retired, and comes back as \
                 what it was";
    assert!(done.stderr.contains(words), "{}", done.stderr);
    assert_eq!(project.run("build", &["--json"]).expect(0).json()["notes"][0]["code"], "U022");
    project.release("4.0.0", "from = [\"3.0.0\"]\nstrictness = \"history\"");
    project.refused("R0119", &["U022 State.step", "breaks class `history`"]);
    project.file(APPUP, waived).builds();
    // From the release that had it, too: the newest gives the ordinals.
    project.release("4.0.0", "from = [\"1.0.0\", \"2.0.0\", \"3.0.0\"]").file(APPUP, "").builds();
}

#[test]
fn a_default_that_changes_is_told() {
    let world = world();
    let project = begun(&world);
    let done = project.machine(&COUNTER.replace("by: Int = 1", "by: Int = 2")).builds();
    let words = "note: apps/counter/machines/counter.cam:3:1: U023 Input.Add.by: what stands for it where it is left out was \
                 1, and is 2";
    assert!(done.stderr.contains(words), "{}", done.stderr);
    let waived = "[[waive]]\nrule = \"U023\"\nreason = \"everybody says it\"\n";
    let done = project.file(APPUP, waived).builds();
    assert!(!done.stderr.contains("U023"), "{}", done.stderr);
}

#[test]
fn predecessors_of_two_lines_are_refused() {
    let world = world();
    let project = begun(&world);
    // Two releases from 1.0.0, each with a field of its own after `step`.
    let with = |field: &str| COUNTER.replace("step: Int = 1", &format!("step: Int = 1, {field}: Int = 0"));
    project.machine(&with("left")).builds();
    project.release("3.0.0", "from = [\"1.0.0\"]").app("3.0.0", "").machine(&with("right")).builds();
    project.release("4.0.0", "from = [\"2.0.0\", \"3.0.0\"]").app("4.0.0", "");
    project.refused(
        "R0123",
        &[
            "the predecessors of counter/counter do not agree on their ordinals: State.right and State.left have one \
             ordinal, 2",
            "comes from 3.0.0, 2.0.0",
            "leave one of them out of `from`",
        ],
    );
}

#[test]
fn what_only_informs_breaks_no_class() {
    let world = world();
    let project = begun(&world);
    project.release("2.0.0", "from = [\"1.0.0\"]\nstrictness = \"frozen\"");
    // An invariant, which is tried on live states; fields in another order; another name of a type.
    let other = COUNTER
        .replace("count: Int = 0, step: Int = 1", "step: Int = 1, count: Int = 0")
        .replace("init =", "type Amount = Int\ninvariant \"steps go on\" = state.step > 0\ninit =");
    let done = project.machine(&other).builds();
    assert!(!done.stderr.contains("U0"), "{}", done.stderr);
    let told =
        world.run(&["diff", "new/dist/shop-1.0.0.tar.gz", "new", "--strict", "frozen"]).expect(0).stdout;
    assert!(told.contains("+ U032 invariant \"steps go on\"") && told.contains("~ U016 State"), "{told}");
}

#[test]
fn a_name_that_was_said_settles_what_would_have_no_counterpart() {
    let world = world();
    let project = begun(&world);
    let renamed = COUNTER.replace("Count(", "Total(");
    project.machine(&renamed).refused("R0119", &["U024 Output.Total", "answers to older clients"]);
    let migration = "migration counter from \"1.0.0\"\n\nrename Output.Count to Total\n";
    project.file(APPUP, NAMED).file(MIGRATION, migration).builds();
    // What a name does not settle is left, also beside one.
    let wider = renamed
        .replace("Total(Int)", "Total(Option(Int))")
        .replace("Total(state.count)", "Total(Some(state.count))");
    project.machine(&wider).refused("R0119", &["Output.Total", "answers to older clients"]);
}

#[test]
fn an_input_that_becomes_internal_is_refused_until_a_lift_says_what_it_is() {
    let world = world();
    let project = begun(&world);
    let internal = COUNTER
        .replace("| Read", "| Read | internal Tick")
        .replace("Add { by: Int = 1 }", "Add { by: Int = 1 } | Poke");
    let both = |text: &str, poke: &str| format!("{text}on Tick => state\n{poke}");
    let old = both(&internal, "on Poke => (state, Ok)\n");
    project.release("2.0.0", "from = [\"1.0.0\"]").app("2.0.0", "").machine(&old).builds();
    let new = both(&internal.replace("| Poke", "| internal Poke"), "on Poke => state\n");
    project.release("3.0.0", "from = [\"2.0.0\"]").app("3.0.0", "").machine(&new);
    project.refused(
        "R0119",
        &["U036 Input.Poke: comes from inside alone now", "inputs of older clients, from counter 2.0.0"],
    );
    let named = NAMED.replace("1.0.0", "2.0.0");
    project
        .file(APPUP, &named)
        .file(MIGRATION, "migration counter from \"2.0.0\"\n\nlift Poke => Read\n")
        .builds();
}
