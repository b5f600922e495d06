//! The service: a slot after the other, for years, whatever happens in between.

mod lease;
mod metrics;
