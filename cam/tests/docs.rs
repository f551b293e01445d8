//! The language page: its examples compile, its tables are those of the source.

use camshaft_cam::code::op::OPS;
use camshaft_cam::compile;
use camshaft_cam::diagnostic::Source;
use camshaft_cam::standard::{self, Items, On};
use camshaft_cam::suite::Options;
use camshaft_cam::syntax;

const PAGE: &str = include_str!("../../docs/language.md");

/// Returns the blocks of the page with this tag.
fn blocks(tag: &str) -> Vec<&'static str> {
    let fence = format!("```{tag}\n");
    PAGE.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or("")).collect()
}

fn lines(errors: &[camshaft_cam::diagnostic::Diagnostic]) -> String {
    errors.iter().map(|error| error.one_line() + "\n").collect()
}

#[test]
fn every_machine_on_the_page_compiles_and_its_tests_pass() {
    let blocks = blocks("cam");
    assert!(blocks.len() >= 3, "the page shows machines");
    for block in blocks {
        let source = Source::new("docs/language.md", block);
        let suite =
            compile::suite(&source, None).unwrap_or_else(|errors| panic!("{}\n{block}", lines(&errors)));
        for test in suite.tests() {
            let report = suite.run(test, Options { seed: 0, cases: 200 });
            assert_eq!(report.failure, None, "{}", test.name());
        }
    }
}

#[test]
fn every_migration_on_the_page_parses() {
    let blocks = blocks("cam-migration");
    assert!(!blocks.is_empty(), "the page shows a migration");
    for block in blocks {
        let source = Source::new("docs/language.md", block);
        syntax::parse_file(&source).unwrap_or_else(|errors| panic!("{}\n{block}", lines(&errors)));
    }
}

#[test]
fn the_tables_of_standard_functions_are_those_of_the_source() {
    let mut page = String::new();
    for on in On::ALL {
        page += &format!("\n### On {}\n\n| use | gives | example |\n|---|---|---|\n", title(on));
        for standard in standard::all().filter(|standard| standard.on == on) {
            let of = match standard.items {
                Items::Any => String::new(),
                items => format!(" (a List of {})", items.words()),
            };
            let (expression, value) = standard.examples[0];
            page += &format!(
                "| `{}` | {}{of} | `{}` is `{}` |\n",
                standard.form,
                standard.gives.replace('|', "\\|"),
                expression.replace('|', "\\|"),
                value.replace('|', "\\|")
            );
        }
    }
    page += "\n";
    check_part("docs/language.md", PAGE, "standard", &page);
}

fn title(on: On) -> &'static str {
    match on {
        On::List => "lists",
        On::Map => "maps",
        On::Option => "options",
        On::Text => "texts",
        On::Bytes => "bytes",
        On::Int => "numbers",
        On::Duration => "durations",
        On::Secret => "secrets",
        On::Anything => "anything",
    }
}

#[test]
fn the_table_of_instructions_is_the_one_of_the_source() {
    let mut table = String::from("| code | name | fuel | rule | meaning |\n|---|---|---|---|---|\n");
    for row in OPS {
        let (name, rule) = (row.name.to_uppercase(), row.rule.replace('|', "\\|"));
        table += &format!("| {:02X} | {name} | {} | `{rule}` | {} |\n", row.opcode, row.fuel, row.meaning);
    }
    check_part("docs/bytecode.md", include_str!("../../docs/bytecode.md"), "ops", &table);
}

/// Compares the part of a page between two marks; with `UPDATE_EXPECT` set, writes it anew.
fn check_part(path: &str, page: &str, mark: &str, expected: &str) {
    let (begin, end) = (format!("<!-- begin {mark} -->\n"), format!("<!-- end {mark} -->"));
    let (before, rest) = page.split_once(&begin).expect("the page has the mark");
    let (found, after) = rest.split_once(&end).expect("the page has the mark");
    if found != expected && std::env::var_os("UPDATE_EXPECT").is_some() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
        std::fs::write(path, format!("{before}{begin}{expected}{end}{after}"))
            .expect("the page can be written");
        return;
    }
    assert_eq!(found, expected, "run with UPDATE_EXPECT=1 to write the table anew");
}
