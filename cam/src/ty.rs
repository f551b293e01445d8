//! Types: shared, immutable, compared by digest.
//!
//! A [`Ty`] is a node in a graph without cycles. Its digest covers its whole structure, so that
//! two types are equal exactly when their digests are, in whichever module they stand; names of
//! types carry no meaning. There are no recursive types.
//!
//! What must stay true: a `Ty` that exists is well formed (labels and ordinals unique, at least
//! one field or case, key types orderable, depth at most [`DEPTH_MAX`], no more than
//! [`NODES_MAX`] nodes when written out as a tree), so that nobody who walks it has to check.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use crate::digest::Digest;
use crate::value::Value;

/// How deep types may nest: the depth limit of the JSON form of values.
pub const DEPTH_MAX: u32 = 64;

/// How many nodes a type may have when written out as a tree. Sharing would allow a small file
/// to describe a type of exponential size; whoever walks a type would never end.
pub const NODES_MAX: u64 = 65_536;

/// A type.
#[derive(Clone)]
pub struct Ty(Arc<Node>);

struct Node {
    kind: Kind,
    digest: Digest,
    depth: u32,
    nodes: u64,
    // Remembered, since a hostile module asks them of one large type again and again:
    /// Whether it orders.
    key: bool,
    /// Whether a secret stands in it.
    secret: bool,
    /// Whether a list or map stands in it.
    many: bool,
    /// Whether a list or map stands within a list or map.
    nests: bool,
}

/// What a type is made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The type of `()`.
    Unit,
    /// `true` and `false`.
    Bool,
    /// Whole numbers from `lo` to `hi`, both included.
    Int {
        /// The least value.
        lo: i64,
        /// The greatest value.
        hi: i64,
    },
    /// Text in UTF-8 of at most `max` Unicode scalar values.
    Text {
        /// The greatest length, in Unicode scalar values; `None`: any.
        max: Option<u32>,
    },
    /// Octets, at most `max`.
    Bytes {
        /// The greatest length in bytes; `None`: any.
        max: Option<u32>,
    },
    /// A length of time in milliseconds.
    Duration,
    /// A value or none.
    Option(Ty),
    /// A list of at most `max` items.
    List {
        /// The type of the items.
        item: Ty,
        /// The greatest length; `None`: any.
        max: Option<u32>,
    },
    /// An ordered map.
    Map {
        /// The type of the keys; orderable.
        key: Ty,
        /// The type of the values.
        value: Ty,
    },
    /// Two or more types side by side.
    Tuple(Vec<Ty>),
    /// Labelled fields.
    Record(Record),
    /// Labelled cases.
    Variant(Variant),
    /// A value that is shown to nobody but who asked for it. It has the values and the bytes of
    /// the type within.
    Secret(Ty),
}

/// A record type. The values of a record stand in the order of `fields`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record {
    /// By rising ordinal.
    pub fields: Vec<Field>,
    /// The order in which the source declares the fields: indices into `fields`.
    pub declared: Vec<u16>,
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// The name.
    pub label: Arc<str>,
    /// The place that the field keeps over all releases.
    pub ordinal: u32,
    /// The type of the field's value.
    pub ty: Ty,
    /// The value that stands for a missing one, of type `ty`.
    pub default: Option<Value>,
}

/// A variant type. [`Value::Sum`] holds an index into `cases`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Variant {
    /// By rising ordinal.
    pub cases: Vec<Case>,
}

/// A case of a variant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Case {
    /// The name.
    pub label: Arc<str>,
    /// The place that the case keeps over all releases.
    pub ordinal: u32,
    /// The type of what the case holds; `Unit` for a case without payload.
    pub payload: Ty,
}

