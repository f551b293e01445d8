//! The projects of the demo, carried in the binary: it runs without the sources at hand.

use std::path::Path;

use crate::failure::Failure;
use crate::files;

macro_rules! embedded {
    ($($path:literal,)*) => {
        &[$(($path, include_str!(concat!("../../../../examples/", $path))),)*]
    };
}

/// The files, by path within `examples`. A test compares the list with the folder.
const FILES: &[(&str, &str)] = embedded![
    "counter/bad-invariant/apps/counter/app.toml",
    "counter/bad-invariant/apps/counter/appup.toml",
    "counter/bad-invariant/apps/counter/machines/counter.cam",
    "counter/bad-invariant/apps/counter/migrations/counter-2.0.2-from-1.0.0.cam",
    "counter/bad-invariant/release.toml",
    "counter/v1/apps/counter/app.toml",
    "counter/v1/apps/counter/machines/counter.cam",
    "counter/v1/release.toml",
    "counter/v2/apps/counter/app.toml",
    "counter/v2/apps/counter/appup.toml",
    "counter/v2/apps/counter/machines/counter.cam",
    "counter/v2/apps/counter/migrations/counter-2.0.0-from-1.0.0.cam",
    "counter/v2/release.toml",
    "counter/wrong-base/base/apps/counter/app.toml",
    "counter/wrong-base/base/apps/counter/machines/counter.cam",
    "counter/wrong-base/base/release.toml",
    "counter/wrong-base/v2/apps/counter/app.toml",
    "counter/wrong-base/v2/apps/counter/appup.toml",
    "counter/wrong-base/v2/apps/counter/machines/counter.cam",
    "counter/wrong-base/v2/apps/counter/migrations/counter-2.0.0-from-1.0.0.cam",
    "counter/wrong-base/v2/release.toml",
];

/// Writes the projects into a folder.
pub fn write(folder: &Path) -> Result<(), Failure> {
    FILES.iter().try_for_each(|(path, text)| files::write(&folder.join(path), text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_project_is_carried_whole() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
        let mut projects: Vec<&str> =
            FILES.iter().filter_map(|(path, _)| path.strip_suffix("/release.toml")).collect();
        projects.sort_unstable();
        for project in projects {
            let sources = files::read_project(&examples.join(project)).expect("the examples can be read");
            // The lock pins bundles that the demo builds anew.
            for path in sources.keys().filter(|path| *path != "camshaft.lock") {
                let whole = format!("{project}/{path}");
                assert!(FILES.iter().any(|(carried, _)| *carried == whole), "{whole} is not carried");
            }
        }
    }
}
