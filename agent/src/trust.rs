//! Whose bundles a node takes: the gate that every bundle passes before it is opened.
//!
//! What must stay true:
//!
//! - with trust pinned, no code of a bundle is decoded before its signatures have sufficed;
//! - what sufficed once and ran on this node needs no second permission: neither an expiry nor a
//!   floor ever keeps a node from going back to it. That it sufficed is noted durably before the
//!   release runs;
//! - notes that are damaged keep the agent from starting; they are never taken for empty.

mod book;
mod keeper;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use camshaft_cam::digest::Digest;
use camshaft_manifests::signature::{Envelope, Statement};
use camshaft_manifests::signers::{Distrust, Signers};
use camshaft_registry::tuf::client::Listing;
use camshaft_registry::tuf::{Source, Trusted};

use crate::api::{MetadataStatus, Problem, TrustKind, TrustStatus, Voucher};
use crate::problem;

use book::{Book, Note};
use keeper::Keeper;

pub use book::BookError;

/// Whom a node trusts. There is no default: each is a choice.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Whoever reaches it. For development, and on loopback only.
    Anybody,
    /// The signers of a document that was pinned.
    Signers(Signers),
    /// The signers that the metadata of a registry names, from a root that was pinned.
    Root {
        /// The root: `N.root.json`.
        root: Vec<u8>,
        /// Where newer metadata comes from; without it, what was trusted last is all there is.
        metadata: Option<Arc<dyn Source>>,
    },
}

/// Who says who may sign.
enum Judge {
    Nobody,
    Signers(Signers),
    Metadata(Box<Mutex<Keeper>>),
}

impl Trust {
    /// Returns true when nobody has to vouch for a bundle.
    pub fn is_anybody(&self) -> bool {
        matches!(self, Trust::Anybody)
    }
}

/// The gate of a node.
pub struct Gate {
    judge: Judge,
    book: Mutex<Book>,
}

/// That a bundle may pass, and who vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    bundle: Statement,
    by: Vec<Voucher>,
    /// True when it stands in the book already.
    noted: bool,
}

impl Gate {
    /// Opens the gate of a node that keeps its notes in a data folder.
    ///
    /// # Errors
    ///
    /// When the notes cannot be read.
    pub fn open(trust: Trust, data: &Path) -> Result<Gate, BookError> {
        let judge = match trust {
            Trust::Anybody => Judge::Nobody,
            Trust::Signers(signers) => Judge::Signers(signers),
            Trust::Root { root, metadata } => {
                Judge::Metadata(Box::new(Mutex::new(Keeper::open(root, metadata, data)?)))
            }
        };
        Ok(Gate { judge, book: Mutex::new(Book::open(data)?) })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // The book is changed in one assignment, after it was written.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true when not every bundle may pass.
    pub fn judges(&self) -> bool {
        !matches!(self.judge, Judge::Nobody)
    }

    /// Judges a bundle before it is opened. `ran` says that it ran on this node before.
    ///
    /// # Errors
    ///
    /// Why it may not pass.
    pub fn admit(
        &self,
        bundle: &Statement,
        ran: bool,
        signatures: Option<&[u8]>,
        now_ms: i64,
    ) -> Result<Admission, Box<Problem>> {
        if matches!(self.judge, Judge::Nobody) {
            return Ok(Admission { bundle: bundle.clone(), by: vec![], noted: true });
        }
        if ran && let Some(by) = self.book().vouchers(bundle.digest) {
            return Ok(Admission { bundle: bundle.clone(), by: by.to_vec(), noted: true });
        }
        let by = match &self.judge {
            Judge::Nobody => vec![],
            Judge::Signers(signers) => judge(signers, bundle, signatures)?,
            Judge::Metadata(keeper) => {
                let mut keeper = keeper.lock().unwrap_or_else(PoisonError::into_inner);
                let trusted = keeper.newest(now_ms).map_err(|error| problem::of_metadata(&error))?;
                check_listing(trusted, bundle)?;
                judge(&trusted.signers, bundle, signatures)?
            }
        };
        Ok(Admission { bundle: bundle.clone(), by, noted: false })
    }

    /// Notes durably that a bundle may pass. Done before it runs.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn note(&self, admission: Admission, now_ms: i64) -> Result<(), Box<Problem>> {
        if admission.noted {
            return Ok(());
        }
        let note = Note { bundle: admission.bundle, by: admission.by, at_ms: now_ms };
        self.book().add(note).map_err(|error| problem::FAULT.problem(error.to_string()))
    }

    /// Returns who vouched for a bundle.
    pub fn vouchers(&self, digest: Digest) -> Vec<Voucher> {
        self.book().vouchers(digest).unwrap_or_default().to_vec()
    }

    /// Returns how the gate is set.
    pub fn status(&self) -> TrustStatus {
        let kind = match &self.judge {
            Judge::Nobody => TrustKind::Anybody,
            Judge::Signers(_) => TrustKind::Signers,
            Judge::Metadata(keeper) => {
                let keeper = keeper.lock().unwrap_or_else(PoisonError::into_inner);
                return TrustStatus { kind: TrustKind::Root, metadata: keeper.trusted().map(status) };
            }
        };
        TrustStatus { kind, metadata: None }
    }
}

fn status(trusted: &Trusted) -> MetadataStatus {
    let (role, expires_ms) = trusted.expires();
    MetadataStatus {
        root: trusted.root,
        timestamp: trusted.timestamp,
        snapshot: trusted.snapshot,
        listed: trusted.listed_count() as u64,
        expires_ms,
        expires_first: role.to_owned(),
    }
}

fn judge(
    signers: &Signers,
    bundle: &Statement,
    signatures: Option<&[u8]>,
) -> Result<Vec<Voucher>, Box<Problem>> {
    let envelope = signatures.map(Envelope::read).transpose().map_err(Distrust::from);
    let vouched = envelope.and_then(|envelope| signers.judge(bundle, envelope.as_ref()));
    let vouched = vouched.map_err(|distrust| problem::of_distrust(&distrust))?;
    let voucher = |(signer, keyid): &(_, _)| Voucher { signer: format!("{signer}"), keyid: *keyid };
    Ok(vouched.by().iter().map(voucher).collect())
}

/// A bundle need not be listed, so that it can be carried to where no registry is; but where the
/// registry says something of its name and version, that has to be true of it.
fn check_listing(trusted: &Trusted, bundle: &Statement) -> Result<(), Box<Problem>> {
    let Statement { name, version, digest } = bundle;
    match trusted.listing(name, version) {
        Listing::As(listed) | Listing::Yanked(listed, _) if listed != *digest => {
            let detail = format!(
                "the registry lists {name} {version} as {}, and this bundle is {}",
                listed.short(),
                digest.short()
            );
            Err(problem::LISTED_OTHERWISE.problem(detail))
        }
        Listing::Yanked(_, why) => {
            Err(problem::YANKED.problem(format!("{name} {version} was yanked: {why}")))
        }
        Listing::As(_) | Listing::No => Ok(()),
    }
}
