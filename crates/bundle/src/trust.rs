//! The trust root: which keys count, for what, and when, as m of n people signed it.
//!
//! A verifier pins one number, the SHA-256 of the first statement. Each version is signed by enough holders of the
//! version before it and by enough of its own (the rule of TUF's root), counted in distinct keys; versions step by
//! one. A [`TrustRoot`] is the last version of such a chain, with every file that it names read and digested.
//!
//! Refused: a first version with another fingerprint, a version that is out of step, too few signers, a file that is
//! absent or other than digested, and a chain that ends before the version that the caller has already seen.

mod document;
mod envelope;
mod error;
mod files;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

pub use document::{DOCUMENT_BYTES, Document, Holder, KeyEntry, Purpose, Revocation, TsaEntry};
pub use envelope::{ENVELOPE_BYTES, Envelope};
pub use error::{KeyRefusal, TrustError};
pub use files::{FILE_BYTES, derive};

use crate::digest::{Digest, KeyId};
use crate::key::PublicKey;
use crate::note::KeyName;
use crate::time::UtcSecond;
use crate::timestamp::Authorities;

/// The file of a version.
pub fn file_name(version: u32) -> String {
    format!("root-v{version}.dsse.json")
}

/// The version that a file of this name holds.
pub fn version_of(name: &str) -> Option<u32> {
    let version = name.strip_prefix("root-v")?.strip_suffix(".dsse.json")?.parse().ok()?;
    (file_name(version) == name).then_some(version)
}

/// When something was signed, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dated {
    /// A verified timestamp says so.
    Token(UtcSecond),
    /// Only the signed text itself says so.
    Claimed(UtcSecond),
}

/// What is known of a log whose checkpoint a revoked key signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recomputed {
    /// The log, recomputed from its entries, matches a checkpoint of a key that is not revoked.
    MatchesUnrevoked,
    /// Not recomputed, or no such checkpoint.
    Unknown,
}

/// A key of a log, as pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKey {
    entry: KeyEntry,
    key: PublicKey,
}

impl LogKey {
    /// The key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Its window and revocation.
    pub fn entry(&self) -> &KeyEntry {
        &self.entry
    }

    /// Whether checkpoints of this key count. Those of a revoked key prove nothing by themselves: they count when the
    /// log recomputed from its entries matches a checkpoint of an unrevoked key.
    pub fn counts(&self, log: Recomputed) -> bool {
        self.entry.revoked.is_none() || log == Recomputed::MatchesUnrevoked
    }
}

/// The last version of a chain that leads to the pinned fingerprint.
#[derive(Debug, Clone)]
pub struct TrustRoot {
    envelope: Envelope,
    fingerprint: Digest,
    keys: BTreeMap<KeyId, (KeyEntry, PublicKey)>,
    authorities: Authorities,
}

impl TrustRoot {
    /// Reads the chain from a folder.
    pub fn load_folder(folder: &Path, fingerprint: &Digest, at_least: u32) -> Result<Self, TrustError> {
        Self::load_chain(&mut |name| read_file(&folder.join(name)), fingerprint, at_least)
    }

    /// Reads the chain, file by file, from version 1 to the last one there is:
    ///
    /// 1. The statement of version 1 has the pinned fingerprint.
    /// 2. Each version has the next number and names the statement before it.
    /// 3. Each is signed by enough distinct keys of its own holders and of those before it.
    /// 4. No file changes under its name.
    /// 5. The last version is `at_least` the one that the caller has seen before (0 when none).
    /// 6. The files of the last version are there, with their digests, and hold the keys that are pinned.
    pub fn load_chain(
        read: &mut dyn FnMut(&str) -> io::Result<Option<Vec<u8>>>,
        fingerprint: &Digest,
        at_least: u32,
    ) -> Result<Self, TrustError> {
        let mut last: Option<Envelope> = None;
        let mut known: BTreeMap<String, Digest> = BTreeMap::new();
        loop {
            let version = last.as_ref().map_or(0, |last| last.document().version) + 1;
            let name = file_name(version);
            let Some(bytes) = take(read, &name)? else { break };
            let envelope = Envelope::parse(&bytes)?;
            // 1.
            if version == 1 && envelope.digest() != *fingerprint {
                return Err(TrustError::Fingerprint { pinned: *fingerprint, found: envelope.digest() });
            }
            // 2.
            let document = envelope.document();
            if document.version != version {
                return Err(TrustError::Step { expected: version, found: document.version });
            }
            if document.previous != last.as_ref().map(Envelope::digest) {
                return Err(TrustError::Previous { version });
            }
            // 3.
            envelope.check(last.as_ref().map(Envelope::document))?;
            // 4.
            for (name, digest) in &document.files {
                if *known.entry(name.clone()).or_insert(*digest) != *digest {
                    return Err(TrustError::Changed { name: name.clone(), version });
                }
            }
            last = Some(envelope);
        }
        let envelope = last.ok_or_else(|| TrustError::Missing { name: file_name(1) })?;
        // 5.
        let version = envelope.document().version;
        if version < at_least {
            return Err(TrustError::Rollback { known: at_least, found: version });
        }
        // 6.
        let mut files = BTreeMap::new();
        for (name, digest) in &envelope.document().files {
            let bytes = take(read, name)?.ok_or_else(|| TrustError::Missing { name: name.clone() })?;
            if Digest::of(&bytes) != *digest {
                return Err(TrustError::File { name: name.clone() });
            }
            files.insert(name.clone(), bytes);
        }
        let keys = files::read_keys(envelope.document(), &files)?;
        let keys = keys.into_iter().map(|(entry, key)| (entry.id, (entry.clone(), key))).collect();
        let mut authorities = Authorities::new();
        for entry in &envelope.document().authorities {
            authorities
                .add(files::text(&files, &entry.file)?, entry.valid_from)
                .map_err(|source| TrustError::Authority { name: entry.file.clone(), source })?;
        }
        Ok(Self { envelope, fingerprint: *fingerprint, keys, authorities })
    }

