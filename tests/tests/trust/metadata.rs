//! Nodes with a root pinned: the metadata of a registry says who may sign.

use std::path::Path;

use camshaft_releases::bundle;
use camshaft_tests::{Agent, Death, Done, World};
use serde_json::Value;

use super::{new_key, new_world, text, write_signers};

/// A registry of two root keys, an online key and a signer, and signed bundles of two versions.
struct Shop {
    world: World,
    bundles: [std::path::PathBuf; 2],
}

const ROOTS: [&str; 4] = ["--root-key", "root1", "--root-key", "root2"];

impl Shop {
    fn new() -> Shop {
        let world = new_world();
        let bundles = ["counter/v1", "counter/v2"].map(|version| world.build(version));
        for key in ["root1", "root2", "root3", "online", "other", "ada", "grace"] {
            new_key(&world, key);
        }
        write_signers(&world, "signers.toml", &["ada"], 1, "");
        for bundle in &bundles {
            world.run(&["sign", text(bundle), "--key", "ada"]).expect(0);
        }
        let shop = Shop { world, bundles };
        let mut words = vec!["init", "--signers", "signers.toml", "--threshold", "2"];
        words.extend(ROOTS);
        shop.trust(&words).expect(0);
        std::fs::copy(shop.world.at("registry/tuf/metadata/1.root.json"), shop.world.at("root.json"))
            .expect("a root");
        shop
    }

    fn trust(&self, words: &[&str]) -> Done {
        let mut line = vec!["trust"];
        line.extend(words);
        line.extend(["--dir", "registry"]);
        if !words.contains(&"--key") {
            line.extend(["--key", "online"]);
        }
        self.world.run(&line)
    }

    fn start(&self, data: &str) -> Agent {
        self.try_start(data).unwrap_or_else(|(log, death)| panic!("no start ({death:?}):\n{log}"))
    }

    fn try_start(&self, data: &str) -> Result<Agent, (String, Death)> {
        Agent::try_start_as(&self.world, data, &["--trust", "root.json", "--metadata", "registry"])
    }

    fn node(&self, agent: &Agent, words: &[&str]) -> Done {
        let mut line = vec!["node"];
        line.extend(words);
        line.extend(["--node", agent.url(), "--json"]);
        self.world.run(&line)
    }

    #[track_caller]
    fn refused(&self, agent: &Agent, words: &[&str], code: &str, reason: &str) {
        let error = self.node(agent, words).expect(1).json()["error"].clone();
        assert_eq!(error["code"], code, "{error}");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains(reason), "no `{reason}` in {message}");
        assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()));
    }

    fn metadata(&self, file: &str) -> std::path::PathBuf {
        self.world.at("registry/tuf/metadata").join(file)
    }
}

#[test]
fn a_node_takes_what_the_metadata_vouches_for_and_goes_back_when_all_has_expired() {
    let shop = Shop::new();
    let [one, two] = shop.bundles.each_ref().map(|path| text(path));
    shop.trust(&["refresh"]).expect(0);
    let shown =
        shop.world.run(&["trust", "show", "registry", "--root", "root.json", "--json"]).expect(0).json();
    assert_eq!((&shown["root"], &shown["snapshot"]), (&Value::from(1), &Value::from(2)));
    let agent = shop.start("data");
    shop.node(&agent, &["install", one]).expect(0);
    shop.node(&agent, &["upgrade", two]).expect(0);
    let status = shop.node(&agent, &["status"]).expect(0).json();
    assert_eq!(
        (&status["trust"]["kind"], &status["trust"]["metadata"]["snapshot"]),
        (&"root".into(), &2.into())
    );
    let history = shop.node(&agent, &["history"]).expect(0).json();
    assert_eq!(history["entries"][1]["vouched"][0]["signer"], "ada");

    // The source is gone; what was trusted is enough for what it vouches for.
    agent.stop();
    std::fs::rename(shop.world.at("registry/tuf"), shop.world.at("aside")).expect("moved");
    std::fs::create_dir(shop.world.at("registry/tuf")).expect("an empty one");
    let agent = shop.start("data");
    shop.node(&agent, &["rollback"]).expect(0);
    let history = shop.node(&agent, &["history"]).expect(0).json();
    assert_eq!(history["entries"][2]["what"], "rolled-back");
    agent.stop();

    // A node that never had any.
    let agent = shop.start("empty");
    shop.refused(&agent, &["install", one], "metadata-unavailable", "timestamp.json");
    agent.stop();
}