/// Why a type cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TyError {
    /// `lo` is above `hi`.
    #[error("the range {lo}..={hi} holds no number")]
    EmptyRange {
        /// The least value.
        lo: i64,
        /// The greatest value.
        hi: i64,
    },
    /// A tuple needs two members.
    #[error("a tuple has at least two members")]
    ShortTuple,
    /// A record or variant without members.
    #[error("a record has at least one field, a variant at least one case")]
    NoMembers,
    /// More members than an index can count.
    #[error("a record or variant has at most {0} members")]
    TooManyMembers(usize),
    /// A label that is empty or longer than [`LABEL_MAX`].
    #[error("a label has 1 to {LABEL_MAX} bytes")]
    Label,
    /// Two members share a label.
    #[error("the label `{0}` stands twice")]
    DoubledLabel(Arc<str>),
    /// The ordinals do not rise.
    #[error("the ordinals of members do not rise at `{0}`")]
    Ordinals(Arc<str>),
    /// `declared` is not a permutation of the fields.
    #[error("the declared order does not name each field once")]
    DeclaredOrder,
    /// A map key type that has no order.
    #[error("a map key is an Int, Bool, Text, Bytes, Duration, tuple of these, or variant without payloads")]
    KeyType,
    /// A map key with a secret in it.
    #[error("a secret is no map key: keys are written wherever entries are named")]
    SecretKey,
    /// A secret that is secret already.
    #[error("this is secret already")]
    DoubledSecret,
    /// A default that is no value of its field's type.
    #[error("the default of `{0}` is not of the field's type")]
    Default(Arc<str>),
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("a type nests at most {DEPTH_MAX} deep")]
    TooDeep,
    /// More than [`NODES_MAX`] nodes.
    #[error("a type has at most {NODES_MAX} parts")]
    TooLarge,
}

/// The most members that a tuple, record or variant may have.
pub const MEMBERS_MAX: usize = 1024;

/// The longest label in bytes.
pub const LABEL_MAX: usize = 128;

/// A type without parts, made (and hashed) once.
macro_rules! plain {
    ($kind:expr) => {{
        static TYPE: LazyLock<Ty> =
            LazyLock::new(|| Ty::new($kind).expect("a kind without parts is well formed"));
        TYPE.clone()
    }};
}

impl Ty {
    /// Returns the type of the given kind.
    ///
    /// # Errors
    ///
    /// When the kind breaks one of the rules of the module's head.
    pub fn new(kind: Kind) -> Result<Ty, TyError> {
        check(&kind)?;
        let (depth, nodes) = children(&kind).fold((0, 1u64), |(depth, nodes), child| {
            (depth.max(child.0.depth), nodes.saturating_add(child.0.nodes))
        });
        if depth >= DEPTH_MAX {
            return Err(TyError::TooDeep);
        }
        if nodes > NODES_MAX {
            return Err(TyError::TooLarge);
        }
        let digest = Digest::tagged("cam2/type", &signature(&kind));
        let key = is_key(&kind);
        let secret = matches!(kind, Kind::Secret(_)) || children(&kind).any(Ty::holds_secret);
        let below = children(&kind).any(|child| child.0.many);
        let own = matches!(kind, Kind::List { .. } | Kind::Map { .. });
        let nests = own && below || children(&kind).any(|child| child.0.nests);
        let node = Node { kind, digest, depth: depth + 1, nodes, key, secret, many: own || below, nests };
        Ok(Ty(Arc::new(node)))
    }

    /// Returns the type of `()`.
    pub fn unit() -> Ty {
        plain!(Kind::Unit)
    }

    /// Returns `Bool`.
    pub fn bool() -> Ty {
        plain!(Kind::Bool)
    }

    /// Returns `Int` without a range.
    pub fn int() -> Ty {
        plain!(Kind::Int { lo: i64::MIN, hi: i64::MAX })
    }

    /// Returns `Text` without a limit.
    pub fn text() -> Ty {
        plain!(Kind::Text { max: None })
    }

    /// Returns `Bytes` without a limit.
    pub fn bytes() -> Ty {
        plain!(Kind::Bytes { max: None })
    }

    /// Returns `Duration`.
    pub fn duration() -> Ty {
        plain!(Kind::Duration)
    }

    /// Returns `Option(item)`.
    ///
    /// # Errors
    ///
    /// When the type would be too deep or too large.
    pub fn option(item: Ty) -> Result<Ty, TyError> {
        Ty::new(Kind::Option(item))
    }

