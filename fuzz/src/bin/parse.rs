//! See `camshaft_cam::testing::fuzz::parse`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| camshaft_cam::testing::fuzz::parse(data));
