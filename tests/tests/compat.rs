//! Artefacts of yesterday: what was once written is read, runs and answers as it did.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use camshaft_cam::code::build::ModuleBuilder;
use camshaft_cam::code::decode::decode;
use camshaft_cam::code::encode::encode;
use camshaft_cam::code::op::OPS;
use camshaft_cam::code::{Block, Entry, Machine, Op};
use camshaft_cam::ty::{Case, Kind, Ty, Variant};
use camshaft_cam::value::Value;
use camshaft_tests::compat::folder::{Artefact, add, all, newest};
use camshaft_tests::repository;

fn artefacts() -> Vec<Artefact> {
    all(&repository().join("tests/compat")).unwrap_or_else(|error| panic!("{error}"))
}

/// Applies a check to artefacts and tells all that fail.
fn each<'a>(
    artefacts: impl IntoIterator<Item = &'a Artefact>,
    check: impl Fn(&Artefact) -> Result<(), String>,
) {
    let wrong: Vec<String> = artefacts
        .into_iter()
        .filter_map(|artefact| {
            let error = check(artefact).err()?;
            Some(format!("v{}/{}: {error}", artefact.generation, artefact.name))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_was_recorded_still_is_and_does_what_it_did() {
    let artefacts = artefacts();
    assert!(artefacts.len() >= 14, "artefacts are missing: {} are left", artefacts.len());
    each(&artefacts, Artefact::check);
}

#[test]
fn the_compiler_still_writes_the_same_bytes() {
    let artefacts = artefacts();
    each(newest(&artefacts), Artefact::check_compiler);
}

#[test]
fn the_artefacts_have_every_instruction() {
    let mut seen = BTreeSet::new();
    for artefact in artefacts() {
        let Some(bytes) = artefact.module().expect("it can be read") else { continue };
        for function in decode(&bytes).expect("it is a module").functions {
            function.body.each_op(&mut |op| {
                seen.insert(op.opcode());
            });
        }
    }
    let missing: Vec<&str> =
        OPS.iter().filter(|row| !seen.contains(&row.opcode)).map(|row| row.name).collect();
    assert_eq!(missing, Vec::<&str>::new(), "record a machine that uses them");
}

/// Instructions that the compiler does not write, and other compilers may.
fn by_hand() -> Vec<u8> {
    let record = |kind| Ty::new(kind).expect("it is well formed");
    let case = |ordinal, label: &str, payload| Case { label: label.into(), ordinal, payload };
    let cases = vec![case(0, "From", Ty::int()), case(1, "If", Ty::bool())];
    let (input, pair) =
        (record(Kind::Variant(Variant { cases })), record(Kind::Tuple(vec![Ty::int(), Ty::unit()])));
    let mut builder = ModuleBuilder::new("by-hand");
    let zero = builder.constant(&Ty::int(), Value::Int(0));
    let init = builder.function("init", &[Ty::unit()], &Ty::int(), Block(vec![Op::Quote { constant: zero }]));
    let [payload, state] = [0, 1].map(|level| Op::Acc { level });
    let answer = [Op::Push {}, Op::Unit {}, Op::Cons {}];
    let taken = vec![state.clone(), Op::Push {}, payload.clone(), Op::Swap {}, Op::Sub {}];
    let step =
        [(Ty::int(), taken), (Ty::bool(), vec![payload, Op::Guard {}, state])].map(|(payload, body)| {
            let body = Block([body, answer.to_vec()].concat());
            builder.function("on", &[payload, Ty::int(), Ty::unit()], &pair, body)
        });
    let unit = builder.ty(&Ty::unit());
    let machine = Machine {
        keyed: false,
        config: unit,
        state: builder.ty(&Ty::int()),
        input: builder.ty(&input),
        internal: vec![false, false],
        output: unit,
        init,
        step: step.to_vec(),
        invariants: vec![],
        channels: vec![],
        ports: vec![],
    };
    encode(&builder.finish(Entry::Machine(machine)).expect("it names what it has"))
}

#[test]
fn what_no_compiler_writes_is_built_to_the_same_bytes() {
    let recorded =
        artefacts().into_iter().find(|artefact| artefact.name == "by-hand").expect("it is recorded");
    assert_eq!(recorded.module(), Ok(Some(by_hand())));
}

const COUNTER: &str = "machine c\ntype State = Int\ntype Input = Add(Int) | Read\ntype Output = Ok | Count(Int)\n\
    init = 0\non Add(n) => (state + n, Ok)\non Read => (state, Count(state))\n";
const INPUTS: &str = r#"{ "steps": [{ "input": { "Add": 5 } }, { "input": "Read" }] }"#;

/// A folder of artefacts with one, recorded as `c`.
fn recorded() -> (tempfile::TempDir, PathBuf, [PathBuf; 2]) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (root, source, inputs) =
        (folder.path().join("compat"), folder.path().join("c.cam"), folder.path().join("c.json"));
    std::fs::write(&source, COUNTER).expect("writable");
    std::fs::write(&inputs, INPUTS).expect("writable");
    let artefact = add(&root, "c", &source, &inputs).expect("it is recorded");
    assert_eq!((artefact.generation, artefact.check(), artefact.check_compiler()), (1, Ok(()), Ok(())));
    (folder, root, [source, inputs])
}

fn change(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).expect("it is there");
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replacen(from, to, 1)).expect("writable");
}

