//! Migration files: written arrows between the released old types and the new ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::expr::inject;
use super::line::Line;
use super::modules::{Items, Modules};
use super::pattern::Pat;
use super::{Checked, Checker, Reported, listed};
use crate::derive::{Edits, Way, judge, kept};
use crate::diagnostic::{Diagnostic, Source, Span, did_you_mean};
use crate::hir::{Decision, Expr, ExprKind, Function, FunctionId, Match};
use crate::syntax::ast::{self, MigrationFile, MigrationItem};
use crate::ty::{Kind, Ty};
use crate::value::Value;
use crate::verify::{VerifiedMachine, taken_by_down};

/// The arrows that a migration file writes; the others are derived.
#[derive(Debug, Default)]
pub struct CheckedMigration {
    /// The helper functions, callees first.
    pub functions: Vec<(FunctionId, Function)>,
    /// `State -> State'`
    pub up: Option<Function>,
    /// `State' -> State`; where it takes what was kept aside, `(State', Option(Kept)) -> State`
    pub down: Option<Function>,
    /// True when `down` takes what was kept aside.
    pub down_takes_kept: bool,
    /// `State -> Kept`
    pub keep: Option<Function>,
    /// `Input -> Input'`
    pub lift: Option<Function>,
    /// `Input' -> Input`
    pub unlift: Option<Function>,
    /// `Output' -> Output`
    pub lower: Option<Function>,
    /// `Output -> Output'`
    pub raise: Option<Function>,
    /// What is declared for the arrows that are derived.
    pub edits: Arc<Edits>,
    /// What a written arrow leaves to be derived: the arrow and the case, or no case where it takes
    /// no variant.
    pub derived: BTreeSet<(&'static str, Arc<str>)>,
}

/// Checks a migration file against the two machines.
///
/// # Errors
///
/// All faults of the file.
pub fn check(
    source: &Source,
    file: &MigrationFile,
    modules: &Modules,
    from: &VerifiedMachine,
    to: &VerifiedMachine,
) -> Result<CheckedMigration, Vec<Diagnostic>> {
    let mut checker = Checker::new(source);
    let items = Items::of_migration(file);
    // The new machine was compiled with these modules: its types are those that they declare.
    // All that the new machine has, it has: nothing that is retired comes back here.
    checker.use_modules(modules, &items, &Line::of_types(to.module()));
    for machine in [to, from] {
        let module = machine.module();
        for (name, ty) in &module.debug.types {
            if checker.types.get(name).is_none() {
                checker.types.insert(name, module.ty(*ty).clone());
            }
        }
    }
    match checker.migration(file, &items, from, to) {
        Ok(migration) if checker.errors.is_empty() => Ok(migration),
        _ => {
            assert!(!checker.errors.is_empty(), "what was reported stands in the list");
            checker.errors.sort_by_key(|error| error.span.start);
            Err(checker.errors)
        }
    }
}

/// Returns whether the written `down` names two things, the new state and what was kept aside.
fn written_down(file: &MigrationFile) -> Option<bool> {
    file.items.iter().find_map(|item| match item {
        MigrationItem::Down(pattern, ..) => {
            Some(matches!(&pattern.kind, ast::PatternKind::Tuple(items) if items.len() == 2))
        }
        _ => None,
    })
}

type Clause<'f> = (&'f ast::Pattern, &'f ast::Expr);

impl Checker<'_> {
    fn migration(
        &mut self,
        file: &MigrationFile,
        items: &Items<'_>,
        from: &VerifiedMachine,
        to: &VerifiedMachine,
    ) -> Checked<CheckedMigration> {
        self.declare_types(items.types.iter().copied());
        let declared = self.declare_functions(items.functions.iter().copied());
        let functions = self.check_functions(items.functions.iter().copied(), declared);
        let edits = self.edits(file, from, to);
        self.edits_faulty = edits.is_err();
        let forth = edits.clone().map(Arc::new).unwrap_or_default();
        let back = Arc::new(forth.reversed());
        let (old, new) = (from.state(), to.state());
        let derived = &mut BTreeSet::new();
        self.deriving = Some((Way::Forth, forth.clone()));
        let up = self.whole(file, "up", old, new, |item| match item {
            MigrationItem::Up(pattern, body, span) => Some((pattern, body, span)),
            _ => None,
        });
        let keep = self.kept_by(file, old, &forth);
        let put_aside = kept(old, new, &forth).filter(|_| !matches!(up, Ok(Some(_)))).map(|kept| kept.ty);
        let (takes, down_takes_kept) = self.taken_by_down(file, new, &keep, put_aside);
        self.deriving = Some((Way::Back, back.clone()));
        let down = self.whole(file, "down", &takes, old, |item| match item {
            MigrationItem::Down(pattern, body, span) => Some((pattern, body, span)),
            _ => None,
        });
        let lift = self.clauses(file, "lift", from.input(), to.input(), &forth, derived, |item| match item {
            MigrationItem::Lift(pattern, body) => Some((pattern, body)),
            _ => None,
        });
        let unlift =
            self.clauses(file, "unlift", to.input(), from.input(), &back, derived, |item| match item {
                MigrationItem::Unlift(pattern, body) => Some((pattern, body)),
                _ => None,
            });
        let lower =
            self.clauses(file, "lower", to.output(), from.output(), &back, derived, |item| match item {
                MigrationItem::Lower(pattern, body) => Some((pattern, body)),
                _ => None,
            });
        let raise =
            self.clauses(file, "raise", from.output(), to.output(), &forth, derived, |item| match item {
                MigrationItem::Raise(pattern, body) => Some((pattern, body)),
                _ => None,
            });
        Ok(CheckedMigration {
            functions: std::mem::take(&mut self.shared_functions).into_iter().chain(functions?).collect(),
            up: up?,
            down: down?,
            down_takes_kept,
            keep: keep?,
            lift: lift?,
            unlift: unlift?,
            lower: lower?,
            raise: raise?,
            edits: edits.map(Arc::new)?,
            derived: std::mem::take(derived),
        })
    }

