//! Writing metadata: who may sign, which releases there are, and other keys.
//!
//! Files have their version in their names and are written before what points at them; the
//! timestamp comes last. So a reader sees the metadata from before or from after, and a crash
//! leaves at most files that nobody names.

use std::collections::HashMap;
use std::fs;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use camshaft_cam::digest::Digest;
use camshaft_manifests::signature::{PublicKey, SIGNATURE_BYTES};
use camshaft_manifests::{ReleaseName, Version};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tough::TargetName;
use tough::schema::decoded::{Decoded, Hex};
use tough::schema::key::Key;
use tough::schema::{
    DelegatedRole, Delegations, Hashes, Metafile, PathPattern, PathSet, Role, RoleKeys, RoleType, Root,
    Signature, Signed, Snapshot, Target, Targets, Timestamp,
};

use super::{FOLDER, RELEASES, SIGNERS, SPEC_VERSION, release_target, tuf_id, tuf_key};
use crate::disk::{Disk, SystemDisk};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Something that signs.
pub trait SigningKey {
    /// Returns the public key that its signatures hold for.
    fn public(&self) -> &PublicKey;

    /// Signs.
    ///
    /// # Errors
    ///
    /// Why it does not, for people.
    fn sign(&self, bytes: &[u8]) -> Result<[u8; SIGNATURE_BYTES], String>;
}

/// Whose keys count for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// They sign the root and who may sign bundles.
    pub root: Vec<PublicKey>,
    /// How many of them have to.
    pub threshold: NonZeroU64,
    /// It lists releases and says what is the newest.
    pub online: PublicKey,
}

/// For how long metadata is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lives {
    /// What the root keys sign, in days.
    pub root_days: u32,
    /// What the online key signs, in days.
    pub online_days: u32,
}

/// A release, as it is to be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The name.
    pub name: ReleaseName,
    /// The version.
    pub version: Version,
    /// The digest of the bundle.
    pub digest: Digest,
    /// The length of its manifest in bytes.
    pub length: u64,
    /// Why it was yanked, if it was.
    pub yanked: Option<String>,
}

/// Why metadata is not written.
#[derive(Debug, thiserror::Error)]
pub enum AuthorError {
    /// A file.
    #[error("cannot {operation} {path}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// With what.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// There is none.
    #[error("{0} has no metadata yet")]
    None(PathBuf),
    /// There is some.
    #[error("{0} has metadata already")]
    There(PathBuf),
    /// It is not as it was written.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Not enough keys at hand.
    #[error("the keys at hand do not suffice to sign {what}: {reason}")]
    Keys {
        /// What they have to sign.
        what: String,
        /// What is missing.
        reason: String,
    },
    /// A key did not sign.
    #[error("{0}")]
    Sign(String),
    /// Numbers that cannot be.
    #[error("{0}")]
    Unfit(String),
}

/// Metadata as it stands in a folder, ready to be changed.
pub struct Repository {
    folder: PathBuf,
    root: Signed<Root>,
    targets: Signed<Targets>,
    releases: Signed<Targets>,
    snapshot: NonZeroU64,
    timestamp: NonZeroU64,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The versions.
    pub root: u64,
    /// Of who may sign.
    pub targets: u64,
    /// Of the list of releases.
    pub releases: u64,
    /// How many releases it lists.
    pub listed: usize,
    /// Of the snapshot.
    pub snapshot: u64,
    /// Of the timestamp.
    pub timestamp: u64,
    /// When what is signed online expires.
    pub expires_ms: i64,
    /// The newest root: what nodes pin.
    pub root_file: PathBuf,
}

/// Changes metadata, all of it at one time and with the same keys.
pub struct Author<'k> {
    /// The keys at hand.
    pub keys: &'k [&'k dyn SigningKey],
    /// For how long what they sign is good.
    pub lives: Lives,
    /// The time.
    pub now_ms: i64,
}

