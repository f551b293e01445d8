//! Type expressions: names, limits, records, variants, and the ordinals that members keep.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::line::{self, Returned};
use super::modules::INPUT;
use super::{Checked, Checker, Reported, listed};
use crate::diagnostic::{Span, did_you_mean};
use crate::syntax::ast::{CaseDecl, FieldDecl, Name, TypeArg, TypeDecl, TypeExpr};
use crate::ty::{Case, Field, Kind, Record, Ty, Variant};

/// The types that are always there.
const STANDARD: [&str; 8] = ["Int", "Bool", "Text", "Bytes", "Duration", "Option", "List", "Map"];

/// Says what this language has for a type of other ones.
fn elsewhere(name: &str) -> Option<&'static str> {
    Some(match name {
        "String" | "Str" | "Char" => "a text is a `Text`",
        "Integer" | "Long" | "Nat" | "Number" | "U8" | "U32" | "U64" | "I32" | "I64" => {
            "a whole number is an `Int`, with a range where it has one: `Int(0..=255)`"
        }
        "Float" | "Double" | "Decimal" => {
            "there are no fractions: count in a smaller unit, such as cents, as an `Int`"
        }
        "Boolean" => "a truth value is a `Bool`",
        "Array" | "Vec" | "Seq" | "Set" => "items in order are a `List(T)`; a set is a `Map(T, ())`",
        "Dict" | "HashMap" | "Object" => "entries by key are a `Map(K, V)`",
        "Maybe" | "Optional" | "Nullable" => "what may be missing is an `Option(T)`",
        "Unit" | "Void" | "Never" => "the type of nothing is `()`",
        "Time" | "Timestamp" | "Date" | "DateTime" => {
            "a point in time is an `Int` of milliseconds, as `ctx.now` gives; a length of time is a `Duration`"
        }
        "Result" | "Either" => "declare the cases: `type Answer = Ok(T) | Failed(E)`",
        "Binary" | "Blob" | "Buffer" => "octets are `Bytes`",
        _ => return None,
    })
}

/// The declared types of a file.
#[derive(Debug, Default)]
pub(crate) struct Types {
    declared: BTreeMap<Arc<str>, Slot>,
    /// The declared types in source order, resolved.
    order: Vec<(Arc<str>, Ty)>,
    /// The types of the same names in the predecessor: members that it has keep their ordinals.
    pub(crate) predecessor: BTreeMap<Arc<str>, Ty>,
    /// The names that earlier releases had within types of the same names, by the way to them.
    pub(crate) retired: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Vec<line::Retired>>>,
    /// The declared type that is being resolved, and the way to the part at hand.
    place: (Arc<str>, String),
}

#[derive(Debug, Clone)]
enum Slot {
    Declared(TypeDecl),
    /// Being resolved; meeting it again is recursion.
    Open,
    Resolved(Ty),
    Faulty,
}

impl Types {
    /// Returns the declared types with their names, in source order.
    pub(crate) fn named(&self) -> &[(Arc<str>, Ty)] {
        &self.order
    }

    /// Returns the declared type of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&Ty> {
        match self.declared.get(name) {
            Some(Slot::Resolved(ty)) => Some(ty),
            _ => None,
        }
    }

    /// Brings a type that was resolved elsewhere into scope.
    pub(crate) fn insert(&mut self, name: &Arc<str>, ty: Ty) {
        if self.declared.insert(name.clone(), Slot::Resolved(ty.clone())).is_none() {
            self.order.push((name.clone(), ty));
        }
    }

    /// Notes a type that was declared elsewhere and is faulty: uses of it are silent.
    pub(crate) fn insert_faulty(&mut self, name: &Arc<str>) {
        self.declared.insert(name.clone(), Slot::Faulty);
    }

    /// Returns true when a type of this name was declared, faulty or not.
    pub(crate) fn declares(&self, name: &str) -> bool {
        self.declared.contains_key(name)
    }

    /// Returns the name under which a type was declared, else the type as written out.
    pub(crate) fn name(&self, ty: &Ty) -> String {
        let composed = !matches!(
            ty.kind(),
            Kind::Unit
                | Kind::Bool
                | Kind::Int { .. }
                | Kind::Text { .. }
                | Kind::Bytes { .. }
                | Kind::Duration
        );
        if composed && let Some((name, _)) = self.order.iter().find(|(_, declared)| declared == ty) {
            return name.to_string();
        }
        match ty.kind() {
            Kind::Option(item) => format!("Option({})", self.name(item)),
            Kind::Secret(item) => format!("secret {}", self.name(item)),
            Kind::List { item, max: None } => format!("List({})", self.name(item)),
            Kind::Map { key, value } => format!("Map({}, {})", self.name(key), self.name(value)),
            Kind::Tuple(items) => {
                let items: Vec<String> = items.iter().map(|item| self.name(item)).collect();
                format!("({})", items.join(", "))
            }
            _ => ty.to_string(),
        }
    }

    /// Returns the retired names of the record or variant at hand.
    fn retired_here(&self, case: bool) -> Vec<line::Retired> {
        let (name, path) = &self.place;
        let here = self.retired.get(name).and_then(|within| within.get(path.as_str()));
        here.into_iter().flatten().filter(|(retired, _)| retired.case == case).cloned().collect()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        STANDARD.into_iter().chain(self.declared.keys().map(|name| &**name))
    }
}

