//! Nodes with signers pinned: what they take, what they refuse and why, and what they remember.

use std::path::{Path, PathBuf};

use camshaft_releases::bundle;
use camshaft_tests::{Agent, Death, Done, World};

use super::{new_key, new_world, signature_file, text, write_signers};

/// A world with the bundles of three versions, keys, and signers of which two have to sign.
struct Shop {
    world: World,
    bundles: [PathBuf; 3],
}

impl Shop {
    fn new() -> Shop {
        let world = new_world();
        let bundles = ["counter/v1", "counter/v2", "counter/v3"].map(|version| world.build(version));
        for key in ["ada", "grace", "eve"] {
            new_key(&world, key);
        }
        write_signers(&world, "signers.toml", &["ada", "grace"], 2, "");
        Shop { world, bundles }
    }

    fn sign(&self, bundle: &Path, keys: &[&str]) {
        for key in keys {
            self.world.run(&["sign", text(bundle), "--key", key]).expect(0);
        }
    }

    fn start(&self, trust: &str) -> Agent {
        Agent::try_start_as(&self.world, "data", &["--trust", trust])
            .unwrap_or_else(|(log, death)| panic!("the agent did not start ({death:?}):\n{log}"))
    }

    fn node(&self, agent: &Agent, words: &[&str]) -> Done {
        let mut line = vec!["node"];
        line.extend(words);
        line.extend(["--node", agent.url(), "--json"]);
        self.world.run(&line)
    }

    /// Expects that the node refuses a command with a bundle, and notes it.
    #[track_caller]
    fn refused(&self, agent: &Agent, verb: &str, bundle: &Path, code: &str, reason: &str) {
        let done = self.node(agent, &[verb, text(bundle)]).expect(1);
        let error = &done.json()["error"];
        assert_eq!(error["code"], code, "{error}");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains(reason), "no `{reason}` in {message}");
        if verb != "try" {
            let history = self.node(agent, &["history"]).expect(0).json();
            let last = history["entries"].as_array().and_then(|entries| entries.last()).expect("an entry");
            assert_eq!((&last["what"], &last["code"]), (&"refused".into(), &code.into()));
        }
    }
}

#[test]
fn signed_bundles_are_installed_and_upgraded_to_and_the_history_says_who_signed() {
    let shop = Shop::new();
    let [one, two, _] = &shop.bundles;
    shop.sign(one, &["ada", "grace"]);
    shop.sign(two, &["grace", "eve", "ada"]);
    let agent = shop.start("signers.toml");
    shop.node(&agent, &["install", text(one)]).expect(0);
    shop.node(&agent, &["try", text(two)]).expect(0);
    shop.node(&agent, &["upgrade", text(two)]).expect(0);
    let signers = |entry: &serde_json::Value| {
        let vouched = entry["vouched"].as_array().expect("a list").iter();
        let mut names: Vec<String> =
            vouched.map(|one| one["signer"].as_str().expect("a name").to_owned()).collect();
        names.sort();
        names
    };
    let history = shop.node(&agent, &["history"]).expect(0).json();
    assert_eq!(signers(&history["entries"][0]), ["ada", "grace"]);
    assert_eq!(signers(&history["entries"][1]), ["ada", "grace"], "eve may not sign, and is not named");
    assert_eq!(shop.node(&agent, &["status"]).expect(0).json()["trust"]["kind"], "signers");

    // The notes are durable.
    agent.kill();
    let agent = shop.start("signers.toml");
    assert_eq!(shop.node(&agent, &["history"]).expect(0).json(), history);
    shop.node(&agent, &["rollback"]).expect(0);
    agent.stop();
}

