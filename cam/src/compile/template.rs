//! A migration for a person to finish: what is not derived, as holes.
//!
//! Nothing is guessed. What a person may mean (another name, a default) stands beside the hole as a
//! comment; the hole itself is refused until somebody fills it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use crate::code::Module;
use crate::derive::{Change, Edits, Effect, Way, compare, judge, judge_state, judge_way};
use crate::ty::{Kind, Record, Ty, Variant};
use crate::value::Value;
use crate::verify::VerifiedMachine;

/// Returns a migration with a hole for everything that has to be decided; `None` where nothing has.
///
/// `version` is that of the application which the migration comes from.
pub fn template(from: &VerifiedMachine, to: &VerifiedMachine, version: &str) -> Option<String> {
    let mut template = Template { old: from.module(), new: to.module(), items: BTreeMap::new() };
    let whole = template.states(from.state(), to.state());
    let arrows = template.inputs(from, to);
    let answers = template.answers(from, to);
    let edits: Vec<String> = template.items.into_values().collect();
    let parts: Vec<String> = [edits, whole, arrows, answers].concat();
    if parts.is_empty() {
        return None;
    }
    let name = &to.module().debug.name;
    let head =
        "// Each `?` is for a person to decide. What becomes of everything else follows from the types.";
    Some(format!("migration {name} from \"{version}\"\n\n{head}\n\n{}\n", parts.join("\n\n")))
}

struct Template<'m> {
    old: &'m Module,
    new: &'m Module,
    /// The edits, by what they are about.
    items: BTreeMap<(String, String), String>,
}

/// Whether edits say all that has to be said of two types.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    ByEdits,
    /// A person has to write what the one becomes.
    Open,
}

impl Said {
    fn and(self, other: Said) -> Said {
        if other == Said::Open { other } else { self }
    }
}

