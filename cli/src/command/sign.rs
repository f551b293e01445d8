//! `camshaft sign BUNDLE`: a signature beside the bundle, which stays as it is to the byte.

use std::path::PathBuf;
use std::time::Duration;

use camshaft_manifests::signature::{Added, Envelope};
use serde_json::json;

use crate::failure::Failure;
use crate::files;
use crate::keys::{PrivateKey, PublicKeyFile, Signer, SigningCommand};
use crate::project::open_bundle;
use crate::signatures;
use crate::talk::Talk;

/// Arguments of `sign`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bundle: NAME-VERSION.tar.gz
    bundle: PathBuf,

    /// A private key, as `camshaft key new` makes it
    #[arg(long, value_name = "FILE", required_unless_present = "with", conflicts_with = "with")]
    key: Option<PathBuf>,

    /// A command that signs: it gets the bytes to sign on stdin and answers with the signature,
    /// 64 bytes or base64; CAMSHAFT_KEYID tells it which key is wanted
    #[arg(long, value_name = "COMMAND", requires = "public_key")]
    with: Option<String>,

    /// The public key that the command signs with
    #[arg(long, value_name = "FILE", requires = "with")]
    public_key: Option<PathBuf>,

    /// How many seconds the command may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "with")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

/// Checks the bundle, signs it and adds the signature to those beside it.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let signer = signer(args, talk)?;
    let (_, release) = open_bundle(&args.bundle)?;
    let statement = signatures::statement(&release);
    let path = signatures::path_beside(&args.bundle);
    let mut envelope = match signatures::read_beside(&args.bundle)? {
        None => Envelope::new(&statement),
        Some(envelope) => {
            let other = match envelope.statement() {
                Ok(signed) if signed == statement => None,
                Ok(signed) => Some(format!("{} {} ({})", signed.name, signed.version, signed.digest.short())),
                Err(error) => Some(error.to_string()),
            };
            if let Some(other) = other {
                let message = format!("{} is about another bundle: {other}", path.display());
                return Err(Failure::refused(
                    message,
                    "move it away; a bundle that was built again is signed anew",
                ));
            }
            envelope
        }
    };
    let id = signer.public().id();
    let held = envelope.signed_by([signer.public()]).by.contains(&id);
    // Asking twice costs a person at a hardware key a second touch for nothing.
    let added = if held {
        Added::Already
    } else {
        let sig = signer.sign(&envelope.signed_bytes())?;
        envelope
            .add(signer.public(), &sig)
            .map_err(|error| Failure::refused(error.to_string(), "nothing was written"))?
    };
    if added == Added::New {
        files::write(&path, envelope.write().as_bytes())?;
    }
    let count = envelope.signatures().len();
    let document = json!({
        "signature_file": path, "keyid": id, "added": added == Added::New, "signatures": count,
        "name": statement.name, "version": statement.version, "digest": statement.digest,
    });
    let done = match added {
        Added::New => "signed",
        Added::Already => "was signed already; nothing was changed:",
    };
    let human = format!(
        "{done} {} {} ({}) with the key {id}\n{}, {count} signature{}",
        statement.name,
        statement.version,
        statement.digest.short(),
        path.display(),
        if count == 1 { "" } else { "s" }
    );
    talk.result(&document, human);
    Ok(())
}

fn signer(args: &Args, talk: &Talk) -> Result<Signer, Failure> {
    match (&args.key, &args.with, &args.public_key) {
        (Some(key), ..) => Ok(Signer::Key(PrivateKey::read(key, talk)?)),
        (None, Some(command), Some(public)) => {
            let public = PublicKeyFile::read(public)?.key;
            Ok(Signer::Command(SigningCommand::new(
                command.clone(),
                public,
                Duration::from_secs(args.timeout),
            )))
        }
        (None, ..) => {
            Err(Failure::refused("which key? --key is missing", "add --key FILE, or --with and --public-key"))
        }
    }
}
