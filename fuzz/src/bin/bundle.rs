//! See `camshaft_releases::fuzz::bundle`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| camshaft_releases::fuzz::bundle(data));
