//! The plain syntax tree: what the checker works on, lowered from the lossless tree.
//!
//! Every node has its byte span. A tree exists only for a text without syntax errors.

use std::sync::Arc;

use crate::diagnostic::Span;
use crate::syntax::suite::TestDecl;

/// A name with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The text.
    pub text: Arc<str>,
    /// Where it stands.
    pub span: Span,
}

/// A text literal in a position where no interpolation is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The content, escapes resolved.
    pub text: Arc<str>,
    /// Where it stands, quotes included.
    pub span: Span,
}

/// A whole file.
#[derive(Debug, Clone, PartialEq)]
pub enum File {
    /// `machine NAME ...`
    Machine(MachineFile),
    /// `migration NAME from "VERSION" ...`
    Migration(MigrationFile),
    /// `types NAME ...`
    Types(TypesFile),
}

/// A type module: declarations that several files of an application share.
#[derive(Debug, Clone, PartialEq)]
pub struct TypesFile {
    /// The module's name.
    pub name: Name,
    /// The items in source order.
    pub items: Vec<TypesItem>,
}

/// An item of a type module.
#[derive(Debug, Clone, PartialEq)]
pub enum TypesItem {
    /// `use other`
    Use(UseDecl),
    /// `type Name = ...`
    Type(TypeDecl),
    /// `const NAME = expr`
    Const(ConstDecl),
    /// `fn name(a: T) -> R = expr`
    Function(FunctionDecl),
}

/// `use shared` or `use shared { Item, worth }`: what a type module declares.
#[derive(Debug, Clone, PartialEq)]
pub struct UseDecl {
    /// The module.
    pub module: Name,
    /// What is used of it; `None`: all.
    pub names: Option<Vec<Name>>,
    /// The whole.
    pub span: Span,
}

/// `const NAME = expr` or `const name: T = expr`
#[derive(Debug, Clone, PartialEq)]
pub struct ConstDecl {
    /// The name.
    pub name: Name,
    /// The type, where it is written.
    pub ty: Option<TypeExpr>,
    /// The value.
    pub value: Expr,
}

/// A machine file.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineFile {
    /// The machine's name.
    pub name: Name,
    /// The type of the key (`keyed Text`), if there is one.
    pub key: Option<TypeExpr>,
    /// The items in source order.
    pub items: Vec<Item>,
}

/// An item of a machine file.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// `config { hold: Duration = 15m }`
    Config(Vec<FieldDecl>, Span),
    /// `type Name = ...`
    Type(TypeDecl),
    /// `channel billing = payments/account(Bill) -> Answered`
    Channel(ChannelDecl),
    /// `port mail(Mail) -> Answered`
    Port(PortDecl),
    /// `invariant "text" = expr`
    Invariant(Text, Expr),
    /// `init = expr` (may name `config`)
    Init(Expr, Span),
    /// `const NAME = expr` / `const name: T = expr`
    Const(ConstDecl),
    /// `use shared { Item }`
    Use(UseDecl),
    /// `fn name(a: T, b: U) -> R = expr` or with a block
    Function(FunctionDecl),
    /// `on Pattern => expr` or `on Pattern { block }`
    On(OnDecl),
    /// `test "name" { ... }` or `property "name" (x: T) { ... }`
    Test(TestDecl),
}

/// A declared type.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeDecl {
    /// The name.
    pub name: Name,
    /// What it stands for.
    pub body: TypeExpr,
}

/// A type as written.
#[derive(Debug, Clone, PartialEq)]
pub enum TypeExpr {
    /// A name, with arguments: `Int`, `Item`, `Option(T)`, `Map(K, V)`, `Text(..=200)`.
    Named {
        /// The name.
        name: Name,
        /// The arguments in parentheses.
        args: Vec<TypeArg>,
        /// The whole.
        span: Span,
    },
    /// `(A, B)`, or `()` with no items.
    Tuple(Vec<TypeExpr>, Span),
    /// `{ a: T, b: U = default }`
    Record(Vec<FieldDecl>, Span),
    /// `A | B(T) | internal C { x: T }`; a single capitalised name followed by a payload is one too.
    Variant(Vec<CaseDecl>, Span),
    /// `secret T`
    Secret(Box<TypeExpr>, Span),
}

