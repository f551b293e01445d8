//! What TUF promises, attack by attack, with its exact reason.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_manifests::signature::{PublicKey, SIGNATURE_BYTES};
use ed25519_dalek::{Signer as _, SigningKey as Private};
use tempfile::TempDir;

use super::author::{Author, AuthorError, Listed, Lives, Repository, Roles, SigningKey, Written};
use super::client::Listing;
use super::*;

const DAY: i64 = 24 * 3_600_000;
const NOW: i64 = 1_700_000_000_000;
const ONLINE: u8 = 9;

struct Key(Private, PublicKey);

impl Key {
    fn of(seed: u8) -> Key {
        let private = Private::from_bytes(&[seed; 32]);
        let public = PublicKey::from_bytes(private.verifying_key().as_bytes()).expect("a good key");
        Key(private, public)
    }
}

impl SigningKey for Key {
    fn public(&self) -> &PublicKey {
        &self.1
    }

    fn sign(&self, bytes: &[u8]) -> Result<[u8; SIGNATURE_BYTES], String> {
        Ok(self.0.sign(bytes).to_bytes())
    }
}

fn roles(root: &[u8], threshold: u64, online: u8) -> Roles {
    Roles {
        root: root.iter().map(|seed| Key::of(*seed).1).collect(),
        threshold: NonZeroU64::new(threshold).expect("not zero"),
        online: Key::of(online).1,
    }
}

fn listed(versions: &[&str]) -> Vec<Listed> {
    let one = |version: &&str| Listed {
        name: "shop".parse().expect("a name"),
        version: version.parse().expect("a version"),
        digest: Digest::of(version.as_bytes()),
        length: 7,
        yanked: None,
    };
    versions.iter().map(one).collect()
}

fn signers(floor: &str) -> String {
    let ada = Key::of(40).1;
    format!(
        "format = 1\n[keys.ada]\npublic = \"{ada}\"\n[[release]]\nname = \"*\"\nsigners = [\"ada\"]\n\
         threshold = 1\nfloor = \"{floor}\"\n"
    )
}

/// A registry on a disk that keys 1, 2 and 3 rule, two of them together.
struct Shop {
    root: TempDir,
}

impl Shop {
    fn new() -> Shop {
        let shop = Shop { root: tempfile::tempdir().expect("a folder") };
        let done = shop.with(&[1, 2, ONLINE], NOW, |author| {
            author.create(
                shop.root.path(),
                &roles(&[1, 2, 3], 2, ONLINE),
                &signers("1.0.0"),
                &listed(&["1.0.0"]),
            )
        });
        assert_eq!(done.expect("metadata").root, 1);
        shop
    }

    fn with<T>(&self, seeds: &[u8], now_ms: i64, act: impl FnOnce(&Author<'_>) -> T) -> T {
        let keys: Vec<Key> = seeds.iter().map(|seed| Key::of(*seed)).collect();
        let keys: Vec<&dyn SigningKey> = keys.iter().map(|key| key as &dyn SigningKey).collect();
        act(&Author { keys: &keys, lives: Lives { root_days: 365, online_days: 7 }, now_ms })
    }

    fn repository(&self) -> Repository {
        Repository::open(self.root.path()).expect("metadata")
    }

    fn refresh(&self, versions: &[&str], now_ms: i64) -> Written {
        let list = listed(versions);
        self.with(&[ONLINE], now_ms, |author| author.refresh(self.repository(), &list)).expect("refreshed")
    }

    fn path(&self, file: &str) -> PathBuf {
        self.root.path().join("tuf/metadata").join(file)
    }

    fn read(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.path(file)).expect(file)
    }

    fn write(&self, file: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(file), bytes).expect(file);
    }

    fn load(&self, before: Option<&Trusted>) -> Result<Trusted, MetadataError> {
        load(&self.read("1.root.json"), before, source(self.root.path()))
    }

    fn trusted(&self, before: Option<&Trusted>) -> Trusted {
        self.load(before).expect("metadata to be trusted")
    }

    #[track_caller]
    fn refused(&self, before: Option<&Trusted>, code: &str, reason: &str) {
        let error = self.load(before).expect_err(reason);
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(reason), "no `{reason}` in {error}");
    }
}

