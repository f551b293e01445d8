//! What holds of every type and value.

use proptest::prelude::*;

use crate::testing::{any_ty, any_typed_pair, any_typed_value};
use crate::value::Value;

proptest! {
    #[test]
    fn generated_values_have_their_types((ty, value) in any_typed_value()) {
        prop_assert!(value.has_type(&ty));
    }

    #[test]
    fn binary_reads_back_what_it_writes((ty, value) in any_typed_value()) {
        prop_assert_eq!(Value::from_binary(&value.to_binary(&ty), &ty), Ok(value));
    }

    #[test]
    fn json_reads_back_what_it_writes((ty, value) in any_typed_value()) {
        let json = value.to_json(&ty);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{}", json);
        prop_assert_eq!(Value::from_json(&json, &ty), Ok(value), "{}", json);
    }

    #[test]
    fn equal_values_are_equal_bytes_and_equal_text((ty, left, right) in any_typed_pair()) {
        prop_assert_eq!(left == right, left.to_binary(&ty) == right.to_binary(&ty));
        prop_assert_eq!(left == right, left.to_json(&ty) == right.to_json(&ty));
        prop_assert_eq!(left == right, left.cmp(&right).is_eq());
    }

    /// The encoding is canonical: whatever is read is what would be written.
    #[test]
    fn changed_bytes_are_refused_or_another_value(
        (ty, value) in any_typed_value(),
        (place, bits, cut) in (any::<prop::sample::Index>(), 1..=255u8, any::<bool>()),
    ) {
        let mut bytes = value.to_binary(&ty);
        let place = place.index(bytes.len());
        if cut {
            bytes.truncate(place);
        } else {
            bytes[place] ^= bits;
        }
        if let Ok(other) = Value::from_binary(&bytes, &ty) {
            prop_assert!(other != value && other.has_type(&ty));
            prop_assert_eq!(other.to_binary(&ty), bytes);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(ty in any_ty(), bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(value) = Value::from_binary(&bytes, &ty) {
            prop_assert!(value.has_type(&ty));
            prop_assert_eq!(value.to_binary(&ty), bytes);
        }
    }

    #[test]
    fn json_of_another_type_is_refused_or_a_value(ty in any_ty(), (other, value) in any_typed_value()) {
        if let Ok(value) = Value::from_json(&value.to_json(&other), &ty) {
            prop_assert!(value.has_type(&ty));
        }
    }
}
