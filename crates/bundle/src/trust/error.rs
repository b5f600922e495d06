//! Why a trust root, or a key of it, does not count.

use crate::digest::{Digest, KeyId};
use crate::key::KeyError;
use crate::time::UtcSecond;
use crate::timestamp::AuthorityError;

/// What is wrong with a trust root.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Not JSON of this shape.
    #[error("not a trust root: {detail}")]
    Malformed {
        /// What the parser said.
        detail: String,
    },
    /// The same content in other bytes.
    #[error("the trust root is spelled in another way than trust roots are")]
    Spelling,
    /// Beyond the limit.
    #[error("trust root file of {bytes} bytes is too long")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A member has a value that it cannot have.
    #[error("{member} of the trust root is {found:?}")]
    Member {
        /// Which one.
        member: &'static str,
        /// Its value.
        found: String,
    },
    /// One key in two places.
    #[error("key {id} is there twice")]
    KeyTwice {
        /// Its id.
        id: KeyId,
    },
    /// The id is that of another key.
    #[error("key id {named} stands at key {found}")]
    OtherKey {
        /// The id that is given.
        named: String,
        /// The id of the key.
        found: KeyId,
    },
    /// No key at all.
    #[error("the trust root holds a key that is refused")]
    Key(#[from] KeyError),
    /// A file is not there.
    #[error("{name} is missing")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A file cannot be read.
    #[error("{name} cannot be read")]
    Unreadable {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is another one than was signed.
    #[error("{name} has another digest than the trust root states")]
    File {
        /// Its name.
        name: String,
    },
    /// A file has new bytes under an old name.
    #[error("{name} changes with version {version}: a changed file needs a name of its own")]
    Changed {
        /// Its name.
        name: String,
        /// The version that changes it.
        version: u32,
    },
    /// A file of certificates is none.
    #[error("{name} is no file of timestamp authorities")]
    Authority {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: AuthorityError,
    },
    /// Another trust root than the pinned one.
    #[error("the fingerprint of the trust root is {found}, pinned is {pinned}")]
    Fingerprint {
        /// What the verifier pinned.
        pinned: Digest,
        /// SHA-256 of the first statement.
        found: Digest,
    },
    /// A version is not the next one.
    #[error("version {found} of the trust root stands where version {expected} is expected")]
    Step {
        /// The next version.
        expected: u32,
        /// The version found.
        found: u32,
    },
    /// A version is not the successor of the one before it.
    #[error("version {version} of the trust root names another statement as the one before it")]
    Previous {
        /// The version.
        version: u32,
    },
    /// Too few holders have signed.
    #[error(
        "version {version} of the trust root has {found} of {needed} signatures of the holders of version {of}"
    )]
    Threshold {
        /// The version that is signed.
        version: u32,
        /// The version whose holders are counted.
        of: u32,
        /// Distinct keys that have signed.
        found: usize,
        /// Distinct keys that have to.
        needed: usize,
    },
    /// The chain ends too early.
    #[error("the trust root ends at version {found}, version {known} has been seen before")]
    Rollback {
        /// The version that the caller has seen.
        known: u32,
        /// The last version there.
        found: u32,
    },
}

/// Why a key does not count for a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// Not in the trust root.
    #[error("key {id} is not in the trust root")]
    Unknown {
        /// Its id.
        id: KeyId,
    },
    /// For other things.
    #[error("key {id} is a {purpose} key")]
    Purpose {
        /// Its id.
        id: KeyId,
        /// What it is for.
        purpose: &'static str,
    },
    /// Too early or too late.
    #[error("key {id} was not in use at {at}")]
    Window {
        /// Its id.
        id: KeyId,
        /// When it signed.
        at: UtcSecond,
    },
    /// Dated after the revocation.
    #[error("key {id} is revoked as of {revoked}, the signature is dated {at}")]
    Revoked {
        /// Its id.
        id: KeyId,
        /// Since when.
        revoked: UtcSecond,
        /// When it signed.
        at: UtcSecond,
    },
    /// Revoked, and no timestamp says when it signed.
    #[error("key {id} is revoked as of {revoked}, and no timestamp dates the signature before that")]
    RevokedUndated {
        /// Its id.
        id: KeyId,
        /// Since when.
        revoked: UtcSecond,
    },
}
