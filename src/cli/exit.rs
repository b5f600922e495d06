//! An error with its exit code and one line that a person can act on.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use evidenced_bundle::command::CommandError;
use evidenced_bundle::log::LogError;
use evidenced_bundle::store::StoreError;
use evidenced_core::bucket::Finding;
use evidenced_core::run::RunError;
use evidenced_core::source::Failure;

use crate::aws::AwsError;
use crate::client::ClientError;
use crate::collector::{CollectError, TargetsError};
use crate::publish::{PublishError, SpoolError};
use crate::signer::SignerError;

pub(crate) const INTERNAL: u8 = 1;
pub(crate) const USAGE: u8 = 2;
pub(crate) const FINDINGS: u8 = 3;
pub(crate) const EXCEPTIONS: u8 = 4;
pub(crate) const NOT_GENUINE: u8 = 5;
pub(crate) const NO_ACCESS: u8 = 6;
pub(crate) const TRY_AGAIN: u8 = 75;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failed {
    code: u8,
    error: Box<dyn Error>,
    hint: Option<String>,
}

impl Failed {
    /// A mistake of the caller's, in one sentence.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: USAGE, error: message.into().into(), hint: Some(hint.into()) }
    }

    /// A failure with a code.
    pub(crate) fn new(code: u8, error: impl Into<Box<dyn Error>>) -> Self {
        Self { code, error: error.into(), hint: None }
    }

    /// With the next thing to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Prints the chain once, on standard error.
    pub(crate) fn report(self) -> ExitCode {
        let mut text = format!("error: {}", self.error);
        let mut source = self.error.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        if let Some(CollectError::Config { path, problems } | CollectError::Checks { path, problems }) =
            self.error.downcast_ref::<CollectError>()
        {
            for problem in &problems.config {
                text = format!("{text}\n{}:{problem}", path.display());
            }
            for problem in &problems.policies {
                text = format!("{text}\n{problem}");
            }
        }
        if let Some(CollectError::Bucket { findings, .. }) = self.error.downcast_ref::<CollectError>() {
            for Finding { rule, found, remedy, .. } in findings {
                text = format!("{text}\n{rule}: {found}\n  {remedy}");
            }
        }
        if let Some(hint) = &self.hint {
            text = format!("{text}\nhint: {hint}");
        }
        // Nowhere else to say it when standard error is closed; the code says that it failed.
        writeln!(std::io::stderr(), "{text}").unwrap_or_default();
        ExitCode::from(self.code)
    }
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::new(INTERNAL, error)
    }
}

impl From<CommandError> for Failed {
    fn from(error: CommandError) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self { code: USAGE, error: error.into(), hint }
    }
}

impl From<CollectError> for Failed {
    fn from(error: CollectError) -> Self {
        let (code, hint) = classify(&error);
        Self { code, hint, error: error.into() }
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::new(INTERNAL, error).hint("check the credentials and the way to the store")
    }
}

impl From<ClientError> for Failed {
    fn from(error: ClientError) -> Self {
        let (code, hint) = match error {
            ClientError::Collect(error) => return error.into(),
            ClientError::Anchor(error) => return error.into(),
            ClientError::Store(error) => return error.into(),
            ClientError::NoTrust => (
                USAGE,
                "[signing] trust_root names its folder; or give --trust DIR and --root-fingerprint HEX",
            ),
            ClientError::NoLog { .. } => {
                (USAGE, "check [store] url; `[signing] log_key` makes `evidenced collect` write a log")
            }
            ClientError::OtherScope { .. } => (USAGE, "each scope has a store: check scope and [store] url"),
            ClientError::Log(_) => (
                NOT_GENUINE,
                "nothing that it says is shown; `evidenced verify` on a copy of the store names what is wrong",
            ),
            ClientError::Unreadable(_) => (INTERNAL, "check the credentials and the way to the store"),
            ClientError::Runtime(_) => return Self::new(INTERNAL, error),
        };
        Self::new(code, error).hint(hint)
    }
}

