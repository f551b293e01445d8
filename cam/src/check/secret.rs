//! What may not be done with a secret, and how that is told.
//!
//! A value becomes secret by itself where a secret is asked for; `reveal` is the only way back.
//! So whoever looks for places where secrets may leak looks for `reveal`.

use super::{Checker, Reported, article};
use crate::diagnostic::Span;
use crate::ty::Ty;

impl Checker<'_> {
    /// Reports that something needs what a secret holds.
    pub(super) fn about_secret(
        &mut self,
        code: &'static str,
        span: &Span,
        message: impl Into<String>,
        label: &str,
    ) -> Reported {
        let diagnostic = self
            .diagnostic(code, span, message, label)
            .help("`.reveal()` takes what it holds; from there on it is no secret any more");
        self.fault(diagnostic)
    }

    /// Reports that a value with a secret in it is to be written or hashed.
    pub(super) fn unspeakable(&mut self, ty: &Ty, function: &str, span: &Span) -> Reported {
        let name = article(&self.types.name(ty));
        match function {
            "hash" => {
                let message = format!("{name} has no hash");
                self.about_secret("E0250", span, message, "the hash of something short can be guessed")
            }
            _ => {
                let message = format!("{name} cannot be written as text");
                self.about_secret("E0250", span, message, "texts go into logs and answers")
            }
        }
    }
}
