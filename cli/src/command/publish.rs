//! `camshaft publish BUNDLE --to REGISTRY`.

use std::path::PathBuf;

use camshaft_registry::{Absent, send};
use serde_json::json;

use crate::failure::{Failure, chain};
use crate::project::read_bundle;
use crate::registry::{self, Progress};
use crate::signatures;
use crate::talk::Talk;

/// Arguments of `publish`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bundle: NAME-VERSION.tar.gz; signatures beside it go with it
    bundle: PathBuf,

    /// The registry: a folder, or an address such as https://registry.example; an empty folder
    /// becomes one
    #[arg(long, value_name = "REGISTRY", env = registry::VARIABLE)]
    to: Option<String>,

    /// The file whose first line is the token of the registry
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Verifies the bundle and publishes it; what the registry has is not sent again.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let bytes = read_bundle(&args.bundle)?;
    let refused = |error: &dyn std::error::Error| {
        let message = format!("{} is refused: {}", args.bundle.display(), chain(error));
        Failure::refused(message, "get the bundle again, or build it again")
    };
    let bundle = camshaft_releases::bundle::read(&bytes).map_err(|error| refused(&error))?;
    camshaft_releases::open::open(&bundle).map_err(|error| refused(&error))?;
    drop(bytes);
    let signature = signatures::bytes_beside(&args.bundle)?;
    let signed = signature.is_some();
    let registry = registry::open(args.to.as_deref(), "--to", args.token_file.as_deref(), Absent::Create)?;
    let mut progress = Progress::new(talk, "publishing");
    let sent =
        send(&*registry, &bundle, signature, registry::stamp(), &mut |done, all| progress.bytes(done, all));
    drop(progress);
    let sent = sent.map_err(registry::failure)?;
    let manifest = bundle.manifest();
    let (name, version, digest) = (&manifest.name, &manifest.version, bundle.digest());
    let place = registry.place();
    let document = json!({
        "name": name, "version": version, "digest": digest, "registry": place,
        "new": sent.new, "signed": signed, "sent": sent.sent,
    });
    let done = if sent.new { "published" } else { "was published before:" };
    let text = format!(
        "{done} {name} {version} ({}) in {place}; sent {}",
        digest.short(),
        registry::share(&sent.sent)
    );
    talk.result(&document, text);
    Ok(())
}
