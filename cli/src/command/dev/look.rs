//! What a project looks like: its sources, and the bundles that it may come from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::failure::Failure;
use crate::files;

type Bundles = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// What a project looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The sources, or why they cannot be read.
    pub sources: Result<BTreeMap<String, Vec<u8>>, Unreadable>,
    /// The bundles that lie where predecessors are looked for, by size and time: their content is
    /// checked when they are opened.
    bundles: Bundles,
}

/// Why sources cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: String,
}

impl Look {
    /// Looks at a project.
    pub fn at(root: &Path, places: &[PathBuf]) -> Look {
        let unreadable = |failure: Failure| Unreadable { message: failure.message, hint: failure.hint };
        let sources = files::read_project(root).map_err(unreadable);
        Look { sources, bundles: bundles(places) }
    }

    /// Takes over what a round wrote itself: bundles, and the lock if it is another.
    pub fn wrote(&mut self, places: &[PathBuf], lock_path: &str, lock: Option<&str>) {
        self.bundles = bundles(places);
        if let (Some(lock), Ok(sources)) = (lock, &mut self.sources) {
            sources.insert(lock_path.to_owned(), lock.as_bytes().to_vec());
        }
    }

    /// Returns what is another than in `before`, as paths, sorted.
    pub fn changes_since(&self, before: &Look) -> Vec<String> {
        let nothing = BTreeMap::new();
        let (old, new) =
            (before.sources.as_ref().unwrap_or(&nothing), self.sources.as_ref().unwrap_or(&nothing));
        let mut changed: Vec<String> = differing(old, new).cloned().collect();
        changed.extend(differing(&before.bundles, &self.bundles).map(|path| path.display().to_string()));
        changed.sort();
        changed
    }
}

fn bundles(places: &[PathBuf]) -> Bundles {
    let mut bundles = Bundles::new();
    for path in places.iter().filter_map(|place| std::fs::read_dir(place).ok()).flatten().flatten() {
        let path = path.path();
        if path.to_string_lossy().ends_with(".tar.gz")
            && let Ok(data) = path.metadata()
        {
            bundles.insert(path, (data.len(), data.modified().ok()));
        }
    }
    bundles
}

fn differing<'m, K: Ord, V: PartialEq>(
    old: &'m BTreeMap<K, V>,
    new: &'m BTreeMap<K, V>,
) -> impl Iterator<Item = &'m K> {
    let gone = old.keys().filter(|key| !new.contains_key(key));
    let other = new.iter().filter(|(key, value)| old.get(key) != Some(value)).map(|(key, _)| key);
    gone.chain(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(sources: &[(&str, &str)]) -> Look {
        let sources = sources.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        Look { sources: Ok(sources.collect()), bundles: BTreeMap::new() }
    }

    #[test]
    fn what_came_went_and_changed_is_named() {
        let before = look(&[("a.cam", "1"), ("b.cam", "1"), ("c.cam", "1")]);
        let after = look(&[("b.cam", "2"), ("c.cam", "1"), ("d.cam", "1")]);
        assert_eq!(after.changes_since(&before), ["a.cam", "b.cam", "d.cam"]);
        assert_eq!(after.changes_since(&after), [""; 0]);
    }

    #[test]
    fn sources_that_cannot_be_read_are_another_look() {
        let unreadable = Unreadable { message: "cannot read".to_owned(), hint: String::new() };
        let gone = Look { sources: Err(unreadable), bundles: BTreeMap::new() };
        let before = look(&[("a.cam", "1")]);
        assert_ne!(gone, before);
        assert_eq!(before.changes_since(&gone), ["a.cam"]);
    }
}
