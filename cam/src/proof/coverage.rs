//! What generated programs come to: instructions, forms of the language, standard functions,
//! effects and traps. Generation that stops coming to something is found here, not years later.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::engine::Did;
use crate::code::op::OPS;
use crate::evaluate::seen::Seen;
use crate::run::{Effect, Trap};
use crate::standard::{self, On};
use crate::syntax::ast::{
    BinaryOp, Expr, ExprKind, Item, MachineFile, Pattern, PatternKind, Stmt, StmtKind, TextPiece, TypeArg,
    TypeExpr, UnaryOp,
};
use crate::verify::VerifiedMachine;

/// How often each thing was met.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    counts: BTreeMap<String, u64>,
    /// The types of what was evaluated of the program at hand, by where it stands.
    seen: Seen,
    functions: BTreeSet<String>,
    pub(super) programs: u64,
    pub(super) steps: u64,
}

/// Instructions that no machine is compiled to.
const ONLY_ELSEWHERE: [&str; 5] = [
    // Guards stand in partial arrows of edges.
    "Guard", // The compiler builds pairs with REC.
    "Cons", "Fst", "Snd", // Where a value is read, it is read from the environment.
    "Swap",
];

/// Forms of the language that count when they were evaluated.
const EXPRESSIONS: &[&str] = &[
    "number",
    "duration",
    "truth value",
    "text",
    "interpolation",
    "name",
    "case",
    "case with payload",
    "tuple",
    "unit",
    "record",
    "update",
    "update of an entry",
    "update of a nested field",
    "short field",
    "list",
    "map",
    "field",
    "index",
    "call",
    "call as method",
    "standard call",
    "-x",
    "!x",
    "||",
    "&&",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "++",
    "+",
    "-",
    "*",
    "/",
    "%",
    "if",
    "match",
    "guard",
    "block",
    "fail",
];

/// Forms that count when they stand in a program.
const OTHERS: &[&str] = &[
    "lambda",
    "lambda that takes apart",
    "let",
    "let that takes apart",
    "let else",
    "for",
    "send",
    "send with key",
    "call of a port",
    "call of a port with key",
    "timer",
    "cancel",
    "log",
    "stop",
    "if without else",
    "pattern _",
    "pattern name",
    "pattern number",
    "pattern range",
    "pattern duration",
    "pattern truth value",
    "pattern text",
    "pattern tuple",
    "pattern ()",
    "pattern record",
    "open pattern record",
    "pattern case",
    "pattern case with payload",
    "alternatives",
    "type range",
    "type limit",
    "type tuple",
    "type record",
    "type variant",
    "type secret",
    "default",
    "config",
    "const",
    "invariant",
    "function",
    "keyed",
    "internal case",
    "channel",
    "channel with answer",
    "port",
    "port with answer",
];

/// What runs end in.
const ENDS: &[&str] = &[
    "step: done",
    "step: answered",
    "step: Overflow",
    "step: DivisionByZero",
    "step: Range",
    "step: Fail",
    "step: Invariant",
    "step: Fuel",
    "low limits: Fuel",
    "low limits: Memory",
    "effect Stop",
    "effect Log",
    "effect Cancel",
    "effect Timer",
    "effect Send",
    "effect Send with key",
    "effect Call",
    "effect Call with key",
];

impl Coverage {
    fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    /// Counts what stands in a program.
    pub(super) fn program(&mut self, machine: &VerifiedMachine, file: &MachineFile) {
        self.programs += 1;
        for function in &machine.module().functions {
            function.body.each_op(&mut |op| {
                let name = op.name();
                *self.counts.entry(format!("op {name}")).or_default() += 1;
            });
        }
        if file.key.is_some() {
            self.count("keyed");
        }
        file.items.iter().for_each(|item| self.item(item));
    }

