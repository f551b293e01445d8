//! The judgement `A ~> B`: what becomes of values of one type that go to another.

use std::fmt;

use super::Edits;
use super::convert::{nests, nests_secretly};
use super::rules::Rule;
use crate::ty::{Field, Kind, Record, Ty, Variant};
use crate::value::Value;

/// What stands between two types.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// All that is different, in the order of the types. Empty: they are the same.
    pub changes: Vec<Change>,
    /// The paths of lost parts that stand where nothing can be kept aside.
    pub(crate) unkept: Vec<String>,
}

/// One difference between two types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The rule that it falls under.
    pub rule: Rule,
    /// Where, such as `State.items[..].count`.
    pub path: String,
    /// What is different there.
    pub what: String,
    /// What it does to values.
    pub effect: Effect,
}

/// What a difference does to values on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// They stay as they are, in memory and as bytes.
    Same,
    /// Each is made anew, and becomes one of its own.
    Made,
    /// A part of them is kept aside, or put back from there.
    Kept,
    /// A part of them is left out.
    Lost,
    /// Some have no counterpart.
    Partial,
    /// None has one: a person has to write what becomes of them.
    Open,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

impl Change {
    /// Returns true when some or all values have no counterpart.
    pub fn is_problem(&self) -> bool {
        self.effect >= Effect::Partial
    }
}

impl Verdict {
    /// Returns the differences for which some or all values have no counterpart.
    pub fn problems(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.is_problem())
    }

    /// Returns the differences that leave something out.
    pub fn losses(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.effect == Effect::Lost)
    }

    /// Returns the worst that is done to values; `None` where nothing is different.
    pub fn worst(&self) -> Option<Effect> {
        self.changes.iter().map(|change| change.effect).max()
    }

    /// Returns true when every value has a counterpart.
    pub fn is_total(&self) -> bool {
        self.worst().is_none_or(|worst| worst < Effect::Partial)
    }

    /// Returns true when every value has a counterpart and nothing is left out.
    pub fn is_lossless(&self) -> bool {
        self.worst().is_none_or(|worst| worst < Effect::Lost)
    }

    /// Returns true when values need not be touched: those of the one type are, as they are, values
    /// of the other.
    pub fn is_zero_touch(&self) -> bool {
        self.worst().is_none_or(|worst| worst == Effect::Same)
    }
}

/// Which way values go between the old type and the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the old type to the new one: states and inputs.
    Forth,
    /// From the new type to the old one: states on the way down, and answers to old clients.
    Back,
}

/// Judges the conversion from one type to another. `root` begins the paths.
pub fn judge(from: &Ty, to: &Ty, edits: &Edits, root: &str) -> Verdict {
    judge_way(Way::Forth, from, to, edits, root)
}

/// Judges the conversion from one type to another, of which the one is the older: `from` on the way
/// [forth](Way::Forth), `to` on the way [back](Way::Back). Rules are about what changed from old to
/// new, whichever way values go. `edits` are those of the way.
pub fn judge_way(way: Way, from: &Ty, to: &Ty, edits: &Edits, root: &str) -> Verdict {
    let mut judge = Judge { way, edits, keeping: Keeping::Not, verdict: Verdict::default() };
    judge.types(from, to, root);
    judge.verdict
}

/// Judges the conversion of states, which keeps aside what the migration drops on the way forth, and puts
/// it back on the way back.
pub fn judge_state(way: Way, from: &Ty, to: &Ty, edits: &Edits) -> Verdict {
    let mut judge = Judge { way, edits, keeping: Keeping::Here, verdict: Verdict::default() };
    judge.types(from, to, "State");
    judge.verdict
}

/// Whether what is dropped is kept aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeping {
    /// These values have nothing that could be kept: inputs, answers, messages.
    Not,
    Here,
    /// There is no name by which it could be found again.
    NotBelow,
}

struct Judge<'e> {
    way: Way,
    edits: &'e Edits,
    keeping: Keeping,
    verdict: Verdict,
}