impl Author<'_> {
    /// Makes the metadata of a registry that has none.
    ///
    /// # Errors
    ///
    /// Why not; then there still is none.
    pub fn create(
        &self,
        registry: &Path,
        roles: &Roles,
        signers: &str,
        list: &[Listed],
    ) -> Result<Written, AuthorError> {
        let folder = registry.join(FOLDER);
        if folder.join("metadata/timestamp.json").exists() {
            return Err(AuthorError::There(registry.to_owned()));
        }
        let one = NonZeroU64::MIN;
        let root = self.root(roles, one)?;
        let root = self.sign(root, &ids(&roles.root))?;
        verify(&root.signed, &root, "the root")?;
        let targets = self.targets(roles, signers, one)?;
        let targets = self.sign(targets, &ids(&roles.root))?;
        let releases = self.releases(&targets.signed, list, one)?;
        let repository = Repository { folder, root, targets, releases, snapshot: one, timestamp: one };
        self.write(&repository, Some(signers))
    }

    /// Says anew who may sign bundles. Signed by the root keys, and by the online key.
    ///
    /// # Errors
    ///
    /// Why not; then nothing is changed.
    pub fn set_signers(&self, old: Repository, signers: &str) -> Result<Written, AuthorError> {
        let roles = old.roles()?;
        let targets = self.targets(&roles, signers, next(old.targets.signed.version))?;
        let targets = self.sign(targets, &ids(&roles.root))?;
        self.write(&Repository { targets, ..old.later() }, Some(signers))
    }

    /// Lists the releases that there are now, and says that this is the newest. Signed online.
    ///
    /// # Errors
    ///
    /// Why not; then nothing is changed.
    pub fn refresh(&self, old: Repository, list: &[Listed]) -> Result<Written, AuthorError> {
        let releases = self.releases(&old.targets.signed, list, next(old.releases.signed.version))?;
        self.write(&Repository { releases, ..old.later() }, None)
    }

    /// Puts other keys in the place of the old ones. Signed by the root keys from before *and* by
    /// those from now on, so that whoever trusts the old root comes to the new one.
    ///
    /// # Errors
    ///
    /// Why not; then nothing is changed.
    pub fn rotate(
        &self,
        old: Repository,
        roles: &Roles,
        signers: &str,
        list: &[Listed],
    ) -> Result<Written, AuthorError> {
        let before = old.roles()?;
        let root = self.root(roles, next(old.root.signed.version))?;
        let root = self.sign(root, &ids(before.root.iter().chain(&roles.root)))?;
        verify(&old.root.signed, &root, "the new root, as the old root keys do")?;
        verify(&root.signed, &root, "the new root, as the new root keys do")?;
        let targets = self.targets(roles, signers, next(old.targets.signed.version))?;
        let targets = self.sign(targets, &ids(&roles.root))?;
        let releases = self.releases(&targets.signed, list, next(old.releases.signed.version))?;
        self.write(&Repository { root, targets, releases, ..old.later() }, Some(signers))
    }

    fn expires(&self, days: u32) -> Result<jiff::Timestamp, AuthorError> {
        // To the second: more is not written.
        let at = self.now_ms.saturating_add(i64::from(days) * DAY_MS) / 1000;
        jiff::Timestamp::from_second(at).map_err(|error| AuthorError::Unfit(error.to_string()))
    }

    fn root(&self, roles: &Roles, version: NonZeroU64) -> Result<Root, AuthorError> {
        let offline =
            RoleKeys { keyids: ids(&roles.root), threshold: roles.threshold, _extra: HashMap::new() };
        if (offline.keyids.len() as u64) < roles.threshold.get() {
            let (count, threshold) = (offline.keyids.len(), roles.threshold);
            let message = format!("{threshold} of {count} root keys can never sign");
            return Err(AuthorError::Unfit(message));
        }
        let online = RoleKeys {
            keyids: vec![tuf_id(&roles.online)],
            threshold: NonZeroU64::MIN,
            _extra: HashMap::new(),
        };
        let keys = roles.root.iter().chain([&roles.online]);
        Ok(Root {
            spec_version: SPEC_VERSION.to_owned(),
            consistent_snapshot: true,
            version,
            expires: self.expires(self.lives.root_days)?,
            keys: keys.map(|key| (tuf_id(key), tuf_key(key))).collect(),
            roles: [
                (RoleType::Root, offline.clone()),
                (RoleType::Targets, offline),
                (RoleType::Snapshot, online.clone()),
                (RoleType::Timestamp, online),
            ]
            .into(),
            _extra: HashMap::new(),
        })
    }

    fn targets(&self, roles: &Roles, signers: &str, version: NonZeroU64) -> Result<Targets, AuthorError> {
        let pattern = PathPattern::new(format!("{RELEASES}/*"));
        let pattern = pattern.map_err(|error| AuthorError::Unfit(error.to_string()))?;
        let mut targets = Targets::new(SPEC_VERSION.to_owned(), version, self.expires(self.lives.root_days)?);
        let target = target(Digest::of(signers.as_bytes()), signers.len() as u64, HashMap::new());
        targets.add_target(target_name(SIGNERS)?, target);
        targets.delegations = Some(Delegations {
            keys: [(tuf_id(&roles.online), tuf_key(&roles.online))].into(),
            roles: vec![DelegatedRole {
                name: RELEASES.to_owned(),
                keyids: vec![tuf_id(&roles.online)],
                threshold: NonZeroU64::MIN,
                paths: PathSet::Paths(vec![pattern]),
                terminating: true,
                targets: None,
            }],
        });
        Ok(targets)
    }

    fn releases(
        &self,
        targets: &Targets,
        list: &[Listed],
        version: NonZeroU64,
    ) -> Result<Signed<Targets>, AuthorError> {
        let mut releases =
            Targets::new(SPEC_VERSION.to_owned(), version, self.expires(self.lives.online_days)?);
        releases.delegations = None;
        for one in list {
            let name = target_name(&release_target(one.name.as_str(), &one.version.to_string()))?;
            let yanked = one.yanked.iter().map(|why| ("yanked".to_owned(), why.clone().into()));
            releases.add_target(name, target(one.digest, one.length, yanked.collect()));
        }
        let delegations = targets.delegations.as_ref();
        let keyids =
            delegations.and_then(|delegations| delegations.roles.first()).map(|role| role.keyids.clone());
        let signed = self.sign(releases, &keyids.unwrap_or_default())?;
        let verified = delegations.map(|delegations| delegations.verify_role(&signed, RELEASES));
        match verified {
            Some(Ok(())) => Ok(signed),
            Some(Err(error)) => Err(lacking("the list of releases", &error)),
            None => Err(AuthorError::Unfit("nobody may list releases".to_owned())),
        }
    }

    /// Signs with those of the keys at hand that count.
    fn sign<T: Role>(&self, role: T, keyids: &[Decoded<Hex>]) -> Result<Signed<T>, AuthorError> {
        let bytes = role.canonical_form().map_err(|error| AuthorError::Unfit(error.to_string()))?;
        let mut signatures: Vec<Signature> = Vec::new();
        for key in self.keys {
            let keyid = tuf_id(key.public());
            let there = signatures.iter().any(|signature| signature.keyid == keyid);
            if keyids.contains(&keyid) && !there {
                let sig = key.sign(&bytes).map_err(AuthorError::Sign)?.to_vec().into();
                signatures.push(Signature { keyid, sig });
            }
        }
        Ok(Signed { signed: role, signatures })
    }

    fn write(&self, repository: &Repository, signers: Option<&str>) -> Result<Written, AuthorError> {
        let Repository { folder, root, targets, releases, .. } = repository;
        verify(&root.signed, targets, "who may sign")?;
        let expires = self.expires(self.lives.online_days)?;
        let files = [("targets", bytes(targets)?), (RELEASES, bytes(releases)?)];
        let versions = [targets.signed.version, releases.signed.version];
        let meta = files.iter().zip(versions);
        let meta = meta.map(|((name, bytes), version)| (format!("{name}.json"), metafile(bytes, version)));
        let online = ids([&repository.roles()?.online]);
        let snapshot = Snapshot {
            meta: meta.collect(),
            ..Snapshot::new(SPEC_VERSION.to_owned(), repository.snapshot, expires)
        };
        let snapshot = self.sign(snapshot, &online)?;
        verify(&root.signed, &snapshot, "the snapshot")?;
        let snapshot_bytes = bytes(&snapshot)?;
        let meta = [("snapshot.json".to_owned(), metafile(&snapshot_bytes, repository.snapshot))];
        let timestamp = Timestamp {
            meta: meta.into(),
            ..Timestamp::new(SPEC_VERSION.to_owned(), repository.timestamp, expires)
        };
        let timestamp = self.sign(timestamp, &online)?;
        verify(&root.signed, &timestamp, "the timestamp")?;

        // All is signed; from here on only the disk can fail.
        let metadata = folder.join("metadata");
        if let Some(signers) = signers {
            let name = format!("{}.{SIGNERS}", Digest::of(signers.as_bytes()).hex());
            put(&folder.join("targets"), &name, signers.as_bytes())?;
        }
        for ((name, bytes), version) in files.iter().zip(versions) {
            put(&metadata, &format!("{version}.{name}.json"), bytes)?;
        }
        put(&metadata, &format!("{}.snapshot.json", repository.snapshot), &snapshot_bytes)?;
        let root_file = format!("{}.root.json", root.signed.version);
        put(&metadata, &root_file, &bytes(root)?)?;
        put(&metadata, "timestamp.json", &bytes(&timestamp)?)?;
        Ok(Written {
            root: root.signed.version.get(),
            targets: versions[0].get(),
            releases: versions[1].get(),
            listed: releases.signed.targets.len(),
            snapshot: repository.snapshot.get(),
            timestamp: repository.timestamp.get(),
            expires_ms: expires.as_millisecond(),
            root_file: metadata.join(root_file),
        })
    }
}

