//! Why the SDK has no answer, in the words of [`FailureKind`].
//!
//! The kind comes from the types in the error's chain, never from its wording, except for the resolver's answer, for
//! which there is no type. Messages are the chain's, without duplicates; no request parameter is repeated.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use evidenced_core::source::FailureKind;

/// Code of a host name that does not exist.
pub(super) const UNKNOWN_HOST: &str = "EndpointUnknown";

/// An outcome without an answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Refusal {
    pub(super) kind: FailureKind,
    pub(super) code: String,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(kind: FailureKind, code: &str, message: impl Into<String>) -> Self {
        Self { kind, code: code.to_owned(), message: message.into() }
    }

    /// A defect of ours.
    pub(super) fn internal(code: &str, message: impl Into<String>) -> Self {
        Self::new(FailureKind::Internal, code, message)
    }

    /// What an SDK call ended with.
    pub(super) fn of<E>(error: SdkError<E, HttpResponse>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let (kind, code) = match &error {
            SdkError::ServiceError(_) => return Self::answered(&error),
            SdkError::ConstructionFailure(_) => (FailureKind::Internal, "RequestNotBuilt"),
            SdkError::TimeoutError(_) => (FailureKind::Timeout, "Timeout"),
            SdkError::ResponseError(_) => (FailureKind::Response, "ResponseIncomplete"),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                (FailureKind::Timeout, "ConnectTimeout")
            }
            SdkError::DispatchFailure(failure) if failure.is_io() => {
                (FailureKind::Connection, "ConnectionFailed")
            }
            _ => (FailureKind::Connection, "RequestFailed"),
        };
        let source: Box<dyn Error + Send + Sync> = match error.into_source() {
            Ok(source) => source,
            Err(error) => Box::new(error),
        };
        if let Some(refusal) = in_chain::<Self>(source.as_ref()) {
            return refusal.clone();
        }
        let message = chain(source.as_ref());
        match in_chain::<CredentialsError>(source.as_ref()) {
            Some(CredentialsError::ProviderTimedOut(_)) => {
                Self::new(FailureKind::Timeout, "CredentialsTimeout", message)
            }
            Some(_) => Self::new(FailureKind::Credentials, "NoCredentials", message),
            None if kind == FailureKind::Connection && is_unknown_host(&message) => {
                Self::new(kind, UNKNOWN_HOST, message)
            }
            None => Self::new(kind, code, message),
        }
    }

    /// The error that AWS answered with, of a call whose typed outcome is used (`AssumeRole`, `GetCallerIdentity`).
    fn answered<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let code = error.code().unwrap_or("ServiceError");
        let kind = match code {
            "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => FailureKind::Denied,
            "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "SignatureDoesNotMatch"
            | "InvalidAccessKeyId"
            | "AuthFailure" => FailureKind::Credentials,
            _ => FailureKind::Response,
        };
        let message = error.message().map_or_else(|| chain(error), str::to_owned);
        Self::new(kind, code, message)
    }
}

/// The first error of type `T` in the chain.
fn in_chain<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The messages of the chain, without those that only repeat.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut message = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let part = error.to_string();
        if !message.contains(&part) {
            if !message.is_empty() {
                message.push_str(": ");
            }
            message.push_str(&part);
        }
        next = error.source();
    }
    message
}

/// Whether the resolver says that the name does not exist (glibc's `EAI_NONAME` and `EAI_NODATA`, not `EAI_AGAIN`).
fn is_unknown_host(message: &str) -> bool {
    message.contains("Name or service not known")
        || message.contains("No address associated with hostname")
        || message.contains("Name does not resolve")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Refusal);

    #[test]
    fn a_refusal_is_found_below_other_errors() {
        let error = Outer(Refusal::new(FailureKind::Denied, "AccessDenied", "no"));
        assert_eq!(in_chain::<Refusal>(&error).map(|found| found.kind), Some(FailureKind::Denied));
        assert_eq!(chain(&error), "outer: no");
    }

    #[test]
    fn a_temporary_resolver_failure_is_not_an_unknown_host() {
        assert!(is_unknown_host(
            "dns error: failed to lookup address information: Name or service not known"
        ));
        assert!(!is_unknown_host(
            "failed to lookup address information: Temporary failure in name resolution"
        ));
    }
}
