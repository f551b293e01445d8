//! Files: reading what may be hostile, writing so that nobody sees half a file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// No source file or document of a project is larger, in bytes.
pub const SOURCE_BYTES_MAX: u64 = 4 << 20;

/// All sources of a project together, in bytes.
pub const PROJECT_BYTES_MAX: u64 = 64 << 20;

/// How many entries a project's folders may have, so that a wrong folder ends soon.
pub const ENTRIES_MAX: usize = 100_000;

/// How deep the folders of a project nest. A link that leads back up ends here.
pub const DEPTH_MAX: usize = 16;

/// Folders that hold no sources.
pub const SKIPPED: [&str; 3] = ["dist", "target", "node_modules"];

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
///
/// When there is no such file, it is no regular file (a folder, a pipe, a device), or it is larger.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let shown = path.display();
    let data = fs::metadata(path).map_err(|error| cannot("read", path, &error))?;
    if !data.is_file() {
        let kind = if data.is_dir() { "a folder" } else { "no regular file" };
        return Err(Failure::refused(format!("cannot read {shown}: it is {kind}"), "name a regular file"));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| cannot("read", path, &error))?;
    // One byte more than allowed, so that a file that grows while it is read is seen too.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| cannot("read", path, &error))?;
    if bytes.len() as u64 > limit {
        return Err(Failure::refused(
            format!("cannot read {shown}: it has more than {limit} bytes"),
            "this is above what such a file may have",
        ));
    }
    Ok(bytes)
}

/// Reads all `.toml`, `.lock` and `.cam` files of a project, by path relative to it with `/`
/// between the parts. Hidden folders and `dist` are left out; a symbolic link that leads outside
/// the project is refused.
///
/// # Errors
///
/// When a folder or file cannot be read, or a limit of this module is passed.
pub fn read_project(root: &Path) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let data = fs::metadata(root).map_err(|error| cannot("read", root, &error))?;
    if !data.is_dir() {
        return Err(Failure::refused(
            format!("{} is no folder", root.display()),
            "name the folder that holds release.toml",
        ));
    }
    let home = root.canonicalize().map_err(|error| cannot("read", root, &error))?;
    let mut project =
        Project { home: home.clone(), files: BTreeMap::new(), entries: 0, bytes: 0, shown: root.to_owned() };
    project.folder(&home, "", 0)?;
    Ok(project.files)
}

struct Project {
    home: PathBuf,
    /// The root as the user wrote it, for messages.
    shown: PathBuf,
    files: BTreeMap<String, Vec<u8>>,
    entries: usize,
    bytes: u64,
}

impl Project {
    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), Failure> {
        if depth > DEPTH_MAX {
            return Err(self.limit(&format!("{prefix} nests more than {DEPTH_MAX} deep")));
        }
        let entries = fs::read_dir(folder).map_err(|error| cannot("read", folder, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| cannot("read", folder, &error))?;
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                return Err(self.limit(&format!("more than {ENTRIES_MAX} entries")));
            }
            let name = entry.file_name();
            let source =
                ["toml", "lock", "cam"].iter().any(|end| Path::new(&name).extension() == Some(end.as_ref()));
            let Some(name) = name.to_str() else {
                if source {
                    let message = format!("{} has a name that is not UTF-8", entry.path().display());
                    return Err(Failure::refused(message, "rename the file"));
                }
                continue;
            };
            if name.starts_with('.') || SKIPPED.contains(&name) {
                continue;
            }
            let path = format!("{prefix}{name}");
            let Some(at) = self.resolve(&entry, &path, source)? else { continue };
            let data = fs::metadata(&at).map_err(|error| cannot("read", &at, &error))?;
            if data.is_dir() {
                self.folder(&at, &format!("{path}/"), depth + 1)?;
            } else if source {
                let bytes = read(&at, SOURCE_BYTES_MAX)?;
                self.bytes += bytes.len() as u64;
                if self.bytes > PROJECT_BYTES_MAX {
                    return Err(self.limit(&format!("more than {PROJECT_BYTES_MAX} bytes of sources")));
                }
                self.files.insert(path, bytes);
            }
        }
        Ok(())
    }

    /// Returns where an entry really lies; `None` for a link that leads nowhere and is no source.
    fn resolve(&self, entry: &fs::DirEntry, path: &str, source: bool) -> Result<Option<PathBuf>, Failure> {
        let at = entry.path();
        let kind = entry.file_type().map_err(|error| cannot("read", &at, &error))?;
        if !kind.is_symlink() {
            return Ok(Some(at));
        }
        match at.canonicalize() {
            Ok(target) if target.starts_with(&self.home) => Ok(Some(target)),
            Ok(_) => Err(Failure::refused(
                format!("{}/{path} is a symbolic link that leads outside the project", self.shown.display()),
                "copy what it leads to into the project",
            )),
            Err(error) if source => Err(cannot("read", &at, &error)),
            Err(_) => Ok(None),
        }
    }

    fn limit(&self, what: &str) -> Failure {
        Failure::refused(
            format!("{} is too large for a project: {what}", self.shown.display()),
            "name the folder that holds release.toml",
        )
    }
}

/// Writes a file so that a reader sees the old bytes or the new ones, never a part: a temporary
/// file beside it, synced, then renamed over it.
///
/// # Errors
///
/// When the folder cannot be written to.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if path.is_dir() {
        let message = format!("cannot write {}: it is a folder", path.display());
        return Err(Failure::refused(message, "move the folder away"));
    }
    fs::create_dir_all(folder).map_err(|error| cannot("create the folder", folder, &error))?;
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".camshaft-").tempfile_in(folder)?;
        file.write_all(bytes)?;
        readable_by_all(file.as_file())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error| cannot("write", path, &error).exit(crate::exit::Exit::Fault))
}

