//! The key by which receivers know a call: stable for ever, unique among nodes.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::CallId;

/// What a node is, for as long as its data folder lives: 32 random bytes.
///
/// A node that goes back to a backup takes a new one: its instances give numbers again that they gave before, and
/// a new call must not have the key of an old one.
///
/// It is no secret of great worth, but it is not shown: who knows it can tell the keys of calls to come, and
/// send something else under them first.
#[derive(Clone)]
pub struct Identity(Zeroizing<[u8; 32]>);

impl Identity {
    /// Returns the identity that these bytes are.
    pub fn new(bytes: [u8; 32]) -> Identity {
        Identity(Zeroizing::new(bytes))
    }

    /// Returns the key of a call: `call_` and 43 letters, digits, `-` and `_`.
    ///
    /// Of 256 bits, so that no two calls of any nodes meet. The specification of webhooks asks for an id
    /// without `.`: what is signed is cut there.
    pub fn key(&self, call: &CallId) -> String {
        let instance = call.instance.to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).expect("HMAC takes a key of any length");
        mac.update(b"camshaft call 1\0");
        // The numbers are of fixed length and stand first, so that no two calls are the same bytes.
        mac.update(&call.seq.to_be_bytes());
        mac.update(&call.effect.to_be_bytes());
        mac.update(instance.as_bytes());
        format!("call_{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(instance: &str, seq: u64, effect: u32) -> CallId {
        CallId { instance: instance.parse().expect("an address"), seq, effect }
    }

    /// Receivers keep keys; a node of any later version must send the same ones.
    #[test]
    fn a_key_is_what_it_always_was() {
        let identity = Identity::new(std::array::from_fn(|index| u8::try_from(index).expect("small")));
        assert_eq!(
            identity.key(&call("shop/till/7", 3, 0)),
            "call_dY4b7JChOmq20S4CZwb-sguhdbxrDr8X9HOiuhmUrMI"
        );
    }

    #[test]
    fn every_part_of_a_call_and_the_node_tell_keys_apart() {
        let [one, other] = [1, 2].map(|byte| Identity::new([byte; 32]));
        let calls = [
            call("shop/till/7", 3, 0),
            call("shop/till/8", 3, 0),
            call("shop/till", 3, 0),
            call("shop/till/7", 4, 0),
            call("shop/till/7", 3, 1),
            // The same bytes, cut elsewhere.
            call("shop/till/7", 0, 3),
        ];
        let keys: std::collections::BTreeSet<String> =
            calls.iter().flat_map(|call| [one.key(call), other.key(call)]).collect();
        assert_eq!(keys.len(), 12);
        for key in keys {
            let (prefix, rest) = key.split_at(5);
            assert_eq!((prefix, rest.len()), ("call_", 43));
            assert!(rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{key}");
        }
        assert_eq!(one.key(&calls[0]), Identity::new([1; 32]).key(&calls[0]));
    }

    #[test]
    fn an_identity_is_not_shown() {
        assert_eq!(format!("{:?}", Identity::new([7; 32])), "Identity");
    }
}
