//! Proof that all ways to run a machine agree: generated programs, run by the source-level
//! evaluator, by T0 and by T1, under ample and under low limits, with the state shared and not.
//!
//! The programs come from [`crate::testing::program`]. `docs/testing.md` tells how to run the short
//! and the long form.

#[cfg(test)]
mod agree;
#[cfg(test)]
mod coverage;
pub(crate) mod engine;
pub(crate) mod facts;
#[cfg(test)]
mod tests;
