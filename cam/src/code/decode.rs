//! From bytes to modules. The bytes may come from anybody.
//!
//! What must stay true: no bytes lead to a panic, to a deep recursion or to an allocation that
//! the bytes do not pay for (each limit is checked before what it limits is built); and a module
//! has exactly one byte form, so that its digest is an identity. A decoded module is well formed,
//! not yet sensible: that is what [`crate::verify`] decides.
//!
//! The form is described in [`super::encode`], the numbering in [`super::canonical`].

mod parts;
mod reader;
#[cfg(test)]
mod tests;

use super::canonical::{canonical, code_types};
use super::encode::{MAGIC, Section, digest_of, encode_with};
use super::{Debug, Module, SEMANTICS};
use crate::digest::Digest;
use crate::ty::TyError;
use crate::value::binary::BinaryError;
use parts::Parts;
use reader::Reader;

/// The greatest module, in bytes.
pub const MODULE_BYTES_MAX: usize = 16 << 20;
/// The most types in a module.
pub const TYPES_MAX: usize = 4096;
/// The most instructions and blocks in a module. Either takes up to 64 bytes once decoded.
pub const OPS_MAX: usize = 1 << 20;
/// The most members that the tuples, records and variants of a module have together. A member
/// takes up to 100 bytes once decoded.
pub const MEMBERS_IN_ALL_MAX: usize = 1 << 18;
/// The most retired names in a module.
pub const RETIRED_MAX: usize = 1 << 16;
/// How deep blocks may nest within a function, its body counted. Every walk over code recurses
/// as deep as this.
pub const NESTING_MAX: u32 = 128;
/// The most bytes that all constants and defaults of fields take together. A value may take a
/// hundred times its bytes once decoded.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// Why bytes are not a module. Offsets are counted in bytes from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than [`MODULE_BYTES_MAX`].
    #[error("a module has at most {MODULE_BYTES_MAX} bytes, this one has {length}")]
    TooLong {
        /// The length in bytes.
        length: usize,
    },
    /// The magic is missing.
    #[error("not a CAM/2 module: it does not begin with `CAM2`")]
    Magic,
    /// Written for other semantics.
    #[error("byte {offset}: semantics version {found}, this program knows version {SEMANTICS}")]
    Semantics {
        /// Where.
        offset: usize,
        /// The version as written.
        found: u64,
    },
    /// A section that this version does not have.
    #[error("byte {offset}: unknown section {id}")]
    UnknownSection {
        /// Where.
        offset: usize,
        /// The section's number.
        id: u8,
    },
    /// A section that is not the one which stands here.
    #[error("byte {offset}: the section of {expected} is expected, found that of {found}")]
    SectionOrder {
        /// Where.
        offset: usize,
        /// Which section belongs here.
        expected: &'static str,
        /// Which stands here.
        found: &'static str,
    },
    /// Bytes follow the end of a section, or of the module.
    #[error("byte {offset}: {left} bytes follow the end of the {of}")]
    Trailing {
        /// Where.
        offset: usize,
        /// How many.
        left: usize,
        /// What has ended.
        of: &'static str,
    },
    /// The bytes end too early.
    #[error("byte {offset}: the bytes end within a {within}")]
    End {
        /// Where.
        offset: usize,
        /// What was being read.
        within: &'static str,
    },
    /// A number with needless bytes.
    #[error("byte {offset}: a number is longer than it needs to be")]
    NotMinimal {
        /// Where.
        offset: usize,
    },
    /// A number that is too great for its place.
    #[error("byte {offset}: a number is too great for its place")]
    NumberTooGreat {
        /// Where.
        offset: usize,
    },
    /// A count above the bytes that are left, or above its limit.
    #[error("byte {offset}: a count of {count} {what}, where at most {max} fit")]
    Count {
        /// Where.
        offset: usize,
        /// Of what.
        what: &'static str,
        /// The count as written.
        count: u64,
        /// The most that fit here.
        max: usize,
    },
    /// A byte that stands for nothing in its place.
    #[error("byte {offset}: {found} stands for no {expected}")]
    Tag {
        /// Where.
        offset: usize,
        /// What was expected.
        expected: &'static str,
        /// The byte.
        found: u8,
    },
    /// An opcode that this version does not have.
    #[error("byte {offset}: unknown opcode {opcode:#04x}")]
    UnknownOpcode {
        /// Where.
        offset: usize,
        /// The opcode.
        opcode: u8,
    },
    /// An index that names nothing, or something that is not read yet.
    #[error("byte {offset}: there is no {what} {index} here, only {count}")]
    Index {
        /// Where.
        offset: usize,
        /// What is named.
        what: &'static str,
        /// The index.
        index: u32,
        /// How many there are.
        count: usize,
    },
    /// Text that is not UTF-8.
    #[error("byte {offset}: a text is not UTF-8")]
    Utf8 {
        /// Where.
        offset: usize,
    },
    /// A type that breaks the rules of types.
    #[error("byte {offset}: {error}")]
    Type {
        /// Where.
        offset: usize,
        /// The rule.
        error: TyError,
    },
    /// A constant or default that is no value of its type.
    #[error("byte {offset}: a value is not of its type: {error}")]
    Value {
        /// Where the value begins.
        offset: usize,
        /// What is wrong, with an offset within the value.
        error: BinaryError,
    },
    /// Blocks nest deeper than [`NESTING_MAX`].
    #[error("byte {offset}: blocks nest more than {NESTING_MAX} deep")]
    TooDeep {
        /// Where.
        offset: usize,
    },
    /// The module says the same as one with another form.
    #[error("not in canonical form: {what}")]
    NotCanonical {
        /// What differs.
        what: &'static str,
    },
}

