//! Benchmarks: ours beside what others do with the same work.
//!
//! `cargo xtask bench steps` runs [`workload`] on the [`engine`]s, on [`native`] Rust and, where it is
//! installed, on Erlang ([`erlang`]), all in one run and in alternating rounds, and writes the
//! table of `docs/benchmarks.md`. `cargo bench -p camshaft-benches` runs ours alone under
//! criterion, for comparing one change with another. `cargo xtask bench bundle` writes and reads the
//! bundles of [`releases`], beside `tar`, `gzip` and `sha256sum`, and plans a large release. `cargo xtask bench journal`
//! appends to the log beside a plain file and SQLite. `cargo xtask bench agent` measures what an [`agent`] does around a step,
//! `cargo xtask bench upgrade` the silence around a live [`upgrade`].
//!
//! What must stay true: whatever is timed also proves that it did the work. The ledger ends in
//! [`workload::CHECK`] on every engine, or the run fails.

pub mod agent;
pub mod engine;
pub mod erlang;
pub mod measure;
pub mod native;
pub mod node;
pub mod parts;
pub mod program;
pub mod releases;
pub mod report;
pub mod upgrade;
pub mod workload;

/// As the binary has it: what an agent does is measured with the allocator of the agent.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;
