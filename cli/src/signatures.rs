//! Signatures beside bundles, and what a file with signers says of them.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use camshaft_cam::diagnostic::Source;
use camshaft_manifests::signature::{ENVELOPE_BYTES_MAX, Envelope, SUFFIX, Statement};
use camshaft_manifests::signers::{self, Distrust, Signers, Vouched};
use camshaft_releases::OpenedRelease;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::files;

const BUNDLE_SUFFIX: &str = ".tar.gz";

/// Returns what a signature of a bundle says.
pub fn statement(release: &OpenedRelease) -> Statement {
    Statement {
        name: release.resolved.name.clone(),
        version: release.resolved.version.clone(),
        digest: release.digest,
    }
}

/// Returns where the signatures of a bundle stand.
pub fn path_beside(bundle: &Path) -> PathBuf {
    let name = bundle.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(BUNDLE_SUFFIX).unwrap_or(&name);
    bundle.with_file_name(format!("{stem}{SUFFIX}"))
}

/// Reads the bytes of the signatures beside a bundle, if there are any.
///
/// # Errors
///
/// When they are there and cannot be read.
pub fn bytes_beside(bundle: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let path = path_beside(bundle);
    match path.try_exists() {
        Ok(false) => Ok(None),
        Ok(true) => files::read(&path, ENVELOPE_BYTES_MAX as u64).map(Some),
        Err(error) => Err(files::cannot("read", &path, &error)),
    }
}

/// Reads the signatures beside a bundle, if there are any.
///
/// # Errors
///
/// When they are there and are refused.
pub fn read_beside(bundle: &Path) -> Result<Option<Envelope>, Failure> {
    let Some(bytes) = bytes_beside(bundle)? else { return Ok(None) };
    Envelope::read(&bytes).map(Some).map_err(|error| {
        let message = format!("{} is refused: {error}", path_beside(bundle).display());
        Failure::refused(message, "get the file again, or move it away and sign the bundle again")
    })
}

/// Reads `signers.toml`.
///
/// # Errors
///
/// When it cannot be read, or all its faults.
pub fn read_signers(path: &Path) -> Result<Signers, Failure> {
    let shown = path.display().to_string();
    let bytes = files::read(path, files::SOURCE_BYTES_MAX)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::refused(format!("{shown} is no text"), "name a signers.toml"))?;
    let source = Source::new(shown.as_str(), text);
    signers::read(&source)
        .map_err(|faults| Failure::diagnostics(format!("{shown} does not say who may sign"), faults))
}

/// Who signed a bundle, as far as that is known without trust in anybody, and what those who are
/// trusted make of it.
pub struct Standing {
    envelope: Option<Envelope>,
    judged: Option<Result<Vouched, Distrust>>,
}

impl Standing {
    /// Looks at the signatures beside a bundle.
    ///
    /// # Errors
    ///
    /// When they are there and are refused.
    pub fn of(
        bundle: &Path,
        release: &OpenedRelease,
        signers: Option<&Signers>,
    ) -> Result<Standing, Failure> {
        let envelope = read_beside(bundle)?;
        let judged = signers.map(|signers| signers.judge(&statement(release), envelope.as_ref()));
        Ok(Standing { envelope, judged })
    }

    /// Returns why the bundle is not trusted, if it was judged and is not.
    pub fn refusal(&self) -> Option<Failure> {
        let distrust = self.judged.as_ref()?.as_ref().err()?;
        let failure = Failure::refused(format!("not trusted: {distrust}"), distrust.hint());
        Some(failure.code(distrust.code()).details(&self.to_json()))
    }

    /// Returns the standing for programs.
    pub fn to_json(&self) -> Value {
        let signatures = self.envelope.iter().flat_map(Envelope::signatures);
        let claimed = self.envelope.as_ref().and_then(|envelope| envelope.statement().ok());
        let claimed = claimed.map(
            |claimed| json!({ "name": claimed.name, "version": claimed.version, "digest": claimed.digest }),
        );
        let trusted = self.judged.as_ref().map(|judged| match judged {
            Ok(vouched) => {
                let by = |(name, id): &(_, _)| json!({ "signer": name, "keyid": id });
                json!({ "vouched": true, "threshold": vouched.threshold(), "by": vouched.by().iter().map(by).collect::<Vec<_>>() })
            }
            Err(distrust) => {
                json!({ "vouched": false, "code": distrust.code(), "reason": distrust.to_string() })
            }
        });
        json!({
            "signed": claimed,
            "keyids": signatures.map(|signature| &signature.keyid).collect::<Vec<_>>(),
            "trust": trusted,
        })
    }

    /// Returns the standing for people.
    pub fn describe(&self) -> String {
        let mut text = String::from("\n");
        let signatures = self.envelope.as_ref().map_or(&[][..], Envelope::signatures);
        if signatures.is_empty() {
            text += "not signed\n";
        }
        for signature in signatures {
            let name = if signature.keyid.is_empty() { "that is not named" } else { &signature.keyid };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "signature under the key {name}");
        }
        match &self.judged {
            Some(Ok(vouched)) => {
                let names: Vec<String> = vouched.by().iter().map(|(name, _)| name.to_string()).collect();
                let _ = writeln!(text, "vouched for by {}; {} must", names.join(", "), vouched.threshold());
            }
            Some(Err(distrust)) => {
                let _ = writeln!(text, "not trusted: {distrust}");
            }
            None if signatures.is_empty() => {}
            None => text += "none of this was verified: --trust FILE says whose signatures count\n",
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_stand_beside_the_bundle_whatever_it_is_called() {
        let beside = |path: &str| path_beside(Path::new(path)).display().to_string();
        assert_eq!(beside("dist/shop-1.0.0.tar.gz"), "dist/shop-1.0.0.sig.json");
        assert_eq!(beside("shop-1.0.0"), "shop-1.0.0.sig.json");
    }
}