/// Reads a module.
///
/// # Errors
///
/// When the bytes are anything else than the one byte form of a module.
pub fn decode(bytes: &[u8]) -> Result<Module, DecodeError> {
    decode_digested(bytes).map(|(module, _)| module)
}

/// As [`decode`]; returns the module's digest too.
pub(crate) fn decode_digested(bytes: &[u8]) -> Result<(Module, Digest), DecodeError> {
    if bytes.len() > MODULE_BYTES_MAX {
        return Err(DecodeError::TooLong { length: bytes.len() });
    }
    let Some(rest) = bytes.strip_prefix(MAGIC) else { return Err(DecodeError::Magic) };
    let mut reader = Reader::new(rest, MAGIC.len());
    let offset = reader.offset();
    match reader.number()? {
        found if found == u64::from(SEMANTICS) => {}
        found => return Err(DecodeError::Semantics { offset, found }),
    }

    let mut parts = Parts::default();
    section(&mut reader, Section::Types, |reader| parts.types(reader))?;
    section(&mut reader, Section::Constants, |reader| parts.constants(reader))?;
    section(&mut reader, Section::Functions, |reader| parts.functions(reader))?;
    let entry = section(&mut reader, Section::Entry, |reader| parts.entry(reader))?;
    let (digested, types_of_code) = (&bytes[..reader.offset()], parts.types.len());
    let debug = match reader.left() {
        0 => Debug::default(),
        _ => section(&mut reader, Section::Debug, |reader| parts.debug(reader))?,
    };
    reader.finish("module")?;

    let Parts { types, constants, functions, .. } = parts;
    let module = Module { types, constants, functions, entry, debug };
    let named = code_types(&module).map_or_else(|| Err(reason_not_canonical(&module)), Ok)?;
    if named != types_of_code || encode_with(&module, named) != bytes {
        return Err(DecodeError::NotCanonical { what: "its bytes" });
    }
    let digest = digest_of(&module.entry, digested);
    Ok((module, digest))
}

/// Reads the head of a section and its content, which must end where the head says.
fn section<T>(
    reader: &mut Reader<'_>,
    expected: Section,
    content: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let name = |section| match section {
        Section::Types => "types",
        Section::Constants => "constants",
        Section::Functions => "functions",
        Section::Entry => "entry points",
        Section::Debug => "names",
    };
    let offset = reader.offset();
    let found = match reader.byte("module")? {
        1 => Section::Types,
        2 => Section::Constants,
        3 => Section::Functions,
        4 => Section::Entry,
        5 => Section::Debug,
        id => return Err(DecodeError::UnknownSection { offset, id }),
    };
    if found != expected {
        return Err(DecodeError::SectionOrder { offset, expected: name(expected), found: name(found) });
    }
    let mut inner = reader.inner("section")?;
    let result = content(&mut inner)?;
    inner.finish("section")?;
    Ok(result)
}

/// Returns what differs from the canonical form.
fn reason_not_canonical(module: &Module) -> DecodeError {
    let what = match canonical(module) {
        Err(_) => "its indices",
        Ok(canonical) if canonical.types != module.types => {
            "the types are not each once, all used, in order of first use"
        }
        Ok(canonical) if canonical.constants != module.constants => {
            "the constants are not each once, all used, in order of first use"
        }
        Ok(canonical) if canonical.functions != module.functions || canonical.entry != module.entry => {
            "the functions are not all used, callees first, in order of first use"
        }
        Ok(_) => "the names of functions end in empty ones, or outnumber the functions",
    };
    DecodeError::NotCanonical { what }
}