#[test]
fn a_revoked_signer_is_refused_once_the_metadata_says_so() {
    let shop = Shop::new();
    let [one, two] = shop.bundles.each_ref().map(|path| text(path));
    let agent = shop.start("data");
    shop.node(&agent, &["install", one]).expect(0);
    write_signers(&shop.world, "signers.toml", &["grace"], 1, "floor = \"2.0.0\"\n");
    let mut words = vec!["signers", "--signers", "signers.toml", "--root-key", "root1"];
    shop.trust(&words).refused("the keys at hand do not suffice to sign who may sign");
    words.extend(["--root-key", "root2"]);
    shop.trust(&words).expect(0);
    shop.refused(&agent, &["upgrade", two], "unknown-signer", "0 of the signers have signed, 1 have to");
    shop.world.run(&["sign", two, "--key", "grace"]).expect(0);
    shop.node(&agent, &["upgrade", two]).expect(0);
    shop.node(&agent, &["rollback"]).expect(0);
    agent.stop();
}

#[test]
fn replayed_mixed_and_foreign_metadata_is_refused_with_its_reason() {
    let shop = Shop::new();
    let [one, two] = shop.bundles.each_ref().map(|path| text(path));
    let old = std::fs::read(shop.metadata("timestamp.json")).expect("a timestamp");
    shop.trust(&["refresh"]).expect(0);
    let new = std::fs::read(shop.metadata("timestamp.json")).expect("a timestamp");
    let agent = shop.start("data");
    shop.node(&agent, &["install", one]).expect(0);
    std::fs::write(shop.metadata("timestamp.json"), &old).expect("writable");
    shop.refused(&agent, &["upgrade", two], "metadata-older", "older than what was trusted before");
    // Also after a restart: what was trusted is durable.
    agent.kill();
    let agent = shop.start("data");
    shop.refused(&agent, &["upgrade", two], "metadata-older", "older than what was trusted before");
    std::fs::write(shop.metadata("timestamp.json"), &new).expect("writable");
    std::fs::copy(shop.metadata("1.snapshot.json"), shop.metadata("2.snapshot.json")).expect("writable");
    shop.refused(&agent, &["upgrade", two], "metadata-mixed", "does not belong together");
    std::fs::write(shop.metadata("timestamp.json"), &new[..new.len() / 2]).expect("writable");
    shop.refused(&agent, &["upgrade", two], "metadata-garbled", "is garbled");
    std::fs::write(shop.metadata("timestamp.json"), vec![b' '; (8 << 20) + 1]).expect("writable");
    shop.refused(&agent, &["upgrade", two], "metadata-too-large", "is too large");
    agent.stop();
}

#[test]
fn root_keys_are_rotated_and_nodes_come_along() {
    let shop = Shop::new();
    let [one, two] = shop.bundles.each_ref().map(|path| text(path));
    let agent = shop.start("data");
    shop.node(&agent, &["install", one]).expect(0);
    let mut words =
        vec!["rotate", "--root-public", "root2.pub", "--root-public", "root3.pub", "--key", "other"];
    words.extend(ROOTS);
    shop.trust(&words).refused("the new root, as the new root keys do");
    words.extend(["--root-key", "root3"]);
    shop.trust(&words).expect(0);
    shop.trust(&["refresh"]).refused("the keys at hand do not suffice to sign the list of releases");
    shop.node(&agent, &["upgrade", two]).expect(0);
    let status = shop.node(&agent, &["status"]).expect(0).json();
    assert_eq!(status["trust"]["metadata"]["root"], 2);
    agent.stop();
    shop.start("data").stop();
}

