//! A small project in the test's own folder, version by version.

use crate::world::{Done, World};

/// A project with one application and one machine, in the folder `new`.
#[derive(Debug)]
pub struct Project<'w> {
    world: &'w World,
}

impl<'w> Project<'w> {
    /// Returns the project of a world, empty at first.
    pub fn new(world: &'w World) -> Project<'w> {
        Project { world }
    }

    /// Writes a file of it.
    pub fn file(&self, path: &str, text: &str) -> &Self {
        self.world.write(&format!("new/{path}"), text);
        self
    }

    /// Writes its release document; `more` are lines between the version and the applications.
    pub fn release(&self, version: &str, more: &str) -> &Self {
        let text = format!(
            "name = \"shop\"\nversion = \"{version}\"\n{more}\n[apps]\ncounter = {{ path = \"apps/counter\" }}\n\n\
             [api]\ndefault = \"{version}\"\n"
        );
        self.file("release.toml", &text)
    }

    /// Writes the document of its application; `more` are lines at the end.
    pub fn app(&self, version: &str, more: &str) -> &Self {
        let text = format!("name = \"counter\"\nversion = \"{version}\"\nmachines = [\"counter\"]\n{more}");
        self.file("apps/counter/app.toml", &text)
    }

    /// Writes its machine.
    pub fn machine(&self, text: &str) -> &Self {
        self.file("apps/counter/machines/counter.cam", text)
    }

    /// Runs a command on it.
    pub fn run(&self, command: &str, more: &[&str]) -> Done {
        let words = [&[command, "new"], more].concat();
        self.world.run(&words)
    }

    /// Expects that it is checked and built.
    ///
    /// # Panics
    ///
    /// When it is refused.
    #[track_caller]
    pub fn builds(&self) -> Done {
        self.run("check", &[]).expect(0);
        self.run("build", &[]).expect(0)
    }

    /// Expects that both commands refuse the project with one code, and say these words.
    ///
    /// # Panics
    ///
    /// When they do not.
    #[track_caller]
    pub fn refused(&self, code: &str, words: &[&str]) {
        for command in ["check", "build"] {
            let done = self.run(command, &[]).expect(1);
            let codes: Vec<&str> = codes(&done.stderr);
            assert_eq!(codes, [code], "{}", done.stderr);
            for word in words {
                assert!(done.stderr.contains(word), "no `{word}` in {}", done.stderr);
            }
        }
    }
}

/// Returns the codes of the faults that were told.
pub fn codes(text: &str) -> Vec<&str> {
    let inside = text.split("error[").skip(1);
    inside.filter_map(|rest| rest.split(']').next()).collect()
}

/// A machine for such a project.
pub const COUNTER: &str = "machine counter
type State = { count: Int = 0, step: Int = 1 }
type Input = Add { by: Int = 1 } | Read
type Output = Ok | Count(Int)
init = { count: 0 }
on Add { by } => ({ ..state, count: state.count + by }, Ok)
on Read => (state, Count(state.count))
";

/// Where its appup stands.
pub const APPUP: &str = "apps/counter/appup.toml";
/// Where its migration stands.
pub const MIGRATION: &str = "apps/counter/migrations/counter.cam";
/// An appup that names the migration.
pub const NAMED: &str =
    "[[from]]\nversion = \"1.0.0\"\n\n[from.machines.counter]\nmigration = \"migrations/counter.cam\"\n";

/// Returns a project with version 1.0.0 built, and version 2.0.0 begun: the same machine, both versions raised.
pub fn begun(world: &World) -> Project<'_> {
    let project = Project::new(world);
    project.release("1.0.0", "").app("1.0.0", "").machine(COUNTER).builds();
    project.release("2.0.0", "from = [\"1.0.0\"]").app("2.0.0", "");
    project
}
