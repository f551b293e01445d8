//! Starting the program again, as it stands on the disk by now, so that it takes the node over: what SIGHUP asks for.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::supervisor;

/// How the program that runs was started.
#[derive(Debug, Clone)]
pub struct Again {
    /// The program: the path under which it was found, so that a link that leads elsewhere by now is followed anew.
    pub program: PathBuf,
    /// Its arguments, with those that make it take over.
    pub arguments: Vec<OsString>,
}

impl Again {
    /// Starts the program, and tells when it ends without having taken over.
    pub(crate) fn start(&self) {
        supervisor::reloading();
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null());
        let program = self.program.display().to_string();
        match command.spawn() {
            Ok(mut child) => {
                tracing::info!(program, process = child.id(), "started, to take the node over");
                // When it has taken over, this process ends before it.
                let waits = std::thread::Builder::new().name("successor".to_owned()).spawn(move || {
                    let ended = child.wait();
                    supervisor::ready();
                    match ended {
                        Ok(status) => tracing::error!(program, %status, "it did not take the node over"),
                        Err(error) => tracing::error!(program, %error, "nobody knows how it ended"),
                    }
                });
                if let Err(error) = waits {
                    tracing::warn!(%error, "its end will not be noticed");
                }
            }
            Err(error) => {
                supervisor::ready();
                tracing::error!(program, %error, "it cannot be started; this agent serves on");
            }
        }
    }
}