/// An argument of a named type.
#[derive(Debug, Clone, PartialEq)]
pub enum TypeArg {
    /// A type.
    Type(TypeExpr),
    /// `lo..=hi`, `..=hi`, `lo..`; bounds are whole-number literals.
    Range(Option<i64>, Option<i64>, Span),
}

/// A field of a record type or of `config`.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldDecl {
    /// The label.
    pub name: Name,
    /// The type.
    pub ty: TypeExpr,
    /// `= expr`
    pub default: Option<Expr>,
}

/// A case of a variant type.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseDecl {
    /// `internal` stood before it.
    pub internal: bool,
    /// The label.
    pub name: Name,
    /// `(T)`, or a record type for `{ ... }`.
    pub payload: Option<TypeExpr>,
}

/// A channel declaration.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelDecl {
    /// The name.
    pub name: Name,
    /// The target's app.
    pub app: Name,
    /// The target's machine.
    pub machine: Name,
    /// The type of the messages.
    pub message: TypeExpr,
    /// The internal input case that takes the answers.
    pub answer: Option<Name>,
}

/// A port declaration.
#[derive(Debug, Clone, PartialEq)]
pub struct PortDecl {
    /// The name.
    pub name: Name,
    /// The type of the messages.
    pub message: TypeExpr,
    /// The internal input case that takes the answers.
    pub answer: Option<Name>,
}

/// A function declaration.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionDecl {
    /// The name.
    pub name: Name,
    /// The parameters.
    pub params: Vec<(Name, TypeExpr)>,
    /// The result type.
    pub result: TypeExpr,
    /// The body; a block is an `Expr::Block`.
    pub body: Expr,
}

/// A handler of one input case.
#[derive(Debug, Clone, PartialEq)]
pub struct OnDecl {
    /// Which case, and what its payload is called.
    pub pattern: Pattern,
    /// The body; a block is an `Expr::Block`.
    pub body: Expr,
}

/// A migration file.
#[derive(Debug, Clone, PartialEq)]
pub struct MigrationFile {
    /// The machine's name.
    pub machine: Name,
    /// The version that it comes from.
    pub from: Text,
    /// The items.
    pub items: Vec<MigrationItem>,
}