#[test]
fn another_bundle_under_a_listed_name_is_refused() {
    let shop = Shop::new();
    let [one, _] = shop.bundles.each_ref().map(|path| text(path));
    let files = [("release.toml".parse().expect("a path"), b"no document".to_vec())].into();
    let (name, version) = ("counter".parse().expect("a name"), "1.0.0".parse().expect("a version"));
    let other = bundle::write(&name, &version, &files).expect("a bundle");
    publish(&shop.world.at("registry"), one);
    shop.trust(&["refresh"]).expect(0);
    shop.world.write("other.tar.gz", &other.bytes);
    let agent = shop.start("data");
    shop.refused(
        &agent,
        &["install", text(&shop.world.at("other.tar.gz"))],
        "listed-otherwise",
        "the registry lists counter 1.0.0 as ",
    );
    shop.node(&agent, &["install", one]).expect(0);
    agent.stop();
}

/// Publishes a bundle as the registry does.
fn publish(folder: &Path, path: &str) {
    use camshaft_registry::{Folder, send};
    let folder = Folder::open(folder).expect("a registry");
    let bundle = bundle::read(&std::fs::read(path).expect("a bundle")).expect("a bundle");
    let stamp = serde_json::from_value(serde_json::json!({ "at_ms": 0, "by": "test" }));
    send(&folder, &bundle, None, stamp.expect("a stamp"), &mut |_, _| {}).expect("published");
}

#[test]
fn over_http_a_node_takes_named_releases_with_the_signatures_and_metadata_of_its_registry() {
    let shop = Shop::new();
    for bundle in &shop.bundles {
        shop.world.run(&["publish", text(bundle), "--to", "registry"]).expect(0);
    }
    shop.trust(&["refresh"]).expect(0);
    let server = Agent::registry(&shop.world, "registry", None);
    let words = ["--trust", "root.json", "--registry", server.url()];
    let agent = Agent::try_start_as(&shop.world, "data", &words).expect("an agent");
    shop.node(&agent, &["install", "counter@1.0.0"]).expect(0);
    shop.node(&agent, &["try", "counter@2.0.0"]).expect(0);
    let history = shop.node(&agent, &["history"]).expect(0).json();
    assert_eq!(history["entries"][0]["vouched"][0]["signer"], "ada");
    let status = shop.node(&agent, &["status"]).expect(0).json();
    assert_eq!(status["trust"]["metadata"]["listed"], 2);

    // Yanked in signed metadata: the file itself is refused too.
    shop.world
        .run(&["registry", "yank", "counter@2.0.0", "--reason", "it loses counts", "--in", "registry"])
        .expect(0);
    shop.trust(&["refresh"]).expect(0);
    let two = text(&shop.bundles[1]);
    shop.refused(&agent, &["upgrade", two], "yanked", "counter 2.0.0 was yanked: it loses counts");
    server.kill();
    // Without the registry the node relies on what it trusted last.
    shop.refused(&agent, &["upgrade", two], "yanked", "counter 2.0.0 was yanked: it loses counts");
    assert_eq!(agent.stop(), Death::Code(0));
}

#[test]
fn what_was_kept_and_is_damaged_keeps_the_agent_from_starting() {
    let shop = Shop::new();
    let agent = shop.start("data");
    shop.node(&agent, &["install", text(&shop.bundles[0])]).expect(0);
    agent.stop();
    let path = shop.world.at("data/trust/metadata.json");
    let good = std::fs::read_to_string(&path).expect("metadata");
    let start = || {
        let words = ["agent", "--data", "data", "--listen", "127.0.0.1:0", "--trust", "root.json"];
        shop.world.run(&words)
    };
    std::fs::write(&path, &good[..good.len() / 2]).expect("writable");
    start().refused("metadata.json cannot be trusted from the pinned root: EOF while parsing");
    std::fs::write(&path, &good).expect("writable");
    shop.start("data").stop();

    shop.world.write("root.json", "{}");
    start().refused("what --trust names is no root of trust: the metadata is garbled");
    let words = ["agent", "--data", "x", "--trust", "signers.toml", "--metadata", "registry"];
    shop.world.run(&words).refused("signers.toml names signers, and needs no metadata");
    let words = ["agent", "--data", "x", "--trust", "root.json", "--metadata", "nowhere"];
    shop.world.run(&words).refused("nowhere is neither a folder nor an address");
}
