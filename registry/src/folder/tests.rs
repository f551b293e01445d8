use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use camshaft_manifests::published::Stamp;
use camshaft_releases::bundle::{self, Bundle};

use super::*;
use crate::testing::{counter, stamp, yank};
use crate::{AppSearch, Wanted, find_app, pull, send};

fn folder() -> (tempfile::TempDir, Folder) {
    let root = tempfile::tempdir().expect("a temporary folder can be made");
    let folder = Folder::create(&root.path().join("registry")).expect("writable");
    (root, folder)
}

fn publish(folder: &Folder, bundle: &Bundle) -> Result<bool, RegistryError> {
    send(folder, bundle, None, stamp(), &mut |_, _| {}).map(|sent| sent.new)
}

fn wanted(text: &str) -> Wanted {
    text.parse().expect("a release")
}

fn archive(folder: &Folder, text: &str) -> Vec<u8> {
    let nothing = |_: &BTreeMap<Digest, u64>| BTreeMap::new();
    pull(folder, &wanted(text), nothing, &mut |_, _| {}).expect("it is there").archive
}

fn versions(folder: &Folder) -> Vec<String> {
    let entries = folder.list().expect("readable");
    entries.iter().map(|entry| format!("{} {}", entry.release.name, entry.release.version)).collect()
}

#[test]
fn what_is_pulled_is_what_was_published_to_the_byte() {
    let (_root, folder) = folder();
    let bundle = counter("shop", "1.0.0", "1.0.0", 0);
    assert!(publish(&folder, &bundle).expect("published"));
    assert_eq!(archive(&folder, "shop"), bundle.pack().expect("small").bytes);
    assert_eq!(
        archive(&folder, &format!("shop@{}", bundle.digest())).len(),
        archive(&folder, "shop@1.0.0").len()
    );
    let entry = &folder.list().expect("readable")[0];
    assert_eq!(entry.release.digest, bundle.digest());
    assert_eq!(entry.release.published, stamp());
    assert!(!entry.signed);
    let verified = folder.verify(|_| {}).expect("readable");
    assert_eq!((verified.faults, verified.unnamed, verified.leftovers), (vec![], 0, 0));
    assert_eq!((verified.releases, verified.blobs), (1, entry.release.files));
}

#[test]
fn a_published_version_never_becomes_anything_else() {
    let (_root, folder) = folder();
    let (one, other) = (counter("shop", "1.0.0", "1.0.0", 0), counter("shop", "1.0.0", "1.0.1", 5));
    assert!(publish(&folder, &one).expect("new"));
    assert!(!publish(&folder, &one).expect("the same again is no fault"));
    let refused = publish(&folder, &other).expect_err("another content");
    assert_eq!(
        refused.to_string(),
        format!("shop 1.0.0 is published already, as {}; this is {}", one.digest(), other.digest())
    );
    assert_eq!(archive(&folder, "shop"), one.pack().expect("small").bytes);
}

#[test]
fn a_version_of_an_application_is_the_same_in_all_releases() {
    let (_root, folder) = folder();
    publish(&folder, &counter("shop", "1.0.0", "1.4.0", 0)).expect("new");
    publish(&folder, &counter("till", "7.0.0", "1.4.0", 0)).expect("the same application");
    let refused = publish(&folder, &counter("shop", "2.0.0", "1.4.0", 5)).expect_err("another one");
    assert_eq!(
        refused.to_string(),
        "counter 1.4.0 is released in shop 1.0.0, and is something else there; bump it"
    );
    publish(&folder, &counter("shop", "2.0.0", "2.0.0", 5)).expect("bumped");
    assert_eq!(versions(&folder), ["shop 1.0.0", "shop 2.0.0", "till 7.0.0"]);
}

#[test]
fn a_release_is_published_as_what_it_is() {
    let (_root, folder) = folder();
    let bundle = counter("shop", "1.0.0", "1.0.0", 0);
    publish(&folder, &bundle).expect("new");
    let publication = |name: &str, version: &str| Publication {
        name: name.parse().expect("a name"),
        version: version.parse().expect("a version"),
        digest: bundle.digest(),
        stamp: stamp(),
        signature: None,
    };
    for (name, version) in [("till", "1.0.0"), ("shop", "2.0.0")] {
        let refused = folder.publish(&publication(name, version)).expect_err("another name");
        assert_eq!(refused.to_string(), format!("the bundle is shop 1.0.0, not {name} {version}"));
    }
    let nobody = Publication { digest: Digest::of(b"x"), ..publication("shop", "2.0.0") };
    assert_eq!(
        folder.publish(&nobody).expect_err("no files").to_string(),
        format!("the registry has no file {}", Digest::of(b"x"))
    );
    let garbled = Publication { digest: Digest::of(b"no manifest"), ..publication("shop", "2.0.0") };
    folder.put(b"no manifest").expect("any file may be there");
    assert!(matches!(folder.publish(&garbled), Err(RegistryError::Bundle(bundle::BundleError::Manifest(_)))));
    let stamp = Stamp { by: " ".to_owned(), ..stamp() };
    let blank = Publication { stamp, ..publication("shop", "1.0.0") };
    assert_eq!(
        folder.publish(&blank).expect_err("blank").to_string(),
        "the name of who does it is no text of 1 to 200 bytes"
    );
}

