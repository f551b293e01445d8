//! `camshaft key`: keys that sign bundles and registries.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::failure::Failure;
use crate::files;
use crate::keys::{PrivateKey, PublicKeyFile};
use crate::talk::Talk;

/// The greatest length of a comment, in bytes.
const COMMENT_BYTES_MAX: usize = 200;

/// Arguments of `key`.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make a key: a private key file that nobody else may read, and the public key beside it
    New(New),
    /// List the public keys in a folder, with the names that camshaft knows them by
    List(List),
}

#[derive(Debug, clap::Args)]
struct New {
    /// The file of the private key; the public key stands beside it and ends in .pub
    #[arg(short, long, value_name = "FILE", default_value = "camshaft.key")]
    out: PathBuf,

    /// What people should know about the key; stands in the public key file
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

#[derive(Debug, clap::Args)]
struct List {
    /// The folder
    #[arg(default_value = ".")]
    folder: PathBuf,
}

/// Runs a subcommand.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    match &args.what {
        What::New(args) => new(args, talk),
        What::List(args) => list(&args.folder, talk),
    }
}

fn new(args: &New, talk: &mut Talk) -> Result<(), Failure> {
    let comment = args.comment.as_deref().map(str::trim).filter(|comment| !comment.is_empty());
    if comment.is_some_and(|text| text.len() > COMMENT_BYTES_MAX || text.chars().any(char::is_control)) {
        let message = format!("a comment is one line of at most {COMMENT_BYTES_MAX} bytes");
        return Err(Failure::refused(message, "say it shorter"));
    }
    let key = PrivateKey::generate()?;
    let public = key.write_new(&args.out, comment)?;
    let (id, text) = (key.public().id(), key.public());
    let document =
        json!({ "keyid": id, "public": text.to_string(), "private_file": args.out, "public_file": public });
    let human = format!(
        "key {id}\npublic {text}\nwrote {} (keep it secret) and {}",
        args.out.display(),
        public.display()
    );
    talk.result(&document, human);
    Ok(())
}

fn list(folder: &Path, talk: &mut Talk) -> Result<(), Failure> {
    let entries = std::fs::read_dir(folder).map_err(|error| files::cannot("read", folder, &error))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| files::cannot("read", folder, &error))?.path();
        if path.extension().is_some_and(|end| end == "pub") && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    for path in paths {
        // Other programs have .pub files too.
        let file = match PublicKeyFile::read(&path) {
            Ok(file) => file,
            Err(failure) => {
                talk.note(format!("note: left out: {}", failure.message));
                continue;
            }
        };
        let id = file.key.id();
        let comment = file.comment.as_deref().unwrap_or("");
        lines.push(format!("{id}  {}  {comment}", path.display()).trim_end().to_owned());
        rows.push(json!({
            "keyid": id, "public": file.key.to_string(), "public_file": path, "comment": file.comment,
        }));
    }
    if rows.is_empty() {
        talk.note("note: no keys here; camshaft key new makes one");
    }
    talk.result(&json!({ "keys": rows }), lines.join("\n"));
    Ok(())
}
