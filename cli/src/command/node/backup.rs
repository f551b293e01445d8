//! `camshaft node backup -o FILE`: all that a node is, in one file, while it runs.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use camshaft_agent::api::BACKUP_BYTES_HEADER;
use camshaft_store::Backup;

use crate::command::restore::{document, refused, size, summary};
use crate::failure::Failure;
use crate::files::cannot;
use crate::http::Node;
use crate::talk::Talk;

/// How much is read and written at once.
const PIECE: usize = 256 << 10;

/// Arguments of `node backup`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write the backup to this file, which others cannot read: states and their secrets are in it in plain
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

/// Gets a backup, checks all of it, and only then gives it its name.
pub fn run(args: &Args, node: &Node, talk: &mut Talk) -> Result<(), Failure> {
    let path = &args.output;
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    if path.is_dir() {
        return Err(Failure::refused(format!("{} is a folder", path.display()), "name a file"));
    }
    let mut answer = node.stream(&["v1", "node", "backup"])?;
    let all = answer.headers().get(BACKUP_BYTES_HEADER).and_then(|bytes| bytes.to_str().ok()?.parse().ok());
    // Beside its place, so that it is whole or absent under its name; for its owner only.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| cannot("write", path, &error))?;
    let done = AtomicU64::new(0);
    let far = || {
        let (done, all) =
            (size(done.load(Ordering::Relaxed)), all.map(|all: u64| format!(" of about {}", size(all))));
        Some(format!("{done}{}", all.unwrap_or_default()))
    };
    talk.while_watching(&format!("backup of {}", node.address()), far, || {
        let mut piece = vec![0; PIECE];
        loop {
            let read = answer.read(&mut piece).map_err(|error| {
                let message = format!("the backup of {} broke off: {error}", node.address());
                Failure::fault(message, "try again; the agent's log says why it broke off")
            })?;
            if read == 0 {
                break Ok::<(), Failure>(());
            }
            file.write_all(&piece[..read]).map_err(|error| cannot("write", path, &error))?;
            done.fetch_add(read as u64, Ordering::Relaxed);
        }
    })?;
    let backup = talk
        .while_waiting("checking it", || Backup::open(file.path(), &|_, _| {}))
        .map_err(|error| refused(path, &error))?;
    file.as_file().sync_all().map_err(|error| cannot("sync", path, &error))?;
    file.persist(path).map_err(|error| cannot("write", path, &error.error))?;
    let opened = std::fs::File::open(folder);
    opened.and_then(|folder| folder.sync_all()).map_err(|error| cannot("sync", folder, &error))?;
    talk.result(&document(path, &backup), format!("{}: {}", path.display(), summary(&backup)));
    Ok(())
}
