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

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use camshaft_cam::digest::Digest;
use camshaft_manifests::signature::{Envelope, Statement};
use camshaft_manifests::signers::{Distrust, Signers};

use crate::api::{Problem, TrustKind, TrustStatus, Voucher};
use crate::problem;

use book::{Book, Note};

pub use book::BookError;

/// Whom a node trusts. There is no default: each is a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Whoever reaches it. For development, and on loopback only.
    Anybody,
    /// The signers of a document that was pinned.
    Signers(Signers),
}

impl Trust {
    /// Returns true when nobody has to vouch for a bundle.
    pub fn is_anybody(&self) -> bool {
        matches!(self, Trust::Anybody)
    }
}

/// The gate of a node.
pub struct Gate {
    trust: Trust,
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
        Ok(Gate { trust, book: Mutex::new(Book::open(data)?) })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // The book is changed in one assignment, after it was written.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
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
    ) -> Result<Admission, Box<Problem>> {
        let Trust::Signers(signers) = &self.trust else {
            return Ok(Admission { bundle: bundle.clone(), by: vec![], noted: true });
        };
        if ran && let Some(by) = self.book().vouchers(bundle.digest) {
            return Ok(Admission { bundle: bundle.clone(), by: by.to_vec(), noted: true });
        }
        let envelope = signatures.map(Envelope::read).transpose().map_err(Distrust::from);
        let vouched = envelope.and_then(|envelope| signers.judge(bundle, envelope.as_ref()));
        let vouched = vouched.map_err(|distrust| problem::of_distrust(&distrust))?;
        let by = vouched.by().iter();
        let by = by.map(|(signer, keyid)| Voucher { signer: signer.to_string(), keyid: *keyid });
        Ok(Admission { bundle: bundle.clone(), by: by.collect(), noted: false })
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
        let kind = match self.trust {
            Trust::Anybody => TrustKind::Anybody,
            Trust::Signers(_) => TrustKind::Signers,
        };
        TrustStatus { kind }
    }
}
