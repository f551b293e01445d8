//! Names that were ever taken, over a line of releases.

use camshaft_cam::code::decode::decode;
use camshaft_cam::code::disassemble::disassemble;
use camshaft_cam::code::encode::{digest, encode};
use camshaft_cam::code::{Debug, Module, Retired, TypeIx};
use camshaft_cam::compile::{self, Modules, Returned};
use camshaft_cam::diagnostic::Source;
use camshaft_cam::ty::{Field, Kind, Record, Ty};

fn try_compile(text: &str, line: &[&Module]) -> Result<(Module, Vec<Returned>), String> {
    let source = Source::new("m.cam", text);
    let made = compile::machine_in_line(&source, &Modules::default(), line);
    let (module, returned) = made.map_err(|faults| format!("{} {}", faults[0].code, faults[0].one_line()))?;
    // As a bundle keeps it.
    let bytes = encode(&module);
    assert_eq!(decode(&bytes).as_ref(), Ok(&module));
    Ok((module, returned))
}

/// Returns a machine with this state, and whatever else is declared with it.
fn machine(declared: &str) -> String {
    let (_, state) = declared.split_once("type State = { ").expect("a record");
    let (first, _) = state.split_once(':').expect("a field");
    let value = match first {
        "modes" => "[]",
        "b" => "\"\"",
        _ => "0",
    };
    format!(
        "machine m\n{declared}\ntype Input = Go | Stop\ninit = {{ {first}: {value} }}\non Go => (state, ())\non Stop => (state, ())\n"
    )
}

fn state(declared: &str, line: &[&Module]) -> (Module, Vec<Returned>) {
    try_compile(&machine(declared), line).unwrap_or_else(|fault| panic!("{fault}"))
}

fn of(declared: &str, line: &[&Module]) -> Module {
    let (module, returned) = state(declared, line);
    assert_eq!(returned, [], "{declared}");
    module
}

/// The retired names of a module: way, ordinal and type.
fn retired(module: &Module) -> Vec<String> {
    let one = |retired: &Retired| {
        let Retired { name, path, label, ordinal, ty, .. } = retired;
        format!("{name}{path}.{label} {ordinal} {}", module.ty(*ty))
    };
    module.debug.retired.iter().map(one).collect()
}

/// The ordinals of a declared record or variant.
fn ordinals(module: &Module, name: &str) -> Vec<(String, u32)> {
    let (_, ty) = module.debug.types.iter().find(|(other, _)| &**other == name).expect("it is declared");
    match module.ty(*ty).kind() {
        Kind::Record(record) => {
            record.fields.iter().map(|field| (field.label.to_string(), field.ordinal)).collect()
        }
        Kind::Variant(variant) => {
            variant.cases.iter().map(|case| (case.label.to_string(), case.ordinal)).collect()
        }
        other => panic!("{other:?} has no members"),
    }
}

fn named(all: &[(&str, u32)]) -> Vec<(String, u32)> {
    all.iter().map(|(label, ordinal)| ((*label).to_owned(), *ordinal)).collect()
}

const ONE: &str = "type State = { a: Int = 0, b: Text = \"\" }";
const WITHOUT_B: &str = "type State = { a: Int = 0 }";

#[test]
fn where_nothing_is_retired_nothing_is_written() {
    let one = of(ONE, &[]);
    assert_eq!(encode(&of(ONE, &[&one])), encode(&one));
    let more = of("type State = { a: Int = 0, b: Text = \"\", c: Bool = true }", &[&one]);
    assert_eq!(more.debug.retired, []);
}

#[test]
fn a_retired_name_is_carried_for_ever_and_its_ordinal_is_never_given_again() {
    let one = of(ONE, &[]);
    let two = of(WITHOUT_B, &[&one]);
    assert_eq!(retired(&two), ["State.b 1 Text"]);
    assert!(disassemble(&two).contains("\nretired\n  State.b: Text, ordinal 1\n"), "{}", disassemble(&two));
    assert!(!disassemble(&one).contains("retired"));
    // Outside of the digest: the same machine as one that never had the name.
    assert_eq!(digest(&two), digest(&of(WITHOUT_B, &[])));
    let three = of("type State = { a: Int = 0, c: Int = 0 }", &[&two]);
    assert_eq!(ordinals(&three, "State"), named(&[("a", 0), ("c", 2)]));
    let four = of(WITHOUT_B, &[&three]);
    assert_eq!(retired(&four), ["State.b 1 Text", "State.c 2 Int"]);
    let five = of("type State = { d: Int = 0 }", &[&four]);
    assert_eq!(ordinals(&five, "State"), named(&[("d", 3)]));
    assert_eq!(retired(&five), ["State.a 0 Int", "State.b 1 Text", "State.c 2 Int"]);
}

