//! `camshaft restore FILE --data DIR`: a data folder from a backup; `--check` only looks at it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use camshaft_store::{Backup, BackupError, Listed, RestoreError};
use serde_json::{Value, json};

use super::node::show;
use crate::failure::{Failure, chain};
use crate::talk::Talk;

/// Arguments of `restore`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The backup: what `camshaft node backup -o FILE` wrote
    file: PathBuf,

    /// The data folder to make; it is absent or empty
    #[arg(long, value_name = "DIR", required_unless_present = "check", conflicts_with = "check")]
    data: Option<PathBuf>,

    /// Check the backup and say what is in it; nothing is written
    #[arg(long)]
    check: bool,
}

/// Checks a backup, and makes a data folder of it.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let done = AtomicU64::new(0);
    let told = |so_far: u64, _| done.store(so_far, Ordering::Relaxed);
    let far = || Some(size(done.load(Ordering::Relaxed)));
    let backup = talk
        .while_watching("checking the backup", far, || Backup::open(&args.file, &told))
        .map_err(|error| refused(&args.file, &error))?;
    let Some(data) = &args.data else {
        let mut text = format!("{} is whole: {}\n", args.file.display(), summary(&backup));
        let rows = backup
            .files()
            .map(|Listed { name, bytes, sha256 }| vec![format!("  {name}"), size(*bytes), sha256.short()]);
        text += &show::table(&rows.collect::<Vec<_>>());
        talk.result(&document(&args.file, &backup), text);
        return Ok(());
    };
    let restored = talk.while_watching("restoring", far, || backup.restore(data, &told));
    restored.and_then(camshaft_store::Restored::give_name).map_err(|error| not_restored(&error))?;
    let mut document = document(&args.file, &backup);
    document["data"] = json!(data);
    let text = format!(
        "{}: {}\nstart it with: camshaft agent --data {}",
        data.display(),
        summary(&backup),
        data.display()
    );
    talk.result(&document, text);
    Ok(())
}

/// Returns the failure of a file that is no backup that can be used.
pub fn refused(path: &Path, error: &BackupError) -> Failure {
    let message = format!("{}: {}", path.display(), chain(error));
    let hint = match error {
        BackupError::Read(_) => "check the path and the disk",
        BackupError::None(_) => "get a backup with: camshaft node backup -o FILE",
        BackupError::CutOff(_) => "nothing of it is used; get it again, or use another backup",
        BackupError::BrokenOff(_) => "look at the disk of that node, and at its agent's log",
        BackupError::Damaged(_) | BackupError::Folder(_) => {
            "nothing of it is used; copy it again from where it was kept, or use another backup"
        }
        BackupError::Newer(_) => "use the version of camshaft that made it, or a newer one",
    };
    Failure::refused(message, hint)
}

fn not_restored(error: &RestoreError) -> Failure {
    let hint = match error {
        RestoreError::NotEmpty(_) => "name a folder that is not there yet, or move what is in it away",
        RestoreError::NoPlace(_) => "name the folder that `camshaft agent --data` is to have",
        RestoreError::AtWork(_) => "wait until it ends",
        RestoreError::Disk { what: "rename what was restored to", .. } => {
            "nothing was changed; if it is a mount point, name a folder in it"
        }
        RestoreError::Disk { .. } | RestoreError::Changed(_) => {
            "nothing was changed; check the path and the disk"
        }
    };
    Failure::refused(chain(error), hint)
}

/// Says what is in a backup, for people.
pub fn summary(backup: &Backup) -> String {
    let about = backup.about();
    let release = &about.release;
    crate::render::one_line(&format!(
        "{} {} at entry {} of its journal, {}; {} in {}",
        release.name,
        release.version,
        about.position,
        show::time(about.at_ms),
        size(backup.bytes()),
        crate::render::counted(backup.files().count(), "file"),
    ))
}

/// Says it for programs.
pub fn document(path: &Path, backup: &Backup) -> Value {
    let files: Vec<&Listed> = backup.files().collect();
    json!({ "file": path, "bytes": backup.bytes(), "backup": backup.about(), "files": files })
}

/// Returns a number of bytes in the unit that reads best.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} bytes"),
        10_240..10_485_760 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}
