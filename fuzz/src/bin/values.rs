//! See `camshaft_cam::testing::fuzz::values`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| camshaft_cam::testing::fuzz::values(data));
