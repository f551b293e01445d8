//! A checked test: statements whose every expression is a site.
//!
//! A site is a typed expression and the names of the test that it uses. It is compiled as a step
//! of a machine of its own, see [`crate::compile::suite`], so that a test runs nothing that the
//! verifier did not see.

use std::sync::Arc;

use crate::code::Answer;
use crate::diagnostic::Span;
use crate::hir::{Expr, Local};
use crate::run::Trap;
use crate::ty::{Case, Kind, Ty, TyError, Variant};
use crate::verify::VerifiedMachine;

/// An index into [`Script::sites`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SiteId(pub(crate) usize);

/// An expression of a test.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// The names of the test that it uses.
    pub(crate) uses: Vec<Use>,
    /// What is computed.
    pub(crate) expr: Expr,
}

/// A name of a test.
#[derive(Debug, Clone)]
pub(crate) struct Use {
    pub(crate) name: Arc<str>,
    pub(crate) local: Local,
    pub(crate) ty: Ty,
}

/// A test or property.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) name: Arc<str>,
    /// Where the name stands.
    pub(crate) span: Span,
    /// What is generated; `None` for a test.
    pub(crate) params: Option<Vec<Use>>,
    /// What it begins with, the configuration first.
    pub(crate) given: Vec<(Given, SiteId)>,
    pub(crate) config: Local,
    pub(crate) state: Local,
    pub(crate) output: Local,
    pub(crate) body: Vec<Stmt>,
    pub(crate) sites: Vec<Site>,
}

/// What a test may begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Given {
    Config,
    State,
    Key,
    Now,
    Seed,
}

/// A statement.
#[derive(Debug, Clone)]
pub(crate) struct Stmt {
    pub(crate) kind: StmtKind,
    pub(crate) span: Span,
}

#[derive(Debug, Clone)]
pub(crate) enum StmtKind {
    Let(SiteId, Fit),
    If(SiteId, Vec<Stmt>, Vec<Stmt>),
    For(SiteId, Fit, Vec<Stmt>),
    ForAll(ForAll),
    Run(SiteId, Ends),
    Advance(SiteId, Ends),
    Answer {
        outlet: Outlet,
        key: Option<SiteId>,
        /// `None` when the receiver gives none.
        answer: Option<SiteId>,
        ends: Ends,
    },
    Condition(Condition),
    /// A value, a pattern that may not match it, and whether it is to match.
    Is(SiteId, Fit),
    Observed(Observed),
    NotObserved(Observed),
    Assume(SiteId),
    Fail(SiteId),
}

/// A pattern that takes a value apart.
#[derive(Debug, Clone)]
pub(crate) struct Fit {
    /// The name of the value, for `site`.
    pub(crate) subject: Local,
    /// `Some` of what is bound, as [`payload`] has it, or `None` when the pattern does not match.
    pub(crate) site: SiteId,
    /// What is bound.
    pub(crate) names: Vec<Use>,
}

/// `for all inputs`
#[derive(Debug, Clone)]
pub(crate) struct ForAll {
    /// The traps that are no failure, beside `fail`.
    pub(crate) may_trap: Vec<TrapWord>,
    /// The input of the step.
    pub(crate) input: Local,
    /// The state before the step.
    pub(crate) before: Local,
    /// The answer, as an Option.
    pub(crate) output: Local,
    pub(crate) body: Vec<Stmt>,
}

/// How a step is to end.
#[derive(Debug, Clone)]
pub(crate) enum Ends {
    Well,
    Gives(SiteId, Span),
    Traps(TrapWord, Option<SiteId>),
}

/// A condition, and what to show when it does not hold.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) site: SiteId,
    pub(crate) span: Span,
    /// The two sides of a comparison, with their places.
    pub(crate) sides: Option<[(SiteId, Span); 2]>,
}

/// A channel or a port, by its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outlet {
    Channel(u32),
    Port(u32),
}

impl Outlet {
    /// Returns the name.
    pub(crate) fn name(self, machine: &VerifiedMachine) -> &Arc<str> {
        match self {
            Outlet::Channel(index) => &machine.channels()[index as usize].name,
            Outlet::Port(index) => &machine.ports()[index as usize].name,
        }
    }