impl Repository {
    /// Opens the metadata of a registry, to change it.
    ///
    /// # Errors
    ///
    /// When there is none, or it is damaged.
    pub fn open(registry: &Path) -> Result<Repository, AuthorError> {
        let folder = registry.join(FOLDER);
        let metadata = folder.join("metadata");
        if !metadata.join("timestamp.json").exists() {
            return Err(AuthorError::None(registry.to_owned()));
        }
        let mut newest = 1;
        while metadata.join(format!("{}.root.json", newest + 1)).exists() {
            newest += 1;
        }
        let timestamp: Signed<Timestamp> = read(&metadata, "timestamp.json")?;
        let of = |meta: &HashMap<String, Metafile>, name: &str| {
            meta.get(name).map(|file| file.version).ok_or_else(|| AuthorError::Damaged {
                path: metadata.clone(),
                reason: format!("nothing names {name}"),
            })
        };
        let snapshot = of(&timestamp.signed.meta, "snapshot.json")?;
        let meta = read::<Signed<Snapshot>>(&metadata, &format!("{snapshot}.snapshot.json"))?.signed.meta;
        let targets = of(&meta, "targets.json")?;
        let releases = of(&meta, &format!("{RELEASES}.json"))?;
        Ok(Repository {
            root: read(&metadata, &format!("{newest}.root.json"))?,
            targets: read(&metadata, &format!("{targets}.targets.json"))?,
            releases: read(&metadata, &format!("{releases}.{RELEASES}.json"))?,
            folder,
            snapshot,
            timestamp: timestamp.signed.version,
        })
    }

