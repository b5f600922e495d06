#![no_main]

#[path = "../src/mutate.rs"]
mod mutate;
#[path = "../src/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    targets::proof(input);
});

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate::for_libfuzzer("proof", data, size, max_size, seed, libfuzzer_sys::fuzzer_mutate)
});
