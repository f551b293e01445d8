//! The language pages: their examples compile, their tables are those of the source.

use camshaft_cam::code::op::OPS;
use camshaft_cam::compile::{self, Modules};
use camshaft_cam::derive::{RULES, RuleText, Strictness};
use camshaft_cam::diagnostic::Source;
use camshaft_cam::standard::{self, Items, On};
use camshaft_cam::suite::Options;
use camshaft_cam::syntax;
use camshaft_cam::verify::{VerifiedMachine, verify};

const PAGE: &str = include_str!("../../docs/language.md");

/// The pages with examples: where they stand, and what they say.
const PAGES: [(&str, &str); 2] =
    [("docs/language.md", PAGE), ("docs/tour.md", include_str!("../../docs/tour.md"))];

/// Returns the blocks with this tag, with the page that they stand on.
fn blocks(tag: &str) -> Vec<(&'static str, &'static str)> {
    let fence = format!("```{tag}\n");
    let on_page = |(name, page): (&'static str, &'static str)| {
        let blocks = page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or(""));
        blocks.map(|block| (name, block)).collect::<Vec<_>>()
    };
    PAGES.into_iter().flat_map(on_page).collect()
}

fn lines(errors: &[camshaft_cam::diagnostic::Diagnostic]) -> String {
    errors.iter().map(|error| error.one_line() + "\n").collect()
}

/// The type modules on the pages.
fn modules() -> Modules {
    let sources: Vec<Source> =
        blocks("cam-types").into_iter().map(|(page, block)| Source::new(page, block)).collect();
    assert!(!sources.is_empty(), "the pages show a type module");
    Modules::read(&sources).unwrap_or_else(|errors| panic!("{}", lines(&errors)))
}

#[test]
fn every_machine_on_the_pages_verifies_and_its_tests_pass() {
    let blocks = blocks("cam");
    assert!(blocks.len() >= 8, "the pages show machines");
    let modules = modules();
    for (page, block) in blocks {
        let source = Source::new(page, block);
        let module = compile::machine_with(&source, &modules, None)
            .unwrap_or_else(|errors| panic!("{}\n{block}", lines(&errors)));
        verify(module).unwrap_or_else(|error| panic!("{page}: {error}\n{block}"));
        let suite = compile::suite_with(&source, &modules, None)
            .unwrap_or_else(|errors| panic!("{}\n{block}", lines(&errors)));
        for test in suite.tests() {
            let report = suite.run(test, Options { seed: 0, cases: 200 });
            assert_eq!(report.failure, None, "{page}: {}", test.name());
        }
    }
}

#[test]
fn every_migration_on_the_pages_parses() {
    let blocks = blocks("cam-migration");
    assert!(blocks.len() >= 2, "the pages show migrations");
    for (page, block) in blocks {
        let source = Source::new(page, block);
        syntax::parse_file(&source).unwrap_or_else(|errors| panic!("{}\n{block}", lines(&errors)));
    }
}

/// The migration of the tour leads from its last machine to the version that the text describes.
#[test]
fn the_migration_of_the_tour_is_an_edge() {
    let (_, old) = *blocks("cam").last().expect("the tour ends in a machine");
    let (page, migration) = *blocks("cam-migration").last().expect("the tour has a migration");
    let new = old
        .replace("at: Int }", "at: Int, cents: Int }")
        .replace("at: ctx.now }", "at: ctx.now, cents: config.price }");
    assert_ne!(old, new);
    let machine = |text: &str, predecessor: Option<&VerifiedMachine>| {
        let source = Source::new("docs/tour.md", text);
        let module = compile::machine(&source, predecessor.map(VerifiedMachine::module))
            .unwrap_or_else(|errors| panic!("{}", lines(&errors)));
        verify(module).unwrap_or_else(|error| panic!("{error}")).into_machine().expect("it is a machine")
    };
    let old = machine(old, None);
    let new = machine(&new, Some(&old));
    let edge = compile::edge(&old, &new, Some(&Source::new(page, migration)))
        .unwrap_or_else(|errors| panic!("{}", lines(&errors)));
    verify(edge).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn the_tables_of_standard_functions_are_those_of_the_source() {
    let mut page = String::new();
    for on in On::ALL {
        page += &format!("\n### On {}\n\n| use | gives | example |\n|---|---|---|\n", title(on));
        for standard in standard::all().filter(|standard| standard.on == on) {
            let of = match standard.items {
                Items::Any => String::new(),
                items => format!(" (on a List of {})", items.words()),
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

#[test]
fn the_rules_of_compatibility_are_those_of_the_source() {
    let mut rows =
        "| rule | change | states up | states down | old inputs | answers to old clients | class |\n\
                    |---|---|---|---|---|---|---|\n"
            .to_owned();
    for text in RULES {
        let RuleText { rule, change, up, down, input, output, class, .. } = text;
        rows += &format!("| {rule} | {change} | {up} | {down} | {input} | {output} | {class} |\n");
    }
    let page = include_str!("../../docs/compatibility.md");
    check_part("docs/compatibility.md", page, "rules", &rows);
    for class in Strictness::ALL {
        assert!(page.contains(&format!("| `{class}` |")), "{class} is explained");
    }
}
