//! The log: appends bundles to it, whoever else does so and wherever one crashed before.
//!
//! The steps of `append` are numbered as in `docs/BUNDLE.md`. Each leaves the store in a state from which any writer
//! can go on, and going on is the same functions as starting: a claim is finished, a leaf that is there is found, a
//! sidecar that is missing is made. Two writers never claim one number, a zip is never overwritten, and nothing is
//! published under a signature that does not verify. Refused: a store that is older than what this writer has seen,
//! a slot that a later one has overtaken, an object that is not what the log makes it.

mod adopt;
mod claim;
mod head;
mod sidecars;

use std::collections::BTreeSet;
use std::io::{self, Seek, SeekFrom};

use sha2::{Digest as _, Sha512};

use crate::archive::{ReadSeek, UntrustedBundle};
use crate::check::{Check, VerifyError};
use crate::digest::{Digest, Hasher, KeyId, for_each_chunk};
use crate::id::{BagId, Scope};
use crate::key::{EvidenceKey, KeyError, PublicKey, TrustedKeys};
use crate::limits::Limits;
use crate::note::{Checkpoint, KeyName, NoteError, NoteKey};
use crate::parts::PartsIn;
use crate::sshsig::Sha512Digest;
use crate::statement::{Snapshot, Statement, StatementError};
use crate::store::{Creation, LogStore, StoreError};

use head::Search;

/// How often an append starts again because another writer was faster.
const ATTEMPTS: usize = 1000;
/// What lies beside each zip when nothing is missing; `.tsr` comes when its token does.
pub const SIDECARS: [&str; 3] = [".sigstore.json", ".sshsig", ".tlog-proof"];

/// A key that signs: a file, or a service that holds it.
pub trait Signer {
    /// The public half.
    fn public(&self) -> &PublicKey;
    /// A signature over at most 4,096 bytes. It is verified before it is used.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError>;
    /// The id of the key.
    fn key_id(&self) -> &KeyId {
        self.public().id()
    }
}

/// A signer did not sign.
#[derive(Debug, thiserror::Error)]
#[error("key {id} did not sign")]
pub struct SignerError {
    /// The key.
    pub id: KeyId,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl Signer for EvidenceKey {
    fn public(&self) -> &PublicKey {
        Self::public(self)
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        let id = *Self::public(self).id();
        Self::sign(self, message).map_err(|error| SignerError { id, source: error.into() })
    }
}

/// Why nothing was appended, or not all of it. Trying again is always safe.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The store failed: what was being written may be there or not.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A zip could not be read.
    #[error("zip of {id} cannot be read")]
    Zip {
        /// Of which bag.
        id: BagId,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The zip is not the one that was to be appended.
    #[error("zip of {id} has digest {found}, expected {expected}")]
    OtherZip {
        /// Of which bag.
        id: BagId,
        /// What it is.
        found: Digest,
        /// What it should be.
        expected: Digest,
    },
    /// The checkpoint of the log is refused.
    #[error("{key} is refused")]
    Checkpoint {
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: NoteError,
    },
    /// The store holds less than this writer has seen: it was restored, or somebody cut it.
    #[error("the log has {found} leaves, and had {known} before: this store is older")]
    Older {
        /// Leaves in the store.
        found: u64,
        /// Leaves that this writer has seen.
        known: u64,
    },
    /// The store holds another history than this writer has seen.
    #[error("the first {size} leaves of the log are not those that it had before")]
    Fork {
        /// How many leaves this writer has seen.
        size: u64,
    },
    /// An object is not what the log makes it.
    #[error("{key} is not what the log makes it: {what}")]
    Corrupt {
        /// Its key.
        key: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The log is that of another scope.
    #[error("{id} is not of scope {scope}, to which this log belongs")]
    OtherScope {
        /// The bag.
        id: BagId,
        /// Whose log it is.
        scope: Scope,
    },
    /// A later slot is in the log already.
    #[error("slot of {id} comes after slot {later} in the log")]
    Overtaken {
        /// The bag.
        id: BagId,
        /// Of the bag that is in the log.
        later: BagId,
    },
    /// Other writers were faster every time.
    #[error("gave up after {ATTEMPTS} attempts")]
    Busy,
    /// No signature.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A signature that does not verify was not published.
    #[error("a signature was refused before it was published")]
    Signature(#[from] KeyError),
    /// A statement that cannot be written or read.
    #[error("a statement of the log is refused")]
    Statement(#[from] StatementError),
    /// A zip of the store that cannot be adopted.
    #[error("{key} cannot be adopted")]
    Orphan {
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: VerifyError,
    },
}

impl LogError {
    /// Whether the log itself is in order and only this one zip cannot be in it.
    pub fn is_about_one_zip(&self) -> bool {
        matches!(
            self,
            Self::Orphan { .. } | Self::Overtaken { .. } | Self::OtherZip { .. } | Self::OtherScope { .. }
        )
    }
}

/// Which of two bundles for one slot is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The one that was given.
    Logged,
    /// Another one was in the store before. The caller keeps its own in `spool/conflict` and raises an alarm.
    Conflict,
}

/// A bundle of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// What the log says of it.
    pub statement: Statement,
    /// Whether it is the one that was given.
    pub outcome: Outcome,
}

/// What [`Log::recover`] found to do.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Zips without a leaf that are in the log now.
    pub adopted: Vec<BagId>,
    /// Bundles whose missing sidecars are there now.
    pub completed: Vec<BagId>,
    /// Zips that the log does not take.
    pub refused: Vec<(BagId, LogError)>,
}

/// Who writes, and what is known from outside the store.
pub struct Writer<'a> {
    /// Which log.
    pub origin: KeyName,
    /// Signs statements and zips.
    pub evidence: &'a dyn Signer,
    /// Signs checkpoints.
    pub log: &'a dyn Signer,
    /// Evidence keys whose bundles and envelopes count, besides `evidence`.
    pub evidence_keys: Vec<PublicKey>,
    /// Log keys whose checkpoints count, besides `log`.
    pub log_keys: Vec<PublicKey>,
    /// RFC 3161 tokens over a signature; none when no authority answers.
    pub stamp: &'a dyn Fn(&[u8; 64]) -> Vec<Vec<u8>>,
    /// The newest checkpoint that this writer has seen, from where it keeps it between starts.
    pub high_water: Option<Checkpoint>,
    /// For zips that are adopted.
    pub limits: Limits,
}

