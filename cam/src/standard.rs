//! The standard functions, as data.
//!
//! Each has its form, what it gives, and examples that a test runs both ways (as bytecode and by
//! the evaluator) and that the reference page shows. Most are *defined*: in the language itself,
//! by others, and the checker puts the definition in the place of the call. So they need neither
//! an instruction nor code of their own, and cost what their definition costs. The rest is
//! *basic*: [`crate::check`] makes instructions of them.
//!
//! The letters of a form say what its arguments are, see [`Param::of`].

mod list;
mod map;
mod number;
mod text;

use crate::diagnostic::did_you_mean;
use crate::ty::{Kind, Ty};

/// A standard function.
#[derive(Debug, Clone, Copy)]
pub struct Standard {
    /// What it is called on.
    pub on: On,
    /// What the items of a list have to be.
    pub items: Items,
    /// How it is written, such as `l.fold(start, (acc, x) -> e)`.
    pub form: &'static str,
    /// What it gives.
    pub gives: &'static str,
    /// What it is made of, in the letters of the form; `None`: basic.
    pub definition: Option<&'static str>,
    /// Expressions and what they give: another expression, or `trap: ` and the trap.
    pub examples: &'static [(&'static str, &'static str)],
}

/// What a standard function is called on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named after the types")]
pub enum On {
    List,
    Map,
    Option,
    Text,
    Bytes,
    Int,
    Duration,
    Secret,
    /// A value of any type.
    Anything,
}

/// What the items of a list have to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Items {
    /// Anything.
    Any,
    /// What a map may have as keys, so that there is an order and sameness.
    Keys,
    /// Ints.
    Ints,
    /// Durations.
    Durations,
    /// Texts.
    Texts,
    /// Lists.
    Lists,
    /// Pairs of a key and a value.
    Pairs,
}

/// What an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Param {
    /// A lambda, by what it gives.
    Lambda,
    /// An Int.
    Int,
    /// An Int that is not negative; else the step traps `range`.
    Natural,
    /// A Duration.
    Duration,
    /// A Text.
    Text,
    /// An item of the list.
    Item,
    /// Any list.
    List,
    /// A key of the map.
    Key,
    /// A value of the map.
    Value,
    /// Of the type of what the function is called on.
    Same,
    /// What a fold starts from.
    Start,
}

impl On {
    /// All of them, in the order of the reference page.
    pub const ALL: [On; 9] =
        [On::List, On::Map, On::Option, On::Text, On::Bytes, On::Int, On::Duration, On::Secret, On::Anything];

    /// Returns what functions on a type are found under.
    pub fn of(ty: &Ty) -> On {
        match ty.kind() {
            Kind::List { .. } => On::List,
            Kind::Map { .. } => On::Map,
            Kind::Option(_) => On::Option,
            Kind::Text { .. } => On::Text,
            Kind::Bytes { .. } => On::Bytes,
            Kind::Int { .. } => On::Int,
            Kind::Duration => On::Duration,
            Kind::Secret(_) => On::Secret,
            _ => On::Anything,
        }
    }

    /// Returns the name for people.
    pub fn words(self) -> &'static str {
        match self {
            On::List => "List",
            On::Map => "Map",
            On::Option => "Option",
            On::Text => "Text",
            On::Bytes => "Bytes",
            On::Int => "Int",
            On::Duration => "Duration",
            On::Secret => "secret",
            On::Anything => "anything",
        }
    }

    fn table(self) -> &'static [Standard] {
        match self {
            On::List => list::LIST,
            On::Map => map::MAP,
            On::Option => map::OPTION,
            On::Text => text::TEXT,
            On::Bytes => text::BYTES,
            On::Int => number::INT,
            On::Duration => number::DURATION,
            On::Secret => number::SECRET,
            On::Anything => number::ANYTHING,
        }
    }
}

impl Items {
    /// Returns true for items that are so.
    pub fn admit(self, item: &Ty) -> bool {
        match (self, item.kind()) {
            (Items::Any, _) | (Items::Ints, Kind::Int { .. }) | (Items::Durations, Kind::Duration) => true,
            (Items::Texts, Kind::Text { .. }) | (Items::Lists, Kind::List { .. }) => true,
            (Items::Keys, _) => item.is_key(),
            (Items::Pairs, Kind::Tuple(parts)) => parts.len() == 2 && parts[0].is_key(),
            _ => false,
        }
    }

    /// Returns the words for people.
    pub fn words(self) -> &'static str {
        match self {
            Items::Any => "anything",
            Items::Keys => "what may be a key of a Map",
            Items::Ints => "Int",
            Items::Durations => "Duration",
            Items::Texts => "Text",
            Items::Lists => "List",
            Items::Pairs => "(key, value)",
        }
    }
}

impl Param {
    /// Returns what an argument is by its name in the form.
    fn of(on: On, name: &str) -> Param {
        match (on, name) {
            (_, name) if name.contains("->") => Param::Lambda,
            (_, "i" | "n" | "m" | "from" | "to" | "lo" | "hi") if on != On::Duration => Param::Int,
            (_, "p") => Param::Natural,
            (On::Duration, _) => Param::Duration,
            (_, "t" | "t2" | "t3") => Param::Text,
            (On::List, "x") => Param::Item,
            (_, "l2") => Param::List,
            (On::Map, "k") => Param::Key,
            (On::Map, "v") => Param::Value,
            (On::Map, "m2") | (On::Option, _) => Param::Same,
            (_, "start") if on == On::Map => Param::Value,
            (_, "start") => Param::Start,
            _ => unreachable!("each letter of a form has a meaning; `{name}` has none"),
        }
    }
}

