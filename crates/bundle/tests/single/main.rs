//! Tests of one bundle with what lies beside it, under a trust root: the threats of `docs/BUNDLE.md` that a single
//! bundle shows, each refused for its named check, and every byte changed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a helper of a test fails like a test"
)]

mod command;
mod dates;
mod hostile;
mod keys;
mod log;
mod mutation;
mod scene;
mod statement;
#[path = "../trust/tsa.rs"]
#[expect(dead_code, reason = "made for the tests of timestamps, which use all of it")]
mod tsa;