#[test]
fn what_is_not_vouched_for_is_refused_with_its_reason() {
    let shop = Shop::new();
    let [one, two, _] = &shop.bundles;
    let agent = shop.start("signers.toml");
    shop.refused(&agent, "install", one, "unsigned", "counter 1.0.0 is not signed");
    shop.sign(one, &["eve"]);
    shop.refused(
        &agent,
        "install",
        one,
        "unknown-signer",
        "0 of the signers have signed, 2 have to; the key ",
    );
    shop.sign(one, &["ada"]);
    shop.refused(&agent, "install", one, "too-few-signatures", "1 of the signers have signed, 2 have to");
    shop.sign(one, &["grace"]);
    shop.node(&agent, &["install", text(one)]).expect(0);

    // The signatures of what runs, beside what does not: an old release passed off as a new one.
    std::fs::copy(signature_file(one), signature_file(two)).expect("a copy");
    for verb in ["try", "upgrade"] {
        shop.refused(&agent, verb, two, "other-bundle-signed", "the signatures are for counter 1.0.0 (");
    }
    std::fs::write(signature_file(two), "{}").expect("writable");
    shop.refused(&agent, "upgrade", two, "bad-signature-file", "it is no DSSE envelope: missing field");
    std::fs::remove_file(signature_file(two)).expect("there");

    // One key twice.
    shop.sign(two, &["ada"]);
    let signatures = std::fs::read_to_string(signature_file(two)).expect("signatures");
    let mut json: serde_json::Value = serde_json::from_str(&signatures).expect("JSON");
    let first = json["signatures"][0].clone();
    json["signatures"] = serde_json::json!([first, first]);
    std::fs::write(signature_file(two), json.to_string()).expect("writable");
    shop.refused(&agent, "upgrade", two, "too-few-signatures", "1 of the signers have signed, 2 have to");
    let status = shop.node(&agent, &["status"]).expect(0).json();
    assert_eq!(status["running"]["version"], "1.0.0");
    agent.stop();
}

#[test]
fn a_bundle_is_not_opened_before_it_is_vouched_for() {
    let shop = Shop::new();
    let files = [("release.toml".parse().expect("a path"), b"no document".to_vec())].into();
    let (name, version) = ("counter".parse().expect("a name"), "1.0.0".parse().expect("a version"));
    let packed = bundle::write(&name, &version, &files).expect("a bundle with nothing good in it");
    shop.world.write("hollow.tar.gz", &packed.bytes);
    let hollow = shop.world.at("hollow.tar.gz");
    let agent = shop.start("signers.toml");
    shop.refused(&agent, "install", &hollow, "unsigned", "counter 1.0.0 is not signed");
    agent.stop();
    let agent = Agent::start(&shop.world, "other");
    shop.refused(&agent, "install", &hollow, "bad-bundle", "release.toml is garbled");
    agent.stop();
}

#[test]
fn a_revoked_key_and_a_raised_floor_refuse_what_is_new_and_never_the_way_back() {
    let shop = Shop::new();
    let [one, two, _] = &shop.bundles;
    shop.sign(one, &["ada", "grace"]);
    shop.sign(two, &["ada", "grace"]);
    let agent = shop.start("signers.toml");
    shop.node(&agent, &["install", text(one)]).expect(0);
    agent.stop();

    // Ada's key is revoked: what only she and Grace signed is refused where it never ran.
    write_signers(&shop.world, "revoked.toml", &["grace", "eve"], 2, "");
    let agent = shop.start("revoked.toml");
    shop.refused(&agent, "upgrade", two, "too-few-signatures", "1 of the signers have signed, 2 have to");
    shop.sign(two, &["eve"]);
    shop.node(&agent, &["upgrade", text(two)]).expect(0);
    agent.stop();

    write_signers(&shop.world, "floor.toml", &["grace", "eve"], 2, "floor = \"2.0.0\"\n");
    let agent = shop.start("floor.toml");
    shop.node(&agent, &["rollback"]).expect(0);
    let status = shop.node(&agent, &["status"]).expect(0).json();
    assert_eq!(status["running"]["version"], "1.0.0");
    // It ran here and was vouched for: going there again is no new permission either.
    shop.node(&agent, &["try", text(two)]).expect(0);
    agent.stop();

    let other = Agent::try_start_as(&shop.world, "other", &["--trust", "floor.toml"]).expect("an agent");
    shop.refused(&other, "install", one, "below-floor", "counter 1.0.0 is below the floor 2.0.0");
    other.stop();
}

#[test]
fn without_trust_unsigned_bundles_are_taken_on_loopback_and_nowhere_else() {
    let shop = Shop::new();
    let agent = Agent::start(&shop.world, "data");
    shop.node(&agent, &["install", text(&shop.bundles[0])]).expect(0);
    assert_eq!(shop.node(&agent, &["status"]).expect(0).json()["trust"]["kind"], "anybody");
    agent.stop();
    let everywhere = ["agent", "--data", "other", "--listen", "0.0.0.0:0"];
    let done = shop.world.run(&everywhere).refused("takes bundles of anybody listens on loopback only");
    assert!(done.stderr.contains("hint: add --trust FILE"), "{done:?}");

    // Trust that comes later: what runs stays, but nobody vouched for it.
    let agent = shop.start("signers.toml");
    let history = shop.node(&agent, &["history"]).expect(0).json();
    assert_eq!(history["entries"][0]["vouched"], serde_json::json!([]));
    shop.refused(&agent, "upgrade", &shop.bundles[1], "unsigned", "counter 2.0.0 is not signed");
    agent.stop();
}

