//! What a value of a document may be.

use super::form::Form;

/// What a value may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// A text of a certain form.
    Word(Form),
    /// A text that is not blank, of at most so many characters.
    Prose(usize),
    /// One of a few words, each with what it means.
    OneOf(Vec<(&'static str, &'static str)>),
    /// A whole number within limits, both included.
    Number(u64, u64),
    /// `true` or `false`.
    Truth,
    /// A list.
    List {
        /// What its items are.
        item: Box<Shape>,
        /// No item stands twice.
        unique: bool,
        /// How many items there are at least.
        least: usize,
    },
    /// A table with fixed keys.
    Table(Table),
    /// A table from words to values.
    Map {
        /// What the keys are.
        key: Form,
        /// What stands for the key in the reference: `APP`.
        named: &'static str,
        /// What the values are.
        value: Box<Shape>,
        /// How many entries there are at least.
        least: usize,
    },
    /// One of several.
    Either(Vec<Shape>),
    /// Settings: whatever the type of a machine's configuration says.
    Settings,
}

/// A table with fixed keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The keys, in the order in which people write them.
    pub keys: Vec<Key>,
    /// Which of the keys have to be there beside those that are always needed.
    pub choice: Choice,
}

/// Which of several keys have to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// None has to be.
    Free,
    /// Exactly one of these.
    One(&'static [&'static str]),
    /// At least one of these.
    Some(&'static [&'static str]),
}

/// A key of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// True when the table is faulty without it.
    pub required: bool,
    /// What it says, in a sentence or two.
    pub meaning: &'static str,
    /// What holds when it is left out; empty when nothing is worth saying.
    pub otherwise: &'static str,
    /// What its value is.
    pub shape: Shape,
}

/// Returns a table.
pub(super) fn table(keys: Vec<Key>) -> Table {
    Table { keys, choice: Choice::Free }
}

/// Returns a key that has to be there.
pub(super) fn required(name: &'static str, shape: impl Into<Shape>, meaning: &'static str) -> Key {
    Key { name, required: true, meaning, otherwise: "", shape: shape.into() }
}

/// Returns a key that may be left out.
pub(super) fn optional(
    name: &'static str,
    shape: impl Into<Shape>,
    otherwise: &'static str,
    meaning: &'static str,
) -> Key {
    Key { name, required: false, meaning, otherwise, shape: shape.into() }
}

/// Returns a list of different words.
pub(super) fn words(form: Form) -> Shape {
    Shape::List { item: Box::new(Shape::Word(form)), unique: true, least: 0 }
}

/// Returns a list of tables.
pub(super) fn tables(item: Table) -> Shape {
    Shape::List { item: Box::new(Shape::Table(item)), unique: false, least: 0 }
}

/// Returns a table from words to values.
pub(super) fn map(key: Form, named: &'static str, value: impl Into<Shape>) -> Shape {
    Shape::Map { key, named, value: Box::new(value.into()), least: 0 }
}

impl From<Form> for Shape {
    fn from(form: Form) -> Shape {
        Shape::Word(form)
    }
}

impl From<Table> for Shape {
    fn from(table: Table) -> Shape {
        Shape::Table(table)
    }
}

impl Shape {
    /// Returns the same list or table with at least so many entries.
    pub(super) fn at_least(self, count: usize) -> Shape {
        match self {
            Shape::List { item, unique, .. } => Shape::List { item, unique, least: count },
            Shape::Map { key, named, value, .. } => Shape::Map { key, named, value, least: count },
            other => other,
        }
    }

    /// Returns what it is, in a few words.
    pub(super) fn told(&self) -> String {
        match self {
            Shape::Word(form) => form.what.to_owned(),
            Shape::Prose(_) => "a text".to_owned(),
            Shape::OneOf(words) => {
                words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ")
            }
            Shape::Number(least, greatest) => format!("a whole number, {least} to {greatest}"),
            Shape::Truth => "true or false".to_owned(),
            Shape::List { item, .. } => match &**item {
                Shape::Table(_) => "tables".to_owned(),
                item => format!("a list, each {}", item.told()),
            },
            Shape::Table(_) | Shape::Map { .. } => "a table".to_owned(),
            Shape::Either(shapes) => shapes.iter().map(Shape::told).collect::<Vec<_>>().join(", or "),
            Shape::Settings => "settings, as the machine's `Config` says".to_owned(),
        }
    }
}
