//! The thread that works out, after a start, what becomes of large states that have yet to go over a switch.
//!
//! It rests for as long as it works, as a trial does: inputs have the cores. It ends with its work, and nobody waits for it:
//! a state that is used before its turn goes over as a whole.

use std::time::Instant;

use super::{DISCARD, Host};
use crate::api::Problem;
use crate::node::Node;

/// Sees to it that the sweeper goes on, whatever ends the work.
struct Working<'a>(&'a Host);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        // A node that is gone sweeps nothing.
        drop(self.0.call(Node::end_ahead));
    }
}

/// Does the work.
pub(super) fn work_ahead(host: &Host) {
    match all(host) {
        Ok(0) => {}
        Ok(states) => tracing::debug!(states, "large states were worked out ahead of their use"),
        Err(problem) => tracing::debug!(code = problem.code, "large states are not worked out any more"),
    }
}

/// Returns how many states are remembered.
fn all(host: &Host) -> Result<u64, Box<Problem>> {
    let mut states = 0;
    let Some(mut walk) = host.call(Node::begin_ahead)? else { return Ok(states) };
    let _working = Working(host);
    loop {
        let (found, next) = host.call(move |node| node.look_ahead(walk))?;
        for found in found {
            let worked_out = found.work_out(resting());
            states += u64::from(host.call(move |node| node.remember_ahead(worked_out))?);
        }
        match next {
            Some(next) => walk = next,
            None => return Ok(states),
        }
        std::thread::sleep(DISCARD);
    }
}

/// Returns what rests for as long as there was work since the last rest.
fn resting() -> Box<dyn FnMut() + Send> {
    let mut since = Instant::now();
    Box::new(move || {
        let worked = since.elapsed();
        if worked >= DISCARD {
            std::thread::sleep(worked);
            since = Instant::now();
        }
    })
}