#[test]
fn a_name_that_comes_back_as_it_was_has_its_ordinal_again() {
    let two = of(WITHOUT_B, &[&of(ONE, &[])]);
    let three = of("type State = { a: Int = 0, c: Int = 0 }", &[&two]);
    let (four, returned) = state("type State = { a: Int = 0, c: Int = 0, b: Text = \"\" }", &[&three]);
    assert_eq!(ordinals(&four, "State"), named(&[("a", 0), ("b", 1), ("c", 2)]));
    assert_eq!(retired(&four), [""; 0]);
    assert_eq!(returned.len(), 1);
    assert_eq!((&*returned[0].path, returned[0].is_as_it_was()), ("State.b", true));
    // Once it is back, it is back.
    of("type State = { a: Int = 0, c: Int = 0, b: Text = \"\" }", &[&four]);
}

#[test]
fn a_name_that_comes_back_as_another_type_is_told_and_has_a_new_ordinal() {
    let two = of(WITHOUT_B, &[&of(ONE, &[])]);
    let (three, returned) = state("type State = { a: Int = 0, b: Int = 0 }", &[&two]);
    assert_eq!(ordinals(&three, "State"), named(&[("a", 0), ("b", 2)]));
    assert_eq!(retired(&three), ["State.b 1 Text"]);
    let [one] = &returned[..] else { panic!("{returned:?}") };
    assert_eq!((&*one.path, one.is_as_it_was(), one.was.to_string()), ("State.b", false, "Text".to_owned()));
    assert_eq!(one.source.line_column(one.span.start), (2, 28));
    // Retired once more, it was both.
    let four = of(WITHOUT_B, &[&three]);
    assert_eq!(retired(&four), ["State.b 1 Text", "State.b 2 Int"]);
    for (ty, ordinal) in [("Text = \"\"", 1), ("Int = 0", 2)] {
        let (five, returned) = state(&format!("type State = {{ a: Int = 0, b: {ty} }}"), &[&four]);
        assert_eq!(ordinals(&five, "State"), named(&[("a", 0), ("b", ordinal)]));
        assert!(returned.iter().all(Returned::is_as_it_was), "{returned:?}");
    }
}

#[test]
fn cases_and_what_stands_within_types_are_names_too() {
    let all = "type Mode = On | Off | Dim { level: Int, since: Int }\n\
               type State = { modes: List({ mode: Option(Mode) = None, name: Text }) = [] }";
    let one = of(all, &[]);
    let fewer = "type Mode = On | Dim { level: Int }\n\
                 type State = { modes: List({ mode: Option(Mode) = None }) = [] }";
    let two = of(fewer, &[&one]);
    assert_eq!(retired(&two), ["Mode.Off 1 ()", "Mode.Dim.since 1 Int", "State.modes[..].name 1 Text"]);
    let other = "type Mode = On | Dim { level: Int, until: Int } | Blink\n\
                 type State = { modes: List({ mode: Option(Mode) = None, label: Text }) = [] }";
    let three = of(other, &[&two]);
    assert_eq!(ordinals(&three, "Mode"), named(&[("On", 0), ("Dim", 2), ("Blink", 3)]));
    let ways: Vec<String> =
        retired(&three).iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(ways, ["Mode.Off 1", "Mode.Dim.since 1", "State.modes[..].name 1"]);
    let (four, returned) = state(all, &[&three]);
    let paths: Vec<&str> = returned.iter().map(|one| &*one.path).collect();
    assert_eq!(paths, ["Mode.Off", "Mode.Dim.since", "State.modes[..].name"]);
    assert!(returned.iter().all(Returned::is_as_it_was), "{returned:?}");
    assert_eq!(ordinals(&four, "Mode"), ordinals(&one, "Mode"));
}

#[test]
fn a_type_that_vanishes_leaves_its_names() {
    let one = of(&format!("type Extra = {{ x: Int, y: Int }}\n{ONE}"), &[]);
    let two = of(ONE, &[&one]);
    assert_eq!(retired(&two), ["Extra.x 0 Int", "Extra.y 1 Int"]);
    let (three, returned) = state(&format!("type Extra = {{ z: Int, y: Int }}\n{ONE}"), &[&two]);
    assert_eq!(ordinals(&three, "Extra"), named(&[("y", 1), ("z", 2)]));
    assert_eq!(returned.len(), 1);
    assert_eq!(retired(&three), ["Extra.x 0 Int"]);
}

