//! Tests and properties in the plain tree.

use crate::diagnostic::Span;
use crate::syntax::ast::{Expr, Name, Pattern, Text, TypeExpr};

/// `test "name" { ... }` or `property "name" (x: T) { ... }`.
#[derive(Debug, Clone, PartialEq)]
pub struct TestDecl {
    /// What it says.
    pub name: Text,
    /// What is generated; `None` for a `test`.
    pub params: Option<Vec<(Name, TypeExpr)>>,
    /// `with config { hold: 5s }, key "a"`
    pub given: Vec<Given>,
    /// The statements.
    pub body: Vec<TestStmt>,
    /// The whole.
    pub span: Span,
}

/// One thing that a test begins with.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// `config`, `state`, `key`, `now` or `seed`.
    pub what: Name,
    /// Its value.
    pub value: Expr,
}

/// A statement of a test.
#[derive(Debug, Clone, PartialEq)]
pub struct TestStmt {
    /// What it is.
    pub kind: TestStmtKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of statement of a test.
#[derive(Debug, Clone, PartialEq)]
pub enum TestStmtKind {
    /// `let p = e`; a value that does not match fails the test.
    Let(Pattern, Expr),
    /// `if c { ... } else { ... }`
    If(Expr, Vec<TestStmt>, Vec<TestStmt>),
    /// `for p in xs { ... }`
    For(Pattern, Expr, Vec<TestStmt>),
    /// `for all inputs may trap overflow { ... }`
    ForAll(Vec<Name>, Vec<TestStmt>),
    /// `run INPUT ...`
    Run(Expr, Ends),
    /// `advance DURATION ...`
    Advance(Expr, Ends),
    /// `answer ch[key] VALUE ...`; `no answer ch[key] ...` has no value.
    Answer {
        /// The channel or port.
        outlet: Name,
        /// The receiver's key.
        key: Option<Expr>,
        /// What it answers.
        answer: Option<Expr>,
        /// How the step ends.
        ends: Ends,
    },
    /// `expect ...`
    Expect(Expected),
    /// `expect not ...`
    ExpectNot(Observed),
    /// `assume c`: a case in which it does not hold is left out.
    Assume(Expr),
    /// `fail "why"`
    Fail(Expr),
}

/// How the step of a `run`, `advance` or `answer` is to end.
#[derive(Debug, Clone, PartialEq)]
pub enum Ends {
    /// Without a trap.
    Well,
    /// `gives OUTPUT`
    Gives(Expr),
    /// `traps range`, `traps invariant "text"`, `fails "why"`; the name is the word of the trap.
    Traps(Name, Option<Expr>),
}

/// What is expected.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// `CONDITION`
    Condition(Expr),
    /// `VALUE is PATTERN if GUARD`
    Is(Expr, Pattern, Option<Expr>),
    /// Something that was done, or a timer that runs.
    Observed(Observed),
}

/// What a step did to the world. What is left out may be anything.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed {
    /// `sent`, `sent ch`, `sent ch[key] MESSAGE`
    Sent(Option<Name>, Option<Expr>, Option<Expr>),
    /// `called`, `called port`, `called port[key] MESSAGE`
    Called(Option<Name>, Option<Expr>, Option<Expr>),
    /// `logged`, `logged "line"`
    Logged(Option<Expr>),
    /// `timer`, `timer NAME after DURATION => INPUT`
    Timer(Option<Expr>, Option<Expr>, Option<Expr>),
    /// `stopped`
    Stopped,
}