    /// Returns whose keys count for what.
    ///
    /// # Errors
    ///
    /// When the root was not made here, and has other keys.
    pub fn roles(&self) -> Result<Roles, AuthorError> {
        let unfit = || AuthorError::Unfit("the root has other keys than Ed25519, or other roles".to_owned());
        let root = &self.root.signed;
        let public = |role: RoleType| -> Option<Vec<PublicKey>> {
            let public = |key: &Key| match key {
                Key::Ed25519 { keyval, .. } => {
                    PublicKey::from_bytes(keyval.public.as_ref().try_into().ok()?).ok()
                }
                _ => None,
            };
            root.keys(role).map(public).collect()
        };
        let offline = public(RoleType::Root).ok_or_else(unfit)?;
        let online = public(RoleType::Timestamp).ok_or_else(unfit)?;
        let threshold = root.roles.get(&RoleType::Root).ok_or_else(unfit)?.threshold;
        let [online] = <[PublicKey; 1]>::try_from(online).map_err(|_| unfit())?;
        Ok(Roles { root: offline, threshold, online })
    }

    /// Returns who may sign bundles, as it stands now.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn signers(&self) -> Result<String, AuthorError> {
        let target = target_name(SIGNERS)?;
        let target = self.targets.signed.targets.get(&target);
        let digest = target.map(|target| hex(&target.hashes.sha256)).unwrap_or_default();
        let path = self.folder.join("targets").join(format!("{digest}.{SIGNERS}"));
        fs::read_to_string(&path).map_err(|source| AuthorError::File { operation: "read", path, source })
    }

    fn later(self) -> Repository {
        Repository { snapshot: next(self.snapshot), timestamp: next(self.timestamp), ..self }
    }
}

