//! Every bit of a bundle flipped: refused, or proved to say the same.

use super::*;
use crate::testing::{TILL, built};

/// What of the compressed form may differ without a difference in what it says. Header and trailer
/// of gzip are compared whole, so it lies between them: bits after the last block, lengths of codes that
/// do not occur, a reference to another place where the same bytes stand.
///
/// The proof is not that list but the archive: it unpacks to the same bytes.
fn check_flips(bytes: &[u8], step: usize) {
    let (good, tar) = (read(bytes).expect("good"), tar_of(bytes));
    let deflated = 10..bytes.len() - 8;
    let mut flipped = bytes.to_vec();
    let (mut tried, mut same) = (0, 0);
    for place in (0..bytes.len() * 8).step_by(step) {
        let (index, bit) = (place / 8, place % 8);
        tried += 1;
        flipped[index] ^= 1 << bit;
        if let Ok(bundle) = read(&flipped) {
            same += 1;
            assert!(deflated.contains(&index), "byte {index}, bit {bit} is of the header or the trailer");
            assert_eq!(tar_of(&flipped), tar, "byte {index}, bit {bit}");
            assert_eq!((bundle.digest(), bundle.files()), (good.digest(), good.files()));
        }
        flipped[index] ^= 1 << bit;
    }
    assert!(same * 20 < tried, "{same} of {tried} flipped bits are not noticed");
}

#[test]
fn no_flipped_bit_of_a_small_bundle_changes_what_is_read() {
    check_flips(&packed().bytes, 1);
}

/// A release with code. Every 11th bit, and with `CAMSHAFT_LONG` each.
#[test]
fn no_flipped_bit_of_a_release_changes_what_is_read() {
    let step = if std::env::var_os("CAMSHAFT_LONG").is_some() { 1 } else { 11 };
    check_flips(&built("1.0.0", &[], TILL, &[]).packed.bytes, step);
}
