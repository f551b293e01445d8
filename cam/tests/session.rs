//! Sessions as transcripts: what is entered, and what comes out, word for word.
//!
//! In `session/*.txt` a line that begins with `> ` is entered, with the `| ` lines below it; what
//! follows is the answer. A first line `machine PATH` loads a machine of the repository. With
//! `UPDATE_EXPECT=1` the answers are written there; read the difference.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::session::{Load, Refusal, Reply, Request, Session};
use camshaft_cam::syntax::entry::split;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn load(session: &mut Session, path: &str, keep: bool) -> String {
    let text = std::fs::read_to_string(root().join(path)).expect("a machine of the repository");
    let name = Path::new(path).file_name().expect("a file").to_string_lossy().into_owned();
    let source = Source::new(name, text);
    shown(session.load(Load { source, modules: Arc::default(), predecessor: None, config: None }, keep))
}

fn fault(diagnostic: &Diagnostic) -> String {
    let (line, column) = diagnostic.source.line_column(diagnostic.span.start);
    let span = diagnostic.span.clone();
    let caret = diagnostic.source.text.get(span).unwrap_or("(outside)");
    let mut text = format!(
        "error[{}]: {}\n  {}:{line}:{column} {caret:?} {}\n",
        diagnostic.code, diagnostic.message, diagnostic.source.name, diagnostic.label
    );
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(text, "  help: {help}");
    }
    text
}

fn shown(result: Result<Reply, Refusal>) -> String {
    match result {
        Ok(Reply::Asked(request)) => format!("(asks: {request:?})\n"),
        Ok(reply) => reply.to_text(),
        Err(refusal) => {
            let faults = match &refusal {
                Refusal::Faults(faults) => faults.iter().map(fault).collect(),
                _ => String::new(),
            };
            let (message, hint) = refusal.to_words();
            format!("{faults}error: {message}\nhint: {hint}\n")
        }
    }
}

/// Plays the entries of a transcript and returns it with the answers that came.
fn play(transcript: &str) -> String {
    let mut session = Session::new();
    let mut out = String::new();
    let mut loaded = String::new();
    let mut lines = transcript.lines().peekable();
    let mut entry = 0;
    while let Some(line) = lines.next() {
        if line.starts_with("# ") {
            let _ = writeln!(out, "{line}");
        } else if let Some(path) = line.strip_prefix("machine ").filter(|_| entry == 0 && loaded.is_empty()) {
            loaded = path.to_owned();
            let _ = write!(out, "{line}\n{}\n", load(&mut session, path, false));
        } else if let Some(first) = line.strip_prefix("> ") {
            entry += 1;
            let mut text = first.to_owned();
            let _ = writeln!(out, "{line}");
            while let Some(more) = lines.next_if(|line| line.starts_with("| ")) {
                let _ = writeln!(out, "{more}");
                text = text + "\n" + &more[2..];
            }
            let source = Source::new(format!("entry {entry}"), text.as_str());
            let found = split(&text);
            if found.open {
                out.push_str("(goes on)\n");
            }
            for piece in found.pieces {
                out += &match session.enter(&source, piece.span) {
                    Ok(Reply::Asked(Request::Load(None))) => load(&mut session, &loaded, true),
                    result => shown(result),
                };
            }
            out.push('\n');
        }
    }
    out
}

#[test]
fn every_transcript_is_as_it_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/session");
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("the transcripts are part of the repository") {
        let path = entry.expect("an entry of a folder that can be read").path();
        if path.extension() != Some("txt".as_ref()) {
            continue;
        }
        let expected = std::fs::read_to_string(&path).expect("a transcript is text");
        let found = play(&expected);
        count += 1;
        if found != expected && std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, found).expect("the transcripts can be written");
        } else {
            assert_eq!(found, expected, "{}: run with UPDATE_EXPECT=1 to write it anew", path.display());
        }
    }
    assert!(count >= 4, "{count} transcripts");
}
