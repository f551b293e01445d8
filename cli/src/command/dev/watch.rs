//! Where events come from: the kernel where it tells, a slow look where it does not, Ctrl-C.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::rounds::Event;
use crate::files::SKIPPED;

/// Folders deeper than sources may lie are not watched.
const DEPTH_MAX: usize = crate::files::DEPTH_MAX;

/// How many folders are watched; the slow look sees the rest.
const FOLDERS_MAX: usize = 4_096;

/// Tells of changes in folders.
#[derive(Debug)]
pub struct Watcher {
    #[cfg(target_os = "linux")]
    watches: Option<inotify::Watches>,
}

impl Watcher {
    /// Begins to tell `events` of changes.
    pub fn start(events: Sender<Event>) -> Watcher {
        #[cfg(target_os = "linux")]
        {
            // Without it (a limit of the system, an odd file system) the slow look has to do.
            let Ok(mut inotify) = inotify::Inotify::init() else { return Watcher { watches: None } };
            let watches = inotify.watches();
            std::thread::spawn(move || {
                let mut buffer = [0; 4_096];
                while inotify.read_events_blocking(&mut buffer).is_ok() {
                    if events.send(Event::Touched).is_err() {
                        return;
                    }
                }
            });
            Watcher { watches: Some(watches) }
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = events;
            Watcher {}
        }
    }

    /// Returns how long to wait for an event before looking without one. Where events come it is
    /// a net under them: some file systems tell nothing, and a folder may be taken away whole.
    pub fn patience(&self) -> Duration {
        #[cfg(target_os = "linux")]
        if self.watches.is_some() {
            return Duration::from_secs(2);
        }
        Duration::from_millis(300)
    }

    /// Watches the folders of a project as they are now, and those in `places`.
    pub fn follow(&mut self, root: &Path, places: &[PathBuf]) {
        #[cfg(target_os = "linux")]
        if let Some(watches) = &mut self.watches {
            use inotify::WatchMask as Mask;
            let mask = Mask::CREATE
                | Mask::CLOSE_WRITE
                | Mask::MODIFY
                | Mask::MOVED_FROM
                | Mask::MOVED_TO
                | Mask::DELETE
                | Mask::DELETE_SELF
                | Mask::MOVE_SELF
                | Mask::ONLYDIR;
            for folder in folders(root).iter().chain(places) {
                // One that went meanwhile is no fault; one that is watched already stays so.
                let _ = watches.add(folder, mask);
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (root, places, folders);
    }
}

/// Returns the folders in which sources may lie.
fn folders(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![(root.to_owned(), 0)];
    let mut next = 0;
    while let Some((folder, depth)) = found.get(next).cloned() {
        next += 1;
        if depth == DEPTH_MAX {
            continue;
        }
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let skipped = name.to_str().is_none_or(|name| name.starts_with('.') || SKIPPED.contains(&name));
            if !skipped && entry.path().is_dir() && found.len() < FOLDERS_MAX {
                found.push((entry.path(), depth + 1));
            }
        }
    }
    found.into_iter().map(|(folder, _)| folder).collect()
}

/// Tells `events` of Ctrl-C and of being asked to end.
pub fn interrupts(events: Sender<Event>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Taken over before this returns: from here on Ctrl-C no longer ends the process.
    let _within = runtime.enter();
    let mut signals = Vec::new();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        signals.push(signal(SignalKind::interrupt())?);
        signals.push(signal(SignalKind::terminate())?);
    }
    drop(_within);
    std::thread::spawn(move || {
        runtime.block_on(async {
            let mut waiting: tokio::task::JoinSet<()> = tokio::task::JoinSet::new();
            for mut signal in signals {
                let events = events.clone();
                waiting.spawn(async move {
                    while signal.recv().await.is_some() && events.send(Event::Stop).is_ok() {}
                });
            }
            while waiting.join_next().await.is_some() {}
        });
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_folders_and_what_is_built_are_not_watched() {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        for folder in ["apps/a/machines", "dist", ".git/objects", "target"] {
            std::fs::create_dir_all(root.path().join(folder)).expect("writable");
        }
        let mut found: Vec<String> = folders(root.path())
            .iter()
            .map(|folder| folder.strip_prefix(root.path()).expect("within").display().to_string())
            .collect();
        found.sort();
        assert_eq!(found, ["", "apps", "apps/a", "apps/a/machines"]);
    }
}
