//! The byte form of records and snapshots: a format number, then the value in postcard's form.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::old::{Instance1, Instance2, Instance4, Instance5, Instance6, Record4, Saved5, Saved6};
use crate::record::Record;
use crate::snapshot::{InstanceSnapshot, Saved};

/// The format that this version writes. It reads all from 1 on.
///
/// | format | what is new in it |
/// |---|---|
/// | 1 | |
/// | 2 | an instance has what was kept aside of its state |
/// | 3 | a kept answer says which machine gave it; the control record `ClientsDropped` |
/// | 4 | inputs that a relup applies: `Source::Relup`, `MailOrigin::Relup` |
/// | 5 | in segments instead of SQLite; an input record names no type and no digest of a state, and says channel and life of a message; ports; `Record::Aside` |
/// | 6 | in a state snapshot, instances, messages and timers say which switch they went over last |
/// | 7 | in a state snapshot, an instance has what a rewind needs; the control record `Counted`; `Aside::Dropped` |
pub const FORMAT: u8 = 7;

/// Why bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Written by another version.
    #[error("format {0} is unknown; this version of camshaft reads formats 1 to {FORMAT}")]
    Format(u8),
    /// No bytes.
    #[error("it is empty")]
    Empty,
    /// Not what the format says.
    #[error("it is garbled: {0}")]
    Garbled(String),
    /// Something follows the value.
    #[error("{0} bytes follow its end")]
    Trailing(usize),
}

/// Returns the bytes of a value.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    encode_to(value, vec![])
}

/// Appends the bytes of a value to a buffer.
pub(crate) fn encode_to<T: Serialize>(value: &T, mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.push(FORMAT);
    postcard::to_extend(value, buffer).expect("a vector takes all bytes, and our shapes have known lengths")
}

/// Returns a record, whatever format it was written in.
pub(crate) fn decode_record(bytes: &[u8]) -> Result<Record, CodecError> {
    match format(bytes)? {
        (1..=4, rest) => whole::<Record4>(rest).map(Record::from),
        (_, rest) => whole(rest),
    }
}

/// Returns the format of bytes that [`encode`] wrote, and the bytes of the value.
fn format(bytes: &[u8]) -> Result<(u8, &[u8]), CodecError> {
    match bytes.split_first() {
        None => Err(CodecError::Empty),
        Some((format @ 1..=FORMAT, rest)) => Ok((*format, rest)),
        Some((format, _)) => Err(CodecError::Format(*format)),
    }
}

/// Returns the value of bytes that [`encode`] wrote, of a shape that only got cases at its end since
/// format 1.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    whole(format(bytes)?.1)
}

/// Returns the instance of a snapshot, whatever format it was written in.
pub(crate) fn decode_instance(bytes: &[u8]) -> Result<InstanceSnapshot, CodecError> {
    match format(bytes)? {
        (1, rest) => whole::<Instance1>(rest).map(InstanceSnapshot::from),
        (2, rest) => whole::<Instance2>(rest).map(InstanceSnapshot::from),
        (3 | 4, rest) => whole::<Instance4>(rest).map(InstanceSnapshot::from),
        (5, rest) => whole::<Instance5>(rest).map(InstanceSnapshot::from),
        (6, rest) => whole::<Instance6>(rest).map(InstanceSnapshot::from),
        (_, rest) => whole(rest),
    }
}

/// Returns the entry of a state snapshot in a folder of segments, whatever format it was written in.
pub(crate) fn decode_saved(bytes: &[u8]) -> Result<Saved, CodecError> {
    match format(bytes)? {
        (1..=5, rest) => whole::<Saved5>(rest).map(Saved::from),
        (6, rest) => whole::<Saved6>(rest).map(Saved::from),
        (_, rest) => whole(rest),
    }
}

fn whole<T: DeserializeOwned>(rest: &[u8]) -> Result<T, CodecError> {
    let (value, rest) =
        postcard::take_from_bytes(rest).map_err(|error| CodecError::Garbled(error.to_string()))?;
    if rest.is_empty() { Ok(value) } else { Err(CodecError::Trailing(rest.len())) }
}

/// Digests as 32 bytes; their own form in serde is a text of 71.
pub(crate) mod digest_bytes {
    use camshaft_cam::digest::Digest;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        digest.as_bytes().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        <[u8; 32]>::deserialize(deserializer).map(Digest::from_bytes)
    }
}

/// The same for a digest that may be missing.
pub(crate) mod optional_digest_bytes {
    use camshaft_cam::digest::Digest;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        digest: &Option<Digest>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        digest.as_ref().map(Digest::as_bytes).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Digest>, D::Error> {
        Ok(<Option<[u8; 32]>>::deserialize(deserializer)?.map(Digest::from_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_value_is_refused_with_the_reason() {
        let good = encode(&(7u64, "text"));
        assert_eq!(decode::<(u64, String)>(&good), Ok((7, "text".to_owned())));
        assert_eq!(decode::<(u64, String)>(&[]), Err(CodecError::Empty));
        let earlier = [&[1], &good[1..]].concat();
        assert_eq!(decode::<(u64, String)>(&earlier), Ok((7, "text".to_owned())));
        for format in [0, FORMAT + 1, 9] {
            assert_eq!(decode::<(u64, String)>(&[format, 0]), Err(CodecError::Format(format)));
        }
        let longer = [good.as_slice(), &[0, 0]].concat();
        assert_eq!(decode::<(u64, String)>(&longer), Err(CodecError::Trailing(2)));
        assert!(matches!(decode::<(u64, String)>(&good[..3]), Err(CodecError::Garbled(_))));
    }
}