#[test]
fn a_yanked_release_is_not_chosen_and_can_still_be_fetched_by_its_digest() {
    let (_root, folder) = folder();
    let (one, two) = (counter("shop", "1.0.0", "1.0.0", 0), counter("shop", "1.1.0", "1.1.0", 1));
    for bundle in [&one, &two] {
        publish(&folder, bundle).expect("new");
    }
    let (name, version) = ("shop".parse().expect("a name"), "1.1.0".parse().expect("a version"));
    assert_eq!(folder.mark(&name, &version, Some(&yank())).expect("there").release.yanked, Some(yank()));
    assert_eq!(archive(&folder, "shop@^1"), one.pack().expect("small").bytes);
    assert_eq!(archive(&folder, &format!("shop@{}", two.digest())), two.pack().expect("small").bytes);
    let nothing = |_: &BTreeMap<Digest, u64>| BTreeMap::new();
    let refused = pull(&folder, &wanted("shop@1.1.0"), nothing, &mut |_, _| {}).expect_err("yanked");
    assert_eq!(refused.to_string(), "shop 1.1.0 was yanked: it was bad");
    assert!(refused.hint().ends_with(&format!("shop@{}", two.digest())));

    let again = Yank { reason: "another".to_owned(), ..yank() };
    assert_eq!(folder.mark(&name, &version, Some(&again)).expect("there").release.yanked, Some(yank()));
    assert!(!publish(&folder, &two).expect("published before"), "publishing again does not take a yank back");
    assert_eq!(folder.verify(|_| {}).expect("readable").faults, vec![]);
    folder.mark(&name, &version, None).expect("there");
    assert_eq!(archive(&folder, "shop"), two.pack().expect("small").bytes);

    let refused = folder.mark(&name, &"9.0.0".parse().expect("a version"), None).expect_err("not there");
    assert_eq!(refused.to_string(), "the registry has no shop 9.0.0; it has 1.1.0, 1.0.0");
    let blank = Yank { reason: String::new(), ..yank() };
    let refused = folder.mark(&name, &version, Some(&blank)).expect_err("no reason");
    assert_eq!(refused.to_string(), "the reason is no text of 1 to 1000 bytes");
}

#[test]
fn an_application_is_found_in_the_newest_release_that_holds_it_and_was_not_yanked() {
    let (_root, folder) = folder();
    for (version, app, start) in [("1.0.0", "1.4.0", 0), ("1.1.0", "1.4.0", 0), ("2.0.0", "2.0.0", 1)] {
        publish(&folder, &counter("shop", version, app, start)).expect("new");
    }
    let name = "counter".parse().expect("a name");
    let find = |range: &str| match find_app(&folder, &name, &range.parse().expect("a range")) {
        Ok(AppSearch::Found(found)) => format!("{} in {}", found.version, found.release.release.version),
        Ok(AppSearch::Yanked(found)) => format!("{} yanked", found.version),
        Ok(AppSearch::OutOfRange(has)) => format!("only {has:?}"),
        Err(error) => error.to_string(),
    };
    assert_eq!(find("=1.4.0"), "1.4.0 in 1.1.0");
    assert_eq!(find("*"), "2.0.0 in 2.0.0");
    let mark = |version: &str| {
        let name = "shop".parse().expect("a name");
        folder.mark(&name, &version.parse().expect("a version"), Some(&yank())).expect("there");
    };
    mark("1.1.0");
    assert_eq!(find("=1.4.0"), "1.4.0 in 1.0.0");
    mark("2.0.0");
    assert_eq!(find("^2"), "2.0.0 yanked");
    assert_eq!(find(">=1"), "1.4.0 in 1.0.0");
    assert_eq!(find("^3"), "only [1.4.0, 2.0.0]");
}

#[test]
fn only_what_is_not_there_is_fetched() {
    let (_root, folder) = folder();
    let (one, two) = (counter("shop", "1.0.0", "1.0.0", 0), counter("till", "1.0.0", "1.0.0", 0));
    publish(&folder, &one).expect("new");
    let sent = send(&folder, &two, None, stamp(), &mut |_, _| {}).expect("new");
    // The machine's code is the same; release.toml and the manifest name another release.
    assert_eq!((sent.sent.files, sent.sent.files_total), (2, 3));
    let archive = one.pack().expect("small").bytes;
    let garbage = vec![b"no bundle".to_vec(), archive];
    let pulled = pull(&folder, &wanted("till"), |contents| crate::gather(contents, garbage), &mut |_, _| {});
    let pulled = pulled.expect("it is there");
    assert_eq!((pulled.fetched.files, pulled.fetched.files_total), (2, 3));
    assert_eq!(pulled.archive, two.pack().expect("small").bytes);
    assert!(pulled.fetched.bytes < pulled.fetched.bytes_total);
}

