//! Expressions of generated programs.
//!
//! There are two ways to ask for one, as there are two ways in which the checker looks at one:
//! [`Generator::check`] makes what is good where the place says the type, [`Generator::infer`] what
//! says by itself that it is exactly of the type.

use crate::check::widened;
use crate::ty::{Kind, Ty};

use super::Generator;
use super::standard::{Letters, Signature};
use super::types::sure;

/// How tightly the parts of an expression hold together, by the table of precedence.
pub(super) const LOOSE: u8 = 0;
const OR: u8 = 1;
const AND: u8 = 2;
const COMPARED: u8 = 3;
const JOINED: u8 = 4;
const ADDED: u8 = 5;
const MULTIPLIED: u8 = 6;
pub(super) const PREFIXED: u8 = 7;
pub(super) const TIGHT: u8 = 8;

/// An expression as text.
#[derive(Debug, Clone)]
pub(super) struct Ex {
    pub(super) text: String,
    pub(super) tight: u8,
    /// The checker knows its value: then it has to fit the limits of its place.
    pub(super) konst: bool,
    pub(super) ty: Ty,
}

/// The ways to make an expression of a type.
#[derive(Debug, Clone)]
pub(super) enum Form {
    Leaf,
    Call(usize),
    Standard(Box<(Signature, Letters)>),
    If,
    Match,
    Block,
    LetElse,
    Update,
    /// Part by part: a record, a case, a list ...
    Parts,
    /// What says its type, here where the place says it too.
    Inferred,
    /// What has no limits, so that it is checked when the program runs.
    Wider,
    /// A function that does nothing but say the type.
    Named,
    Arithmetic,
    Negation,
    Ratio,
    Comparison,
    Logic,
    Not,
    Interpolation,
    Join,
    Index(Box<Ex>),
    MapOf,
    FoldOf,
    Sealed,
}

impl Ex {
    pub(super) fn new(text: impl Into<String>, tight: u8, ty: &Ty) -> Ex {
        Ex { text: text.into(), tight, konst: false, ty: ty.clone() }
    }

    pub(super) fn konst(self, konst: bool) -> Ex {
        Ex { konst, ..self }
    }

    /// Returns it so that it may stand where things hold together so tightly.
    pub(super) fn at(&self, tight: u8) -> String {
        if self.tight < tight { format!("({})", self.text) } else { self.text.clone() }
    }

    /// Returns it so that it may stand before a block.
    pub(super) fn head(&self) -> String {
        if self.text.contains('{') || self.tight == LOOSE {
            format!("({})", self.text)
        } else {
            self.text.clone()
        }
    }
}

impl Generator {
    /// Makes an expression for a place that says the type.
    pub(super) fn check(&mut self, ty: &Ty, depth: u32) -> Ex {
        let opened = self.choices.open(label(ty));
        let form = self.form_to_check(ty, depth);
        let made = self.make_checked(form, ty, depth.saturating_sub(1));
        self.choices.close(opened);
        self.grouped(made)
    }

    /// Makes an expression for one of several ways that say the type, or ends the step. Where there is
    /// but one way, all around it would have no value either, and no type.
    pub(super) fn check_or_fail(&mut self, ty: &Ty, depth: u32) -> Ex {
        if depth > 0 && self.choices.chance(4) {
            let why = self.check(&Ty::text(), 1);
            return Ex::new(format!("fail {}", why.text), LOOSE, ty);
        }
        self.check(ty, depth)
    }

    /// Makes an expression that says by itself that it is of the type.
    pub(super) fn infer(&mut self, ty: &Ty, depth: u32) -> Ex {
        let opened = self.choices.open(label(ty));
        let form = self.form_to_infer(ty, depth);
        let made = self.make_inferred(form, ty, depth.saturating_sub(1));
        self.choices.close(opened);
        self.grouped(made)
    }

    /// Puts parentheses where none are needed, now and then.
    fn grouped(&mut self, made: Ex) -> Ex {
        if made.tight == TIGHT && self.choices.chance(2) {
            return Ex { text: format!("({})", made.text), ..made };
        }
        made
    }

