//! The source tree: its root, and the text files in it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What holds no sources of ours. (`.git` is a file in a second work tree.)
const SKIPPED: [&str; 3] = ["target", "dist", ".git"];

/// Files larger than this are no hand-written text.
const SIZE_MAX: u64 = 4 << 20;

/// A text file of the tree.
#[derive(Debug)]
pub struct TextFile {
    /// The path relative to the root, with `/` between the parts.
    pub path: String,
    /// The content.
    pub text: String,
}

impl TextFile {
    /// Returns the lines with their numbers from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Returns the extension of the file's name, or nothing.
    pub fn extension(&self) -> &str {
        self.path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, end)| end)
    }
}

/// Returns the root of this source tree.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

/// Returns all text files under `root`, sorted by path. Symbolic links are not followed.
pub fn text_files(root: &Path) -> Result<Vec<TextFile>> {
    let mut files = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
            let kind =
                entry.file_type().with_context(|| format!("cannot look at {}", entry.path().display()))?;
            let name = entry.file_name();
            if SKIPPED.iter().any(|skipped| name == *skipped) {
                continue;
            }
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() && entry.metadata().is_ok_and(|data| data.len() <= SIZE_MAX) {
                let bytes = std::fs::read(entry.path())
                    .with_context(|| format!("cannot read {}", entry.path().display()))?;
                if let Ok(text) = String::from_utf8(bytes) {
                    files.push(TextFile { path: relative(root, &entry.path()), text });
                }
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn relative(root: &Path, path: &Path) -> String {
    let rest = path.strip_prefix(root).unwrap_or(path);
    rest.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Returns the folders directly under `root` that hold a `Cargo.toml`, sorted.
pub fn crates(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root).context("cannot list the root")? {
        let entry = entry.context("cannot list the root")?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