/// An item of a migration file.
#[derive(Debug, Clone, PartialEq)]
pub enum MigrationItem {
    /// `rename Item.qty to count`
    Rename(Vec<Name>, Name, Span),
    /// `drop State.legacy`, `drop Item.note else expr`
    Drop(Vec<Name>, Option<Expr>, Span),
    /// `add State.holds = expr`
    Add(Vec<Name>, Expr, Span),
    /// `up (old) = expr`
    Up(Pattern, Expr, Span),
    /// `down (new) = expr`, `down (new, kept) = expr`
    Down(Pattern, Expr, Span),
    /// `keep (old) = expr`
    Keep(Pattern, Expr, Span),
    /// `lift Pattern => expr`
    Lift(Pattern, Expr),
    /// `unlift Pattern => expr`
    Unlift(Pattern, Expr),
    /// `lower Pattern => expr`
    Lower(Pattern, Expr),
    /// `raise Pattern => expr`
    Raise(Pattern, Expr),
    /// A helper function.
    Function(FunctionDecl),
    /// A type for helper functions.
    Type(TypeDecl),
    /// `use shared { Item }`
    Use(UseDecl),
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of expression.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A whole number. `-1` is a unary minus on `1`, except that the parser folds `-9223372036854775808`.
    Int(i64),
    /// `15m`, `2h`, `30s`, `250ms`, `1d`: in milliseconds.
    Duration(i64),
    /// `true`, `false`
    Bool(bool),
    /// `"text {expr}"`: pieces; one `Lit` for a plain text, none for the empty one.
    Text(Vec<TextPiece>),
    /// A lower-case name.
    Var(Arc<str>),
    /// `Case`, `Case(x)` or `Case { ... }`.
    Case(Name, Option<Box<Expr>>),
    /// `(a, b)`; `()` has no items.
    Tuple(Vec<Expr>),
    /// `{ ..base, a: x, items[k]: y, b.c: z }`
    Record {
        /// `..base`
        base: Option<Box<Expr>>,
        /// The members.
        fields: Vec<FieldInit>,
    },
    /// `[a, b]`
    List(Vec<Expr>),
    /// `[k: v]`; `[:]` has no entries.
    Map(Vec<(Expr, Expr)>),
    /// `x.field`, also `t.0`
    Field(Box<Expr>, Name),
    /// `x[i]`
    Index(Box<Expr>, Box<Expr>),
    /// `f(a, b)`
    Call(Name, Vec<Expr>),
    /// `x.f(a, b)`
    Method(Box<Expr>, Name, Vec<Expr>),
    /// `(a, b) -> e`, `x -> e`; only as an argument.
    Lambda(Vec<Pattern>, Box<Expr>),
    /// `-x`, `!x`
    Unary(UnaryOp, Box<Expr>),
    /// `a + b`
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `if c { a } else { b }`; `else` is missing in a statement only.
    If(Box<Expr>, Box<Expr>, Option<Box<Expr>>),
    /// `match x { p => e ... }`
    Match(Box<Expr>, Vec<Arm>),
    /// `{ statements; value }`
    Block(Vec<Stmt>, Option<Box<Expr>>),
    /// `fail "why"`
    Fail(Box<Expr>),
    /// `?`: what a person has yet to write.
    Hole,
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum TextPiece {
    /// Letters.
    Lit(Arc<str>),
    /// `{expr}`
    Expr(Expr),
}

/// A member of a record expression.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldInit {
    /// `a`, or `a.b` for an update of a nested field.
    pub path: Vec<Name>,
    /// `[k]` at the end: an update of a map or list.
    pub index: Option<Expr>,
    /// The value; `None` for the short form `{ item, count }`.
    pub value: Option<Expr>,
    /// The whole member.
    pub span: Span,
}

/// Operators before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum UnaryOp {
    Neg,
    Not,
}

/// Operators between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum BinaryOp {
    Or,
    And,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Concat,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
}

/// An arm of a `match`.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// What it matches.
    pub pattern: Pattern,
    /// `if guard`
    pub guard: Option<Expr>,
    /// The result.
    pub body: Expr,
}

/// A statement of a block.
#[derive(Debug, Clone, PartialEq)]
pub struct Stmt {
    /// What it is.
    pub kind: StmtKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of statement.
#[derive(Debug, Clone, PartialEq)]
pub enum StmtKind {
    /// `let p = e`, `let p = e else other`
    Let(Pattern, Expr, Option<Expr>),
    /// `send channel[key] message`
    Send(Name, Option<Expr>, Expr),
    /// `timer name after delay => input`; the name is an expression of Text.
    Timer(Expr, Expr, Expr),
    /// `cancel name`
    Cancel(Expr),
    /// `call port[key] message`
    Call(Name, Option<Expr>, Expr),
    /// `log text`
    Log(Expr),
    /// `stop`
    Stop,
    /// `for p in xs { effects }`
    For(Pattern, Expr, Vec<Stmt>),
    /// `if c { effects } else { effects }` and other expressions run for their effects.
    Expr(Expr),
}

/// A pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// What it is.
    pub kind: PatternKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of pattern.
#[derive(Debug, Clone, PartialEq)]
pub enum PatternKind {
    /// `_`
    Wild,
    /// A lower-case name.
    Bind(Arc<str>),
    /// A number, also negative.
    Int(i64),
    /// `lo..=hi`
    Range(i64, i64),
    /// A duration.
    Duration(i64),
    /// `true`, `false`
    Bool(bool),
    /// A text without interpolation.
    Text(Arc<str>),
    /// `(a, b)`, `()`
    Tuple(Vec<Pattern>),
    /// `{ a, b: p, .. }`
    Record(Vec<(Name, Option<Pattern>)>, bool),
    /// `Case`, `Case(p)`, `Case { .. }`
    Case(Name, Option<Box<Pattern>>),
    /// `p | q`
    Or(Vec<Pattern>),
}
