//! The program as its users run it: against the simulated AWS, with faults, with mistakes in the configuration.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test fails like a test"
)]

mod canary;
mod commands;
mod determinism;
mod estate;
mod faults;
mod paging;
