//! The statement of a trust root: who may change it, and which keys and authorities count, from when to when.
//!
//! One line of JSON with sorted keys. What is parsed must render to the same bytes, so that a document has one
//! spelling. Refused: a key that is there twice or for two purposes, a holder that is there twice, a threshold that
//! cannot be reached, files that are named and not digested, or digested and not named.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::TrustError;
use crate::base64;
use crate::check::printable;
use crate::digest::{Digest, KeyId};
use crate::key::PublicKey;
use crate::note::KeyName;
use crate::time::UtcSecond;

const TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "urn:evidenced:trust-root:v1";
/// Longest document.
pub const DOCUMENT_BYTES: usize = 64 << 10;
const HOLDERS: usize = 16;
const KEYS: usize = 256;
const AUTHORITIES: usize = 16;
const VERSIONS: u32 = 1_000;

/// Someone who may sign trust roots, and the key for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Who: 1 to 100 characters that print.
    pub name: String,
    /// The key, which is kept offline.
    pub key: PublicKey,
}

/// What a key is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Bundles and their statements.
    Evidence,
    /// Checkpoints of the log of this origin.
    Log(KeyName),
}

impl Purpose {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Log(_) => "log",
        }
    }
}

/// When and why a key was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The last instant at which the key was known to be good; signatures count when dated before it.
    pub at: UtcSecond,
    /// 1 to 200 characters that print.
    pub reason: String,
}

/// What is said about one key; the key itself is in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    /// The id of the key.
    pub id: KeyId,
    /// What it is for.
    pub purpose: Purpose,
    /// The file with the key in PEM.
    pub file: String,
    /// The first instant at which its signatures count.
    pub valid_from: UtcSecond,
    /// The first instant at which they no longer do.
    pub valid_until: Option<UtcSecond>,
    /// Set when the key may be in other hands.
    pub revoked: Option<Revocation>,
}

/// Roots of a timestamp authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TsaEntry {
    /// The file with its certificates in PEM.
    pub file: String,
    /// The first instant at which its tokens count.
    pub valid_from: UtcSecond,
}