    /// Counts what was evaluated of a program.
    pub(super) fn evaluated(&mut self, file: &MachineFile, seen: &Seen) {
        self.seen = seen.clone();
        self.functions = file
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Function(function) => Some(function.name.text.to_string()),
                _ => None,
            })
            .collect();
        for item in &file.items {
            match item {
                Item::Init(body, _) | Item::Invariant(_, body) => self.expr(body),
                Item::Function(function) => self.expr(&function.body),
                Item::On(on) => self.expr(&on.body),
                _ => {}
            }
        }
    }

    /// Counts what a step did.
    pub(super) fn did(&mut self, did: &Did) {
        self.steps += 1;
        self.count("step: done");
        if did.output.is_some() {
            self.count("step: answered");
        }
        for effect in &did.effects {
            self.count(match effect {
                Effect::Stop => "effect Stop",
                Effect::Log(_) => "effect Log",
                Effect::Cancel(_) => "effect Cancel",
                Effect::Timer { .. } => "effect Timer",
                Effect::Send { key: None, .. } => "effect Send",
                Effect::Send { .. } => "effect Send with key",
                Effect::Call { key: None, .. } => "effect Call",
                Effect::Call { .. } => "effect Call with key",
            });
        }
    }

    /// Counts the end of a run.
    pub(super) fn trap(&mut self, of: &str, trap: &Trap) {
        if of == "step" {
            self.steps += 1;
        }
        let shown = format!("{trap:?}");
        self.count(format!("{of}: {}", shown.split('(').next().unwrap_or(&shown)));
    }

    /// Adds what others counted.
    pub(super) fn add(&mut self, other: Coverage) {
        for (what, count) in other.counts {
            *self.counts.entry(what).or_default() += count;
        }
        self.programs += other.programs;
        self.steps += other.steps;
    }

    /// Returns what was met less often than so many times, of all there is.
    pub(super) fn missing(&self, least: u64) -> Vec<String> {
        let ops = OPS.iter().filter(|row| !ONLY_ELSEWHERE.contains(&row.name));
        let ops = ops.map(|row| format!("op {}", row.name.to_uppercase()));
        let functions =
            standard::all().map(|function| format!("{}.{}", function.on.words(), function.name()));
        let expressions = EXPRESSIONS.iter().map(|form| format!("evaluated {form}"));
        let others = OTHERS.iter().chain(ENDS).map(|form| (*form).to_owned());
        let all = ops.chain(functions).chain(expressions).chain(others);
        let count = |what: &str| self.counts.get(what).copied().unwrap_or(0);
        all.filter(|what| count(what) < least).map(|what| format!("{what}: {}", count(&what))).collect()
    }

    /// Returns the counts for people, the rarest first.
    pub(super) fn table(&self) -> String {
        let mut rows: Vec<(&String, &u64)> = self.counts.iter().collect();
        rows.sort_by_key(|(_, count)| **count);
        let mut text = format!("{} programs, {} steps\n", self.programs, self.steps);
        for (what, count) in rows {
            let _ = writeln!(text, "{count:>9} {what}");
        }
        text
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Config(fields, _) => {
                self.count("config");
                fields.iter().for_each(|field| self.ty(&field.ty));
            }
            Item::Type(declared) => self.ty(&declared.body),
            Item::Channel(channel) => {
                self.count("channel");
                if channel.answer.is_some() {
                    self.count("channel with answer");
                }
            }
            Item::Port(port) => {
                self.count("port");
                if port.answer.is_some() {
                    self.count("port with answer");
                }
            }
            Item::Invariant(..) => self.count("invariant"),
            Item::Const(..) => self.count("const"),
            Item::Function(function) => {
                self.count("function");
                function.params.iter().for_each(|(_, ty)| self.ty(ty));
            }
            Item::On(on) => self.pattern(&on.pattern),
            Item::Init(..) | Item::Test(_) | Item::Use(_) => {}
        }
    }

    fn ty(&mut self, ty: &TypeExpr) {
        match ty {
            TypeExpr::Named { args, .. } => {
                for arg in args {
                    match arg {
                        TypeArg::Type(ty) => self.ty(ty),
                        TypeArg::Range(None, ..) => self.count("type limit"),
                        TypeArg::Range(..) => self.count("type range"),
                    }
                }
            }
            TypeExpr::Tuple(items, _) => {
                self.count("type tuple");
                items.iter().for_each(|item| self.ty(item));
            }
            TypeExpr::Record(fields, _) => {
                self.count("type record");
                for field in fields {
                    self.ty(&field.ty);
                    if field.default.is_some() {
                        self.count("default");
                    }
                }
            }
            TypeExpr::Variant(cases, _) => {
                self.count("type variant");
                for case in cases {
                    if case.internal {
                        self.count("internal case");
                    }
                    case.payload.iter().for_each(|payload| self.ty(payload));
                }
            }
            TypeExpr::Secret(item, _) => {
                self.count("type secret");
                self.ty(item);
            }
        }
    }

    fn pattern(&mut self, pattern: &Pattern) {
        self.count(match &pattern.kind {
            PatternKind::Wild => "pattern _",
            PatternKind::Bind(_) => "pattern name",
            PatternKind::Int(_) => "pattern number",
            PatternKind::Range(..) => "pattern range",
            PatternKind::Duration(_) => "pattern duration",
            PatternKind::Bool(_) => "pattern truth value",
            PatternKind::Text(_) => "pattern text",
            PatternKind::Tuple(items) if items.is_empty() => "pattern ()",
            PatternKind::Tuple(_) => "pattern tuple",
            PatternKind::Record(_, false) => "pattern record",
            PatternKind::Record(_, true) => "open pattern record",
            PatternKind::Case(_, None) => "pattern case",
            PatternKind::Case(..) => "pattern case with payload",
            PatternKind::Or(_) => "alternatives",
        });
        match &pattern.kind {
            PatternKind::Tuple(parts) | PatternKind::Or(parts) => {
                parts.iter().for_each(|part| self.pattern(part))
            }
            PatternKind::Record(fields, _) => {
                fields.iter().filter_map(|(_, part)| part.as_ref()).for_each(|part| self.pattern(part));
            }
            PatternKind::Case(_, Some(payload)) => self.pattern(payload),
            _ => {}
        }
    }

    /// Counts an expression when it was evaluated, and what stands in it.
    fn expr(&mut self, expr: &Expr) {
        if self.seen.contains_key(&(expr.span.start, expr.span.end)) {
            for form in forms(expr) {
                self.count(format!("evaluated {form}"));
            }
            self.call(expr);
        }
        match &expr.kind {
            ExprKind::Int(_)
            | ExprKind::Duration(_)
            | ExprKind::Bool(_)
            | ExprKind::Var(_)
            | ExprKind::Hole => {}
            ExprKind::Text(pieces) => {
                for piece in pieces {
                    if let TextPiece::Expr(expr) = piece {
                        self.expr(expr);
                    }
                }
            }
            ExprKind::Case(_, payload) => payload.iter().for_each(|payload| self.expr(payload)),
            ExprKind::Tuple(items) | ExprKind::List(items) | ExprKind::Call(_, items) => {
                items.iter().for_each(|item| self.expr(item));
            }
            ExprKind::Record { base, fields } => {
                base.iter().for_each(|base| self.expr(base));
                for field in fields {
                    field.index.iter().chain(&field.value).for_each(|part| self.expr(part));
                }
            }
            ExprKind::Map(entries) => entries.iter().for_each(|(key, value)| {
                self.expr(key);
                self.expr(value);
            }),
            ExprKind::Field(part, _) | ExprKind::Unary(_, part) | ExprKind::Fail(part) => self.expr(part),
            ExprKind::Index(left, right) | ExprKind::Binary(_, left, right) => {
                self.expr(left);
                self.expr(right);
            }
            ExprKind::Method(receiver, _, args) => {
                self.expr(receiver);
                args.iter().for_each(|arg| self.expr(arg));
            }
            ExprKind::Lambda(params, body) => {
                let apart = params.iter().any(|param| !matches!(param.kind, PatternKind::Bind(_)));
                self.count(if apart { "lambda that takes apart" } else { "lambda" });
                params.iter().for_each(|param| self.pattern(param));
                self.expr(body);
            }
            ExprKind::If(condition, yes, no) => {
                if no.is_none() {
                    self.count("if without else");
                }
                [condition, yes].into_iter().chain(no).for_each(|part| self.expr(part));
            }
            ExprKind::Match(scrutinee, arms) => {
                self.expr(scrutinee);
                for arm in arms {
                    self.pattern(&arm.pattern);
                    arm.guard.iter().chain([&arm.body]).for_each(|part| self.expr(part));
                }
            }
            ExprKind::Block(statements, value) => {
                statements.iter().for_each(|statement| self.statement(statement));
                value.iter().for_each(|value| self.expr(value));
            }
        }
    }

    fn statement(&mut self, statement: &Stmt) {
        let keyed = |key: &Option<Expr>, [without, with]: [&'static str; 2]| {
            if key.is_some() { with } else { without }
        };
        let (form, parts): (&str, Vec<&Expr>) = match &statement.kind {
            StmtKind::Let(pattern, value, otherwise) => {
                self.pattern(pattern);
                let form = match (&pattern.kind, otherwise) {
                    (_, Some(_)) => "let else",
                    (PatternKind::Bind(_), _) => "let",
                    _ => "let that takes apart",
                };
                (form, [value].into_iter().chain(otherwise).collect())
            }
            StmtKind::Send(_, key, message) => {
                (keyed(key, ["send", "send with key"]), key.iter().chain([message]).collect())
            }
            StmtKind::Call(_, key, message) => {
                let form = keyed(key, ["call of a port", "call of a port with key"]);
                (form, key.iter().chain([message]).collect())
            }
            StmtKind::Timer(name, after, input) => ("timer", vec![name, after, input]),
            StmtKind::Cancel(name) => ("cancel", vec![name]),
            StmtKind::Log(text) => ("log", vec![text]),
            StmtKind::Stop => ("stop", vec![]),
            StmtKind::For(pattern, over, body) => {
                self.pattern(pattern);
                body.iter().for_each(|statement| self.statement(statement));
                ("for", vec![over])
            }
            StmtKind::Expr(expr) => return self.expr(expr),
        };
        self.count(form);
        parts.into_iter().for_each(|part| self.expr(part));
    }

    /// Counts the call of a standard function, by what it is called on.
    fn call(&mut self, expr: &Expr) {
        let (name, subject) = match &expr.kind {
            ExprKind::Method(receiver, name, _) => (name, &**receiver),
            ExprKind::Call(name, args) if !args.is_empty() => (name, &args[0]),
            _ => return,
        };
        if self.functions.contains(&*name.text) {
            let form = if matches!(expr.kind, ExprKind::Call(..)) { "call" } else { "call as method" };
            return self.count(format!("evaluated {form}"));
        }
        self.count("evaluated standard call");
        let Some(ty) = self.seen.get(&(subject.span.start, subject.span.end)) else { return };
        let function = standard::on(On::of(ty)).find(|function| function.name() == &*name.text);
        if let Some(function) = function {
            self.count(format!("{}.{}", function.on.words(), function.name()));
        }
    }
}

