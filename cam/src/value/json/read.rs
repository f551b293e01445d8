//! JSON text to values.
//!
//! The text goes through serde_json's parser once, and the type says at each place what may
//! come; no tree of the text is built. That is how doubled keys are seen, which a tree would have
//! lost, and why the depth of what is read is that of the type.
//!
//! The path to the place stands in [`Place`], and stays there when reading ends in an error.

use std::fmt;
use std::sync::Arc;

use rpds::VectorSync;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::super::{Map, Value};
use super::base64;
use crate::diagnostic::did_you_mean;
use crate::ty::{Kind, Record, Ty, Variant};

/// How many bytes of JSON are read as one value by default: 1 MiB.
pub const BYTES_MAX: usize = 1 << 20;

/// Why a text is not the JSON of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct JsonError {
    /// Where: `$`, then `.field`, `.Case`, `["key"]` or `[index]`.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl Value {
    /// Reads a value of the type from JSON of at most [`BYTES_MAX`] bytes; safe on any text.
    ///
    /// # Errors
    ///
    /// When the text is no JSON, too long, or not of the type.
    pub fn from_json(json: &str, ty: &Ty) -> Result<Value, JsonError> {
        Value::from_json_within(json, ty, BYTES_MAX)
    }

    /// Does what [`Value::from_json`] does, with another limit, in bytes.
    ///
    /// # Errors
    ///
    /// When the text is no JSON, too long, or not of the type.
    pub fn from_json_within(json: &str, ty: &Ty, bytes_max: usize) -> Result<Value, JsonError> {
        if json.len() > bytes_max {
            let message = format!("{} bytes are above the limit of {bytes_max}", json.len());
            return Err(JsonError { path: "$".into(), message });
        }
        let mut place = Place::default();
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let value = Reader::new(&mut place, ty)
            .deserialize(&mut deserializer)
            .and_then(|value| deserializer.end().map(|()| value));
        value.map_err(|error| {
            place.hide();
            let path = place.path();
            JsonError { path, message: place.fault.unwrap_or_else(|| format!("not JSON: {error}")) }
        })
    }
}

/// Where the reader is, and what it found wrong there.
#[derive(Default)]
struct Place {
    steps: Vec<Step>,
    fault: Option<String>,
    /// The secret that is being read: how many steps lead to it, and its type in words.
    secret: Option<(usize, String)>,
}

enum Step {
    Index(usize),
    /// Of a field or case.
    Label(Arc<str>),
    /// Of a map, cut and in quotes.
    Key(String),
}

impl Place {
    fn path(&self) -> String {
        let step = |step: &Step| match step {
            Step::Index(index) => format!("[{index}]"),
            Step::Label(label) => format!(".{label}"),
            Step::Key(key) => format!("[{key}]"),
        };
        std::iter::once("$".to_owned()).chain(self.steps.iter().map(step)).collect()
    }

    /// Notes that a secret begins here, if it is the outermost.
    fn enter_secret(&mut self, ty: &Ty) {
        let depth = self.steps.len();
        self.secret.get_or_insert_with(|| (depth, ty.to_string()));
    }

    /// Takes the step back from a part that was read.
    fn leave(&mut self) {
        if self.secret.as_ref().is_some_and(|(depth, _)| *depth == self.steps.len()) {
            self.secret = None;
        }
        self.steps.pop();
    }

    /// Replaces what is wrong within a secret, and where, by words that tell nothing of it.
    fn hide(&mut self) {
        if let (Some((depth, ty)), Some(fault)) = (self.secret.take(), &mut self.fault) {
            self.steps.truncate(depth);
            *fault = format!("expected {ty}, found something else");
        }
    }

    /// Notes what is wrong. serde's error is a mere signal: it would add a line and a column.
    fn fault<E: Error>(&mut self, message: String) -> E {
        self.fault.get_or_insert(message);
        E::custom("see `Place::fault`")
    }
}

/// Reads a value of a type.
struct Reader<'p, 't> {
    place: &'p mut Place,
    /// What is read. For an Option of something that is none: that something.
    ty: &'t Ty,
    /// Whether `null` stands for None, and all else for a Some.
    optional: bool,
}

