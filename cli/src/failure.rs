//! Failures: what the rim tells a person or a program when a command does not end well.

use std::error::Error;

use camshaft_cam::diagnostic::Diagnostic;
use serde::Serialize;
use serde_json::Value;

use crate::exit::Exit;

/// Why a command did not end well. Every failure has a hint: what to do next.
#[derive(Debug)]
pub struct Failure {
    /// What became of the request.
    pub exit: Exit,
    /// What went wrong, in one line or a few.
    pub message: String,
    /// What to do next.
    pub hint: String,
    /// A stable identifier, when there is one.
    pub code: Option<String>,
    /// What is wrong in source texts.
    pub diagnostics: Vec<Diagnostic>,
    /// What else there is to know, for programs.
    pub details: Option<Box<Value>>,
}

impl Failure {
    /// Returns a failure of the request: nothing changed.
    pub fn refused(message: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure {
            exit: Exit::Refused,
            message: message.into(),
            hint: hint.into(),
            code: None,
            diagnostics: Vec::new(),
            details: None,
        }
    }

    /// Returns a failure on this side.
    pub fn fault(message: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure { exit: Exit::Fault, ..Failure::refused(message, hint) }
    }

    /// Returns a failure with what is wrong in source texts.
    pub fn diagnostics(message: impl Into<String>, diagnostics: Vec<Diagnostic>) -> Failure {
        let hint = match diagnostics.first() {
            Some(first) => format!("camshaft explain {} says more about the first", first.code),
            None => "this is a fault of ours; please report it".to_owned(),
        };
        Failure { diagnostics, ..Failure::refused(message, hint) }
    }

    /// Returns the failure with another outcome.
    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Failure {
        self.exit = exit;
        self
    }

    /// Returns the failure with what else there is to know.
    #[must_use]
    pub fn details(mut self, details: &impl Serialize) -> Failure {
        // What has no JSON form is left out: the message stands for itself.
        self.details = serde_json::to_value(details).ok().map(Box::new);
        self
    }

    /// Returns the failure with a stable identifier.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Failure {
        self.code = Some(code.into());
        self
    }
}

/// Returns an error and its sources in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        // Some libraries repeat their source in their own text.
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        source = error.source();
    }
    text
}
