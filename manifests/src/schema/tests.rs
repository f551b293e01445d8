use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::digest::Digest;

use super::form::{self, Form};
use super::shape::{Shape, Table};
use super::{Document, testing};
use crate::reader::testing::{Asked, asked_by};
use crate::{MachineName, RelativePath, ReleaseName, Requirement, Version};

fn read(document: Document, text: &str) -> Result<(), Vec<Diagnostic>> {
    let source = Source::new(document.file(), text);
    match document {
        Document::Release => crate::release::read(&source).map(drop),
        Document::App => crate::app::read(&source).map(drop),
        Document::Appup => crate::appup::read(&source).map(drop),
        Document::Agent => crate::agent::read(&source).map(drop),
        Document::Fleet => crate::fleet::read(&source).map(drop),
        Document::Lock => crate::lock::read(&source).map(drop),
    }
}

/// Returns the tables of a shape by their paths as the reader writes them, with `*` for what is any word.
fn tables(shape: &Table) -> BTreeMap<String, &Table> {
    fn walk<'s>(found: &mut BTreeMap<String, &'s Table>, path: &str, shape: &'s Shape) {
        match shape {
            Shape::Table(table) => table_at(found, path, table),
            Shape::List { item, .. } => walk(found, path, item),
            Shape::Map { value, .. } => walk(found, &format!("{path}.*"), value),
            _ => {}
        }
    }
    fn table_at<'s>(found: &mut BTreeMap<String, &'s Table>, path: &str, table: &'s Table) {
        found.insert(path.to_owned(), table);
        for key in &table.keys {
            let at = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
            walk(found, &at, &key.shape);
        }
    }
    let mut found = BTreeMap::new();
    table_at(&mut found, "", shape);
    found
}

fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('.').collect(), path.split('.').collect());
    pattern.len() == path.len() && pattern.iter().zip(&path).all(|(a, b)| *a == "*" || a == b)
}

#[test]
fn the_keys_that_a_reader_asks_for_are_those_of_the_shape() {
    for document in Document::ALL {
        let shape = document.shape();
        let tables = tables(&shape);
        let asked: Vec<Asked> = asked_by(|| {
            read(document, document.example())
                .unwrap_or_else(|faults| panic!("the example of {}: {faults:?}", document.file()));
        });
        let mut seen = BTreeSet::new();
        for (path, keys) in &asked {
            let (at, table) = tables
                .iter()
                .find(|(pattern, _)| fits(pattern, path))
                .unwrap_or_else(|| panic!("{}: the shape has no table `{path}`", document.file()));
            seen.insert(at.clone());
            let asked: BTreeSet<&str> = keys.iter().copied().collect();
            let shaped: BTreeSet<&str> = table.keys.iter().map(|key| key.name).collect();
            assert_eq!(asked, shaped, "{}: the keys of `[{path}]`", document.file());
        }
        // What stands in two places, as policies do, is the same table in both.
        let unseen = tables
            .iter()
            .filter(|(at, table)| !seen.contains(*at) && !seen.iter().any(|other| tables[other] == **table));
        let unseen: Vec<&String> = unseen.map(|(at, _)| at).collect();
        assert!(unseen.is_empty(), "{}: the example does not use {unseen:?}", document.file());
    }
}

#[test]
fn every_example_uses_every_key_and_fits_its_schema() {
    for document in Document::ALL {
        assert_eq!(testing::takes(document, document.example()), Some(true), "{}", document.file());
        for table in tables(&document.shape()).into_values() {
            for key in &table.keys {
                let text = document.example();
                assert!(text.contains(key.name), "{}: no `{}` in the example", document.file(), key.name);
            }
        }
        assert!(document.example().lines().all(|line| line.len() <= 100));
    }
}

/// Returns what tells whether a text is of a form by its pattern.
fn matcher(form: &Form) -> impl Fn(&str) -> bool {
    let schema = serde_json::json!({ "pattern": form.pattern, "maxLength": form.chars_max });
    let validator = jsonschema::draft202012::new(&schema).expect("it is a schema");
    move |text| validator.is_valid(&serde_json::json!(text))
}

/// What reads each form. A pattern may take more than its reader where `exact` is false, never less.
type Reads = (Form, fn(&str) -> bool, bool);