impl Template<'_> {
    /// Returns `up` and `down`, where edits do not do.
    fn states(&mut self, old: &Ty, new: &Ty) -> Vec<String> {
        let plain = |way, from: &Ty, to: &Ty| judge_state(way, from, to, &Edits::default());
        if plain(Way::Forth, old, new).is_lossless() {
            let back = plain(Way::Back, new, old);
            let open = back.changes.iter().any(|change| change.effect == Effect::Open);
            return if open { vec![self.down(old, new)] } else { vec![] };
        }
        let before = std::mem::take(&mut self.items);
        if self.types(old, new, true) == Said::ByEdits {
            self.items.extend(before);
            return vec![];
        }
        // The edits of what stays derived are made anew, part by part.
        self.items = before;
        let up = self.up(old, new);
        vec![up, self.down(old, new)]
    }

    /// Notes the edits that two types need. `keepable`: what is dropped can be kept aside here.
    fn types(&mut self, old: &Ty, new: &Ty, keepable: bool) -> Said {
        if judge(old, new, &Edits::default(), "").is_lossless() {
            return Said::ByEdits;
        }
        match (old.kind(), new.kind()) {
            (Kind::Secret(item), Kind::Secret(to)) | (Kind::Option(item), Kind::Option(to)) => {
                self.types(item, to, keepable)
            }
            (Kind::List { item, max }, Kind::List { item: to, max: to_max }) if max == to_max => {
                self.types(item, to, false)
            }
            (Kind::Map { key, value }, Kind::Map { key: to_key, value: to }) if key == to_key => {
                self.types(value, to, keepable)
            }
            (Kind::Tuple(items), Kind::Tuple(to)) if items.len() == to.len() => {
                let parts = items.iter().zip(to);
                parts.fold(Said::ByEdits, |said, (item, to)| said.and(self.types(item, to, keepable)))
            }
            (Kind::Record(record), Kind::Record(to_record)) => {
                self.records((old, record), (new, to_record), keepable)
            }
            (Kind::Variant(variant), Kind::Variant(to_variant)) => {
                self.variants((old, variant), (new, to_variant), keepable)
            }
            _ => Said::Open,
        }
    }

    fn records(&mut self, (old, record): (&Ty, &Record), (new, to): (&Ty, &Record), keepable: bool) -> Said {
        let (Some(before), Some(after)) = (name(self.old, old), name(self.new, new)) else {
            return Said::Open;
        };
        let mut said = Said::ByEdits;
        let lost = || record.fields.iter().filter(|field| to.index(&field.label).is_none());
        let needed = to.fields.iter().filter(|field| {
            record.index(&field.label).is_none()
                && field.default.is_none()
                && !matches!(field.ty.unsealed().kind(), Kind::Option(_))
        });
        for field in needed {
            let label = &field.label;
            let mut text =
                format!("// {after}.{label} is new and has no default. Its type: {}", shown(&field.ty));
            for other in lost().filter(|other| fits(&other.ty, &field.ty)) {
                let _ = write!(
                    text,
                    "\n// If it was there by another name: rename {before}.{} to {label}",
                    other.label
                );
            }
            let _ = write!(text, "\nadd {after}.{label} = ?{}", such_as(&field.ty));
            self.items.insert((format!("{after}.{label}"), "add".to_owned()), text);
        }
        for field in lost() {
            let label = &field.label;
            let what = if keepable {
                "It is kept aside for the way back; what is it where nothing was kept, in what is born later?"
            } else {
                "Nothing can be kept aside below a list; what is it on the way back?"
            };
            let mut text = format!("// {before}.{label} is gone. Its type: {}\n// {what}", shown(&field.ty));
            for other in &to.fields {
                let is_new = record.index(&other.label).is_none();
                if is_new && fits(&field.ty, &other.ty) {
                    let _ = write!(
                        text,
                        "\n// If it has another name now: rename {before}.{label} to {}",
                        other.label
                    );
                }
            }
            let _ = write!(text, "\ndrop {before}.{label} else ?{}", such_as(&field.ty));
            self.items.insert((format!("{before}.{label}"), "drop".to_owned()), text);
        }
        for field in &record.fields {
            if let Some(index) = to.index(&field.label) {
                said = said.and(self.types(&field.ty, &to.fields[index].ty, keepable));
            }
        }
        said
    }

    fn variants(&mut self, (_, variant): (&Ty, &Variant), (_, to): (&Ty, &Variant), keepable: bool) -> Said {
        variant.cases.iter().fold(Said::ByEdits, |said, case| match to.index(&case.label) {
            Some(index) => said.and(self.types(&case.payload, &to.cases[index].payload, keepable)),
            None => Said::Open,
        })
    }

    /// Returns the way up, with what is derived and holes for the rest.
    fn up(&mut self, old: &Ty, new: &Ty) -> String {
        let (Kind::Record(record), Kind::Record(to)) = (old.kind(), new.kind()) else {
            return format!(
                "// from {}\n// to {}\nup (old) = ?{}",
                shown(old),
                shown(new),
                renames(old, new, self)
            );
        };
        let mut lines = vec![];
        for field in &to.fields {
            let label = &field.label;
            let Some(before) = record.index(label).map(|index| &record.fields[index]) else {
                if field.default.is_none() {
                    lines.push(format!("  {label}: ?   // {}, which is new", shown(&field.ty)));
                }
                continue;
            };
            let kept = self.items.clone();
            lines.push(match self.types(&before.ty, &field.ty, false) {
                _ if before.ty == field.ty => format!("  {label}: old.{label}"),
                Said::ByEdits => format!("  {label}: derived(old.{label})"),
                Said::Open => {
                    self.items = kept;
                    format!("  {label}: ?   // {}, from old.{label}: {}", shown(&field.ty), shown(&before.ty))
                }
            });
        }
        let lost = record.fields.iter().filter(|field| to.index(&field.label).is_none());
        for field in lost {
            lines.push(format!("  // old.{} is left out: {}", field.label, shown(&field.ty)));
        }
        let keep = "// What `down` needs of the old state beside the new one: `keep (old) = ...`, and `down (new, kept) = ...`";
        format!("{keep}\nup (old) = {{\n{}\n}}", lines.join("\n"))
    }

    /// Returns the way down likewise.
    fn down(&mut self, old: &Ty, new: &Ty) -> String {
        let none = "// Where there is no way back: `down (new) = fail \"why\"`";
        let (Kind::Record(record), Kind::Record(from)) = (old.kind(), new.kind()) else {
            return format!("{none}\n// from {}\n// to {}\ndown (new) = ?", shown(new), shown(old));
        };
        let mut lines = vec![];
        for field in &record.fields {
            let label = &field.label;
            let Some(after) = from.index(label).map(|index| &from.fields[index]) else {
                if field.default.is_none() {
                    lines.push(format!(
                        "  {label}: ?   // {}, which the new version does not have",
                        shown(&field.ty)
                    ));
                }
                continue;
            };
            let said = self.types(&field.ty, &after.ty, false);
            let verdict = judge_way(Way::Back, &after.ty, &field.ty, &Edits::default(), "");
            // What the edits of the way up say is said for the way down too.
            let by_edits = |change: &Change| said == Said::ByEdits && change.effect == Effect::Open;
            lines.push(match verdict.problems().all(by_edits) {
                _ if after.ty == field.ty => format!("  {label}: new.{label}"),
                true => format!("  {label}: derived(new.{label})"),
                false => {
                    format!("  {label}: ?   // {}, from new.{label}: {}", shown(&field.ty), shown(&after.ty))
                }
            });
        }
        format!("{none}\ndown (new) = {{\n{}\n}}", lines.join("\n"))
    }

    /// Returns a `lift` for each input that has no counterpart.
    fn inputs(&mut self, from: &VerifiedMachine, to: &VerifiedMachine) -> Vec<String> {
        let (Some(old), Some(new)) = (from.input().as_variant(), to.input().as_variant()) else {
            return vec![];
        };
        let mut clauses = vec![];
        for case in &old.cases {
            let at = new.index(&case.label);
            if let Some(index) = at
                && judge(&case.payload, &new.cases[index].payload, &Edits::default(), "").is_total()
            {
                continue;
            }
            let mut text = match at {
                Some(index) => {
                    format!("// Input.{} holds {} now", case.label, shown(&new.cases[index].payload))
                }
                None => format!(
                    "// Input.{} is gone; old clients may send it, and it may wait in a queue",
                    case.label
                ),
            };
            if at.is_none() {
                for other in &new.cases {
                    if old.index(&other.label).is_none() && fits(&case.payload, &other.payload) {
                        let _ = write!(
                            text,
                            "\n// If it has another name now: rename Input.{} to {}",
                            case.label, other.label
                        );
                    }
                }
            }
            let _ = write!(
                text,
                "\nlift {} => ?   // one of {}",
                pattern(&case.label, &case.payload),
                labels(new)
            );
            clauses.push(text);
        }
        clauses
    }

    /// Returns a `lower` for each answer that old clients may get and do not know.
    fn answers(&mut self, from: &VerifiedMachine, to: &VerifiedMachine) -> Vec<String> {
        let (Some(old), Some(new)) = (from.output().as_variant(), to.output().as_variant()) else {
            return vec![];
        };
        let comparison = compare(from, to, &Edits::default());
        let problems = || comparison.inputs.iter().flat_map(|input| input.lower.problems());
        let mut clauses = vec![];
        for case in &new.cases {
            let root = format!("Output.{}", case.label);
            let about = |path: &str| {
                path.strip_prefix(&*root).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            };
            let Some(problem) = problems().find(|problem| about(&problem.path)) else { continue };
            clauses.push(format!(
                "// {problem}\nlower {} => ?   // one of {}",
                pattern(&case.label, &case.payload),
                labels(old)
            ));
        }
        clauses
    }
}

