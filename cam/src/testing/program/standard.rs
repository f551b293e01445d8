//! What the standard functions take and give, in types, so that calls can be generated.
//!
//! `a` and `b` are any types, `k` and `j` may be keys, `s` can be shown, `h` holds no secret. A new
//! standard function comes in by a line here; a test finds those that have none.

use std::collections::BTreeMap;

use crate::check::widened;
#[cfg(test)]
use crate::standard::{On, Standard};
use crate::ty::{Kind, Ty};

use super::types::sure;

/// One line per standard function.
const SIGNATURES: &[&str] = &[
    "List(a).len() -> Int",
    "List(a).is_empty() -> Bool",
    "List(a).get(Int) -> Option(a)",
    "List(a).first() -> Option(a)",
    "List(a).last() -> Option(a)",
    "List(a).push(a) -> List(a)",
    "List(a).set(Int, a) -> List(a)",
    "List(a).update(Int, |a| a) -> List(a)",
    "List(a).insert(Int, a) -> List(a)",
    "List(a).remove_at(Int) -> List(a)",
    "List(a).take(Int) -> List(a)",
    "List(a).drop(Int) -> List(a)",
    "List(a).slice(Int, Int) -> List(a)",
    "List(a).take_while(|a| Bool) -> List(a)",
    "List(a).drop_while(|a| Bool) -> List(a)",
    "List(a).reverse() -> List(a)",
    "List(a).map(|a| b) -> List(b)",
    "List(a).filter(|a| Bool) -> List(a)",
    "List(a).filter_map(|a| Option(b)) -> List(b)",
    "List(a).flat_map(|a| List(b)) -> List(b)",
    "List(List(a)).flatten() -> List(a)",
    "List(a).partition(|a| Bool) -> (List(a), List(a))",
    "List(a).find(|a| Bool) -> Option(a)",
    "List(a).find_index(|a| Bool) -> Option(Int)",
    "List(a).index_of(a) -> Option(Int)",
    "List(a).contains(a) -> Bool",
    "List(a).any(|a| Bool) -> Bool",
    "List(a).all(|a| Bool) -> Bool",
    "List(a).count(|a| Bool) -> Int",
    "List(a).fold(b, |b, a| b) -> b",
    "List(a).fold_while(b, |b, a| Bool, |b, a| b) -> b",
    "List(Int).sum() -> Int",
    "List(Duration).sum() -> Duration",
    "List(k).min() -> Option(k)",
    "List(k).max() -> Option(k)",
    "List(a).min_by(|a| k) -> Option(a)",
    "List(a).max_by(|a| k) -> Option(a)",
    "List(k).sort() -> List(k)",
    "List(a).sort_by(|a| k) -> List(a)",
    "List(a).group_by(|a| k) -> Map(k, List(a))",
    "List(k).distinct() -> List(k)",
    "List(a).distinct_by(|a| k) -> List(a)",
    "List(a).with_index() -> List((Int, a))",
    "List(a).zip(List(b)) -> List((a, b))",
    "List(a).chunks(Int) -> List(List(a))",
    "List(a).repeat(Int) -> List(a)",
    "List(Text).join(Text) -> Text",
    "List((k, a)).to_map() -> Map(k, a)",
    "List(Int).to_bytes() -> Option(Bytes)",
    "Map(k, a).len() -> Int",
    "Map(k, a).is_empty() -> Bool",
    "Map(k, a).get(k) -> Option(a)",
    "Map(k, a).get_or(k, a) -> a",
    "Map(k, a).has(k) -> Bool",
    "Map(k, a).put(k, a) -> Map(k, a)",
    "Map(k, a).update(k, |a| a) -> Map(k, a)",
    "Map(k, a).update_or(k, a, |a| a) -> Map(k, a)",
    "Map(k, a).remove(k) -> Map(k, a)",
    "Map(k, a).merge(Map(k, a)) -> Map(k, a)",
    "Map(k, a).entries() -> List((k, a))",
    "Map(k, a).keys() -> List(k)",
    "Map(k, a).values() -> List(a)",
    "Map(k, a).first() -> Option((k, a))",
    "Map(k, a).last() -> Option((k, a))",
    "Map(k, a).map(|k, a| b) -> Map(k, b)",
    "Map(k, a).map_keys(|k, a| j) -> Map(j, a)",
    "Map(k, a).filter(|k, a| Bool) -> Map(k, a)",
    "Map(k, a).filter_map(|k, a| Option(b)) -> Map(k, b)",
    "Map(k, a).find(|k, a| Bool) -> Option((k, a))",
    "Map(k, a).any(|k, a| Bool) -> Bool",
    "Map(k, a).all(|k, a| Bool) -> Bool",
    "Map(k, a).count(|k, a| Bool) -> Int",
    "Map(k, a).fold(b, |b, k, a| b) -> b",
    "Option(a).is_some() -> Bool",
    "Option(a).is_none() -> Bool",
    "Option(a).or(a) -> a",
    "Option(a).or_else(Option(a)) -> Option(a)",
    "Option(a).map(|a| b) -> Option(b)",
    "Option(a).and_then(|a| Option(b)) -> Option(b)",
    "Option(a).filter(|a| Bool) -> Option(a)",
    "Option(a).to_list() -> List(a)",
    "Text.len() -> Int",
    "Text.is_empty() -> Bool",
    "Text.slice(Int, Int) -> Text",
    "Text.take(Int) -> Text",
    "Text.drop(Int) -> Text",
    "Text.index_of(Text) -> Option(Int)",
    "Text.contains(Text) -> Bool",
    "Text.starts_with(Text) -> Bool",
    "Text.ends_with(Text) -> Bool",
    "Text.split(Text) -> List(Text)",
    "Text.chars() -> List(Text)",
    "Text.replace(Text, Text) -> Text",
    "Text.trim() -> Text",
    "Text.trim_start() -> Text",
    "Text.trim_end() -> Text",
    "Text.to_upper() -> Text",
    "Text.to_lower() -> Text",
    "Text.repeat(Int) -> Text",
    "Text.pad_start(Int, Text) -> Text",
    "Text.pad_end(Int, Text) -> Text",
    "Text.parse() -> Option(Int)",
    "Text.to_bytes() -> Bytes",
    "Text.parse_hex() -> Option(Bytes)",
    "Bytes.len() -> Int",
    "Bytes.is_empty() -> Bool",
    "Bytes.get(Int) -> Option(Int)",
    "Bytes.slice(Int, Int) -> Bytes",
    "Bytes.take(Int) -> Bytes",
    "Bytes.drop(Int) -> Bytes",
    "Bytes.to_list() -> List(Int)",
    "Bytes.to_text() -> Option(Text)",
    "Bytes.to_hex() -> Text",
    "Int.abs() -> Int",
    "Int.sign() -> Int",
    "Int.min(Int) -> Int",
    "Int.max(Int) -> Int",
    "Int.clamp(Int, Int) -> Int",
    "Int.pow(Natural) -> Int",
    "Int.to(Int) -> List(Int)",
    "Int.bit_and(Int) -> Int",
    "Int.bit_or(Int) -> Int",
    "Int.bit_xor(Int) -> Int",
    "Int.ms() -> Duration",
    "Int.seconds() -> Duration",
    "Int.minutes() -> Duration",
    "Int.hours() -> Duration",
    "Int.days() -> Duration",
    "Duration.ms() -> Int",
    "Duration.seconds() -> Int",
    "Duration.minutes() -> Int",
    "Duration.hours() -> Int",
    "Duration.days() -> Int",
    "Duration.abs() -> Duration",
    "Duration.min(Duration) -> Duration",
    "Duration.max(Duration) -> Duration",
    "Duration.clamp(Duration, Duration) -> Duration",
    "Secret(h).reveal() -> h",
    "a.iterate(Int, |a| a) -> a",
    "a.iterate_while(Int, |a| Bool, |a| a) -> a",
    "h.hash() -> Bytes",
    "s.show() -> Text",
];