const READS: [Reads; 22] = [
    (form::NAME, |text| text.parse::<MachineName>().is_ok(), true),
    (form::RELEASE_NAME, |text| text.parse::<ReleaseName>().is_ok(), true),
    (form::KEY, |text| text.parse::<crate::address::Key>().is_ok(), false),
    (form::VERSION, |text| text.parse::<Version>().is_ok(), true),
    (form::REQUIREMENT, |text| text.parse::<Requirement>().is_ok(), false),
    (form::PATH, |text| text.parse::<RelativePath>().is_ok(), true),
    (form::DIGEST, |text| text.parse::<Digest>().is_ok(), true),
    (form::DURATION, |text| text.parse::<crate::duration::Millis>().is_ok(), true),
    (form::TIME, |text| text.parse::<crate::duration::Millis>().is_ok_and(|time| time.0 > 0), true),
    (form::MACHINE, |text| text.parse::<crate::MachineAddress>().is_ok(), true),
    (form::URL, |text| text.parse::<crate::place::Url>().is_ok(), false),
    (form::SYSTEM_PATH, |text| text.parse::<crate::place::SystemPath>().is_ok(), true),
    (form::PLACE, |text| text.parse::<crate::place::Place>().is_ok(), false),
    (form::LISTEN, |text| text.parse::<core::net::SocketAddr>().is_ok(), false),
    (form::LABEL_KEY, |text| text.parse::<crate::label::LabelKey>().is_ok(), true),
    (form::LABEL_VALUE, |text| text.parse::<crate::label::LabelValue>().is_ok(), true),
    (form::SIZE, |text| text.parse::<crate::place::Bytes>().is_ok(), true),
    (form::SELECTOR, |text| text.parse::<crate::label::Selector>().is_ok(), false),
    (form::PERCENT, is_percent, true),
    (form::CLOCK, |text| text.parse::<crate::clock::TimeOfDay>().is_ok(), true),
    (form::OFFSET, |text| text.parse::<crate::clock::Offset>().is_ok(), true),
    (form::RULE, |text| camshaft_cam::derive::Rule::of_id(text).is_some(), false),
];

/// Percents are read within a document only.
fn is_percent(text: &str) -> bool {
    let table = toml::Table::from_iter([("canary".to_owned(), toml::Value::from(text))]);
    let policy = toml::Value::Table(table).to_string();
    let document = format!("release = 'a'\ngroup = [{{ name = 'a', select = '*' }}]\npolicy = {policy}\n");
    read(Document::Fleet, &document).is_ok()
}

#[test]
fn every_form_has_a_reader_that_takes_its_examples() {
    let read: Vec<Form> = READS.iter().map(|(form, ..)| *form).collect();
    assert_eq!(read, form::ALL);
    for (form, reads, _) in READS.iter().filter(|(form, ..)| *form != form::RULE) {
        for example in form.examples {
            assert!(reads(example), "{example} is not {}", form.what);
        }
    }
}

#[test]
fn a_pattern_takes_what_its_reader_takes() {
    // Every example with a character taken out, doubled, or put in the place of another.
    let letters = "aZ09_.-+/\\:@ =*^<>,#?[]%~\u{7f}é\n";
    for (form, reads, exact) in &READS {
        let mut texts: BTreeSet<String> = [String::new(), "*".into(), ".".into(), "..".into()].into();
        for example in form.examples {
            let chars: Vec<char> = example.chars().collect();
            texts.insert((*example).to_owned());
            texts.insert(example.repeat(40));
            for at in 0..=chars.len().min(24) {
                let (before, after) = chars.split_at(at);
                let text = |middle: &str, after: &[char]| {
                    before.iter().collect::<String>() + middle + &after.iter().collect::<String>()
                };
                texts.insert(text("", &after[after.len().min(1)..]));
                for letter in letters.chars() {
                    texts.insert(text(&letter.to_string(), after));
                    texts.insert(text(&letter.to_string(), &after[after.len().min(1)..]));
                }
            }
        }
        let matches = matcher(form);
        for text in &texts {
            let (pattern, reader) = (matches(text), reads(text));
            assert!(pattern || !reader, "the pattern of {} refuses `{text}`", form.what);
            assert!(!exact || pattern == reader, "the pattern of {} takes `{text}`", form.what);
        }
        assert!(texts.len() > 100, "{}", form.what);
    }
}