fn source(folder: &Path) -> Arc<dyn Source> {
    Arc::new(FolderSource::new(folder))
}

fn listing(trusted: &Trusted, version: &str) -> Listing {
    trusted.listing(&"shop".parse().expect("a name"), &version.parse().expect("a version"))
}

#[test]
fn what_was_written_is_trusted_and_says_who_may_sign_and_what_there_is() {
    let shop = Shop::new();
    let trusted = shop.trusted(None);
    assert_eq!((trusted.root, trusted.timestamp, trusted.snapshot), (1, 1, 1));
    assert_eq!(trusted.signers.rules()[0].floor.as_ref().map(ToString::to_string), Some("1.0.0".to_owned()));
    assert_eq!(listing(&trusted, "1.0.0"), Listing::As(Digest::of(b"1.0.0")));
    assert_eq!(listing(&trusted, "1.1.0"), Listing::No);

    let mut list = listed(&["1.0.0", "1.1.0"]);
    list[0].yanked = Some("it loses orders".to_owned());
    shop.with(&[ONLINE], NOW, |author| author.refresh(shop.repository(), &list)).expect("refreshed");
    let trusted = shop.trusted(Some(&trusted));
    assert_eq!(
        listing(&trusted, "1.0.0"),
        Listing::Yanked(Digest::of(b"1.0.0"), "it loses orders".to_owned())
    );
    assert_eq!((listing(&trusted, "1.1.0"), trusted.timestamp), (Listing::As(Digest::of(b"1.1.0")), 2));
}

#[test]
fn who_may_sign_is_said_by_the_root_keys_and_not_by_the_one_online() {
    let shop = Shop::new();
    let set = |seeds: &[u8]| {
        shop.with(seeds, NOW, |author| author.set_signers(shop.repository(), &signers("2.0.0")))
    };
    for seeds in [&[ONLINE][..], &[1, ONLINE], &[1, 1, ONLINE], &[1, 7, ONLINE]] {
        let error = set(seeds).expect_err("too few root keys");
        assert!(matches!(&error, AuthorError::Keys { what, .. } if what == "who may sign"), "{error}");
    }
    let error = set(&[1, 2]).expect_err("no online key");
    assert!(matches!(&error, AuthorError::Keys { what, .. } if what == "the snapshot"), "{error}");
    assert_eq!(shop.trusted(None).timestamp, 1, "nothing was changed");
    set(&[3, 1, ONLINE]).expect("two of three");
    let trusted = shop.trusted(None);
    assert_eq!(trusted.signers.rules()[0].floor.as_ref().map(ToString::to_string), Some("2.0.0".to_owned()));
}

#[test]
fn old_metadata_replayed_is_refused() {
    let shop = Shop::new();
    let old = shop.read("timestamp.json");
    shop.refresh(&["1.0.0", "1.1.0"], NOW);
    let trusted = shop.trusted(None);
    shop.write("timestamp.json", old);
    shop.refused(
        Some(&trusted),
        "metadata-older",
        "Found version 1 of timestamp metadata when we had previously fetched version 2",
    );
    // Who never saw the newer one cannot know; that is what expiry is for.
    assert_eq!(shop.trusted(None).timestamp, 1);
}

#[test]
fn frozen_metadata_expires_by_the_time_that_is_given_and_a_clock_that_goes_back_is_no_error() {
    let shop = Shop::new();
    let trusted = shop.trusted(None);
    assert!(trusted.reason_expired(NOW + 7 * DAY - 1).is_none());
    let error = trusted.reason_expired(NOW + 9 * DAY).expect("expired");
    assert_eq!(error.to_string(), "the timestamp of the metadata expired 48 h ago");
    assert_eq!(error.code(), "metadata-expired");
    assert!(trusted.reason_expired(NOW - 100 * DAY).is_none());
    // Loading again asks no clock either.
    assert_eq!(shop.trusted(Some(&trusted)).timestamp, 1);
    // A registry that is refreshed but whose root nobody signs anew expires as well.
    shop.refresh(&["1.0.0"], NOW + 366 * DAY);
    let error = shop.trusted(Some(&trusted)).reason_expired(NOW + 366 * DAY).expect("expired");
    assert_eq!(error.to_string(), "the root of the metadata expired 24 h ago");
}