/// Hands out ordinals: kept where an earlier release has or had the member, else after all of theirs.
struct Ordinals {
    next: u32,
}

impl Ordinals {
    fn after(last: Option<u32>, retired: &[line::Retired]) -> Ordinals {
        let last = retired.iter().map(|(retired, _)| retired.ordinal).chain(last).max();
        Ordinals { next: last.map_or(0, |last| last.saturating_add(1)) }
    }

    /// Past the greatest number ordinals repeat, and the type is refused for it: a predecessor is
    /// a file that somebody else may have made.
    fn of(&mut self, kept: Option<u32>) -> u32 {
        kept.unwrap_or_else(|| {
            let ordinal = self.next;
            self.next = self.next.saturating_add(1);
            ordinal
        })
    }
}

/// Returns the type that a retired name had last.
fn last_type<'r>(retired: &'r [line::Retired], label: &str) -> Option<&'r Ty> {
    retired.iter().rfind(|(name, _)| *name.label == *label).map(|(_, ty)| ty)
}

impl Checker<'_> {
    /// Resolves a part of the type at hand.
    fn type_part(&mut self, step: &str, expr: &TypeExpr, old: Option<&Ty>) -> Checked<Ty> {
        let length = self.types.place.1.len();
        self.types.place.1.push_str(step);
        let ty = self.resolve_with(expr, old);
        self.types.place.1.truncate(length);
        ty
    }

    /// Resolves something as the type of a name.
    pub(super) fn at_name<T>(&mut self, name: &Arc<str>, resolve: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.types.place, (name.clone(), String::new()));
        let resolved = resolve(self);
        self.types.place = outer;
        resolved
    }

    /// Returns the ordinal of a name that comes back as what it was, and notes every name that
    /// comes back.
    fn ordinal_of_returned(&mut self, name: &Name, ty: &Ty, retired: &[line::Retired]) -> Option<u32> {
        let mut before = retired.iter().filter(|(retired, _)| retired.label == name.text);
        let same = before.clone().find(|(_, was)| was == ty);
        let (retired, was) = same.or_else(|| before.next_back())?;
        let path = format!("{}{}.{}", self.types.place.0, self.types.place.1, name.text);
        let (source, span) = (self.source.clone(), name.span.clone());
        self.returned.push(Returned { source, span, path, was: was.clone(), is: ty.clone() });
        same.map(|_| retired.ordinal)
    }

    /// Takes the declarations of a file, then resolves them all.
    pub(crate) fn declare_types<'t>(&mut self, declarations: impl Iterator<Item = &'t TypeDecl>) {
        let mut order = Vec::new();
        for declaration in declarations {
            let name = &declaration.name;
            if STANDARD.contains(&&*name.text) {
                self.plain(
                    "E0202",
                    &name.span,
                    format!("`{}` is a standard type", name.text),
                    "choose another name",
                );
                continue;
            }
            if let Some(Slot::Declared(first)) = self.types.declared.get(&name.text).cloned() {
                let diagnostic = self
                    .diagnostic(
                        "E0202",
                        &name.span,
                        format!("the type `{}` is declared twice", name.text),
                        "here again",
                    )
                    .related(first.name.span.clone(), "first declared here");
                self.fault(diagnostic);
                continue;
            }
            self.types.declared.insert(name.text.clone(), Slot::Declared(declaration.clone()));
            order.push(name.clone());
        }
        for name in order {
            if let Ok(ty) = self.declared_type(&name) {
                self.types.order.push((name.text.clone(), ty));
            }
        }
    }

    /// Returns the type that a name was declared as.
    fn declared_type(&mut self, name: &Name) -> Checked<Ty> {
        match self.types.declared.get(&name.text).cloned() {
            Some(Slot::Resolved(ty)) => Ok(ty),
            Some(Slot::Faulty) => Err(Reported),
            Some(Slot::Open) => {
                let diagnostic = self
                    .diagnostic(
                        "E0203",
                        &name.span,
                        format!("the type `{}` contains itself", name.text),
                        "recursion is not possible in types",
                    )
                    .help("hold the parts in a List or Map and refer to them by key");
                Err(self.fault(diagnostic))
            }
            Some(Slot::Declared(declaration)) => {
                self.types.declared.insert(name.text.clone(), Slot::Open);
                let old = self.types.predecessor.get(&name.text).cloned();
                let resolved =
                    self.at_name(&name.text, |checker| checker.resolve_body(&declaration, old.as_ref()));
                let slot = resolved.clone().map_or(Slot::Faulty, Slot::Resolved);
                self.types.declared.insert(name.text.clone(), slot);
                resolved
            }
            None => {
                let near = did_you_mean(&name.text, self.types.names());
                let mut diagnostic = self.diagnostic(
                    "E0201",
                    &name.span,
                    format!("there is no type `{}`", name.text),
                    "not declared in this file",
                );
                diagnostic.help = Some(match (elsewhere(&name.text), near) {
                    (Some(ours), _) => ours.to_owned(),
                    (None, Some(near)) => format!("did you mean `{near}`?"),
                    (None, None) => {
                        format!(
                            "declare it: `type {0} = ...`; a variant of one case is written `| {0}`",
                            name.text
                        )
                    }
                });
                Err(self.fault(diagnostic))
            }
        }
    }

    /// Resolves what stands on the right of `type Name =`. There, and only there, a name with a
    /// payload that is not a standard type is a variant with one case.
    fn resolve_body(&mut self, declaration: &TypeDecl, old: Option<&Ty>) -> Checked<Ty> {
        match &declaration.body {
            TypeExpr::Variant(cases, span) if &*declaration.name.text == INPUT => {
                self.variant(cases, span, old.map(Ty::unsealed))
            }
            TypeExpr::Named { name, args, span } if !args.is_empty() && !STANDARD.contains(&&*name.text) => {
                let [TypeArg::Type(payload)] = args.as_slice() else {
                    return Err(self.type_args(name, span, "one payload"));
                };
                let case = CaseDecl { internal: false, name: name.clone(), payload: Some(payload.clone()) };
                self.variant(&[case], span, old)
            }
            body => self.resolve_with(body, old),
        }
    }

    /// Resolves a type expression.
    pub(crate) fn resolve(&mut self, expr: &TypeExpr) -> Checked<Ty> {
        self.resolve_with(expr, None)
    }

    /// Resolves a type expression; `old` is what stood in its place in the predecessor. What
    /// becomes secret, or public, keeps its ordinals.
    fn resolve_with(&mut self, expr: &TypeExpr, old: Option<&Ty>) -> Checked<Ty> {
        let old = old.map(Ty::unsealed);
        match expr {
            TypeExpr::Named { name, args, span } => self.resolve_named(name, args, span, old),
            TypeExpr::Tuple(items, _) if items.is_empty() => Ok(Ty::unit()),
            TypeExpr::Tuple(items, span) => {
                let olds = match old.map(Ty::kind) {
                    Some(Kind::Tuple(olds)) => olds.clone(),
                    _ => Vec::new(),
                };
                let items: Vec<Checked<Ty>> = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.type_part(&line::tuple_step(index), item, olds.get(index)))
                    .collect();
                let items = items.into_iter().collect::<Checked<_>>()?;
                self.build(Kind::Tuple(items), span)
            }
            TypeExpr::Record(fields, span) => self.record(fields, span, old),
            TypeExpr::Variant(cases, span) => {
                if let Some(case) = cases.iter().find(|case| case.internal) {
                    let name = &case.name;
                    let diagnostic = self
                        .diagnostic(
                            "E0249",
                            &name.span,
                            format!("`{}` is internal, and no case of `Input`", name.text),
                            "only cases of `Input` are internal",
                        )
                        .help("leave `internal` away, or write it in `type Input = ...`");
                    return Err(self.fault(diagnostic));
                }
                self.variant(cases, span, old)
            }
            TypeExpr::Secret(item, span) => {
                let item = self.resolve_with(item, old)?;
                self.build(Kind::Secret(item), span)
            }
        }
    }

    fn resolve_named(&mut self, name: &Name, args: &[TypeArg], span: &Span, old: Option<&Ty>) -> Checked<Ty> {
        let limit = |hi: i64| u32::try_from(hi).ok();
        match (&*name.text, args) {
            ("Int", []) => Ok(Ty::int()),
            ("Int", [TypeArg::Range(lo, hi, range)]) => {
                let kind = Kind::Int { lo: lo.unwrap_or(i64::MIN), hi: hi.unwrap_or(i64::MAX) };
                self.build(kind, range)
            }
            ("Bool", []) => Ok(Ty::bool()),
            ("Duration", []) => Ok(Ty::duration()),
            ("Text", []) => Ok(Ty::text()),
            ("Bytes", []) => Ok(Ty::bytes()),
            ("Text", [TypeArg::Range(None, Some(hi), _)]) if limit(*hi).is_some() => {
                self.build(Kind::Text { max: limit(*hi) }, span)
            }
            ("Bytes", [TypeArg::Range(None, Some(hi), _)]) if limit(*hi).is_some() => {
                self.build(Kind::Bytes { max: limit(*hi) }, span)
            }
            ("Option", [TypeArg::Type(item)]) => {
                let old = match old.map(Ty::kind) {
                    Some(Kind::Option(item)) => Some(item),
                    _ => None,
                };
                let item = self.type_part(line::OPTION, item, old)?;
                self.build(Kind::Option(item), span)
            }
            ("List", [TypeArg::Type(item), rest @ ..]) => {
                let max = match rest {
                    [] => None,
                    [TypeArg::Range(None, Some(hi), _)] if limit(*hi).is_some() => limit(*hi),
                    _ => return Err(self.type_args(name, span, "an item type and at most a limit `..=100`")),
                };
                let old = match old.map(Ty::kind) {
                    Some(Kind::List { item, .. }) => Some(item),
                    _ => None,
                };
                let item = self.type_part(line::ITEM, item, old)?;
                self.build(Kind::List { item, max }, span)
            }
            ("Map", [TypeArg::Type(key), TypeArg::Type(value)]) => {
                let (old_key, old_value) = match old.map(Ty::kind) {
                    Some(Kind::Map { key, value }) => (Some(key), Some(value)),
                    _ => (None, None),
                };
                let key = self.type_part(line::KEY, key, old_key);
                let value = self.type_part(line::ITEM, value, old_value);
                self.build(Kind::Map { key: key?, value: value? }, span)
            }
            ("Int", _) => Err(self.type_args(name, span, "nothing, or a range `0..=10`")),
            ("Text" | "Bytes", _) => Err(self.type_args(name, span, "nothing, or a limit `..=200`")),
            ("Option", _) => Err(self.type_args(name, span, "one type")),
            ("List", _) => Err(self.type_args(name, span, "an item type and at most a limit `..=100`")),
            ("Map", _) => Err(self.type_args(name, span, "a key type and a value type")),
            (_, []) => self.declared_type(name),
            _ => Err(self.type_args(name, span, "nothing")),
        }
    }

    fn type_args(&mut self, name: &Name, span: &Span, takes: &str) -> Reported {
        self.plain("E0204", span, format!("`{}` takes {takes}", name.text), "not what stands here")
    }

    /// Builds a record type. Fields that the predecessor has keep their ordinals, new ones follow
    /// in source order.
    pub(crate) fn record(&mut self, fields: &[FieldDecl], span: &Span, old: Option<&Ty>) -> Checked<Ty> {
        let old = old.and_then(Ty::as_record);
        let kept = |label: &str| old.and_then(|old| old.index(label).map(|index| &old.fields[index]));
        let retired = self.types.retired_here(false);
        let last = old.and_then(|old| old.fields.last()).map(|last| last.ordinal);
        let mut ordinals = Ordinals::after(last, &retired);
        let mut built: Vec<Field> = Vec::new();
        let mut faulty = false;
        for field in fields {
            let label = &field.name.text;
            if built.iter().any(|other| other.label == *label) {
                self.plain(
                    "E0215",
                    &field.name.span,
                    format!("the field `{label}` stands twice"),
                    "here again",
                );
                faulty = true;
                continue;
            }
            let before = kept(label);
            let as_before = before.map(|field| &field.ty).or_else(|| last_type(&retired, label));
            let Ok(ty) = self.type_part(&line::member_step(label), &field.ty, as_before) else {
                faulty = true;
                continue;
            };
            let default = match &field.default {
                None => None,
                Some(default) => match self.constant(default, &ty) {
                    Ok(value) => Some(value),
                    Err(Reported) => {
                        faulty = true;
                        continue;
                    }
                },
            };
            let before = before.map(|field| field.ordinal);
            let ordinal =
                ordinals.of(before.or_else(|| self.ordinal_of_returned(&field.name, &ty, &retired)));
            built.push(Field { label: label.clone(), ordinal, ty, default });
        }
        if faulty {
            return Err(Reported);
        }
        let labels: Vec<Arc<str>> = built.iter().map(|field| field.label.clone()).collect();
        built.sort_by_key(|field| field.ordinal);
        let declared = labels
            .iter()
            .filter_map(|label| built.iter().position(|field| field.label == *label))
            .filter_map(|index| u16::try_from(index).ok())
            .collect();
        self.build(Kind::Record(Record { fields: built, declared }), span)
    }

    fn variant(&mut self, cases: &[CaseDecl], span: &Span, old: Option<&Ty>) -> Checked<Ty> {
        let old = old.and_then(Ty::as_variant);
        let retired = self.types.retired_here(true);
        let last = old.and_then(|old| old.cases.last()).map(|last| last.ordinal);
        let mut ordinals = Ordinals::after(last, &retired);
        let mut built: Vec<Case> = Vec::new();
        let mut faulty = false;
        for case in cases {
            let label = &case.name.text;
            if built.iter().any(|other| other.label == *label) {
                self.plain(
                    "E0215",
                    &case.name.span,
                    format!("the case `{label}` stands twice"),
                    "here again",
                );
                faulty = true;
                continue;
            }
            let before = old.and_then(|old| old.index(label).map(|index| &old.cases[index]));
            let payload = match &case.payload {
                None => Ok(Ty::unit()),
                Some(payload) => {
                    let as_before = before.map(|case| &case.payload).or_else(|| last_type(&retired, label));
                    self.type_part(&line::member_step(label), payload, as_before)
                }
            };
            let Ok(payload) = payload else {
                faulty = true;
                continue;
            };
            let before = before.map(|case| case.ordinal);
            let ordinal =
                ordinals.of(before.or_else(|| self.ordinal_of_returned(&case.name, &payload, &retired)));
            built.push(Case { label: label.clone(), ordinal, payload });
        }
        if faulty {
            return Err(Reported);
        }
        built.sort_by_key(|case| case.ordinal);
        self.build(Kind::Variant(Variant { cases: built }), span)
    }

    /// Finds the variant that a case belongs to when its place asks for no type.
    pub(crate) fn variant_of_case(&mut self, name: &Name) -> Checked<Ty> {
        let mut found: Vec<(Arc<str>, Ty)> = Vec::new();
        for (type_name, ty) in self.types.named() {
            let has = ty.as_variant().is_some_and(|variant| variant.index(&name.text).is_some());
            if has && !found.iter().any(|(_, other)| other == ty) {
                found.push((type_name.clone(), ty.clone()));
            }
        }
        match found.as_slice() {
            [(_, ty)] => Ok(ty.clone()),
            [] => {
                let cases = self.types.named().iter().filter_map(|(_, ty)| ty.as_variant());
                let labels: Vec<Arc<str>> =
                    cases.flat_map(|variant| variant.cases.iter().map(|case| case.label.clone())).collect();
                let near = did_you_mean(&name.text, labels.iter().map(|label| &**label));
                let mut diagnostic = self.diagnostic(
                    "E0208",
                    &name.span,
                    format!("there is no case `{}`", name.text),
                    "no declared type has it",
                );
                diagnostic.help = near.map(|near| format!("did you mean `{near}`?"));
                Err(self.fault(diagnostic))
            }
            many => {
                let names = listed(many.iter().map(|(name, _)| &**name));
                let diagnostic = self
                    .diagnostic(
                        "E0216",
                        &name.span,
                        format!("`{}` is a case of {names}", name.text),
                        "which one is meant is not known here",
                    )
                    .help("give the value a type: pass it where its type is known, or use a function with a result type");
                Err(self.fault(diagnostic))
            }
        }
    }
}