fn classify(error: &CollectError) -> (u8, Option<String>) {
    let hint = |text: &str| Some(text.to_owned());
    match error {
        CollectError::ConfigUnreadable { .. } => {
            (USAGE, hint("`evidenced init --dir DIR` writes a configuration; name it with -c"))
        }
        CollectError::Config { .. } => {
            (USAGE, hint("config/evidenced.toml shows every key with its comment"))
        }
        CollectError::Checks { .. } => (
            USAGE,
            hint(
                "docs/CHECKS.md has every check with its parameters, and what a policy of your own looks like",
            ),
        ),
        CollectError::SlotTaken { .. } => {
            (USAGE, hint("a slot has one bundle; leave --slot out for an extra run"))
        }
        CollectError::Overtaken { .. } => {
            (USAGE, hint("slots are logged in their order; leave --slot out for an extra run"))
        }
        CollectError::Publish(error) => publishing(error),
        CollectError::Clock(_) => (
            USAGE,
            hint(
                "set the clock (chronyd, or the host's time service): evidence under a wrong time is worth nothing",
            ),
        ),
        CollectError::Space(_) => (
            INTERNAL,
            hint(
                "free space there, or give [spool] dir a larger file system; what is sealed stays and goes first. \
                 [spool] min_free_bytes is the least that is demanded",
            ),
        ),
        CollectError::BucketOwner { .. } => (
            NO_ACCESS,
            hint(
                "compare [store] url and expected_bucket_owner with the account that owns the bucket; if it is the \
                 right one, allow the role what `evidenced iam-policy` and deploy/ list for the bucket",
            ),
        ),
        CollectError::Bucket { .. } => (
            NO_ACCESS,
            hint("change the bucket, or take it as it is with --accept-bucket: every bundle then says so"),
        ),
        CollectError::BucketSilent { .. } => (
            INTERNAL,
            hint(
                "what was sealed waits in the spool's folder sealed/; the next `evidenced collect` publishes it first",
            ),
        ),
        CollectError::NothingPlanned => (
            USAGE,
            hint("the accounts left, or the configuration leaves them out now: the gaps stay as they are"),
        ),
        CollectError::Conflict { .. } => (
            INTERNAL,
            hint(
                "two collectors had the same slot: compare the two bundles, and give each slot one collector",
            ),
        ),
        CollectError::Door(AwsError::NoCredentials { .. }) => (
            NO_ACCESS,
            hint(
                "set AWS_PROFILE, use --profile, or run where a role is attached; without AWS: `evidenced demo`",
            ),
        ),
        CollectError::Door(AwsError::Trust(_)) => (USAGE, hint("check AWS_CA_BUNDLE and [aws] ca_bundle")),
        CollectError::Targets(TargetsError::Caller(failure)) => (NO_ACCESS, hint(door_hint(failure))),
        CollectError::Targets(TargetsError::Organization(_)) => (
            NO_ACCESS,
            hint(
                "allow organizations:ListAccounts and run in the management or a delegated account, or list [[aws.accounts]]",
            ),
        ),
        CollectError::Targets(TargetsError::ExternalId { .. }) => {
            (USAGE, hint("paths are relative to the configuration file"))
        }
        CollectError::Targets(TargetsError::ExternalIdVariable { .. }) => {
            (USAGE, hint("ECS sets it from the `Secrets` of the container (deploy/service.yaml)"))
        }
        CollectError::Spool { .. } | CollectError::Run(RunError::Scratch { .. }) => {
            (INTERNAL, hint("[spool] dir needs space and write permission"))
        }
        _ => (INTERNAL, None),
    }
}

fn publishing(error: &PublishError) -> (u8, Option<String>) {
    let hint = |text: &str| Some(text.to_owned());
    match error {
        PublishError::Key(SignerError::Open { path, .. }) => {
            (USAGE, Some(format!("chmod 0400 {}", path.display())))
        }
        PublishError::Key(SignerError::Kms(_)) => {
            (NO_ACCESS, hint("allow kms:GetPublicKey and kms:Sign with ED25519_SHA_512 on the key"))
        }
        PublishError::Key(SignerError::Aws(_)) => {
            (NO_ACCESS, hint("check the credentials, AWS_CA_BUNDLE and [aws] ca_bundle"))
        }
        PublishError::Key(_) => (
            USAGE,
            hint("`evidenced init` makes keys; `[signing] evidence_key` and `log_key` name the files"),
        ),
        PublishError::TrustRoot(_) => (
            USAGE,
            hint("[signing] trust_root names the folder of it; `evidenced trust show` prints what it holds"),
        ),
        PublishError::Image(_) => (USAGE, hint("leave it out, or give the digest that the registry shows")),
        PublishError::Origin(_) => (USAGE, hint("such as evidence.example.com/prod, without spaces")),
        PublishError::Tls(_) => (USAGE, hint("check AWS_CA_BUNDLE and [aws] ca_bundle")),
        PublishError::Window { .. } => (
            USAGE,
            hint(
                "it was sealed before the key was changed: set [signing] evidence_key to the key before, run once, and \
                 change it when nothing waits in the spool",
            ),
        ),
        PublishError::OtherScope { .. } | PublishError::Log(LogError::OtherScope { .. }) => {
            (USAGE, hint("each scope has a store of its own: change [store] url or scope"))
        }
        PublishError::OtherEstate { .. } => (
            USAGE,
            hint(
                "two estates need two scopes and two stores: check organisation, the accounts, scope and [store] url. \
                 If the estate itself changed (renamed, or all its accounts are new): --accept-estate, once",
            ),
        ),
        PublishError::ForeignLogKey { .. } => (
            USAGE,
            hint(
                "[signing] origin and log_key belong together; `evidenced trust show` lists them, and a new key is \
                 added with `evidenced trust rotate` before it signs",
            ),
        ),
        PublishError::Log(LogError::Checkpoint { .. }) => (
            USAGE,
            hint(
                "[signing] origin and log_key are those that the log was begun with; a changed key needs its trust root",
            ),
        ),
        PublishError::Log(LogError::Older { .. } | LogError::Fork { .. }) => (
            INTERNAL,
            hint(
                "the store was restored or replaced: bring its newest state back; nothing is signed on top of an older one",
            ),
        ),
        PublishError::Spool(SpoolError::Busy { .. }) => {
            (TRY_AGAIN, hint("wait for it, or give this configuration a [spool] dir of its own"))
        }
        PublishError::Spool(_) => (INTERNAL, hint("[spool] dir needs space and write permission")),
        PublishError::Store(_) | PublishError::Log(_) => (
            INTERNAL,
            hint(
                "what was sealed waits in the spool's folder sealed/; the next `evidenced collect` publishes it first",
            ),
        ),
        _ => (INTERNAL, None),
    }
}

fn door_hint(failure: &Failure) -> &'static str {
    match failure.code.as_str() {
        "ExpiredToken" | "ExpiredTokenException" => "the session is over: sign in again",
        _ => "check the credentials, the clock, and the way to the endpoint",
    }
}
