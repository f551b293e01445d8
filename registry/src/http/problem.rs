//! Everything that the server refuses, in one list: code, HTTP status, title and hint.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::error::RegistryError;

/// The media type of a [`Problem`].
pub const PROBLEM_TYPE: &str = "application/problem+json";

/// Why a request was refused, as of RFC 9457.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// No page describes these.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status.
    pub status: u16,
    /// What it is, for people.
    pub title: String,
    /// What it is about.
    pub detail: String,
    /// What it is, for programs.
    pub code: String,
    /// What to do about it.
    pub hint: String,
}

/// A row of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The code, for programs.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What it is, for people.
    pub title: &'static str,
    /// What to do about it.
    pub hint: &'static str,
}

macro_rules! codes {
    ($($name:ident = $code:literal, $status:literal, $title:literal, $hint:literal;)*) => {
        $(
            #[doc = $title]
            pub const $name: Code = Code { code: $code, status: $status, title: $title, hint: $hint };
        )*

        /// All codes.
        pub const CODES: &[Code] = &[$($name),*];
    };
}

codes! {
    BAD_REQUEST = "bad-request", 400, "The request is not as it should be",
        "compare the request with docs/registry.md";
    WRONG_DIGEST = "wrong-digest", 400, "The content is not what its digest says",
        "send it again; if it lasts, something on the way changes it";
    BAD_RELEASE = "bad-release", 400, "The release cannot be published",
        "build it again with `camshaft build`; look into it with `camshaft inspect`";
    NO_TOKEN = "no-token", 401, "Who writes has to show a token",
        "camshaft publish --token-file FILE";
    WRONG_TOKEN = "wrong-token", 401, "This is not the token",
        "ask whoever runs the registry";
    READ_ONLY = "read-only", 403, "This registry takes nothing",
        "whoever runs it starts it with --token-file to let publishers in";
    FOREIGN = "foreign-origin", 403, "The request comes from a web page or for another host",
        "reach the registry by its loopback address, or let it run with --allow-remote";
    NOT_FOUND = "not-found", 404, "There is nothing at this address",
        "camshaft registry list shows what there is";
    METHOD = "method-not-allowed", 405, "The address does not take this method",
        "compare the request with docs/registry.md";
    IMMUTABLE = "immutable", 409, "The version is published already",
        "a published version never changes: raise the version and build again";
    APP_RELEASED = "app-released", 409, "The version of the application is released already",
        "raise the version of the application in its app.toml, or take it over as it was released";
    LACKS_FILES = "lacks-files", 409, "The registry lacks files of the release",
        "send them first; `camshaft publish` does";
    TOO_LARGE = "too-large", 413, "The body is too large",
        "files of bundles have at most 16 MiB, signatures 1 MiB";
    RANGE = "range-not-satisfiable", 416, "The range lies outside the file",
        "ask for the file without a range";
    FAULT = "fault", 500, "The registry cannot go on",
        "look at its log";
    DAMAGED = "damaged", 500, "Something in the registry is damaged",
        "`camshaft registry verify` names it; publishing the same bundle again mends its files";
}

impl Code {
    /// Returns a problem of this kind.
    pub fn problem(&self, detail: impl Into<String>) -> Failed {
        Failed(Box::new(Problem {
            kind: "about:blank".to_owned(),
            status: self.status,
            title: self.title.to_owned(),
            detail: detail.into(),
            code: self.code.to_owned(),
            hint: self.hint.to_owned(),
        }))
    }
}

/// A problem on its way out.
#[derive(Debug)]
pub struct Failed(pub Box<Problem>);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, PROBLEM_TYPE)], body).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let asks = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, asks);
        }
        response
    }
}

/// What goes wrong within the folder is told with its reason, and without its paths.
impl From<RegistryError> for Failed {
    fn from(error: RegistryError) -> Failed {
        let code = match &error {
            RegistryError::NoRelease { .. } => NOT_FOUND,
            RegistryError::NoContent(_) => LACKS_FILES,
            RegistryError::ContentTooLarge { .. } | RegistryError::SignatureTooLarge { .. } => TOO_LARGE,
            RegistryError::Bundle(_) | RegistryError::Open(_) | RegistryError::OtherRelease { .. } => {
                BAD_RELEASE
            }
            RegistryError::Immutable { .. } => IMMUTABLE,
            RegistryError::AppReleased { .. } => APP_RELEASED,
            RegistryError::Text { .. } => BAD_REQUEST,
            RegistryError::Damaged { .. } => {
                tracing::error!(%error, "damaged");
                return DAMAGED.problem("the log of the registry says what");
            }
            _ => {
                tracing::error!(error = &error as &dyn std::error::Error, "failed");
                return FAULT.problem("the log of the registry says why");
            }
        };
        code.problem(crate::error::chain(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_say_what_to_do() {
        let unique: std::collections::BTreeSet<_> = CODES.iter().map(|code| code.code).collect();
        assert_eq!(unique.len(), CODES.len());
        assert!(CODES.iter().all(|code| !code.hint.is_empty() && (400..600).contains(&code.status)));
    }
}
