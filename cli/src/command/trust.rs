//! `camshaft trust`: the metadata of a registry, which says who may sign and what there is.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use camshaft_cam::diagnostic::Source as Text;
use camshaft_cam::words;
use camshaft_manifests::signature::{PublicKey, SIGNATURE_BYTES};
use camshaft_manifests::signers;
use camshaft_registry::tuf::author::{
    Author, AuthorError, Listed, Lives, Repository, Roles, SigningKey, Written,
};
use camshaft_registry::tuf::{self, FolderSource, HttpSource, Source};
use camshaft_registry::{Folder, Registry, RegistryError};
use serde_json::json;

use crate::command::node::show::time;
use crate::failure::{Failure, chain};
use crate::files;
use crate::keys::{PrivateKey, PublicKeyFile, Signer};
use crate::render::counted;
use crate::talk::Talk;

/// Arguments of `trust`.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make the metadata of a registry: its root is what nodes pin
    Init(Init),
    /// Say anew who may sign bundles, how many have to, and from which version on
    Signers(SetSigners),
    /// List what is published now, and say that this is the newest; to be done before it expires
    Refresh(Common),
    /// Put other root keys or another online key in the place of the old ones
    Rotate(Rotate),
    /// Verify metadata from a root, and show what it says and when it expires
    Show(Show),
}

#[derive(Debug, clap::Args)]
struct Common {
    /// The folder of the registry
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,

    /// The private key that stays online: it lists releases and says what is the newest
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    /// For how many days that is good
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
}

#[derive(Debug, clap::Args)]
struct RootKeys {
    /// A private root key; to be repeated until there are as many as have to sign
    #[arg(long = "root-key", value_name = "FILE", required = true)]
    root_keys: Vec<PathBuf>,

    /// For how many days the root, and who may sign, is good
    #[arg(long, value_name = "DAYS", default_value_t = 365)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=36500))]
    root_days: u32,
}

#[derive(Debug, clap::Args)]
struct Init {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    root: RootKeys,

    /// The public key of somebody else who may sign as a root; may be repeated
    #[arg(long = "root-public", value_name = "FILE")]
    more: Vec<PathBuf>,

    /// How many of the root keys have to sign
    #[arg(long, value_name = "N", default_value = "1")]
    threshold: NonZeroU64,

    /// Who may sign bundles
    #[arg(long, value_name = "FILE")]
    signers: PathBuf,
}

#[derive(Debug, clap::Args)]
struct SetSigners {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    root: RootKeys,

    /// Who may sign bundles from now on
    #[arg(long, value_name = "FILE")]
    signers: PathBuf,
}

#[derive(Debug, clap::Args)]
struct Rotate {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    root: RootKeys,

    /// The public key of who is a root from now on; to be repeated. Without it, the root keys stay
    #[arg(long = "root-public", value_name = "FILE")]
    roots: Vec<PathBuf>,

    /// How many of the root keys have to sign from now on; without it, as many as before
    #[arg(long, value_name = "N")]
    threshold: Option<NonZeroU64>,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The registry: its folder or address, or a copy of its folder tuf
    place: String,

    /// The root that is trusted
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
}

/// Runs a subcommand.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    match &args.what {
        What::Init(args) => init(args, talk),
        What::Signers(args) => set_signers(args, talk),
        What::Refresh(args) => refresh(args, talk),
        What::Rotate(args) => rotate(args, talk),
        What::Show(args) => show(args, talk),
    }
}

fn init(args: &Init, talk: &mut Talk) -> Result<(), Failure> {
    let signers = read_signers(&args.signers)?;
    let hand = Hand::read(&args.common, Some(&args.root), talk)?;
    let mut root: Vec<PublicKey> = hand.roots().cloned().collect();
    for path in &args.more {
        root.push(PublicKeyFile::read(path)?.key);
    }
    let roles = Roles { root, threshold: args.threshold, online: hand.online()?.clone() };
    let folder = Folder::create(&args.common.dir).map_err(|error| of_registry(&error))?;
    let list = list(&folder)?;
    let written = hand.author(|author| author.create(&args.common.dir, &roles, &signers, &list));
    told("made", &written?, talk);
    Ok(())
}

