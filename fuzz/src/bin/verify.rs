//! See `camshaft_cam::testing::fuzz::verify`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| camshaft_cam::testing::fuzz::verify(data));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    camshaft_fuzz::mutate_module(data, size, max_size, seed)
});
