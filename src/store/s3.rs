//! The bucket: the keys and rules of a store, kept by S3.
//!
//! Promised: an object is created with `If-None-Match: *` and never overwritten, but for the checkpoint, which is
//! swapped with `If-Match`, and the status page. Every write is one PUT with its SHA-256, so that the digest that S3
//! keeps is that of the whole object, and every call names the owner that the bucket must have. What S3 did not answer
//! clearly is an error: a write may have happened, and the caller reads before it goes on.
//!
//! The calls are synchronous, as [`LogStore`] is: they run on a thread of their own (never on one of the runtime's).
//! API: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html> (conditional writes, checksums, lock).

use std::error::Error;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::{ByteStream, DateTime, SdkBody};
use aws_sdk_s3::types::{ChecksumAlgorithm, ObjectLockMode, ServerSideEncryption};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;
use evidenced_bundle::Digest;
use evidenced_bundle::archive::ReadSeek;
use evidenced_bundle::hash_reader;
use evidenced_bundle::store::{Creation, LogStore, Replacement, StoreError, Version};
use evidenced_core::config::{LockMode, S3};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Larger objects are not read into memory; zips are opened.
const OBJECT_BYTES: u64 = 16 << 20;
/// The most that one PUT may carry (5 GiB).
const PUT_BYTES: u64 = 5 << 30;
/// Of a zip on its way to the bucket.
const CHUNK_BYTES: usize = 256 << 10;
/// Concurrent conditional writes answer 409, and ask to try again.
const CONFLICT_ATTEMPTS: u32 = 8;
const DAY: u64 = 86_400;

/// A bucket and what every write to it carries.
#[derive(Debug, Clone)]
pub(crate) struct S3Store {
    client: Client,
    runtime: Handle,
    settings: S3,
    scratch: PathBuf,
}

/// How a PUT was answered.
enum Put {
    Done,
    /// 412: the condition does not hold.
    Refused,
}

/// Why a call has no answer that could be used.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct S3Error {
    /// The server's code, or ours.
    pub(crate) code: String,
    message: String,
    /// Of the answer, where there was one.
    pub(crate) status: Option<u16>,
    /// Whether waiting may help: throttled, no answer, a fault of the server.
    pub(crate) passing: bool,
}

impl S3Error {
    /// What a call ended with.
    pub(crate) fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let answered = error.as_service_error();
        let code = answered.and_then(ProvideErrorMetadata::code);
        let code = code.map_or_else(
            || status.map_or_else(|| "NoAnswer".to_owned(), |status| format!("Http{status}")),
            str::to_owned,
        );
        let message = answered.and_then(ProvideErrorMetadata::message);
        let message = message.map_or_else(|| crate::aws::chain(error), str::to_owned);
        let passing = status.is_none_or(|status| status >= 500 || status == 429) || code == "SlowDown";
        Self { code, message, status, passing }
    }

    fn ours(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), status: None, passing: false }
    }
}

impl S3Store {
    /// A store in the bucket of `settings`; zips that are read back lie in `scratch` while they are open.
    pub(crate) fn new(client: Client, runtime: Handle, settings: S3, scratch: PathBuf) -> Self {
        Self { client, runtime, settings, scratch }
    }

    /// What asks the bucket.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The whole key of a key of the store.
    pub(crate) fn key(&self, key: &str) -> String {
        prefixed(&self.settings, key)
    }

    /// What every PUT carries.
    pub(crate) fn put(&self, key: &str, sha256: &Digest) -> Result<PutObjectFluentBuilder, S3Error> {
        let S3 { bucket, expected_owner, kms_key_id, lock, .. } = &self.settings;
        let mut put = self
            .client
            .put_object()
            .bucket(bucket)
            .key(self.key(key))
            .set_expected_bucket_owner(expected_owner.clone())
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(aws_smithy_types::base64::encode(sha256.as_bytes()))
            .content_type(content_type(key));
        if let Some(id) = kms_key_id {
            put = put
                .server_side_encryption(ServerSideEncryption::AwsKms)
                .ssekms_key_id(id)
                .bucket_key_enabled(true);
        }
        // The checkpoint and the status page are replaced: a lock would only pile up versions.
        if let Some(lock) = lock.filter(|_| !is_replaced(key)) {
            let mode = match lock.mode {
                LockMode::Governance => ObjectLockMode::Governance,
                LockMode::Compliance => ObjectLockMode::Compliance,
            };
            put = put.object_lock_mode(mode).object_lock_retain_until_date(until(lock.days)?);
        }
        Ok(put)
    }

