//! What was once written must be read for ever: artefacts under `tests/compat/`.
//!
//! A generation, `tests/compat/vN/`, holds folders by name:
//!
//! - a machine: `source.cam`, `inputs.json`, `module.cam2` (its bytes when it was recorded) and
//!   `expected.json`: digests, what the verifier found out, and what each input did. A module that no
//!   compiler wrote has no source;
//! - a bundle: `bundle.tar.gz`, `inputs.json` (values for the arrows of its edges) and `expected.json`.
//!
//! What must stay true: nothing here is ever changed or taken away. When the compiler writes other
//! bytes for a source, and that is meant, the source is recorded once more, in a new generation; the
//! old one goes on being run.
//!
//! [`machine`] and [`bundle`] tell what bytes do, [`folder`] where they are kept.

mod bundle;
pub mod folder;
mod machine;

pub use bundle::expected_of_bundle;
pub use machine::{compiled, expected_of_machine};

use camshaft_cam::digest::Digest;
use camshaft_cam::run::Trap;
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use serde_json::json;

/// Tells a value in both of its forms; `digest` is the one that counts.
fn told(value: &Value, ty: &Ty) -> serde_json::Value {
    let bytes = value.to_binary(ty);
    json!({ "json": value.to_json(ty), "bytes": hex(&bytes), "digest": Digest::of(&bytes).hex() })
}

/// Reads back what [`told`] tells: both forms must give one value, and have this digest.
fn read_back(told: &serde_json::Value, ty: &Ty) -> Result<Value, String> {
    let part = |name: &str| told[name].as_str().ok_or_else(|| format!("`{name}` is missing in {told}"));
    let bytes = unhex(part("bytes")?)?;
    let value = Value::from_binary(&bytes, ty).map_err(|error| format!("old bytes are not read: {error}"))?;
    let same =
        Value::from_json(part("json")?, ty).map_err(|error| format!("old JSON is not read: {error}"))?;
    let holds = |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{what}: {told}")) };
    holds(value == same, "bytes and JSON are two values")?;
    holds(Digest::of(&bytes).hex() == part("digest")?, "the bytes have another digest")?;
    holds(value.to_binary(ty) == bytes, "the value is written in other bytes")?;
    holds(value.to_json(ty) == part("json")?, "the value is written in other JSON")?;
    Ok(value)
}

/// Returns the name of a trap, which stays what it is when its words are mended.
fn trap_name(trap: &Trap) -> String {
    match trap {
        Trap::Overflow => "overflow".to_owned(),
        Trap::DivisionByZero => "division by zero".to_owned(),
        Trap::Range => "range".to_owned(),
        Trap::Fail(why) => format!("fail: {why}"),
        Trap::Guard => "guard".to_owned(),
        Trap::Invariant(which) => format!("invariant: {which}"),
        Trap::Fuel => "fuel".to_owned(),
        Trap::Memory => "memory".to_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let pair = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(pair).collect();
    bytes.ok_or_else(|| format!("`{text}` is no hexadecimal"))
}
