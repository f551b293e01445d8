//! Registries, as commands reach and speak of them.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use camshaft_cam::words::counted;
use camshaft_manifests::published::Stamp;
use camshaft_registry::{Absent, Fetched, Place, Registry, RegistryError, Token, TokenError};

use crate::failure::{Failure, chain};
use crate::talk::Talk;

/// The environment variable that says where the registry is.
pub const VARIABLE: &str = "CAMSHAFT_REGISTRY";

/// Opens the registry that an argument or the environment names.
///
/// # Errors
///
/// When nothing names one, or there is none.
pub fn open(
    place: Option<&str>,
    flag: &str,
    token: Option<&Path>,
    absent: Absent,
) -> Result<Box<dyn Registry>, Failure> {
    let place = place.ok_or_else(|| {
        let hint = format!("add {flag} with a folder or an address, or set {VARIABLE}");
        Failure::refused(format!("which registry? {flag} is missing"), hint)
    })?;
    let token = token.map(Token::read).transpose().map_err(|error| token_failure(&error))?;
    let place = Place::of(place).map_err(failure)?;
    place.open(token, absent).map_err(failure)
}

/// Returns the failure of a file that holds no token.
pub fn token_failure(error: &TokenError) -> Failure {
    Failure::refused(chain(error), "a token is one line, such as `openssl rand -hex 32` prints")
}

/// Returns what a registry refuses, or fails at, as a failure of this program.
#[expect(clippy::needless_pass_by_value, reason = "it is mapped over, and over after it")]
pub fn failure(error: RegistryError) -> Failure {
    let (message, hint) = (chain(&error), error.hint());
    let failure =
        if error.is_refusal() { Failure::refused(message, hint) } else { Failure::fault(message, hint) };
    match &error {
        RegistryError::Refused(problem) => failure.code(&problem.code).details(problem),
        _ => failure,
    }
}

/// Returns now, and the name of the account, for what a registry remembers.
pub fn stamp() -> Stamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    Stamp { at_ms, by: who().unwrap_or_else(|| "somebody".to_owned()) }
}

/// Returns the name that histories remember: that of the account, if it has one.
pub fn who() -> Option<String> {
    let name = std::env::var("LOGNAME").or_else(|_| std::env::var("USER")).ok()?;
    let plain = (1..=200).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    plain.then_some(name)
}

/// Returns what went over of a bundle: `12 of 340 files, 41 KiB of 1.2 MiB`.
pub fn share(fetched: &Fetched) -> String {
    format!(
        "{} of {}, {} of {}",
        fetched.files,
        counted(fetched.files_total, "file"),
        size(fetched.bytes),
        size(fetched.bytes_total)
    )
}

/// Returns a size for people: `41 KiB`.
pub fn size(bytes: u64) -> String {
    let tenths = |unit: u64| {
        let tenths = bytes.saturating_mul(10) / unit;
        if tenths < 100 { format!("{}.{}", tenths / 10, tenths % 10) } else { (tenths / 10).to_string() }
    };
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => format!("{} KiB", tenths(1024)),
        _ => format!("{} MiB", tenths(0x10_0000)),
    }
}

/// Shows on a terminal how far long work is. Nothing is shown of what is over at once.
pub struct Progress {
    what: String,
    shown: bool,
    active: bool,
    last: Instant,
}

impl Progress {
    /// Returns a line that says of `what` how far it is.
    pub fn new(talk: &Talk, what: impl Into<String>) -> Progress {
        let active = !talk.quiet && !talk.json && std::io::stderr().is_terminal();
        Progress { what: what.into(), shown: false, active, last: Instant::now() }
    }

    /// Shows bytes done of all.
    pub fn bytes(&mut self, done: u64, all: u64) {
        self.line(|| format!("{} of {}", size(done), size(all)));
    }

    /// Shows a count.
    pub fn count(&mut self, done: u64) {
        self.line(|| done.to_string());
    }

    fn line(&mut self, text: impl FnOnce() -> String) {
        if !self.active || self.last.elapsed() < Duration::from_millis(200) {
            return;
        }
        (self.last, self.shown) = (Instant::now(), true);
        let _ = write!(std::io::stderr(), "\r\x1b[K{} ... {}", self.what, text());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// Returns the bundles of a name in a folder, the newest first: what an older one has need not be fetched.
pub fn bundles_in(folder: &Path, name: &str) -> Vec<PathBuf> {
    let version = |path: &Path| -> Option<camshaft_manifests::Version> {
        let file = path.file_name()?.to_str()?;
        file.strip_prefix(name)?.strip_prefix('-')?.strip_suffix(".tar.gz")?.parse().ok()
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> =
        entries.filter_map(|entry| Some((version(&entry.path())?, entry.path()))).collect();
    found.sort_by(|one, other| other.0.cmp(&one.0));
    found.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_so_that_people_see_them() {
        let told =
            [0, 1023, 1024, 1536, 10_239, 10_240, 41 << 10, (1 << 20) - 1, 1_258_291, 64 << 20].map(size);
        let expected = [
            "0 B", "1023 B", "1.0 KiB", "1.5 KiB", "9.9 KiB", "10 KiB", "41 KiB", "1023 KiB", "1.1 MiB",
            "64 MiB",
        ];
        assert_eq!(told, expected);
        let fetched = Fetched { files: 12, files_total: 340, bytes: 41 << 10, bytes_total: 1_300_000 };
        assert_eq!(share(&fetched), "12 of 340 files, 41 KiB of 1.2 MiB");
    }

    #[test]
    fn bundles_of_a_name_are_found_newest_first() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        for file in [
            "shop-1.2.0.tar.gz",
            "shop-1.10.0.tar.gz",
            "shop-desk-1.0.0.tar.gz",
            "shop-x.tar.gz",
            "shop-1.0.0.sig.json",
        ] {
            std::fs::write(folder.path().join(file), "").expect("writable");
        }
        let names: Vec<_> = bundles_in(folder.path(), "shop")
            .iter()
            .map(|path| path.file_name().expect("a file").to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["shop-1.10.0.tar.gz", "shop-1.2.0.tar.gz"]);
        assert!(bundles_in(&folder.path().join("none"), "shop").is_empty());
    }
}