fn next(version: NonZeroU64) -> NonZeroU64 {
    version.saturating_add(1)
}

fn ids<'k>(keys: impl IntoIterator<Item = &'k PublicKey>) -> Vec<Decoded<Hex>> {
    let mut ids: Vec<Decoded<Hex>> = Vec::new();
    for id in keys.into_iter().map(tuf_id) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn target_name(name: &str) -> Result<TargetName, AuthorError> {
    TargetName::new(name).map_err(|error| AuthorError::Unfit(error.to_string()))
}

fn hashes(digest: Digest) -> Hashes {
    Hashes { sha256: digest.as_bytes().to_vec().into(), _extra: HashMap::new() }
}

fn target(digest: Digest, length: u64, custom: HashMap<String, serde_json::Value>) -> Target {
    Target { length, hashes: hashes(digest), custom, _extra: HashMap::new() }
}

fn metafile(bytes: &[u8], version: NonZeroU64) -> Metafile {
    Metafile {
        length: Some(bytes.len() as u64),
        hashes: Some(hashes(Digest::of(bytes))),
        version,
        _extra: HashMap::new(),
    }
}

fn verify<T: Role + Serialize>(root: &Root, role: &Signed<T>, what: &str) -> Result<(), AuthorError> {
    root.verify_role(role).map_err(|error| lacking(what, &error))
}

fn lacking(what: &str, error: &dyn std::error::Error) -> AuthorError {
    AuthorError::Keys { what: what.to_owned(), reason: error.to_string() }
}

fn bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, AuthorError> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|error| AuthorError::Unfit(error.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<T, AuthorError> {
    let path = folder.join(name);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(source) => return Err(AuthorError::File { operation: "read", path, source }),
    };
    serde_json::from_slice(&bytes).map_err(|error| AuthorError::Damaged { path, reason: error.to_string() })
}

/// Writes a file so that after a crash it is whole or not there.
fn put(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), AuthorError> {
    let (new, path) = (folder.join(format!(".{name}.new")), folder.join(name));
    let written = || -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        if new.exists() {
            fs::remove_file(&new)?;
        }
        SystemDisk.write_new(&new, bytes)?;
        SystemDisk.rename(&new, &path)?;
        SystemDisk.sync_folder(folder)
    };
    written().map_err(|source| AuthorError::File { operation: "write", path: path.clone(), source })
}
