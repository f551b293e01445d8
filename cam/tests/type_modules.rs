//! Type modules: what they give to machines and migrations, and each fault with its exact words.

use std::collections::BTreeSet;

use camshaft_cam::code::encode::encode;
use camshaft_cam::code::{Module, decode};
use camshaft_cam::compile::{self, Modules};
use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::format::format;
use camshaft_cam::run::{self, EdgeArrow, Limits};
use camshaft_cam::value::Value;
use camshaft_cam::verify::{VerifiedMachine, verify};

fn said(errors: &[Diagnostic]) -> String {
    let line = |error: &Diagnostic| {
        let help = error.help.as_deref().unwrap_or("");
        format!("{} {} | {} | {help}\n", error.code, error.one_line(), error.label)
    };
    errors.iter().map(line).collect()
}

fn sources(modules: &[&str]) -> Vec<Source> {
    let name = |text: &str| text.split_whitespace().nth(1).unwrap_or("module").to_owned();
    modules.iter().map(|text| Source::new(format!("types/{}.cam", name(text)), *text)).collect()
}

fn modules(texts: &[&str]) -> Modules {
    Modules::read(&sources(texts)).unwrap_or_else(|errors| panic!("{}", said(&errors)))
}

fn compiled(text: &str, modules: &Modules, predecessor: Option<&Module>) -> Module {
    let source = Source::new("machines/m.cam", text);
    compile::machine_with(&source, modules, predecessor).unwrap_or_else(|errors| panic!("{}", said(&errors)))
}

fn verified(module: &Module) -> VerifiedMachine {
    let module = decode::decode(&encode(module)).expect("what was encoded decodes");
    verify(module).unwrap_or_else(|error| panic!("{error}")).into_machine().expect("a machine")
}

const MONEY: &str = "types money
type Price = { cents: Int(0..) = 0, currency: Currency = Euro }
type Currency = Euro | Franc
const most: Price = { cents: 100_000 }
fn twice(price: Price) -> Price = { ..price, cents: price.cents * 2 }
";

const GOODS: &str = "types goods
use money
type Item = { name: Text(..=40), price: Price, count: Int = 0 }
fn worth(item: Item) -> Int = twice(item.price).cents * item.count
fn dear(item: Item) -> Bool = worth(item) > most.cents
";

const SHOP: &str = "type State = { items: Map(Text, Item), last: Option(Price) = None }
type Input = Add { key: Text, item: Item } | Worth
type Output = Ok | Sum(Int) | Refused
init = { items: [:] }
on Add { key, item } => if dear(item) { (state, Refused) } else { ({ ..state, items[key]: item, last: Some(twice(item.price)) }, Ok) }
on Worth => (state, Sum(state.items.fold(0, (sum, _, item) -> sum + worth(item))))
";