/// Returns the names that a variant's lost cases may have now, as comments.
fn renames(old: &Ty, new: &Ty, template: &Template<'_>) -> String {
    let (Some(variant), Some(to), Some(name)) = (old.as_variant(), new.as_variant(), name(template.old, old))
    else {
        return String::new();
    };
    let mut text = String::new();
    for case in variant.cases.iter().filter(|case| to.index(&case.label).is_none()) {
        for other in to.cases.iter().filter(|other| variant.index(&other.label).is_none()) {
            if fits(&case.payload, &other.payload) {
                let _ = write!(
                    text,
                    "\n// If it has another name now: rename {name}.{} to {}",
                    case.label, other.label
                );
            }
        }
    }
    text
}

/// Returns the declared name of a type.
fn name(module: &Module, ty: &Ty) -> Option<Arc<str>> {
    let mut declared = module.debug.types.iter();
    declared.find(|(_, index)| module.ty(*index) == ty).map(|(name, _)| name.clone())
}

fn fits(old: &Ty, new: &Ty) -> bool {
    judge(old, new, &Edits::default(), "").is_lossless()
}

fn labels(variant: &Variant) -> String {
    variant.cases.iter().map(|case| &*case.label).collect::<Vec<_>>().join(", ")
}

fn pattern(label: &str, payload: &Ty) -> String {
    match payload.kind() {
        Kind::Unit => label.to_owned(),
        Kind::Record(record) => {
            let fields: Vec<&str> = record.fields.iter().map(|field| &*field.label).collect();
            format!("{label} {{ {} }}", fields.join(", "))
        }
        _ => format!("{label}(value)"),
    }
}

/// Returns a type on one line, cut where it is long.
fn shown(ty: &Ty) -> String {
    let text = ty.to_string();
    match text.char_indices().nth(160) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Returns the simplest value of a type as a comment, where there is an obvious one.
fn such_as(ty: &Ty) -> String {
    let value = match ty.unsealed().kind() {
        Kind::Int { lo, hi } => Value::Int(0i64.clamp(*lo, *hi)),
        Kind::Bool => Value::Bool(false),
        Kind::Duration => Value::Int(0),
        Kind::Text { .. } => Value::text(""),
        Kind::Option(_) => Value::none(),
        Kind::List { .. } => Value::list(vec![]),
        Kind::Map { .. } => Value::map(vec![]),
        _ => return String::new(),
    };
    format!("   // such as {}", value.to_source(ty))
}
