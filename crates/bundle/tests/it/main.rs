//! Tests of the bundle format across its modules, against other tools and against hostile input.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_collect,
    reason = "a helper of a test fails like a test"
)]

mod bag;
mod command;
mod dependencies;
mod document;
mod folder;
mod forged;
mod hostile;
mod interop;
mod mutation;
mod parts;
mod raw_zip;
mod sealing;
mod vectors;
