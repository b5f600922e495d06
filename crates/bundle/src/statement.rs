//! The statement: what the log holds of a bundle, and what DSSE signs.
//!
//! An in-toto Statement v1 on one line with sorted keys. The bytes are written by one template and read strictly:
//! what is parsed must render to the same bytes, so a statement has one spelling and no canonical form is needed.
//! Slot, scope, trigger and the names of the subjects follow from the id of the bag and are refused when they differ.

use serde::Deserialize;

use crate::digest::Digest;
use crate::dsse;
use crate::id::BagId;
use crate::note::KeyName;
use crate::run::RunStatus;
use crate::time::UtcSecond;

const TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "urn:evidenced:snapshot:v1";
const COLLECTOR: &str = "urn:evidenced:collector";
/// Numbers from here on are not the same in every reader of JSON.
const NUMBER_LIMIT: u64 = 1 << 53;

/// Why a statement was not written or not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Not JSON of this shape.
    #[error("not a statement: {detail}")]
    Malformed {
        /// What the parser said.
        detail: String,
    },
    /// A member has a value that it cannot have.
    #[error("{member} of the statement is {found:?}")]
    Member {
        /// Which one.
        member: &'static str,
        /// Its value.
        found: String,
    },
    /// The same content in other bytes.
    #[error("the statement is spelled in another way than statements are")]
    Spelling,
    /// Longer than what is ever signed.
    #[error("the statement of {bytes} bytes is too long to be signed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// About another file.
    #[error("the statement is about {stated}, not about {found}")]
    OtherSubject {
        /// Name and digest in the statement.
        stated: String,
        /// Name and digest of the file.
        found: String,
    },
}

/// What a bundle states of itself, wherever in a log it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The name of the bag: gives scope, slot and trigger.
    pub id: BagId,
    /// The digest of the zip.
    pub zip_sha256: Digest,
    /// The digest of `tagmanifest-sha256.txt`.
    pub tagmanifest_sha256: Digest,
    /// When collecting started.
    pub started: UtcSecond,
    /// When collecting ended.
    pub ended: UtcSecond,
    /// The version of the collector: printable ASCII without quotes and backslashes, at most 64 characters.
    pub version: String,
    /// The digest of `data/config.json`.
    pub config_sha256: Digest,
    /// The digest of the policies, where there are any.
    pub policies_sha256: Option<Digest>,
    /// The digest of the container image, where it is known.
    pub image_sha256: Option<Digest>,
    /// The schedule in force: five cron fields.
    pub schedule: String,
    /// Planned accounts.
    pub accounts: u64,
    /// Planned regions.
    pub regions: u64,
    /// What became of the slot.
    pub status: RunStatus,
}

/// A snapshot at its place in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The bundle.
    pub snapshot: Snapshot,
    /// The log.
    pub origin: KeyName,
    /// The number of the leaf.
    pub index: u64,
    /// The digest of the statement before this one; absent only for number 0.
    pub previous: Option<Digest>,
}