    /// The statement of the version in force.
    pub fn document(&self) -> &Document {
        self.envelope.document()
    }

    /// The version in force.
    pub fn version(&self) -> u32 {
        self.document().version
    }

    /// SHA-256 of the statement in force.
    pub fn digest(&self) -> Digest {
        self.envelope.digest()
    }

    /// What the verifier pinned: SHA-256 of the first statement.
    pub fn fingerprint(&self) -> &Digest {
        &self.fingerprint
    }

    /// Who signed the version in force.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The evidence key with this id, for something signed then. A key id in a file is a hint: purpose, window and
    /// revocation are those that were pinned. A revoked key counts for what a timestamp dates before the revocation,
    /// and for nothing that is undated.
    pub fn evidence_key(&self, id: &KeyId, signed: Dated) -> Result<&PublicKey, KeyRefusal> {
        let (entry, key) = self.keys.get(id).ok_or(KeyRefusal::Unknown { id: *id })?;
        if entry.purpose != Purpose::Evidence {
            return Err(KeyRefusal::Purpose { id: *id, purpose: entry.purpose.word() });
        }
        let (Dated::Token(at) | Dated::Claimed(at)) = signed;
        if at < entry.valid_from || entry.valid_until.is_some_and(|until| at >= until) {
            return Err(KeyRefusal::Window { id: *id, at });
        }
        match (&entry.revoked, signed) {
            (Some(revoked), Dated::Claimed(_)) => {
                Err(KeyRefusal::RevokedUndated { id: *id, revoked: revoked.at })
            }
            (Some(revoked), Dated::Token(at)) if at >= revoked.at => {
                Err(KeyRefusal::Revoked { id: *id, revoked: revoked.at, at })
            }
            _ => Ok(key),
        }
    }

    /// The ids of the evidence keys, whatever their window.
    pub fn evidence_keys(&self) -> impl Iterator<Item = (&KeyEntry, &PublicKey)> {
        self.keys
            .values()
            .filter(|(entry, _)| entry.purpose == Purpose::Evidence)
            .map(|(entry, key)| (entry, key))
    }

    /// The keys of the log of this origin, past and present.
    pub fn log_keys(&self, origin: &KeyName) -> Vec<LogKey> {
        self.keys
            .values()
            .filter(|(entry, _)| matches!(&entry.purpose, Purpose::Log(found) if found == origin))
            .map(|(entry, key)| LogKey { entry: entry.clone(), key: key.clone() })
            .collect()
    }

    /// The timestamp authorities, each from its instant on: tokens are judged by their own time.
    pub fn tsa_roots(&self) -> &Authorities {
        &self.authorities
    }
}

fn take(
    read: &mut dyn FnMut(&str) -> io::Result<Option<Vec<u8>>>,
    name: &str,
) -> Result<Option<Vec<u8>>, TrustError> {
    let bytes = read(name).map_err(|source| TrustError::Unreadable { name: name.to_owned(), source })?;
    match bytes {
        Some(bytes) if bytes.len() > FILE_BYTES => Err(TrustError::TooLong { bytes: bytes.len() }),
        bytes => Ok(bytes),
    }
}

/// Reads one byte more than is ever accepted, so that a longer file is refused and not held.
pub(crate) fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(u64::try_from(FILE_BYTES + 1).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