impl Judge<'_> {
    fn note(&mut self, rules: [Rule; 2], path: &str, what: impl Into<String>, effect: Effect) {
        let rule = rules[usize::from(self.way == Way::Back)];
        self.verdict.changes.push(Change { rule, path: path.to_owned(), what: what.into(), effect });
    }

    /// Judges two types below which nothing can be kept aside.
    fn unnamed(&mut self, from: &Ty, to: &Ty, path: &str) {
        let keeping = self.keeping;
        if keeping == Keeping::Here {
            self.keeping = Keeping::NotBelow;
        }
        self.types(from, to, path);
        self.keeping = keeping;
    }

    /// Judges two types. Rules stand in pairs: what the change is when values go forth, and when they
    /// go back.
    fn types(&mut self, from: &Ty, to: &Ty, path: &str) {
        if from == to {
            return;
        }
        match (from.kind(), to.kind()) {
            (Kind::Secret(from), Kind::Secret(to)) => self.types(from, to, path),
            // What is public may become secret; the other way is for a person to say.
            (_, Kind::Secret(to)) => {
                self.note([Rule::TO_SECRET, Rule::FROM_SECRET], path, "is a secret now", Effect::Same);
                self.unnamed(from, to, path);
            }
            (Kind::Secret(_), Kind::Option(_)) if nests_secretly(from) => {
                self.nested(from, to, path);
            }
            (Kind::Secret(_), Kind::Option(item)) => self.becomes_option(from, item, path),
            (Kind::Secret(_), _) => {
                let what = format!("{from} does not become public by itself");
                self.note([Rule::FROM_SECRET, Rule::TO_SECRET], path, what, Effect::Open);
            }
            (_, Kind::Unit) => self.note([Rule::UNIT; 2], path, "would be dropped", Effect::Lost),
            (Kind::Option(item), Kind::Option(to_item)) => {
                if nests(item) == nests(to_item) {
                    self.types(item, to_item, path);
                } else {
                    self.nested(from, to, path);
                }
            }
            (_, Kind::Option(item)) => self.becomes_option(from, item, path),
            (Kind::Option(item), _) => {
                let rules = [Rule::OUT_OF_OPTION, Rule::INTO_OPTION];
                self.note(rules, path, "None has no counterpart", Effect::Partial);
                match self.way {
                    Way::Forth => self.unnamed(item, to, path),
                    Way::Back => self.types(item, to, path),
                }
            }
            (Kind::List { item, .. }, Kind::List { item: to_item, .. }) => {
                self.limit(from, to, path);
                self.unnamed(item, to_item, &format!("{path}[..]"));
            }
            (Kind::Map { key, value }, Kind::Map { key: to_key, value: to_value }) => {
                self.keys(key, to_key, path);
                let path = format!("{path}[..]");
                match key == to_key {
                    true => self.types(value, to_value, &path),
                    false => self.unnamed(value, to_value, &path),
                }
            }
            (Kind::Tuple(items), Kind::Tuple(to_items)) if items.len() == to_items.len() => {
                for (index, (item, to_item)) in items.iter().zip(to_items).enumerate() {
                    self.types(item, to_item, &format!("{path}.{index}"));
                }
            }
            (Kind::Record(record), Kind::Record(to_record)) => {
                self.records((from, record), (to, to_record), path);
            }
            (Kind::Variant(variant), Kind::Variant(to_variant)) => {
                self.variants((from, variant), (to, to_variant), path);
            }
            (Kind::Int { .. }, Kind::Int { .. }) => self.ranges(from, to, path),
            (Kind::Text { .. }, Kind::Text { .. }) | (Kind::Bytes { .. }, Kind::Bytes { .. }) => {
                self.limit(from, to, path);
            }
            (Kind::Text { max }, Kind::Bytes { max: to_max }) => {
                let rules = [Rule::TEXT_TO_BYTES, Rule::OTHER_SCALAR];
                self.note(rules, path, "becomes its UTF-8", Effect::Made);
                // A Text's limit counts characters, of up to four bytes.
                let bytes = max.map(|max| max.saturating_mul(4));
                self.lengths((from, bytes), (to, *to_max), path);
            }
            (Kind::Bytes { max }, Kind::Text { max: to_max }) => {
                let rules = [Rule::OTHER_SCALAR, Rule::TEXT_TO_BYTES];
                let what = format!("{from} becomes {to} only where it is UTF-8");
                self.note(rules, path, what, Effect::Partial);
                self.lengths((from, *max), (to, *to_max), path);
            }
            _ => self.other(from, to, path),
        }
    }

    fn nested(&mut self, from: &Ty, to: &Ty, path: &str) {
        let what = format!("{from} and {to} have more than one `None` between them");
        self.note([Rule::NESTED_OPTION; 2], path, what, Effect::Open);
    }

    fn becomes_option(&mut self, from: &Ty, item: &Ty, path: &str) {
        let rules = [Rule::INTO_OPTION, Rule::OUT_OF_OPTION];
        self.note(rules, path, "becomes `Some`", Effect::Made);
        match self.way {
            Way::Forth => self.types(from, item, path),
            Way::Back => self.unnamed(from, item, path),
        }
    }

    fn ranges(&mut self, from: &Ty, to: &Ty, path: &str) {
        let (old, new) = if self.way == Way::Forth { (from, to) } else { (to, from) };
        let rule = if limits_fit(old, new) { Rule::WIDER } else { Rule::NARROWER };
        match limits_fit(from, to) {
            true => self.note([rule; 2], path, format!("{from} is {to} now"), Effect::Same),
            false => {
                self.note([rule; 2], path, format!("{from} does not always fit {to}"), Effect::Partial);
            }
        }
    }

    fn limit(&mut self, from: &Ty, to: &Ty, path: &str) {
        let max = |ty: &Ty| match ty.kind() {
            Kind::Text { max } | Kind::Bytes { max } | Kind::List { max, .. } => *max,
            _ => None,
        };
        if max(from) == max(to) {
            return;
        }
        self.lengths((from, max(from)), (to, max(to)), path);
    }

    fn lengths(&mut self, (from, max): (&Ty, Option<u32>), (to, to_max): (&Ty, Option<u32>), path: &str) {
        let fits = to_max.is_none_or(|to| max.is_some_and(|max| max <= to));
        let (what, effect) = match (fits, to.kind()) {
            _ if max == to_max => return,
            (true, _) => ("may be longer now".to_owned(), Effect::Same),
            (false, Kind::List { .. }) => (format!("{to} is shorter than {from}"), Effect::Partial),
            (false, _) => (format!("{from} does not always fit {to}"), Effect::Partial),
        };
        self.note([Rule::LIMIT; 2], path, what, effect);
    }

    fn keys(&mut self, key: &Ty, to_key: &Ty, path: &str) {
        if key == to_key {
            return;
        }
        let (what, effect) = match (keys_stay(key, to_key), keys_fit(key, to_key)) {
            (true, true) => (format!("the keys are {to_key} now, and were {key}"), Effect::Made),
            (true, false) => (format!("the keys do not always fit {to_key}"), Effect::Partial),
            (false, _) => (format!("the keys changed from {key} to {to_key}"), Effect::Open),
        };
        self.note([Rule::KEYS; 2], path, what, effect);
    }

    fn records(&mut self, (from, record): (&Ty, &Record), (to, to_record): (&Ty, &Record), path: &str) {
        let mut stays = record.fields.len() == to_record.fields.len();
        let mut renamed = false;
        // A field that kept its name and not its place, whatever became of the others.
        let mut moved = false;
        for (index, field) in to_record.fields.iter().enumerate() {
            let path = format!("{path}.{}", field.label);
            let before = self.edits.before(from, to, &field.label);
            let Some(at) = record.index(before) else {
                self.new_field(to, field, &path);
                stays = false;
                continue;
            };
            let old = &record.fields[at];
            stays &= at == index && old.ordinal == field.ordinal;
            if *old.label == *field.label {
                moved |= at != index || old.ordinal != field.ordinal;
            } else {
                renamed = true;
                let effect =
                    if at == index && old.ordinal == field.ordinal { Effect::Same } else { Effect::Made };
                self.note([Rule::FIELD_RENAMED; 2], &path, format!("was `{}`", old.label), effect);
            }
            self.types(&old.ty, &field.ty, &path);
            if old.default != field.default && old.ty == field.ty {
                self.default(old, field, &path);
            }
        }
        for field in &record.fields {
            if to_record.index(self.edits.after(from, to, &field.label)).is_none() {
                let path = format!("{path}.{}", field.label);
                let added = [Rule::FIELD_REMOVED, added_rule(field)];
                let (what, effect) = match (self.edits.dropped(from, &field.label), self.way, self.keeping) {
                    (true, Way::Forth, Keeping::Here) => ("is dropped, and kept aside", Effect::Kept),
                    (true, ..) => ("is dropped", Effect::Made),
                    (false, Way::Forth, _) => ("would be dropped", Effect::Lost),
                    (false, Way::Back, _) => {
                        ("is left out, as the old version does not have it", Effect::Lost)
                    }
                };
                if self.keeping == Keeping::NotBelow && self.way == Way::Forth {
                    self.verdict.unkept.push(path.clone());
                }
                self.note(added, &path, what, effect);
            }
        }
        let same_count = record.fields.len() == to_record.fields.len();
        let reordered = if renamed { moved } else { !stays || record.declared != to_record.declared };
        if same_count && reordered {
            let effect = if stays { Effect::Same } else { Effect::Made };
            self.note([Rule::FIELDS_REORDERED; 2], path, "the fields stand in another order", effect);
        }
    }

    fn new_field(&mut self, to: &Ty, field: &Field, path: &str) {
        let rules = [added_rule(field), Rule::FIELD_REMOVED];
        let missing = missing_field(to, field, self.edits);
        if self.edits.returns(to, &field.label) && self.keeping != Keeping::Not {
            return self.returned(field, path, missing, self.edits.added(to, &field.label));
        }
        match missing {
            Some(value) => {
                let what = format!("is new, and starts as {}", value.to_source(&field.ty));
                self.note(rules, path, what, Effect::Made);
            }
            None => {
                let what = match self.way {
                    Way::Forth => "the field is new and has no default",
                    Way::Back => "the field is gone, and the old version has no default for it",
                };
                self.note(rules, path, what, Effect::Open);
            }
        }
    }

    /// Judges a field that was left out on the way forth, on the way back.
    fn returned(&mut self, field: &Field, path: &str, missing: Option<Value>, said: Option<&Value>) {
        let rules = [Rule::FIELD_REMOVED; 2];
        if self.keeping == Keeping::Here {
            let later = match missing {
                Some(value) => format!("{} where nothing was", value.to_source(&field.ty)),
                None => "an instance that was born later has no way back".to_owned(),
            };
            let what = format!("is put back from what was kept aside; {later}");
            return self.note(rules, path, what, Effect::Kept);
        }
        match said {
            Some(value) => {
                let value = value.to_source(&field.ty);
                let what = format!("is {value} again, whatever it was: nothing can be kept aside here");
                self.note(rules, path, what, Effect::Lost);
            }
            None => {
                let what = "was dropped where nothing can be kept aside";
                self.note(rules, path, what, Effect::Open);
            }
        }
    }

    fn default(&mut self, old: &Field, new: &Field, path: &str) {
        let shown = |field: &Field| match &field.default {
            Some(value) => value.to_source(&field.ty),
            None => "nothing".to_owned(),
        };
        let what =
            format!("what stands for it where it is left out was {}, and is {}", shown(old), shown(new));
        self.note([Rule::DEFAULT_CHANGED; 2], path, what, Effect::Same);
    }

    fn variants(&mut self, (from, variant): (&Ty, &Variant), (to, to_variant): (&Ty, &Variant), path: &str) {
        // A case is known in memory by its index, and in bytes by its ordinal.
        let mut shifted = false;
        let mut moved = false;
        let mut gone = false;
        for (index, case) in variant.cases.iter().enumerate() {
            let path = format!("{path}.{}", case.label);
            let Some(at) = to_variant.index(self.edits.after(from, to, &case.label)) else {
                let rules = [Rule::CASE_REMOVED, Rule::CASE_ADDED];
                let what = match self.way {
                    Way::Forth => "the case has no counterpart",
                    Way::Back => "the case is new, and the old version has no counterpart",
                };
                self.note(rules, &path, what, Effect::Partial);
                gone = true;
                continue;
            };
            let new = &to_variant.cases[at];
            shifted |= at != index;
            moved |= new.ordinal != case.ordinal && new.label == case.label;
            if *new.label != *case.label {
                let effect =
                    if at == index && new.ordinal == case.ordinal { Effect::Same } else { Effect::Made };
                self.note([Rule::CASES_MOVED; 2], &path, format!("is `{}` now", new.label), effect);
            }
            self.types(&case.payload, &new.payload, &path);
        }
        let effect = if shifted { Effect::Made } else { Effect::Same };
        for case in &to_variant.cases {
            if variant.index(self.edits.before(from, to, &case.label)).is_none() {
                let path = format!("{path}.{}", case.label);
                let what = if self.way == Way::Forth { "the case is new" } else { "the case is gone" };
                self.note([Rule::CASE_ADDED, Rule::CASE_REMOVED], &path, what, effect);
                gone = true;
            }
        }
        if moved || (shifted && !gone) {
            let what = "the cases stand in another order";
            self.note([Rule::CASES_MOVED; 2], path, what, Effect::Made);
        }
    }

    fn other(&mut self, from: &Ty, to: &Ty, path: &str) {
        let scalar = |ty: &Ty| {
            matches!(
                ty.kind(),
                Kind::Bool | Kind::Int { .. } | Kind::Duration | Kind::Text { .. } | Kind::Bytes { .. }
            )
        };
        let tuple = |ty: &Ty| matches!(ty.kind(), Kind::Tuple(_));
        let product = |ty: &Ty| matches!(ty.kind(), Kind::Tuple(_) | Kind::Record(_));
        let rule = match (from.kind(), to.kind()) {
            (Kind::Unit, _) => Rule::UNIT,
            _ if scalar(from) && scalar(to) => Rule::OTHER_SCALAR,
            _ if product(from) && product(to) && (tuple(from) || tuple(to)) => Rule::ARITY,
            _ => Rule::RESHAPED,
        };
        self.note([rule; 2], path, format!("{from} does not become {to} by itself"), Effect::Open);
    }
}