impl Statement {
    /// The bytes: leaf of the log and payload of the envelope.
    pub fn render(&self) -> Result<Vec<u8>, StatementError> {
        self.check()?;
        let Self { snapshot, origin, index, previous } = self;
        let Snapshot { id, zip_sha256, tagmanifest_sha256, started, ended, version, .. } = snapshot;
        let Snapshot { schedule, accounts, regions, status, .. } = snapshot;
        let config = named("configDigest", &snapshot.config_sha256);
        let image =
            snapshot.image_sha256.map(|digest| named("imageDigest", &digest) + ",").unwrap_or_default();
        let policies =
            snapshot.policies_sha256.map(|digest| named("policiesDigest", &digest) + ",").unwrap_or_default();
        let previous = previous.map(|digest| named("previous", &digest) + ",").unwrap_or_default();
        let predicate = [
            format!("{{\"collected\":{{\"end\":\"{ended}\",\"start\":\"{started}\"}},"),
            format!(
                "\"collector\":{{{config},\"id\":\"{COLLECTOR}\",{image}{policies}\"version\":\"{version}\"}},"
            ),
            format!(
                "\"log\":{{\"index\":{index},\"origin\":\"{origin}\"}},{previous}\"schedule\":\"{schedule}\","
            ),
            format!(
                "\"scope\":{{\"accounts\":{accounts},\"name\":\"{}\",\"regions\":{regions}}},",
                id.scope()
            ),
            format!("\"slot\":\"{}\",\"status\":\"{}\",", id.slot(), status.word()),
            format!("\"trigger\":\"{}\"}}", id.kind().trigger()),
        ];
        let statement = [
            format!("{{\"_type\":\"{TYPE}\",\"predicate\":{},", predicate.concat()),
            format!("\"predicateType\":\"{PREDICATE_TYPE}\",\"subject\":["),
            format!("{{{},\"name\":\"{id}.zip\"}},", named("digest", zip_sha256)),
            format!(
                "{{{},\"name\":\"{id}/tagmanifest-sha256.txt\"}}]}}",
                named("digest", tagmanifest_sha256)
            ),
        ];
        let bytes = statement.concat().into_bytes();
        if dsse::message(&bytes).is_none() {
            return Err(StatementError::TooLong { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// Reads what [`Self::render`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementError> {
        if dsse::message(bytes).is_none() {
            return Err(StatementError::TooLong { bytes: bytes.len() });
        }
        let document: Document = serde_json::from_slice(bytes)
            .map_err(|error| StatementError::Malformed { detail: error.to_string() })?;
        let statement = document.statement()?;
        if statement.render()? == bytes { Ok(statement) } else { Err(StatementError::Spelling) }
    }

    /// The statement is about the zip with this file name and digest.
    pub fn describes(&self, file_name: &str, zip_sha256: &Digest) -> Result<(), StatementError> {
        let stated = self.snapshot.id.file_name();
        if stated == file_name && self.snapshot.zip_sha256 == *zip_sha256 {
            return Ok(());
        }
        Err(StatementError::OtherSubject {
            stated: format!("{stated} {}", self.snapshot.zip_sha256),
            found: format!("{} {zip_sha256}", crate::check::printable(file_name)),
        })
    }

    fn check(&self) -> Result<(), StatementError> {
        let Self { snapshot, index, previous, .. } = self;
        let refuse = |member, found: &dyn ToString| {
            Err(StatementError::Member { member, found: crate::check::printable(&found.to_string()) })
        };
        for (member, number) in [
            ("log.index", *index),
            ("scope.accounts", snapshot.accounts),
            ("scope.regions", snapshot.regions),
        ] {
            if number >= NUMBER_LIMIT {
                return refuse(member, &number);
            }
        }
        if (*index == 0) == previous.is_some() {
            return refuse("previous", &previous.map_or("absent".to_owned(), |digest| digest.to_string()));
        }
        if snapshot.ended < snapshot.started {
            return refuse("collected.end", &snapshot.ended);
        }
        if !is_word(&snapshot.version, 64, |byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte)) {
            return refuse("collector.version", &snapshot.version);
        }
        let cron = |byte: u8| byte.is_ascii_digit() || b" *,-/".contains(&byte);
        if !is_word(&snapshot.schedule, 256, cron) || snapshot.schedule.split(' ').count() != 5 {
            return refuse("schedule", &snapshot.schedule);
        }
        Ok(())
    }
}

fn named(name: &str, digest: &Digest) -> String {
    format!("\"{name}\":{{\"sha256\":\"{digest}\"}}")
}

fn is_word(text: &str, limit: usize, allowed: impl Fn(u8) -> bool) -> bool {
    (1..=limit).contains(&text.len()) && text.bytes().all(allowed)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "_type")]
    kind: String,
    predicate: Predicate,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    subject: [Subject; 2],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Predicate {
    collected: Collected,
    collector: Collector,
    log: Log,
    previous: Option<Sha256>,
    schedule: String,
    scope: Scope,
    slot: String,
    status: String,
    trigger: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Collected {
    end: String,
    start: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Collector {
    config_digest: Sha256,
    id: String,
    image_digest: Option<Sha256>,
    policies_digest: Option<Sha256>,
    version: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Log {
    index: u64,
    origin: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scope {
    accounts: u64,
    name: String,
    regions: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    digest: Sha256,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sha256 {
    sha256: String,
}

impl Document {
    fn statement(self) -> Result<Statement, StatementError> {
        let Self { kind, predicate, predicate_type, subject: [zip, tagmanifest] } = self;
        let Predicate { collected, collector, log, .. } = predicate;
        let id = zip.name.strip_suffix(".zip").and_then(BagId::parse);
        let id = id.ok_or_else(|| member("subject[0].name", &zip.name))?;
        for (name, found, expected) in [
            ("_type", &kind, TYPE.to_owned()),
            ("predicateType", &predicate_type, PREDICATE_TYPE.to_owned()),
            ("collector.id", &collector.id, COLLECTOR.to_owned()),
            ("subject[1].name", &tagmanifest.name, format!("{id}/tagmanifest-sha256.txt")),
            ("scope.name", &predicate.scope.name, id.scope().to_string()),
            ("slot", &predicate.slot, id.slot().to_string()),
            ("trigger", &predicate.trigger, id.kind().trigger().to_owned()),
        ] {
            if *found != expected {
                return Err(member(name, found));
            }
        }
        let status = [RunStatus::Complete, RunStatus::Partial, RunStatus::Missed]
            .into_iter()
            .find(|status| status.word() == predicate.status);
        let instant = |name, text: &str| UtcSecond::parse(text).ok_or_else(|| member(name, text));
        let optional = |name, digest: Option<Sha256>| digest.map(|digest| digest.parse(name)).transpose();
        let snapshot = Snapshot {
            zip_sha256: zip.digest.parse("subject[0].digest")?,
            tagmanifest_sha256: tagmanifest.digest.parse("subject[1].digest")?,
            started: instant("collected.start", &collected.start)?,
            ended: instant("collected.end", &collected.end)?,
            version: collector.version,
            config_sha256: collector.config_digest.parse("collector.configDigest")?,
            policies_sha256: optional("collector.policiesDigest", collector.policies_digest)?,
            image_sha256: optional("collector.imageDigest", collector.image_digest)?,
            schedule: predicate.schedule,
            accounts: predicate.scope.accounts,
            regions: predicate.scope.regions,
            status: status.ok_or_else(|| member("status", &predicate.status))?,
            id,
        };
        Ok(Statement {
            snapshot,
            origin: KeyName::new(&log.origin).ok_or_else(|| member("log.origin", &log.origin))?,
            index: log.index,
            previous: optional("previous", predicate.previous)?,
        })
    }
}

impl Sha256 {
    fn parse(self, name: &'static str) -> Result<Digest, StatementError> {
        Digest::parse(&self.sha256).ok_or_else(|| member(name, &self.sha256))
    }
}

fn member(member: &'static str, found: &str) -> StatementError {
    StatementError::Member { member, found: crate::check::printable(found) }
}
