//! A folder of the test's own, and the binary run in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// A folder, and the binary to run in it.
#[derive(Debug)]
pub struct World {
    folder: tempfile::TempDir,
    program: PathBuf,
}

/// How a command ended.
#[derive(Debug)]
pub struct Done {
    /// The words it was run with.
    pub line: String,
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

/// Returns the root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

impl World {
    /// Returns a new, empty world. `program` is the binary under test.
    ///
    /// # Panics
    ///
    /// When no temporary folder can be made.
    pub fn new(program: &str) -> World {
        let folder = tempfile::Builder::new().prefix("camshaft-test-").tempdir();
        World { folder: folder.expect("a temporary folder can be made"), program: program.into() }
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the binary under test.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Returns a path within the folder.
    pub fn at(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    /// Writes a file within the folder.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.at(path);
        let folder = path.parent().expect("a file within the world has a folder");
        std::fs::create_dir_all(folder).expect("the world is writable");
        std::fs::write(&path, bytes).expect("the world is writable");
    }

    /// Reads a file within the folder.
    ///
    /// # Panics
    ///
    /// When it cannot be read.
    pub fn read(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.at(path)).unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
    }

    /// Copies an example of the repository into the folder, so that a test may change it.
    ///
    /// # Panics
    ///
    /// When it cannot be copied.
    pub fn copy_example(&self, example: &str, to: &str) {
        let from = repository().join("examples").join(example);
        copy(&from, &self.at(to)).unwrap_or_else(|error| panic!("cannot copy {example}: {error}"));
    }

    /// Returns a command of the binary in this folder, with a plain environment.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(self.path()).args(words).stdin(Stdio::null());
        command
            .env_remove("CAMSHAFT_NODE")
            .env_remove("CAMSHAFT_REGISTRY")
            .env_remove("CAMSHAFT_FAILPOINT")
            .env_remove("RUST_LOG");
        command.env("RUST_BACKTRACE", "0");
        command
    }

    /// Runs the binary to its end.
    ///
    /// # Panics
    ///
    /// When it cannot be started, or when it panicked: no argument may make it do that.
    pub fn run(&self, words: &[&str]) -> Done {
        Done::of(&mut self.command(words))
    }

    /// The same with further environment variables.
    ///
    /// # Panics
    ///
    /// When it cannot be started, or when it panicked.
    pub fn run_in(&self, words: &[&str], environment: &[(&str, &str)]) -> Done {
        Done::of(self.command(words).envs(environment.iter().copied()))
    }

    /// Builds an example into `dist`, and returns the path of the bundle.
    ///
    /// # Panics
    ///
    /// When the build fails.
    pub fn build(&self, example: &str) -> PathBuf {
        self.build_into(example, "dist")
    }

    /// Builds an example into a folder, and returns the path of the bundle.
    ///
    /// # Panics
    ///
    /// When the build fails.
    pub fn build_into(&self, example: &str, out: &str) -> PathBuf {
        let copy = format!("sources/{out}/{example}");
        if !self.at(&copy).exists() {
            self.copy_example(example, &copy);
        }
        let done = self.run(&["build", &copy, "-o", out, "--json"]).expect(0);
        let bundle = done.json()["bundle"].as_str().map(PathBuf::from);
        self.path().join(bundle.unwrap_or_else(|| panic!("no `bundle` in {}", done.stdout)))
    }
}

impl Done {
    /// Runs a command to its end.
    ///
    /// # Panics
    ///
    /// When it cannot be started, or when it panicked.
    pub fn of(command: &mut Command) -> Done {
        let line = format!("{command:?}");
        let output = command.output().unwrap_or_else(|error| panic!("cannot run {line}: {error}"));
        let done = Done {
            line,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(!done.stderr.contains("panicked at"), "{done:#?}");
        assert!(done.code != Some(101), "{done:#?}");
        done
    }

    /// Expects an exit code.
    ///
    /// # Panics
    ///
    /// When it is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Done {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Expects a refusal: exit 1, a message that contains `reason`, and a hint.
    ///
    /// # Panics
    ///
    /// When it ended otherwise.
    #[track_caller]
    pub fn refused(self, reason: &str) -> Done {
        assert_eq!(self.code, Some(1), "{self:#?}");
        assert!(self.stderr.contains(reason), "no `{reason}` in {self:#?}");
        assert!(self.stderr.contains("hint: "), "no hint in {self:#?}");
        self
    }

    /// Returns stdout as JSON.
    ///
    /// # Panics
    ///
    /// When it is not one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
