use camshaft_cam::derive::Strictness;

use super::*;
use crate::bundle;
use crate::crossing::{Given, cross};
use crate::project::Built;
use crate::testing::{TILL, built};

fn mended() -> String {
    TILL.replace("state.sum + by", "state.sum + by + 0")
}

fn wider() -> String {
    TILL.replace("sum: Int = 0", "sum: Int = 0, owner: Text = \"\"")
}

/// A node's hotfix, and a release that does not name it.
fn releases() -> [Built; 2] {
    let first = built("1.0.0", &[], TILL, &[]);
    [built("1.0.1", &[&first], &mended(), &[]), built("2.0.0", &[&first], &wider(), &[])]
}

fn crossing(old: &Built, new: &Built) -> Crossing {
    cross(&old.release, &new.release, &Given::default()).expect("two releases of one name")
}

fn bundle_of(built: &Built) -> Bundle {
    bundle::read(&built.packed.bytes).expect("a bundle")
}

/// Packs a patch anew whose files a test changed, with a document that is right.
fn repacked(patch: &Patch, change: impl FnOnce(&mut Patch)) -> Patch {
    let mut patch = patch.clone();
    change(&mut patch);
    patch.manifest.files =
        patch.files.iter().map(|(path, content)| (path.clone(), FileEntry::of(content))).collect();
    let text = document::write(&patch.manifest);
    let rest = patch.files.iter().map(|(path, content)| (path.as_str(), content.as_slice()));
    read(&archive::pack(std::iter::once((PATCH_PATH, text.as_bytes())).chain(rest)))
        .expect("files that have a place")
}

fn made() -> (Bundle, Patch) {
    let [hotfix, second] = releases();
    let bundle = bundle_of(&second);
    let packed = write(&crossing(&hotfix, &second), &bundle).expect("a patch");
    (bundle, read(&packed.bytes).expect("what was written"))
}

#[test]
fn a_patch_adds_the_way_and_nothing_else() {
    let [hotfix, second] = releases();
    let bundle = bundle_of(&second);
    let way = crossing(&hotfix, &second);
    let packed = write(&way, &bundle).expect("a patch");
    assert_eq!(write(&way, &bundle).expect("again"), packed, "the same way gives the same bytes");
    let patch = read(&packed.bytes).expect("what was written");
    assert_eq!(patch.digest(), packed.digest);
    let opened = open(&bundle, &patch).expect("it fits");
    assert_eq!(opened.digest, bundle.digest(), "it is the release that it was");
    assert_eq!(opened.resolved, way.release.resolved);
    assert!(opened.relups.contains(&way.relup) && opened.relups.len() == 2);
    assert_eq!(opened.edges.keys().collect::<Vec<_>>(), way.release.edges.keys().collect::<Vec<_>>());
    assert_eq!(
        file_name(&patch.manifest().name, &patch.manifest().from.version, &patch.manifest().to.version),
        "shop-1.0.1--2.0.0.tar.gz"
    );
}

#[test]
fn a_bundle_is_no_patch_and_a_patch_no_bundle() {
    let [hotfix, second] = releases();
    let bundle = bundle_of(&second);
    let packed = write(&crossing(&hotfix, &second), &bundle).expect("a patch");
    assert!(matches!(read(&second.packed.bytes), Err(PatchError::NoManifest)));
    assert!(matches!(bundle::read(&packed.bytes), Err(BundleError::NoManifest)));
    let mut cut = packed.bytes;
    cut.truncate(cut.len() - 1);
    assert!(matches!(read(&cut), Err(PatchError::Archive(_))));
    let garbled = archive::pack([(PATCH_PATH, &b"format = 1\n"[..])]);
    assert!(matches!(read(&garbled), Err(PatchError::Manifest(_))));
}

#[test]
fn a_patch_is_made_only_where_one_is_needed_and_can_be() {
    let first = built("1.0.0", &[], TILL, &[]);
    let second = built("2.0.0", &[&first], &wider(), &[]);
    let refused =
        |old: &Built, new: &Built| write(&crossing(old, new), &bundle_of(new)).unwrap_err().to_string();
    assert_eq!(refused(&first, &second), "there is no patch to make: 2.0.0 names 1.0.0 itself");
    let named = wider().replace("Text = \"\"", "Text").replace("{ sum: 0 }", "{ sum: 0, owner: \"\" }");
    let other = built("2.0.0", &[], &named, &[]);
    assert_eq!(refused(&first, &other), "there is no patch to make: nothing leads over for shop/till");
}

#[test]
fn a_patch_fits_one_bundle_only() {
    let (_, patch) = made();
    let [_, second] = releases();
    let other = bundle_of(&built("2.0.0", &[], &wider(), &[]));
    assert_ne!(other.digest(), second.release.digest);
    assert!(matches!(open(&other, &patch), Err(PatchError::Bundle { .. })));
}

