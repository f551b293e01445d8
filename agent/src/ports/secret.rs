//! Secrets that requests are signed with: [Standard Webhooks] 1.0.0, symmetric signatures.
//!
//! [Standard Webhooks]: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

use std::fmt;
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The longest file that is read, in bytes: far more than [`SECRETS_MAX`] secrets take.
const FILE_BYTES_MAX: u64 = 4096;

/// How many secrets a file may hold: the one that is used, the one that it replaces, and some to spare.
pub const SECRETS_MAX: usize = 4;

/// How long a secret is, in bytes. "Signature scheme": at least 24 bytes, 64 at most.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The secrets of a receiver. Requests are signed with each of them.
///
/// "Webhook headers": the signature header is a list, so that a secret can be replaced while both are
/// known; the receiver takes a request when one of them is right.
#[derive(Clone)]
pub struct Secrets(Vec<Zeroizing<Vec<u8>>>);

/// Why a file holds no secrets. No text of it is repeated.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file.
    #[error("cannot read it")]
    Read(#[from] std::io::Error),
    /// Longer than [`FILE_BYTES_MAX`], or not text.
    #[error("it is no text of at most {FILE_BYTES_MAX} bytes")]
    File,
    /// Nothing in it.
    #[error("it is empty; put a secret into it: `whsec_` and the base64 of 24 to 64 random bytes")]
    Empty,
    /// Too many lines.
    #[error("it holds more than {SECRETS_MAX} secrets, a line each")]
    Many,
    /// A key pair.
    #[error(
        "line {line} is a key of the asymmetric scheme; requests are signed with a shared secret, `whsec_`"
    )]
    Asymmetric {
        /// The line.
        line: usize,
    },
    /// No base64.
    #[error("line {line} is no base64; a secret is `whsec_` and the base64 of 24 to 64 random bytes")]
    Base64 {
        /// The line.
        line: usize,
    },
    /// Too short or too long.
    #[error("line {line} is a secret of {length} bytes; it has 24 to 64")]
    Length {
        /// The line.
        line: usize,
        /// The number of bytes.
        length: usize,
    },
}

impl Secrets {
    /// Reads the secrets in a file: a line each, the one that is to stay first.
    ///
    /// # Errors
    ///
    /// Why they cannot be used, without a word of what is in the file.
    pub fn read(path: &Path) -> Result<Secrets, SecretError> {
        let mut bytes = Zeroizing::new(Vec::new());
        let file = std::fs::File::open(path)?;
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        let text = str::from_utf8(&bytes).ok().filter(|text| text.len() as u64 <= FILE_BYTES_MAX);
        Secrets::parse(text.ok_or(SecretError::File)?)
    }

    /// Reads the secrets in a text.
    ///
    /// # Errors
    ///
    /// Why they cannot be used.
    pub fn parse(text: &str) -> Result<Secrets, SecretError> {
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        let secrets: Vec<_> = lines
            .filter(|(_, line)| !line.is_empty())
            .map(|(number, line)| secret(number, line))
            .collect::<Result<_, _>>()?;
        match secrets.len() {
            0 => Err(SecretError::Empty),
            1..=SECRETS_MAX => Ok(Secrets(secrets)),
            _ => Err(SecretError::Many),
        }
    }

    /// Returns the value of `webhook-signature`: `v1,` and the base64 of HMAC-SHA256, for each secret.
    ///
    /// "Signature scheme": what is signed is `{msg_id}.{timestamp}.{payload}`.
    pub fn sign(&self, id: &str, timestamp: u64, payload: &[u8]) -> String {
        assert!(!id.contains('.'), "an id with a dot could be read as another id and time");
        let sign = |secret: &Zeroizing<Vec<u8>>| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
            mac.update(id.as_bytes());
            mac.update(format!(".{timestamp}.").as_bytes());
            mac.update(payload);
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        };
        self.0.iter().map(sign).collect::<Vec<_>>().join(" ")
    }
}

fn secret(line: usize, text: &str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    if text.starts_with("whsk_") || text.starts_with("whpk_") {
        return Err(SecretError::Asymmetric { line });
    }
    let text = text.strip_prefix("whsec_").unwrap_or(text);
    let bytes = STANDARD.decode(text).map(Zeroizing::new).map_err(|_| SecretError::Base64 { line })?;
    match bytes.len() {
        length if SECRET_BYTES.contains(&length) => Ok(bytes),
        length => Err(SecretError::Length { line, length }),
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} secrets]", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector that the libraries of the specification are tested with.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const PAYLOAD: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn signed(text: &str) -> String {
        Secrets::parse(text).expect("secrets").sign(ID, 1_614_265_330, PAYLOAD)
    }

    #[test]
    fn a_signature_is_that_of_the_specification() {
        assert_eq!(signed(SECRET), SIGNATURE);
        assert_eq!(signed(&format!("  {SECRET}\r\n")), SIGNATURE);
        assert_eq!(signed(SECRET.trim_start_matches("whsec_")), SIGNATURE);
    }

    #[test]
    fn every_secret_signs_in_its_order() {
        let other = format!("whsec_{}", STANDARD.encode([7; 24]));
        let both = signed(&format!("{SECRET}\n\n{other}\n"));
        assert_eq!(both, format!("{SIGNATURE} {}", signed(&other)));
    }

    #[test]
    fn what_is_no_secret_is_refused_by_its_reason() {
        let reason = |text: &str| Secrets::parse(text).expect_err(text).to_string();
        assert_eq!(
            reason(" \n"),
            "it is empty; put a secret into it: `whsec_` and the base64 of 24 to 64 random bytes"
        );
        assert_eq!(reason(&format!("{SECRET}\n").repeat(5)), "it holds more than 4 secrets, a line each");
        for key in ["whsk_abc", "whpk_abc"] {
            assert_eq!(
                reason(key),
                "line 1 is a key of the asymmetric scheme; requests are signed with a shared secret, `whsec_`"
            );
        }
        let no_base64 = "line 2 is no base64; a secret is `whsec_` and the base64 of 24 to 64 random bytes";
        for text in ["hunter2", "whsec_", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw="] {
            let found = reason(&format!("\n{text}"));
            let expected =
                if text == "whsec_" { "line 2 is a secret of 0 bytes; it has 24 to 64" } else { no_base64 };
            assert_eq!(found, expected);
        }
        for (length, good) in [(23, false), (24, true), (64, true), (65, false)] {
            let text = STANDARD.encode(vec![1; length]);
            match Secrets::parse(&text) {
                Ok(_) => assert!(good, "{length}"),
                Err(SecretError::Length { line: 1, length: found }) => {
                    assert_eq!((found, good), (length, false))
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn a_file_is_text_of_a_sensible_length() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        assert!(matches!(Secrets::read(&path), Err(SecretError::Read(_))));
        std::fs::write(&path, SECRET).expect("writable");
        assert_eq!(Secrets::read(&path).expect("a secret").sign(ID, 1_614_265_330, PAYLOAD), SIGNATURE);
        std::fs::write(&path, [0xff; 24]).expect("writable");
        assert!(matches!(Secrets::read(&path), Err(SecretError::File)));
        std::fs::write(&path, " ".repeat(4097)).expect("writable");
        assert!(matches!(Secrets::read(&path), Err(SecretError::File)));
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", Secrets::parse(SECRET).expect("secrets")), "[1 secrets]");
    }
}
