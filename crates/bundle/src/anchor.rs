//! Step 1: what the verifying person trusts, got by another way than the bundle.
//!
//! Public keys alone prove who signed. A trust root, held by one number, also says which keys counted when, which
//! timestamp authorities count, and which keys sign the log: only with it is a date or a place in a log proved.
//! Refused: a trust root without its fingerprint, since one that lies beside what it is to prove proves nothing.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::check::{Check, VerifyError};
use crate::digest::{Digest, KeyId};
use crate::input::Input;
use crate::key::{KeyError, PublicKey, TrustedKeys};
use crate::period_bundle::PeriodShelf;
use crate::shelf::Shelf as _;
use crate::trust::{self, Dated, KeyRefusal, TrustError, TrustRoot};

const KEY_FILE_BYTES: u64 = 64 << 10;

/// What the verifying person trusts.
#[derive(Debug, Clone)]
pub enum Anchor {
    /// Public keys of purpose evidence.
    Keys(TrustedKeys),
    /// A trust root whose chain of versions led to the pinned fingerprint.
    Root(Box<TrustRoot>),
}

/// Why there is nothing to verify with.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// A key file could not be read.
    #[error("key {path} cannot be read")]
    KeyUnreadable {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A key file is not a public key that can be trusted.
    #[error("key {path} cannot be used")]
    Key {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },
    /// No key was named.
    #[error("no key is given: --key evidence.pub.pem, or --trust with --root-fingerprint")]
    NoKey,
    /// A trust root was named and its fingerprint was not.
    #[error(
        "--trust needs --root-fingerprint, the SHA-256 of its first statement, as the organisation published it (not \
         from the folder itself)"
    )]
    NoFingerprint,
    /// The fingerprint is no digest.
    #[error("the root fingerprint {found:?} is not 64 lower-case hexadecimal digits")]
    Fingerprint {
        /// What was given.
        found: String,
    },
    /// The file is not named as a version of a trust root.
    #[error("{path} is neither a folder, nor a file root-v<number>.dsse.json, nor a period bundle")]
    RootName {
        /// What was given.
        path: String,
    },
    /// The period bundle that should hold a trust root is none.
    #[error("period bundle {path}, which should hold the trust root, is refused")]
    Pack {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: VerifyError,
    },
    /// The trust root is refused: it cannot be verified with.
    #[error("trust root {path} is refused")]
    Root {
        /// The folder.
        path: String,
        /// Why.
        #[source]
        source: TrustError,
    },
}

impl Anchor {
    /// Reads a trust root: its folder, or one of its files `root-v<n>.dsse.json`, which must then not be newer than
    /// what the folder leads to. The copy in a period bundle may be read as well: what counts is the fingerprint.
    /// `inputs` gets every file that was read.
    pub fn read_root(
        path: &Path,
        fingerprint: Option<&str>,
        at_least: u32,
        inputs: &mut Vec<Input>,
    ) -> Result<Self, AnchorError> {
        let found = fingerprint.ok_or(AnchorError::NoFingerprint)?;
        let pinned = Digest::parse(found)
            .ok_or_else(|| AnchorError::Fingerprint { found: crate::check::printable(found) })?;
        let version = path.file_name().and_then(|name| trust::version_of(name.to_str()?));
        if version.is_none() && path.is_file() && PeriodShelf::is_named(path) {
            return Self::read_pack(path, &pinned, at_least, inputs);
        }
        let (folder, version) = if path.is_dir() {
            (path.to_owned(), 0)
        } else {
            let parent = path
                .parent()
                .map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
            let shown = || AnchorError::RootName { path: path.display().to_string() };
            (parent.ok_or_else(shown)?.to_owned(), version.ok_or_else(shown)?)
        };
        let mut read = |name: &str| {
            let path = folder.join(name);
            let bytes = trust::read_file(&path)?;
            inputs.extend(bytes.as_deref().map(|bytes| Input::of(&path, bytes)));
            Ok(bytes)
        };
        let root = TrustRoot::load_chain(&mut read, &pinned, at_least.max(version));
        root.map(|root| Self::Root(Box::new(root)))
            .map_err(|source| AnchorError::Root { path: folder.display().to_string(), source })
    }

    fn read_pack(
        path: &Path,
        pinned: &Digest,
        at_least: u32,
        inputs: &mut Vec<Input>,
    ) -> Result<Self, AnchorError> {
        let shown = path.display().to_string();
        let shelf = PeriodShelf::open_path(path, &mut |_, _| {})
            .map_err(|source| AnchorError::Pack { path: shown.clone(), source })?;
        inputs.push(Input { path: shown.clone(), bytes: shelf.bytes(), sha256: *shelf.sha256() });
        let limit = u64::try_from(trust::FILE_BYTES).unwrap_or(u64::MAX);
        let root =
            TrustRoot::load_chain(&mut |name| shelf.small(&format!("trust/{name}"), limit), pinned, at_least);
        root.map(|root| Self::Root(Box::new(root)))
            .map_err(|source| AnchorError::Root { path: shown, source })
    }

    /// What it is, for a report: the ids of keys, or version and fingerprint of a trust root.
    pub fn describe(&self) -> String {
        match self {
            Self::Keys(keys) => keys.ids().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            Self::Root(root) => format!("version {}, fingerprint {}", root.version(), root.fingerprint()),
        }
    }

    /// Step 1 has passed: neither variant can be made otherwise.
    pub(crate) fn announce(&self, passed: &mut dyn FnMut(Check, String)) {
        let check = if matches!(self, Self::Keys(_)) { Check::Keys } else { Check::TrustRoot };
        passed(check, self.describe());
    }
}

/// Reads public key files, at least one; `inputs` gets every file that was read.
pub fn read_keys(paths: &[PathBuf], inputs: &mut Vec<Input>) -> Result<TrustedKeys, AnchorError> {
    let keys = paths.iter().map(|path| read_key(path, inputs)).collect::<Result<Vec<_>, _>>()?;
    TrustedKeys::new(keys).ok_or(AnchorError::NoKey)
}

fn read_key(path: &Path, inputs: &mut Vec<Input>) -> Result<PublicKey, AnchorError> {
    let shown = path.display().to_string();
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(KEY_FILE_BYTES).read_to_string(&mut text))
        .map_err(|source| AnchorError::KeyUnreadable { path: shown.clone(), source })?;
    inputs.push(Input::of(path, text.as_bytes()));
    PublicKey::from_pem(&text).map_err(|source| AnchorError::Key { path: shown, source })
}

/// The evidence keys of a trust root that count for what was signed then; why the one that is asked for does not.
pub(crate) fn keys_at(root: &TrustRoot, asked: &KeyId, signed: Dated) -> Result<TrustedKeys, KeyRefusal> {
    let asked = root.evidence_key(asked, signed)?;
    let others = root.evidence_keys().filter_map(|(entry, _)| root.evidence_key(&entry.id, signed).ok());
    let keys = TrustedKeys::new(others.cloned().chain([asked.clone()]));
    keys.ok_or(KeyRefusal::Unknown { id: *asked.id() })
}
