//! `[store]`: a folder, or a bucket with what every write to it carries.

use super::reader::{Reader, Table};

const ACCEPTED: &str = "expected \"file:FOLDER\" or \"s3://BUCKET/PREFIX\"";

/// Where bundles, log and trust root lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// A folder, as written.
    Folder(String),
    /// A bucket.
    S3(S3),
}

/// A bucket of S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3 {
    /// Its name.
    pub bucket: String,
    /// What all keys begin with, without slashes at its ends; may be empty.
    pub prefix: String,
    /// Its region; none: that of the credentials' configuration.
    pub region: Option<String>,
    /// Endpoint in place of S3's.
    pub endpoint_url: Option<String>,
    /// The account that must own it, twelve digits.
    pub expected_owner: Option<String>,
    /// Key of SSE-KMS, id or ARN; none: as the bucket has it.
    pub kms_key_id: Option<String>,
    /// Object Lock of every object that is not replaced; none: as the bucket has it.
    pub lock: Option<Lock>,
}

/// Object Lock of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lock {
    /// Who may lift it.
    pub mode: LockMode,
    /// For how long from the day of writing.
    pub days: u32,
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html#object-lock-retention-modes>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Lifted with `s3:BypassGovernanceRetention`.
    Governance,
    /// Lifted by nobody.
    Compliance,
}

impl LockMode {
    /// The word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Governance => "governance",
            Self::Compliance => "compliance",
        }
    }
}

/// Reads the table.
pub(super) fn read<'a>(reader: &mut Reader<'a>, top: &mut Table<'a>) -> Store {
    let mut table = reader.table(top, "store");
    let url = reader.required(&mut table, "url", "\"file:FOLDER\" or \"s3://BUCKET/PREFIX\"");
    let store = if let Some(path) = url.strip_prefix("s3://") {
        Store::S3(s3(reader, &mut table, path))
    } else {
        let folder = url.strip_prefix("file:").unwrap_or_default().to_owned();
        if !url.is_empty() && folder.is_empty() {
            reader.refuse(&table, "url", ACCEPTED);
        }
        Store::Folder(folder)
    };
    reader.finish(&table);
    store
}

fn s3<'a>(reader: &mut Reader<'a>, table: &mut Table<'a>, path: &str) -> S3 {
    let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
    if !is_bucket(bucket) {
        reader.refuse(table, "url", format!("{bucket:?} is not the name of a bucket; {ACCEPTED}"));
    }
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    if !prefix.is_empty() && evidenced_bundle::BundlePath::new(prefix).is_err() {
        reader.refuse(table, "url", format!("{prefix:?} is not a prefix of letters, digits, . _ - and /"));
    }
    let region = reader.text(table, "region");
    let allow_plain_http = reader.boolean(table, "allow_plain_http", false);
    let endpoint_url = reader.text(table, "endpoint_url");
    if let Some(url) = &endpoint_url
        && !url.starts_with("https://")
    {
        let message = match (super::sections::is_loopback(url), allow_plain_http) {
            (true, true) => None,
            (true, false) => Some(
                "is plain HTTP: evidence travels by HTTPS only (for a test on this machine, \
                                   set allow_plain_http = true)",
            ),
            (false, _) => Some(
                "is not an https URL: evidence travels by HTTPS only; allow_plain_http counts for \
                                127.0.0.1, ::1 and localhost alone",
            ),
        };
        if let Some(message) = message {
            reader.refuse(table, "endpoint_url", message);
        }
    }
    let expected_owner = reader.text(table, "expected_bucket_owner");
    if expected_owner
        .as_deref()
        .is_some_and(|id| !(id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit())))
    {
        reader.refuse(table, "expected_bucket_owner", "expected the twelve digits of an account id");
    }
    let kms_key_id = reader.text(table, "kms_key_id");
    let lock = table.has("object_lock").then(|| lock(reader, table)).flatten();
    S3 {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        region,
        endpoint_url,
        expected_owner,
        kms_key_id,
        lock,
    }
}

fn lock<'a>(reader: &mut Reader<'a>, table: &mut Table<'a>) -> Option<Lock> {
    let mut inner = reader.table(table, "object_lock");
    let word = reader.text(&mut inner, "mode").unwrap_or_else(|| "governance".to_owned());
    let mode = [LockMode::Governance, LockMode::Compliance].into_iter().find(|mode| mode.word() == word);
    if mode.is_none() {
        reader.refuse(&inner, "mode", "expected \"governance\" or \"compliance\"");
    }
    let days = reader.integer(&mut inner, "days", 3 * 366, 1..=36_500);
    reader.finish(&inner);
    Some(Lock { mode: mode?, days: u32::try_from(days).ok()? })
}

/// The rules of names that S3 gives to new buckets.
fn is_bucket(name: &str) -> bool {
    let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    (3..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
        && ends(name.bytes().next())
        && ends(name.bytes().last())
        && !name.contains("..")
}
