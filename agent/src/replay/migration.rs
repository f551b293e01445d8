//! A state or an input that goes along an edge once more: for the node, which counts what a failure took, and elsewhere.
//!
//! What must stay true: what is done here is what `engine::carry` does with it, in the same order.

use camshaft_cam::code::FuncIx;
use camshaft_cam::run::{Limits, Trap, arrow_counting, check_invariants_counting};
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_cam::verify::{VerifiedEdge, VerifiedMachine};

use crate::engine::{gives_back, trap_kind};
use crate::speech::takes;

/// A state or an input on its way along an edge.
pub(crate) struct Passing<'a> {
    pub(crate) edge: &'a VerifiedEdge,
    /// True on the way to the newer machine.
    pub(crate) up: bool,
    /// What failed: the word of [`crate::api::TryFailure::step`].
    pub(crate) step: &'a str,
    /// The machine whose invariants have to hold of what comes of a state; none where it is not at hand.
    pub(crate) to: Option<&'a VerifiedMachine>,
    pub(crate) value: &'a Value,
    /// What was kept aside of it on the way up.
    pub(crate) kept: Option<&'a Value>,
}

/// What came of it.
pub(crate) struct Passed<'a> {
    /// What the last arrow gave, in its type, or kind and reason of why it gave nothing.
    pub(crate) end: Result<(Value, &'a Ty), (String, String)>,
    /// The fuel that all arrows and invariants used up to there.
    pub(crate) fuel: u64,
}

/// Why it did not go on.
enum Stopped {
    Trap(Trap),
    /// The way back gives something else.
    Differs(String),
}

impl From<Trap> for Stopped {
    fn from(trap: Trap) -> Stopped {
        Stopped::Trap(trap)
    }
}

impl<'a> Passing<'a> {
    /// Lets it go once more; nothing where nothing was run at this step.
    pub(crate) fn pass(&self) -> Option<Passed<'a>> {
        let mut fuel = 0;
        let parts = self.edge.edge();
        let input = matches!(self.step, "lift" | "unlift");
        let end = match self.step {
            _ if input => {
                let (arrow, back) =
                    if self.up { (parts.lift, parts.unlift) } else { (parts.unlift, parts.lift) };
                let moved = self.arrow(arrow, self.value.clone(), &mut fuel);
                moved.map(|moved| (moved, takes(self.edge, back))).map_err(Stopped::Trap)
            }
            "keep" | "up" | "invariant" | "down" | "round-trip" if self.up => self.up_and_back(&mut fuel),
            "keep" | "down" | "invariant" => self.down(&mut fuel),
            _ => return None,
        };
        let end = end.map_err(|stopped| match stopped {
            Stopped::Trap(trap) => (trap_kind(&trap).to_owned(), trap.to_string()),
            Stopped::Differs(gives) => ("differs".to_owned(), gives),
        });
        Some(Passed { end, fuel })
    }

    fn arrow(&self, arrow: FuncIx, value: Value, fuel: &mut u64) -> Result<Value, Trap> {
        arrow_counting(self.edge.verified_module(), arrow, vec![value], Limits::MIGRATION, fuel)
    }

    fn invariants(&self, state: &Value, fuel: &mut u64) -> Result<(), Trap> {
        self.to.map_or(Ok(()), |to| check_invariants_counting(to, state, Limits::MIGRATION, fuel))
    }

    fn back(&self, state: &Value, kept: Option<&Value>, fuel: &mut u64) -> Result<Value, Trap> {
        let parts = self.edge.edge();
        let argument = match parts.keep {
            None => state.clone(),
            Some(_) => {
                let kept = kept.map_or_else(Value::none, |kept| Value::some(kept.clone()));
                Value::product(vec![state.clone(), kept])
            }
        };
        self.arrow(parts.down, argument, fuel)
    }

    /// As a switch takes a state up, and as the trial before it takes it back again.
    fn up_and_back(&self, fuel: &mut u64) -> Result<(Value, &'a Ty), Stopped> {
        let parts = self.edge.edge();
        let (up, kept) = if self.edge.is_zero_touch() {
            (self.value.clone(), None)
        } else {
            let keep = |keep| self.arrow(keep, self.value.clone(), fuel);
            let kept = parts.keep.map(keep).transpose()?;
            (self.arrow(parts.up, self.value.clone(), fuel)?, kept)
        };
        self.invariants(&up, fuel)?;
        let back = self.back(&up, kept.as_ref(), fuel)?;
        if back != *self.value {
            return Err(Stopped::Differs(gives_back(&back, takes(self.edge, parts.up))));
        }
        let module = self.edge.module();
        Ok((up, module.ty(module.function(parts.up).result)))
    }

    fn down(&self, fuel: &mut u64) -> Result<(Value, &'a Ty), Stopped> {
        let state = self.back(self.value, self.kept, fuel)?;
        if self.step == "invariant" {
            self.invariants(&state, fuel)?;
        }
        Ok((state, takes(self.edge, self.edge.edge().up)))
    }
}
