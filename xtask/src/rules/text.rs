//! Rules that look at lines of text.

use std::path::Path;

use crate::fault::Fault;
use crate::tree::TextFile;

/// Where the folders of people and machines begin. Put together, so that this file passes.
const MACHINE_PATHS: [&str; 6] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
    concat!("C:", "\\"),
    concat!("/bui", "lds/"),
];

/// What says that a piece is not written yet.
const UNFINISHED: [&str; 4] =
    [concat!("to", "do!"), concat!("unimple", "mented!"), concat!("db", "g!"), concat!("#[ig", "nore")];

/// Above this, a file holds two ideas.
const LINES_MAX: usize = 900;

/// The crates that take files, time and chance as arguments.
const PURE: [&str; 3] = ["cam", "manifests", "releases"];

/// What a pure crate does not touch.
const IMPURE: [&str; 9] = [
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant",
    "stdout",
    "stderr",
];

/// How a program speaks or ends.
const PRINTING: [&str; 5] = ["println!", "print!", "eprintln!", "eprint!", "process::exit"];

/// The crates that may print and end the process: the product's rim, and what is no product.
const PRINTERS: [&str; 5] = ["benches", "cli", "sim", "tests", "xtask"];

/// No path of one machine stands in any file.
pub fn machine_paths(_: &Path, files: &[TextFile]) -> Vec<Fault> {
    each_line(
        files,
        |_, line| first_of(line, &MACHINE_PATHS, false),
        |_, what| {
            Fault::error(
                "",
                0,
                format!("a path of one machine: `{what}`"),
                "write a path relative to the project",
            )
        },
    )
}

/// Nothing is left for later in code.
pub fn unfinished(_: &Path, files: &[TextFile]) -> Vec<Fault> {
    let code = |file: &TextFile| file.extension() == "rs";
    each_line(
        files,
        |file, line| code(file).then(|| first_of(line, &UNFINISHED, true)).flatten(),
        |_, what| {
            Fault::error("", 0, format!("unfinished: `{what}`"), "finish it, or return an error that says so")
        },
    )
}

/// Files are short enough to hold one idea.
pub fn lengths(_: &Path, files: &[TextFile]) -> Vec<Fault> {
    let code = files.iter().filter(|file| file.extension() == "rs");
    code.map(|file| (file, file.text.lines().count()))
        .filter(|(_, count)| *count > LINES_MAX)
        .map(|(file, count)| {
            Fault::warning(&file.path, count, format!("{count} lines"), "ask which two ideas live there")
        })
        .collect()
}

/// Pure crates have no files, sockets, environment, clock, threads or printing; their tests may.
pub fn purity(_: &Path, files: &[TextFile]) -> Vec<Fault> {
    let words: Vec<&str> = IMPURE.into_iter().chain(PRINTING).collect();
    each_line(
        files,
        |file, line| {
            let (name, rest) = file.path.split_once('/')?;
            let tests = rest.ends_with("/tests.rs") || rest.contains("/tests/");
            let pure = PURE.contains(&name) && rest.starts_with("src/") && file.extension() == "rs" && !tests;
            pure.then(|| first_of(line, &words, true)).flatten()
        },
        |name, what| {
            Fault::error(
                "",
                0,
                format!("`{name}` is pure and uses `{what}`"),
                "take it as an argument, or do it in agent, store or cli",
            )
        },
    )
}

/// Only the command line prints and exits; libraries return values and errors, the agent logs.
pub fn who_prints(_: &Path, files: &[TextFile]) -> Vec<Fault> {
    each_line(
        files,
        |file, line| {
            let (name, rest) = file.path.split_once('/')?;
            let silent = !PRINTERS.contains(&name) && !PURE.contains(&name);
            let code = rest.starts_with("src/") && file.extension() == "rs";
            (silent && code).then(|| first_of(line, &PRINTING, true)).flatten()
        },
        |name, what| {
            Fault::error(
                "",
                0,
                format!("`{name}` uses `{what}`"),
                "return a value or an error, or use tracing",
            )
        },
    )
}

/// Applies `find` to every line and turns what it finds into a fault of that place.
fn each_line<'w>(
    files: &[TextFile],
    find: impl Fn(&TextFile, &str) -> Option<&'w str>,
    fault: impl Fn(&str, &str) -> Fault,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in files {
        let top = file.path.split('/').next().unwrap_or_default();
        for (number, line) in file.lines() {
            if let Some(what) = find(file, line) {
                faults.push(Fault { file: file.path.clone(), line: number, ..fault(top, what) });
            }
        }
    }
    faults
}

/// Returns the first of `words` that stands in the line as a word of its own. With `code`, what
/// follows `//` does not count.
fn first_of<'w>(line: &str, words: &[&'w str], code: bool) -> Option<&'w str> {
    let line = if code { line.split("//").next().unwrap_or_default() } else { line };
    words.iter().copied().find(|word| {
        line.match_indices(word).any(|(at, _)| {
            let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            let before = word.starts_with(char::is_alphabetic) && inside(line[..at].chars().next_back());
            let after = word.ends_with(char::is_alphabetic) && inside(line[at + word.len()..].chars().next());
            !before && !after
        })
    })
}
