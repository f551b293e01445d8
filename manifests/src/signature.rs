//! `NAME-VERSION.sig.json`: who vouches for a bundle, in a file beside it.
//!
//! The form is DSSE (<https://github.com/secure-systems-lab/dsse>, version 1.0.2): a payload, its
//! type, and any number of signatures over both. The payload is a [`Statement`]; signatures are
//! Ed25519. Nothing here trusts a key: who may sign is said by [`crate::signers`].
//!
//! A reader of hostile input. What must stay true:
//!
//! - sizes and counts are limited before anything is computed;
//! - the payload is taken apart only after its signatures were looked at, by those who judge;
//! - a name of a key in an envelope (`keyid`) is a hint that nobody signed: what counts is the
//!   public key that a signature was verified with, so one key counts once, whatever it is called;
//! - unknown members of the envelope and of a signature are ignored, as DSSE demands; those of the
//!   payload are refused, because the payload has one form only.

mod key;
mod statement;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};

pub use key::{KeyError, KeyId, PUBLIC_KEY_BYTES, PublicKey, SIGNATURE_BYTES};
pub use statement::{Statement, StatementError};

/// The type of payload that says that a bundle is genuine.
pub const PAYLOAD_TYPE: &str = "application/vnd.camshaft.bundle+json";

/// The greatest size of an envelope in bytes: it travels in a header, and dozens of signatures fit.
pub const ENVELOPE_BYTES_MAX: usize = 16 << 10;

/// The most signatures of an envelope. Each of them may cost a verification per key.
pub const SIGNATURES_MAX: usize = 32;

/// What stands after `NAME-VERSION` in the name of the file.
pub const SUFFIX: &str = ".sig.json";

/// A payload with signatures. Reading one says nothing about who signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<Signature>,
}

/// A signature, not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// What it says of its key; empty when it says nothing.
    pub keyid: String,
    /// The signature.
    pub sig: Vec<u8>,
}

/// Why a text is no envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Above [`ENVELOPE_BYTES_MAX`].
    #[error("a signature file has at most {ENVELOPE_BYTES_MAX} bytes, this one has {0}")]
    TooLarge(usize),
    /// Above [`SIGNATURES_MAX`].
    #[error("a signature file has at most {SIGNATURES_MAX} signatures, this one has {0}")]
    TooMany(usize),
    /// Not the JSON of an envelope.
    #[error("it is no DSSE envelope: {0}")]
    Json(String),
    /// A member that is no base64.
    #[error("`{0}` is no base64")]
    Base64(&'static str),
    /// A payload of another type than the bundle's.
    #[error("it signs another kind of thing: `{0}` and not `{PAYLOAD_TYPE}`")]
    OtherType(String),
    /// A payload that is no statement about a bundle.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// A new signature that the key did not make.
    #[error("the signature was not made by the key {0} over this bundle")]
    NotSigned(KeyId),
}

/// An envelope as it is written. Members that are not known are ignored.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    payload_type: String,
    payload: String,
    signatures: Vec<WireSignature>,
}

#[derive(Serialize, Deserialize)]
struct WireSignature {
    // DSSE: unset is the same as empty.
    #[serde(default)]
    keyid: String,
    sig: String,
}

/// Whose signatures an envelope carries, of some keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signed {
    /// The keys whose signature holds; each key once.
    pub by: BTreeSet<KeyId>,
    /// The signatures that count for nothing.
    pub rejected: Vec<Rejected>,
}

/// A signature that counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Rejected {
    /// It names a key that is not among those asked for, or names none and is of none of them.
    #[error("the key {} is not among those that may sign", shown(.0))]
    UnknownKey(String),
    /// It names a known key, which did not make it.
    #[error("the signature under the key {0} does not hold: it is garbled, or over other bytes")]
    Broken(KeyId),
}

/// What adding a signature came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is there now.
    New,
    /// A signature of this key was there already; nothing was changed.
    Already,
}

impl Envelope {
    /// Returns an envelope around a statement, without signatures.
    pub fn new(statement: &Statement) -> Envelope {
        Envelope {
            payload_type: PAYLOAD_TYPE.to_owned(),
            payload: statement.write().into_bytes(),
            signatures: Vec::new(),
        }
    }

    /// Reads an envelope.
    ///
    /// # Errors
    ///
    /// When it passes a limit, or is none.
    pub fn read(bytes: &[u8]) -> Result<Envelope, EnvelopeError> {
        if bytes.len() > ENVELOPE_BYTES_MAX {
            return Err(EnvelopeError::TooLarge(bytes.len()));
        }
        let wire: Wire =
            serde_json::from_slice(bytes).map_err(|error| EnvelopeError::Json(error.to_string()))?;
        if wire.signatures.len() > SIGNATURES_MAX {
            return Err(EnvelopeError::TooMany(wire.signatures.len()));
        }
        let signature = |wire: WireSignature| {
            let sig = decode(&wire.sig).ok_or(EnvelopeError::Base64("sig"))?;
            Ok(Signature { keyid: wire.keyid, sig })
        };
        Ok(Envelope {
            payload: decode(&wire.payload).ok_or(EnvelopeError::Base64("payload"))?,
            payload_type: wire.payload_type,
            signatures: wire.signatures.into_iter().map(signature).collect::<Result<_, EnvelopeError>>()?,
        })
    }

