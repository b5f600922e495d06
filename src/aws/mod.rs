//! The one door to AWS: official SDK clients behind [`evidenced_core::source::Source`].
//!
//! What leaves is a [`Page`](evidenced_core::source::Page) with the bytes of the final attempt, or a
//! [`Failure`](evidenced_core::source::Failure) that says why there is none. The SDK signs, finds endpoints and
//! credentials, and retries; its typed outputs are never evidence. Refused here: a body that was not received whole,
//! a body over the limit, a parameter that the operation does not have.

mod calls;
mod capture;
mod clients;
mod failure;
mod keep;
mod limiter;
mod parameters;
mod quotas;
mod role;
mod simulate;
mod source;
#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
mod tests;
mod trust;

#[cfg(test)]
pub(crate) use calls::supported;
pub(crate) use capture::ServerClock;
#[cfg(test)]
pub(crate) use clients::test_client;
pub(crate) use clients::{connector, kms, s3};
pub(crate) use failure::chain;
pub(crate) use role::{AssumeRole, Keys, Secret};
pub(crate) use source::{AwsError, AwsSource, Caller, RetryMode, Settings, Tally};
