//! The envelope: what DSSE asks for, and what of a hostile one is refused.

use camshaft_cam::digest::Digest;
use ed25519_dalek::{Signer, SigningKey};

use super::*;

fn key(seed: u8) -> (SigningKey, PublicKey) {
    let private = SigningKey::from_bytes(&[seed; 32]);
    let public = PublicKey::from_bytes(private.verifying_key().as_bytes()).expect("a good key");
    (private, public)
}

fn statement(version: &str) -> Statement {
    Statement {
        name: "shop".parse().expect("a name"),
        version: version.parse().expect("a version"),
        digest: Digest::of(version.as_bytes()),
    }
}

fn signed(seeds: &[u8]) -> Envelope {
    let mut envelope = Envelope::new(&statement("1.0.0"));
    for seed in seeds {
        let (private, public) = key(*seed);
        let sig = private.sign(&envelope.signed_bytes()).to_bytes();
        assert_eq!(envelope.add(&public, &sig), Ok(Added::New));
    }
    envelope
}

/// DSSE, protocol.md, "Test vectors".
#[test]
fn the_encoding_is_that_of_the_test_vector() {
    let bytes = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
    assert_eq!(bytes, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    let envelope = Envelope::read(
        br#"{"payload": "aGVsbG8gd29ybGQ=",
             "payloadType": "http://example.com/HelloWorld",
             "signatures": [{"sig": "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="}]}"#,
    );
    let envelope = envelope.expect("the envelope of the test vector");
    assert_eq!(envelope.signed_bytes(), bytes);
    // It is signed with ECDSA, which is none of ours.
    assert_eq!(envelope.signed_by([&key(1).1]).rejected, [Rejected::UnknownKey(String::new())]);
    let other = EnvelopeError::OtherType("http://example.com/HelloWorld".to_owned());
    assert_eq!(envelope.statement(), Err(other));
}

/// RFC 8032, section 7.1, test 2; and that a name is what other implementations of TUF compute.
#[test]
fn keys_verify_what_the_standard_says_and_have_the_name_that_tuf_gives() {
    let public: PublicKey = "ed25519:3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        .parse()
        .expect("the key of the RFC");
    let sig = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
               085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
    let sig: Vec<u8> =
        (0..64).map(|i| u8::from_str_radix(&sig[2 * i..2 * i + 2], 16).expect("hexadecimal")).collect();
    assert!(public.verifies(&[0x72], &sig));
    assert!(!public.verifies(&[0x73], &sig));
    assert!(!public.verifies(&[0x72], &sig[..63]));
    let canonical = r#"{"keytype":"ed25519","keyval":{"public":"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"},"scheme":"ed25519"}"#;
    assert_eq!(public.id().to_string(), Digest::of(canonical.as_bytes()).hex());
    assert_eq!(public.to_string().parse(), Ok(public.clone()));
    let pem = format!("# a comment\n{}trailing", public.to_pem());
    assert_eq!(PublicKey::from_pem(&pem), Ok(public));
}

#[test]
fn what_is_no_key_is_refused_with_its_reason() {
    let zeros = "0".repeat(64);
    for (text, error) in [
        ("", KeyError::Form(String::new())),
        ("rsa:00", KeyError::Form("rsa:00".to_owned())),
        ("ed25519:3D", KeyError::Form("ed25519:3D".to_owned())),
        // Of small order: `R = O, s = 0` is a signature of everything.
        (&format!("ed25519:{zeros}"), KeyError::Weak),
        (&format!("ed25519:01{}", &zeros[2..]), KeyError::Weak),
        (&format!("ed25519:02{}", &zeros[2..]), KeyError::NoPoint),
    ] {
        assert_eq!(text.parse::<PublicKey>(), Err(error), "{text}");
    }
    assert_eq!(PublicKey::from_pem("-----BEGIN PRIVATE KEY-----"), Err(KeyError::Pem));
    let pem = key(1).1.to_pem();
    assert_eq!(PublicKey::from_pem(&pem[..pem.len() - 30]), Err(KeyError::Pem));
    // The object identifier of X25519 instead of Ed25519.
    assert_eq!(PublicKey::from_pem(&pem.replace("MCowBQYDK2Vw", "MCowBQYDK2Vu")), Err(KeyError::Pem));
    assert_eq!("ab".parse::<KeyId>(), Err(KeyError::Id("ab".to_owned())));
}

#[test]
fn an_envelope_reads_back_what_it_writes_in_one_order() {
    let envelope = signed(&[1, 2, 3]);
    let text = envelope.write();
    let again = Envelope::read(text.as_bytes()).expect("an envelope");
    assert_eq!(again.statement(), Ok(statement("1.0.0")));
    assert_eq!(again.write(), text);
    assert_eq!(signed(&[3, 1, 2]).write(), text);
    let keys = [key(1).1, key(2).1, key(3).1];
    assert_eq!(again.signed_by(&keys).by, keys.iter().map(PublicKey::id).collect());
}

#[test]
fn members_that_are_not_known_are_ignored_as_dsse_demands() {
    let text = signed(&[1]).write().replacen('{', "{\"later\": {\"x\": 1},", 1);
    let text = text.replace("\"keyid\"", "\"cert\": \"x\", \"keyid\"");
    let envelope = Envelope::read(text.as_bytes()).expect("an envelope");
    assert_eq!(envelope.signed_by([&key(1).1]).by.len(), 1);
}

