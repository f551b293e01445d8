//! Public keys, and the one name that each has.

use std::fmt;
use std::str::FromStr;

use camshaft_cam::digest::Digest;
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePublicKey, EncodePublicKey};

/// The length of a public key in bytes.
pub const PUBLIC_KEY_BYTES: usize = 32;

/// The length of a signature in bytes.
pub const SIGNATURE_BYTES: usize = 64;

const PREFIX: &str = "ed25519:";
const PEM_BEGIN: &str = "-----BEGIN PUBLIC KEY-----";

/// An Ed25519 public key that is fit for verifying. Written as `ed25519:` and 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    id: KeyId,
}

/// The name of a public key: what TUF computes for it, so that a key has one name everywhere.
/// Written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Digest);

/// Why something is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not `ed25519:` and 64 hexadecimal digits.
    #[error("a public key is `{PREFIX}` and 64 lower-case hexadecimal digits, found `{0}`")]
    Form(String),
    /// Bytes that are no point of the curve.
    #[error("these bytes are no Ed25519 public key")]
    NoPoint,
    /// A point for which anybody can make signatures.
    #[error("this public key is weak: signatures that hold for it can be made without a private key")]
    Weak,
    /// A text without a PEM public key, or with one of another algorithm.
    #[error("this is no PEM file with an Ed25519 public key (`{PEM_BEGIN}`)")]
    Pem,
    /// Not 64 hexadecimal digits.
    #[error("a key id is 64 lower-case hexadecimal digits, found `{0}`")]
    Id(String),
}

impl PublicKey {
    /// Returns the key with these bytes.
    ///
    /// # Errors
    ///
    /// When there is none, or it is weak.
    pub fn from_bytes(bytes: &[u8; PUBLIC_KEY_BYTES]) -> Result<PublicKey, KeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NoPoint)?;
        if key.is_weak() {
            return Err(KeyError::Weak);
        }
        Ok(PublicKey { id: KeyId::of(bytes), key })
    }

    /// Reads a PEM file, whatever stands before and after the key.
    ///
    /// # Errors
    ///
    /// When there is no Ed25519 key in it.
    pub fn from_pem(text: &str) -> Result<PublicKey, KeyError> {
        let start = text.find(PEM_BEGIN).ok_or(KeyError::Pem)?;
        let end_mark = PEM_BEGIN.replace("BEGIN", "END");
        let length = text[start..].find(&end_mark).ok_or(KeyError::Pem)? + end_mark.len();
        let pem = format!("{}\n", &text[start..start + length]);
        let key = VerifyingKey::from_public_key_pem(&pem).map_err(|_| KeyError::Pem)?;
        PublicKey::from_bytes(key.as_bytes())
    }

    /// Writes the key as PEM.
    pub fn to_pem(&self) -> String {
        self.key.to_public_key_pem(LineEnding::LF).expect("a key of 32 bytes always has a PEM form")
    }

    /// Returns the 32 bytes.
    pub fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        self.key.as_bytes()
    }

    /// Returns the name of the key.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Returns true when this key made the signature over these bytes. Strict: of the signatures
    /// that some verifiers take and others do not, none is taken.
    pub fn verifies(&self, bytes: &[u8], signature: &[u8]) -> bool {
        let signature = ed25519_dalek::Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.key.verify_strict(bytes, &signature).is_ok())
    }
}

impl KeyId {
    /// TUF 4.2: the SHA-256 of the canonical JSON of the key.
    fn of(bytes: &[u8; PUBLIC_KEY_BYTES]) -> KeyId {
        let public = hex(bytes);
        let canonical =
            format!(r#"{{"keytype":"ed25519","keyval":{{"public":"{public}"}},"scheme":"ed25519"}}"#);
        KeyId(Digest::of(canonical.as_bytes()))
    }

    /// Returns the 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Returns the first digits, for people.
    pub fn short(&self) -> String {
        self.0.short()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}

fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<PublicKey, KeyError> {
        let digits = text.strip_prefix(PREFIX).filter(|digits| is_hex(digits));
        let digits = digits.ok_or_else(|| KeyError::Form(excerpt(text)))?;
        let mut bytes = [0; PUBLIC_KEY_BYTES];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).expect("two digits");
        }
        PublicKey::from_bytes(&bytes)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", hex(self.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id.short())
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<KeyId, KeyError> {
        let digest = is_hex(text).then(|| format!("sha256:{text}").parse().ok()).flatten();
        digest.map(KeyId).ok_or_else(|| KeyError::Id(excerpt(text)))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.hex())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({})", self.short())
    }
}

impl serde::Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for KeyId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<KeyId, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
