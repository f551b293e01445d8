//! `camshaft pull NAME[@WHICH] --from REGISTRY`.

use std::path::PathBuf;

use camshaft_registry::{Absent, Wanted, gather, pull};
use camshaft_releases::bundle;
use serde_json::json;

use crate::failure::Failure;
use crate::files;
use crate::project::read_bundle;
use crate::registry::{self, Progress};
use crate::signatures;
use crate::talk::Talk;

/// Arguments of `pull`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The release: NAME for the newest, or NAME@VERSION, NAME@RANGE, NAME@sha256:DIGEST
    release: Wanted,

    /// The registry: a folder, or an address such as https://registry.example
    #[arg(long, value_name = "REGISTRY", env = registry::VARIABLE)]
    from: Option<String>,

    /// Where to write the bundle; what bundles of the same name there have is not fetched
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

/// Gets a release, verifies everything in it, and writes the bundle.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let registry = registry::open(args.from.as_deref(), "--from", None, Absent::Refuse)?;
    let older = registry::bundles_in(&args.out, args.release.name.as_str());
    let mut progress = Progress::new(talk, format!("pulling {}", args.release));
    // What cannot be read is of no help, and nothing more.
    let archives = older.iter().filter_map(|path| read_bundle(path).ok());
    let pulled = pull(&*registry, &args.release, |wanted| gather(wanted, archives), &mut |done, all| {
        progress.bytes(done, all)
    });
    drop(progress);
    let pulled = pulled.map_err(registry::failure)?;
    pulled.open().map_err(registry::failure)?;
    let release = &pulled.entry.release;
    let path = args.out.join(bundle::file_name(&release.name, &release.version));
    let beside = signatures::path_beside(&path);
    // The bundle last: who sees it finds its signatures.
    if let Some(signature) = &pulled.signature {
        files::write(&beside, signature)?;
    }
    files::write(&path, &pulled.archive)?;
    let digest = release.digest;
    if let Some(yank) = &release.yanked {
        let reason = crate::render::harmless(&yank.reason);
        talk.note(format!("note: {} {} was yanked: {reason}", release.name, release.version));
    }
    let document = json!({
        "bundle": path, "signatures": pulled.signature.is_some().then_some(&beside),
        "name": release.name, "version": release.version, "digest": digest,
        "bytes": pulled.archive.len(), "yanked": release.yanked, "fetched": pulled.fetched,
    });
    let text = format!(
        "{}: {} {} ({}); fetched {}",
        path.display(),
        release.name,
        release.version,
        digest.short(),
        registry::share(&pulled.fetched)
    );
    talk.result(&document, text);
    Ok(())
}