fn set_signers(args: &SetSigners, talk: &mut Talk) -> Result<(), Failure> {
    let signers = read_signers(&args.signers)?;
    let hand = Hand::read(&args.common, Some(&args.root), talk)?;
    let old = Repository::open(&args.common.dir).map_err(|error| of_author(&error))?;
    let written = hand.author(|author| author.set_signers(old, &signers));
    told("changed", &written?, talk);
    Ok(())
}

fn refresh(args: &Common, talk: &mut Talk) -> Result<(), Failure> {
    let hand = Hand::read(args, None, talk)?;
    let old = Repository::open(&args.dir).map_err(|error| of_author(&error))?;
    let list = list(&Folder::open(&args.dir).map_err(|error| of_registry(&error))?)?;
    let written = hand.author(|author| author.refresh(old, &list));
    told("refreshed", &written?, talk);
    Ok(())
}

fn rotate(args: &Rotate, talk: &mut Talk) -> Result<(), Failure> {
    let hand = Hand::read(&args.common, Some(&args.root), talk)?;
    let old = Repository::open(&args.common.dir).map_err(|error| of_author(&error))?;
    let before = old.roles().map_err(|error| of_author(&error))?;
    let signers = old.signers().map_err(|error| of_author(&error))?;
    let mut root = before.root;
    if !args.roots.is_empty() {
        let read = |path: &PathBuf| PublicKeyFile::read(path).map(|file| file.key);
        root = args.roots.iter().map(read).collect::<Result<_, _>>()?;
    }
    let threshold = args.threshold.unwrap_or(before.threshold);
    let roles = Roles { root, threshold, online: hand.online()?.clone() };
    let list = list(&Folder::open(&args.common.dir).map_err(|error| of_registry(&error))?)?;
    let written = hand.author(|author| author.rotate(old, &roles, &signers, &list));
    told("changed", &written?, talk);
    Ok(())
}

fn show(args: &Show, talk: &mut Talk) -> Result<(), Failure> {
    let root = files::read(&args.root, files::SOURCE_BYTES_MAX)?;
    let trusted = tuf::load(&root, None, source(&args.place)?).map_err(|error| {
        let failure = Failure::refused(
            format!("{}: {error}", args.place),
            "look at the registry, and whether the root is its own",
        );
        failure.code(error.code())
    })?;
    if let Some(error) = trusted.reason_expired(now_ms()) {
        return Err(
            Failure::refused(error.to_string(), "refresh it: camshaft trust refresh").code(error.code())
        );
    }
    let (role, expires_ms) = trusted.expires();
    let document = json!({
        "root": trusted.root, "timestamp": trusted.timestamp, "snapshot": trusted.snapshot,
        "listed": trusted.listed_count(), "expires_ms": expires_ms, "expires_first": role,
        "signers": signers::write(&trusted.signers),
    });
    let human = format!(
        "root {}, timestamp {}, snapshot {}\n{} {} listed\nthe {role} expires {}\n\n{}",
        trusted.root,
        trusted.timestamp,
        trusted.snapshot,
        counted(trusted.listed_count(), "release"),
        words::are(trusted.listed_count() as u64),
        time(expires_ms),
        signers::write(&trusted.signers)
    );
    talk.result(&document, human);
    Ok(())
}

/// Returns where metadata comes from.
///
/// # Errors
///
/// When the place is none.
pub fn source(place: &str) -> Result<Arc<dyn Source>, Failure> {
    if place.starts_with("http://") || place.starts_with("https://") {
        let source = HttpSource::at(place).map_err(|error| {
            Failure::refused(error.to_string(), "an address is https://HOST, as of `camshaft registry serve`")
        })?;
        return Ok(Arc::new(source));
    }
    let folder = Path::new(place);
    if !folder.is_dir() {
        let message = format!("{place} is neither a folder nor an address");
        return Err(Failure::refused(message, "name the folder of a registry, or its address"));
    }
    Ok(Arc::new(FolderSource::new(folder)))
}