    fn choose(&mut self, forms: Vec<(u32, Form)>, depth: u32) -> Form {
        let spent = depth == 0 || self.budget == 0;
        self.budget = self.budget.saturating_sub(1);
        if spent {
            return Form::Leaf;
        }
        let weights: Vec<u32> = forms.iter().map(|(weight, _)| *weight).collect();
        let chosen = self.choices.weighted(&weights);
        forms.into_iter().nth(chosen).expect("chosen among them").1
    }

    fn form_to_check(&mut self, ty: &Ty, depth: u32) -> Form {
        if depth == 0 || self.budget == 0 {
            return Form::Leaf;
        }
        let mut forms = vec![
            (5, Form::Leaf),
            (5, Form::Parts),
            (8, Form::Inferred),
            (2, Form::If),
            (3, Form::Match),
            (2, Form::Block),
            (2, Form::LetElse),
        ];
        if widened(ty) != *ty {
            forms.push((5, Form::Wider));
        }
        match ty.kind() {
            Kind::Record(_) => forms.push((6, Form::Update)),
            Kind::List { .. } | Kind::Map { .. } | Kind::Option(_) => forms.push((1, Form::MapOf)),
            Kind::Secret(_) => forms.push((5, Form::Sealed)),
            _ => {}
        }
        if matches!(ty.kind(), Kind::Int { .. } | Kind::Text { .. } | Kind::List { .. }) {
            forms.push((1, Form::FoldOf));
        }
        self.choose(forms, depth)
    }

    fn form_to_infer(&mut self, ty: &Ty, depth: u32) -> Form {
        if depth == 0 || self.budget == 0 {
            return Form::Leaf;
        }
        let mut forms =
            vec![(5, Form::Leaf), (1, Form::Named), (1, Form::If), (2, Form::Match), (1, Form::Block)];
        for (index, function) in self.functions.iter().enumerate() {
            if function.result == *ty {
                forms.push((2, Form::Call(index)));
            }
        }
        forms.extend(self.standard_form(ty).map(|form| (5, form)));
        if self.infers_parts(ty) {
            forms.push((3, Form::Parts));
        }
        match ty.kind() {
            Kind::Int { .. } if *ty == Ty::int() => {
                forms.extend([(9, Form::Arithmetic), (1, Form::Negation), (1, Form::Ratio)]);
            }
            Kind::Bool => forms.extend([(10, Form::Comparison), (4, Form::Logic), (2, Form::Not)]),
            Kind::Text { max: None } => forms.extend([(4, Form::Interpolation), (2, Form::Join)]),
            Kind::Bytes { max: None } | Kind::List { max: None, .. } => forms.push((2, Form::Join)),
            Kind::Duration => forms.extend([(4, Form::Arithmetic), (1, Form::Negation)]),
            Kind::Record(_) => forms.push((3, Form::Update)),
            Kind::Option(item) => {
                let found: Vec<Ex> = self.paths().into_iter().filter(|path| holds(&path.ty, item)).collect();
                if !found.is_empty() {
                    forms.push((20, Form::Index(Box::new(self.choices.pick(&found).clone()))));
                }
            }
            _ => {}
        }
        self.choose(forms, depth)
    }

    fn make_checked(&mut self, form: Form, ty: &Ty, depth: u32) -> Ex {
        match form {
            Form::Leaf => self.leaf_checked(ty),
            Form::Parts => self.parts_checked(ty, depth),
            Form::Inferred => self.infer(ty, depth),
            Form::Wider => Ex { ty: ty.clone(), ..self.wider(ty, depth) },
            Form::If => {
                let condition = self.check(&Ty::bool(), depth).head();
                let (yes, no) = (self.check(ty, depth), self.check_or_fail(ty, depth));
                Ex::new(format!("if {condition} {{ {} }} else {{ {} }}", yes.text, no.text), LOOSE, ty)
            }
            Form::Match => self.match_of(ty, depth, true),
            Form::Block => self.scoped(|generator| {
                let count = 1 + generator.choices.index(2);
                let lets: String = (0..count).map(|_| generator.let_statement(depth)).collect();
                let end = generator.check(ty, depth);
                Ex::new(format!("{{ {lets}{} }}", end.text), LOOSE, ty)
            }),
            Form::LetElse => self.scoped(|generator| {
                let start = generator.let_else(ty, depth);
                let end = generator.check(ty, depth);
                Ex::new(format!("{{ {start}{} }}", end.text), LOOSE, ty)
            }),
            Form::Update => self.update(ty, depth, true),
            Form::MapOf => self.map_of(ty, depth),
            Form::FoldOf => self.fold_of(ty, depth),
            Form::Sealed => Ex { ty: ty.clone(), ..self.parts_checked(ty.unsealed(), depth) },
            _ => unreachable!("no form for a place that says the type"),
        }
    }