/// Writes several files, all or none: when one cannot be written, those before it are what they were.
///
/// # Errors
///
/// When one cannot be written; the message says so if another could not be put back.
pub fn write_all(files: &[(PathBuf, Vec<u8>)]) -> Result<(), Failure> {
    let mut before: Vec<(&Path, Option<Vec<u8>>)> = vec![];
    for (path, bytes) in files {
        let old = match fs::read(path) {
            Ok(old) => Some(old),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(put_back(&before, cannot("read", path, &error))),
        };
        if let Err(failure) = write(path, bytes) {
            return Err(put_back(&before, failure));
        }
        before.push((path, old));
    }
    Ok(())
}

/// Puts files back as they were, and returns the failure that made it needed.
fn put_back(before: &[(&Path, Option<Vec<u8>>)], mut failure: Failure) -> Failure {
    for (path, old) in before.iter().rev() {
        let put = match old {
            Some(old) => write(path, old).map_err(|failure| failure.message),
            None => fs::remove_file(path).map_err(|error| error.to_string()),
        };
        if let Err(message) = put {
            failure.message += &format!("; and {} is not as it was: {message}", path.display());
            failure.exit = crate::exit::Exit::Unsettled;
        }
    }
    failure
}

/// A temporary file is for its owner only; what is built is for everybody.
#[cfg(unix)]
fn readable_by_all(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_all(_: &File) -> std::io::Result<()> {
    Ok(())
}

/// Returns the failure of an operation on a path.
pub fn cannot(operation: &str, path: &Path, error: &std::io::Error) -> Failure {
    let hint = match error.kind() {
        std::io::ErrorKind::NotFound => "check the path; nothing is there",
        std::io::ErrorKind::PermissionDenied => "check the permissions of the path",
        std::io::ErrorKind::NotADirectory | std::io::ErrorKind::AlreadyExists => {
            "a part of the path is a file where a folder is needed"
        }
        std::io::ErrorKind::StorageFull => "free some space",
        _ => "check the path and the disk",
    };
    Failure::refused(format!("cannot {operation} {}: {error}", path.display()), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder can be made")
    }

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("writable");
        fs::write(path, text).expect("writable");
    }

    #[test]
    fn a_project_is_its_sources_and_nothing_else() {
        let root = folder();
        for path in ["release.toml", "apps/a/app.toml", "apps/a/machines/a.cam", "camshaft.lock"] {
            put(root.path(), path, path);
        }
        for path in ["dist/x.toml", ".git/x.toml", "notes.txt"] {
            put(root.path(), path, path);
        }
        let files = read_project(root.path()).expect("readable");
        let paths: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(paths, ["apps/a/app.toml", "apps/a/machines/a.cam", "camshaft.lock", "release.toml"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_outside_is_refused_and_one_inside_is_followed() {
        let (root, other) = (folder(), folder());
        put(root.path(), "apps/a/app.toml", "here");
        put(other.path(), "secret.toml", "there");
        std::os::unix::fs::symlink(root.path().join("apps/a"), root.path().join("apps/b")).expect("a link");
        assert_eq!(read_project(root.path()).expect("readable").len(), 2);
        let link = root.path().join("x.toml");
        std::os::unix::fs::symlink(other.path().join("secret.toml"), link).expect("a link");
        let failure = read_project(root.path()).expect_err("a link outside");
        assert!(failure.message.ends_with("x.toml is a symbolic link that leads outside the project"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_up_again_ends() {
        let root = folder();
        put(root.path(), "release.toml", "");
        std::os::unix::fs::symlink(root.path(), root.path().join("again")).expect("a link");
        let failure = read_project(root.path()).expect_err("a loop");
        assert!(failure.message.ends_with("deep"), "{}", failure.message);
    }

    #[test]
    fn what_is_no_regular_file_or_too_large_is_refused() {
        let root = folder();
        put(root.path(), "x", "12345");
        assert_eq!(read(&root.path().join("x"), 5).expect("small enough"), b"12345");
        let large = read(&root.path().join("x"), 4).expect_err("too large");
        assert!(large.message.ends_with("it has more than 4 bytes"));
        assert!(read(root.path(), 4).expect_err("a folder").message.ends_with("it is a folder"));
    }

    #[test]
    fn of_several_files_all_are_written_or_none() {
        let root = folder();
        put(root.path(), "a", "old");
        put(root.path(), "taken/x", "");
        let at = |path: &str, text: &str| (root.path().join(path), text.as_bytes().to_vec());
        // The third cannot be: it is a folder.
        let failure = write_all(&[at("a", "new"), at("b", "new"), at("taken", "new")]).expect_err("a folder");
        assert!(failure.message.contains("taken"), "{}", failure.message);
        assert_eq!(fs::read(root.path().join("a")).expect("readable"), b"old");
        assert!(!root.path().join("b").exists());
        write_all(&[at("a", "new"), at("b", "new")]).expect("writable");
        assert_eq!(fs::read(root.path().join("a")).expect("readable"), b"new");
        assert_eq!(fs::read(root.path().join("b")).expect("readable"), b"new");
    }

    #[test]
    fn writing_replaces_whole_files_and_leaves_nothing_behind() {
        let root = folder();
        let path = root.path().join("out/x.tar.gz");
        write(&path, b"one").expect("writable");
        write(&path, b"two").expect("writable");
        assert_eq!(fs::read(&path).expect("readable"), b"two");
        assert_eq!(fs::read_dir(root.path().join("out")).expect("readable").count(), 1);
        put(root.path(), "file", "");
        assert!(write(&root.path().join("file/x"), b"").is_err());
    }
}
