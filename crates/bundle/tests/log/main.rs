//! Tests of the statement, the sidecars and the log: vectors, oracles, hostile input, crashes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a helper of a test fails like a test"
)]

mod append;
mod audit;
mod bag;
mod common;
mod faulty;
mod folder;
mod hostile;
mod merkle;
mod model;
mod notes;
mod parts;
mod period;
mod period_hostile;
mod period_store;
mod period_zip;
mod planted;
#[path = "../it/raw_zip.rs"]
mod raw_zip;
mod vectors;