impl<'p, 't> Reader<'p, 't> {
    fn new(place: &'p mut Place, ty: &'t Ty) -> Reader<'p, 't> {
        if matches!(ty.kind(), Kind::Secret(_)) {
            place.enter_secret(ty);
        }
        let (whole, ty) = (ty, ty.unsealed());
        match ty.kind() {
            Kind::Option(item) if !matches!(item.unsealed().kind(), Kind::Option(_)) => {
                if matches!(item.kind(), Kind::Secret(_)) {
                    place.enter_secret(whole);
                }
                Reader { place, ty: item.unsealed(), optional: true }
            }
            _ => Reader { place, ty, optional: false },
        }
    }

    fn done(&self, value: Value) -> Value {
        if self.optional { Value::some(value) } else { value }
    }

    fn expected(&self) -> String {
        let what = match self.ty.kind() {
            Kind::Unit => "[]".to_owned(),
            Kind::Option(_) => "null or {\"Some\": ...}".to_owned(),
            Kind::List { .. } => "a list".to_owned(),
            Kind::Map { key, .. } if matches!(key.kind(), Kind::Text { .. }) => {
                "a map as an object".to_owned()
            }
            Kind::Map { .. } => "a map as an array of [key, value]".to_owned(),
            Kind::Tuple(items) => format!("an array of {}", items.len()),
            Kind::Record(_) => "a record".to_owned(),
            Kind::Variant(_) => "a case".to_owned(),
            _ => self.ty.to_string(),
        };
        format!("{what}{}", if self.optional { " or null" } else { "" })
    }

    fn mismatch<E: Error>(self, found: impl fmt::Display) -> E {
        let message = format!("expected {}, found {found}", self.expected());
        self.place.fault(message)
    }

    fn int<E: Error>(self, int: i64) -> Result<Value, E> {
        match self.ty.kind() {
            Kind::Int { lo, hi } if (lo..=hi).contains(&&int) => Ok(self.done(Value::Int(int))),
            Kind::Duration => Ok(self.done(Value::Int(int))),
            _ => Err(self.mismatch(int)),
        }
    }

    /// Reads one part, with the step to it on the path meanwhile.
    fn part<E>(
        &mut self,
        step: Step,
        ty: &Ty,
        read: impl FnOnce(Reader<'_, '_>) -> Result<Value, E>,
    ) -> Result<Value, E> {
        self.place.steps.push(step);
        let value = read(Reader::new(self.place, ty))?;
        self.place.leave();
        Ok(value)
    }

    /// Reads the next item of an array.
    fn item<'de, A: SeqAccess<'de>>(
        &mut self,
        seq: &mut A,
        index: usize,
        ty: &Ty,
    ) -> Result<Option<Value>, A::Error> {
        self.place.steps.push(Step::Index(index));
        let value = seq.next_element_seed(Reader::new(self.place, ty))?;
        self.place.leave();
        Ok(value)
    }

    fn tuple<'de, A: SeqAccess<'de>>(self, mut seq: A, items: &[&Ty]) -> Result<Vec<Value>, A::Error> {
        let mut reader = self;
        let mut values = Vec::with_capacity(items.len());
        for (index, ty) in items.iter().enumerate() {
            match reader.item(&mut seq, index, ty)? {
                Some(value) => values.push(value),
                None => return Err(reader.mismatch(format_args!("an array of {index}"))),
            }
        }
        match seq.next_element::<IgnoredAny>()? {
            None => Ok(values),
            Some(_) => Err(reader.mismatch("a longer array")),
        }
    }

    fn list<'de, A: SeqAccess<'de>>(
        mut self,
        mut seq: A,
        ty: &Ty,
        max: Option<u32>,
    ) -> Result<Value, A::Error> {
        let mut items = VectorSync::new_sync();
        while let Some(value) = self.item(&mut seq, items.len(), ty)? {
            if max.is_some_and(|max| items.len() >= max as usize) {
                let expected = self.ty.to_string();
                let max = max.unwrap_or_default();
                return Err(self.place.fault(format!("expected {expected}, found more than {max} items")));
            }
            items.push_back_mut(value);
        }
        Ok(self.done(Value::List(items)))
    }