    /// Writes the envelope: JSON for people, signatures sorted by key.
    pub fn write(&self) -> String {
        let mut signatures: Vec<&Signature> = self.signatures.iter().collect();
        signatures.sort_by_key(|signature| (&signature.keyid, &signature.sig));
        let wire = Wire {
            payload_type: self.payload_type.clone(),
            payload: STANDARD.encode(&self.payload),
            signatures: signatures
                .into_iter()
                .map(|signature| WireSignature {
                    keyid: signature.keyid.clone(),
                    sig: STANDARD.encode(&signature.sig),
                })
                .collect(),
        };
        let text = serde_json::to_string_pretty(&wire).expect("texts and lists always have a JSON form");
        text + "\n"
    }

    /// Returns the bytes that are signed: the pre-authentication encoding of type and payload.
    pub fn signed_bytes(&self) -> Vec<u8> {
        pre_authentication_encoding(&self.payload_type, &self.payload)
    }

    /// Returns the signatures, none of them verified.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Returns whose signatures hold, of these keys.
    pub fn signed_by<'k>(&self, keys: impl IntoIterator<Item = &'k PublicKey>) -> Signed {
        let keys: Vec<&PublicKey> = keys.into_iter().collect();
        let bytes = self.signed_bytes();
        let mut signed = Signed::default();
        for signature in &self.signatures {
            match find_signer(signature, &keys, &bytes) {
                Ok(keyid) => _ = signed.by.insert(keyid),
                Err(rejected) => signed.rejected.push(rejected),
            }
        }
        signed
    }

    /// Returns what the payload says. Nothing of it is known to be true before [`Self::signed_by`]
    /// has found enough keys.
    ///
    /// # Errors
    ///
    /// When it is another type of payload, or not as [`Statement::write`] writes it.
    pub fn statement(&self) -> Result<Statement, EnvelopeError> {
        if self.payload_type != PAYLOAD_TYPE {
            return Err(EnvelopeError::OtherType(shown(&self.payload_type)));
        }
        Ok(Statement::read(&self.payload)?)
    }

    /// Adds a signature that a key has made. A second one of the same key changes nothing; one
    /// under its name that does not hold is replaced.
    ///
    /// # Errors
    ///
    /// When the key did not make it, or there are too many.
    pub fn add(&mut self, key: &PublicKey, sig: &[u8]) -> Result<Added, EnvelopeError> {
        let keyid = key.id();
        if !key.verifies(&self.signed_bytes(), sig) {
            return Err(EnvelopeError::NotSigned(keyid));
        }
        if self.signed_by([key]).by.contains(&keyid) {
            return Ok(Added::Already);
        }
        let name = keyid.to_string();
        self.signatures.retain(|signature| signature.keyid != name);
        if self.signatures.len() == SIGNATURES_MAX {
            return Err(EnvelopeError::TooMany(SIGNATURES_MAX + 1));
        }
        self.signatures.push(Signature { keyid: name, sig: sig.to_vec() });
        Ok(Added::New)
    }
}

/// Finds the key that made a signature. Without a name for it, any of the keys may be it.
fn find_signer(signature: &Signature, keys: &[&PublicKey], bytes: &[u8]) -> Result<KeyId, Rejected> {
    let name = &signature.keyid;
    let named = keys.iter().find(|key| key.id().to_string() == *name);
    match named {
        Some(key) if key.verifies(bytes, &signature.sig) => Ok(key.id()),
        Some(key) => Err(Rejected::Broken(key.id())),
        None if name.is_empty() => {
            let found = keys.iter().find(|key| key.verifies(bytes, &signature.sig));
            found.map(|key| key.id()).ok_or_else(|| Rejected::UnknownKey(String::new()))
        }
        None => Err(Rejected::UnknownKey(name.clone())),
    }
}

/// DSSE, protocol: `"DSSEv1" + SP + LEN(type) + SP + type + SP + LEN(body) + SP + body`. The lengths
/// keep type and body from running into each other.
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// DSSE: "Base64: either standard or URL-safe encoding is allowed".
fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

/// What a stranger wrote, short enough for a message.
fn shown(text: &str) -> String {
    match text.is_empty() {
        true => "without a name".to_owned(),
        false => text.chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect(),
    }
}
