//! The table of a document's keys, for the reference page.

use super::shape::{Choice, Key, Shape, Table};

/// Returns the keys of a document, a row each, the keys of a table under it.
pub(super) fn of(table: &Table) -> String {
    let mut text = String::from("| key | value | needed | what it says |\n|---|---|---|---|\n");
    rows(&mut text, "", table);
    text
}

fn rows(text: &mut String, path: &str, table: &Table) {
    for key in &table.keys {
        let at = match path {
            "" => key.name.to_owned(),
            path => format!("{path}.{}", key.name),
        };
        let otherwise = match key.otherwise {
            "" => String::new(),
            otherwise => format!(" When it is left out: {otherwise}."),
        };
        let line = format!(
            "| `{}` | {} | {} | {}{otherwise}{} |\n",
            shown(&at, &key.shape),
            innermost(&key.shape).told(),
            needed(key, table.choice),
            key.meaning,
            words(&key.shape)
        );
        text.push_str(&line);
        below(text, &at, &key.shape);
    }
}

fn below(text: &mut String, at: &str, shape: &Shape) {
    match shape {
        Shape::Table(table) => rows(text, at, table),
        Shape::List { item, .. } => below(text, &format!("{at}[]"), item),
        Shape::Map { value, named, .. } => below(text, &format!("{at}.{named}"), value),
        _ => {}
    }
}

/// Returns a key as it is shown: tables from words to what is no table show both in one row.
fn shown(at: &str, shape: &Shape) -> String {
    match shape {
        Shape::Map { named, value, .. } => shown(&format!("{at}.{named}"), value),
        _ => at.to_owned(),
    }
}

fn innermost(shape: &Shape) -> &Shape {
    match shape {
        Shape::Map { value, .. } => innermost(value),
        shape => shape,
    }
}

fn needed(key: &Key, choice: Choice) -> &'static str {
    match choice {
        Choice::One(names) if names.contains(&key.name) => "one of these",
        Choice::Some(names) if names.contains(&key.name) => "one at least",
        _ if key.required => "yes",
        _ => "no",
    }
}

fn words(shape: &Shape) -> String {
    let Shape::OneOf(words) = shape else { return String::new() };
    let told: Vec<String> = words.iter().map(|(word, meaning)| format!("`{word}`: {meaning}")).collect();
    format!(" {}.", told.join("; "))
}