    /// A small object: one PUT, which the SDK may repeat.
    fn small(
        &self,
        key: &str,
        bytes: &[u8],
        condition: impl Fn(PutObjectFluentBuilder) -> PutObjectFluentBuilder,
    ) -> Result<Put, S3Error> {
        let sha256 = Digest::of(bytes);
        for attempt in 0..CONFLICT_ATTEMPTS {
            let put = condition(self.put(key, &sha256)?).body(ByteStream::from(bytes.to_vec()));
            match self.runtime.block_on(put.send()) {
                Ok(_) => return Ok(Put::Done),
                Err(error) => {
                    if let Some(put) = self.refused(S3Error::of(&error), attempt)? {
                        return Ok(put);
                    }
                }
            }
        }
        Err(S3Error { passing: true, ..S3Error::ours("ConditionalRequestConflict", "others write this key") })
    }

    /// What to do about a refused PUT: it is an answer, or it is to be sent again after a wait, or it is an error.
    fn refused(&self, error: S3Error, attempt: u32) -> Result<Option<Put>, S3Error> {
        match error.status {
            Some(412) => Ok(Some(Put::Refused)),
            // 409 ConditionalRequestConflict: two conditional writes at once, neither of which need have succeeded.
            Some(409) if attempt + 1 < CONFLICT_ATTEMPTS => {
                let wait = Duration::from_millis(50 << attempt.min(6));
                self.runtime.block_on(tokio::time::sleep(wait));
                Ok(None)
            }
            _ => Err(error),
        }
    }

    /// A zip: read once for its digest, and once on its way.
    fn zip(&self, key: &str, zip: &mut dyn ReadSeek) -> Result<Put, Box<dyn Error + Send + Sync>> {
        let start = zip.stream_position()?;
        let (sha256, bytes) = hash_reader(&mut *zip)?;
        if bytes > PUT_BYTES {
            let message = format!("{bytes} bytes are more than one PUT carries; lower [bundle] max_bytes");
            return Err(S3Error::ours("EntityTooLarge", message).into());
        }
        for attempt in 0..CONFLICT_ATTEMPTS {
            zip.seek(SeekFrom::Start(start))?;
            let (sender, receiver) = mpsc::channel(4);
            let body = SdkBody::from_body_1_x(Chunks { receiver, left: bytes });
            let length = i64::try_from(bytes)?;
            let put = self.put(key, &sha256)?.if_none_match("*").content_length(length);
            let put = put.body(ByteStream::new(body)).send();
            let (answer, fed) = self.runtime.block_on(async { tokio::join!(put, feed(&mut *zip, sender)) });
            let error = match answer {
                Ok(_) => return Ok(Put::Done),
                Err(error) => S3Error::of(&error),
            };
            // Our own disk failed: that is what is to be said, not that the request ended early.
            fed?;
            if let Some(put) = self.refused(error, attempt)? {
                return Ok(put);
            }
        }
        Err(S3Error::ours("ConditionalRequestConflict", "others write this key").into())
    }