impl Standard {
    const fn basic(
        on: On,
        form: &'static str,
        gives: &'static str,
        examples: &'static [(&'static str, &'static str)],
    ) -> Standard {
        Standard { on, items: Items::Any, form, gives, definition: None, examples }
    }

    const fn defined(
        on: On,
        form: &'static str,
        gives: &'static str,
        definition: &'static str,
        examples: &'static [(&'static str, &'static str)],
    ) -> Standard {
        Standard { on, items: Items::Any, form, gives, definition: Some(definition), examples }
    }

    const fn of(self, items: Items) -> Standard {
        Standard { items, ..self }
    }

    /// Returns the name, such as `fold`.
    pub fn name(&self) -> &'static str {
        let (_, rest) = self.form.split_once('.').expect("a form is `x.name(...)`");
        rest.split('(').next().unwrap_or(rest)
    }

    /// Returns the letter that stands for what it is called on.
    pub fn subject(&self) -> &'static str {
        self.form.split('.').next().unwrap_or("")
    }

    /// Returns the names of its arguments and what they are. A lambda's name is what it gives.
    pub fn params(&self) -> impl Iterator<Item = (&'static str, Param)> + use<> {
        let on = self.on;
        split_arguments(self.form).into_iter().map(move |text| {
            let name = text.rsplit("-> ").next().unwrap_or(text);
            (name, Param::of(on, text))
        })
    }
}

/// Returns the arguments of a form, such as `start` and `(acc, x) -> e`.
fn split_arguments(form: &'static str) -> Vec<&'static str> {
    let (_, inside) = form.split_once('(').expect("a form has arguments in parentheses");
    let inside = inside.strip_suffix(')').unwrap_or(inside);
    let mut depth = 0;
    let parts = inside.split(move |letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// Returns all standard functions, in the order of the reference page.
pub fn all() -> impl Iterator<Item = &'static Standard> {
    On::ALL.into_iter().flat_map(On::table)
}

/// Returns the functions that may be called on this, those on anything included.
pub fn on(on: On) -> impl Iterator<Item = &'static Standard> {
    let anything = if on == On::Anything { &[][..] } else { On::Anything.table() };
    on.table().iter().chain(anything)
}

/// What other languages call a standard function.
const ELSEWHERE: &[(&str, &str)] = &[
    ("add", "push"),
    ("append", "push"),
    ("chain", "and_then"),
    ("collect", "to_list"),
    ("concat", "flatten"),
    ("contains_key", "has"),
    ("count", "len"),
    ("delete", "remove"),
    ("dedup", "distinct"),
    ("each", "map"),
    ("enumerate", "with_index"),
    ("every", "all"),
    ("exists", "any"),
    ("flatmap", "flat_map"),
    ("foldl", "fold"),
    ("for_each", "map"),
    ("from_list", "to_map"),
    ("has_key", "has"),
    ("head", "first"),
    ("includes", "contains"),
    ("insert", "put"),
    ("is_member", "contains"),
    ("keep", "filter"),
    ("length", "len"),
    ("lower", "to_lower"),
    ("lowercase", "to_lower"),
    ("map_with_index", "with_index"),
    ("member", "contains"),
    ("position", "find_index"),
    ("power", "pow"),
    ("prepend", "insert"),
    ("range", "to"),
    ("reduce", "fold"),
    ("select", "filter"),
    ("size", "len"),
    ("some", "any"),
    ("string", "show"),
    ("strip", "trim"),
    ("substring", "slice"),
    ("tail", "drop"),
    ("then", "and_then"),
    ("times", "iterate"),
    ("to_string", "show"),
    ("to_text", "show"),
    ("unique", "distinct"),
    ("unwrap", "or"),
    ("unwrap_or", "or"),
    ("upper", "to_upper"),
    ("uppercase", "to_upper"),
    ("upsert", "update_or"),
    ("with_default", "or"),
];

/// Returns the function on this that `name` is a slip of, or another language's word for.
pub fn meant<'n>(name: &str, which: On, own: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let here = |name: &str| on(which).any(|standard| standard.name() == name);
    // `indexOf` is `index_of`.
    let plain = |name: &str| name.to_lowercase().replace('_', "");
    let respelt = on(which).map(Standard::name).find(|word| plain(word) == plain(name));
    let foreign = || ELSEWHERE.iter().filter(|(_, known)| here(known));
    let renamed = || foreign().find(|(other, _)| plain(other) == plain(name)).map(|(_, known)| *known);
    if let Some(known) = respelt.or_else(renamed) {
        return Some(known);
    }
    let words = on(which).map(|standard| standard.name()).chain(foreign().map(|(other, _)| *other));
    let near = did_you_mean(name, own.chain(words))?;
    let same = foreign().find(|(other, known)| *other == near && !here(other) && here(known));
    Some(same.map_or(near, |(_, known)| known))
}

#[cfg(test)]
mod tests;
