//! Keys, signatures and trust, through the binary.

#[path = "trust/metadata.rs"]
mod metadata;
#[path = "trust/nodes.rs"]
mod nodes;

use std::path::{Path, PathBuf};

use camshaft_tests::{Done, World};
use serde_json::Value;

fn new_world() -> World {
    World::new(env!("CARGO_BIN_EXE_camshaft-under-test"))
}

/// Makes a key and returns its id.
fn new_key(world: &World, name: &str) -> String {
    let done =
        world.run(&["key", "new", "-o", name, "--comment", &format!("the key {name}"), "--json"]).expect(0);
    done.json()["keyid"].as_str().expect("a keyid").to_owned()
}

/// Writes a `signers.toml` in which these keys may sign everything.
fn write_signers(world: &World, file: &str, keys: &[&str], threshold: usize, more: &str) {
    let mut text = "format = 1\n".to_owned();
    let listed = world.run(&["key", "list", "--json"]).expect(0).json();
    for key in keys {
        let row = listed["keys"].as_array().expect("rows").iter();
        let row = row.clone().find(|row| row["public_file"] == format!("./{key}.pub")).expect("the key");
        text += &format!("[keys.{key}]\npublic = {}\n", row["public"]);
    }
    let names: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
    text += &format!(
        "[[release]]\nname = \"*\"\nsigners = [{}]\nthreshold = {threshold}\n{more}",
        names.join(", ")
    );
    world.write(file, &text);
}

fn inspect(world: &World, bundle: &Path, trust: &str) -> Done {
    world.run(&["inspect", text(bundle), "--trust", trust, "--json"])
}

/// Expects that a bundle is not trusted, for this reason.
#[track_caller]
fn distrusted(done: Done, code: &str, reason: &str) {
    let done = done.expect(1);
    let error = &done.json()["error"];
    assert_eq!((&error["code"], &error["message"]), (&Value::from(code), &Value::from(reason)));
    assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()));
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

fn signature_file(bundle: &Path) -> PathBuf {
    PathBuf::from(text(bundle).replace(".tar.gz", ".sig.json"))
}