    /// Returns `List(item)` without a limit.
    ///
    /// # Errors
    ///
    /// When the type would be too deep or too large.
    pub fn list(item: Ty) -> Result<Ty, TyError> {
        Ty::new(Kind::List { item, max: None })
    }

    /// Returns the secret form of a type; a secret type itself.
    ///
    /// # Errors
    ///
    /// When the type would be too deep or too large.
    pub fn sealed(self) -> Result<Ty, TyError> {
        match self.kind() {
            Kind::Secret(_) => Ok(self),
            _ => Ty::new(Kind::Secret(self)),
        }
    }

    /// Returns the type without `secret` before it.
    pub fn unsealed(&self) -> &Ty {
        match self.kind() {
            Kind::Secret(item) => item,
            _ => self,
        }
    }

    /// Returns true when the type is a secret or one stands in it.
    pub fn holds_secret(&self) -> bool {
        self.0.secret
    }

    /// Returns what the type is made of.
    pub fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// Returns the digest over the type's structure.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// Returns the record's parts, if it is one.
    pub fn as_record(&self) -> Option<&Record> {
        match self.kind() {
            Kind::Record(record) => Some(record),
            _ => None,
        }
    }

    /// Returns the variant's parts, if it is one.
    pub fn as_variant(&self) -> Option<&Variant> {
        match self.kind() {
            Kind::Variant(variant) => Some(variant),
            _ => None,
        }
    }

    /// Returns true for `Int` of any range.
    pub fn is_int(&self) -> bool {
        matches!(self.kind(), Kind::Int { .. })
    }

    /// Returns true when values of this type may be keys of a map.
    pub fn is_key(&self) -> bool {
        self.0.key
    }

    /// Returns true when a list or map stands within a list or map, so that a value may be far
    /// greater than what was paid for it, see [`crate::run`].
    pub fn nests(&self) -> bool {
        self.0.nests
    }
}

impl Record {
    /// Returns the index of the field with this label.
    pub fn index(&self, label: &str) -> Option<usize> {
        self.fields.iter().position(|field| &*field.label == label)
    }

    /// Returns the fields in the order of their declaration, with their indices.
    pub fn in_declared_order(&self) -> impl Iterator<Item = (usize, &Field)> {
        self.declared.iter().map(|&index| (usize::from(index), &self.fields[usize::from(index)]))
    }
}

impl Variant {
    /// Returns the index of the case with this label.
    pub fn index(&self, label: &str) -> Option<usize> {
        self.cases.iter().position(|case| &*case.label == label)
    }
}

impl PartialEq for Ty {
    fn eq(&self, other: &Ty) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.digest == other.0.digest
    }
}

impl Eq for Ty {}

impl Hash for Ty {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.digest.hash(state);
    }
}

/// Returns the types that a kind is made of, in order.
pub fn children(kind: &Kind) -> impl Iterator<Item = &Ty> {
    (0..).map_while(move |index| child(kind, index))
}

/// Returns one of the types that a kind is made of.
fn child(kind: &Kind, index: usize) -> Option<&Ty> {
    match kind {
        Kind::Unit
        | Kind::Bool
        | Kind::Int { .. }
        | Kind::Text { .. }
        | Kind::Bytes { .. }
        | Kind::Duration => None,
        Kind::Option(item) | Kind::List { item, .. } | Kind::Secret(item) => (index == 0).then_some(item),
        Kind::Map { key, value } => [key, value].get(index).copied(),
        Kind::Tuple(items) => items.get(index),
        Kind::Record(record) => record.fields.get(index).map(|field| &field.ty),
        Kind::Variant(variant) => variant.cases.get(index).map(|case| &case.payload),
    }
}

fn is_key(kind: &Kind) -> bool {
    match kind {
        Kind::Bool | Kind::Int { .. } | Kind::Text { .. } | Kind::Bytes { .. } | Kind::Duration => true,
        Kind::Tuple(items) => items.iter().all(Ty::is_key),
        Kind::Variant(variant) => variant.cases.iter().all(|case| matches!(case.payload.kind(), Kind::Unit)),
        _ => false,
    }
}