/// A log in a store, with its writer.
pub struct Log<'a> {
    store: &'a dyn LogStore,
    writer: Writer<'a>,
    note_keys: Vec<NoteKey>,
    evidence_keys: Vec<PublicKey>,
}

impl<'a> Log<'a> {
    /// Reads nothing yet.
    pub fn new(store: &'a dyn LogStore, mut writer: Writer<'a>) -> Self {
        let log_keys = [vec![writer.log.public().clone()], std::mem::take(&mut writer.log_keys)].concat();
        let note_keys = log_keys.into_iter().map(|key| NoteKey::log(writer.origin.clone(), key)).collect();
        let evidence_keys =
            [vec![writer.evidence.public().clone()], std::mem::take(&mut writer.evidence_keys)].concat();
        Self { store, writer, note_keys, evidence_keys }
    }

    /// The newest checkpoint that was seen. The caller keeps it where the store's owner cannot reach.
    pub fn high_water(&self) -> Option<&Checkpoint> {
        self.writer.high_water.as_ref()
    }

    /// Puts a bundle into the store and the log, with its sidecars. When this returns, all of it is there.
    pub fn append(&mut self, snapshot: &Snapshot, zip: &mut dyn ReadSeek) -> Result<Appended, LogError> {
        // 1. The zip. It is the fence between writers: whoever creates it has the slot.
        let (sha256, sha512) = hash(&snapshot.id, zip)?;
        same_zip(&snapshot.id, sha256, snapshot.zip_sha256)?;
        zip.seek(SeekFrom::Start(0)).map_err(|source| LogError::Zip { id: snapshot.id.clone(), source })?;
        let key = snapshot.id.store_key();
        if self.store.upload(&key, zip)? == Creation::Exists {
            // Ours from before a crash, or of another writer.
            let (sha256, _) = hash(&snapshot.id, &mut self.open(&key)?)?;
            if sha256 != snapshot.zip_sha256 {
                let statement = self.adopt(&snapshot.id)?;
                return Ok(Appended { statement, outcome: Outcome::Conflict });
            }
        }
        // From here on the bundle cannot be lost: what follows is done by whoever starts next, if not by us.
        let statement = self.settle(snapshot, &sha512)?;
        Ok(Appended { statement, outcome: Outcome::Logged })
    }

    /// What a writer does at its start (step 6): finishes claims, logs zips that have no leaf, adds missing sidecars,
    /// oldest first.
    pub fn recover(&mut self) -> Result<Recovered, LogError> {
        let mut recovered = Recovered::default();
        for id in self.incomplete()? {
            let logged = self.holds(&id);
            match logged.and_then(|logged| self.adopt(&id).map(|_| logged)) {
                Ok(true) => recovered.completed.push(id),
                Ok(false) => recovered.adopted.push(id),
                // One bad zip must not keep the others out.
                Err(error) if error.is_about_one_zip() => recovered.refused.push((id, error)),
                Err(error) => return Err(error),
            }
        }
        Ok(recovered)
    }

    /// The bags in the store that lack a leaf or a sidecar, oldest first. Claims are finished first.
    pub fn incomplete(&mut self) -> Result<Vec<BagId>, LogError> {
        let keys = self.store.list("bundles/")?;
        self.incomplete_among(&keys)
    }

    /// Those of a part of the store: `keys` has every key that begins with that of one of its zips.
    pub fn incomplete_among(&mut self, keys: &[String]) -> Result<Vec<BagId>, LogError> {
        let there: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
        let mut open: Vec<BagId> = Vec::new();
        for key in keys {
            let id = key.rsplit('/').next().and_then(|name| BagId::parse(name.strip_suffix(".zip")?));
            let complete = SIDECARS.iter().all(|suffix| there.contains(format!("{key}{suffix}").as_str()));
            open.extend(id.filter(|id| !complete && id.store_key() == *key));
        }
        open.sort_by_key(|id| (id.slot(), id.kind()));
        self.finish_claims()?;
        Ok(open)
    }

