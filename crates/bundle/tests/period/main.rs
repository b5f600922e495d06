//! Step 11 from outside: stores of many days, whole and attacked.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of a test fails like a test")]

mod attacks;
mod clock;
mod log;
mod quarter;
mod scope;
mod store;
mod tsa;
