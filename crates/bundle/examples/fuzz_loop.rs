//! Runs the fuzz targets on changes of their corpus, without a fuzzer: on any toolchain, as long as one likes.
//!
//! `cargo run --release -p evidenced-bundle --example fuzz_loop -- TARGET|all [SECONDS] [SEED]`. No coverage guides
//! it: what broadens the corpus is that every accepted change joins it. Prints how often each target ran, how many
//! inputs it accepted and the most memory that the process held; ends with the input when one breaks a law.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a broken law ends the program"
)]

#[path = "../fuzz/src/mutate.rs"]
mod mutate;
#[path = "../fuzz/src/targets.rs"]
mod targets;

use std::error::Error;
use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mutate::Random;
use targets::TARGETS;

/// Inputs that joined beyond these take the place of others.
const CORPUS: usize = 2_000;
const INPUT_BYTES: usize = 64 << 10;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let wanted = arguments.next().unwrap_or_else(|| "all".to_owned());
    let seconds = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let seed = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let chosen: Vec<_> = TARGETS.iter().filter(|(name, _)| wanted == "all" || wanted == *name).collect();
    if chosen.is_empty() {
        eprintln!("no target is called {wanted:?}: {}", TARGETS.map(|(name, _)| name).join(", "));
        return Ok(ExitCode::from(2));
    }
    for (name, run) in chosen {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
        let mut corpus = Vec::new();
        for file in fs::read_dir(folder)? {
            corpus.push(fs::read(file?.path())?);
        }
        let (mut random, mut runs, mut accepted) = (Random(seed), 0_u64, 0_u64);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(seconds) {
            let (one, two) = (random.below(corpus.len()), random.below(corpus.len()));
            let input = mutate::mutate(name, &corpus[one], &corpus[two], INPUT_BYTES, &mut random);
            runs += 1;
            match catch_unwind(|| run(&input)) {
                Ok(false) => {}
                Ok(true) => {
                    accepted += 1;
                    let place = random.below(CORPUS);
                    match corpus.get_mut(place) {
                        Some(old) => *old = input,
                        None => corpus.push(input),
                    }
                }
                Err(_) => {
                    let path = std::env::temp_dir().join(format!("fuzz-{name}-{seed}-{runs}"));
                    fs::write(&path, &input)?;
                    eprintln!("{name}: a law is broken by {}", path.display());
                    return Ok(ExitCode::FAILURE);
                }
            }
        }
        println!("{name}: {runs} runs in {seconds} s (seed {seed}), {accepted} accepted, {}", memory());
    }
    Ok(ExitCode::SUCCESS)
}

/// The most memory that this process held, as Linux counts it.
fn memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or("memory not known".to_owned(), |line| format!("peak memory {}", line.trim()))
}
