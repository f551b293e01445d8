//! What the fuzz targets share: modules are changed so that they stay modules.

use camshaft_cam::testing::fuzz::mutate;

/// Changes an input that is a module: mostly as a module, else byte by byte. Returns its new length.
pub fn mutate_module(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    match as_module(&data[..size], max_size, seed) {
        Some(changed) => put(data, &changed),
        None => libfuzzer_sys::fuzzer_mutate(data, size, max_size),
    }
}

/// As [`mutate_module`], for an input with a tape before the module.
pub fn mutate_taped_module(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let tape = data[..size].first().map_or(0, |length| 1 + usize::from(*length)).min(size);
    match as_module(&data[tape..size], max_size - tape, seed) {
        Some(changed) => tape + put(&mut data[tape..], &changed),
        None => libfuzzer_sys::fuzzer_mutate(data, size, max_size),
    }
}

fn as_module(bytes: &[u8], max_size: usize, seed: u32) -> Option<Vec<u8>> {
    if seed % 8 == 0 {
        return None;
    }
    mutate::module(bytes, seed / 8).filter(|changed| changed.len() <= max_size)
}

fn put(data: &mut [u8], changed: &[u8]) -> usize {
    data[..changed.len()].copy_from_slice(changed);
    changed.len()
}
