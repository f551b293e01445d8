//! Deterministic simulation of one node and its clients.
//!
//! A seed makes a small world of releases ([`world`]), clients and operators, and what happens to them: requests,
//! repetitions, upgrades, ways back, crashes at any write, clocks that jump ([`run`]). The node under test
//! ([`node`]) is the real engine on a disk in memory. Beside it runs a plain [`model`]: a map of states and the
//! evaluator on the text of the machines. It follows what the node made durable, record by record, and looks that each
//! was allowed and came to what it had to; that clients are told just that; and that the node is as it has to be.
//!
//! What must stay true: the same seed does the same, whatever ran before it; the model shares no code with
//! the engine; a simulation that is made to misbehave ([`node::Fault`]) is found out.

pub mod model;
pub mod node;
pub mod rng;
pub mod run;
pub mod seen;
pub mod shrink;
pub mod world;
