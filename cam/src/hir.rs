//! The typed tree: what the checker makes of a program and the compiler turns into code.
//!
//! Every expression has its type; names are resolved to locals and functions; patterns are
//! decision trees that cover every case; conversions between limits stand where they happen.

use std::sync::Arc;

use crate::code::EffectKind;
use crate::diagnostic::Span;
use crate::ty::Ty;
use crate::value::Value;

/// A variable of a function, unique within the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Local(pub u32);

/// A function of the file: its place among the declarations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionId(pub usize);

/// A typed expression.
#[derive(Debug, Clone)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its type. That of a diverging expression is whatever its place asks for.
    pub ty: Ty,
    /// Where it stands in the source.
    pub span: Span,
    /// True when it never has a value: it ends in `fail`.
    pub diverges: bool,
}

/// The kinds of expression.
#[derive(Debug, Clone)]
pub enum ExprKind {
    /// A constant.
    Const(Value),
    /// A variable.
    Local(Local),
    /// A field of the context, as in the instruction `CTX`.
    Ctx(u32),
    /// A tuple or record: its members in order.
    Product(Vec<Expr>),
    /// A member of a tuple or record.
    Field(Box<Expr>, u32),
    /// A record with some members replaced, one after another.
    Update(Box<Expr>, Vec<Update>),
    /// A case of a variant or an Option.
    Inject(u32, Box<Expr>),
    /// One of two.
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// A binding and what follows.
    Let(Local, Box<Expr>, Box<Expr>),
    /// A choice by pattern.
    Match(Box<Match>),
    /// An operation on one value.
    Unary(Unary, Box<Expr>),
    /// An operation on two values, evaluated left to right.
    Binary(Binary, Box<Expr>, Box<Expr>),
    /// A map with a key set, or a list with an item replaced: map or list, key or index, value.
    Put(Box<Expr>, Box<Expr>, Box<Expr>),
    /// A part of a Text, Bytes or List: the whole, from which index, up to which.
    Slice(Box<Expr>, Box<Expr>, Box<Expr>),
    /// A list of items; without items the empty list or map.
    List(Vec<Expr>),
    /// A map of entries.
    MapOf(Vec<(Expr, Expr)>),
    /// A fold over a list or map.
    Fold {
        /// What is folded.
        over: Box<Expr>,
        /// What it starts from.
        start: Box<Expr>,
        /// The name of what was folded so far.
        so_far: Local,
        /// The item, or key and value.
        item: Vec<Local>,
        /// The next.
        body: Box<Expr>,
    },
    /// A map, filter or search over a list or map.
    Each {
        /// Which.
        each: Each,
        /// Over what.
        over: Box<Expr>,
        /// The item, or key and value.
        item: Vec<Local>,
        /// What is computed for each.
        body: Box<Expr>,
    },
    /// The same again and again, as long as a test holds.
    Loop {
        /// What it starts from.
        start: Box<Expr>,
        /// How many times at most.
        times: Box<Expr>,
        /// The name of what was made so far.
        so_far: Local,
        /// Whether it goes on.
        test: Box<Expr>,
        /// The next.
        body: Box<Expr>,
    },
    /// A call of a function of the file.
    Call(FunctionId, Vec<Expr>),
    /// An effect; its value is `()`.
    Emit(EffectKind, Box<Expr>),
    /// Steps one after another, then a value.
    Block(Vec<Step>, Box<Expr>),
    /// The end of the step.
    Fail(Box<Expr>),
    /// A derived conversion to the expression's type, see [`crate::derive`].
    Convert(Box<Expr>, Arc<crate::derive::Edits>),
}

/// A step of a block.
#[derive(Debug, Clone)]
pub enum Step {
    /// Names a value for what follows.
    Let(Local, Expr),
    /// For its effects.
    Do(Expr),
}

/// Operations on one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named after the instructions")]
pub enum Unary {
    Neg,
    Not,
    Len,
    Show,
    Parse,
    Entries,
    Hash,
    /// The number is the operand of the instruction.
    Edit(u32),
    Encode,
    Decode,
    Octets,
    Pack,
    /// The number is the operand of the instruction.
    Outer(u32),
    Seal,
    Reveal,
    /// Into the limits of the expression's type.
    Fit,
}

/// Operations on two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named after the instructions")]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Lt,
    Le,
    Eq,
    Cat,
    Get,
    Del,
    Append,
    Take,
    Drop,
    Range,
    Search,
    Split,
    Join,
    /// The number is the operand of the instruction.
    Bits(u32),
}

/// The operations with a body per item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named after the instructions")]
pub enum Each {
    Map,
    Filter,
    Find,
}

/// One replaced member.
#[derive(Debug, Clone)]
pub struct Update {
    /// The way to the member: indices of nested records, outermost first.
    pub path: Vec<u32>,
    /// The types of the records along the way, and of the member at its end.
    pub types: Vec<Ty>,
    /// The key, when an entry of a map is replaced.
    pub key: Option<Expr>,
    /// The new value.
    pub value: Expr,
}

/// A choice by pattern.
#[derive(Debug, Clone)]
pub struct Match {
    /// What is looked at.
    pub scrutinee: Expr,
    /// The name it has in the tree.
    pub root: Local,
    /// How the arm is found.
    pub tree: Decision,
    /// The arms: an optional guard, and the result.
    pub arms: Vec<(Option<Expr>, Expr)>,
}

/// A decision tree. Every way through it ends in an arm.
#[derive(Debug, Clone)]
pub enum Decision {
    /// The arm, with names for parts that were looked at.
    Arm(usize, Vec<(Local, Local)>),
    /// The arm if its guard holds.
    Guarded(usize, Vec<(Local, Local)>, Box<Decision>),
    /// Names members of a tuple or record.
    Members(Local, Vec<(u32, Local)>, Box<Decision>),
    /// Chooses by case; each names its payload.
    Case(Local, Vec<(Local, Decision)>),
    /// Chooses by a Bool.
    Bool(Local, Box<Decision>, Box<Decision>),
    /// Chooses by equality with a constant.
    Equal(Local, Ty, Value, Box<Decision>, Box<Decision>),
    /// Chooses by a range of Int, both ends included.
    Within(Local, i64, i64, Box<Decision>, Box<Decision>),
}

/// A checked function.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its name.
    pub name: Arc<str>,
    /// Its parameters.
    pub params: Vec<(Local, Ty)>,
    /// Its result type.
    pub result: Ty,
    /// Its body.
    pub body: Expr,
}

impl Expr {
    /// Returns an expression that has a value.
    pub fn new(kind: ExprKind, ty: Ty, span: Span) -> Expr {
        Expr { kind, ty, span, diverges: false }
    }

    /// Returns the constant that the expression is, if it is one.
    pub fn as_const(&self) -> Option<&Value> {
        match &self.kind {
            ExprKind::Const(value) => Some(value),
            _ => None,
        }
    }
}
