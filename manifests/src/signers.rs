//! `signers.toml`: whose signatures a node asks for before it runs a release, how many, and from
//! which version on.
//!
//! The document is written by people and pinned to a node, or reaches it through the metadata of a
//! registry. A key has one name and stands once: so nobody counts twice toward a threshold.

mod judge;
mod pattern;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use camshaft_cam::diagnostic::{Diagnostic, Source};

use crate::bundle::read_format;
use crate::name::{ReleaseName, SignerName};
use crate::reader::{Field, Reader, Seen, Table};
use crate::signature::{KeyId, PublicKey, SIGNATURES_MAX};
use crate::version::Version;
use crate::writer::Writer;

pub use judge::{Distrust, Vouched};
pub use pattern::{PatternError, ReleasePattern};

/// The format of the document that this version writes and reads.
pub const FORMAT: u64 = 1;

/// The greatest length of a comment in bytes.
const COMMENT_BYTES_MAX: usize = 200;

/// Who may sign which releases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signers {
    keys: BTreeMap<SignerName, SignerKey>,
    rules: Vec<Rule>,
}

/// The key of a signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerKey {
    /// The key.
    pub public: PublicKey,
    /// What people want to know about it.
    pub comment: Option<String>,
}

/// What holds for the releases of some names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which releases.
    pub releases: ReleasePattern,
    /// Who may sign them.
    pub signers: Vec<SignerName>,
    /// How many of them have to; at least 1 and at most all.
    pub threshold: usize,
    /// The oldest version that may be installed or upgraded to.
    pub floor: Option<Version>,
}

impl Signers {
    /// Returns the keys by name.
    pub fn keys(&self) -> &BTreeMap<SignerName, SignerKey> {
        &self.keys
    }

    /// Returns the rules, in the order of the text.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Returns the rule for the releases of a name: that of the longest pattern which matches.
    pub fn rule(&self, name: &ReleaseName) -> Option<&Rule> {
        let matching = self.rules.iter().filter(|rule| rule.releases.matches(name));
        matching.max_by_key(|rule| rule.releases.weight())
    }

    /// Returns the name of a key.
    pub fn name_of(&self, id: KeyId) -> Option<&SignerName> {
        self.keys.iter().find(|(_, key)| key.public.id() == id).map(|(name, _)| name)
    }
}

/// Reads `signers.toml`.
///
/// # Errors
///
/// All faults of the text.
pub fn read(source: &Source) -> Result<Signers, Vec<Diagnostic>> {
    Reader::read(source, |_, table| {
        read_format(table, FORMAT)?;
        let keys = table.required("keys").and_then(|field| field.table()).map(|keys| read_keys(&keys));
        let rules = table.required("release").and_then(|field| {
            let mut seen = Seen::default();
            let items = field.items()?;
            if items.is_empty() {
                field.refuse("M0115", "`release` may not be empty: nothing could be installed");
            }
            let rules = items.iter().map(|item| {
                let rule = item.table_with(|table| read_rule(table, keys.as_ref()?))?;
                seen.note(item, rule.releases.to_string(), &format!("`{}`", rule.releases));
                Some(rule)
            });
            rules.collect::<Vec<_>>().into_iter().collect::<Option<Vec<Rule>>>()
        });
        Some(Signers { keys: keys?, rules: rules? })
    })
}

fn read_keys(table: &Table<'_, '_>) -> BTreeMap<SignerName, SignerKey> {
    let mut seen = Seen::default();
    let mut keys = BTreeMap::new();
    for (name, _, field) in table.entries::<SignerName>() {
        let key = field.table_with(|table| {
            let public = table.required("public").and_then(|field| {
                let public: PublicKey = field.word()?;
                seen.note(&field, public.id(), &format!("the key {}", public.id().short()));
                Some(public)
            });
            let comment = table.optional("comment").map(|field| field.prose(COMMENT_BYTES_MAX));
            Some(SignerKey { public: public?, comment: comment.flatten() })
        });
        // A key that is refused has left its fault; what names it is not to blame as well.
        if let Some(key) = key {
            keys.insert(name, key);
        }
    }
    keys
}

fn read_rule(table: &Table<'_, '_>, keys: &BTreeMap<SignerName, SignerKey>) -> Option<Rule> {
    let releases = table.required("name").and_then(|field| field.word());
    let signers = table.required("signers").and_then(|field| read_signers(&field, keys));
    let threshold = table.required("threshold").and_then(|field| {
        let threshold = field.number(1..=SIGNATURES_MAX as u64)? as usize;
        if let Some(signers) = signers.as_ref().filter(|signers| signers.len() < threshold) {
            let count = signers.len();
            field.refuse("M0142", format!("{threshold} of {count} signers can never sign"));
        }
        Some(threshold)
    });
    let floor = table.optional("floor").map(|field| field.word());
    Some(Rule { releases: releases?, signers: signers?, threshold: threshold?, floor: floor.flatten() })
}

fn read_signers(field: &Field<'_, '_>, keys: &BTreeMap<SignerName, SignerKey>) -> Option<Vec<SignerName>> {
    let mut seen = Seen::default();
    let mut signers = Vec::new();
    for item in field.items()? {
        let name: SignerName = item.word()?;
        if !keys.contains_key(&name) {
            item.refuse("M0124", format!("there is no key `{name}` in `[keys]`"));
        }
        seen.note(&item, name.clone(), &format!("`{name}`"));
        signers.push(name);
    }
    if signers.is_empty() {
        field.refuse("M0115", format!("`{}` may not be empty", field.path));
    }
    Some(signers)
}

/// Writes `signers.toml`.
pub fn write(signers: &Signers) -> String {
    let mut writer = Writer::commented("Whose signatures nodes ask for; see docs/trust.md.");
    writer.raw("format", FORMAT);
    for (name, key) in &signers.keys {
        writer.table(format_args!("keys.{name}"));
        writer.text("public", &key.public);
        writer.text_if("comment", key.comment.as_ref());
    }
    for rule in &signers.rules {
        writer.item("release");
        writer.text("name", &rule.releases);
        writer.texts("signers", &rule.signers);
        writer.raw("threshold", rule.threshold);
        writer.text_if("floor", rule.floor.as_ref());
    }
    writer.end()
}