    fn read(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, S3Error> {
        let S3 { bucket, expected_owner, .. } = &self.settings;
        let get = self.client.get_object().bucket(bucket).key(self.key(key));
        let get = get.set_expected_bucket_owner(expected_owner.clone());
        self.runtime.block_on(async {
            let mut answer = match get.send().await {
                Ok(answer) => answer,
                Err(error) => return absent(S3Error::of(&error)),
            };
            let version = answer.e_tag().map(Version::new);
            let version = version.ok_or_else(|| S3Error::ours("NoETag", "the answer has no ETag"))?;
            let mut bytes = Vec::new();
            while let Some(chunk) = answer.body.next().await {
                bytes.extend(chunk.map_err(|error| incomplete(&error))?);
                if u64::try_from(bytes.len()).is_ok_and(|length| length > OBJECT_BYTES) {
                    return Err(S3Error::ours("TooLarge", format!("is longer than {OBJECT_BYTES} bytes")));
                }
            }
            Ok(Some((bytes, version)))
        })
    }

    fn download(&self, key: &str) -> Result<Option<File>, Box<dyn Error + Send + Sync>> {
        std::fs::create_dir_all(&self.scratch)?;
        // Without a name: it is gone when it is closed, and after a crash.
        let mut file = tempfile::tempfile_in(&self.scratch)?;
        if self.stream(key, &mut file)?.is_none() {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(0))?;
        Ok(Some(file))
    }

    fn stream(&self, key: &str, to: &mut dyn Write) -> Result<Option<u64>, Box<dyn Error + Send + Sync>> {
        let S3 { bucket, expected_owner, .. } = &self.settings;
        let get = self.client.get_object().bucket(bucket).key(self.key(key));
        let get = get.set_expected_bucket_owner(expected_owner.clone());
        self.runtime.block_on(async {
            let mut answer = match get.send().await {
                Ok(answer) => answer,
                Err(error) => return Ok(absent(S3Error::of(&error))?),
            };
            let mut bytes = 0_u64;
            while let Some(chunk) = answer.body.next().await {
                let chunk = chunk.map_err(|error| incomplete(&error))?;
                to.write_all(&chunk)?;
                bytes = bytes.saturating_add(u64::try_from(chunk.len())?);
            }
            Ok(Some(bytes))
        })
    }

    fn length(&self, key: &str) -> Result<Option<u64>, S3Error> {
        let S3 { bucket, expected_owner, .. } = &self.settings;
        let head = self.client.head_object().bucket(bucket).key(self.key(key));
        let head = head.set_expected_bucket_owner(expected_owner.clone());
        match self.runtime.block_on(head.send()) {
            Ok(answer) => Ok(answer.content_length().and_then(|length| u64::try_from(length).ok())),
            // A HEAD has no body, and so no code that says what is not there: the list says whether a bucket is.
            Err(error) => match S3Error::of(&error) {
                error if error.status == Some(404) => Ok(None),
                error => Err(error),
            },
        }
    }

    fn keys(&self, prefix: &str, after: &str) -> Result<Vec<String>, S3Error> {
        let S3 { bucket, expected_owner, prefix: root, .. } = &self.settings;
        let root = if root.is_empty() { String::new() } else { format!("{root}/") };
        let start = (!after.is_empty()).then(|| self.key(after));
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let list = self.client.list_objects_v2().bucket(bucket).prefix(self.key(prefix));
            let list = list.set_expected_bucket_owner(expected_owner.clone()).set_start_after(start.clone());
            let page = self.runtime.block_on(list.set_continuation_token(token.clone()).send());
            let page = page.map_err(|error| S3Error::of(&error))?;
            let keys = page.contents().iter().filter_map(|object| object.key()?.strip_prefix(&root));
            found.extend(keys.map(str::to_owned));
            match page.next_continuation_token() {
                Some(next) if page.is_truncated() == Some(true) && token.as_deref() != Some(next) => {
                    token = Some(next.to_owned());
                }
                // A list that stops half way would look like a log that lost its bundles.
                _ if page.is_truncated() == Some(true) => {
                    return Err(S3Error::ours("RepeatedToken", "the list does not go on"));
                }
                _ => break,
            }
        }
        // A server that does not know `start-after` sends everything.
        found.retain(|key| **key > *after);
        found.sort();
        Ok(found)
    }
}

/// Where a key is, for people.
pub(crate) fn url(settings: &S3, key: &str) -> String {
    format!("s3://{}/{}", settings.bucket, prefixed(settings, key))
}

