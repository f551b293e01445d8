//! Letting go of what takes long to take down.
//!
//! Whoever drops the last of a state of a million entries goes through all of them, and on a shard's thread everybody
//! waits for that. So a shard drops no state itself: what it needs no more goes through [`LetGo`] into
//! [`super::Out::discarded`], whatever held it, and is dropped by a thread for which nobody waits.
//!
//! What must stay true: a field that holds a state (of an instance, from before a switch, aside, for a rewind, for a
//! state snapshot) is replaced and taken only where what comes out is let go here. What is shared with somebody
//! else may be the last of it a moment later, so it is not asked who else holds it.

use std::sync::Arc;

use camshaft_cam::run::Memo;
use camshaft_cam::value::Value;

use super::Out;
use super::instance::{Before, Instance, Rest, State};
use super::rewind::Rewind;

/// Something large that is needed no more.
#[derive(Debug)]
pub enum Discarded {
    /// A state, or what was kept aside of one.
    State(Value),
    /// What was remembered of one.
    Memo(Memo),
}

impl Discarded {
    /// Takes it down, and calls `pause` again and again meanwhile.
    pub fn take_down(self, pause: &mut dyn FnMut()) {
        match self {
            Discarded::State(state) => state.take_down(pause),
            Discarded::Memo(memo) => memo.take_down(pause),
        }
    }
}

/// What may hold something large.
pub(super) trait LetGo {
    /// Puts what is large of it to what is to be dropped elsewhere; the rest is dropped.
    fn let_go(self, discarded: &mut Vec<Discarded>);
}

impl Out {
    /// Lets go of something.
    pub(super) fn discard(&mut self, what: impl LetGo) {
        what.let_go(&mut self.discarded);
    }
}

impl<T: LetGo> LetGo for Option<T> {
    fn let_go(self, discarded: &mut Vec<Discarded>) {
        if let Some(what) = self {
            what.let_go(discarded);
        }
    }
}

impl LetGo for Value {
    fn let_go(self, discarded: &mut Vec<Discarded>) {
        if self.is_large() {
            discarded.push(Discarded::State(self));
        }
    }
}

impl LetGo for Memo {
    fn let_go(self, discarded: &mut Vec<Discarded>) {
        if !self.is_empty() {
            discarded.push(Discarded::Memo(self));
        }
    }
}

impl LetGo for State {
    fn let_go(self, discarded: &mut Vec<Discarded>) {
        match self {
            State::Live(value) => value.let_go(discarded),
            // Bytes are given back at once.
            State::None | State::Held(_) => {}
        }
    }
}

impl LetGo for Before {
    fn let_go(self, discarded: &mut Vec<Discarded>) {
        self.value.let_go(discarded);
        self.aside.let_go(discarded);
    }
}

impl LetGo for Rewind {
    fn let_go(self, discarded: &mut Vec<Discarded>) {
        if let Rewind::Kept(since) = self {
            // Of all that share it, one gets it; a trial that does takes it down where it tries.
            Arc::into_inner(since).and_then(|since| since.start).let_go(discarded);
        }
    }
}

impl LetGo for Rest {
    fn let_go(self, discarded: &mut Vec<Discarded>) {
        self.before.let_go(discarded);
        self.rewind.let_go(discarded);
        self.aside.let_go(discarded);
    }
}

impl LetGo for Instance {
    fn let_go(mut self, discarded: &mut Vec<Discarded>) {
        if let Some(rest) = self.rest_if_any() {
            std::mem::take(rest).let_go(discarded);
        }
        self.state.let_go(discarded);
    }
}
