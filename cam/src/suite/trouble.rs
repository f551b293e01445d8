//! Why a run of a test ends before its last statement, and in what words.

use super::differ::differences;
use crate::diagnostic::Span;
use crate::ty::Ty;
use crate::value::Value;

/// Why a test fails, before it is put into words for a person.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) label: String,
    /// What was found, each under a name.
    pub(super) notes: Vec<(String, String)>,
}

/// The end of a run before its last statement.
#[derive(Debug, Clone)]
pub(super) enum End {
    Failed(Box<Trouble>),
    /// An assumption does not hold.
    Discarded,
}

pub(super) type Played<T> = Result<T, End>;

pub(super) fn trouble(span: &Span, message: impl Into<String>, label: impl Into<String>) -> Trouble {
    Trouble { span: span.clone(), message: message.into(), label: label.into(), notes: Vec::new() }
}

impl Trouble {
    pub(super) fn note(mut self, name: impl Into<String>, text: impl Into<String>) -> Trouble {
        self.notes.push((name.into(), text.into()));
        self
    }

    /// Adds two values that should be equal, and where they differ if they are large.
    pub(super) fn compare(self, names: [&str; 2], ty: &Ty, [left, right]: [&Value; 2]) -> Trouble {
        let texts = [left.to_source(ty), right.to_source(ty)];
        let large = texts.iter().any(|text| text.len() > 30);
        let mut trouble = self;
        for (name, text) in names.into_iter().zip(&texts) {
            // That `7` is 7 says nothing.
            if name != text {
                trouble = trouble.note(name, text);
            }
        }
        if large {
            for one in differences(ty, left, right) {
                let side = |side: Option<String>| side.unwrap_or_else(|| "nothing".to_owned());
                let path = if one.path.is_empty() { "the whole".to_owned() } else { one.path };
                let text = format!("{path}: {} against {}", side(one.left), side(one.right));
                trouble = trouble.note("differs", text);
            }
        }
        trouble
    }

    pub(super) fn end<T>(self) -> Played<T> {
        Err(End::Failed(Box::new(self)))
    }
}