/// A type with letters in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    Letter(char),
    Plain(Ty),
    List(Box<Shape>),
    Option(Box<Shape>),
    Secret(Box<Shape>),
    Map(Box<Shape>, Box<Shape>),
    Pair(Box<Shape>, Box<Shape>),
}

/// What a call gives to a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Argument {
    Value(Shape),
    Lambda(Vec<Shape>, Shape),
}

/// A standard function with its types.
#[derive(Debug, Clone)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    pub(super) subject: Shape,
    pub(super) arguments: Vec<Argument>,
    pub(super) result: Shape,
}

/// What letters stand for.
pub(super) type Letters = BTreeMap<char, Ty>;

/// Returns all signatures.
pub(super) fn signatures() -> Vec<Signature> {
    SIGNATURES.iter().map(|text| Reader { rest: text }.signature()).collect()
}

impl Signature {
    /// Returns true when a letter stands for a type with limits that the call would take away:
    /// where it is no part of something else that the function is called on.
    pub(super) fn widens(&self, letters: &Letters) -> bool {
        let kept = match &self.subject {
            Shape::Letter(_) | Shape::Secret(_) => vec![],
            subject => subject.letters(),
        };
        letters.iter().any(|(letter, ty)| !kept.contains(letter) && widened(ty) != *ty)
    }

    /// Returns true when this is the signature of the function.
    #[cfg(test)]
    pub(super) fn is_of(&self, standard: &Standard) -> bool {
        let on = match &self.subject {
            Shape::Letter(_) => On::Anything,
            Shape::Plain(ty) => On::of(ty),
            Shape::List(_) => On::List,
            Shape::Option(_) => On::Option,
            Shape::Secret(_) => On::Secret,
            Shape::Map(..) => On::Map,
            Shape::Pair(..) => unreachable!("no function is on pairs"),
        };
        on == standard.on && self.name == standard.name()
    }
}