fn check(kind: &Kind) -> Result<(), TyError> {
    match kind {
        Kind::Int { lo, hi } if lo > hi => Err(TyError::EmptyRange { lo: *lo, hi: *hi }),
        Kind::Map { key, .. } if key.holds_secret() => Err(TyError::SecretKey),
        Kind::Map { key, .. } if !key.is_key() => Err(TyError::KeyType),
        Kind::Secret(item) if matches!(item.kind(), Kind::Secret(_)) => Err(TyError::DoubledSecret),
        Kind::Tuple(items) if items.len() < 2 => Err(TyError::ShortTuple),
        Kind::Tuple(items) if items.len() > MEMBERS_MAX => Err(TyError::TooManyMembers(MEMBERS_MAX)),
        Kind::Record(record) => {
            check_members(record.fields.iter().map(|field| (&field.label, field.ordinal)))?;
            let mut seen = vec![false; record.fields.len()];
            for &index in &record.declared {
                match seen.get_mut(usize::from(index)) {
                    Some(seen) if !*seen => *seen = true,
                    _ => return Err(TyError::DeclaredOrder),
                }
            }
            if record.declared.len() != record.fields.len() {
                return Err(TyError::DeclaredOrder);
            }
            for field in &record.fields {
                if field.default.as_ref().is_some_and(|value| !value.has_type(&field.ty)) {
                    return Err(TyError::Default(field.label.clone()));
                }
            }
            Ok(())
        }
        Kind::Variant(variant) => check_members(variant.cases.iter().map(|case| (&case.label, case.ordinal))),
        _ => Ok(()),
    }
}

fn check_members<'a>(members: impl Iterator<Item = (&'a Arc<str>, u32)>) -> Result<(), TyError> {
    let mut labels: Vec<&Arc<str>> = vec![];
    let mut last = None;
    for (label, ordinal) in members {
        if label.is_empty() || label.len() > LABEL_MAX {
            return Err(TyError::Label);
        }
        if last.is_some_and(|last| last >= ordinal) {
            return Err(TyError::Ordinals(label.clone()));
        }
        last = Some(ordinal);
        labels.push(label);
    }
    let count = labels.len();
    labels.sort_unstable();
    if let Some(pair) = labels.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(TyError::DoubledLabel(pair[0].clone()));
    }
    match count {
        0 => Err(TyError::NoMembers),
        1..=MEMBERS_MAX => Ok(()),
        _ => Err(TyError::TooManyMembers(MEMBERS_MAX)),
    }
}

/// Returns the bytes that a type's digest covers: its own shape, and the digests of its parts.
fn signature(kind: &Kind) -> Vec<u8> {
    fn number(out: &mut Vec<u8>, number: u64) {
        out.extend(number.to_le_bytes());
    }
    fn bytes(out: &mut Vec<u8>, text: &[u8]) {
        number(out, text.len() as u64);
        out.extend(text);
    }
    fn limit(out: &mut Vec<u8>, max: Option<u32>) {
        number(out, max.map_or(u64::MAX, u64::from));
    }
    let mut out = Vec::with_capacity(256);
    match kind {
        Kind::Unit => out.push(0),
        Kind::Bool => out.push(1),
        Kind::Int { lo, hi } => {
            out.push(2);
            out.extend(lo.to_le_bytes());
            out.extend(hi.to_le_bytes());
        }
        Kind::Text { max } => {
            out.push(3);
            limit(&mut out, *max);
        }
        Kind::Bytes { max } => {
            out.push(4);
            limit(&mut out, *max);
        }
        Kind::Duration => out.push(5),
        Kind::Option(_) => out.push(6),
        Kind::List { max, .. } => {
            out.push(7);
            limit(&mut out, *max);
        }
        Kind::Map { .. } => out.push(8),
        Kind::Tuple(_) => out.push(9),
        Kind::Record(record) => {
            out.push(10);
            for field in &record.fields {
                bytes(&mut out, field.label.as_bytes());
                number(&mut out, u64::from(field.ordinal));
                match &field.default {
                    None => out.push(0),
                    Some(value) => {
                        out.push(1);
                        bytes(&mut out, &value.to_binary(&field.ty));
                    }
                }
            }
            for index in &record.declared {
                number(&mut out, u64::from(*index));
            }
        }
        Kind::Variant(variant) => {
            out.push(11);
            for case in &variant.cases {
                bytes(&mut out, case.label.as_bytes());
                number(&mut out, u64::from(case.ordinal));
            }
        }
        Kind::Secret(_) => out.push(12),
    }
    for child in children(kind) {
        out.extend(child.0.digest.as_bytes());
    }
    out
}

