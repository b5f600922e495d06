//! Tests of timestamps, trust roots and signatures, against OpenSSL and public vectors.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of a test fails like a test")]

mod derived;
mod ed25519;
mod forged_tokens;
mod roots;
mod tokens;
mod tsa;