/// The declarations of a module, without its head and what it uses.
fn body(module: &str) -> String {
    module.lines().skip(1).filter(|line| !line.starts_with("use ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_machine_has_the_bytes_that_it_had_if_the_declarations_stood_in_it() {
    let whole =
        compiled(&format!("machine m\n{}\n{}\n{SHOP}", body(MONEY), body(GOODS)), &Modules::default(), None);
    let modules = modules(&[GOODS, MONEY]);
    let order: Vec<&str> = modules.sources().map(|(name, _)| name).collect();
    assert_eq!(order, ["money", "goods"], "each after what it uses");
    let parted = compiled(&format!("machine m\nuse money\nuse goods\n{SHOP}"), &modules, None);
    assert_eq!(encode(&parted), encode(&whole));
    // What is not named is not in scope, and is there all the same.
    let chosen =
        format!("machine m\nuse money {{ Price, twice }}\nuse goods {{ Item, worth, dear }}\n{SHOP}");
    assert_eq!(encode(&compiled(&chosen, &modules, None)), encode(&whole));
}

#[test]
fn ordinals_come_from_the_predecessor_of_each_machine() {
    let first =
        compiled(&format!("machine m\n{}\n{}\n{SHOP}", body(MONEY), body(GOODS)), &Modules::default(), None);
    // The declarations move into modules, and another field comes first.
    let goods = GOODS.replace("{ name: Text(..=40)", "{ weight: Int = 0, name: Text(..=40)");
    let modules = modules(&[MONEY, &goods]);
    let text = format!("machine m\nuse money\nuse goods\n{SHOP}");
    let second = compiled(&text, &modules, Some(&first));
    let item = |module: &Module| {
        let (_, ty) = module.debug.types.iter().find(|(name, _)| &**name == "Item").expect("it is declared");
        let fields = module.ty(*ty).as_record().expect("a record").fields.clone();
        fields.into_iter().map(|field| (field.label.to_string(), field.ordinal)).collect::<Vec<_>>()
    };
    let known = [("name".to_owned(), 0), ("price".to_owned(), 1), ("count".to_owned(), 2)];
    assert_eq!(item(&first), known);
    assert_eq!(item(&second), [&known[..], &[("weight".to_owned(), 3)]].concat());
    // A machine without that predecessor has them in the order of the text.
    assert_eq!(item(&compiled(&text, &modules, None))[0], ("weight".to_owned(), 0));
}

#[test]
fn a_hidden_type_of_the_same_name_does_not_get_in_the_way() {
    let modules = modules(&[MONEY, GOODS]);
    let text = "machine m\nuse goods { Item }\ntype Price = Cheap | Dear\ntype State = { item: Option(Item) = None, price: Price }\n\
                type Input = Set(Item)\ninit = { price: Cheap }\non Set(item) => ({ ..state, item: Some(item), price: Dear }, ())\n";
    let module = compiled(text, &modules, None);
    let names: BTreeSet<String> = module.debug.types.iter().map(|(name, _)| name.to_string()).collect();
    let expected = ["Currency", "Input", "Item", "Price", "State", "money.Price"];
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    // The next version finds each under its own name.
    let again = compiled(text, &modules, Some(&module));
    assert_eq!(encode(&again), encode(&module));
}

#[test]
fn internal_inputs_may_be_declared_in_a_module() {
    let module = "types inputs\ntype Input = Go | internal Later { n: Int }\n";
    let text = "machine m\nuse inputs\ntype State = Int\ninit = 0\n\
                on Go { timer \"t\" after 1s => Later { n: 1 }; (state, ()) }\non Later { n } => state + n\n";
    let machine = verified(&compiled(text, &modules(&[module]), None));
    assert_eq!(machine.machine().internal, [false, true]);
}

#[test]
fn a_migration_uses_the_modules_of_the_new_machine() {
    let old = compiled(
        "machine m\ntype State = { price: Int }\ntype Input = | Go\ninit = { price: 1 }\non Go => (state, ())\n",
        &Modules::default(),
        None,
    );
    let modules = modules(&[MONEY]);
    let text = "machine m\nuse money { Price }\ntype State = { price: Price }\ntype Input = | Go\n\
                init = { price: {} }\non Go => (state, ())\n"
        .replace("{}", "{ cents: 0 }");
    let new = compiled(&text, &modules, Some(&old));
    let (old, new) = (verified(&old), verified(&new));
    let migration = "migration m from \"1.0.0\"\nuse money\n\
                     up (old) = { price: twice({ cents: old.price }) }\ndown (new) = { price: new.price.cents / 2 }\n";
    let source = Source::new("m.cam", migration);
    let edge = compile::edge_with(&old, &new, Some(&source), &modules)
        .unwrap_or_else(|errors| panic!("{}", said(&errors)));
    let edge = verify(edge).expect("it verifies").into_edge().expect("an edge");
    edge.check_ends(&old, &new).expect("made for these two");
    let state = Value::from_json("{\"price\":21}", old.state()).expect("a state");
    let up = run::edge_arrow(&edge, EdgeArrow::Up, &state, Limits::MIGRATION).expect("goes up");
    assert_eq!(up.to_json(new.state()), "{\"price\":{\"cents\":42,\"currency\":\"Euro\"}}");
    assert_eq!(run::edge_arrow(&edge, EdgeArrow::Down, &up, Limits::MIGRATION), Ok(state));
}

#[test]
fn modules_are_formatted_like_machines() {
    let text = "types  money\nuse  other{Price,twice}\ntype Price={cents:Int=0}\nfn f(a:Int)->Int=a+1\n";
    let expected = "types money\nuse other { Price, twice }\ntype Price = { cents: Int = 0 }\nfn f(a: Int) -> Int = a + 1\n";
    assert_eq!(format(&Source::new("x.cam", text)).as_deref(), Ok(expected));
    assert_eq!(format(&Source::new("x.cam", expected)).as_deref(), Ok(expected));
}

/// Returns what is wrong with these modules.
fn refused(texts: &[&str]) -> String {
    match Modules::read(&sources(texts)) {
        Ok(_) => panic!("{texts:?} are without faults"),
        Err(errors) => said(&errors),
    }
}

/// Returns what is wrong with a machine of these lines.
fn refused_machine(texts: &[&str], lines: &str) -> String {
    let text =
        format!("machine m\n{lines}\ntype State = Int\ntype Input = | Go\ninit = 0\non Go => (state, ())\n");
    match compile::machine_with(&Source::new("m.cam", text.as_str()), &modules(texts), None) {
        Ok(_) => panic!("it compiles:\n{text}"),
        Err(errors) => said(&errors),
    }
}

#[test]
fn every_fault_is_told_with_its_place_and_its_mend() {
    let a = "types a\ntype A = Int\nfn f(a: A) -> Int = a\n";
    let cases = [
        (
            refused_machine(&[a], "use b"),
            "E0601 m.cam:2:5: there is no type module `b` | not in this application | did you mean `a`?",
        ),
        (
            refused_machine(&[], "use shared"),
            "E0601 m.cam:2:5: there is no type module `shared` | not in this application | declare it: `types shared` in types/shared.cam of this application",
        ),
        (refused(&["types b\nuse cart", a]), "E0601 types/b.cam:2:5: there is no type module `cart`"),
        (
            refused_machine(&[a], "use a { B }"),
            "E0602 m.cam:2:9: the module `a` does not declare `B` | not declared there | did you mean `A`?",
        ),
        (
            refused_machine(&[a, "types b\nuse a\ntype B = A"], "use b { f }"),
            "E0602 m.cam:2:9: the module `b` does not declare `f` | not declared there | a module passes on what it declares itself, not what it uses",
        ),
        (
            refused_machine(&[a, "types b\nuse a\ntype B = A"], "use b\ntype C = A"),
            "E0201 m.cam:3:10: there is no type `A`",
        ),
        (
            refused(&["types a\nuse a"]),
            "E0603 types/a.cam:2:5: the module `a` uses itself | this leads back | move what both need into a module of its own",
        ),
        (
            refused(&["types a\nuse b", "types b\nuse c { X }", "types c\nuse a", "types d\nuse a"]),
            "E0603 types/a.cam:2:5: the module `a` uses itself by way of `b` and `c`",
        ),
        (
            refused(&[a, "types a\ntype C = Int"]),
            "E0604 types/a.cam:1:7: the module `a` stands twice | here again | the first is types/a.cam: give one of them another name",
        ),
        (
            refused(&["machine a\ntype State = Int"]),
            "E0605 types/a.cam:1:9: this is a machine, not a type module | here | a type module begins with `types NAME`, and stands in `types/`",
        ),
        (
            refused(&["migration a from \"1.0.0\""]),
            "E0605 types/a.cam:1:11: this is a migration, not a type module",
        ),
        (
            refused_machine(&[a, "types b\ntype A = Text"], "use a\nuse b"),
            "E0606 m.cam:3:5: `A` comes from `a` and from `b` | which one is meant? | name what is needed of one of them: `use b { A, B }`",
        ),
        (
            refused_machine(&[a], "use a\ntype A = Text"),
            "E0606 m.cam:2:5: `A` is declared in this file and in `a` | which one is meant? | name what is needed of the module: `use a { A, B }`",
        ),
        (
            refused_machine(&[a], "use a\nfn f(n: Int) -> Int = n"),
            "E0606 m.cam:2:5: `f` is declared in this file and in `a`",
        ),
        (
            refused_machine(&[a], "use a { A, A }"),
            "E0606 m.cam:2:12: `A` is used twice | which one is meant? | name it once",
        ),
        (
            refused_machine(&[a], "use a { A }\nuse a { f }"),
            "E0229 m.cam:3:5: the module `a` is used twice | here again | put the names together: `use a { A, B }`",
        ),
        (
            refused_machine(&[a], "use a { }"),
            "E0109 m.cam:2:1: nothing is used of this module | empty | name what you need, or write `use a` for all of it",
        ),
        (
            refused(&["types a\ninit = 0"]),
            "E0110 types/a.cam:2:1: `init` belongs to one machine, and this module is for all | not in a type module | move it into a machine; a module has use, type, const, fn",
        ),
        (
            refused(&["types a\nlet x = 1"]),
            "E0110 types/a.cam:2:1: expected an item, found `let` | no item begins so | items begin with use, type, const, fn",
        ),
        // Faults within a module stand in its own text.
        (
            refused(&["types a\ntype A = Int\nfn f(a: A) -> Text = a"]),
            "E0210 types/a.cam:3:22: expected Text, found Int",
        ),
        (
            refused(&["types a\nfn f(n: Int) -> Int { log \"no\"; n }"]),
            "E0218 types/a.cam:2:23: effects stand in `on` blocks only",
        ),
        (refused(&["types a\nfn f() -> Int = state"]), "E0206 types/a.cam:2:17: there is no `state` here"),
        (
            refused(&["types a\nfn f() -> Int = g()\nfn g() -> Int = f()"]),
            "E0231 types/a.cam:2:4: `f` calls itself",
        ),
        (
            refused(&["types a\ntype Other = A | internal B"]),
            "E0249 types/a.cam:2:27: `B` is internal, and no case of `Input`",
        ),
    ];
    let mut seen = BTreeSet::new();
    for (found, expected) in &cases {
        assert!(found.starts_with(expected), "expected\n{expected}\nfound\n{found}");
        assert_eq!(found.lines().count(), 1, "one fault is told once:\n{found}");
        seen.insert(&expected[..5]);
    }
    let source = include_str!("../src/check/modules.rs");
    let codes = source.split("\"E0").skip(1).map(|rest| format!("E0{}", &rest[..3]));
    let missing: Vec<String> = codes.filter(|code| !seen.contains(code.as_str())).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

#[test]
fn a_faulty_declaration_is_told_once_and_what_depends_on_it_is_silent() {
    let found = refused(&[
        "types a\ntype A = Nothing\nconst c = missing\nfn f(a: A) -> Int = 1",
        "types b\nuse a\ntype B = { a: A }\nfn g(b: B) -> Int = f(b.a) + c",
    ]);
    let codes: Vec<&str> = found.lines().map(|line| &line[..5]).collect();
    assert_eq!(codes, ["E0201", "E0206"], "{found}");
}
