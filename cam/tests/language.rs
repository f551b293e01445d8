//! The language as a whole: the example that shows nearly all of it compiles.

use camshaft_cam::compile;
use camshaft_cam::diagnostic::Source;
use camshaft_cam::syntax;

fn source(name: &str, text: &str) -> Source {
    Source::new(name, text)
}

#[test]
fn the_example_of_the_language_page_compiles() {
    let source = source("stock.cam", include_str!("fixtures/stock.cam"));
    let module = compile::machine(&source, None).unwrap_or_else(|errors| {
        let lines: Vec<String> = errors.iter().map(|error| error.one_line()).collect();
        panic!("{}", lines.join("\n"))
    });
    assert_eq!(&*module.debug.name, "stock");
}

#[test]
fn the_tree_holds_every_byte_of_a_text_good_or_bad() {
    let good = include_str!("fixtures/stock.cam");
    for end in (0..good.len()).filter(|end| good.is_char_boundary(*end)) {
        let source = source("cut.cam", &good[..end]);
        let parse = syntax::parse(&source);
        assert_eq!(parse.tree().text().to_string(), &good[..end], "cut at {end}");
    }
}

/// Returns every machine file of the examples.
fn machines(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("the examples are part of the repository");
    for entry in entries {
        let path = entry.expect("an entry of a folder that can be read").path();
        if path.is_dir() {
            machines(&path, found);
        } else if path.parent().is_some_and(|parent| parent.ends_with("machines")) {
            found.push(path);
        }
    }
}

#[test]
fn every_machine_of_the_examples_compiles() {
    let mut found = Vec::new();
    machines(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples"), &mut found);
    assert!(found.len() >= 10, "counter and pingpong have at least ten versions together");
    for path in found {
        let text = std::fs::read_to_string(&path).expect("an example that was just found");
        let source = source(&path.to_string_lossy(), &text);
        if let Err(errors) = compile::machine(&source, None) {
            let lines: Vec<String> = errors.iter().map(|error| error.one_line()).collect();
            panic!("{}", lines.join("\n"));
        }
    }
}

#[test]
fn the_program_with_everything_compiles() {
    let source = source("everything.cam", include_str!("fixtures/everything.cam"));
    if let Err(errors) = compile::machine(&source, None) {
        let lines: Vec<String> = errors.iter().map(|error| error.one_line()).collect();
        panic!("{}", lines.join("\n"));
    }
}

/// `secret ()` has one value, as `()` has, and is another type.
#[test]
fn a_secret_nothing_is_a_constant_like_others() {
    let text = "machine m\ntype State = { a: secret (), b: Int }\ntype Input = | Go\ninit = { a: (), b: 0 }\n\
                on Go => ({ ..state, a: () }, ())\n";
    let module = compile::machine(&source("m.cam", text), None).expect("it compiles");
    camshaft_cam::verify::verify(module).expect("and verifies");
}