    fn make_inferred(&mut self, form: Form, ty: &Ty, depth: u32) -> Ex {
        match form {
            Form::Leaf => self.leaf_inferred(ty),
            Form::Named => self.named(ty, depth),
            Form::Parts => self.parts_inferred(ty, depth),
            Form::If => {
                let condition = self.check(&Ty::bool(), depth).head();
                let (yes, no) = (self.infer(ty, depth), self.check_or_fail(ty, depth));
                Ex::new(format!("if {condition} {{ {} }} else {{ {} }}", yes.text, no.text), LOOSE, ty)
            }
            Form::Match => self.match_of(ty, depth, false),
            Form::Block => self.scoped(|generator| {
                let start = generator.let_statement(depth);
                let end = generator.infer(ty, depth);
                Ex::new(format!("{{ {start}{} }}", end.text), LOOSE, ty)
            }),
            Form::Update => self.update(ty, depth, false),
            Form::Call(index) => self.call(index, depth),
            Form::Standard(call) => self.standard_call(&call.0, call.1, depth),
            Form::Arithmetic => self.arithmetic(ty, depth),
            Form::Negation => {
                let operand = self.infer(ty, depth);
                // What is constant is negated when it is compiled; the least Int cannot be.
                if operand.konst {
                    operand
                } else {
                    Ex::new(format!("-{}", operand.at(PREFIXED)), PREFIXED, ty)
                }
            }
            Form::Ratio => {
                let (left, right) = (self.infer(&Ty::duration(), depth), self.infer(&Ty::duration(), depth));
                Ex::new(format!("{} / {}", left.at(MULTIPLIED), right.at(PREFIXED)), MULTIPLIED, ty)
            }
            Form::Comparison => self.comparison(depth),
            Form::Logic => {
                let (left, right) = (self.check(ty, depth), self.check(ty, depth));
                match self.choices.chance(50) {
                    false => Ex::new(format!("{} && {}", left.at(AND), right.at(COMPARED)), AND, ty),
                    true => Ex::new(format!("{} || {}", left.at(OR), right.at(AND)), OR, ty),
                }
            }
            Form::Not => {
                let operand = self.check(ty, depth);
                Ex::new(format!("!{}", operand.at(PREFIXED)), PREFIXED, ty)
            }
            Form::Interpolation => self.interpolation(depth),
            Form::Join => {
                let (left, right) = (self.infer(ty, depth), self.infer(ty, depth));
                Ex::new(format!("{} ++ {}", left.at(JOINED), right.at(ADDED)), JOINED, ty)
            }
            Form::Index(over) => {
                let key = match over.ty.kind() {
                    Kind::Map { key, .. } => self.check(key, depth),
                    _ => self.check(&Ty::int(), depth),
                };
                Ex::new(format!("{}[{}]", over.at(TIGHT), key.text), TIGHT, ty)
            }
            _ => unreachable!("no form that says its type"),
        }
    }

    /// Makes what has no limits, for a place that has some. Only operators will do: all else asks its
    /// parts for what its place asks for.
    fn wider(&mut self, ty: &Ty, depth: u32) -> Ex {
        let wide = widened(ty);
        match wide.kind() {
            Kind::Int { .. } => self.arithmetic(&wide, depth),
            Kind::Text { .. } | Kind::Bytes { .. } | Kind::List { .. } => {
                self.make_inferred(Form::Join, &wide, depth)
            }
            _ => self.leaf_checked(ty),
        }
    }

