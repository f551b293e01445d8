//! The JSON form of values, for people and clients. It is directed by the type, and never hashed
//! or signed: only [`super::binary`] is.
//!
//! | type | JSON |
//! |---|---|
//! | Unit | `[]` |
//! | Bool | `true`, `false` |
//! | Int, Duration | a number; beyond ±(2^53-1) its digits as a string, since many readers would round it |
//! | Text | a string |
//! | Bytes | a string: base64 with padding, RFC 4648 section 4, strict |
//! | Option | `null`, or the value; the value of an Option in an Option is `{"Some":x}` |
//! | List | an array |
//! | Map with Text keys | an object by rising key |
//! | Map with other keys | an array of `[key,value]` by rising key |
//! | Tuple | an array |
//! | Record | an object in the order of declaration |
//! | Variant | `"Case"`, or `{"Case":payload}` |
//! | secret | what it holds; redacted: `"[secret]"` |
//!
//! There are two writers: [`Value::to_json`] for the answer to the caller, which is plain, and
//! [`Value::to_json_redacted`] for all that is kept or shown elsewhere: logs, status, history. What
//! was redacted cannot be read back.
//!
//! Read back is more than is written: keys in any order; fields that have a default or are
//! Options may be missing; an Int of any size in either form. All else is refused with its path:
//! unknown, doubled and missing keys, numbers with a fraction or an exponent, `-0`, needless
//! digits. [`read`] says how. What is wrong within a secret is told without a word of what was found
//! there.

mod base64;
mod read;
mod write;

pub use read::{BYTES_MAX, JsonError};

/// The greatest number that every reader of JSON takes exactly, and so the greatest that is
/// written as a number: 2^53 - 1, as in RFC 8259 section 6.
const NUMBER_MAX: u64 = (1 << 53) - 1;

#[cfg(test)]
mod tests;
