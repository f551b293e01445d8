//! What fuzzing looks at: a function per target, from any bytes to nothing. It panics when something
//! is not as it must be.
//!
//! `fuzz/` hands these to libFuzzer; the tests here hand them the committed corpora and all that once
//! failed, so that a fault found once is looked for on every change. `docs/testing.md` tells how.
//!
//! Where an input needs a type or values beside the text or bytes, it begins with a tape: one byte for
//! its length, and a byte for each choice that a generator makes. See [`with_tape`].

pub mod mutate;
mod run;
#[cfg(test)]
mod tests;
mod text;

use crate::code::decode::{self, NESTING_MAX};
use crate::code::encode::{digest, encode};
use crate::code::{canonical, disassemble};
use crate::testing::choices::Choices;
use crate::testing::program::{any_ty, any_value};
use crate::value::Value;
use crate::verify::{DEPTH_MAX, load};

pub use run::run;
pub use text::parse;

/// What a target does with an input.
pub type Body = fn(&[u8]);

/// All targets of this crate by name.
pub const TARGETS: [(&str, Body); 6] = [
    ("decode", decode),
    ("verify", verify),
    ("run", run),
    ("parse", parse),
    ("json", json),
    ("values", values),
];

/// Any bytes to the module decoder. What it takes has one byte form, is canonical, and can be shown.
pub fn decode(data: &[u8]) {
    let Ok(module) = decode::decode(data) else { return };
    assert_eq!(encode(&module), data, "what was decoded encodes to the same bytes");
    let again = canonical::canonical(&module).expect("what was decoded names only what it has");
    assert_eq!(again, module, "what was decoded is in canonical form");
    disassemble::disassemble(&module);
}

/// Any bytes to the door of a node. Both ways through it say the same, and what passes is within the
/// limits that the verifier promises.
pub fn verify(data: &[u8]) {
    let Ok(module) = decode::decode(data) else {
        assert!(load(data).is_err(), "bytes that are no module are not loaded");
        return;
    };
    let verified = match (load(data), crate::verify::verify(module.clone())) {
        (Ok(loaded), Ok(verified)) => {
            let facts = |of: &crate::verify::Verified| of.verified_module().facts.clone();
            assert_eq!(facts(&loaded), facts(&verified), "both ways find out the same");
            loaded
        }
        (Err(crate::verify::LoadError::Verify(loaded)), Err(verified)) => {
            assert_eq!(loaded, verified, "both ways refuse for the same reason");
            return;
        }
        (loaded, verified) => panic!("one way says {loaded:?}, the other {verified:?}"),
    };
    assert_eq!(verified.module(), &module, "verifying changes nothing");
    assert_eq!(verified.digest(), digest(&module), "the digest is that of the module");
    for facts in verified.verified_module().facts.iter() {
        assert!(facts.nesting <= crate::run::NESTING_MAX.max(NESTING_MAX), "blocks nest as deep as promised");
        assert!(facts.environment_max as usize <= DEPTH_MAX, "no more bindings than promised");
        assert!(facts.stack_max as usize <= DEPTH_MAX, "no more operands than promised");
    }
}

/// A tape for a type, and any text: to the reader of JSON. What it takes is of the type, and what is
/// written reads to the same.
pub fn json(data: &[u8]) {
    let (mut choices, rest) = with_tape(data);
    let ty = any_ty(&mut choices);
    if let Ok(value) = Value::from_json(&String::from_utf8_lossy(rest), &ty) {
        goes_round(&value, &ty);
    }
}

/// A tape for a type and a value, and any bytes: to the reader of the binary form. What it takes has
/// that one form; both forms of a value read to the same.
pub fn values(data: &[u8]) {
    let (mut choices, rest) = with_tape(data);
    let ty = any_ty(&mut choices);
    if let Ok(value) = Value::from_binary(rest, &ty) {
        assert_eq!(value.to_binary(&ty), rest, "a value has one binary form");
        goes_round(&value, &ty);
    }
    goes_round(&any_value(&mut choices, &ty), &ty);
}

fn goes_round(value: &Value, ty: &crate::ty::Ty) {
    assert!(value.has_type(ty), "what was read is of the type");
    let bytes = value.to_binary(ty);
    assert_eq!(Value::from_binary(&bytes, ty).as_ref(), Ok(value), "the binary form reads to the same");
    let json = value.to_json(ty);
    let again = Value::from_json_within(&json, ty, usize::MAX);
    assert_eq!(again.as_ref(), Ok(value), "the JSON form reads to the same: {json}");
    value.to_json_redacted(ty);
    value.to_source(ty);
}

/// Splits an input into the choices of its tape and the rest. Past the end of the tape, all choices
/// are the simplest.
pub fn with_tape(data: &[u8]) -> (Choices, &[u8]) {
    let (length, rest) = data.split_first().map_or((0, data), |(first, rest)| (usize::from(*first), rest));
    let (tape, rest) = rest.split_at(length.min(rest.len()));
    (Choices::replay(tape.iter().map(|byte| u32::from(*byte)).collect()), rest)
}

/// Returns an input: the other way round from [`with_tape`]. What a tape has above 255 choices is cut.
pub fn tape_before(tape: &[u8], rest: &[u8]) -> Vec<u8> {
    let tape = &tape[..tape.len().min(usize::from(u8::MAX))];
    let length = u8::try_from(tape.len()).expect("it was cut to what a byte counts");
    [&[length], tape, rest].concat()
}
