//! `camshaft schema toml [DOCUMENT]`: what documents look like, for editors.

use std::path::PathBuf;

use camshaft_cam::diagnostic::did_you_mean;
use camshaft_manifests::schema::Document;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::files;
use crate::talk::Talk;

/// Arguments of `schema`.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    of: Of,
}

/// What a schema is of. There is room for what machines take and answer.
#[derive(Debug, Subcommand)]
enum Of {
    /// Print the JSON Schema of a TOML document; list the documents when none is named
    Toml(Toml),
}

#[derive(Debug, clap::Args)]
struct Toml {
    /// The document, such as release; camshaft schema toml lists them
    document: Option<String>,

    /// Write the schemas into this folder, a file each, instead of printing them
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints or writes schemas.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let Of::Toml(asked) = &args.of;
    let only = asked.document.as_deref().map(document).transpose()?;
    let documents: Vec<Document> = only.map_or_else(|| Document::ALL.to_vec(), |one| vec![one]);
    if let Some(out) = &asked.out {
        let mut written = vec![];
        for document in documents {
            let path = out.join(file_name(document));
            files::write(&path, document.json_schema().as_bytes())?;
            written.push(path.display().to_string());
        }
        talk.result(&json!({ "written": written }), written.join("\n"));
        return Ok(());
    }
    match only {
        // The document itself, in both forms: it is JSON already.
        Some(document) => talk.out(&document.json_schema()),
        None => {
            let row = |document: &Document| {
                format!("{:8}{:15}{}", document.name(), document.file(), document.meaning())
            };
            let data: Vec<Value> = documents
                .iter()
                .map(|one| json!({ "document": one.name(), "file": one.file(), "meaning": one.meaning() }))
                .collect();
            talk.result(&data, documents.iter().map(row).collect::<Vec<_>>().join("\n"));
        }
    }
    Ok(())
}

/// Returns the name of the file that a document's schema is kept in.
pub fn file_name(document: Document) -> String {
    format!("{}.json", document.name())
}

fn document(name: &str) -> Result<Document, Failure> {
    // The name of its file does, too.
    let found = Document::ALL.into_iter().find(|one| one.name() == name || one.file() == name);
    found.ok_or_else(|| {
        let names = Document::ALL.map(Document::name);
        let hint = match did_you_mean(name, names) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}", names.join(", ")),
        };
        Failure::refused(format!("there is no document `{name}`"), hint)
    })
}