    /// Checks the declared edits: each names what the one version has and the other has not.
    fn edits(
        &mut self,
        file: &MigrationFile,
        from: &VerifiedMachine,
        to: &VerifiedMachine,
    ) -> Checked<Edits> {
        let mut edits = Edits::default();
        let mut faulty = false;
        for item in &file.items {
            let result = match item {
                MigrationItem::Rename(path, new, span) => self.rename(path, new, span, from, to, &mut edits),
                MigrationItem::Drop(path, other, span) => {
                    self.dropped(path, other.as_ref(), span, from, &mut edits)
                }
                MigrationItem::Add(path, value, span) => self.add(path, value, span, to, &mut edits),
                _ => Ok(()),
            };
            faulty |= result.is_err();
        }
        if faulty { Err(Reported) } else { Ok(edits) }
    }

    fn rename(
        &mut self,
        path: &[ast::Name],
        new: &ast::Name,
        span: &Span,
        from: &VerifiedMachine,
        to: &VerifiedMachine,
        edits: &mut Edits,
    ) -> Checked<()> {
        let (old_ty, before) = self.member_of(path, span, from, "the old")?;
        let after = [path[0].clone(), new.clone()];
        let (new_ty, after) = self.member_of(&after, span, to, "the new")?;
        edits.renames.push((old_ty, new_ty, before, after));
        Ok(())
    }

    fn dropped(
        &mut self,
        path: &[ast::Name],
        other: Option<&ast::Expr>,
        span: &Span,
        from: &VerifiedMachine,
        edits: &mut Edits,
    ) -> Checked<()> {
        let (ty, label) = self.member_of(path, span, from, "the old")?;
        let field = ty.as_record().and_then(|record| Some(record.fields[record.index(&label)?].ty.clone()));
        let Some(field) = field else {
            let diagnostic = self
                .diagnostic("E0405", span, "`drop` is for fields of records", "not a field")
                .help("say what becomes of a case: `up (old) = ...` of a state, `lift Case(x) => ...` of an input");
            return Err(self.fault(diagnostic));
        };
        let other = other.map(|other| self.constant(other, &field)).transpose()?;
        edits.drops.push((ty, label, other));
        Ok(())
    }

