//! Patterns, and the decision trees that `match` becomes.
//!
//! The rows of a match are taken apart column by column until the first row is settled
//! (L. Maranget, "Compiling pattern matching to good decision trees", 2008). That every value
//! finds an arm, and that every arm finds a value, falls out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::numbers::Numbers;
use super::{Checked, Checker, Reported, article};
use crate::diagnostic::Span;
use crate::hir::{Decision, Local};
use crate::syntax::ast::{self, PatternKind};
use crate::ty::{Kind, Ty};
use crate::value::Value;

/// How many leaves a decision tree may have. Patterns can be written whose tree is exponential
/// in their size; real ones stay below a hundred.
const LEAVES_MAX: usize = 4096;

/// How deep a decision tree may be: each test nests the code once more.
const DEPTH_MAX: usize = 64;

/// A pattern with its names resolved.
#[derive(Debug, Clone)]
pub(crate) enum Pat {
    Wild,
    Bind(Local),
    Case(u32, Box<Pat>),
    Members(Vec<(u32, Pat)>),
    Bool(bool),
    Equal(Value),
    Within(i64, i64),
    Or(Vec<Pat>),
}

/// A pattern that an arm has, whether a guard follows, and where it stands.
pub(super) type Row = (Pat, bool, Span);

/// Returns the names that a pattern binds.
pub(super) fn names(pattern: &ast::Pattern) -> Vec<Arc<str>> {
    fn walk(pattern: &ast::Pattern, names: &mut Vec<Arc<str>>) {
        match &pattern.kind {
            PatternKind::Bind(name) => names.push(name.clone()),
            PatternKind::Tuple(items) => items.iter().for_each(|item| walk(item, names)),
            PatternKind::Or(items) => items.iter().take(1).for_each(|item| walk(item, names)),
            PatternKind::Record(fields, _) => {
                for (name, pattern) in fields {
                    match pattern {
                        Some(pattern) => walk(pattern, names),
                        None => names.push(name.text.clone()),
                    }
                }
            }
            PatternKind::Case(_, Some(payload)) => walk(payload, names),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(pattern, &mut found);
    found
}

impl Checker<'_> {
    /// Checks a pattern against the type of what it matches, and brings its names into scope.
    pub(super) fn pattern(&mut self, pattern: &ast::Pattern, ty: &Ty) -> Checked<Pat> {
        let mut bound = BTreeMap::new();
        let checked = self.pattern_in(pattern, ty, &mut bound)?;
        for (name, (local, ty)) in bound {
            self.scopes.push((name, super::Bound::Local(local, ty)));
        }
        Ok(checked)
    }

    fn pattern_in(
        &mut self,
        pattern: &ast::Pattern,
        ty: &Ty,
        bound: &mut BTreeMap<Arc<str>, (Local, Ty)>,
    ) -> Checked<Pat> {
        let span = &pattern.span;
        match &pattern.kind {
            PatternKind::Wild => Ok(Pat::Wild),
            PatternKind::Bind(name) => self.bind_name(name, ty, span, bound),
            PatternKind::Bool(bool) => {
                self.pattern_type(matches!(ty.kind(), Kind::Bool), "a Bool", ty, span)?;
                Ok(Pat::Bool(*bool))
            }
            PatternKind::Int(int) => {
                self.pattern_type(ty.is_int(), "an Int", ty, span)?;
                Ok(Pat::Equal(Value::Int(*int)))
            }
            PatternKind::Duration(ms) => {
                self.pattern_type(matches!(ty.kind(), Kind::Duration), "a Duration", ty, span)?;
                Ok(Pat::Equal(Value::Int(*ms)))
            }
            PatternKind::Text(text) => {
                self.pattern_type(matches!(ty.kind(), Kind::Text { .. }), "a Text", ty, span)?;
                Ok(Pat::Equal(Value::text(text)))
            }
            PatternKind::Range(lo, hi) => {
                self.pattern_type(ty.is_int(), "an Int", ty, span)?;
                if lo > hi {
                    return Err(self.plain("E0242", span, "this range holds no number", "from high to low"));
                }
                Ok(Pat::Within(*lo, *hi))
            }
            PatternKind::Tuple(items) if items.is_empty() => {
                self.pattern_type(matches!(ty.kind(), Kind::Unit), "`()`", ty, span)?;
                Ok(Pat::Wild)
            }
            PatternKind::Tuple(items) => {
                let types = match ty.kind() {
                    Kind::Tuple(types) if types.len() == items.len() => types.clone(),
                    _ => {
                        let what = format!("a tuple of {}", items.len());
                        self.pattern_type(false, &what, ty, span)?;
                        return Err(Reported);
                    }
                };
                let members = (0u32..).zip(items.iter().zip(&types));
                let members: Vec<Checked<(u32, Pat)>> = members
                    .map(|(index, (item, ty))| Ok((index, self.pattern_in(item, ty, bound)?)))
                    .collect();
                Ok(Pat::Members(members.into_iter().collect::<Checked<_>>()?))
            }
            PatternKind::Record(fields, open) => self.record_pattern(fields, *open, ty, span, bound),
            PatternKind::Case(name, payload) => {
                let (index, payload_ty) = self.case_of(ty, name)?;
                let payload = match payload {
                    Some(payload) => self.pattern_in(payload, &payload_ty, bound)?,
                    None if matches!(payload_ty.kind(), Kind::Unit) => Pat::Wild,
                    None => {
                        let what = self.types.name(&payload_ty);
                        let diagnostic = self
                            .diagnostic(
                                "E0214",
                                span,
                                format!("`{}` holds {}", name.text, article(&what)),
                                "its value is not matched",
                            )
                            .help(format!(
                                "write `{}(_)` or `{} {{ .. }}` to ignore it",
                                name.text, name.text
                            ));
                        return Err(self.fault(diagnostic));
                    }
                };
                Ok(Pat::Case(index, Box::new(payload)))
            }
            PatternKind::Or(alternatives) => self.or_pattern(alternatives, ty, span, bound),
        }
    }

    fn bind_name(
        &mut self,
        name: &Arc<str>,
        ty: &Ty,
        span: &Span,
        bound: &mut BTreeMap<Arc<str>, (Local, Ty)>,
    ) -> Checked<Pat> {
        if bound.contains_key(name) {
            return Err(self.plain(
                "E0229",
                span,
                format!("`{name}` stands twice in this pattern"),
                "here again",
            ));
        }
        let local = self.fresh();
        bound.insert(name.clone(), (local, ty.clone()));
        Ok(Pat::Bind(local))
    }

    fn record_pattern(
        &mut self,
        fields: &[(ast::Name, Option<ast::Pattern>)],
        open: bool,
        ty: &Ty,
        span: &Span,
        bound: &mut BTreeMap<Arc<str>, (Local, Ty)>,
    ) -> Checked<Pat> {
        let Some(record) = ty.as_record().cloned() else {
            self.pattern_type(false, "a record", ty, span)?;
            return Err(Reported);
        };
        let mut members = Vec::new();
        let mut seen = BTreeSet::new();
        let mut faulty = false;
        for (name, pattern) in fields {
            let Some(index) = record.index(&name.text) else {
                let whole = self.types.name(ty);
                let near = crate::diagnostic::did_you_mean(
                    &name.text,
                    record.fields.iter().map(|field| &*field.label),
                );
                let mut diagnostic = self.diagnostic(
                    "E0209",
                    &name.span,
                    format!("`{whole}` has no field `{}`", name.text),
                    "no such field",
                );
                diagnostic.help = near.map(|near| format!("did you mean `{near}`?"));
                self.fault(diagnostic);
                faulty = true;
                continue;
            };
            if !seen.insert(index) {
                self.plain(
                    "E0215",
                    &name.span,
                    format!("the field `{}` stands twice", name.text),
                    "here again",
                );
                faulty = true;
                continue;
            }
            let member_ty = record.fields[index].ty.clone();
            let member = match pattern {
                Some(pattern) => self.pattern_in(pattern, &member_ty, bound),
                None => self.bind_name(&name.text, &member_ty, &name.span, bound),
            };
            match member {
                Ok(member) => members.push((u32::try_from(index).unwrap_or(u32::MAX), member)),
                Err(Reported) => faulty = true,
            }
        }
        if faulty {
            return Err(Reported);
        }
        if !open && seen.len() < record.fields.len() {
            let missing = record.in_declared_order().filter(|(index, _)| !seen.contains(index));
            let missing = super::listed(missing.map(|(_, field)| &*field.label));
            let diagnostic = self
                .diagnostic("E0243", span, format!("this pattern leaves out {missing}"), "not every field")
                .help("name them, or end the pattern in `..`");
            return Err(self.fault(diagnostic));
        }
        Ok(Pat::Members(members))
    }

    fn or_pattern(
        &mut self,
        alternatives: &[ast::Pattern],
        ty: &Ty,
        span: &Span,
        bound: &mut BTreeMap<Arc<str>, (Local, Ty)>,
    ) -> Checked<Pat> {
        let mut checked = Vec::new();
        let mut first: Option<BTreeMap<Arc<str>, (Local, Ty)>> = None;
        for alternative in alternatives {
            let mut names = BTreeMap::new();
            let mut pattern = self.pattern_in(alternative, ty, &mut names)?;
            match &first {
                None => first = Some(names),
                Some(first) => {
                    let same = first.len() == names.len()
                        && names
                            .iter()
                            .all(|(name, (_, ty))| first.get(name).is_some_and(|(_, other)| other == ty));
                    if !same {
                        return Err(self.plain(
                            "E0244",
                            span,
                            "the alternatives of a pattern bind the same names with the same types",
                            "they differ here",
                        ));
                    }
                    for (name, (local, _)) in &names {
                        rename(&mut pattern, *local, first[name].0);
                    }
                }
            }
            checked.push(pattern);
        }
        for (name, entry) in first.unwrap_or_default() {
            if bound.insert(name.clone(), entry).is_some() {
                return Err(self.plain(
                    "E0229",
                    span,
                    format!("`{name}` stands twice in this pattern"),
                    "here again",
                ));
            }
        }
        Ok(Pat::Or(checked))
    }

    fn pattern_type(&mut self, fits: bool, what: &str, ty: &Ty, span: &Span) -> Checked<()> {
        if fits {
            return Ok(());
        }
        let found = self.types.name(ty);
        let message = format!("this pattern matches {what}, and the value is {}", article(&found));
        Err(match ty.kind() {
            Kind::Secret(_) => self.about_secret("E0210", span, message, "a secret is not taken apart"),
            _ => self.plain("E0210", span, message, "can never match"),
        })
    }

    /// Builds the decision tree of a `match`.
    pub(super) fn decide(&mut self, ty: &Ty, root: Local, rows: Vec<Row>, span: &Span) -> Checked<Decision> {
        let (tree, missing, unused) = self.tree_of(ty, root, &rows, span)?;
        let mut faulty = false;
        if !missing.is_empty() {
            let diagnostic = self
                .diagnostic("E0221", span, "this `match` does not cover every case", "cases are missing")
                .help(format!("add {}", super::listed(missing.iter().map(|missing| &**missing))));
            self.fault(diagnostic);
            faulty = true;
        }
        for index in unused {
            let label = match self.never_matches(ty, root, &rows[index]) {
                true => format!("no value of `{}` matches it", self.types.name(ty)),
                false => "the arms before it take everything".to_owned(),
            };
            self.plain("E0222", &rows[index].2, "this arm is never reached", label);
            faulty = true;
        }
        match tree {
            Some(tree) if !faulty => Ok(tree),
            _ => Err(Reported),
        }
    }

    /// Builds the decision tree of a `let`: one row, or two where there is an `else`.
    pub(super) fn decide_let(
        &mut self,
        ty: &Ty,
        root: Local,
        rows: Vec<Row>,
        span: &Span,
    ) -> Checked<Decision> {
        let (tree, missing, unused) = self.tree_of(ty, root, &rows, span)?;
        if let Some(missing) = missing.first() {
            let diagnostic = self
                .diagnostic(
                    "E0223",
                    span,
                    format!("this pattern does not match `{missing}`"),
                    "does not always match",
                )
                .help("add `else ...` after a `let`, or use `match`");
            return Err(self.fault(diagnostic));
        }
        if unused.contains(&0) {
            let label = format!("no value of `{}` matches it", self.types.name(ty));
            return Err(self.plain("E0222", span, "this pattern never matches", label));
        }
        if !unused.is_empty() {
            return Err(self.plain(
                "E0222",
                span,
                "this `else` is never reached",
                "the pattern always matches",
            ));
        }
        tree.ok_or(Reported)
    }

    /// Tells whether a row that nothing reaches would not be reached if it were the first.
    fn never_matches(&mut self, ty: &Ty, root: Local, row: &Row) -> bool {
        let alone = self.tree_of(ty, root, std::slice::from_ref(row), &row.2);
        matches!(alone, Ok((_, _, unused)) if !unused.is_empty())
    }

    /// Returns the tree, what no row covers, and the rows that nothing reaches.
    pub(super) fn tree_of(
        &mut self,
        ty: &Ty,
        root: Local,
        rows: &[Row],
        span: &Span,
    ) -> Checked<(Option<Decision>, Vec<String>, Vec<usize>)> {
        let mut builder = Builder {
            checker: self,
            types: BTreeMap::from([(root, ty.clone())]),
            seen: BTreeMap::new(),
            root,
            missing: Vec::new(),
            used: BTreeSet::new(),
            leaves: 0,
            depth: 0,
        };
        let mut matrix = Vec::new();
        for (arm, (pattern, guarded, _)) in rows.iter().enumerate() {
            matrix.push(MatrixRow {
                columns: vec![(root, pattern.clone())],
                names: Vec::new(),
                guarded: *guarded,
                arm,
            });
        }
        let tree = builder.build(matrix);
        let (missing, used, leaves) = (builder.missing, builder.used, builder.leaves);
        if leaves > LEAVES_MAX {
            return Err(self.plain(
                "E0245",
                span,
                "these patterns make too large a decision tree",
                "split the `match` into nested ones",
            ));
        }
        let unused = (0..rows.len()).filter(|arm| !used.contains(arm)).collect();
        Ok((tree, missing, unused))
    }
}

fn rename(pattern: &mut Pat, from: Local, to: Local) {
    match pattern {
        Pat::Bind(local) if *local == from => *local = to,
        Pat::Case(_, payload) => rename(payload, from, to),
        Pat::Members(members) => members.iter_mut().for_each(|(_, member)| rename(member, from, to)),
        Pat::Or(alternatives) => alternatives.iter_mut().for_each(|pattern| rename(pattern, from, to)),
        _ => {}
    }
}

#[derive(Debug, Clone)]
struct MatrixRow {
    /// What is still to be looked at.
    columns: Vec<(Local, Pat)>,
    /// Names for what was looked at.
    names: Vec<(Local, Local)>,
    guarded: bool,
    arm: usize,
}

/// What is known of a part on the way to a leaf; for the words of an error.
#[derive(Debug, Clone)]
enum Seen {
    Case(u32, Local),
    Members(Vec<(u32, Local)>),
    /// The numbers that it can still be.
    Numbers(Numbers),
    Words(String),
}

/// The trees behind a test.
enum Tested {
    Both(Box<Decision>, Box<Decision>),
    /// Every value that comes here takes the same side.
    One(Decision),
}

struct Builder<'c, 'a> {
    checker: &'c mut Checker<'a>,
    types: BTreeMap<Local, Ty>,
    seen: BTreeMap<Local, Seen>,
    root: Local,
    missing: Vec<String>,
    used: BTreeSet<usize>,
    leaves: usize,
    depth: usize,
}

impl Builder<'_, '_> {
    /// Returns the tree of these rows; `None` where some value finds no row.
    fn build(&mut self, rows: Vec<MatrixRow>) -> Option<Decision> {
        if self.leaves > LEAVES_MAX || self.depth > DEPTH_MAX {
            // Too large; no further look at it.
            self.leaves = LEAVES_MAX + 1;
            return None;
        }
        self.depth += 1;
        let tree = self.grow(rows);
        self.depth -= 1;
        tree
    }

    fn grow(&mut self, mut rows: Vec<MatrixRow>) -> Option<Decision> {
        if rows.is_empty() {
            self.leaves += 1;
            let missing = self.words(self.root);
            if self.missing.len() < 8 && !self.missing.contains(&missing) {
                self.missing.push(missing);
            }
            return None;
        }
        if let Some(split) = split_or(&rows) {
            return self.grow(split);
        }
        rows.iter_mut().for_each(settle);
        let Some((subject, pattern)) = rows[0].columns.first().cloned() else {
            return self.leaf(rows);
        };
        match pattern {
            Pat::Members(_) => self.members(subject, rows),
            Pat::Case(..) => self.cases(subject, &rows),
            Pat::Bool(_) => self.bools(subject, &rows),
            Pat::Equal(value) => self.equal(subject, &rows, value),
            Pat::Within(lo, hi) => {
                let (yes, no) = self.numbers(subject).split(lo, hi);
                let test = |pattern: &Pat| after_within(pattern, lo, hi);
                match self.test(subject, &rows, test, Seen::Numbers(yes), Seen::Numbers(no))? {
                    Tested::Both(yes, no) => Some(Decision::Within(subject, lo, hi, yes, no)),
                    Tested::One(tree) => Some(tree),
                }
            }
            Pat::Wild | Pat::Bind(_) | Pat::Or(_) => {
                unreachable!("names were settled and alternatives split above")
            }
        }
    }

    fn leaf(&mut self, mut rows: Vec<MatrixRow>) -> Option<Decision> {
        self.leaves += 1;
        let row = rows.remove(0);
        self.used.insert(row.arm);
        if row.guarded {
            let rest = self.build(rows)?;
            Some(Decision::Guarded(row.arm, row.names, Box::new(rest)))
        } else {
            Some(Decision::Arm(row.arm, row.names))
        }
    }

    fn members(&mut self, subject: Local, rows: Vec<MatrixRow>) -> Option<Decision> {
        let mut locals: BTreeMap<u32, Local> = BTreeMap::new();
        let types: Vec<Ty> = match self.types[&subject].kind() {
            Kind::Tuple(types) => types.clone(),
            Kind::Record(record) => record.fields.iter().map(|field| field.ty.clone()).collect(),
            _ => unreachable!("a pattern of members was checked against a tuple or record"),
        };
        let mut next = Vec::new();
        for mut row in rows {
            if let Some(pattern) = take(&mut row, subject) {
                let Pat::Members(members) = pattern else {
                    unreachable!("all patterns of one column were checked against one type")
                };
                for (index, member) in members {
                    let local = *locals.entry(index).or_insert_with(|| self.checker.fresh());
                    self.types.insert(local, types[index as usize].clone());
                    row.columns.push((local, member));
                }
            }
            next.push(row);
        }
        let named: Vec<(u32, Local)> = locals.into_iter().collect();
        self.seen.insert(subject, Seen::Members(named.clone()));
        let tree = self.build(next);
        self.seen.remove(&subject);
        Some(Decision::Members(subject, named, Box::new(tree?)))
    }

    fn cases(&mut self, subject: Local, rows: &[MatrixRow]) -> Option<Decision> {
        let payloads: Vec<Ty> = match self.types[&subject].kind() {
            Kind::Option(item) => vec![Ty::unit(), item.clone()],
            Kind::Variant(variant) => variant.cases.iter().map(|case| case.payload.clone()).collect(),
            _ => unreachable!("a pattern of a case was checked against a variant or option"),
        };
        let mut branches = Vec::new();
        let mut whole = true;
        for (index, payload) in (0u32..).zip(payloads) {
            let local = self.checker.fresh();
            self.types.insert(local, payload);
            let mut next = Vec::new();
            for row in rows {
                let mut row = row.clone();
                match take(&mut row, subject) {
                    Some(Pat::Case(case, payload)) if case == index => row.columns.push((local, *payload)),
                    Some(_) => continue,
                    None => {}
                }
                next.push(row);
            }
            self.seen.insert(subject, Seen::Case(index, local));
            match self.build(next) {
                Some(tree) => branches.push((local, tree)),
                None => whole = false,
            }
        }
        self.seen.remove(&subject);
        whole.then_some(Decision::Case(subject, branches))
    }

    fn bools(&mut self, subject: Local, rows: &[MatrixRow]) -> Option<Decision> {
        let mut side = |wanted: bool| {
            let next = filtered(rows, subject, |pattern| match pattern {
                Pat::Bool(bool) if *bool == wanted => Some(None),
                _ => None,
            });
            self.seen.insert(subject, Seen::Words(wanted.to_string()));
            let tree = self.build(next);
            self.seen.remove(&subject);
            tree.map(Box::new)
        };
        let (yes, no) = (side(true), side(false));
        Some(Decision::Bool(subject, yes?, no?))
    }

    fn equal(&mut self, subject: Local, rows: &[MatrixRow], value: Value) -> Option<Decision> {
        let ty = self.types[&subject].clone();
        let (yes, no) = match &value {
            Value::Int(int) if ty.is_int() => {
                let (yes, no) = self.numbers(subject).split(*int, *int);
                (Seen::Numbers(yes), Seen::Numbers(no))
            }
            _ => (Seen::Words(words(&value, &ty)), Seen::Words("_".to_owned())),
        };
        match self.test(subject, rows, |pattern| after_equal(pattern, &value), yes, no)? {
            Tested::Both(yes, no) => Some(Decision::Equal(subject, ty, value, yes, no)),
            Tested::One(tree) => Some(tree),
        }
    }

    /// Returns the numbers that a number can be here: those of its type, less those that the tests
    /// on the way have settled.
    fn numbers(&self, subject: Local) -> Numbers {
        match (self.seen.get(&subject), self.types[&subject].kind()) {
            (Some(Seen::Numbers(numbers)), _) => numbers.clone(),
            (_, Kind::Int { lo, hi }) => Numbers::range(*lo, *hi),
            _ => unreachable!("a pattern of numbers was checked against an Int"),
        }
    }

    /// Builds the two sides of a test, of which one may be such that no value takes it; there is
    /// nothing to test then.
    fn test(
        &mut self,
        subject: Local,
        rows: &[MatrixRow],
        after: impl Fn(&Pat) -> (After, After),
        yes: Seen,
        no: Seen,
    ) -> Option<Tested> {
        let side = |pick: fn((After, After)) -> After| {
            filtered(rows, subject, |pattern| match pick(after(pattern)) {
                After::Settled => Some(None),
                After::Open => Some(Some(pattern.clone())),
                After::Gone => None,
            })
        };
        let before = self.seen.get(&subject).cloned();
        let mut sides = Vec::new();
        for (seen, rows) in [(yes, side(|sides| sides.0)), (no, side(|sides| sides.1))] {
            if !matches!(&seen, Seen::Numbers(numbers) if numbers.is_empty()) {
                self.seen.insert(subject, seen);
                sides.push(self.build(rows));
            }
        }
        match before {
            Some(before) => self.seen.insert(subject, before),
            None => self.seen.remove(&subject),
        };
        let no = sides.pop()?;
        match sides.pop() {
            None => Some(Tested::One(no?)),
            Some(yes) => Some(Tested::Both(Box::new(yes?), Box::new(no?))),
        }
    }

    /// Returns a value as a pattern, as far as it was looked at.
    fn words(&self, local: Local) -> String {
        let Some(ty) = self.types.get(&local) else { return "_".to_owned() };
        match (self.seen.get(&local), ty.kind()) {
            (Some(Seen::Words(words)), _) => words.clone(),
            (Some(Seen::Numbers(numbers)), _) => numbers.to_string(),
            (Some(Seen::Case(0, _)), Kind::Option(_)) => "None".to_owned(),
            (Some(Seen::Case(_, payload)), Kind::Option(_)) => format!("Some({})", self.words(*payload)),
            (Some(Seen::Case(index, payload)), Kind::Variant(variant)) => {
                let case = &variant.cases[*index as usize];
                match case.payload.kind() {
                    Kind::Unit => case.label.to_string(),
                    Kind::Record(_) if !self.seen.contains_key(payload) => format!("{} {{ .. }}", case.label),
                    Kind::Record(_) => format!("{} {}", case.label, self.words(*payload)),
                    Kind::Tuple(_) if self.seen.contains_key(payload) => {
                        format!("{}{}", case.label, self.words(*payload))
                    }
                    _ => format!("{}({})", case.label, self.words(*payload)),
                }
            }
            (Some(Seen::Members(members)), Kind::Tuple(types)) => {
                let part = |index: usize| {
                    let found = members.iter().find(|(member, _)| *member as usize == index);
                    found.map_or_else(|| "_".to_owned(), |(_, local)| self.words(*local))
                };
                let parts: Vec<String> = (0..types.len()).map(part).collect();
                format!("({})", parts.join(", "))
            }
            (Some(Seen::Members(members)), Kind::Record(record)) => {
                let part = |(index, local): &(u32, Local)| {
                    format!("{}: {}", record.fields[*index as usize].label, self.words(*local))
                };
                let parts: Vec<String> = members.iter().map(part).collect();
                let rest = if members.len() < record.fields.len() { ", .." } else { "" };
                format!("{{ {}{rest} }}", parts.join(", "))
            }
            _ => "_".to_owned(),
        }
    }
}

/// What becomes of a pattern on one side of a test.
enum After {
    /// It matches.
    Settled,
    /// It has to be tested still.
    Open,
    /// It cannot match.
    Gone,
}

/// Returns what becomes of a pattern where a value equals `value`, and where it does not.
fn after_equal(pattern: &Pat, value: &Value) -> (After, After) {
    match (pattern, value) {
        (Pat::Equal(other), _) if other == value => (After::Settled, After::Gone),
        (Pat::Equal(_), _) => (After::Gone, After::Open),
        (Pat::Within(lo, hi), Value::Int(int)) if (lo..=hi).contains(&int) => (After::Settled, After::Open),
        (Pat::Within(..), _) => (After::Gone, After::Open),
        _ => (After::Open, After::Open),
    }
}

/// Returns what becomes of a pattern where a number is within a range, and where it is not.
fn after_within(pattern: &Pat, lo: i64, hi: i64) -> (After, After) {
    match pattern {
        Pat::Within(other_lo, other_hi) if *other_lo <= lo && hi <= *other_hi => {
            let same = (*other_lo, *other_hi) == (lo, hi);
            (After::Settled, if same { After::Gone } else { After::Open })
        }
        Pat::Within(other_lo, other_hi) if *other_hi < lo || hi < *other_lo => (After::Gone, After::Open),
        Pat::Equal(Value::Int(int)) if !(lo..=hi).contains(int) => (After::Gone, After::Open),
        Pat::Equal(Value::Int(_)) => (After::Open, After::Gone),
        _ => (After::Open, After::Open),
    }
}

/// Returns the rows that go on, with what is left of their pattern of `subject`.
fn filtered(
    rows: &[MatrixRow],
    subject: Local,
    keep: impl Fn(&Pat) -> Option<Option<Pat>>,
) -> Vec<MatrixRow> {
    let mut next = Vec::new();
    for row in rows {
        let mut row = row.clone();
        if let Some(pattern) = take(&mut row, subject) {
            match keep(&pattern) {
                None => continue,
                Some(None) => {}
                Some(Some(rest)) => row.columns.insert(0, (subject, rest)),
            }
        }
        next.push(row);
    }
    next
}

/// Takes the pattern for `subject` out of a row.
fn take(row: &mut MatrixRow, subject: Local) -> Option<Pat> {
    let index = row.columns.iter().position(|(local, _)| *local == subject)?;
    Some(row.columns.remove(index).1)
}

/// Takes names and wildcards out of a row: nothing has to be looked at for them.
fn settle(row: &mut MatrixRow) {
    let mut names = Vec::new();
    row.columns.retain(|(local, pattern)| match pattern {
        Pat::Wild => false,
        Pat::Members(members) if members.is_empty() => false,
        Pat::Bind(name) => {
            names.push((*name, *local));
            false
        }
        _ => true,
    });
    row.names.extend(names);
}

/// Splits the first row that has alternatives into a row for each.
fn split_or(rows: &[MatrixRow]) -> Option<Vec<MatrixRow>> {
    let at =
        rows.iter().position(|row| row.columns.iter().any(|(_, pattern)| matches!(pattern, Pat::Or(_))))?;
    let column = rows[at].columns.iter().position(|(_, pattern)| matches!(pattern, Pat::Or(_)))?;
    let Pat::Or(alternatives) = rows[at].columns[column].1.clone() else { return None };
    let mut split = rows[..at].to_vec();
    for alternative in alternatives {
        let mut row = rows[at].clone();
        row.columns[column].1 = alternative;
        split.push(row);
    }
    split.extend_from_slice(&rows[at + 1..]);
    Some(split)
}

fn words(value: &Value, ty: &Ty) -> String {
    match (value, ty.kind()) {
        (Value::Int(ms), Kind::Duration) => format!("{ms}ms"),
        (Value::Int(int), _) => int.to_string(),
        (Value::Text(text), _) => format!("{text:?}"),
        _ => "_".to_owned(),
    }
}
