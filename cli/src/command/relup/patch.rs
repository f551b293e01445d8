//! `camshaft relup patch OLD NEW`: the way for nodes on a release that was not foreseen, in an archive of its own.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use camshaft_manifests::patch::{PatchEnd, PatchManifest};
use camshaft_releases::bundle;
use camshaft_releases::explain::explain;
use camshaft_releases::patch::{self, Patch, PatchError};
use serde_json::{Value, json};

use super::Beside;
use super::plan::{origin_in_words, reason_no_relup};
use crate::failure::{Failure, chain};
use crate::files;
use crate::project::{hold_to_laws, read_bundle};
use crate::render;
use crate::talk::Talk;

/// Arguments of `relup patch`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The release that nodes run: a bundle
    old: PathBuf,

    /// The release that they are to run: a bundle, which stays as it is
    new: PathBuf,

    /// Where to write the patch bundle [default: beside NEW]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,

    #[command(flatten)]
    beside: Beside,
}

/// Writes a patch bundle and says what it holds.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    if args.new.is_dir() {
        let message = format!("{} is a folder, and a patch belongs to one bundle", args.new.display());
        return Err(Failure::refused(message, "build the project, and name its bundle"));
    }
    let (old, crossing) = super::crossing(&args.old, &args.new, &args.beside, talk)?;
    if let Some(failure) = reason_no_relup(&crossing, talk) {
        return Err(failure);
    }
    let (from, to) = (&crossing.relup.from.version, &crossing.relup.to);
    let blocks = explain(&old, &crossing).blocks;
    if let Some(block) = blocks.first().filter(|_| !crossing.recorded) {
        let message = format!("from {from} to {to}: {block}");
        let hint =
            "write a migration that says what becomes of it, and give it with --migration APP/MACHINE=FILE";
        return Err(Failure::refused(message, hint).details(&json!({ "blocks": blocks })));
    }
    let notes = talk
        .while_waiting("asking the laws", || hold_to_laws(&crossing.made, &format!("from {from} to {to}")))?;
    let shown = args.new.display();
    let bytes = read_bundle(&args.new)?;
    let bundle = bundle::read(&bytes).map_err(|error| {
        Failure::refused(
            format!("{shown} is refused: {}", chain(&error)),
            "get the bundle again, or build it again",
        )
    })?;
    let packed = patch::write(&crossing, &bundle).map_err(|error| {
        let hint = match error {
            PatchError::Needless(_) => format!("camshaft node upgrade {shown} is enough"),
            _ => "this is a fault of ours; please report it".to_owned(),
        };
        Failure::refused(chain(&error), hint)
    })?;
    let name = patch::file_name(&crossing.relup.release, from, to);
    let beside = args.new.parent().unwrap_or(Path::new("")).to_owned();
    let path = args.out.clone().unwrap_or(beside).join(name);
    files::write(&path, &packed.bytes)?;
    for note in &notes {
        talk.note(format!("note: {}", note.one_line()));
    }
    let edges = crossing.origins.iter().map(
        |(machine, origin)| json!({ "machine": machine.to_string(), "origin": origin_in_words(origin) }),
    );
    let document = json!({
        "patch": path, "digest": packed.digest, "bytes": packed.bytes.len(),
        "from": { "version": from.to_string(), "digest": crossing.from.digest },
        "to": { "version": to.to_string(), "digest": bundle.digest() },
        "edges": edges.collect::<Vec<_>>(), "notes": notes.iter().map(render::to_json).collect::<Vec<_>>(),
    });
    talk.result(&document, format!("{}\n{}", path.display(), packed.digest));
    Ok(())
}

/// Returns what a patch bundle holds, for programs and for people. Whether it fits its bundle is seen with the bundle alone.
pub fn describe(patch: &Patch, bytes: usize) -> (Value, String) {
    let PatchManifest { name, from, to, files } = patch.manifest();
    let end = |end: &PatchEnd| json!({ "version": end.version.to_string(), "digest": end.digest });
    let listed = files.iter().map(|(path, entry)| json!({ "path": path.to_string(), "bytes": entry.size }));
    let document = json!({
        "kind": "patch", "name": name.to_string(), "digest": patch.digest(), "bytes": bytes,
        "from": end(from), "to": end(to), "files": listed.collect::<Vec<_>>(),
    });
    let mut text = format!(
        "patch of {name} from {} to {}, {bytes} bytes\n{}\n",
        from.version,
        to.version,
        patch.digest()
    );
    for (word, end) in [("from", from), ("to", to)] {
        let _ = writeln!(text, "\n{word} {} {}", end.version, end.digest);
    }
    let _ = writeln!(text);
    for (path, entry) in files {
        let _ = writeln!(text, "  {path}, {} bytes", entry.size);
    }
    (document, text)
}
