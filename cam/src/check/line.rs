//! The line of releases that a machine comes from: which names of fields and cases were ever taken.
//!
//! A name that an earlier release had and a later one has not is retired. It keeps its ordinal for
//! ever: no other name gets it, and the name itself gets it back if it returns as what it was. So
//! ordinals stay apart in everything that is written by ordinal, however old it is.
//!
//! Docs: `docs/decisions/0014-retired-names.md`.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use crate::code::Module;
use crate::diagnostic::{Source, Span};
use crate::digest::Digest;
use crate::ty::{Kind, Ty};

/// How much is looked at in the types of a line, in bytes of paths and names. A compiled machine
/// takes as much as its text has type expressions; only types made by hand take more.
const LOOKED_AT_MAX: usize = 8 << 20;

/// A place in the declared types: the name of the type, and the way from there to a record or
/// variant that stands within it.
pub(crate) type Place = (Arc<str>, Arc<str>);

/// A field or case that some release of the line had.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    /// Where.
    pub(crate) place: Place,
    /// True for a case.
    pub(crate) case: bool,
    /// What it was called.
    pub(crate) label: Arc<str>,
    /// Its ordinal.
    pub(crate) ordinal: u32,
}

/// A retired name, with the type that it had last.
pub(crate) type Retired = (Name, Ty);

/// A name that came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// The text that it stands in.
    pub source: Source,
    /// Where.
    pub span: Span,
    /// The way to it, such as `State.items[..].count`.
    pub path: String,
    /// The type that it had.
    pub was: Ty,
    /// The type that it has now.
    pub is: Ty,
}

impl Returned {
    /// Returns true when it is what it was: it has its old ordinal again.
    pub fn is_as_it_was(&self) -> bool {
        self.was == self.is
    }
}

/// The types of a machine hold more than anybody writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMuch;

/// What a machine comes from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    /// The declared types of the newest release.
    pub(crate) types: BTreeMap<Arc<str>, Ty>,
    /// All names that were ever taken, with the type of the newest release that had them.
    taken: BTreeMap<Name, Ty>,
    /// Those that the newest release has not.
    retired: BTreeMap<Place, Vec<Retired>>,
}

impl Line {
    /// A line that ends in these types, and in which nothing was ever retired.
    pub(crate) fn of_types(module: &Module) -> Line {
        Line { types: declared(module).into_iter().collect(), ..Line::default() }
    }

    /// Reads the line off the modules of predecessors, the newest first.
    pub(crate) fn of(modules: &[&Module]) -> Result<Line, TooMuch> {
        let Some(newest) = modules.first() else { return Ok(Line::default()) };
        let types = declared(newest);
        let mut taken = BTreeMap::new();
        for module in modules {
            for (name, ty) in names_of(module)? {
                taken.entry(name).or_insert(ty);
            }
        }
        let live: BTreeSet<Name> = live(&types)?.into_iter().map(|(name, _)| name).collect();
        let mut retired: BTreeMap<Place, Vec<Retired>> = BTreeMap::new();
        for (name, ty) in taken.iter().filter(|(name, _)| !live.contains(name)) {
            retired.entry(name.place.clone()).or_default().push((name.clone(), ty.clone()));
        }
        Ok(Line { types: types.into_iter().collect(), taken, retired })
    }

    /// Returns the retired names within a declared type, by the way to them.
    pub(crate) fn retired_in(&self, name: &str) -> BTreeMap<Arc<str>, Vec<Retired>> {
        let of_type = self.retired.iter().filter(|((of, _), _)| **of == *name);
        of_type.map(|((_, path), retired)| (path.clone(), retired.clone())).collect()
    }

    /// Returns the names that were taken once, and that the new types have not.
    pub(crate) fn left(&self, now: &[(Arc<str>, Ty)]) -> Result<Vec<Retired>, TooMuch> {
        let live: BTreeSet<Name> = live(now)?.into_iter().map(|(name, _)| name).collect();
        let mut left: BTreeMap<Name, Ty> = BTreeMap::new();
        for (name, ty) in &self.taken {
            let mut name = name.clone();
            name.place.0 = called_now(&name.place.0, now);
            if !live.contains(&name) {
                left.insert(name, ty.clone());
            }
        }
        Ok(left.into_iter().collect())
    }
}

/// Returns what a type is called now: a declaration may have moved into a type module, and is known
/// under its name and the module's where there is another of that name.
fn called_now(name: &Arc<str>, now: &[(Arc<str>, Ty)]) -> Arc<str> {
    if now.iter().any(|(other, _)| other == name) {
        return name.clone();
    }
    let is_it = |other: &Arc<str>| other.strip_suffix(&**name).is_some_and(|module| module.ends_with('.'));
    let mut found = now.iter().map(|(other, _)| other).filter(|other| is_it(other));
    match (found.next(), found.next()) {
        (Some(only), None) => only.clone(),
        _ => name.clone(),
    }
}

