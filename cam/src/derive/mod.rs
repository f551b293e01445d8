//! Derived arrows: the judgement `A ~> B`, and the code that follows from it.
//!
//! [`judge`] says what stands between two types, each difference under one of the [rules](RULES);
//! `convert` writes the code, and [`link`] compiles the arrows of a channel. Whatever cannot be carried
//! over is a problem with a path; in code it is a `FAIL` that says so. Nothing is ever dropped or
//! defaulted in silence: what is left out is a loss, and the caller decides whether it may be.

mod chain;
mod compare;
mod convert;
mod edits;
mod fuse;
mod judge;
mod keep;
mod link;
pub mod route;
mod rules;
mod same;
mod stays;

pub use chain::{ChainError, chain};
pub use compare::{Arrow, Breach, Comparison, DownClass, InputChange, OutletChange, OutletWhat, compare};
pub(crate) use convert::{convert, nests, nests_secretly};
pub use edits::Edits;
pub use fuse::fuse;
pub(crate) use judge::keys_stay;
pub use judge::{Change, Effect, Verdict, Way, judge, judge_state, judge_way};
pub(crate) use keep::{down_arrow, keep_arrow, kept};
pub(crate) use link::arrow;
pub use link::link;
pub use rules::{RULES, Rule, RuleText, Strictness};

#[cfg(test)]
mod tests;
