//! The tests of a machine file, and how they run.
//!
//! A suite is a verified machine with its tests. Running one is a pure function of the suite, a
//! seed and a number of cases: the clock is virtual, what is random comes from the seed, and the
//! machine runs with the limits that a node gives it.
//!
//! Where to look next: [`script`] is what a test is made of, `play` runs one, `world` is the
//! instance that it runs, `property` looks for a counterexample and makes it small.

mod arrange;
mod case;
mod differ;
mod failure;
mod generate;
pub mod laws;
mod observe;
mod play;
mod property;
mod random;
pub(crate) mod script;
mod shrink;
mod trouble;
mod world;

use std::sync::Arc;

use crate::diagnostic::{Source, Span};
use crate::run::Ctx;
use crate::ty::{Kind, Ty};
use crate::value::Value;
use crate::verify::VerifiedMachine;
use script::Script;

pub use failure::{Counterexample, Failure};

/// A machine and its tests. Made by [`crate::compile::suite`].
#[derive(Debug)]
pub struct Suite {
    pub(crate) source: Source,
    pub(crate) machine: VerifiedMachine,
    pub(crate) tests: Vec<Test>,
}

/// A test that can run.
#[derive(Debug)]
pub struct Test {
    pub(crate) script: Script,
    /// Per site, where its code is.
    pub(crate) code: Vec<SiteCode>,
}

/// Where the code of a site is: a case of a machine that has no state.
#[derive(Debug, Clone)]
pub(crate) struct SiteCode {
    pub(crate) machine: VerifiedMachine,
    pub(crate) case: usize,
}

/// How a test is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// What everything random comes from.
    pub seed: u64,
    /// How many cases of a property are tried.
    pub cases: u32,
}

/// What became of a test.
#[derive(Debug, Clone)]
pub struct Report {
    /// How many cases ran; 1 for a test.
    pub cases: u32,
    /// How many steps the machine took.
    pub steps: u64,
    /// Why it failed, if it did.
    pub failure: Option<Box<Failure>>,
}

impl Suite {
    /// Returns the text that the suite was compiled from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Returns the name of the machine.
    pub fn machine_name(&self) -> &str {
        &self.machine.module().debug.name
    }

    /// Returns the tests in the order of the text.
    pub fn tests(&self) -> &[Test] {
        &self.tests
    }

    /// Runs one of [`Suite::tests`].
    pub fn run(&self, test: &Test, options: Options) -> Report {
        if test.is_property() { property::run(self, test, options) } else { property::run_once(self, test) }
    }
}

impl Test {
    /// Returns what it says.
    pub fn name(&self) -> &Arc<str> {
        &self.script.name
    }

    /// Returns where its name stands.
    pub fn span(&self) -> &Span {
        &self.script.span
    }

    /// Returns true when its arguments or inputs are generated.
    pub fn is_property(&self) -> bool {
        self.script.params.is_some()
    }
}

/// Returns the configuration of which every part has a default, if it is such.
pub(crate) fn starting_config(ty: &Ty) -> Option<Value> {
    match ty.kind() {
        Kind::Unit => Some(Value::Unit),
        Kind::Record(record) => {
            let fields = record.fields.iter().map(|field| match (&field.default, field.ty.kind()) {
                (Some(default), _) => Some(default.clone()),
                (None, Kind::Option(_)) => Some(Value::none()),
                _ => None,
            });
            fields.collect::<Option<Vec<_>>>().map(Value::product)
        }
        _ => None,
    }
}

/// Returns what an expression of a test sees before the machine's first step.
fn first_ctx(key: &Arc<str>, now_ms: i64, seed: i64) -> Ctx {
    Ctx { now_ms, seq: 0, self_key: key.clone(), seed }
}