/// Returns why predecessors cannot be of one line: two names with one ordinal, or one name with two.
pub(crate) fn conflict(modules: &[&Module]) -> Result<Option<String>, TooMuch> {
    let mut by_ordinal: BTreeMap<(Place, bool, u32), Arc<str>> = BTreeMap::new();
    let mut by_label: BTreeMap<(Place, bool, Arc<str>), u32> = BTreeMap::new();
    for module in modules {
        for (name, _) in names_of(module)? {
            let key = (name.place.clone(), name.case, name.ordinal);
            let other = by_ordinal.entry(key).or_insert_with(|| name.label.clone());
            if *other != name.label {
                let (place, label) = (shown(&name.place), &name.label);
                return Ok(Some(format!(
                    "{place}.{other} and {place}.{label} have one ordinal, {}",
                    name.ordinal
                )));
            }
        }
    }
    for module in modules {
        for (name, _) in live(&declared(module))? {
            let key = (name.place.clone(), name.case, name.label.clone());
            let other = *by_label.entry(key).or_insert(name.ordinal);
            if other != name.ordinal {
                let path = format!("{}.{}", shown(&name.place), name.label);
                return Ok(Some(format!("{path} has two ordinals, {other} and {}", name.ordinal)));
            }
        }
    }
    Ok(None)
}

/// Returns a place as messages show it.
pub(crate) fn shown((name, path): &Place) -> String {
    format!("{name}{path}")
}

fn declared(module: &Module) -> Vec<(Arc<str>, Ty)> {
    module.debug.types.iter().map(|(name, ty)| (name.clone(), module.ty(*ty).clone())).collect()
}

/// Returns the names that a module has, and those that are retired in it.
fn names_of(module: &Module) -> Result<Vec<Retired>, TooMuch> {
    let mut found = live(&declared(module))?;
    found.extend(module.debug.retired.iter().map(|retired| {
        let place = (retired.name.clone(), retired.path.clone());
        let (case, label, ordinal) = (retired.case, retired.label.clone(), retired.ordinal);
        (Name { place, case, label, ordinal }, module.ty(retired.ty).clone())
    }));
    Ok(found)
}

/// Returns the names that declared types have.
fn live(types: &[(Arc<str>, Ty)]) -> Result<Vec<Retired>, TooMuch> {
    let declared = types.iter().map(|(_, ty)| ty.digest()).collect();
    let mut walk = Walk { declared, looked_at: 0, found: vec![] };
    for (name, ty) in types {
        walk.members(name, "", ty)?;
    }
    Ok(walk.found)
}

struct Walk {
    /// What stands within another type under a name of its own is met under that name.
    declared: HashSet<Digest>,
    looked_at: usize,
    found: Vec<Retired>,
}

impl Walk {
    fn part(&mut self, name: &Arc<str>, path: &str, ty: &Ty) -> Result<(), TooMuch> {
        if self.declared.contains(&ty.digest()) { Ok(()) } else { self.members(name, path, ty) }
    }

    fn members(&mut self, name: &Arc<str>, path: &str, ty: &Ty) -> Result<(), TooMuch> {
        self.looked_at += 64 + name.len() + path.len();
        if self.looked_at > LOOKED_AT_MAX {
            return Err(TooMuch);
        }
        let place = || (name.clone(), Arc::from(path));
        match ty.unsealed().kind() {
            Kind::Record(record) => {
                let place = place();
                for field in &record.fields {
                    self.see(&place, false, &field.label, field.ordinal, &field.ty)?;
                }
            }
            Kind::Variant(variant) => {
                let place = place();
                for case in &variant.cases {
                    self.see(&place, true, &case.label, case.ordinal, &case.payload)?;
                }
            }
            Kind::Tuple(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.part(name, &step(path, &tuple_step(index)), item)?;
                }
            }
            Kind::Option(item) => self.part(name, &step(path, OPTION), item)?,
            Kind::List { item, .. } => self.part(name, &step(path, ITEM), item)?,
            Kind::Map { key, value } => {
                self.part(name, &step(path, KEY), key)?;
                self.part(name, &step(path, ITEM), value)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn see(
        &mut self,
        place: &Place,
        case: bool,
        label: &Arc<str>,
        ordinal: u32,
        ty: &Ty,
    ) -> Result<(), TooMuch> {
        let name = Name { place: place.clone(), case, label: label.clone(), ordinal };
        self.found.push((name, ty.clone()));
        self.part(&place.0, &step(&place.1, &member_step(label)), ty)
    }
}

/// The step to the item of an Option.
pub(super) const OPTION: &str = "?";
/// The step to the items of a List and the values of a Map.
pub(super) const ITEM: &str = "[..]";
/// The step to the keys of a Map.
pub(super) const KEY: &str = "[key]";

/// Returns the step to a field or case.
pub(super) fn member_step(label: &str) -> String {
    format!(".{label}")
}

/// Returns the step to a member of a tuple.
pub(super) fn tuple_step(index: usize) -> String {
    format!(".{index}")
}

fn step(path: &str, step: &str) -> String {
    [path, step].concat()
}