fn prefixed(settings: &S3, key: &str) -> String {
    match settings.prefix.as_str() {
        "" => key.to_owned(),
        prefix => format!("{prefix}/{key}"),
    }
}

/// Sends a zip chunk by chunk, until its end or until nobody takes more.
async fn feed(zip: &mut dyn ReadSeek, to: mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = match zip.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) => {
                // The request must fail: a shorter body would be another object.
                to.send(Err(io::Error::from(error.kind()))).await.unwrap_or_default();
                return Err(error);
            }
        };
        chunk.truncate(read);
        if to.send(Ok(Bytes::from(chunk))).await.is_err() {
            return Ok(());
        }
    }
}

/// The body of a PUT whose length is known.
struct Chunks {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    left: u64,
}

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<http_body::Frame<Bytes>>>> {
        self.receiver.poll_recv(context).map(|chunk| {
            chunk.map(|chunk| {
                chunk.map(|bytes| {
                    self.left = self.left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                    http_body::Frame::data(bytes)
                })
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.left)
    }
}

fn absent<T>(error: S3Error) -> Result<Option<T>, S3Error> {
    // `NoSuchBucket` is a 404 too, and no answer about the key.
    if error.code == "NoSuchKey" { Ok(None) } else { Err(error) }
}

fn incomplete(error: &(dyn Error + 'static)) -> S3Error {
    S3Error { passing: true, ..S3Error::ours("ResponseIncomplete", crate::aws::chain(error)) }
}

/// The keys that are overwritten: BUNDLE.md, store layout.
fn is_replaced(key: &str) -> bool {
    key == "log/checkpoint" || key.starts_with("status/")
}

fn until(days: u32) -> Result<DateTime, S3Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seconds = now.as_secs() + u64::from(days) * DAY;
    let seconds = i64::try_from(seconds).map_err(|_| S3Error::ours("Retention", "does not fit a date"))?;
    Ok(DateTime::from_secs(seconds))
}

fn content_type(key: &str) -> &'static str {
    match key.rsplit_once('.').map(|(_, extension)| extension) {
        Some("zip") => "application/zip",
        Some("json") => "application/json",
        Some("tsr") => evidenced_bundle::timestamp::RESPONSE_TYPE,
        Some("sshsig" | "tlog-proof") => "text/plain; charset=utf-8",
        _ if key.starts_with("log/checkpoint") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

impl LogStore for S3Store {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        self.read(key).map_err(|error| StoreError::new("read", key, error))
    }

    fn open(&self, key: &str) -> Result<Option<Box<dyn ReadSeek>>, StoreError> {
        let file = self.download(key).map_err(|error| StoreError::new("open", key, error))?;
        Ok(match file {
            Some(file) => Some(Box::new(file)),
            None => None,
        })
    }

    fn create(&self, key: &str, bytes: &[u8]) -> Result<Creation, StoreError> {
        let put = self.small(key, bytes, |put| put.if_none_match("*"));
        match put.map_err(|error| StoreError::new("create", key, error))? {
            Put::Done => Ok(Creation::Created),
            Put::Refused => Ok(Creation::Exists),
        }
    }

    fn upload(&self, key: &str, zip: &mut dyn ReadSeek) -> Result<Creation, StoreError> {
        match self.zip(key, zip).map_err(|error| StoreError::new("create", key, error))? {
            Put::Done => Ok(Creation::Created),
            Put::Refused => Ok(Creation::Exists),
        }
    }

    fn replace(&self, key: &str, bytes: &[u8], was: Option<&Version>) -> Result<Replacement, StoreError> {
        let put = self.small(key, bytes, |put| match was {
            Some(version) => put.if_match(version.as_str()),
            None => put.if_none_match("*"),
        });
        match put {
            Ok(Put::Done) => Ok(Replacement::Replaced),
            Ok(Put::Refused) => Ok(Replacement::Conflict),
            // `If-Match` on a key that is gone.
            Err(error) if error.status == Some(404) && error.code == "NoSuchKey" => Ok(Replacement::Conflict),
            Err(error) => Err(StoreError::new("replace", key, error)),
        }
    }

    fn size(&self, key: &str) -> Result<Option<u64>, StoreError> {
        self.length(key).map_err(|error| StoreError::new("measure", key, error))
    }

    fn fetch(&self, key: &str, to: &mut dyn Write) -> Result<Option<u64>, StoreError> {
        self.stream(key, to).map_err(|error| StoreError::new("fetch", key, error))
    }

    fn list_after(&self, prefix: &str, after: &str) -> Result<Vec<String>, StoreError> {
        self.keys(prefix, after).map_err(|error| StoreError::new("list", prefix, error))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{Cursor, Read as _};
    use std::sync::Mutex;

    use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
    use evidenced_core::config::Lock;

    use super::*;
    use crate::aws::test_server::{Asked, Reply, Server};

    const ZIP: &str = "bundles/2026/11/22/evidence-prod-20261122T020000Z.zip";

    fn settings() -> S3 {
        S3 {
            bucket: "evidence".to_owned(),
            prefix: "v1".to_owned(),
            region: None,
            endpoint_url: None,
            expected_owner: Some("111122223333".to_owned()),
            kms_key_id: Some("alias/store".to_owned()),
            lock: Some(Lock { mode: LockMode::Compliance, days: 10 }),
        }
    }

    /// Runs a test of synchronous calls against a server.
    async fn with<T: Send + 'static>(
        server: &Server,
        test: impl FnOnce(&S3Store) -> T + Send + 'static,
    ) -> T {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"))
            .http_client(crate::aws::test_client())
            .endpoint_url(&server.url)
            .force_path_style(true)
            .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
            .build();
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().to_owned();
        let store = S3Store::new(Client::from_conf(config), Handle::current(), settings(), path);
        tokio::task::spawn_blocking(move || test(&store)).await.unwrap()
    }

    /// A bucket that keeps the conditions of a PUT.
    async fn bucket() -> Server {
        let objects: Mutex<BTreeMap<String, String>> = Mutex::default();
        Server::start(move |asked, _| {
            let mut objects = objects.lock().unwrap();
            let (method, path) = asked.target.split_once(' ').unwrap();
            let path = path.split('?').next().unwrap().to_owned();
            let tag = |body: &str| format!("\"{}\"", Digest::of(body.as_bytes()));
            match method {
                "GET" => match objects.get(&path) {
                    Some(body) => Reply::ok(body).header("etag", &tag(body)),
                    None => Reply::status(404, "<Error><Code>NoSuchKey</Code><Message>no</Message></Error>"),
                },
                "HEAD" => match objects.get(&path) {
                    Some(body) => Reply::ok("").header("content-length", &body.len().to_string()),
                    None => Reply::status(404, ""),
                },
                "PUT" => {
                    let found = objects.get(&path).map(|body| tag(body));
                    let wanted = asked.headers.get("if-match");
                    let refused = asked.headers.contains_key("if-none-match") && found.is_some()
                        || wanted.is_some() && wanted != found.as_ref();
                    if refused {
                        return Reply::status(412, "<Error><Code>PreconditionFailed</Code></Error>");
                    }
                    objects.insert(path, asked.body.clone());
                    Reply::ok("")
                }
                other => panic!("{other}"),
            }
        })
        .await
    }

    fn header<'a>(asked: &'a Asked, name: &str) -> &'a str {
        asked.headers.get(name).map_or("", String::as_str)
    }

    #[tokio::test]
    async fn put_conflict_is_412() {
        let server = bucket().await;
        with(&server, |store| {
            assert_eq!(store.create("log/tile/0/000.p/1", b"one").unwrap(), Creation::Created);
            assert_eq!(store.create("log/tile/0/000.p/1", b"two").unwrap(), Creation::Exists);
            assert_eq!(store.upload(ZIP, &mut Cursor::new(b"PK one")).unwrap(), Creation::Created);
            assert_eq!(store.upload(ZIP, &mut Cursor::new(b"PK two")).unwrap(), Creation::Exists);
            let mut kept = String::new();
            store.open(ZIP).unwrap().unwrap().read_to_string(&mut kept).unwrap();
            assert_eq!(kept, "PK one");
            assert_eq!(store.get("log/tile/0/000.p/1").unwrap().unwrap().0, b"one");
            assert!(store.get("log/checkpoint").unwrap().is_none());
            assert!(store.open("bundles/none.zip").unwrap().is_none());
        })
        .await;
    }

    #[tokio::test]
    async fn a_zip_is_measured_without_reading_it_and_fetched_as_it_comes() {
        let server = bucket().await;
        with(&server, |store| {
            store.upload(ZIP, &mut Cursor::new(b"PK one")).unwrap();
            assert_eq!(store.size(ZIP).unwrap(), Some(6));
            let mut to = Vec::new();
            assert_eq!(store.fetch(ZIP, &mut to).unwrap(), Some(6));
            assert_eq!(to, b"PK one");
            assert_eq!(store.size("bundles/none.zip").unwrap(), None);
            assert_eq!(store.fetch("bundles/none.zip", &mut to).unwrap(), None);
        })
        .await;
        let denied = Server::start(|_, _| Reply::status(403, "")).await;
        with(&denied, |store| {
            assert!(store.size(ZIP).is_err());
            assert!(store.fetch(ZIP, &mut Vec::new()).is_err());
        })
        .await;
        let cut = Server::start(|_, _| Reply::Short(b"PK".to_vec())).await;
        with(&cut, |store| assert!(store.fetch(ZIP, &mut Vec::new()).is_err())).await;
        let gets = server.asked().into_iter().filter(|asked| asked.target.starts_with("GET"));
        assert_eq!(gets.count(), 2);
    }

    #[tokio::test]
    async fn the_checkpoint_is_swapped_only_for_the_one_that_was_read() {
        let server = bucket().await;
        with(&server, |store| {
            let key = "log/checkpoint";
            assert_eq!(store.replace(key, b"one", None).unwrap(), Replacement::Replaced);
            assert_eq!(store.replace(key, b"other", None).unwrap(), Replacement::Conflict);
            let (_, version) = store.get(key).unwrap().unwrap();
            assert_eq!(store.replace(key, b"two", Some(&version)).unwrap(), Replacement::Replaced);
            assert_eq!(store.replace(key, b"three", Some(&version)).unwrap(), Replacement::Conflict);
            assert_eq!(store.get(key).unwrap().unwrap().0, b"two");
        })
        .await;
    }

    #[tokio::test]
    async fn every_write_carries_digest_owner_encryption_and_lock() {
        let server = bucket().await;
        with(&server, |store| {
            store.upload(ZIP, &mut Cursor::new(b"PK one")).unwrap();
            store.create("log/checkpoints/1", b"one").unwrap();
            store.replace("log/checkpoint", b"one", None).unwrap();
            store.replace("status/prod.json", b"{}", None).unwrap();
        })
        .await;
        let asked = server.asked();
        let digest = |body: &str| aws_smithy_types::base64::encode(Digest::of(body.as_bytes()).as_bytes());
        for put in &asked {
            assert_eq!(header(put, "x-amz-checksum-sha256"), digest(&put.body), "{}", put.target);
            assert_eq!(header(put, "x-amz-expected-bucket-owner"), "111122223333");
            assert_eq!(header(put, "x-amz-server-side-encryption"), "aws:kms");
            assert_eq!(header(put, "x-amz-server-side-encryption-aws-kms-key-id"), "alias/store");
        }
        let modes: Vec<&str> = asked.iter().map(|put| header(put, "x-amz-object-lock-mode")).collect();
        assert_eq!(modes, ["COMPLIANCE", "COMPLIANCE", "", ""]);
        let conditions: Vec<&str> = asked.iter().map(|put| header(put, "if-none-match")).collect();
        assert_eq!(conditions, ["*", "*", "*", "*"]);
        assert!(asked[0].target.starts_with(&format!("PUT /evidence/v1/{ZIP}")), "{}", asked[0].target);
        assert!(header(&asked[0], "x-amz-object-lock-retain-until-date").ends_with('Z'));
    }

    #[tokio::test]
    async fn a_concurrent_write_is_sent_again_and_a_denial_is_an_error() {
        let server = Server::start(|_, before| match before {
            0 | 1 => Reply::status(409, "<Error><Code>ConditionalRequestConflict</Code></Error>"),
            2 => Reply::ok(""),
            _ => Reply::status(
                403,
                "<Error><Code>AccessDenied</Code><Message>no s3:PutObject</Message></Error>",
            ),
        })
        .await;
        let denied = with(&server, |store| {
            assert_eq!(store.upload(ZIP, &mut Cursor::new(b"PK one")).unwrap(), Creation::Created);
            store.create("log/tile/0/000.p/1", b"one").unwrap_err()
        });
        let denied = denied.await;
        assert_eq!(denied.key, "log/tile/0/000.p/1");
        assert_eq!(denied.source.to_string(), "AccessDenied: no s3:PutObject");
        assert!(server.asked()[..3].iter().all(|asked| asked.body == "PK one"), "sent whole each time");
    }

    #[tokio::test]
    async fn a_missing_bucket_and_a_torn_answer_are_not_an_absent_object() {
        let server = Server::start(|asked, _| {
            if asked.target.contains("checkpoint") {
                Reply::Short(b"half".to_vec())
            } else {
                Reply::status(404, "<Error><Code>NoSuchBucket</Code><Message>no</Message></Error>")
            }
        })
        .await;
        with(&server, |store| {
            assert_eq!(
                store.get("trust/root-v1.dsse.json").unwrap_err().source.to_string(),
                "NoSuchBucket: no"
            );
            assert!(store.open(ZIP).is_err());
            assert!(store.list("bundles/").is_err());
            // Without an ETag and without its end.
            assert!(store.get("log/checkpoint").is_err());
        })
        .await;
    }

    #[tokio::test]
    async fn a_list_goes_to_its_last_page_or_fails() {
        let server = Server::start(|asked, _| {
            let page = |key: &str, next: &str| {
                let next = if next.is_empty() {
                    "<IsTruncated>false</IsTruncated>".to_owned()
                } else {
                    format!(
                        "<IsTruncated>true</IsTruncated><NextContinuationToken>{next}</NextContinuationToken>"
                    )
                };
                Reply::ok(&format!(
                    "<ListBucketResult>{next}<Contents><Key>v1/{key}</Key></Contents></ListBucketResult>"
                ))
            };
            match asked.target.as_str() {
                target if target.contains("prefix=v1%2Floop") => page("loop/a", "same"),
                target if target.contains("continuation-token=two") => page("bundles/b.zip", ""),
                _ => page("bundles/c.zip", "two"),
            }
        })
        .await;
        with(&server, |store| {
            assert_eq!(store.list("bundles/").unwrap(), ["bundles/b.zip", "bundles/c.zip"]);
            assert!(store.list("loop/").is_err());
        })
        .await;
    }

    #[tokio::test]
    async fn a_list_begins_behind_a_key_whatever_the_server_makes_of_that() {
        let server = Server::start(|_, _| {
            let key = |name: &str| format!("<Contents><Key>v1/bundles/{name}</Key></Contents>");
            let keys = ["2026/11/20/a.zip", "2026/11/21/b.zip"].map(key).concat();
            Reply::ok(&format!("<ListBucketResult>{keys}</ListBucketResult>"))
        })
        .await;
        with(&server, |store| {
            assert_eq!(
                store.list_after("bundles/", "bundles/2026/11/21/").unwrap(),
                ["bundles/2026/11/21/b.zip"]
            );
            assert_eq!(store.list("bundles/").unwrap().len(), 2);
        })
        .await;
        let asked = server.asked();
        assert!(
            asked[0].target.contains("start-after=v1%2Fbundles%2F2026%2F11%2F21%2F"),
            "{}",
            asked[0].target
        );
        assert!(!asked[1].target.contains("start-after"), "{}", asked[1].target);
    }
}
