//! Keys that sign: files with private keys, and commands that sign with a key which never leaves
//! a key service or a hardware token.
//!
//! A private key is read, used and wiped; nothing prints it, and no error quotes it.

mod command;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use camshaft_manifests::signature::{PublicKey, SIGNATURE_BYTES};
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use ed25519_dalek::{Signer as _, SigningKey};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::files;
use crate::talk::Talk;

pub use command::SigningCommand;

/// No key file is larger, in bytes.
const KEY_BYTES_MAX: u64 = 16 << 10;

const PRIVATE_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";

/// What the line of a public key file with its comment begins with.
const COMMENT: &str = "# ";

/// Something that signs.
pub enum Signer {
    /// A private key from a file.
    Key(PrivateKey),
    /// A command that asks whoever has the key.
    Command(SigningCommand),
}

impl Signer {
    /// Returns the public key that its signatures hold for.
    pub fn public(&self) -> &PublicKey {
        match self {
            Signer::Key(key) => &key.public,
            Signer::Command(command) => command.public(),
        }
    }

    /// Signs.
    ///
    /// # Errors
    ///
    /// When the command fails, or what it answers is no signature.
    pub fn sign(&self, bytes: &[u8]) -> Result<[u8; SIGNATURE_BYTES], Failure> {
        match self {
            Signer::Key(key) => Ok(key.private.sign(bytes).to_bytes()),
            Signer::Command(command) => command.sign(bytes),
        }
    }
}

/// A private key. Its memory is wiped when it is dropped.
pub struct PrivateKey {
    private: SigningKey,
    public: PublicKey,
}

impl PrivateKey {
    /// Makes a key.
    ///
    /// # Errors
    ///
    /// When the system has no randomness to give.
    pub fn generate() -> Result<PrivateKey, Failure> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(|error| {
            let message = format!("the system gives no randomness: {error}");
            Failure::fault(message, "a key from anything less would be no secret; look at the system")
        })?;
        PrivateKey::of(SigningKey::from_bytes(&seed))
    }

    fn of(private: SigningKey) -> Result<PrivateKey, Failure> {
        let public = PublicKey::from_bytes(private.verifying_key().as_bytes());
        let public = public.map_err(|error| Failure::refused(error.to_string(), "make a new key"))?;
        Ok(PrivateKey { private, public })
    }

    /// Reads a PKCS#8 PEM file, and says so when others may read it too.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or holds no Ed25519 private key.
    pub fn read(path: &Path, talk: &Talk) -> Result<PrivateKey, Failure> {
        let text = Zeroizing::new(files::read(path, KEY_BYTES_MAX)?);
        let refused = |why: &str| {
            let message = format!("{} is no private key: {why}", path.display());
            Failure::refused(
                message,
                "name a PKCS#8 PEM file with an Ed25519 key, such as `camshaft key new` makes",
            )
        };
        let text = std::str::from_utf8(&text).map_err(|_| refused("it is no text"))?;
        if text.contains("-----BEGIN PUBLIC KEY-----") {
            return Err(refused("it holds the public key; the private one is in the file beside it"));
        }
        let start =
            text.find(PRIVATE_BEGIN).ok_or_else(|| refused(&format!("it has no `{PRIVATE_BEGIN}`")))?;
        let private = SigningKey::from_pkcs8_pem(text[start..].trim_end());
        let private = private.map_err(|_| refused("it is garbled, encrypted, or of another algorithm"))?;
        if others_may_read(path) {
            talk.note(format!("warning: others may read {0}; chmod 600 {0}", path.display()));
        }
        PrivateKey::of(private)
    }

    /// Returns the public key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Writes the private key, for its owner only, and the public key beside it.
    ///
    /// # Errors
    ///
    /// When one of the files is there already, or cannot be written. Then neither is there.
    pub fn write_new(&self, path: &Path, comment: Option<&str>) -> Result<PathBuf, Failure> {
        let public_path = public_path(path)?;
        // Version 1 of the form, without the public key: what every other tool reads.
        let bytes = KeypairBytes { secret_key: *self.private.as_bytes(), public_key: None };
        let pem = bytes.to_pkcs8_pem(LineEnding::LF).map_err(|error| {
            Failure::fault(
                format!("the key has no PEM form: {error}"),
                "this is a fault of ours; please report it",
            )
        })?;
        let comment = comment.map(|comment| format!("{COMMENT}{comment}\n")).unwrap_or_default();
        let public = format!("{comment}{}", self.public.to_pem());
        if public_path.exists() {
            return Err(there_already(&public_path));
        }
        create(path, pem.as_bytes(), 0o600)?;
        create(&public_path, public.as_bytes(), 0o644).inspect_err(|_| {
            // Made a moment ago, and worth nothing to anybody.
            let _ = fs::remove_file(path);
        })?;
        Ok(public_path)
    }
}

/// A public key file.
pub struct PublicKeyFile {
    /// The key.
    pub key: PublicKey,
    /// What stands above it.
    pub comment: Option<String>,
}

impl PublicKeyFile {
    /// Reads a PEM file with a public key.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or holds none.
    pub fn read(path: &Path) -> Result<PublicKeyFile, Failure> {
        let text = files::read(path, KEY_BYTES_MAX)?;
        let text = String::from_utf8_lossy(&text);
        let key = PublicKey::from_pem(&text).map_err(|error| {
            let message = format!("{} is no public key: {error}", path.display());
            Failure::refused(
                message,
                "name the .pub file beside the private key, or what the key service gives as PEM",
            )
        })?;
        let comment = text.lines().find_map(|line| line.strip_prefix(COMMENT)).map(str::to_owned);
        Ok(PublicKeyFile { key, comment })
    }
}

/// Returns where the public key of a private key stands.
///
/// # Errors
///
/// When that would be the same file.
pub fn public_path(private: &Path) -> Result<PathBuf, Failure> {
    if private.extension().is_some_and(|end| end == "pub") || private.file_name().is_none() {
        let message = format!("{} cannot name a private key", private.display());
        return Err(Failure::refused(message, "name a file such as release.key; the public key gets .pub"));
    }
    Ok(private.with_extension("pub"))
}

fn there_already(path: &Path) -> Failure {
    let message = format!("{} is there already", path.display());
    Failure::refused(message, "keys are never overwritten: name another file")
}

/// Makes a file that was not there before.
fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => there_already(path),
        _ => files::cannot("write", path, &error),
    })?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|error| {
        let _ = fs::remove_file(path);
        files::cannot("write", path, &error).exit(crate::exit::Exit::Fault)
    })
}

#[cfg(unix)]
fn others_may_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn others_may_read(_: &Path) -> bool {
    false
}