#[test]
fn a_damaged_file_is_named_and_publishing_again_mends_it() {
    let (_root, folder) = folder();
    let bundle = counter("shop", "1.0.0", "1.0.0", 0);
    publish(&folder, &bundle).expect("new");
    let code = bundle.manifest().files.iter().find(|(path, _)| path.as_str().starts_with("code/"));
    let digest = code.expect("a machine").1.sha256;
    let path = folder.root().join(blob_path(digest));
    let mut bytes = fs::read(&path).expect("readable");
    bytes[0] ^= 1;
    fs::write(&path, &bytes).expect("writable");

    let reason = format!("its digest is {}", Digest::of(&bytes));
    let nothing = |_: &BTreeMap<Digest, u64>| BTreeMap::new();
    let refused = pull(&folder, &wanted("shop"), nothing, &mut |_, _| {}).expect_err("damaged");
    assert_eq!(refused.to_string(), format!("the file {} is damaged: {reason}", path.display()));
    let faults = folder.verify(|_| {}).expect("readable").faults;
    let hex = digest.hex();
    let what = format!("blobs/sha256/{}/{hex}", &hex[..2]);
    assert!(faults.contains(&Fault { what, reason }), "{faults:?}");
    assert!(faults.iter().any(|fault| fault.what == "shop 1.0.0"), "{faults:?}");

    assert!(!publish(&folder, &bundle).expect("published before"));
    assert_eq!(folder.verify(|_| {}).expect("readable").faults, vec![]);
    fs::remove_file(&path).expect("writable");
    let faults = folder.verify(|_| {}).expect("readable").faults;
    assert_eq!(faults[0].reason, format!("the registry has no file {digest}"));
}

#[test]
fn a_record_that_is_not_as_it_was_written_is_named() {
    let (_root, folder) = folder();
    publish(&folder, &counter("shop", "1.0.0", "1.0.0", 0)).expect("new");
    let path = folder.root().join("releases/shop/1.0.0.toml");
    let good = fs::read_to_string(&path).expect("readable");
    let damaged = |text: &str| {
        fs::write(&path, text).expect("writable");
        folder.list().expect_err("damaged").to_string()
    };
    let shown = path.display();
    assert!(damaged(&good[..good.len() / 2]).starts_with(&format!("the record {shown} is damaged: ")));
    let other = good.replace("\"1.0.0\"\ndigest", "\"1.0.1\"\ndigest");
    assert_eq!(damaged(&other), format!("the record {shown} is damaged: it is that of shop 1.0.1"));
    fs::write(&path, good.replace("files = 3", "files = 4")).expect("writable");
    let faults = folder.verify(|_| {}).expect("readable").faults;
    assert_eq!(faults[0].reason, "the record does not say what the bundle is");
    fs::write(path.with_file_name("x.toml"), "").expect("writable");
    fs::create_dir(folder.root().join("releases/No Name")).expect("writable");
    fs::write(&path, good).expect("writable");
    let faults = folder.verify(|_| {}).expect("readable").faults;
    let reasons: Vec<&str> = faults.iter().map(|fault| fault.reason.as_str()).collect();
    assert_eq!(reasons, ["this is no name of a release", "this is no record of a release"]);
}

#[test]
fn signatures_lie_beside_a_release_and_may_come_later() {
    let (_root, folder) = folder();
    let bundle = counter("shop", "1.0.0", "1.0.0", 0);
    publish(&folder, &bundle).expect("new");
    let signed = |bytes: usize| send(&folder, &bundle, Some(vec![b'x'; bytes]), stamp(), &mut |_, _| {});
    assert!(!signed(3).expect("the same release").new);
    let nothing = |_: &BTreeMap<Digest, u64>| BTreeMap::new();
    let pulled = pull(&folder, &wanted("shop"), nothing, &mut |_, _| {}).expect("it is there");
    assert_eq!((pulled.entry.signed, pulled.signature), (true, Some(b"xxx".to_vec())));
    assert_eq!(
        signed((1 << 20) + 1).expect_err("too large").to_string(),
        "a file of signatures has at most 1048576 bytes, this one has 1048577"
    );
}