    /// Checks what is kept aside. A part of the old state, of any type.
    fn kept_by(&mut self, file: &MigrationFile, old: &Ty, forth: &Arc<Edits>) -> Checked<Option<Function>> {
        let mut found = file.items.iter().filter_map(|item| match item {
            MigrationItem::Keep(pattern, body, span) => Some((pattern, body, span)),
            _ => None,
        });
        let Some((pattern, body, first)) = found.next() else { return Ok(None) };
        if let Some((_, _, again)) = found.next() {
            return Err(self.twice("keep", first, again));
        }
        if written_down(file) != Some(true) {
            let diagnostic = self
                .diagnostic("E0409", first, "what is kept aside is taken by no `down`", "kept for nothing")
                .help("write `down (new, kept) = ...`; `kept` is an Option, `None` for instances that were born later");
            return Err(self.fault(diagnostic));
        }
        self.deriving = Some((Way::Forth, forth.clone()));
        self.scoped(|checker| {
            let local = checker.fresh();
            let body = checker.destructure(pattern, local, old, |checker| checker.expr(body, None))?;
            let result = body.ty.clone();
            Ok(Some(Function { name: "keep".into(), params: vec![(local, old.clone())], result, body }))
        })
    }

    /// Returns what `down` takes: the new state, or that and what was kept aside.
    fn taken_by_down(
        &mut self,
        file: &MigrationFile,
        new: &Ty,
        keep: &Checked<Option<Function>>,
        derived: Option<Ty>,
    ) -> (Ty, bool) {
        let kept = match (keep, derived) {
            (Ok(Some(keep)), _) => Some(keep.result.clone()),
            // A state that is a pair itself is taken apart.
            (Ok(None), Some(derived)) if !matches!(new.kind(), Kind::Tuple(_)) => Some(derived),
            _ => None,
        };
        let takes =
            kept.filter(|_| written_down(file) == Some(true)).and_then(|kept| taken_by_down(new, &kept).ok());
        match takes {
            Some(takes) => (takes, true),
            None => (new.clone(), false),
        }
    }

    fn add(
        &mut self,
        path: &[ast::Name],
        value: &ast::Expr,
        span: &Span,
        to: &VerifiedMachine,
        edits: &mut Edits,
    ) -> Checked<()> {
        let (ty, label) = self.member_of(path, span, to, "the new")?;
        let field = ty.as_record().and_then(|record| Some(record.fields[record.index(&label)?].ty.clone()));
        let Some(field) = field else {
            return Err(self.plain("E0405", span, "`add` is for fields of records", "not a field"));
        };
        let value = self.constant(value, &field)?;
        edits.adds.push((ty, label, value));
        Ok(())
    }

    /// Finds the member that a path such as `Item.qty` names in one of the two versions.
    fn member_of(
        &mut self,
        path: &[ast::Name],
        span: &Span,
        machine: &VerifiedMachine,
        which: &str,
    ) -> Checked<(Ty, Arc<str>)> {
        let [type_name, member] = path else {
            let diagnostic = self
                .diagnostic("E0405", span, "an edit names a type and a member of it", "not of this form")
                .help("write `Type.member`, as in `Item.count`");
            return Err(self.fault(diagnostic));
        };
        let module = machine.module();
        let declared = module.debug.types.iter().find(|(name, _)| *name == type_name.text);
        let Some((_, ty)) = declared else {
            let message = format!("{which} version has no type `{}`", type_name.text);
            let mut diagnostic = self.diagnostic("E0201", &type_name.span, message, "not declared there");
            let names = module.debug.types.iter().map(|(name, _)| &**name);
            diagnostic.help =
                did_you_mean(&type_name.text, names).map(|near| format!("did you mean `{near}`?"));
            return Err(self.fault(diagnostic));
        };
        let ty = module.ty(*ty).clone();
        let members: Vec<&str> = match ty.kind() {
            Kind::Record(record) => record.fields.iter().map(|field| &*field.label).collect(),
            Kind::Variant(variant) => variant.cases.iter().map(|case| &*case.label).collect(),
            _ => Vec::new(),
        };
        if !members.contains(&&*member.text) {
            let message = format!("`{}` of {which} version has no member `{}`", type_name.text, member.text);
            let mut diagnostic = self.diagnostic("E0209", &member.span, message, "no such member");
            let near = did_you_mean(&member.text, members.iter().copied());
            diagnostic.help = match (near, members.as_slice()) {
                (Some(near), _) => Some(format!("did you mean `{near}`?")),
                (None, []) => None,
                (None, members) => Some(format!("it has {}", super::listed(members.iter().copied()))),
            };
            return Err(self.fault(diagnostic));
        }
        Ok((ty, member.text.clone()))
    }