impl Shape {
    /// Finds out what the letters have to stand for, so that this is the type.
    pub(super) fn fits(&self, ty: &Ty, letters: &mut Letters) -> bool {
        match (self, ty.kind()) {
            (Shape::Letter(letter), _) if !admits(*letter, ty) => false,
            (Shape::Letter(letter), _) => letters.entry(*letter).or_insert_with(|| ty.clone()) == ty,
            (Shape::Plain(plain), _) => plain == ty,
            (Shape::List(shape), Kind::List { item, max: None })
            | (Shape::Option(shape), Kind::Option(item))
            | (Shape::Secret(shape), Kind::Secret(item)) => shape.fits(item, letters),
            (Shape::Map(key, value), Kind::Map { key: k, value: v }) => {
                key.fits(k, letters) && value.fits(v, letters)
            }
            (Shape::Pair(left, right), Kind::Tuple(parts)) if parts.len() == 2 => {
                left.fits(&parts[0], letters) && right.fits(&parts[1], letters)
            }
            _ => false,
        }
    }

    /// Returns the type, where all letters are known.
    pub(super) fn ty(&self, letters: &Letters) -> Ty {
        let of = |shape: &Shape| shape.ty(letters);
        match self {
            Shape::Letter(letter) => letters[letter].clone(),
            Shape::Plain(ty) => ty.clone(),
            Shape::List(item) => sure(Kind::List { item: of(item), max: None }),
            Shape::Option(item) => sure(Kind::Option(of(item))),
            Shape::Secret(item) => sure(Kind::Secret(of(item))),
            Shape::Map(key, value) => sure(Kind::Map { key: of(key), value: of(value) }),
            Shape::Pair(left, right) => sure(Kind::Tuple(vec![of(left), of(right)])),
        }
    }

    /// Returns the letters in it.
    pub(super) fn letters(&self) -> Vec<char> {
        match self {
            Shape::Letter(letter) => vec![*letter],
            Shape::Plain(_) => vec![],
            Shape::List(item) | Shape::Option(item) | Shape::Secret(item) => item.letters(),
            Shape::Map(one, other) | Shape::Pair(one, other) => [one.letters(), other.letters()].concat(),
        }
    }
}

/// Returns true when the letter may stand for the type.
pub(super) fn admits(letter: char, ty: &Ty) -> bool {
    match letter {
        'k' | 'j' => ty.is_key(),
        's' => matches!(ty.kind(), Kind::Int { .. } | Kind::Bool | Kind::Text { .. } | Kind::Duration),
        'h' => !ty.holds_secret(),
        _ => true,
    }
}

struct Reader {
    rest: &'static str,
}

impl Reader {
    fn signature(&mut self) -> Signature {
        let subject = self.shape();
        self.expect(".");
        let (name, rest) = self.rest.split_once('(').expect("a function has arguments");
        self.rest = rest;
        let mut arguments = vec![];
        while !self.eat(")") {
            arguments.push(self.argument());
            self.eat(", ");
        }
        self.expect(" -> ");
        Signature { name, subject, arguments, result: self.shape() }
    }

    fn argument(&mut self) -> Argument {
        if !self.eat("|") {
            return Argument::Value(self.shape());
        }
        let mut params = vec![];
        while !self.eat("| ") {
            params.push(self.shape());
            self.eat(", ");
        }
        Argument::Lambda(params, self.shape())
    }

    fn shape(&mut self) -> Shape {
        if self.eat("(") {
            let (left, right) = self.two(", ");
            return Shape::Pair(left, right);
        }
        let end = self.rest.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "Int" => Shape::Plain(Ty::int()),
            "Natural" => Shape::Plain(sure(Kind::Int { lo: 0, hi: i64::MAX })),
            "Bool" => Shape::Plain(Ty::bool()),
            "Text" => Shape::Plain(Ty::text()),
            "Bytes" => Shape::Plain(Ty::bytes()),
            "Duration" => Shape::Plain(Ty::duration()),
            "List" => Shape::List(self.one()),
            "Option" => Shape::Option(self.one()),
            "Secret" => Shape::Secret(self.one()),
            "Map" => {
                self.expect("(");
                let (key, value) = self.two(", ");
                Shape::Map(key, value)
            }
            letter => Shape::Letter(letter.chars().next().expect("a type or a letter")),
        }
    }

    fn one(&mut self) -> Box<Shape> {
        self.expect("(");
        let shape = self.shape();
        self.expect(")");
        Box::new(shape)
    }

    fn two(&mut self, between: &str) -> (Box<Shape>, Box<Shape>) {
        let left = self.shape();
        self.expect(between);
        let right = self.shape();
        self.expect(")");
        (Box::new(left), Box::new(right))
    }

    fn eat(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, text: &str) {
        assert!(self.eat(text), "expected {text:?} before {:?}", self.rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standard;

    #[test]
    fn each_standard_function_has_its_types() {
        let signatures = signatures();
        let missing: Vec<&str> = standard::all()
            .filter(|standard| !signatures.iter().any(|signature| signature.is_of(standard)))
            .map(|standard| standard.form)
            .collect();
        assert!(missing.is_empty(), "say in SIGNATURES what these take and give: {missing:?}");
        for signature in &signatures {
            let known = standard::all().any(|standard| {
                signature.is_of(standard) && standard.params().count() == signature.arguments.len()
            });
            assert!(known, "there is no such function: {signature:?}");
        }
    }
}