    fn pairs<'de, A: SeqAccess<'de>>(mut self, mut seq: A, key: &Ty, value: &Ty) -> Result<Value, A::Error> {
        let pair = Ty::new(Kind::Tuple(vec![key.clone(), value.clone()]))
            .expect("a pair of two types is as deep and as large as a map of them");
        let mut map = Map::new();
        for index in 0.. {
            let Some(Value::Product(parts)) = self.item(&mut seq, index, &pair)? else { break };
            if map.contains_key(&parts[0]) {
                self.place.steps.push(Step::Index(index));
                return Err(self.place.fault(format!("the key {} stands twice", parts[0].to_json(key))));
            }
            map.insert(parts[0].clone(), parts[1].clone());
        }
        Ok(self.done(Value::Map(map)))
    }

    fn object<'de, A: MapAccess<'de>>(mut self, mut object: A, key: &Ty, ty: &Ty) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(label) = object.next_key::<String>()? {
            let shown = quoted(&label);
            let k = Value::text(&label);
            if !k.has_type(key) {
                return Err(self.place.fault(format!("expected {key} as key, found {shown}")));
            }
            if map.contains_key(&k) {
                return Err(self.place.fault(format!("the key {shown} stands twice")));
            }
            let v = self.part(Step::Key(shown), ty, |reader| object.next_value_seed(reader))?;
            map.insert(k, v);
        }
        Ok(self.done(Value::Map(map)))
    }

    fn record<'de, A: MapAccess<'de>>(mut self, mut object: A, record: &Record) -> Result<Value, A::Error> {
        let mut values: Vec<Option<Value>> = vec![None; record.fields.len()];
        while let Some(label) = object.next_key::<String>()? {
            let Some(index) = record.index(&label) else {
                let labels = record.fields.iter().map(|field| &*field.label);
                return Err(self.place.fault(unknown("field", &label, labels)));
            };
            if values[index].is_some() {
                return Err(self.place.fault(format!("the field `{label}` stands twice")));
            }
            let (step, ty) = (Step::Label(record.fields[index].label.clone()), &record.fields[index].ty);
            let value = self.part(step, ty, |reader| object.next_value_seed(reader))?;
            values[index] = Some(value);
        }
        for (index, field) in record.in_declared_order() {
            if values[index].is_none() {
                values[index] = Some(match (&field.default, field.ty.unsealed().kind()) {
                    (Some(default), _) => default.clone(),
                    (None, Kind::Option(_)) => Value::none(),
                    (None, _) => {
                        return Err(self.place.fault(format!("the field `{}` is missing", field.label)));
                    }
                });
            }
        }
        Ok(self.done(Value::product(values.into_iter().flatten())))
    }

    /// Reads a case that is written as an object of one key.
    fn case<'de, A: MapAccess<'de>>(mut self, mut object: A, variant: &Variant) -> Result<Value, A::Error> {
        let Some(label) = object.next_key::<String>()? else {
            return Err(self.mismatch("{}"));
        };
        let Some(index) = variant.index(&label) else {
            return Err(self.place.fault(unknown_case(&label, variant)));
        };
        let payload = &variant.cases[index].payload;
        if matches!(payload.kind(), Kind::Unit) {
            return Err(self
                .place
                .fault(format!("the case `{label}` holds nothing and is written \"{label}\"")));
        }
        let step = Step::Label(variant.cases[index].label.clone());
        let value = self.part(step, payload, |reader| object.next_value_seed(reader))?;
        self.only(object)?;
        Ok(self.done(Value::sum(index, value)))
    }

    /// Reads the Some of an Option in an Option.
    fn some<'de, A: MapAccess<'de>>(mut self, mut object: A, item: &Ty) -> Result<Value, A::Error> {
        match object.next_key::<String>()?.as_deref() {
            None => return Err(self.mismatch("{}")),
            Some("Some") => {}
            Some(label) => return Err(self.place.fault(unknown("case", label, ["Some"]))),
        }
        let value = self.part(Step::Label("Some".into()), item, |reader| object.next_value_seed(reader))?;
        self.only(object)?;
        Ok(Value::some(value))
    }

    /// Refuses a second key.
    fn only<'de, A: MapAccess<'de>>(&mut self, mut object: A) -> Result<(), A::Error> {
        match object.next_key::<String>()? {
            None => Ok(()),
            Some(second) => {
                Err(self.place.fault(format!("expected exactly one case, found also {}", quoted(&second))))
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.expected())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        match self.ty.kind() {
            _ if self.optional => Ok(Value::none()),
            Kind::Option(_) => Ok(Value::none()),
            _ => Err(self.mismatch("null")),
        }
    }

    fn visit_bool<E: Error>(self, bool: bool) -> Result<Value, E> {
        match self.ty.kind() {
            Kind::Bool => Ok(self.done(Value::Bool(bool))),
            _ => Err(self.mismatch(bool)),
        }
    }

    fn visit_i64<E: Error>(self, int: i64) -> Result<Value, E> {
        self.int(int)
    }

    fn visit_u64<E: Error>(self, int: u64) -> Result<Value, E> {
        match i64::try_from(int) {
            Ok(int) => self.int(int),
            Err(_) => Err(self.mismatch(int)),
        }
    }

    /// All numbers with a fraction or an exponent come here, those of more than 64 bits, and `-0`.
    fn visit_f64<E: Error>(self, float: f64) -> Result<Value, E> {
        match self.ty.kind() {
            Kind::Int { .. } | Kind::Duration if float == 0.0 && float.is_sign_negative() => {
                Err(self.mismatch("-0 or -0.0"))
            }
            Kind::Int { .. } | Kind::Duration => Err(self.mismatch(format_args!(
                "the number {float:?}, with a fraction or an exponent or of more than 64 bits"
            ))),
            _ => Err(self.mismatch(format_args!("the number {float:?}"))),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        match self.ty.kind() {
            Kind::Text { .. } => match Value::text(text) {
                value if value.has_type(self.ty) => Ok(self.done(value)),
                _ => {
                    let length = text.chars().count();
                    Err(self.mismatch(format_args!("a text of {length} characters")))
                }
            },
            Kind::Int { .. } | Kind::Duration => match text.parse::<i64>() {
                // The digits have to be those that are written, as for a number.
                Ok(int) if int.to_string() == text => self.int(int),
                _ => Err(self.mismatch(quoted(text))),
            },
            Kind::Bytes { max } => match base64::decode(text) {
                Some(octets) if max.is_some_and(|max| octets.len() > max as usize) => {
                    Err(self.mismatch(format_args!("{} bytes", octets.len())))
                }
                Some(octets) => Ok(self.done(Value::Bytes(octets.into()))),
                None => {
                    let message = format!("expected {} as padded base64, found {}", self.ty, quoted(text));
                    Err(self.place.fault(message))
                }
            },
            Kind::Variant(variant) => match variant.index(text) {
                Some(index) if matches!(variant.cases[index].payload.kind(), Kind::Unit) => {
                    Ok(self.done(Value::sum(index, Value::Unit)))
                }
                Some(_) => {
                    let message =
                        format!("the case `{text}` holds a value and is written {{\"{text}\": ...}}");
                    Err(self.place.fault(message))
                }
                None => Err(self.place.fault(unknown_case(text, variant))),
            },
            _ => Err(self.mismatch(quoted(text))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Value, A::Error> {
        let ty = self.ty;
        let optional = self.optional;
        let done = |value| if optional { Value::some(value) } else { value };
        match ty.kind() {
            Kind::Unit => self.tuple(seq, &[]).map(|_| done(Value::Unit)),
            Kind::Tuple(items) => {
                let items: Vec<&Ty> = items.iter().collect();
                self.tuple(seq, &items).map(|values| done(Value::product(values)))
            }
            Kind::List { item, max } => self.list(seq, item, *max),
            Kind::Map { key, value } if !matches!(key.kind(), Kind::Text { .. }) => {
                self.pairs(seq, key, value)
            }
            _ => Err(self.mismatch("an array")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Value, A::Error> {
        let ty = self.ty;
        match ty.kind() {
            Kind::Record(record) => self.record(object, record),
            Kind::Variant(variant) => self.case(object, variant),
            Kind::Option(item) => self.some(object, item),
            Kind::Map { key, value } if matches!(key.kind(), Kind::Text { .. }) => {
                self.object(object, key, value)
            }
            _ => Err(self.mismatch("an object")),
        }
    }
}

/// The text in quotes, escaped, and cut: an error is for people, whatever was sent.
fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(40).collect();
    let dots = if cut.len() < text.len() { "..." } else { "" };
    format!("{cut:?}{dots}")
}

fn unknown<'a>(what: &str, label: &str, labels: impl IntoIterator<Item = &'a str>) -> String {
    let hint =
        did_you_mean(label, labels).map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
    format!("there is no {what} {}{hint}", quoted(label))
}

fn unknown_case(label: &str, variant: &Variant) -> String {
    unknown("case", label, variant.cases.iter().map(|case| &*case.label))
}
