//! The fuzz targets over their corpus, and over changes of it: what a fuzzer does for hours, for seconds.
//!
//! The targets are those of `fuzz/`, which libFuzzer runs. `cargo run --release -p evidenced-bundle --example
//! fuzz_loop` runs them for as long as one likes, on any toolchain.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a helper of a test fails like a test"
)]

#[path = "../../fuzz/src/mutate.rs"]
mod mutate;
mod seeds;
#[path = "../../fuzz/src/targets.rs"]
mod targets;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use mutate::Random;
use targets::TARGETS;

/// Changes of each seed.
const CHANGES: usize = 400;

fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    files
        .map(|file| (file.file_name().to_string_lossy().into_owned(), fs::read(file.path()).unwrap()))
        .collect()
}

#[test]
fn seeds_that_are_called_good_are_accepted() {
    for (name, run) in TARGETS {
        let seeds = corpus(name);
        assert!(seeds.keys().any(|seed| seed.starts_with("good")), "{name} has no good seed");
        for (seed, bytes) in seeds {
            assert!(run(&bytes) || !seed.starts_with("good"), "{name}/{seed} is refused");
        }
    }
}

#[test]
fn changed_seeds_break_no_law_of_the_format() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let seed = std::env::var("EVIDENCED_FUZZ_SEED").map_or(now, |seed| seed.parse().unwrap());
    println!("EVIDENCED_FUZZ_SEED={seed}");
    let mut random = Random(seed);
    for (name, run) in TARGETS {
        let seeds: Vec<_> = corpus(name).into_values().collect();
        for bytes in &seeds {
            for _ in 0..CHANGES {
                let other = &seeds[random.below(seeds.len())];
                let changed = mutate::mutate(name, bytes, other, 1 << 20, &mut random);
                run(&changed);
            }
        }
    }
}