/// Returns what an expression is called in [`EXPRESSIONS`].
fn forms(expr: &Expr) -> Vec<&'static str> {
    let one = match &expr.kind {
        ExprKind::Int(_) => "number",
        ExprKind::Duration(_) => "duration",
        ExprKind::Bool(_) => "truth value",
        ExprKind::Text(pieces) if pieces.iter().any(|piece| matches!(piece, TextPiece::Expr(_))) => {
            "interpolation"
        }
        ExprKind::Text(_) => "text",
        ExprKind::Var(_) => "name",
        ExprKind::Case(_, None) => "case",
        ExprKind::Case(..) => "case with payload",
        ExprKind::Tuple(items) if items.is_empty() => "unit",
        ExprKind::Tuple(_) => "tuple",
        ExprKind::Record { base, fields } => {
            let mut found = vec![if base.is_some() { "update" } else { "record" }];
            if fields.iter().any(|field| field.index.is_some()) {
                found.push("update of an entry");
            }
            if fields.iter().any(|field| field.path.len() > 1) {
                found.push("update of a nested field");
            }
            if fields.iter().any(|field| field.value.is_none()) {
                found.push("short field");
            }
            return found;
        }
        ExprKind::List(_) => "list",
        ExprKind::Map(_) => "map",
        ExprKind::Field(..) => "field",
        ExprKind::Index(..) => "index",
        ExprKind::Unary(UnaryOp::Neg, _) => "-x",
        ExprKind::Unary(UnaryOp::Not, _) => "!x",
        ExprKind::Binary(op, ..) => operator(*op),
        ExprKind::If(..) => "if",
        ExprKind::Match(_, arms) => {
            let guarded = arms.iter().any(|arm| arm.guard.is_some());
            return if guarded { vec!["match", "guard"] } else { vec!["match"] };
        }
        ExprKind::Block(..) => "block",
        ExprKind::Fail(_) => "fail",
        // A hole is in no program that runs.
        ExprKind::Call(..) | ExprKind::Method(..) | ExprKind::Lambda(..) | ExprKind::Hole => return vec![],
    };
    vec![one]
}

fn operator(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Or => "||",
        BinaryOp::And => "&&",
        BinaryOp::Eq => "==",
        BinaryOp::Ne => "!=",
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
        BinaryOp::Concat => "++",
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Mod => "%",
    }
}
