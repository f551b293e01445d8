//! A small project in the test's own folder, version by version.

use std::path::PathBuf;

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

/// Returns a hotfix 1.0.1 of the example `counter`, its 2.0.0, which does not name the hotfix, and the patch bundle from the
/// one to the other.
///
/// # Panics
///
/// When one of them is not built.
pub fn hotfixed_counter(world: &World) -> [PathBuf; 3] {
    world.build("counter/v1");
    let v2 = world.build("counter/v2");
    world.copy_example("counter/v1", "hot");
    let edit = |path: &str, from: &str, to: &str| {
        let text = String::from_utf8(world.read(path)).expect("text");
        assert!(text.contains(from), "{path} has no {from}");
        world.write(path, text.replacen(from, to, 1));
    };
    edit("hot/release.toml", "version = \"1.0.0\"", "version = \"1.0.1\"\nfrom = [\"1.0.0\"]");
    edit("hot/apps/counter/app.toml", "version = \"1.0.0\"", "version = \"1.0.1\"");
    edit("hot/apps/counter/machines/counter.cam", "state + 1", "state + 1 + 0");
    world.run(&["build", "hot", "-o", "dist"]).expect(0);
    let migration = "sources/dist/counter/v2/apps/counter/migrations/counter-2.0.0-from-1.0.0.cam";
    edit(migration, "from \"1.0.0\"", "from \"1.0.1\"");
    let (hotfix, given) = ("dist/counter-1.0.1.tar.gz", format!("counter/counter={migration}"));
    world.run(&["relup", "patch", hotfix, "dist/counter-2.0.0.tar.gz", "--migration", &given]).expect(0);
    [world.at(hotfix), v2, world.at("dist/counter-1.0.1--2.0.0.tar.gz")]
}
