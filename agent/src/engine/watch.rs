//! Who is asked before code of a machine runs because of a switch, and may have the instance held instead.
//!
//! A switch that goes on while the node serves asks nobody. A recovery does: code that the agent did not survive
//! before must not keep it down for ever.

use camshaft_manifests::InstanceAddress;

/// What a switch runs code of a machine for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Risk {
    /// The one instance of a machine without keys is born.
    Birth,
    /// State, messages and timers of an instance are taken over the switch.
    Carry,
}

/// Is asked before code runs.
pub trait Watch {
    /// Returns why an instance is to be held and its code not run. It has the address that it has after the switch.
    fn before(&mut self, risk: Risk, address: &InstanceAddress) -> Option<String>;
}

/// Lets everything run.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn before(&mut self, _: Risk, _: &InstanceAddress) -> Option<String> {
        None
    }
}