/// The keys at hand.
struct Hand {
    /// The online key comes last.
    keys: Vec<AtHand>,
    lives: Lives,
}

struct AtHand(Signer);

impl SigningKey for AtHand {
    fn public(&self) -> &PublicKey {
        self.0.public()
    }

    fn sign(&self, bytes: &[u8]) -> Result<[u8; SIGNATURE_BYTES], String> {
        self.0.sign(bytes).map_err(|failure| failure.message)
    }
}

impl Hand {
    fn read(common: &Common, root: Option<&RootKeys>, talk: &Talk) -> Result<Hand, Failure> {
        let paths = root.map_or(&[][..], |root| &root.root_keys).iter().chain([&common.key]);
        let read = |path: &PathBuf| Ok(AtHand(Signer::Key(PrivateKey::read(path, talk)?)));
        let keys = paths.map(read).collect::<Result<_, Failure>>()?;
        let root_days = root.map_or(1, |root| root.root_days);
        Ok(Hand { keys, lives: Lives { root_days, online_days: common.days } })
    }

    fn online(&self) -> Result<&PublicKey, Failure> {
        let missing = || Failure::refused("--key is missing", "name the online key");
        self.keys.last().map(SigningKey::public).ok_or_else(missing)
    }

    fn roots(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter().take(self.keys.len().saturating_sub(1)).map(SigningKey::public)
    }

    fn author<T>(&self, act: impl FnOnce(&Author<'_>) -> Result<T, AuthorError>) -> Result<T, Failure> {
        let keys: Vec<&dyn SigningKey> = self.keys.iter().map(|key| key as &dyn SigningKey).collect();
        let author = Author { keys: &keys, lives: self.lives, now_ms: now_ms() };
        act(&author).map_err(|error| of_author(&error))
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Returns the text of a `signers.toml` that has no faults.
fn read_signers(path: &Path) -> Result<String, Failure> {
    let shown = path.display().to_string();
    let text = String::from_utf8(files::read(path, files::SOURCE_BYTES_MAX)?);
    let text = text.map_err(|_| Failure::refused(format!("{shown} is no text"), "name a signers.toml"))?;
    match signers::read(&Text::new(shown.as_str(), text.as_str())) {
        Ok(_) => Ok(text),
        Err(faults) => Err(Failure::diagnostics(format!("{shown} does not say who may sign"), faults)),
    }
}

/// Returns what is published in a folder.
fn list(folder: &Folder) -> Result<Vec<Listed>, Failure> {
    let mut list = Vec::new();
    for entry in folder.list().map_err(|error| of_registry(&error))? {
        let release = entry.release;
        let manifest = folder.content(release.digest, None).map_err(|error| of_registry(&error))?;
        list.push(Listed {
            name: release.name,
            version: release.version,
            digest: release.digest,
            length: manifest.len() as u64,
            yanked: release.yanked.map(|yank| yank.reason),
        });
    }
    Ok(list)
}

fn told(done: &str, written: &Written, talk: &mut Talk) {
    let human = format!(
        "{done}: root {}, snapshot {}, {} listed, good until {}\nnodes pin {}",
        written.root,
        written.snapshot,
        counted(written.listed, "release"),
        time(written.expires_ms),
        written.root_file.display()
    );
    talk.result(written, human);
}

fn of_registry(error: &RegistryError) -> Failure {
    Failure::refused(
        chain(error),
        "name the folder of a registry; `camshaft publish` and `trust init` make one",
    )
}

fn of_author(error: &AuthorError) -> Failure {
    let hint = match error {
        AuthorError::File { .. } => "check the folder, its permissions and the disk",
        AuthorError::None(_) => "make it: camshaft trust init",
        AuthorError::There(_) => "change it with: camshaft trust signers, refresh or rotate",
        AuthorError::Damaged { .. } => "get the folder tuf from a backup",
        AuthorError::Keys { .. } => {
            "name more of the private keys with --root-key, or the right --key; nothing was changed"
        }
        AuthorError::Sign(_) | AuthorError::Unfit(_) => "nothing was changed",
    };
    Failure::refused(chain(error), hint)
}
