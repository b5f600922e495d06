//! Step 11 from outside: stores of many days, whole and attacked.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of a test fails like a test")]

mod attacks;
mod clock;
mod command;
mod log;
mod pack;
#[path = "../log/period_zip.rs"]
mod period_zip;
mod quarter;
#[expect(dead_code, reason = "the hostile zips of other tests need more of it")]
#[path = "../it/raw_zip.rs"]
mod raw_zip;
mod scale;
mod scope;
mod store;
mod tsa;
