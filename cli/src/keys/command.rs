//! Signing by a command: it gets the bytes to sign on stdin and answers with the signature.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use camshaft_manifests::signature::{PublicKey, SIGNATURE_BYTES};

use crate::failure::Failure;

/// No answer that is a signature is longer, in bytes, blanks included.
const ANSWER_BYTES_MAX: u64 = 4 << 10;

/// How often a command is asked whether it has ended, once it has closed its stdout.
const TICK: Duration = Duration::from_millis(5);

/// The variable that tells the command which key is wanted.
const KEY_VARIABLE: &str = "CAMSHAFT_KEYID";

/// A command that signs, and the public key that it is believed to sign with.
pub struct SigningCommand {
    command: String,
    public: PublicKey,
    patience: Duration,
}

impl SigningCommand {
    /// Returns a command of the shell, which gets `patience` for an answer.
    pub fn new(command: String, public: PublicKey, patience: Duration) -> SigningCommand {
        SigningCommand { command, public, patience }
    }

    /// Returns the public key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Runs the command. What it says on stderr goes to ours.
    ///
    /// # Errors
    ///
    /// When it cannot be started, ends badly, takes too long, or answers with what is no signature of
    /// this key over these bytes.
    pub fn sign(&self, bytes: &[u8]) -> Result<[u8; SIGNATURE_BYTES], Failure> {
        let answer = self.run(bytes)?;
        let signature = signature(&answer).ok_or_else(|| {
            let message =
                format!("`{}` answered with {} bytes that are no signature", self.command, answer.len());
            Failure::fault(message, "a signature is 64 bytes on stdout, as they are or in base64")
        })?;
        if !self.public.verifies(bytes, &signature) {
            let message =
                format!("what `{}` answered is no signature of the key {}", self.command, self.public.id());
            let hint = "does --public-key name the key that the command uses? \
                        It has to sign stdin itself with Ed25519, not a hash of it";
            return Err(Failure::refused(message, hint));
        }
        Ok(signature)
    }

    fn run(&self, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
        let deadline = Instant::now() + self.patience;
        let mut child = shell(&self.command)
            .env(KEY_VARIABLE, self.public.id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| self.fault(&format!("cannot be started: {error}")))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else {
            return Err(self.fault("has no stdin or stdout"));
        };
        let bytes = bytes.to_vec();
        // Threads of their own: a command that does not read, or never ends, must not hold this one up.
        std::thread::spawn(move || {
            // A command that signs without reading all of stdin is judged by its answer.
            let _ = stdin.write_all(&bytes);
        });
        let (told, answer) = channel();
        std::thread::spawn(move || {
            let mut answer = Vec::new();
            let read = stdout.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut answer).map(|_| answer);
            // Nobody listens when the command took too long.
            let _ = told.send(read);
        });
        let read = match answer.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(read) => read.map_err(|error| self.fault(&format!("cannot be read from: {error}"))),
            Err(RecvTimeoutError::Timeout) => Err(self.too_slow()),
            Err(RecvTimeoutError::Disconnected) => Err(self.fault("cannot be read from")),
        };
        let read = read.and_then(|answer| match answer.len() as u64 > ANSWER_BYTES_MAX {
            true => Err(self.fault(&format!("answered with more than {ANSWER_BYTES_MAX} bytes"))),
            false => Ok(answer),
        });
        let ended = read.and_then(|answer| Ok((self.end(&mut child, deadline)?, answer)));
        let (status, answer) = ended.inspect_err(|_| {
            // It may have ended in this moment; nothing more can be done about it.
            let _ = child.kill();
            let _ = child.wait();
        })?;
        if !status.success() {
            return Err(self.fault(&format!("ended with {status}")));
        }
        Ok(answer)
    }

    /// Waits for the end of a command that has closed its stdout.
    fn end(&self, child: &mut Child, deadline: Instant) -> Result<ExitStatus, Failure> {
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(TICK),
                Ok(None) => return Err(self.too_slow()),
                Err(error) => return Err(self.fault(&format!("cannot be waited for: {error}"))),
            }
        }
    }

    fn too_slow(&self) -> Failure {
        self.fault(&format!("gave no answer within {} s", self.patience.as_secs()))
    }

    fn fault(&self, what: &str) -> Failure {
        let message = format!("the command `{}` {what}", self.command);
        Failure::fault(message, "nothing was signed; run it by hand with some bytes on stdin")
    }
}

/// Returns the signature in an answer: 64 bytes as they are, or in base64.
fn signature(answer: &[u8]) -> Option<[u8; SIGNATURE_BYTES]> {
    if let Ok(raw) = answer.try_into() {
        return Some(raw);
    }
    let text: String = std::str::from_utf8(answer).ok()?.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(&text).or_else(|_| URL_SAFE.decode(&text)).ok()?;
    bytes.try_into().ok()
}

#[cfg(not(windows))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]);
    shell
}

#[cfg(windows)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    shell.args(["/C", command]);
    shell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_raw_or_base64_and_nothing_else() {
        let raw = [0x2b; 64];
        let text = STANDARD.encode(raw);
        assert_eq!(signature(&raw), Some(raw));
        assert_eq!(signature(text.as_bytes()), Some(raw));
        assert_eq!(signature(format!("{}\n{}\n", &text[..44], &text[44..]).as_bytes()), Some(raw));
        assert_eq!(signature(&raw[..63]), None);
        assert_eq!(signature(b""), None);
        assert_eq!(signature(b"signed: ok"), None);
    }
}
