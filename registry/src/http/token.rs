//! The token of publishers.

use std::path::{Path, PathBuf};

use axum::http::{HeaderMap, header};
use camshaft_cam::digest::Digest;
use subtle::ConstantTimeEq as _;

use super::problem::{Failed, NO_TOKEN, READ_ONLY, WRONG_TOKEN};

/// No token is longer, in bytes.
const TOKEN_BYTES_MAX: usize = 1024;

/// A shorter one could be guessed, in bytes.
const TOKEN_BYTES_MIN: usize = 16;

/// What a publisher has to show. It is never printed.
#[derive(Clone)]
pub struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Why a file holds no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file.
    #[error("cannot read the token in {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// Its first line.
    #[error(
        "{path} holds no token: its first line has to be {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} visible ASCII characters"
    )]
    Form {
        /// The file.
        path: PathBuf,
    },
}

impl Token {
    /// Reads the token that is the first line of a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Token, TokenError> {
        use std::io::Read as _;
        let failed = |source| TokenError::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(2 * TOKEN_BYTES_MAX as u64).read_to_end(&mut bytes).map_err(failed)?;
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().next().unwrap_or_default().trim_end();
        Token::of(line).ok_or_else(|| TokenError::Form { path: path.to_owned() })
    }

    /// Returns a token of this text, if it can be one.
    pub fn of(text: &str) -> Option<Token> {
        let fits = (TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&text.len());
        (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Token(text.to_owned()))
    }

    /// Returns the header by which it is shown.
    pub(crate) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Compares in a time that tells nothing: digests, all of their bytes.
    fn is(&self, shown: &str) -> bool {
        let (own, shown) = (Digest::of(self.0.as_bytes()), Digest::of(shown.as_bytes()));
        own.as_bytes().ct_eq(shown.as_bytes()).into()
    }
}

/// Refuses a request that does not show the token; all, where there is none.
pub(super) fn check(token: Option<&Token>, headers: &HeaderMap) -> Result<(), Failed> {
    let Some(token) = token else {
        return Err(READ_ONLY.problem("the registry was started without a token for publishers"));
    };
    let shown = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
    let Some(shown) = shown else { return Err(NO_TOKEN.problem("the request has no Authorization")) };
    match shown.split_once(' ') {
        Some((scheme, shown)) if scheme.eq_ignore_ascii_case("bearer") && token.is(shown) => Ok(()),
        _ => Err(WRONG_TOKEN.problem("the token that was shown is another")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_from_the_first_line_of_a_file() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("token");
        let read = |text: &str| {
            std::fs::write(&path, text).expect("writable");
            Token::read(&path)
        };
        let token = read("0123456789abcdef\nmore").expect("a token");
        assert_eq!(token.header(), "Bearer 0123456789abcdef");
        assert_eq!(format!("{token:?}"), "Token(..)");
        for text in ["", "short", "0123456789 abcdef", "0123456789\u{e9}bcdef", &"x".repeat(1025)] {
            let refused = read(text).expect_err("no token").to_string();
            let path = path.display();
            let reason = "holds no token: its first line has to be 16 to 1024 visible ASCII characters";
            assert_eq!(refused, format!("{path} {reason}"));
        }
        std::fs::remove_file(&path).expect("writable");
        let missing = Token::read(&path).expect_err("no file").to_string();
        assert_eq!(missing, format!("cannot read the token in {}", path.display()));
    }

    #[test]
    fn only_who_shows_the_token_may_write() {
        let token = Token::of("0123456789abcdef").expect("a token");
        let code = |token: Option<&Token>, shown: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(shown) = shown {
                headers.insert(header::AUTHORIZATION, shown.parse().expect("a header"));
            }
            check(token, &headers).err().map(|Failed(problem)| problem.code)
        };
        let code = |token, shown| code(token, shown).unwrap_or_default();
        assert_eq!(code(None, Some("Bearer 0123456789abcdef")), "read-only");
        assert_eq!(code(Some(&token), None), "no-token");
        for wrong in
            ["Bearer", "Bearer ", "Basic 0123456789abcdef", "Bearer 0123456789abcdeF", "0123456789abcdef"]
        {
            assert_eq!(code(Some(&token), Some(wrong)), "wrong-token", "{wrong}");
        }
        assert_eq!(code(Some(&token), Some("bearer 0123456789abcdef")), "");
    }
}
