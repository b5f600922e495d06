//! Assumes the role of an account.
//!
//! The `ExternalId` is never shown: not by `Debug`, not in a log of any level, not in an error, also where the server
//! repeats it. A denial is
//! remembered for the life of the source, so that a thousand planned calls do not ask STS a thousand times.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use evidenced_core::source::FailureKind;

use super::failure::Refusal;

/// How an account is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AssumeRole {
    /// Name (with its path, if any) of the role in the account.
    pub(crate) role_name: String,
    /// What the role's trust policy may ask for.
    pub(crate) external_id: Option<Secret>,
}

/// A value that is sent and never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// Wraps the value.
    pub(crate) fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for whoever sends it.
    fn shown(&self) -> &str {
        &self.0
    }

    fn removed_from(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(&self.0, "<removed>") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<removed>")
    }
}

/// Long-lived keys that are given rather than found: the demonstration's and the tests'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    /// `AKIA...`.
    pub(crate) access_key_id: String,
    /// The other half.
    pub(crate) secret_access_key: Secret,
}

impl Keys {
    pub(super) fn credentials(&self) -> Credentials {
        Credentials::new(&self.access_key_id, self.secret_access_key.shown(), None, None, "Keys")
    }
}

/// Credentials of one role, by way of the caller's own.
pub(super) struct AssumedRole {
    sts: aws_sdk_sts::Client,
    role_arn: String,
    session_name: String,
    external_id: Option<Secret>,
    denied: Mutex<Option<Refusal>>,
}

impl AssumedRole {
    pub(super) fn new(
        sts: aws_sdk_sts::Client,
        role_arn: String,
        session_name: String,
        external_id: Option<Secret>,
    ) -> Self {
        Self { sts, role_arn, session_name, external_id, denied: Mutex::default() }
    }

    async fn assume(&self) -> Result<Credentials, CredentialsError> {
        let denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(refusal) = denied {
            return Err(CredentialsError::provider_error(refusal));
        }
        self.ask().await.map_err(|mut refusal| {
            if let Some(external_id) = &self.external_id {
                refusal.message = external_id.removed_from(&refusal.message);
            }
            if refusal.kind == FailureKind::Denied {
                *self.denied.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal.clone());
            }
            CredentialsError::provider_error(refusal)
        })
    }

    async fn ask(&self) -> Result<Credentials, Refusal> {
        let answer = self
            .sts
            .assume_role()
            .role_arn(&self.role_arn)
            .role_session_name(&self.session_name)
            .set_external_id(self.external_id.as_ref().map(|external_id| external_id.shown().to_owned()))
            .send()
            .await
            .map_err(Refusal::of)
            .map_err(|refusal| match refusal.kind {
                // An answer that is neither a denial nor about our own credentials still leaves us without any.
                FailureKind::Response => Refusal { kind: FailureKind::Credentials, ..refusal },
                _ => refusal,
            })?;
        let assumed = answer.credentials().ok_or_else(|| {
            Refusal::new(FailureKind::Credentials, "NoCredentials", "AssumeRole answered without credentials")
        })?;
        let expires = SystemTime::try_from(*assumed.expiration()).map_err(|_| {
            Refusal::new(
                FailureKind::Credentials,
                "NoCredentials",
                "AssumeRole answered with an impossible expiry",
            )
        })?;
        Ok(Credentials::new(
            assumed.access_key_id(),
            assumed.secret_access_key(),
            Some(assumed.session_token().to_owned()),
            Some(expires),
            "AssumedRole",
        ))
    }
}

impl ProvideCredentials for AssumedRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}

impl fmt::Debug for AssumedRole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AssumedRole").field("role_arn", &self.role_arn).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let role = AssumeRole {
            role_name: String::from("EvidenceReader"),
            external_id: Some(Secret::new("canary-1234")),
        };
        assert!(!format!("{role:?} {role:#?}").contains("canary"));
        assert_eq!(Secret::new("canary-1234").removed_from("is canary-1234 bad"), "is <removed> bad");
    }
}