    /// Whether a bag has its leaf.
    pub fn holds(&mut self, id: &BagId) -> Result<bool, LogError> {
        let head = self.finish_claims()?;
        Ok(matches!(self.search(&head, id)?, Search::Found(_)))
    }

    /// Logs the zip that is in the store, after its own signature has been checked. One that is in the log already
    /// gets the sidecars that it lacks.
    pub fn adopt(&mut self, id: &BagId) -> Result<Statement, LogError> {
        let key = id.store_key();
        let orphan = |source| LogError::Orphan { key: key.clone(), source };
        let mut zip = self.open(&key)?;
        let (sha256, sha512) = hash(id, &mut zip)?;
        let head = self.finish_claims()?;
        if let Search::Found(leaf) = self.search(&head, id)? {
            return self.complete(id, sha256, &leaf, &sha512);
        }
        zip.seek(SeekFrom::Start(0)).map_err(|source| LogError::Zip { id: id.clone(), source })?;
        let bundle = UntrustedBundle::open(zip, &id.file_name(), &self.writer.limits);
        let bundle = bundle.with_parts(PartsIn::new(self.store, id));
        let keys = TrustedKeys::new(self.evidence_keys.iter().cloned());
        let corrupt = LogError::Corrupt { key: key.clone(), what: "there is no key to verify it with" };
        let mut bundle = bundle.verify(&keys.ok_or(corrupt)?).map_err(orphan)?;
        // Parts are stored before their root, so this is no writer's crash.
        if let Some(absent) = bundle.parts().absent.first() {
            let (name, what) = (absent.part.file_name(), "is not in the store");
            return Err(orphan(VerifyError::missing(Check::Parts, name, what)));
        }
        let snapshot = Snapshot::of(&mut bundle).map_err(orphan)?;
        self.settle(&snapshot, &sha512)
    }

    /// 5. The sidecars of a leaf, which is about this zip.
    fn complete(
        &self,
        id: &BagId,
        sha256: Digest,
        leaf: &[u8],
        sha512: &Sha512Digest,
    ) -> Result<Statement, LogError> {
        let statement = Statement::parse(leaf)?;
        same_zip(id, sha256, statement.snapshot.zip_sha256)?;
        self.add_sidecars(&statement, leaf, sha512)?;
        Ok(statement)
    }

    /// Steps 2 to 5 for a bundle whose zip is in the store.
    fn settle(&mut self, snapshot: &Snapshot, sha512: &Sha512Digest) -> Result<Statement, LogError> {
        for _ in 0..ATTEMPTS {
            // 2. Where the log is. A claim that nobody has finished comes first.
            let head = self.finish_claims()?;
            let last = match self.search(&head, &snapshot.id)? {
                Search::Found(leaf) => {
                    return self.complete(&snapshot.id, snapshot.zip_sha256, &leaf, sha512);
                }
                Search::Overtaken(later) => {
                    return Err(LogError::Overtaken { id: snapshot.id.clone(), later });
                }
                Search::Absent(last) => last,
            };
            let statement = Statement {
                snapshot: snapshot.clone(),
                origin: self.writer.origin.clone(),
                index: head.size(),
                previous: last.map(|leaf| Digest::of(&leaf)),
            };
            // 3. Claim the number. When somebody else has, their claim is finished first; ours is found next time.
            self.claim(&head, &statement.render()?)?;
        }
        Err(LogError::Busy)
    }

    fn open(&self, key: &str) -> Result<Box<dyn ReadSeek>, LogError> {
        let missing = || LogError::Corrupt { key: key.to_owned(), what: "it is gone" };
        self.store.open(key)?.ok_or_else(missing)
    }

    /// Signs, and refuses a signature that does not verify: another key, a prehashed one, a flipped bit.
    fn sign(signer: &dyn Signer, message: &[u8]) -> Result<[u8; 64], LogError> {
        let signature = signer.sign(message)?;
        signer.public().verify_strict(message, &signature)?;
        Ok(signature)
    }
}

fn same_zip(id: &BagId, found: Digest, expected: Digest) -> Result<(), LogError> {
    if found == expected { Ok(()) } else { Err(LogError::OtherZip { id: id.clone(), found, expected }) }
}

/// Both digests of a zip, read once.
fn hash(id: &BagId, mut zip: &mut dyn ReadSeek) -> Result<(Digest, Sha512Digest), LogError> {
    let (mut sha256, mut sha512) = (Hasher::new(), Sha512::new());
    let read = for_each_chunk(&mut zip, |chunk| {
        sha256.update(chunk);
        sha512.update(chunk);
        Ok(())
    });
    read.map_err(|source| LogError::Zip { id: id.clone(), source })?;
    Ok((sha256.finish().0, Sha512Digest::from_bytes(sha512.finalize().into())))
}
