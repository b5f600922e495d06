//! The calls that can be made: from an operation's name and JSON parameters to a request of the SDK.
//!
//! One declaration per operation names every parameter that may be given, in the API's own spelling, with the
//! builder's setter and the reader of its value. A parameter that is not declared, or has the wrong type, is an error:
//! nothing is left out silently. `AssumeRole` is not here: its answer is a secret, see [`role`](super::role).

mod acm;
mod config;
mod ec2;
mod elbv2;
mod organizations;
mod s3;
mod sts;
mod wafv2;

use std::pin::Pin;

use serde_json::{Map, Value};

use super::capture::Capture;
use super::clients::Client;
use super::failure::Refusal;
use super::parameters::ParameterError;

/// An operation of a service.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) service: &'static str,
    pub(super) operation: &'static str,
    #[cfg(test)]
    parameters: &'static [&'static str],
    start: Start,
}

type Start = fn(&Client, &Map<String, Value>, Capture) -> Result<Answer, ParameterError>;

/// The SDK's view of the answer; the answer itself is in the capture.
pub(super) type Answer = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>;

impl Call {
    /// Builds the request; it is sent when the answer is awaited.
    pub(super) fn start(
        &self,
        client: &Client,
        parameters: &Map<String, Value>,
        capture: Capture,
    ) -> Result<Answer, ParameterError> {
        (self.start)(client, parameters, capture)
    }
}

const SERVICES: [&[Call]; 8] = [
    acm::CALLS,
    config::CALLS,
    ec2::CALLS,
    elbv2::CALLS,
    organizations::CALLS,
    s3::CALLS,
    sts::CALLS,
    wafv2::CALLS,
];

/// The call of that name.
pub(super) fn find(service: &str, operation: &str) -> Option<&'static Call> {
    every().find(|call| call.service == service && call.operation == operation)
}

/// Every (service, operation) that can be asked for: the catalogue may name no other.
#[cfg(test)]
pub(crate) fn supported() -> impl Iterator<Item = (&'static str, &'static str)> {
    every().map(|call| (call.service, call.operation))
}

/// The parameters that the call declares.
#[cfg(test)]
pub(super) fn parameters_of(service: &str, operation: &str) -> &'static [&'static str] {
    find(service, operation).map_or(&[], |call| call.parameters)
}

fn every() -> impl Iterator<Item = &'static Call> {
    SERVICES.iter().copied().flatten()
}

/// Declares the calls of a service: `Operation builder_method { Parameter setter reader, ... }`.
macro_rules! calls {
    ($service:literal $client:ident {
        $($operation:ident $method:ident { $($parameter:ident $setter:ident $read:ident),* $(,)? })*
    }) => {
        /// The calls of the service.
        pub(super) const CALLS: &[$crate::aws::calls::Call] = &[$($crate::aws::calls::Call {
            service: $service,
            operation: stringify!($operation),
            #[cfg(test)]
            parameters: &[$(stringify!($parameter)),*],
            start: |client, parameters, capture| {
                use $crate::aws::{clients::Client, failure::Refusal, parameters};
                const OPERATION: &str = stringify!($operation);
                parameters::all_known(OPERATION, parameters, &[$(stringify!($parameter)),*])?;
                let Client::$client(client) = client else {
                    return Ok(Box::pin(std::future::ready(Err(Refusal::internal(
                        "WrongClient",
                        concat!(stringify!($operation), " was given the client of another service"),
                    )))));
                };
                let call = client.$method();
                $(let call = call.$setter(parameters::given(OPERATION, parameters, stringify!($parameter), $read)?);)*
                Ok(Box::pin(async move {
                    call.customize().interceptor(capture).send().await.map(drop).map_err(Refusal::of)
                }))
            },
        }),*];
    };
}
use calls;