#[test]
fn keys_are_made_once_for_their_owner_and_listed() {
    let world = new_world();
    let id = new_key(&world, "ada");
    assert_eq!(id.len(), 64);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(world.at("ada")).expect("a private key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let private = world.read("ada");
    assert!(private.starts_with(b"-----BEGIN PRIVATE KEY-----"));
    world.run(&["key", "new", "-o", "ada"]).refused("ada.pub is there already");
    std::fs::remove_file(world.at("ada.pub")).expect("a public key");
    world.run(&["key", "new", "-o", "ada"]).refused("ada is there already");
    assert_eq!(world.read("ada"), private, "no key is overwritten");
    world.run(&["key", "new", "-o", "ada.pub"]).refused("ada.pub cannot name a private key");
    world.run(&["key", "new", "-o", "x", "--comment", "a\nb"]).refused("a comment is one line");

    let other = new_key(&world, "grace");
    world.write("else.pub", "ssh-ed25519 AAAA");
    let done = world.run(&["key", "list", "--json"]).expect(0);
    let json = done.json();
    assert_eq!(json["keys"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&json["keys"][0]["keyid"], &json["keys"][0]["comment"]),
        (&other.into(), &"the key grace".into())
    );
    assert!(done.stderr.contains("left out: ./else.pub is no public key"), "{done:?}");
}

#[test]
fn signing_changes_no_byte_of_the_bundle_and_twice_is_once() {
    let world = new_world();
    let bundle = world.build("counter/v1");
    let before = std::fs::read(&bundle).expect("a bundle");
    let ids = [new_key(&world, "ada"), new_key(&world, "grace")];
    let sign = |key: &str| world.run(&["sign", text(&bundle), "--key", key, "--json"]).expect(0).json();
    assert_eq!(sign("ada")["added"], true);
    let once = std::fs::read(signature_file(&bundle)).expect("signatures");
    assert_eq!(sign("ada")["added"], false);
    assert_eq!(std::fs::read(signature_file(&bundle)).expect("signatures"), once);
    assert_eq!(sign("grace")["signatures"], 2);
    assert_eq!(std::fs::read(&bundle).expect("a bundle"), before);

    let shown = world.run(&["inspect", text(&bundle), "--json"]).expect(0).json();
    let mut keyids = ids.to_vec();
    keyids.sort();
    assert_eq!(shown["signatures"]["keyids"], serde_json::json!(keyids));
    assert_eq!(shown["signatures"]["trust"], Value::Null);
    let said = world.run(&["inspect", text(&bundle)]).expect(0).stdout;
    assert!(said.contains("none of this was verified: --trust FILE says whose signatures count"), "{said}");
}

#[test]
fn inspect_says_who_vouches_and_why_a_bundle_is_not_trusted() {
    let world = new_world();
    let bundle = world.build("counter/v1");
    for key in ["ada", "grace", "eve"] {
        new_key(&world, key);
    }
    write_signers(&world, "signers.toml", &["ada", "grace"], 2, "");
    write_signers(&world, "floor.toml", &["ada", "grace"], 1, "floor = \"9.0.0\"\n");
    let shown = world.run(&["inspect", text(&bundle), "--json"]).expect(0).json();
    let name =
        format!("{} {}", shown["name"].as_str().expect("a name"), shown["version"].as_str().expect("one"));

    distrusted(
        inspect(&world, &bundle, "signers.toml"),
        "unsigned",
        &format!("not trusted: {name} is not signed"),
    );
    world.run(&["sign", text(&bundle), "--key", "eve"]).expect(0);
    let done = inspect(&world, &bundle, "signers.toml").expect(1).json();
    assert_eq!(done["error"]["code"], "unknown-signer");
    world.run(&["sign", text(&bundle), "--key", "ada"]).expect(0);
    let done = inspect(&world, &bundle, "signers.toml").expect(1).json();
    assert_eq!(done["error"]["code"], "too-few-signatures");
    world.run(&["sign", text(&bundle), "--key", "grace"]).expect(0);
    let trusted = inspect(&world, &bundle, "signers.toml").expect(0).json();
    let by = &trusted["signatures"]["trust"]["by"];
    assert_eq!(by.as_array().map(Vec::len), Some(2), "{by}");
    distrusted(
        inspect(&world, &bundle, "floor.toml"),
        "below-floor",
        &format!("not trusted: {name} is below the floor 9.0.0"),
    );
}

#[test]
fn a_signature_file_of_another_bundle_is_neither_added_to_nor_believed() {
    let world = new_world();
    let bundle = world.build("counter/v1");
    let other = world.build("counter/v2");
    new_key(&world, "ada");
    write_signers(&world, "signers.toml", &["ada"], 1, "");
    world.run(&["sign", text(&other), "--key", "ada"]).expect(0);
    std::fs::copy(signature_file(&other), signature_file(&bundle)).expect("a copy");
    let done = inspect(&world, &bundle, "signers.toml").expect(1).json();
    assert_eq!(done["error"]["code"], "other-bundle-signed");
    world.run(&["sign", text(&bundle), "--key", "ada"]).refused("is about another bundle");
    std::fs::write(signature_file(&bundle), "{}").expect("writable");
    world.run(&["sign", text(&bundle), "--key", "ada"]).refused("it is no DSSE envelope: missing field");
    inspect(&world, &bundle, "signers.toml").expect(1);
}

#[test]
fn what_is_no_key_is_refused() {
    let world = new_world();
    let bundle = world.build("counter/v1");
    new_key(&world, "ada");
    let sign = |key: &str| world.run(&["sign", text(&bundle), "--key", key]);
    sign("ada.pub").refused("it holds the public key; the private one is in the file beside it");
    sign("nothing").refused("cannot read nothing");
    world.write("text", "hello");
    sign("text").refused("text is no private key: it has no `-----BEGIN PRIVATE KEY-----`");
    let garbled = String::from_utf8(world.read("ada")).expect("PEM").replace("MC4CAQ", "MC5CAQ");
    world.write("garbled", &garbled);
    sign("garbled").refused("garbled is no private key: it is garbled, encrypted, or of another algorithm");
    world.run(&["sign", text(&bundle)]).refused("--key <FILE>");
    assert!(!signature_file(&bundle).exists());
}

#[cfg(unix)]
mod with_a_command {
    use super::*;

    fn sign_with(world: &World, bundle: &Path, command: &str, more: &[&str]) -> Done {
        let mut words = vec!["sign", text(bundle), "--with", command, "--public-key", "ada.pub"];
        words.extend(more);
        world.run(&words)
    }

    /// A key service in a few lines: OpenSSL with the private key in a file.
    fn key_service(world: &World) -> Option<()> {
        let there = std::process::Command::new("openssl").arg("version").output();
        if !there.is_ok_and(|there| there.status.success()) {
            return None;
        }
        world.write(
            "service",
            "cat > asked\nopenssl pkeyutl -sign -rawin -in asked -inkey ada\necho \"key $CAMSHAFT_KEYID\" >&2\n",
        );
        Some(())
    }

    #[test]
    fn a_command_signs_in_the_role_of_a_key_service() {
        let world = new_world();
        let bundle = world.build("counter/v1");
        let id = new_key(&world, "ada");
        let Some(()) = key_service(&world) else { return };
        write_signers(&world, "signers.toml", &["ada"], 1, "");
        let done = sign_with(&world, &bundle, "sh ./service", &[]).expect(0);
        assert!(done.stderr.contains(&format!("key {id}")), "stderr is passed on: {done:?}");
        assert!(world.read("asked").starts_with(b"DSSEv1 36 application/vnd.camshaft.bundle+json "));
        inspect(&world, &bundle, "signers.toml").expect(0);
        let by_command = std::fs::read(signature_file(&bundle)).expect("signatures");
        std::fs::remove_file(signature_file(&bundle)).expect("signatures");
        world.run(&["sign", text(&bundle), "--key", "ada"]).expect(0);
        assert_eq!(std::fs::read(signature_file(&bundle)).expect("signatures"), by_command);
        std::fs::remove_file(signature_file(&bundle)).expect("signatures");
        sign_with(&world, &bundle, "sh ./service | base64", &[]).expect(0);
        assert_eq!(std::fs::read(signature_file(&bundle)).expect("signatures"), by_command);
    }

    #[test]
    fn what_a_command_does_wrong_is_told_and_nothing_is_written() {
        let world = new_world();
        let bundle = world.build("counter/v1");
        new_key(&world, "ada");
        new_key(&world, "eve");
        let fails = |command: &str, code: i32, reason: &str| {
            let done = sign_with(&world, &bundle, command, &["--timeout", "1"]).expect(code);
            assert!(done.stderr.contains(reason), "{done:?}");
            assert!(!signature_file(&bundle).exists());
        };
        fails(
            "echo no card >&2; exit 7",
            2,
            "no card\nerror: the command `echo no card >&2; exit 7` ended with exit status: 7",
        );
        fails("cat", 2, "`cat` answered with ");
        fails("true", 2, "`true` answered with 0 bytes that are no signature");
        fails("exec yes", 2, "the command `exec yes` answered with more than 4096 bytes");
        fails("exec sleep 60", 2, "the command `exec sleep 60` gave no answer within 1 s");
        fails("exec 1>&-; exec sleep 60", 2, "gave no answer within 1 s");
        fails("head -c 64 /dev/zero", 1, "what `head -c 64 /dev/zero` answered is no signature of the key ");
        fails("nothing-of-this-name", 2, "ended with exit status: 127");
        world.run(&["sign", text(&bundle), "--with", "cat"]).refused("--public-key <FILE>");
        sign_with(&world, &bundle, "cat", &["--key", "ada"]).refused("cannot be used with");
    }
}