/// One version of the trust root, as it is stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// 1, 2, 3, ...
    pub version: u32,
    /// How many of the holders have to sign.
    pub threshold: usize,
    /// Who may sign this version and the next.
    pub holders: Vec<Holder>,
    /// Keys, past and present.
    pub keys: Vec<KeyEntry>,
    /// Timestamp authorities.
    pub authorities: Vec<TsaEntry>,
    /// SHA-256 of the statement before this one; absent in version 1.
    pub previous: Option<Digest>,
    /// Name and SHA-256 of every other file of the trust root.
    pub files: BTreeMap<String, Digest>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    predicate: Predicate,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    subject: Vec<Subject>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    digest: Sha256,
    name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sha256 {
    sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Predicate {
    keys: Vec<KeyText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Sha256>,
    roots: Vec<RootText>,
    threshold: usize,
    tsa: Vec<TsaText>,
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct KeyText {
    file: String,
    keyid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    purpose: String,
    reason: Option<String>,
    revoked_at: Option<String>,
    valid_from: String,
    valid_until: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RootText {
    holder: String,
    keyid: String,
    spki: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct TsaText {
    file: String,
    valid_from: String,
}

impl Document {
    /// The bytes that are signed.
    pub fn render(&self) -> Result<Vec<u8>, TrustError> {
        self.check()?;
        let statement = Statement {
            kind: TYPE.to_owned(),
            predicate: Predicate {
                keys: self.keys.iter().map(KeyText::of).collect(),
                previous: self.previous.as_ref().map(Sha256::of),
                roots: self.holders.iter().map(RootText::of).collect(),
                threshold: self.threshold,
                tsa: self.authorities.iter().map(TsaText::of).collect(),
                version: self.version,
            },
            predicate_type: PREDICATE_TYPE.to_owned(),
            subject: self
                .files
                .iter()
                .map(|(name, digest)| Subject { digest: Sha256::of(digest), name: name.clone() })
                .collect(),
        };
        let bytes = serde_json::to_vec(&statement)
            .map_err(|error| TrustError::Malformed { detail: error.to_string() })?;
        if bytes.len() > DOCUMENT_BYTES { Err(TrustError::TooLong { bytes: bytes.len() }) } else { Ok(bytes) }
    }

    /// Reads what [`Self::render`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustError> {
        if bytes.len() > DOCUMENT_BYTES {
            return Err(TrustError::TooLong { bytes: bytes.len() });
        }
        let statement: Statement = serde_json::from_slice(bytes)
            .map_err(|error| TrustError::Malformed { detail: error.to_string() })?;
        if statement.kind != TYPE || statement.predicate_type != PREDICATE_TYPE {
            return Err(member("predicateType", &statement.predicate_type));
        }
        let predicate = statement.predicate;
        let mut files = BTreeMap::new();
        for Subject { digest, name } in statement.subject {
            let digest = digest.read("subject")?;
            if files.insert(name.clone(), digest).is_some() {
                return Err(member("subject", &name));
            }
        }
        let document = Self {
            version: predicate.version,
            threshold: predicate.threshold,
            holders: predicate.roots.into_iter().map(RootText::read).collect::<Result<_, _>>()?,
            keys: predicate.keys.into_iter().map(KeyText::read).collect::<Result<_, _>>()?,
            authorities: predicate.tsa.into_iter().map(TsaText::read).collect::<Result<_, _>>()?,
            previous: predicate.previous.map(|digest| digest.read("previous")).transpose()?,
            files,
        };
        if document.render()? == bytes { Ok(document) } else { Err(TrustError::Spelling) }
    }

    fn check(&self) -> Result<(), TrustError> {
        let bounds = [
            ("version", usize::try_from(self.version).unwrap_or(usize::MAX), 1_000),
            ("roots", self.holders.len(), HOLDERS),
            ("threshold", self.threshold, self.holders.len()),
        ];
        for (name, found, most) in bounds {
            if !(1..=most).contains(&found) {
                return Err(member(name, &found.to_string()));
            }
        }
        if self.keys.len() > KEYS || self.authorities.len() > AUTHORITIES || self.version > VERSIONS {
            return Err(member("keys", &self.keys.len().to_string()));
        }
        if (self.version == 1) == self.previous.is_some() {
            return Err(member("previous", if self.previous.is_some() { "present" } else { "absent" }));
        }
        let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
        for holder in &self.holders {
            if !is_text(&holder.name, 100) || !names.insert(&holder.name) {
                return Err(member("holder", &holder.name));
            }
            if !ids.insert(holder.key.id()) {
                return Err(TrustError::KeyTwice { id: *holder.key.id() });
            }
        }
        let mut named = BTreeSet::new();
        for key in &self.keys {
            if !ids.insert(&key.id) {
                return Err(TrustError::KeyTwice { id: key.id });
            }
            if !is_key_file(&key.file, key.purpose.word()) || !named.insert(key.file.clone()) {
                return Err(member("file", &key.file));
            }
            if key.valid_until.is_some_and(|until| until <= key.valid_from) {
                return Err(member("validUntil", &key.file));
            }
            if key.revoked.as_ref().is_some_and(|revoked| !is_text(&revoked.reason, 200)) {
                return Err(member("reason", &key.file));
            }
        }
        for authority in &self.authorities {
            if !is_authority_file(&authority.file) || !named.insert(authority.file.clone()) {
                return Err(member("file", &authority.file));
            }
        }
        named.extend(super::files::derived_names(self.version));
        let digested: BTreeSet<String> = self.files.keys().cloned().collect();
        match named.symmetric_difference(&digested).next() {
            Some(name) => Err(member("subject", name)),
            None => Ok(()),
        }
    }
}

impl Sha256 {
    fn of(digest: &Digest) -> Self {
        Self { sha256: digest.to_string() }
    }

    fn read(&self, name: &'static str) -> Result<Digest, TrustError> {
        Digest::parse(&self.sha256).ok_or_else(|| member(name, &self.sha256))
    }
}

impl RootText {
    fn of(holder: &Holder) -> Self {
        Self {
            holder: holder.name.clone(),
            keyid: holder.key.id().to_string(),
            spki: base64::encode(&holder.key.to_spki()),
        }
    }

    fn read(self) -> Result<Holder, TrustError> {
        let der = base64::decode(self.spki.as_bytes()).ok_or_else(|| member("spki", &self.spki))?;
        let key = PublicKey::from_spki(&der)?;
        if key.id().to_string() != self.keyid {
            return Err(TrustError::OtherKey { named: printable(&self.keyid), found: *key.id() });
        }
        Ok(Holder { name: self.holder, key })
    }
}

impl KeyText {
    fn of(key: &KeyEntry) -> Self {
        Self {
            file: key.file.clone(),
            keyid: key.id.to_string(),
            origin: match &key.purpose {
                Purpose::Evidence => None,
                Purpose::Log(origin) => Some(origin.as_str().to_owned()),
            },
            purpose: key.purpose.word().to_owned(),
            reason: key.revoked.as_ref().map(|revoked| revoked.reason.clone()),
            revoked_at: key.revoked.as_ref().map(|revoked| revoked.at.to_string()),
            valid_from: key.valid_from.to_string(),
            valid_until: key.valid_until.map(|until| until.to_string()),
        }
    }

    fn read(self) -> Result<KeyEntry, TrustError> {
        let purpose = match (self.purpose.as_str(), self.origin) {
            ("evidence", None) => Purpose::Evidence,
            ("log", Some(origin)) => {
                Purpose::Log(KeyName::new(origin.clone()).ok_or_else(|| member("origin", &origin))?)
            }
            (word, _) => return Err(member("purpose", word)),
        };
        let revoked = match (self.revoked_at, self.reason) {
            (None, None) => None,
            (Some(at), Some(reason)) => Some(Revocation { at: instant("revokedAt", &at)?, reason }),
            (_, reason) => return Err(member("reason", &reason.unwrap_or_default())),
        };
        Ok(KeyEntry {
            id: KeyId::parse(&self.keyid).ok_or_else(|| member("keyid", &self.keyid))?,
            purpose,
            file: self.file,
            valid_from: instant("validFrom", &self.valid_from)?,
            valid_until: self.valid_until.map(|until| instant("validUntil", &until)).transpose()?,
            revoked,
        })
    }
}

impl TsaText {
    fn of(authority: &TsaEntry) -> Self {
        Self { file: authority.file.clone(), valid_from: authority.valid_from.to_string() }
    }

    fn read(self) -> Result<TsaEntry, TrustError> {
        Ok(TsaEntry { valid_from: instant("validFrom", &self.valid_from)?, file: self.file })
    }
}

fn instant(name: &'static str, text: &str) -> Result<UtcSecond, TrustError> {
    UtcSecond::parse(text).ok_or_else(|| member(name, text))
}

fn member(name: &'static str, found: &str) -> TrustError {
    TrustError::Member { member: name, found: printable(found) }
}

/// Characters that print, and that show what is there.
fn is_text(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count()) && printable(text) == text && text.trim() == text
}

fn is_key_file(name: &str, purpose: &str) -> bool {
    let label = name.strip_prefix(purpose).and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".pub.pem"));
    label.is_some_and(is_label)
}

fn is_authority_file(name: &str) -> bool {
    name.strip_prefix("tsa-").and_then(|rest| rest.strip_suffix(".pem")).is_some_and(is_label)
}

fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=64).contains(&label.len()) && label.bytes().all(allowed)
}