#[test]
fn agent_toml_may_name_the_signers() {
    let shop = Shop::new();
    shop.world
        .write("node/agent.toml", "data = \"data\"\nlisten = \"127.0.0.1:0\"\ntrust = \"../signers.toml\"\n");
    let agent = Agent::start_words(&shop.world, "node", &["--config", "node/agent.toml"]);
    shop.refused(&agent, "install", &shop.bundles[0], "unsigned", "counter 1.0.0 is not signed");
    agent.stop();
}

#[test]
fn notes_that_are_damaged_keep_the_agent_from_starting_until_they_are_moved_away() {
    let shop = Shop::new();
    shop.sign(&shop.bundles[0], &["ada", "grace"]);
    let agent = shop.start("signers.toml");
    shop.node(&agent, &["install", text(&shop.bundles[0])]).expect(0);
    agent.stop();
    let path = shop.world.at("data/trust/vouched.json");
    let good = std::fs::read_to_string(&path).expect("the notes");
    // The name as a whole: key ids are hex, and may have these letters too.
    let bad = good.replace("\"ada\"", "\"eve\"");
    assert_ne!(bad, good);
    std::fs::write(&path, bad).expect("writable");
    let start = || Agent::try_start_as(&shop.world, "data", &["--trust", "signers.toml"]);
    let (log, death) = start().expect_err("damaged");
    assert_eq!(death, Death::Code(1));
    assert!(log.is_empty() || log.contains("ready"), "with --json the error is on stdout: {log}");
    let done =
        shop.world.run(&["agent", "--data", "data", "--listen", "127.0.0.1:0", "--trust", "signers.toml"]);
    done.refused("vouched.json is damaged: its content is not what its digest says; move it away");
    std::fs::rename(&path, shop.world.at("aside.json")).expect("moved away");
    start().expect("it starts without them").stop();
}

#[test]
fn a_document_that_does_not_say_who_may_sign_is_refused_with_all_its_faults() {
    let shop = Shop::new();
    shop.world.write("bad.toml", "format = 1\n[keys.ada]\npublic = \"x\"\n[[release]]\nname = \"*\"\n");
    let done = shop.world.run(&["agent", "--data", "data", "--trust", "bad.toml"]);
    let done = done.refused("bad.toml does not say who may sign");
    for code in ["M0140", "M0103"] {
        assert!(done.stderr.contains(code), "no {code} in {done:?}");
    }
    assert!(!shop.world.at("data").exists());
}

#[test]
fn what_a_node_fetches_by_itself_is_judged_like_what_is_sent() {
    let shop = Shop::new();
    let [one, two, _] = &shop.bundles;
    let publish = |bundle: &Path| shop.world.run(&["publish", text(bundle), "--to", "registry"]).expect(0);
    shop.sign(one, &["ada", "grace"]);
    publish(one);
    publish(two);
    let arguments = ["--trust", "signers.toml", "--registry", "registry"];
    let agent = Agent::try_start_as(&shop.world, "data", &arguments)
        .unwrap_or_else(|(log, death)| panic!("the agent did not start ({death:?}):\n{log}"));
    shop.node(&agent, &["install", "counter@1.0.0"]).expect(0);
    shop.refused(&agent, "upgrade", Path::new("counter@2.0.0"), "unsigned", "counter 2.0.0 is not signed");
    // Signed later, and published again with its signatures.
    shop.sign(two, &["ada", "grace"]);
    publish(two);
    shop.node(&agent, &["upgrade", "counter@2.0.0"]).expect(0);
}

#[test]
fn a_node_that_trusts_signers_takes_no_patch_that_nobody_signed() {
    let shop = Shop::new();
    let [hotfix, two, patch] = camshaft_tests::project::hotfixed_counter(&shop.world);
    shop.sign(&hotfix, &["ada", "grace"]);
    shop.sign(&two, &["ada", "grace"]);
    let agent = shop.start("signers.toml");
    shop.node(&agent, &["install", text(&hotfix)]).expect(0);
    let done = shop.node(&agent, &["upgrade", text(&two), "--patch", text(&patch)]).expect(1).json();
    assert_eq!(done["error"]["code"], "unsigned", "{done}");
    assert_eq!(agent.client().release().expect("a release runs").0, "1.0.1");
}