#[test]
fn metadata_of_two_snapshots_does_not_mix() {
    let shop = Shop::new();
    let old = shop.read("1.releases.json");
    shop.refresh(&["1.0.0", "1.1.0"], NOW);
    let good = shop.read("2.releases.json");
    shop.write("2.releases.json", old);
    shop.refused(None, "metadata-mixed", "Hash mismatch");
    shop.write("2.releases.json", &good);
    let snapshot = shop.read("1.snapshot.json");
    shop.write("2.snapshot.json", snapshot);
    shop.refused(None, "metadata-mixed", "Hash mismatch");
    std::fs::remove_file(shop.path("2.snapshot.json")).expect("there");
    shop.refused(None, "metadata-unavailable", "2.snapshot.json");
}

#[test]
fn files_that_are_cut_garbled_or_endless_are_refused() {
    let shop = Shop::new();
    let timestamp = shop.read("timestamp.json");
    shop.write("timestamp.json", &timestamp[..timestamp.len() / 2]);
    shop.refused(None, "metadata-garbled", "Failed to parse timestamp metadata");
    shop.write("timestamp.json", vec![b' '; FILE_BYTES_MAX as usize + 10]);
    shop.refused(None, "metadata-too-large", "Maximum size 8388608");
    let other =
        String::from_utf8(timestamp.clone()).expect("JSON").replace("\"version\": 1", "\"version\": 2");
    shop.write("timestamp.json", other);
    shop.refused(None, "metadata-signature", "Failed to verify timestamp metadata");
    shop.write("timestamp.json", &timestamp);
    let longer = [shop.read("1.targets.json"), b" ".to_vec()].concat();
    shop.write("1.targets.json", longer);
    shop.refused(None, "metadata-too-large", "specified by snapshot.json");
    std::fs::remove_dir_all(shop.root.path().join("tuf")).expect("there");
    std::fs::create_dir_all(shop.root.path().join("tuf/metadata")).expect("writable");
    let empty = load(b"{}", None, source(shop.root.path())).expect_err("no root");
    assert_eq!(empty.code(), "metadata-garbled");
}

#[test]
fn root_keys_are_rotated_by_old_and_new_together() {
    let shop = Shop::new();
    let before = shop.trusted(None);
    let rotate = |seeds: &[u8]| {
        let (roles, list) = (roles(&[3, 4, 5], 2, 8), listed(&["1.0.0"]));
        shop.with(seeds, NOW, |author| author.rotate(shop.repository(), &roles, &signers("1.0.0"), &list))
    };
    let refused = |seeds: &[u8], expect: &str| match rotate(seeds) {
        Err(AuthorError::Keys { what, .. }) => assert_eq!(what, expect),
        other => panic!("{other:?}"),
    };
    refused(&[4, 5, 8], "the new root, as the old root keys do");
    refused(&[3, 4, 5, 8], "the new root, as the old root keys do");
    refused(&[1, 2, 4, 8], "the new root, as the new root keys do");
    rotate(&[1, 3, 4, 8]).expect("two of each");
    let after = shop.trusted(Some(&before));
    assert_eq!((after.root, after.timestamp), (2, 2));
    // From the pinned root too, and by what was trusted alone.
    assert_eq!(shop.trusted(None).root, 2);
    let again = load(&shop.read("1.root.json"), None, Arc::new(after.files.clone())).expect("the files");
    assert_eq!(again.root, 2);
    // The old online key signs nothing any more.
    let list = listed(&["1.0.0"]);
    let stale = shop.with(&[ONLINE], NOW, |author| author.refresh(shop.repository(), &list));
    assert!(matches!(stale, Err(AuthorError::Keys { .. })), "{stale:?}");
}

