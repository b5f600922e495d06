//! Why a bundle was not published.

use std::io;
use std::path::PathBuf;

use evidenced_bundle::log::{self, LogError};
use evidenced_bundle::note::KeyName;
use evidenced_bundle::store::StoreError;
use evidenced_bundle::trust::KeyRefusal;
use evidenced_bundle::{BagId, KeyId, Scope, SealError, VerifyError};
use evidenced_core::estate::Stranger;
use evidenced_core::layout;
use evidenced_core::schedule::ScheduleError;

use super::{IMAGE_VARIABLE, SpoolError};
use crate::aws::AwsError;
use crate::signer::SignerError;
use crate::trust_root::TrustRootError;

/// Why something was not published. What was sealed waits in the spool.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error(transparent)]
    Key(#[from] SignerError),
    #[error(transparent)]
    TrustRoot(#[from] TrustRootError),
    #[error("{IMAGE_VARIABLE} is {0:?}, expected sha256: and 64 hexadecimal digits")]
    Image(String),
    #[error("[signing] origin {0:?} is not the name of a log")]
    Origin(String),
    #[error(transparent)]
    Tls(#[from] AwsError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("the log was not written")]
    Log(#[from] LogError),
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error("the store is that of scope {found}, not of {expected}")]
    OtherScope { found: Scope, expected: Scope },
    #[error("the newest bundle of the store, {id}, is of another estate: {stranger}")]
    OtherEstate { id: BagId, stranger: Stranger },
    #[error("log {origin}: key {key} does not sign it, by version {version} of the trust root")]
    ForeignLogKey { origin: KeyName, key: KeyId, version: u32 },
    #[error("{key} is there with other bytes")]
    Changed { key: String },
    #[error("sealed bundle {path}: cannot be read")]
    Sealed {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("sealed bundle {path}: is not what was sealed")]
    Refused {
        path: PathBuf,
        #[source]
        source: VerifyError,
    },
    #[error("{id}: the evidence key does not count at the time of this bundle")]
    Window {
        id: BagId,
        #[source]
        source: KeyRefusal,
    },
    #[error("the schedule of the last run cannot be read")]
    Schedule(#[from] ScheduleError),
    #[error(transparent)]
    Layout(#[from] layout::LayoutError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("the evidence key cannot sign")]
    Sign(#[from] log::SignerError),
}

impl PublishError {
    /// Whether only the store did not answer, so that evidence can be collected all the same.
    pub(crate) fn is_the_store(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Log(LogError::Store(_)))
    }
}