#[test]
fn both_alphabets_of_base64_are_read() {
    let envelope = signed(&[1, 2, 3, 4]);
    let text = envelope.write();
    let line = |line: &str| match line.contains("\"sig\"") {
        true => line.replace('+', "-").replace('/', "_") + "\n",
        false => line.to_owned() + "\n",
    };
    let url_safe: String = text.lines().map(line).collect();
    assert_ne!(url_safe, text, "there is something to write otherwise");
    assert_eq!(Envelope::read(url_safe.as_bytes()).expect("an envelope").write(), text);
}

#[test]
fn each_fault_of_an_envelope_is_named() {
    let refused = |text: &str| Envelope::read(text.as_bytes()).expect_err(text).to_string();
    let json = |text: &str| {
        let reason = refused(text);
        assert!(reason.starts_with("it is no DSSE envelope: "), "{reason}");
        reason
    };
    json("");
    json("[1,2]x");
    assert!(json("{}").contains("missing field `payloadType`"));
    assert!(json(r#"{"payloadType":"a","payload":""}"#).contains("missing field `signatures`"));
    let doubled = r#"{"payloadType":"a","payload":"","payload":"YQ==","signatures":[]}"#;
    assert!(json(doubled).contains("duplicate field `payload`"));
    assert!(
        json(r#"{"payloadType":"a","payload":"","signatures":[{"keyid":"x"}]}"#)
            .contains("missing field `sig`")
    );
    let payload = r#"{"payloadType":"a","payload":"?","signatures":[]}"#;
    assert_eq!(refused(payload), "`payload` is no base64");
    let sig = r#"{"payloadType":"a","payload":"","signatures":[{"sig":"YQ"}]}"#;
    assert_eq!(refused(sig), "`sig` is no base64");
    let many = format!(
        r#"{{"payloadType":"a","payload":"","signatures":[{}]}}"#,
        vec![r#"{"sig":""}"#; SIGNATURES_MAX + 1].join(",")
    );
    assert_eq!(refused(&many), "a signature file has at most 32 signatures, this one has 33");
    let large = " ".repeat(ENVELOPE_BYTES_MAX + 1);
    assert_eq!(refused(&large), "a signature file has at most 16384 bytes, this one has 16385");
    json(&"[".repeat(ENVELOPE_BYTES_MAX));
}

#[test]
fn each_fault_of_a_statement_is_named() {
    let good = statement("1.0.0").write();
    assert_eq!(Statement::read(good.as_bytes()), Ok(statement("1.0.0")));
    let refused = |text: &str| Statement::read(text.as_bytes()).expect_err(text).to_string();
    let begins = "what is signed is no statement about a bundle: ";
    assert!(refused("{}").starts_with(begins));
    assert!(refused(&good.replace("1.0.0", "one")).contains("`one` is no semantic version"));
    assert_eq!(
        refused(&good.replace("bundle/1", "bundle/2")),
        "what is signed is a `camshaft/bundle/2`; this version of camshaft knows `camshaft/bundle/1`"
    );
    let canonical = "what is signed is not written as camshaft writes it";
    assert_eq!(refused(&format!("{good} ")), canonical);
    assert_eq!(refused(&good.replace("\"name\"", "\"more\":1,\"name\"")), canonical);
}

#[test]
fn a_second_signature_of_a_key_changes_nothing_and_a_broken_one_is_replaced() {
    let mut envelope = signed(&[1]);
    let before = envelope.clone();
    let (private, public) = key(1);
    let sig = private.sign(&envelope.signed_bytes()).to_bytes();
    assert_eq!(envelope.add(&public, &sig), Ok(Added::Already));
    assert_eq!(envelope, before);
    envelope.signatures[0].sig[0] ^= 1;
    assert_eq!(envelope.signed_by([&public]).rejected, [Rejected::Broken(public.id())]);
    assert_eq!(envelope.add(&public, &sig), Ok(Added::New));
    assert_eq!(envelope, before);
}

#[test]
fn what_a_key_did_not_sign_is_not_added() {
    let mut envelope = signed(&[1]);
    let (private, _) = key(2);
    let public = key(3).1;
    let sig = private.sign(&envelope.signed_bytes()).to_bytes();
    assert_eq!(envelope.add(&public, &sig), Err(EnvelopeError::NotSigned(public.id())));
    let (private, public) = key(2);
    // Signed as plain bytes, not in the encoding of DSSE.
    let sig = private.sign(&envelope.payload).to_bytes();
    assert_eq!(envelope.add(&public, &sig), Err(EnvelopeError::NotSigned(public.id())));
    assert_eq!(envelope.add(&public, b"short"), Err(EnvelopeError::NotSigned(public.id())));
}

#[test]
fn a_key_that_signs_under_many_names_counts_once() {
    let mut envelope = signed(&[1]);
    let (_, one) = key(1);
    let (_, two) = key(2);
    let first = envelope.signatures[0].clone();
    for name in ["", "ada", &two.id().to_string()] {
        envelope.signatures.push(Signature { keyid: name.to_owned(), ..first.clone() });
    }
    let signed = envelope.signed_by([&one, &two]);
    assert_eq!(signed.by, [one.id()].into());
    assert_eq!(signed.rejected, [Rejected::UnknownKey("ada".to_owned()), Rejected::Broken(two.id())]);
}
