//! The judgement: may this bundle be run, by these signers and with these signatures?
//!
//! The order of the rules, each with its own reason:
//!
//! 1. a rule of `signers.toml` is about the release; what no rule is about is refused;
//! 2. the version is not below the floor;
//! 3. there are signatures;
//! 4. as many different keys of the rule as its threshold asks for have signed the payload;
//! 5. the payload, now known to be genuine, is a statement about exactly this bundle.

use std::collections::BTreeSet;

use crate::name::{ReleaseName, SignerName};
use crate::signature::{Envelope, EnvelopeError, KeyId, Rejected, Statement};
use crate::version::Version;

use super::Signers;

/// Who vouches for a bundle. Only [`Signers::judge`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    by: Vec<(SignerName, KeyId)>,
    threshold: usize,
}

/// Why a bundle may not be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// No rule is about it.
    #[error("no rule says who may sign releases of {0}")]
    NoRule(ReleaseName),
    /// Too old.
    #[error("{name} {version} is below the floor {floor}")]
    BelowFloor {
        /// The release.
        name: ReleaseName,
        /// Its version.
        version: Version,
        /// The oldest that may be run.
        floor: Version,
    },
    /// No signature.
    #[error("{0} {1} is not signed")]
    Unsigned(ReleaseName, Version),
    /// The file with signatures is garbled, or about another kind of thing.
    #[error("the signature file is refused: {0}")]
    Envelope(#[from] EnvelopeError),
    /// Fewer keys signed than have to.
    #[error("{} of the signers have signed, {needed} have to{}", .by.len(), listed(.rejected))]
    TooFew {
        /// How many have to.
        needed: usize,
        /// Who did.
        by: Vec<SignerName>,
        /// What else there is.
        rejected: Vec<Rejected>,
    },
    /// Good signatures, but of something else.
    #[error("the signatures are for {} {} ({}), and not for {} {} ({})",
        .signed.name, .signed.version, .signed.digest.short(),
        .bundle.name, .bundle.version, .bundle.digest.short())]
    OtherBundle {
        /// What is signed.
        signed: Box<Statement>,
        /// What was asked about.
        bundle: Box<Statement>,
    },
}

impl Vouched {
    /// Returns who signed, by name.
    pub fn by(&self) -> &[(SignerName, KeyId)] {
        &self.by
    }

    /// Returns how many had to sign.
    pub fn threshold(&self) -> usize {
        self.threshold
    }
}

impl Signers {
    /// Judges a bundle by the signatures that came with it.
    ///
    /// # Errors
    ///
    /// Why it may not be run: the first rule of this file that it breaks.
    pub fn judge(&self, bundle: &Statement, envelope: Option<&Envelope>) -> Result<Vouched, Distrust> {
        let rule = self.rule(&bundle.name).ok_or_else(|| Distrust::NoRule(bundle.name.clone()))?;
        if let Some(floor) = rule.floor.as_ref().filter(|floor| bundle.version < **floor) {
            let (name, version) = (bundle.name.clone(), bundle.version.clone());
            return Err(Distrust::BelowFloor { name, version, floor: floor.clone() });
        }
        let envelope = envelope.filter(|envelope| !envelope.signatures().is_empty());
        let envelope =
            envelope.ok_or_else(|| Distrust::Unsigned(bundle.name.clone(), bundle.version.clone()))?;
        let keys = rule.signers.iter().filter_map(|name| Some(&self.keys.get(name)?.public));
        let signed = envelope.signed_by(keys);
        let by: Vec<(SignerName, KeyId)> =
            signed.by.iter().filter_map(|id| Some((self.name_of(*id)?.clone(), *id))).collect();
        if by.len() < rule.threshold {
            let by = by.into_iter().map(|(name, _)| name).collect();
            return Err(Distrust::TooFew { needed: rule.threshold, by, rejected: signed.rejected });
        }
        let claimed = envelope.statement()?;
        if claimed != *bundle {
            let (signed, bundle) = (Box::new(claimed), Box::new(bundle.clone()));
            return Err(Distrust::OtherBundle { signed, bundle });
        }
        Ok(Vouched { by, threshold: rule.threshold })
    }
}

impl Distrust {
    /// All codes of [`Distrust::code`].
    pub const CODES: [&str; 8] = [
        "no-signers",
        "below-floor",
        "unsigned",
        "bad-signature-file",
        "bad-signature",
        "unknown-signer",
        "too-few-signatures",
        "other-bundle-signed",
    ];

    /// Returns the reason for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Distrust::NoRule(_) => "no-signers",
            Distrust::BelowFloor { .. } => "below-floor",
            Distrust::Unsigned(..) => "unsigned",
            Distrust::Envelope(_) => "bad-signature-file",
            Distrust::TooFew { by, rejected, .. } if by.is_empty() => {
                let broken = rejected.iter().any(|rejected| matches!(rejected, Rejected::Broken(_)));
                if broken { "bad-signature" } else { "unknown-signer" }
            }
            Distrust::TooFew { .. } => "too-few-signatures",
            Distrust::OtherBundle { .. } => "other-bundle-signed",
        }
    }

    /// Returns what to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Distrust::NoRule(_) => "add a [[release]] with this name to signers.toml",
            Distrust::BelowFloor { .. } => {
                "use a release from the floor on; going back to a release that ran here is always possible"
            }
            Distrust::Unsigned(..) => {
                "sign it with `camshaft sign BUNDLE`, and keep NAME-VERSION.sig.json beside the bundle"
            }
            Distrust::Envelope(_) => "get the signature file again, or sign the bundle again",
            Distrust::TooFew { .. } => {
                "let more of those sign it who may; `camshaft inspect BUNDLE --trust FILE` shows who has"
            }
            Distrust::OtherBundle { .. } => {
                "get the signature file of this bundle; a bundle that was built again needs new signatures"
            }
        }
    }
}

fn listed(rejected: &[Rejected]) -> String {
    let unique: BTreeSet<String> = rejected.iter().map(ToString::to_string).collect();
    unique.iter().map(|reason| format!("; {reason}")).collect()
}
