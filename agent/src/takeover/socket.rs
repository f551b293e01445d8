//! The socket over which a running agent can be taken over: in the data folder, for its user alone.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Its name.
const SOCKET: &str = "takeover.sock";

/// The longest path of a socket that every system takes, in bytes.
const PATH_MAX: usize = 100;

/// Returns a path of the socket that is short enough for a socket, and what has to live while it is used.
fn path(folder: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let path = folder.join(SOCKET);
    if path.as_os_str().len() <= PATH_MAX || !Path::new("/proc/self/fd").is_dir() {
        return Ok((path, None));
    }
    let folder = File::open(folder)?;
    Ok((PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(SOCKET), Some(folder)))
}

/// Listens in a folder whose lock the caller has: a socket that is there is that of an agent that is gone, or goes.
pub(super) fn listen(folder: &Path) -> io::Result<UnixListener> {
    let (path, _folder) = path(folder)?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    // Who connects before this is looked at as well: by the user that the system says it is.
    std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Connects to the agent that runs on a folder.
pub(super) fn connect(folder: &Path) -> io::Result<UnixStream> {
    let (path, _folder) = path(folder)?;
    UnixStream::connect(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_for_its_user_alone_and_is_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(listen(folder.path()).expect("it listens"));
        let refused = connect(folder.path()).expect_err("its agent is gone");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let _listener = listen(folder.path()).expect("it listens again");
        connect(folder.path()).expect("somebody listens");
        let mode = std::fs::metadata(folder.path().join(SOCKET)).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_folder_may_have_a_long_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let long = folder.path().join("long".repeat(40));
        std::fs::create_dir(&long).expect("a folder");
        let _listener = listen(&long).expect("it listens");
        connect(&long).expect("somebody listens");
        assert!(long.join(SOCKET).exists());
    }
}