/// Returns the rule for a field that only the new type has.
fn added_rule(field: &Field) -> Rule {
    let starts = field.default.is_some() || matches!(field.ty.unsealed().kind(), Kind::Option(_));
    if starts { Rule::FIELD_ADDED } else { Rule::FIELD_NEEDED }
}

/// Returns the value of a field that the other side lacks.
pub(super) fn missing_field(to: &Ty, field: &Field, edits: &Edits) -> Option<Value> {
    match (edits.added(to, &field.label), &field.default, field.ty.unsealed().kind()) {
        (Some(value), ..) | (None, Some(value), _) => Some(value.clone()),
        (None, None, Kind::Option(_)) => Some(Value::none()),
        _ => None,
    }
}

/// Returns true when each key that has a counterpart has one of its own, and their order stays: they
/// differ in limits alone, or in the last cases.
pub(crate) fn keys_stay(key: &Ty, to: &Ty) -> bool {
    if key == to {
        return true;
    }
    match (key.kind(), to.kind()) {
        (Kind::Int { .. }, Kind::Int { .. })
        | (Kind::Text { .. }, Kind::Text { .. })
        | (Kind::Bytes { .. }, Kind::Bytes { .. }) => true,
        (Kind::Tuple(items), Kind::Tuple(to_items)) => {
            items.len() == to_items.len()
                && items.iter().zip(to_items).all(|(item, to_item)| keys_stay(item, to_item))
        }
        (Kind::Variant(variant), Kind::Variant(to_variant)) => variant
            .cases
            .iter()
            .zip(&to_variant.cases)
            .all(|(case, new)| case.label == new.label && case.ordinal == new.ordinal),
        _ => false,
    }
}

/// Returns true when each of such keys has a counterpart.
fn keys_fit(key: &Ty, to: &Ty) -> bool {
    match (key.kind(), to.kind()) {
        (Kind::Tuple(items), Kind::Tuple(to_items)) => {
            items.iter().zip(to_items).all(|(item, to_item)| keys_fit(item, to_item))
        }
        (Kind::Variant(variant), Kind::Variant(to_variant)) => variant.cases.len() <= to_variant.cases.len(),
        _ => limits_fit(key, to),
    }
}

/// Returns true when every value within the limits of one type is within those of the other.
pub(super) fn limits_fit(from: &Ty, to: &Ty) -> bool {
    let wider = |from: &Option<u32>, to: &Option<u32>| match (from, to) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(from), Some(to)) => from <= to,
    };
    match (from.kind(), to.kind()) {
        (Kind::Int { lo, hi }, Kind::Int { lo: to_lo, hi: to_hi }) => to_lo <= lo && hi <= to_hi,
        (Kind::Text { max }, Kind::Text { max: to })
        | (Kind::Bytes { max }, Kind::Bytes { max: to })
        | (Kind::List { max, .. }, Kind::List { max: to, .. }) => wider(max, to),
        _ => true,
    }
}