impl fmt::Debug for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// How many parts of a type are written before the rest becomes `...`: types of a hostile module
/// are written into errors too.
const SHOWN_MAX: u32 = 200;

/// The type as a person would write it, as far as that is of use to a person.
impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self, f, &mut { SHOWN_MAX })
    }
}

fn show(ty: &Ty, f: &mut fmt::Formatter<'_>, left: &mut u32) -> fmt::Result {
    let limited = |f: &mut fmt::Formatter<'_>, name: &str, max: &Option<u32>| match max {
        None => write!(f, "{name}"),
        Some(max) => write!(f, "{name}(..={max})"),
    };
    if *left == 0 {
        return write!(f, "...");
    }
    *left -= 1;
    match ty.kind() {
        Kind::Unit => write!(f, "()"),
        Kind::Bool => write!(f, "Bool"),
        Kind::Int { lo: i64::MIN, hi: i64::MAX } => write!(f, "Int"),
        Kind::Int { lo, hi: i64::MAX } => write!(f, "Int({lo}..)"),
        Kind::Int { lo: i64::MIN, hi } => write!(f, "Int(..={hi})"),
        Kind::Int { lo, hi } => write!(f, "Int({lo}..={hi})"),
        Kind::Text { max } => limited(f, "Text", max),
        Kind::Bytes { max } => limited(f, "Bytes", max),
        Kind::Duration => write!(f, "Duration"),
        Kind::Secret(item) => {
            write!(f, "secret ")?;
            show(item, f, left)
        }
        Kind::Option(item) => {
            write!(f, "Option(")?;
            show(item, f, left)?;
            write!(f, ")")
        }
        Kind::List { item, max } => {
            write!(f, "List(")?;
            show(item, f, left)?;
            match max {
                None => write!(f, ")"),
                Some(max) => write!(f, ", ..={max})"),
            }
        }
        Kind::Map { key, value } => {
            write!(f, "Map(")?;
            show(key, f, left)?;
            write!(f, ", ")?;
            show(value, f, left)?;
            write!(f, ")")
        }
        Kind::Tuple(items) => {
            write!(f, "(")?;
            for (index, item) in items.iter().enumerate() {
                if *left == 0 {
                    write!(f, ", ...")?;
                    break;
                }
                write!(f, "{}", if index > 0 { ", " } else { "" })?;
                show(item, f, left)?;
            }
            write!(f, ")")
        }
        Kind::Record(record) => {
            write!(f, "{{ ")?;
            for (position, (_, field)) in record.in_declared_order().enumerate() {
                if *left == 0 {
                    write!(f, ", ...")?;
                    break;
                }
                write!(f, "{}{}: ", if position > 0 { ", " } else { "" }, field.label)?;
                show(&field.ty, f, left)?;
            }
            write!(f, " }}")
        }
        Kind::Variant(variant) => {
            for (index, case) in variant.cases.iter().enumerate() {
                if *left == 0 {
                    write!(f, " | ...")?;
                    break;
                }
                write!(f, "{}{}", if index > 0 { " | " } else { "" }, case.label)?;
                match case.payload.kind() {
                    Kind::Unit => *left -= 1,
                    Kind::Record(_) => {
                        write!(f, " ")?;
                        show(&case.payload, f, left)?;
                    }
                    _ => {
                        write!(f, "(")?;
                        show(&case.payload, f, left)?;
                        write!(f, ")")?;
                    }
                }
            }
            Ok(())
        }
    }
}
