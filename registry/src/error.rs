//! Why a registry does not do what it was asked for.

use std::path::PathBuf;

use camshaft_cam::digest::Digest;
use camshaft_manifests::{AppName, ReleaseName, Version};
use camshaft_releases::{BundleError, OpenError};

use crate::http::problem::Problem;

/// Why a registry does not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Something else lies there.
    #[error("{path} is no registry: {reason}")]
    NoRegistry {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file.
    #[error("cannot {operation} {path}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// Something in the registry is not what it was.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// What.
        what: String,
        /// How that shows.
        reason: String,
    },
    /// No such release.
    #[error("the registry has no {name} {wanted}{}", known(.has))]
    NoRelease {
        /// The name.
        name: ReleaseName,
        /// The version, range or digest that was asked for; `release` for any.
        wanted: String,
        /// The versions that there are.
        has: Vec<Version>,
    },
    /// It was yanked.
    #[error("{name} {version} was yanked: {reason}")]
    Yanked {
        /// The name.
        name: ReleaseName,
        /// The version.
        version: Version,
        /// Its digest, by which it can be fetched all the same.
        digest: Digest,
        /// Why.
        reason: String,
    },
    /// No such content.
    #[error("the registry has no file {0}")]
    NoContent(Digest),
    /// A content above the limit.
    #[error("a file of a bundle has at most {max} bytes, this one has {bytes}")]
    ContentTooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// A file of signatures above the limit.
    #[error("a file of signatures has at most {max} bytes, this one has {bytes}")]
    SignatureTooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// The files make no bundle.
    #[error("the bundle is refused")]
    Bundle(#[from] BundleError),
    /// The bundle is no release.
    #[error("the release is refused")]
    Open(#[from] OpenError),
    /// The bundle is of another release than it is published as.
    #[error("the bundle is {found}, not {said}")]
    OtherRelease {
        /// What it was said to be.
        said: String,
        /// What it is.
        found: String,
    },
    /// The version is something else already.
    #[error("{name} {version} is published already, as {published}; this is {offered}")]
    Immutable {
        /// The name.
        name: ReleaseName,
        /// The version.
        version: Version,
        /// The digest that is published.
        published: Digest,
        /// The digest that was offered.
        offered: Digest,
    },
    /// A version of an application is something else already.
    #[error("{app} {version} is released in {release}, and is something else there; bump it")]
    AppReleased {
        /// The application.
        app: AppName,
        /// Its version.
        version: Version,
        /// The release that holds it, name and version.
        release: String,
    },
    /// An address that is none of a registry.
    #[error("`{address}` is no address of a registry: {reason}")]
    Address {
        /// What was found.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server refuses.
    #[error("{}", said(.0))]
    Refused(Box<Problem>),
    /// The server does not answer, or not wholly.
    #[error("no answer from {place}: {reason}")]
    NoAnswer {
        /// The registry.
        place: String,
        /// The reason.
        reason: String,
    },
    /// The server answers what no registry does.
    #[error("{place} does not answer as a registry: {reason}")]
    Strange {
        /// The registry.
        place: String,
        /// How.
        reason: String,
    },
    /// The server sends something else than the digest that was asked for.
    #[error("{place} sends something else for {digest}: its digest is {found}")]
    WrongContent {
        /// The registry.
        place: String,
        /// What was asked for.
        digest: Digest,
        /// What came.
        found: Digest,
    },
    /// Text that a record does not take.
    #[error("the {what} is no text of 1 to {max} bytes")]
    Text {
        /// What it is.
        what: &'static str,
        /// The limit.
        max: usize,
    },
}

fn said(problem: &Problem) -> String {
    match problem.detail.is_empty() {
        true => problem.title.clone(),
        false => format!("{}: {}", problem.title, problem.detail),
    }
}

/// Returns an error and its sources in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        // Some libraries repeat their source in their own text.
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        source = error.source();
    }
    text
}

fn known(has: &[Version]) -> String {
    if has.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = has.iter().rev().take(5).map(Version::to_string).collect();
    let more = if has.len() > shown.len() { ", ..." } else { "" };
    format!("; it has {}{more}", shown.join(", "))
}

impl RegistryError {
    /// Returns what to do about it.
    pub fn hint(&self) -> String {
        match self {
            RegistryError::NoRegistry { .. } => {
                "name the folder of a registry; publishing into an empty one makes it one".to_owned()
            }
            RegistryError::File { .. } => "check the folder, its permissions and the disk".to_owned(),
            RegistryError::Damaged { .. } => {
                "camshaft registry verify names all that is damaged; publishing the same bundle again mends its files"
                    .to_owned()
            }
            RegistryError::NoRelease { .. } => "camshaft registry list shows what there is".to_owned(),
            RegistryError::Yanked { name, digest, .. } => {
                format!("take another version; to get just this one all the same: {name}@{digest}")
            }
            RegistryError::NoContent(_) => "publish the bundle again".to_owned(),
            RegistryError::ContentTooLarge { .. }
            | RegistryError::SignatureTooLarge { .. }
            | RegistryError::Bundle(_)
            | RegistryError::Open(_) => "build it again, and look into it with: camshaft inspect".to_owned(),
            RegistryError::OtherRelease { .. } => "publish it as what it is".to_owned(),
            RegistryError::Immutable { .. } => {
                "a published version never changes: raise the version and build again".to_owned()
            }
            RegistryError::AppReleased { app, .. } => {
                format!("raise the version of {app} in its app.toml, or take it over as it was released")
            }
            RegistryError::Address { .. } => {
                "a registry is a folder, or an address such as https://registry.example".to_owned()
            }
            RegistryError::Refused(problem) if problem.hint.is_empty() => "look at the registry's log".to_owned(),
            RegistryError::Refused(problem) => problem.hint.clone(),
            RegistryError::NoAnswer { .. } => {
                "is it running, and reachable from here? camshaft registry serve --dir DIR runs one".to_owned()
            }
            RegistryError::Strange { .. } => "is this the address of a registry of camshaft?".to_owned(),
            RegistryError::WrongContent { .. } => {
                "something there or on the way is damaged: camshaft registry verify --dir DIR, where it lies".to_owned()
            }
            RegistryError::Text { .. } => "give a shorter one, that is not blank".to_owned(),
        }
    }

    /// Returns true when the request was at fault, and not the registry or the way to it.
    pub fn is_refusal(&self) -> bool {
        match self {
            RegistryError::File { .. }
            | RegistryError::Damaged { .. }
            | RegistryError::NoAnswer { .. }
            | RegistryError::Strange { .. }
            | RegistryError::WrongContent { .. } => false,
            RegistryError::Refused(problem) => problem.status < 500,
            _ => true,
        }
    }
}
