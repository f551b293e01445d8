//! `camshaft fmt [PATH]...`: one way to write blanks, the author's way to break lines.

use std::path::{Path, PathBuf};

use camshaft_cam::diagnostic::Source;
use camshaft_cam::format::format;

use crate::failure::Failure;
use crate::files;
use crate::render::counted;
use crate::talk::Talk;

/// Arguments of `fmt`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Machine and migration files, or folders with them
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,

    /// Change nothing; exit 1 when a file would change
    #[arg(long)]
    check: bool,
}

/// A file whose text is not the formatted one.
struct Changed {
    path: PathBuf,
    text: String,
}

/// Formats files. Nothing is written when a file does not parse.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let mut count = 0;
    let mut changed = Vec::new();
    let mut faults = Vec::new();
    for path in &args.paths {
        for (path, bytes) in sources(path)? {
            count += 1;
            let source = Source::new(path.display().to_string(), text(&path, bytes)?);
            match format(&source) {
                Ok(text) if *text != *source.text => changed.push(Changed { path, text }),
                Ok(_) => {}
                Err(more) => faults.extend(more),
            }
        }
    }
    if !faults.is_empty() {
        return Err(Failure::diagnostics("nothing was formatted: a file does not parse", faults));
    }
    let names: Vec<String> = changed.iter().map(|changed| changed.path.display().to_string()).collect();
    if args.check && !changed.is_empty() {
        let message =
            format!("of {} these are not formatted:\n  {}", counted(count, "file"), names.join("\n  "));
        return Err(Failure::refused(message, "camshaft fmt writes them anew"));
    }
    for changed in &changed {
        files::write(&changed.path, changed.text.as_bytes())?;
        talk.note(format!("formatted {}", changed.path.display()));
    }
    let document = serde_json::json!({ "files": count, "changed": names });
    talk.result(&document, format!("{}, {} changed", counted(count, "file"), names.len()));
    Ok(())
}

/// Returns the `.cam` files of a folder, or the one file that is named.
fn sources(path: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, Failure> {
    if !path.is_dir() {
        return Ok(vec![(path.to_owned(), files::read(path, files::SOURCE_BYTES_MAX)?)]);
    }
    let found = files::read_project(path)?.into_iter().filter(|(name, _)| name.ends_with(".cam"));
    Ok(found.map(|(name, bytes)| (path.join(name), bytes)).collect())
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| {
        let message = format!("cannot format {}: it is not UTF-8 text", path.display());
        Failure::refused(message, "machine and migration files are UTF-8")
    })
}