#[test]
fn the_names_of_all_predecessors_stay_taken() {
    let one = of(ONE, &[]);
    // Compiled by what knew of no retired names: `c` has the ordinal that `b` had.
    let mut two = of(WITHOUT_B, &[&one]);
    two.debug.retired.clear();
    let three = of("type State = { a: Int = 0, c: Int = 0 }", &[&two, &one]);
    assert_eq!(ordinals(&three, "State"), named(&[("a", 0), ("c", 2)]));
    assert_eq!(retired(&three), ["State.b 1 Text"]);
    assert_eq!(compile::conflict(&[&three, &two, &one]), None);
    let stranger = of("type State = { a: Int = 0, c: Int = 0 }", &[&two]);
    let conflict = compile::conflict(&[&stranger, &one]);
    assert_eq!(conflict.as_deref(), Some("State.c and State.b have one ordinal, 1"));
    let moved = of("type State = { b: Text = \"\", a: Int = 0 }", &[]);
    let conflict = compile::conflict(&[&one, &moved]).expect("`a` and `b` changed places");
    assert_eq!(conflict, "State.a and State.b have one ordinal, 0");
    let apart = of("type State = { a: Int = 0, x: Int = 0, b: Text = \"\" }", &[]);
    let apart = of("type State = { a: Int = 0, b: Text = \"\" }", &[&apart]);
    let mut forgot = apart.clone();
    forgot.debug.retired.clear();
    assert_eq!(compile::conflict(&[&one, &forgot]).as_deref(), Some("State.b has two ordinals, 1 and 2"));
}

#[test]
fn no_byte_of_retired_names_leads_to_a_panic() {
    let bytes = encode(&of(WITHOUT_B, &[&of(ONE, &[])]));
    let mut read = 0;
    for index in 0..bytes.len() {
        for flip in [1, 0x40, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[index] ^= flip;
            let Ok(module) = decode(&bytes) else { continue };
            read += 1;
            // Whatever it says is either a line to go on from, or refused.
            let _ = try_compile(&machine(ONE), &[&module]);
            let _ = compile::conflict(&[&module, &module]);
        }
    }
    assert!(read > 20, "only {read} were modules");
    // The greatest ordinal leaves none for another name.
    let mut module = of(WITHOUT_B, &[&of(ONE, &[])]);
    module.debug.retired[0].ordinal = u32::MAX;
    let fault = try_compile(&machine("type State = { a: Int = 0, c: Int = 0, d: Int = 0 }"), &[&module]);
    assert!(fault.is_err_and(|fault| fault.starts_with("E02")), "two ordinals in one place are refused");
}

#[test]
fn types_that_nobody_writes_are_refused_and_not_walked() {
    // Each type holds the one before it four times, and none but the last has a name, or many.
    let fourfold = |ty: &Ty| {
        let field =
            |label: &str, ordinal| Field { label: label.into(), ordinal, ty: ty.clone(), default: None };
        let fields = ["a", "b", "c", "d"].into_iter().zip(0..).map(|(label, ordinal)| field(label, ordinal));
        Ty::new(Kind::Record(Record { fields: fields.collect(), declared: vec![0, 1, 2, 3] }))
    };
    let mut module = of(WITHOUT_B, &[]);
    let mut ty = Ty::int();
    let mut depth = 0;
    while let Ok(deeper) = fourfold(&ty) {
        ty = deeper;
        module.types.push(ty.clone());
        depth += 1;
    }
    assert!(depth >= 6, "{depth}");
    let last = TypeIx(u32::try_from(module.types.len() - 1).expect("few"));
    let names = (0..200).map(|index| (format!("T{index}").into(), last));
    module.debug = Debug { types: names.collect(), ..module.debug };
    let text = "machine m\ntype State = Int\ntype Input = | Go\ninit = 0\non Go => (state, ())\n";
    let fault = try_compile(text, &[&module]).expect_err("to be refused");
    assert!(fault.starts_with("E0302 m.cam:1:9: the types of a predecessor"), "{fault}");
    assert_eq!(
        compile::conflict(&[&module, &module]).as_deref(),
        Some("their types are too many to be compared")
    );
}

#[test]
fn a_declaration_that_moves_into_a_type_module_keeps_its_line() {
    let one =
        of("type Extra = { x: Int, y: Int }\ntype State = { a: Int = 0, e: Option(Extra) = None }", &[]);
    let two = of("type Extra = { y: Int }\ntype State = { a: Int = 0, e: Option(Extra) = None }", &[&one]);
    assert_eq!(retired(&two), ["Extra.x 0 Int"]);
    let shared = |text: &str| {
        let text = format!("types shared\ntype Extra = {text}\n");
        Modules::read(&[Source::new("types/shared.cam", text)]).expect("a module")
    };
    let text = machine("use shared\ntype State = { a: Int = 0, e: Option(Extra) = None }");
    let source = Source::new("m.cam", text);
    let moved = |text: &str, line: &Module| {
        compile::machine_in_line(&source, &shared(text), &[line]).expect("it compiles")
    };
    let (three, returned) = moved("{ y: Int, z: Int }", &two);
    assert_eq!((retired(&three), returned), (vec!["Extra.x 0 Int".to_owned()], vec![]));
    assert_eq!(ordinals(&three, "Extra"), named(&[("y", 1), ("z", 2)]));
    let (_, returned) = moved("{ y: Int, z: Int, x: Text }", &three);
    let [one] = &returned[..] else { panic!("{returned:?}") };
    assert_eq!((&*one.source.name, &*one.path), ("types/shared.cam", "Extra.x"));
    assert_eq!(one.source.line_column(one.span.start), (2, 32));
}