    /// Checks an arrow that is written as one function.
    fn whole<'f>(
        &mut self,
        file: &'f MigrationFile,
        name: &str,
        from: &Ty,
        to: &Ty,
        pick: impl Fn(&'f MigrationItem) -> Option<(&'f ast::Pattern, &'f ast::Expr, &'f Span)>,
    ) -> Checked<Option<Function>> {
        let mut found = file.items.iter().filter_map(pick);
        let Some((pattern, body, first)) = found.next() else { return Ok(None) };
        if let Some((_, _, again)) = found.next() {
            return Err(self.twice(name, first, again));
        }
        self.scoped(|checker| {
            let local = checker.fresh();
            let body = checker.destructure(pattern, local, from, |checker| checker.expr(body, Some(to)))?;
            let params = vec![(local, from.clone())];
            Ok(Some(Function { name: name.into(), params, result: to.clone(), body }))
        })
    }

    fn twice(&mut self, name: &str, first: &Span, again: &Span) -> Reported {
        let diagnostic = self
            .diagnostic("E0406", again, format!("`{name}` stands twice"), "here again")
            .related(first.clone(), "first here");
        self.fault(diagnostic)
    }

    /// Checks an arrow of which some cases are written, and derives the rest.
    #[expect(clippy::too_many_arguments, reason = "the parts of one arrow")]
    fn clauses<'f>(
        &mut self,
        file: &'f MigrationFile,
        name: &'static str,
        from: &Ty,
        to: &Ty,
        edits: &Arc<Edits>,
        derived: &mut BTreeSet<(&'static str, Arc<str>)>,
        pick: impl Fn(&'f MigrationItem) -> Option<Clause<'f>>,
    ) -> Checked<Option<Function>> {
        let clauses: Vec<Clause<'f>> = file.items.iter().filter_map(pick).collect();
        let way = if matches!(name, "unlift" | "lower") { Way::Back } else { Way::Forth };
        self.deriving = Some((way, edits.clone()));
        let Some((first, _)) = clauses.first() else { return Ok(None) };
        let span = first.span.clone();
        let local = self.fresh();
        let mut rows = Vec::new();
        let mut arms = Vec::new();
        let mut faulty = false;
        for (pattern, body) in &clauses {
            let result = self.scoped(|checker| {
                let row = checker.pattern(pattern, from);
                if row.is_err() {
                    checker.bind_faulty(pattern);
                }
                let body = checker.expr(body, Some(to));
                Ok::<_, Reported>((row?, body?))
            });
            match result {
                Ok((row, body)) => {
                    rows.push((row, false, pattern.span.clone()));
                    arms.push((None, body));
                }
                Err(Reported) => faulty = true,
            }
        }
        if faulty {
            return Err(Reported);
        }
        let written = rows.len();
        let mut open = Vec::new();
        for (row, body, problem) in self.derived_cases(from, to, edits, &span) {
            rows.push((row, false, span.clone()));
            arms.push((None, body));
            open.push(problem);
        }
        let root = self.fresh();
        let (tree, missing, unused) = self.tree_of(from, root, &rows, &span)?;
        for &index in unused.iter().filter(|index| **index < written) {
            self.plain(
                "E0222",
                &rows[index].2,
                "this arrow is never reached",
                "those before it take everything",
            );
            faulty = true;
        }
        let cases = from.as_variant().map_or(&[][..], |variant| &variant.cases);
        for index in (0..open.len()).filter(|index| !unused.contains(&(written + index))) {
            derived.insert((name, cases.get(index).map(|case| case.label.clone()).unwrap_or_default()));
        }
        let needed = open.iter().enumerate().filter(|(index, _)| !unused.contains(&(written + index)));
        let problems: Vec<String> = needed.filter_map(|(_, problem)| problem.clone()).collect();
        // Only queued inputs have to find a way: the other arrows may be partial.
        if name == "lift" && !problems.is_empty() {
            let diagnostic = self
                .diagnostic(
                    "E0403",
                    &span,
                    format!("`{name}` does not cover everything"),
                    "these are written",
                )
                .help(format!("still open: {}", listed(problems.iter().map(|problem| &**problem))));
            self.fault(diagnostic);
            faulty = true;
        }
        match tree {
            Some(tree) if !faulty && missing.is_empty() => {
                Ok(Some(self.arrow(name, local, root, tree, arms, from, to, &span)))
            }
            _ if faulty => Err(Reported),
            _ => Err(self.plain("E0403", &span, format!("`{name}` does not cover everything"), "here")),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one function")]
    fn arrow(
        &mut self,
        name: &str,
        local: crate::hir::Local,
        root: crate::hir::Local,
        tree: Decision,
        arms: Vec<(Option<Expr>, Expr)>,
        from: &Ty,
        to: &Ty,
        span: &Span,
    ) -> Function {
        let scrutinee = Expr::new(ExprKind::Local(local), from.clone(), span.clone());
        let kind = ExprKind::Match(Box::new(Match { scrutinee, root, tree, arms }));
        let body = Expr::new(kind, to.clone(), span.clone());
        let name: Arc<str> = name.into();
        Function { name, params: vec![(local, from.clone())], result: to.clone(), body }
    }

    /// Returns a row per case of the old type, what it becomes, and what stands against it.
    fn derived_cases(
        &mut self,
        from: &Ty,
        to: &Ty,
        edits: &Arc<Edits>,
        span: &Span,
    ) -> Vec<(Pat, Expr, Option<String>)> {
        let (Kind::Variant(variant), Some(to_variant)) = (from.kind(), to.as_variant()) else {
            let local = self.fresh();
            let value = Expr::new(ExprKind::Local(local), from.clone(), span.clone());
            let problem = judge(from, to, edits, "value").problems().next().map(ToString::to_string);
            let kind = ExprKind::Convert(Box::new(value), edits.clone());
            return vec![(Pat::Bind(local), Expr::new(kind, to.clone(), span.clone()), problem)];
        };
        let mut rows = Vec::new();
        for (index, case) in (0u32..).zip(&variant.cases) {
            let local = self.fresh();
            let row = Pat::Case(index, Box::new(Pat::Bind(local)));
            let (body, problem) = match to_variant.index(edits.after(from, to, &case.label)) {
                Some(new) => {
                    let new_ty = &to_variant.cases[new].payload;
                    let problem = judge(&case.payload, new_ty, edits, &case.label)
                        .problems()
                        .next()
                        .map(ToString::to_string);
                    let payload = Expr::new(ExprKind::Local(local), case.payload.clone(), span.clone());
                    let kind = ExprKind::Convert(Box::new(payload), edits.clone());
                    let payload = Expr::new(kind, new_ty.clone(), span.clone());
                    let new = u32::try_from(new).expect("a variant has at most MEMBERS_MAX cases");
                    (inject(new, payload, to.clone(), span), problem)
                }
                None => {
                    let why = format!("the case {} has no counterpart", case.label);
                    let text = Expr::new(ExprKind::Const(Value::text(&why)), Ty::text(), span.clone());
                    let kind = ExprKind::Fail(Box::new(text));
                    let fail = Expr { kind, ty: to.clone(), span: span.clone(), diverges: true };
                    (fail, Some(format!("{}: {why}", case.label)))
                }
            };
            rows.push((row, body, problem));
        }
        rows
    }
}