#[test]
fn a_root_without_the_old_threshold_is_refused() {
    let shop = Shop::new();
    let thief = tempfile::tempdir().expect("a folder");
    let theirs = roles(&[6, 7], 2, 8);
    shop.with(&[6, 7, 8], NOW, |author| author.create(thief.path(), &theirs, &signers("1.0.0"), &[]))
        .expect("made");
    let text = std::fs::read_to_string(thief.path().join("tuf/metadata/1.root.json")).expect("a root");
    shop.write("2.root.json", text.replace("\"version\": 1", "\"version\": 2"));
    shop.refused(None, "metadata-signature", "Failed to verify root metadata");
    // Nor is the older one tried again under the number of the next.
    shop.write("2.root.json", shop.read("1.root.json"));
    shop.refused(None, "metadata-older", "root metadata");
}

#[test]
fn a_newer_root_that_is_hidden_again_is_not_forgotten() {
    let shop = Shop::new();
    let old = tempfile::tempdir().expect("a folder");
    let copy = |file: &str| std::fs::write(old.path().join(file), shop.read(file)).expect("writable");
    let files = ["1.root.json", "1.snapshot.json", "1.targets.json", "1.releases.json", "timestamp.json"];
    files.into_iter().for_each(copy);
    let next = roles(&[1, 2, 3], 2, 8);
    shop.with(&[1, 2, 8], NOW, |author| author.rotate(shop.repository(), &next, &signers("1.0.0"), &[]))
        .expect("ok");
    let trusted = shop.trusted(None);
    std::fs::remove_file(shop.path("2.root.json")).expect("there");
    for file in files {
        shop.write(file, std::fs::read(old.path().join(file)).expect("readable"));
    }
    // The stolen online key of before signs the timestamp: it does not count for the root we know.
    shop.refused(Some(&trusted), "metadata-signature", "Failed to verify timestamp metadata");
}

#[test]
fn numbers_that_an_attacker_drove_up_are_given_up_when_the_online_key_changes() {
    let shop = Shop::new();
    let good = shop.read("timestamp.json");
    for _ in 0..5 {
        shop.refresh(&["1.0.0"], NOW);
    }
    let driven = shop.trusted(None);
    assert_eq!(driven.timestamp, 6);
    // The owners come back with the state from before the theft.
    shop.write("timestamp.json", good);
    shop.refused(Some(&driven), "metadata-older", "timestamp metadata");
    let next = roles(&[1, 2, 3], 2, 8);
    let list = listed(&["1.0.0"]);
    shop.with(&[1, 2, 8], NOW, |author| author.rotate(shop.repository(), &next, &signers("1.0.0"), &list))
        .expect("ok");
    let trusted = shop.trusted(Some(&driven));
    assert_eq!((trusted.root, trusted.timestamp), (2, 2));
}

#[test]
fn what_was_trusted_is_verified_from_its_files_and_damage_is_seen() {
    let shop = Shop::new();
    let trusted = shop.trusted(None);
    let pinned = shop.read("1.root.json");
    let again = load(&pinned, None, Arc::new(trusted.files.clone())).expect("the files");
    assert_eq!(again.files, trusted.files);
    for path in trusted.files.keys().filter(|path| **path != "metadata/1.root.json") {
        let mut files = trusted.files.clone();
        if let Some(bytes) = files.get_mut(path) {
            let at = bytes.len() / 2;
            bytes[at] ^= 1;
        }
        assert!(load(&pinned, None, Arc::new(files)).is_err(), "a flipped bit in {path}");
        let mut files = trusted.files.clone();
        files.remove(path);
        assert!(load(&pinned, None, Arc::new(files)).is_err(), "{path} is missing");
    }
}

#[test]
fn metadata_is_made_once_and_a_threshold_can_be_met() {
    let shop = Shop::new();
    let again = shop.with(&[1, 2, ONLINE], NOW, |author| {
        author.create(shop.root.path(), &roles(&[1, 2], 2, ONLINE), &signers("1.0.0"), &[])
    });
    assert!(matches!(again, Err(AuthorError::There(_))), "{again:?}");
    let other = tempfile::tempdir().expect("a folder");
    let never = shop.with(&[1, ONLINE], NOW, |author| {
        author.create(other.path(), &roles(&[1, 1], 2, ONLINE), &signers("1.0.0"), &[])
    });
    assert_eq!(never.expect_err("one key").to_string(), "2 of 1 root keys can never sign");
    assert!(matches!(Repository::open(other.path()), Err(AuthorError::None(_))));
}
