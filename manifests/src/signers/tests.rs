//! The document, and the judgement: a test per rule, with its exact reason.

use camshaft_cam::diagnostic::Source;
use camshaft_cam::digest::Digest;
use ed25519_dalek::{Signer, SigningKey};

use super::*;
use crate::reader::testing::check;
use crate::signature::{Envelope, PublicKey, Rejected, Signature, Statement};

fn private(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(seed: u8) -> PublicKey {
    PublicKey::from_bytes(private(seed).verifying_key().as_bytes()).expect("a good key")
}

fn document() -> String {
    format!(
        "format = 1\n\n[keys.ada]\npublic = \"{}\"\ncomment = \"in the safe\"\n\n[keys.grace]\npublic = \"{}\"\n\n\
         [keys.robot]\npublic = \"{}\"\n\n\
         [[release]]\nname = \"*\"\nsigners = [\"ada\", \"grace\", \"robot\"]\nthreshold = 1\n\n\
         [[release]]\nname = \"shop-*\"\nsigners = [\"robot\"]\nthreshold = 1\n\n\
         [[release]]\nname = \"shop\"\nsigners = [\"ada\", \"grace\"]\nthreshold = 2\nfloor = \"1.2.0\"\n",
        public(1),
        public(2),
        public(3)
    )
}

fn signers() -> Signers {
    read(&Source::new("signers.toml", document())).expect("a good document")
}

fn bundle(name: &str, version: &str) -> Statement {
    Statement {
        name: name.parse().expect("a name"),
        version: version.parse().expect("a version"),
        digest: Digest::of(format!("{name} {version}").as_bytes()),
    }
}

fn sign(statement: &Statement, seeds: &[u8]) -> Envelope {
    let mut envelope = Envelope::new(statement);
    for seed in seeds {
        let sig = private(*seed).sign(&envelope.signed_bytes()).to_bytes();
        envelope.add(&public(*seed), &sig).expect("a good signature");
    }
    envelope
}

/// Judges a bundle with an envelope, and compares the code and the text of the refusal.
#[track_caller]
fn refused(bundle: &Statement, envelope: Option<&Envelope>, code: &str, reason: &str) {
    let distrust = signers().judge(bundle, envelope).expect_err(reason);
    assert_eq!((distrust.code(), distrust.to_string().as_str()), (code, reason));
    assert!(Distrust::CODES.contains(&code) && !distrust.hint().is_empty());
}

#[test]
fn the_document_reads_back_what_it_writes() {
    let text = write(&signers());
    let again = read(&Source::new("signers.toml", text.as_str())).expect("what was written");
    assert_eq!((again.clone(), write(&again)), (signers(), text));
}

#[test]
fn each_fault_of_the_document_is_named_and_placed() {
    let refused = |text: &str, expect: &str| check(text, read, expect);
    let good = document();
    refused(
        &good.replace("format = 1", "format = 2"),
        "M0121 `2` this is format 2; this version of camshaft knows format 1",
    );
    refused(
        &good.replace(&public(2).to_string(), &public(1).to_string()),
        &format!(
            "M0112 `\"{}\"` the key {} stands twice in `keys.grace.public`",
            public(1),
            public(1).id().short()
        ),
    );
    refused(
        &good.replace(&format!("{}", public(3)), "ed25519:00"),
        "M0140 `\"ed25519:00\"` a public key is `ed25519:` and 64 lower-case hexadecimal digits, found `ed25519:00`\n\
         M0124 `\"robot\"` there is no key `robot` in `[keys]`\n\
         M0124 `\"robot\"` there is no key `robot` in `[keys]`",
    );
    refused(
        &good.replace("\"shop-*\"", "\"sh*p\""),
        "M0141 `\"sh*p\"` `sh*p` names no releases: write a name such as `shop`, or the beginning of names such as `shop-*`",
    );
    refused(&good.replace("\"shop-*\"", "\"shop\""), "M0112 `[[release]]` `shop` stands twice in `release`");
    refused(&good.replace("threshold = 2", "threshold = 3"), "M0142 `3` 3 of 2 signers can never sign");
    refused(
        &good.replace("threshold = 2", "threshold = 0"),
        "M0113 `0` `release.threshold` lies between 1 and 32",
    );
    refused(
        &good.replace("[\"robot\"]", "[\"rabbit\"]"),
        "M0124 `\"rabbit\"` there is no key `rabbit` in `[keys]`",
    );
    refused(
        &good.replace("\"ada\", \"grace\"]", "\"ada\", \"ada\"]"),
        "M0112 `\"ada\"` `ada` stands twice in `release.signers`",
    );
    let head = &good[..good.find("[[release]]").expect("rules")];
    refused(head, "M0103 `` the document needs the key `release`");
    refused(
        &format!("release = []\n{head}"),
        "M0115 `[]` `release` may not be empty: nothing could be installed",
    );
}

#[test]
fn the_whole_name_goes_before_the_beginnings_and_the_longer_of_these_before_the_shorter() {
    let signers = signers();
    let pattern = |name: &str| {
        let name = name.parse().expect("a name");
        signers.rule(&name).map(|rule| rule.releases.to_string()).unwrap_or_default()
    };
    assert_eq!(pattern("shop"), "shop");
    assert_eq!(pattern("shop-eu"), "shop-*");
    assert_eq!(pattern("shopping"), "*");
}

#[test]
fn a_bundle_with_enough_signatures_is_vouched_for_by_name() {
    let shop = bundle("shop", "1.2.0");
    let vouched = signers().judge(&shop, Some(&sign(&shop, &[1, 2, 3]))).expect("two of two");
    let mut names: Vec<&str> = vouched.by().iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!((names, vouched.threshold()), (vec!["ada", "grace"], 2));
}

#[test]
fn an_unsigned_bundle_is_refused() {
    let shop = bundle("shop", "1.2.0");
    refused(&shop, None, "unsigned", "shop 1.2.0 is not signed");
    refused(&shop, Some(&sign(&shop, &[])), "unsigned", "shop 1.2.0 is not signed");
}

#[test]
fn a_key_of_nobody_and_a_key_for_other_releases_are_refused() {
    let shop = bundle("shop", "1.2.0");
    for seed in [9, 3] {
        let id = public(seed).id();
        let reason =
            format!("0 of the signers have signed, 2 have to; the key {id} is not among those that may sign");
        refused(&shop, Some(&sign(&shop, &[seed])), "unknown-signer", &reason);
    }
}

#[test]
fn one_signature_where_two_are_asked_for_is_refused() {
    let shop = bundle("shop", "1.2.0");
    let reason = "1 of the signers have signed, 2 have to";
    refused(&shop, Some(&sign(&shop, &[1])), "too-few-signatures", reason);
}

#[test]
fn one_key_twice_is_one_signature() {
    let shop = bundle("shop", "1.2.0");
    let envelope = sign(&shop, &[1]);
    let Signature { keyid, sig } = &envelope.signatures()[0];
    let line = serde_json::json!({ "keyid": keyid, "sig": base64(sig) });
    let nameless = serde_json::json!({ "keyid": "", "sig": base64(sig) });
    let mut json: serde_json::Value = serde_json::from_str(&envelope.write()).expect("JSON");
    json["signatures"] = serde_json::json!([line, line, nameless]);
    let doubled = Envelope::read(json.to_string().as_bytes()).expect("an envelope");
    assert_eq!(doubled.signatures().len(), 3);
    let reason = "1 of the signers have signed, 2 have to";
    refused(&shop, Some(&doubled), "too-few-signatures", reason);
}

#[test]
fn a_signature_that_does_not_hold_is_refused() {
    let shop = bundle("shop", "1.2.0");
    let text = sign(&shop, &[1]).write();
    // The payload of another version under the signature of this one.
    let other = Envelope::new(&bundle("shop", "1.3.0")).write();
    let payload = |text: &str| {
        let json: serde_json::Value = serde_json::from_str(text).expect("JSON");
        json["payload"].as_str().expect("a text").to_owned()
    };
    let forged = text.replace(&payload(&text), &payload(&other));
    let forged = Envelope::read(forged.as_bytes()).expect("an envelope");
    let rejected = Rejected::Broken(public(1).id());
    let reason = format!("0 of the signers have signed, 2 have to; {rejected}");
    refused(&bundle("shop", "1.3.0"), Some(&forged), "bad-signature", &reason);
}

#[test]
fn signatures_of_another_bundle_are_refused() {
    let old = sign(&bundle("shop", "1.2.0"), &[1, 2]);
    let digests = [bundle("shop", "1.2.0"), bundle("shop", "1.3.0")].map(|bundle| bundle.digest.short());
    let reason = format!(
        "the signatures are for shop 1.2.0 ({}), and not for shop 1.3.0 ({})",
        digests[0], digests[1]
    );
    // A signed old release, passed off as a new one.
    refused(&bundle("shop", "1.3.0"), Some(&old), "other-bundle-signed", &reason);
    let rebuilt = Statement { digest: Digest::of(b"x"), ..bundle("shop", "1.2.0") };
    let reason = format!(
        "the signatures are for shop 1.2.0 ({}), and not for shop 1.2.0 ({})",
        digests[0],
        rebuilt.digest.short()
    );
    refused(&rebuilt, Some(&old), "other-bundle-signed", &reason);
}

#[test]
fn a_payload_of_another_type_is_refused_even_if_it_is_signed() {
    let shop = bundle("shop", "1.2.0");
    let mut json: serde_json::Value = serde_json::from_str(&sign(&shop, &[]).write()).expect("JSON");
    json["payloadType"] = "application/vnd.in-toto+json".into();
    let mut envelope = Envelope::read(json.to_string().as_bytes()).expect("an envelope");
    for seed in [1, 2] {
        let sig = private(seed).sign(&envelope.signed_bytes()).to_bytes();
        envelope.add(&public(seed), &sig).expect("a good signature");
    }
    let reason = "the signature file is refused: it signs another kind of thing: \
                  `application/vnd.in-toto+json` and not `application/vnd.camshaft.bundle+json`";
    refused(&shop, Some(&envelope), "bad-signature-file", reason);
}

#[test]
fn a_release_below_the_floor_is_refused_however_well_it_is_signed() {
    let old = bundle("shop", "1.1.9");
    let reason = "shop 1.1.9 is below the floor 1.2.0";
    refused(&old, Some(&sign(&old, &[1, 2])), "below-floor", reason);
    let candidate = bundle("shop", "1.2.0-rc.1");
    let reason = "shop 1.2.0-rc.1 is below the floor 1.2.0";
    refused(&candidate, Some(&sign(&candidate, &[1, 2])), "below-floor", reason);
}

#[test]
fn a_release_that_no_rule_is_about_is_refused() {
    let text = document();
    let start = text.find("[[release]]\nname = \"*\"").expect("the rule");
    let end = text[start + 1..].find("[[release]]").expect("the next rule") + start + 1;
    let text = format!("{}{}", &text[..start], &text[end..]);
    let signers = read(&Source::new("signers.toml", text)).expect("a good document");
    let other = bundle("other", "1.0.0");
    let distrust = signers.judge(&other, Some(&sign(&other, &[1, 2, 3]))).expect_err("no rule");
    assert_eq!(distrust.code(), "no-signers");
    assert_eq!(distrust.to_string(), "no rule says who may sign releases of other");
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