#[test]
fn nothing_is_recorded_twice_and_other_bytes_begin_a_generation() {
    let (_folder, root, [source, inputs]) = recorded();
    let again = add(&root, "c", &source, &inputs).map(|artefact| artefact.generation);
    assert_eq!(again, Err("`c` of generation 1 has the same bytes already".to_owned()));
    change(&source, "state + n", "n + state");
    let next = add(&root, "c", &source, &inputs).expect("other bytes are recorded");
    assert_eq!(next.generation, 2);
    let both = all(&root).expect("they are listed");
    assert_eq!(both.iter().map(|one| one.generation).collect::<Vec<_>>(), [1, 2]);
    each(&both, Artefact::check);
    assert_eq!(newest(&both), [&next], "the compiler is held to the newest");
}

#[test]
fn a_compiler_that_writes_other_bytes_is_told_what_to_do_when_that_is_meant() {
    let (_folder, root, _) = recorded();
    change(&root.join("v1/c/source.cam"), "state + n", "n + state");
    let artefact = all(&root).expect("it is listed").remove(0);
    assert_eq!(artefact.check(), Ok(()), "the recorded bytes are what they were");
    let error = artefact.check_compiler().expect_err("other bytes");
    assert!(error.contains("other bytes than generation 1 has"), "{error}");
    assert!(error.contains("cargo xtask compat add c "), "{error}");
}

#[test]
fn each_thing_that_became_another_is_told_with_its_place() {
    let digest = |hex: &str| format!("\"digest\": \"{hex}");
    let cases: [(&str, &str, &str); 4] = [
        (
            "\"may_trap\": \"integer overflow\"",
            "\"may_trap\": \"\"",
            ".may_trap was \"\", and is \"integer overflow\"",
        ),
        ("\"fuel\": ", "\"fuel\": 1", "$.steps[0].fuel was 1"),
        (&digest(""), &digest("0"), "digest"),
        ("{\\\"Count\\\":5}", "{\\\"Count\\\":6}", "bytes and JSON are two values"),
    ];
    for (from, to, said) in cases {
        let (_folder, root, _) = recorded();
        change(&root.join("v1/c/expected.json"), from, to);
        let artefact = all(&root).expect("it is listed").remove(0);
        let error = artefact.check().expect_err("it is another now");
        assert!(error.contains(said), "{from}: {error}");
    }
}

#[test]
fn bytes_that_no_longer_load_are_told() {
    let (_folder, root, _) = recorded();
    std::fs::write(root.join("v1/c/module.cam2"), b"CAM2").expect("writable");
    let artefact = all(&root).expect("it is listed").remove(0);
    let error = artefact.check().expect_err("it does not load");
    assert!(error.starts_with("the bytes do not load"), "{error}");
}

#[test]
fn what_cannot_be_recorded_is_refused() {
    let (folder, root, [source, inputs]) = recorded();
    let other = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("writable");
        path
    };
    let refused = |name: &str, source: &Path, inputs: &Path| {
        add(&root, name, source, inputs).expect_err("it is refused")
    };
    assert!(refused("../c", &source, &inputs).contains("is no name"));
    assert!(refused("d", &other("d.cam", "machine"), &inputs).contains("source.cam:1"));
    assert!(refused("d", &source, &other("d.json", "{")).starts_with("the inputs are no JSON"));
    assert!(refused("d", &source, &other("d.json", "{}")).contains("no list `steps`"));
    let wrong = other("d.json", r#"{ "steps": [{ "input": "Sub" }] }"#);
    assert!(refused("d", &source, &wrong).starts_with("step 1: "));
    assert_eq!(all(&root).expect("it is listed").len(), 1, "nothing was left behind");
}