#[test]
fn a_patch_that_does_more_is_refused() {
    let (bundle, patch) = made();
    let release = |patch: &Patch| {
        let text = String::from_utf8_lossy(&patch.files[&path(RELEASE_PATH)]).into_owned();
        resolved::read(&Source::new(RELEASE_PATH, text)).expect("a release")
    };
    fn path(text: &str) -> RelativePath {
        text.parse().expect("a path")
    }
    let with_release = |change: &dyn Fn(&mut ResolvedRelease)| {
        repacked(&patch, |patch| {
            let mut resolved = release(patch);
            change(&mut resolved);
            patch.files.insert(path(RELEASE_PATH), resolved::write(&resolved).into_bytes());
        })
    };
    let refused = |patch: &Patch| open(&bundle, patch).unwrap_err();
    let what = |error: PatchError| match error {
        PatchError::Changes { what, .. } => what,
        other => panic!("another fault: {other}"),
    };
    let strict = with_release(&|release| release.strictness = Strictness::Wire);
    assert_eq!(what(refused(&strict)), "the release itself is another");
    let elsewhere = with_release(&|release| {
        let first = release.predecessors.iter().find(|one| one.version.to_string() == "1.0.0");
        let first = first.expect("a predecessor").composition.clone();
        let added = release.predecessors.iter_mut().find(|one| one.version.to_string() == "1.0.1");
        // The hotfix is said to be made of what 1.0.0 is made of.
        added.expect("the hotfix").composition = first;
    });
    assert!(matches!(refused(&elsewhere), PatchError::Open(_)), "its edges begin at what nobody has");
    let other = with_release(&|release| {
        let added = release.predecessors.iter_mut().find(|one| one.version.to_string() == "1.0.1");
        added.expect("the hotfix").digest = Digest::of(b"another");
    });
    assert!(
        matches!(refused(&other), PatchError::Open(OpenError::Relup { .. })),
        "the relup starts elsewhere"
    );

    // The relup of the patch goes through the checker.
    let faulty = repacked(&patch, |patch| {
        let relup_at = path(&relup_path(&patch.manifest.from.version));
        let text = String::from_utf8_lossy(&patch.files[&relup_at]).into_owned();
        let mut way = relup::read(&Source::new("relup", text)).expect("a relup");
        way.up.retain(|one| one.word() != "try");
        patch.files.insert(relup_at, relup::write(&way).into_bytes());
    });
    match refused(&faulty) {
        PatchError::Open(OpenError::Relup { faults, .. }) => assert_eq!(faults[0].rule, "C14"),
        other => panic!("another fault: {other}"),
    }
    // An edge that was changed is not the one of its name.
    let damaged = repacked(&patch, |patch| {
        let edge =
            patch.files.keys().find(|path| path.as_str().starts_with("edges/")).expect("an edge").clone();
        patch.files.get_mut(&edge).expect("it is there").push(0);
    });
    assert!(matches!(refused(&damaged), PatchError::Open(OpenError::Decode { .. })));
    // It brings what the bundle has.
    let surplus = repacked(&patch, |patch| {
        let held = bundle.files().keys().find(|path| path.as_str().starts_with("edges/")).expect("an edge");
        patch.files.insert(held.clone(), bundle.files()[held].clone());
    });
    assert!(matches!(refused(&surplus), PatchError::Place { .. }));
    let text = document::write(&PatchManifest {
        files: [(path("code/x.cam2"), FileEntry::of(b""))].into(),
        ..patch.manifest().clone()
    });
    let placed = archive::pack([(PATCH_PATH, text.as_bytes()), ("code/x.cam2", &b""[..])]);
    assert!(matches!(read(&placed), Err(PatchError::Place { .. })), "code has no place in a patch");
}

#[test]
fn a_version_that_the_release_names_itself_is_not_patched() {
    let (bundle, patch) = made();
    let renamed = repacked(&patch, |patch| {
        // As if the hotfix had taken the version of a predecessor.
        patch.manifest.from.version = "1.0.0".parse().expect("a version");
        let relup = patch.files.remove(
            &relup_path(&"1.0.1".parse().expect("a version")).parse::<RelativePath>().expect("a path"),
        );
        drop(relup);
    });
    assert!(open(&bundle, &renamed).is_err());
}

#[test]
fn bundle_and_patch_in_one_piece_are_taken_apart_as_they_were_put_together() {
    let joined = join(b"bundle", b"patch");
    assert_eq!(split(&joined).expect("joined"), (&b"bundle"[..], Some(&b"patch"[..])));
    assert_eq!(split(b"bundle").expect("a bundle alone"), (&b"bundle"[..], None));
    let reason = |bytes: &[u8]| split(bytes).unwrap_err().to_string();
    assert_eq!(reason(&joined[..JOINED.len() + 3]), "this is no bundle with a patch: its length is cut off");
    assert_eq!(reason(&joined[..JOINED.len() + 9]), "this is no bundle with a patch: the bundle is cut off");
    assert_eq!(reason(&join(b"bundle", b"")), "this is no bundle with a patch: there is no patch in it");
}
