//! What a check finds: where, what, and how to mend it.

use std::fmt;
use std::process::ExitCode;

/// How much a fault weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// The check fails.
    Error,
    /// The check says so and passes.
    Warning,
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, relative to the root, with `/` between the parts.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// Whether it fails the check.
    pub weight: Weight,
}

impl Fault {
    /// Returns a fault that fails the check.
    pub fn error(file: &str, line: usize, message: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault {
            file: file.to_owned(),
            line,
            message: message.into(),
            remedy: remedy.into(),
            weight: Weight::Error,
        }
    }

    /// Returns a fault that only warns.
    pub fn warning(file: &str, line: usize, message: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault { weight: Weight::Warning, ..Fault::error(file, line, message, remedy) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.weight {
            Weight::Error => "error",
            Weight::Warning => "warning",
        };
        let Fault { file, line, message, remedy, .. } = self;
        write!(f, "{file}:{line}: {word}: {message}\n    remedy: {remedy}")
    }
}

/// Prints the faults and returns the exit code: 1 when one of them is an error.
pub fn report(task: &str, faults: &[Fault]) -> ExitCode {
    for fault in faults {
        println!("{fault}");
    }
    let errors = faults.iter().filter(|fault| fault.weight == Weight::Error).count();
    println!("{task}: {errors} errors, {} warnings", faults.len() - errors);
    ExitCode::from(u8::from(errors > 0))
}