#[test]
fn what_is_no_registry_is_left_alone() {
    let root = tempfile::tempdir().expect("a temporary folder can be made");
    let path = root.path();
    let refused = |result: Result<Folder, RegistryError>| result.expect_err("no registry").to_string();
    let shown = path.display();
    assert_eq!(refused(Folder::open(path)), format!("{shown} is no registry: it has no registry.toml"));
    fs::write(path.join("letter.txt"), "dear").expect("writable");
    assert_eq!(
        refused(Folder::create(path)),
        format!("{shown} is no registry: it is not empty and has no registry.toml")
    );
    fs::write(path.join(REGISTRY), "format = 9\n").expect("writable");
    assert!(
        refused(Folder::create(path)).contains("this is format 9; this version of camshaft knows format 1")
    );
    let file = path.join("letter.txt");
    assert_eq!(refused(Folder::create(&file)), format!("{} is no registry: it is no folder", file.display()));
    // Other folders beside ours are no concern of ours.
    fs::write(path.join(REGISTRY), published::write_registry()).expect("writable");
    fs::create_dir(path.join("tuf")).expect("writable");
    let folder = Folder::open(path).expect("a registry");
    assert_eq!(folder.verify(|_| {}).expect("readable").faults, vec![]);
}

/// A disk that stops at operation `left`, in the middle of a file when that is a write, and does
/// nothing more: what is on it then is what a crash leaves.
#[derive(Debug)]
struct Dying {
    left: Arc<AtomicUsize>,
}

impl Dying {
    fn alive(&self) -> io::Result<()> {
        let next = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        next.map(drop).map_err(|_| io::Error::other("the power is gone"))
    }
}

impl Disk for Dying {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.alive().and_then(|()| SystemDisk.create_folder(path))
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.alive() {
            fs::write(path, &bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        SystemDisk.write_new(path, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.alive().and_then(|()| SystemDisk.rename(from, to))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.alive().and_then(|()| SystemDisk.sync_folder(path))
    }
}

#[test]
fn a_crash_at_any_step_of_publishing_leaves_a_release_whole_or_unseen() {
    let bundle = counter("shop", "1.0.0", "1.0.0", 0);
    let packed = bundle.pack().expect("small").bytes;
    let (mut unseen, mut whole) = (0, 0);
    for step in 0.. {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        let path = root.path().join("registry");
        let left = Arc::new(AtomicUsize::new(step));
        let died = Folder::create_on(&path, Box::new(Dying { left }))
            .and_then(|folder| send(&folder, &bundle, Some(b"{}".to_vec()), stamp(), &mut |_, _| {}));
        // Whatever happened: it opens, shows nothing or all, and goes on.
        let folder = Folder::create(&path).expect("a crash leaves a registry, or nothing");
        match versions(&folder).len() {
            0 => unseen += 1,
            _ => {
                assert_eq!(archive(&folder, "shop"), packed, "died at step {step}");
                whole += 1;
            }
        }
        assert_eq!(folder.verify(|_| {}).expect("readable").faults, vec![], "died at step {step}");
        publish(&folder, &bundle).expect("leftovers are in nobody's way");
        assert_eq!(archive(&folder, "shop"), packed, "died at step {step}");
        if died.is_ok() {
            break;
        }
    }
    assert!(unseen > 20, "{unseen} steps come before the record has its name");
    assert_eq!(whole, 2, "the sync after the record has its name, and the run without a crash");
}

#[test]
fn publishers_at_once_do_not_get_into_each_others_way() {
    let (_root, folder) = folder();
    let path = folder.root().to_owned();
    // Each offers its own content as 1.0.0, and one release that is the same for all.
    let mine: Vec<Bundle> =
        (0..4).map(|start| counter("shop", "1.0.0", &format!("1.0.{start}"), start)).collect();
    let shared = counter("till", "1.0.0", "9.0.0", 9);
    let won: Vec<(Bundle, bool, bool)> = std::thread::scope(|scope| {
        let publishers: Vec<_> = mine
            .into_iter()
            .map(|bundle| {
                let (path, shared) = (&path, &shared);
                scope.spawn(move || {
                    let folder = Folder::open(path).expect("a registry");
                    let first = publish(&folder, shared).expect("the same for all");
                    let won = match publish(&folder, &bundle) {
                        Ok(new) => new,
                        Err(RegistryError::Immutable { .. }) => false,
                        Err(error) => panic!("{error}"),
                    };
                    (bundle, won, first)
                })
            })
            .collect();
        publishers.into_iter().map(|publisher| publisher.join().expect("no panic")).collect()
    });
    let winners: Vec<&Bundle> = won.iter().filter(|(_, won, _)| *won).map(|(bundle, ..)| bundle).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(won.iter().filter(|(_, _, first)| *first).count(), 1);
    assert_eq!(archive(&folder, "shop"), winners[0].pack().expect("small").bytes);
    assert_eq!(folder.verify(|_| {}).expect("readable").faults, vec![]);
}