    fn update(&mut self, ty: &Ty, depth: u32, known: bool) -> Ex {
        let base = if known { self.check(ty, depth) } else { self.infer(ty, depth) };
        let mut steps: Vec<(Vec<String>, String)> = vec![];
        for _ in 0..1 + self.choices.index(2) {
            let opened = self.choices.open(4);
            let (path, entry, text) = self.update_step(ty, depth);
            self.choices.close(opened);
            // What would not be seen is refused.
            if entry || !steps.iter().any(|(before, _)| before.starts_with(&path)) {
                steps.push((path, text));
            }
        }
        let steps: Vec<String> = steps.into_iter().map(|(_, text)| text).collect();
        Ex::new(format!("{{ ..{}, {} }}", base.text, steps.join(", ")), TIGHT, ty)
    }

    /// Makes a step of an update: the path, whether an entry is set, and the text.
    fn update_step(&mut self, ty: &Ty, depth: u32) -> (Vec<String>, bool, String) {
        let mut path = vec![];
        let mut at = ty.clone();
        while let Some(record) = at.as_record() {
            let field = self.choices.pick(&record.fields).clone();
            path.push(field.label.to_string());
            at = field.ty;
            if !self.choices.chance(50) {
                break;
            }
        }
        let written = path.join(".");
        if let Kind::Map { key, value } = at.kind()
            && self.choices.chance(70)
        {
            let (key, value) = (self.check(key, depth), self.check(value, depth));
            return (path, true, format!("{written}[{}]: {}", key.text, value.text));
        }
        let short = self.visible(&written).is_some_and(|var| var.ty == at && !var.konst);
        if short && self.choices.chance(30) {
            return (path, false, written);
        }
        let value = self.check(&at, depth);
        (path, false, format!("{written}: {}", value.text))
    }

    fn call(&mut self, index: usize, depth: u32) -> Ex {
        let function = self.functions[index].clone();
        let args: Vec<Ex> = function.params.iter().map(|ty| self.check(ty, depth)).collect();
        match args.split_first() {
            // What it is called on may come first.
            Some((first, rest)) if self.choices.chance(30) => {
                let text = format!("{}.{}({})", first.at(TIGHT), function.name, joined(rest));
                Ex::new(text, TIGHT, &function.result)
            }
            _ => Ex::new(format!("{}({})", function.name, joined(&args)), TIGHT, &function.result),
        }
    }

    fn arithmetic(&mut self, ty: &Ty, depth: u32) -> Ex {
        let (op, tight) = *self.choices.pick(&[
            ("+", ADDED),
            ("-", ADDED),
            ("*", MULTIPLIED),
            ("/", MULTIPLIED),
            ("%", MULTIPLIED),
        ]);
        let duration = *ty == Ty::duration();
        let (left, right) = match op {
            "+" | "-" => (ty.clone(), ty.clone()),
            "*" if duration && self.choices.chance(50) => (Ty::int(), ty.clone()),
            _ => (ty.clone(), Ty::int()),
        };
        let (left, right) = (self.number(&left, depth), self.number(&right, depth));
        Ex::new(format!("{} {op} {}", left.at(tight), right.at(tight + 1)), tight, ty)
    }

    /// Makes an operand: an Int may have limits.
    fn number(&mut self, ty: &Ty, depth: u32) -> Ex {
        let limited: Vec<Ex> =
            self.paths().into_iter().filter(|path| widened(&path.ty) == *ty && path.ty != *ty).collect();
        if self.choices.weighted(&[3, some(&limited, 1)]) == 1 {
            return self.choices.pick(&limited).clone();
        }
        self.infer(ty, depth)
    }

    fn comparison(&mut self, depth: u32) -> Ex {
        let ty = match self.choices.chance(50) {
            false => self.pick_ty(),
            true => Ty::int(),
        };
        let (left, right) = (self.infer(&ty, depth), self.infer(&ty, depth));
        let ops: &[&str] =
            if ty.holds_secret() { &["==", "!="] } else { &["==", "!=", "<", "<=", ">", ">="] };
        let op = self.choices.pick(ops);
        Ex::new(format!("{} {op} {}", left.at(JOINED), right.at(JOINED)), COMPARED, &Ty::bool())
    }

