//! The server over HTTP: signed requests of the SDK's own signer, bodies read back with the project's own converter.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says so by panicking"
)]

mod client;
mod collected;
mod faults;
mod metamorphic;
mod paging;
mod signatures;
mod verdicts;
mod world;
