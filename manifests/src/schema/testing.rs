//! Readers and schemas held against each other.

use std::cell::RefCell;
use std::collections::BTreeMap;

use camshaft_cam::diagnostic::{Diagnostic, Source};
use jsonschema::Validator;
use serde_json::Value;

use super::Document;
use crate::reader::testing as reader;

/// Faults that a schema sees too: a text with one of them is refused by it.
const SEEN: [&str; 18] = [
    "M0102", "M0103", "M0104", "M0105", "M0106", "M0108", "M0109", "M0110", "M0111", "M0116", "M0119",
    "M0132", "M0150", "M0151", "M0153", "M0157", "M0163", "M0164",
];

/// Faults that a schema sees in some of their cases only: of numbers, doubles, forms in part; and what
/// is too large, of which the reader looks at nothing else.
const SEEN_IN_PART: [&str; 13] = [
    "M0107", "M0112", "M0113", "M0115", "M0121", "M0122", "M0125", "M0126", "M0152", "M0154", "M0158",
    "M0159", "M0162",
];

thread_local! {
    static VALIDATORS: RefCell<BTreeMap<Document, Validator>> = const { RefCell::new(BTreeMap::new()) };
}

/// Returns true when the schema takes a text. `None`: it is not TOML, or a number does not fit 64 bits.
pub(crate) fn takes(document: Document, text: &str) -> Option<bool> {
    let table: toml::Table = text.parse().ok()?;
    let value = serde_json::to_value(table).expect("TOML is JSON, with dates as tables");
    VALIDATORS.with_borrow_mut(|validators| {
        let validator = validators.entry(document).or_insert_with(|| {
            let schema: Value = serde_json::from_str(&document.json_schema()).expect("a schema is JSON");
            jsonschema::draft202012::new(&schema).expect("it is a schema")
        });
        Some(validator.is_valid(&value))
    })
}

/// Does what [`reader::check`] does, and holds the schema against what the reader says.
pub(crate) fn check<T>(
    document: Document,
    text: &str,
    read: impl Fn(&Source) -> Result<T, Vec<Diagnostic>>,
    expect: &str,
) {
    reader::check(text, &read, expect);
    let faults = read(&Source::new(document.file(), text)).err().unwrap_or_default();
    let has = |codes: &[&str]| faults.iter().any(|fault| codes.contains(&fault.code));
    let Some(taken) = takes(document, text) else {
        assert!(!faults.is_empty(), "the reader takes what is not TOML: {text}");
        return;
    };
    if has(&SEEN) {
        assert!(!taken, "the schema takes what the reader refuses: {expect}\n{text}");
    } else if !has(&SEEN_IN_PART) {
        assert!(taken, "the schema refuses what its reader takes, or what it cannot see: {expect}\n{text}");
    }
}
