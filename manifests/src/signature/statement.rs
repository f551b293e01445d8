//! What a signature says: that a bundle of this name, version and digest is genuine.

use camshaft_cam::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::name::ReleaseName;
use crate::version::Version;

/// The kind of statement. A later one that says more gets another number.
const KIND: &str = "camshaft/bundle/1";

/// The payload of a signature file.
///
/// The digest is that of the bundle's manifest, which has name and version in it too. They are
/// repeated so that a person, a log and a hardware key with a display see what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The name of the release.
    pub name: ReleaseName,
    /// The version of the release.
    pub version: Version,
    /// The digest of the bundle.
    pub digest: Digest,
}

/// Why bytes are no statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Not the JSON of a statement.
    #[error("what is signed is no statement about a bundle: {0}")]
    Json(String),
    /// A statement of another kind.
    #[error("what is signed is a `{0}`; this version of camshaft knows `{KIND}`")]
    Kind(String),
    /// Another text with the same meaning.
    #[error("what is signed is not written as camshaft writes it")]
    NotCanonical,
}

// The members stand in the order of their names: the canonical order of JSON.
#[derive(Serialize, Deserialize)]
struct Wire {
    digest: Digest,
    name: ReleaseName,
    #[serde(rename = "type")]
    kind: String,
    version: Version,
}

impl Statement {
    /// Reads a statement.
    ///
    /// # Errors
    ///
    /// When the bytes are not exactly what [`Statement::write`] writes for it.
    pub fn read(bytes: &[u8]) -> Result<Statement, StatementError> {
        // Its kind first: of another kind, the other members are not known.
        #[derive(Deserialize)]
        struct Kind {
            #[serde(rename = "type")]
            kind: String,
        }
        let json = |error: serde_json::Error| StatementError::Json(error.to_string());
        let Kind { kind } = serde_json::from_slice(bytes).map_err(json)?;
        if kind != KIND {
            return Err(StatementError::Kind(kind.chars().take(80).collect()));
        }
        let wire: Wire = serde_json::from_slice(bytes).map_err(json)?;
        let statement = Statement { name: wire.name, version: wire.version, digest: wire.digest };
        if statement.write().as_bytes() == bytes { Ok(statement) } else { Err(StatementError::NotCanonical) }
    }

    /// Writes the statement: canonical JSON without blanks.
    pub fn write(&self) -> String {
        let wire = Wire {
            digest: self.digest,
            name: self.name.clone(),
            kind: KIND.to_owned(),
            version: self.version.clone(),
        };
        serde_json::to_string(&wire).expect("texts always have a JSON form")
    }
}