    /// Returns the type of the messages.
    pub(crate) fn message(self, machine: &VerifiedMachine) -> &Ty {
        machine.module().ty(match self {
            Outlet::Channel(index) => machine.channels()[index as usize].message,
            Outlet::Port(index) => machine.ports()[index as usize].message,
        })
    }

    /// Returns how answers come back, if they do.
    pub(crate) fn answer(self, machine: &VerifiedMachine) -> Option<Answer> {
        match self {
            Outlet::Channel(index) => machine.channels()[index as usize].answer,
            Outlet::Port(index) => machine.ports()[index as usize].answer,
        }
    }
}

/// See [`crate::syntax::suite::Observed`].
#[derive(Debug, Clone)]
pub(crate) enum Observed {
    Sent(Option<Outlet>, Option<SiteId>, Option<SiteId>),
    Called(Option<Outlet>, Option<SiteId>, Option<SiteId>),
    Logged(Option<SiteId>),
    Timer(Option<SiteId>, Option<SiteId>, Option<SiteId>),
    Stopped,
}

/// The traps that a step may end in, by the words that tests have for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrapWord {
    Overflow,
    DivisionByZero,
    Range,
    Fail,
    Invariant,
    Fuel,
    Memory,
}

impl TrapWord {
    const WORDS: [(&str, TrapWord); 7] = [
        ("overflow", TrapWord::Overflow),
        ("division_by_zero", TrapWord::DivisionByZero),
        ("range", TrapWord::Range),
        ("fail", TrapWord::Fail),
        ("invariant", TrapWord::Invariant),
        ("fuel", TrapWord::Fuel),
        ("memory", TrapWord::Memory),
    ];

    /// Returns all the words.
    pub(crate) fn words() -> impl Iterator<Item = &'static str> {
        TrapWord::WORDS.iter().map(|(word, _)| *word)
    }

    /// Returns the trap of a word.
    pub(crate) fn of_word(word: &str) -> Option<TrapWord> {
        TrapWord::WORDS.iter().find(|(other, _)| *other == word).map(|(_, trap)| *trap)
    }

    /// Returns the word.
    pub(crate) fn word(self) -> &'static str {
        let found = TrapWord::WORDS.iter().find(|(_, trap)| *trap == self);
        found.map_or("", |(word, _)| *word)
    }

    /// Returns which one a trap is, and the text that it carries.
    pub(crate) fn of(trap: &Trap) -> (TrapWord, Option<&str>) {
        match trap {
            Trap::Overflow => (TrapWord::Overflow, None),
            Trap::DivisionByZero => (TrapWord::DivisionByZero, None),
            Trap::Range => (TrapWord::Range, None),
            Trap::Fail(why) => (TrapWord::Fail, Some(why)),
            Trap::Invariant(text) => (TrapWord::Invariant, Some(text)),
            Trap::Fuel => (TrapWord::Fuel, None),
            Trap::Memory => (TrapWord::Memory, None),
            // Guards stand in edges, and a test runs none.
            Trap::Guard => (TrapWord::Fail, None),
        }
    }
}

/// Returns the type of so many values together: `()`, the type itself, or a tuple.
///
/// # Errors
///
/// When the tuple would be too large or too deep.
pub(crate) fn payload(uses: &[Use]) -> Result<Ty, TyError> {
    match uses {
        [] => Ok(Ty::unit()),
        [one] => Ok(one.ty.clone()),
        many => Ty::new(Kind::Tuple(many.iter().map(|one| one.ty.clone()).collect())),
    }
}

/// Returns the variant that has a case for each of these types.
///
/// # Errors
///
/// When it would be too large or too deep.
pub(crate) fn variant(payloads: impl IntoIterator<Item = Ty>) -> Result<Ty, TyError> {
    let case = |(ordinal, payload)| Case { label: format!("s{ordinal}").into(), ordinal, payload };
    Ty::new(Kind::Variant(Variant { cases: (0..).zip(payloads).map(case).collect() }))
}
