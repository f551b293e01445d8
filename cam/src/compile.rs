//! From source text to bytecode: machines and edges.

use std::sync::Arc;

use crate::code::Module;
use crate::diagnostic::{Diagnostic, Source};
use crate::verify::VerifiedMachine;

/// What the first line of a migration file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationHeader {
    /// The name of the machine.
    pub machine: Arc<str>,
    /// The version of the app that the migration comes from, as written.
    pub from: Arc<str>,
}

/// Compiles a machine file.
///
/// `predecessor` is the module of the same machine in the locked predecessor; ordinals of fields
/// and cases that it has are kept.
///
/// # Errors
///
/// All faults of the text.
pub fn machine(source: &Source, predecessor: Option<&Module>) -> Result<Module, Vec<Diagnostic>> {
    let _ = predecessor;
    Err(vec![Diagnostic::new("E0300", source, 0..0, "the compiler is not there yet", "")])
}

/// Compiles the edge from one machine to another: what the migration writes, and what can be
/// derived for the rest.
///
/// # Errors
///
/// All faults of the migration, and everything that can neither be derived nor was written.
pub fn edge(
    from: &VerifiedMachine,
    to: &VerifiedMachine,
    migration: Option<&Source>,
) -> Result<Module, Vec<Diagnostic>> {
    let _ = (from, to);
    let source = migration.cloned().unwrap_or_else(|| Source::new("", ""));
    Err(vec![Diagnostic::new("E0300", &source, 0..0, "the compiler is not there yet", "")])
}

/// Reads the first line of a migration file.
///
/// # Errors
///
/// All faults of the text.
pub fn migration_header(source: &Source) -> Result<MigrationHeader, Vec<Diagnostic>> {
    Err(vec![Diagnostic::new("E0300", source, 0..0, "the compiler is not there yet", "")])
}