    fn interpolation(&mut self, depth: u32) -> Ex {
        let mut text = String::new();
        // A text does not go over the end of its line.
        self.one_line += 1;
        let mut holes = 0;
        let mut letters = 0;
        for _ in 0..1 + self.choices.index(3) {
            if self.choices.chance(50) {
                letters += 1;
                let written = crate::value::source::text(&self.a_text(None));
                text += &written[1..written.len() - 1];
            } else {
                let shown = [Ty::int(), Ty::text(), Ty::bool(), Ty::duration()];
                let ty = self.choices.pick(&shown).clone();
                let hole = self.infer(&ty, depth);
                holes += 1;
                text += &format!("{{{}}}", spaced(&hole.text));
            }
        }
        self.one_line -= 1;
        // One hole alone is the value itself, which may be constant.
        Ex::new(format!("\"{text}\""), TIGHT, &Ty::text()).konst(holes == 0 || (holes == 1 && letters == 0))
    }

    /// Makes a `map` in a place that says what it gives.
    fn map_of(&mut self, ty: &Ty, depth: u32) -> Ex {
        let over: Vec<Ex> = self.paths().into_iter().filter(|path| is_alike(&path.ty, ty)).collect();
        if over.is_empty() {
            return self.leaf_checked(ty);
        }
        let over = self.choices.pick(&over).clone();
        let (params, result) = match (over.ty.kind(), ty.kind()) {
            (Kind::Map { key, value }, Kind::Map { value: result, .. }) => {
                (vec![key.clone(), value.clone()], result.clone())
            }
            (Kind::List { item, .. }, Kind::List { item: result, .. })
            | (Kind::Option(item), Kind::Option(result)) => (vec![item.clone()], result.clone()),
            _ => unreachable!("both are alike"),
        };
        let lambda = self.lambda(&params, |generator| generator.check(&result, depth));
        Ex::new(format!("{}.map({lambda})", over.at(TIGHT)), TIGHT, ty)
    }

    /// Makes a `fold` in a place that says what it gives, limits and all.
    fn fold_of(&mut self, ty: &Ty, depth: u32) -> Ex {
        let lists = |path: &Ex| matches!(path.ty.kind(), Kind::List { .. } | Kind::Map { .. });
        let over: Vec<Ex> = self.paths().into_iter().filter(lists).collect();
        if over.is_empty() {
            return self.leaf_checked(ty);
        }
        let over = self.choices.pick(&over).clone();
        let mut params = vec![ty.clone()];
        match over.ty.kind() {
            Kind::Map { key, value } => params.extend([key.clone(), value.clone()]),
            Kind::List { item, .. } => params.push(item.clone()),
            _ => unreachable!("lists and maps were looked for"),
        }
        let start = self.check(ty, depth);
        let lambda = self.lambda(&params, |generator| generator.check(ty, depth));
        Ex::new(format!("{}.fold({}, {lambda})", over.at(TIGHT), start.text), TIGHT, ty)
    }
}

/// A hole may begin with a brace of its own.
fn spaced(text: &str) -> String {
    if text.starts_with('{') || text.ends_with('}') { format!(" {text} ") } else { text.to_owned() }
}

pub(super) fn joined(items: &[Ex]) -> String {
    items.iter().map(|item| item.text.as_str()).collect::<Vec<_>>().join(", ")
}

pub(super) fn all_konst(items: &[Ex]) -> bool {
    items.iter().all(|item| item.konst)
}

pub(super) fn some<T>(items: &[T], weight: u32) -> u32 {
    if items.is_empty() { 0 } else { weight }
}

/// Returns true for lists and maps in which an item of the type is found.
fn holds(ty: &Ty, wanted: &Ty) -> bool {
    match ty.kind() {
        Kind::List { item, .. } | Kind::Map { value: item, .. } => item == wanted,
        _ => false,
    }
}

/// Returns true when the one can be mapped to the other.
fn is_alike(over: &Ty, to: &Ty) -> bool {
    match (over.kind(), to.kind()) {
        (Kind::List { .. }, Kind::List { .. }) | (Kind::Option(_), Kind::Option(_)) => true,
        (Kind::Map { key, .. }, Kind::Map { key: other, .. }) => key == other,
        _ => false,
    }
}

/// Expressions of one type may stand for each other.
fn label(ty: &Ty) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&ty.digest().as_bytes()[..8]);
    u64::from_le_bytes(bytes)
}

/// Returns the type of a pair.
pub(super) fn pair(left: &Ty, right: &Ty) -> Ty {
    sure(Kind::Tuple(vec![left.clone(), right.clone()]))
}
