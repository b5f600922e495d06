//! Tests of the statement, the sidecars and the log: vectors, oracles, hostile input, crashes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of a test fails like a test")]

mod common;
mod hostile;
mod merkle;
mod notes;
mod vectors;
