//! The bucket, by a probe: what is written is locked, encrypted, readable, and neither replaced nor deleted.
//!
//! The probe is written as a run writes (the same headers). Only probes of this very run are overwritten and deleted,
//! in this order: what must work, what must be refused, and at last whether the probe is still what it was.

mod attempts;

use aws_sdk_s3::primitives::{AggregatedBytes, ByteStream};
use aws_sdk_s3::types::{ObjectLockRetentionMode, ServerSideEncryption};
use evidenced_bundle::Digest;
use evidenced_core::config::S3;
use evidenced_core::moment;

use super::{Outcome, PREFIX, Probe, Trial, World};
use crate::doctor::{LONG, chain};
use crate::store::{self, S3Error, S3Store};

const DAY: i64 = 86_400;
/// No account has this id.
const NOBODY: &str = "000000000001";
/// S3's word for what a policy or a lock refuses.
const DENIED: &str = "AccessDenied";
const DEPLOY: &str = "deploy deploy/bucket.yaml over it, unchanged";

/// What the checks of the bucket came to.
#[derive(Default)]
pub(super) struct Tried {
    pub(super) checks: Vec<Outcome>,
    /// What they left in it.
    pub(super) written: Vec<Probe>,
    /// Where the report goes; none: nothing can be written.
    pub(super) shelf: Option<Shelf>,
}

/// A place in the store, beside the probe.
pub(super) struct Shelf {
    store: S3Store,
    key: String,
    pub(super) url: String,
}

impl Shelf {
    /// Creates the report.
    pub(super) async fn put(self, report: &[u8]) -> Result<(), S3Error> {
        let put = self.store.put(&self.key, &Digest::of(report))?.if_none_match("*");
        let put = put.body(ByteStream::from(report.to_vec()));
        put.send().await.map(drop).map_err(|error| S3Error::of(&error))
    }
}

/// All checks of the bucket.
pub(super) async fn check(world: &World<'_>) -> Tried {
    let only = |check| Tried { checks: vec![check], ..Tried::default() };
    let did = "looked at [store] url";
    let Some(s3) = super::store(world) else {
        let trial = Trial::new("bucket", did, "a bucket with Object Lock");
        let instead = "nothing: a folder promises no lock; evidence that must be locked needs [store] url = \"s3://...\"";
        return only(trial.not_possible("the store is a folder", instead));
    };
    let opened = store::open_s3(world.loaded, &world.settings, s3).await;
    let store = match opened {
        Ok(store) => store,
        Err(error) => {
            let trial = Trial::new("bucket", did, "a client of S3");
            return only(trial.fail(chain(&error), "check AWS_CA_BUNDLE and [aws] ca_bundle"));
        }
    };
    let mut desk = Desk { world, s3, store, checks: Vec::new(), written: Vec::new(), report: None };
    if tokio::time::timeout(LONG, desk.work()).await.is_err() {
        let trial = Trial::new("bucket", "asked S3", "an answer to each request");
        let observed = format!("not all within {} s", LONG.as_secs());
        desk.checks.push(trial.fail(observed, "check the way to S3: evidenced doctor --network"));
    }
    let Desk { store, checks, written, report, .. } = desk;
    let url = |key: &str| store::location(world.loaded, key).display().to_string();
    let shelf = report.map(|key| Shelf { url: url(&key), store, key });
    Tried { checks, written, shelf }
}

struct Desk<'a> {
    world: &'a World<'a>,
    s3: &'a S3,
    store: S3Store,
    checks: Vec<Outcome>,
    written: Vec<Probe>,
    /// Key of the report, once a probe was taken.
    report: Option<String>,
}

/// A probe that S3 took.
struct Taken {
    key: String,
    text: Vec<u8>,
    version: Option<String>,
    at: i64,
}

impl Desk<'_> {
    async fn work(&mut self) {
        self.owner().await;
        self.region().await;
        let Some(taken) = self.create().await else { return };
        self.version(&taken);
        self.read_back(&taken).await;
        let until = self.lock(&taken).await;
        self.create_only(&taken).await;
        self.overwrite(&taken).await;
        self.other_encryption(&taken).await;
        self.plain_http(&taken).await;
        self.hide(&taken).await;
        self.delete_version(&taken).await;
        self.shorten(&taken, until).await;
        self.still_there(&taken).await;
    }

    fn add(&mut self, check: Outcome) {
        self.checks.push(check);
    }

    /// Requests are answered in the name of the owner, and of nobody else.
    async fn owner(&mut self) {
        let S3 { bucket, expected_owner, .. } = self.s3;
        let trial = Trial::new(
            "owner",
            format!("asked for {bucket} in the name of its owner, and in that of account {NOBODY}"),
            "the first is answered, the second is refused",
        );
        let remedy = "[store] expected_bucket_owner is the account that bucket.yaml was deployed in";
        let Some(owner) = expected_owner else {
            let check = trial.fail("[store] expected_bucket_owner is not set: nothing was asked", remedy);
            return self.add(check);
        };
        let ask = async |owner: &str| {
            let head = self.store.client().head_bucket().bucket(bucket).expected_bucket_owner(owner);
            head.send().await.map(drop).map_err(|error| S3Error::of(&error))
        };
        let check = match (ask(owner).await, ask(NOBODY).await) {
            (Err(error), _) => trial.fail(format!("in the name of {owner}: {error}"), remedy),
            (Ok(()), Err(error)) if error.status == Some(403) => {
                trial.pass(format!("account {owner} owns it; 403 for account {NOBODY}"))
            }
            (Ok(()), Ok(())) => trial.fail(
                format!("answered in the name of account {NOBODY} too"),
                "this is not S3 itself, or something between strips the header x-amz-expected-bucket-owner",
            ),
            (Ok(()), Err(error)) => trial.fail(format!("for account {NOBODY}: {error}"), "try again"),
        };
        self.add(check);
    }

    async fn region(&mut self) {
        let S3 { bucket, expected_owner, region, .. } = self.s3;
        let did = format!("asked where {bucket} is (HeadBucket)");
        let trial = Trial::new("region", did, "the region of [store] region");
        let head = self.store.client().head_bucket().bucket(bucket);
        let answer = head.set_expected_bucket_owner(expected_owner.clone()).send().await;
        let configured = region.clone().or_else(|| self.client_region()).unwrap_or_default();
        let remedy = "set [store] region to where the bucket is";
        let check = match answer.map_err(|error| S3Error::of(&error)) {
            Ok(found) => match found.bucket_region() {
                Some(found) if found == configured => trial.pass(found),
                Some(found) => trial.fail(format!("{found}, and {configured} is configured"), remedy),
                None => trial.fail("the answer names no region", remedy),
            },
            Err(error) => trial.fail(error.to_string(), remedy),
        };
        self.add(check);
    }

    fn client_region(&self) -> Option<String> {
        self.store.client().config().region().map(ToString::to_string)
    }

    fn url(&self, key: &str) -> String {
        store::location(self.world.loaded, key).display().to_string()
    }

    async fn create(&mut self) -> Option<Taken> {
        let at = self.world.time.now();
        let stamp = moment::seconds(at);
        let mut random = [0_u8; 4];
        // The name only has to be new; without randomness, the second is.
        getrandom::fill(&mut random).unwrap_or_default();
        let name: String = stamp.chars().filter(|letter| !"-:".contains(*letter)).collect();
        let key = format!("{PREFIX}{}/{name}-{:08x}.txt", moment::day(at), u32::from_be_bytes(random));
        let text = format!(
            "evidenced doctor --acceptance: a probe of scope {}, written {stamp}.\n\
             It is no evidence. It stays until its lock ends, and nothing reads it.\n",
            self.world.loaded.config.scope
        );
        let text = text.into_bytes();
        let trial = Trial::new(
            "write",
            format!("wrote a probe of {} bytes, as a run writes: {}", text.len(), self.url(&key)),
            "it is created, with If-None-Match: *",
        );
        let remedy =
            "allow what `evidenced iam-policy --store` prints, and what bucket.yaml allows the writer";
        let put = match self.store.put(&key, &Digest::of(&text)) {
            Ok(put) => put,
            Err(error) => {
                self.add(trial.fail(error.to_string(), remedy));
                return None;
            }
        };
        match put.if_none_match("*").body(ByteStream::from(text.clone())).send().await {
            Ok(answer) => {
                let version = answer.version_id().map(str::to_owned);
                self.written.push(Probe { url: self.url(&key), version_id: version.clone() });
                self.report = Some(key.replace(".txt", "-report.json"));
                self.add(trial.pass("created"));
                Some(Taken { key, text, version, at })
            }
            Err(error) => {
                self.add(trial.fail(S3Error::of(&error).to_string(), remedy));
                None
            }
        }
    }

    fn version(&mut self, taken: &Taken) {
        let trial = Trial::new("versions", "looked at the answer to the write", "the version has an id");
        let check = match &taken.version {
            Some(id) => trial.pass(id.clone()),
            None => trial.fail("none: the bucket keeps no versions, and so no lock", DEPLOY),
        };
        self.add(check);
    }

    /// The same bytes come back, under the key that was asked for.
    async fn read_back(&mut self, taken: &Taken) {
        let S3 { bucket, expected_owner, kms_key_id, .. } = self.s3;
        let get = self.store.client().get_object().bucket(bucket).key(self.store.key(&taken.key));
        let answer = get.set_expected_bucket_owner(expected_owner.clone()).send().await;
        let read = Trial::new("read", "read the probe back", "the bytes that were written");
        let encrypted = Trial::new(
            "encryption",
            "looked at what S3 says of the probe's encryption",
            "aws:kms with a key of ours: that of [store] kms_key_id, or the bucket's own",
        );
        let remedy = "allow s3:GetObject and, through S3, kms:Decrypt of the bucket's key";
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let why = S3Error::of(&error).to_string();
                self.add(read.fail(why.clone(), remedy));
                return self.add(encrypted.fail(why, remedy));
            }
        };
        let method = answer.server_side_encryption().cloned();
        let key = answer.ssekms_key_id().map(str::to_owned);
        let body = answer.body.collect().await.map(AggregatedBytes::to_vec);
        self.add(match body {
            Ok(bytes) if bytes == taken.text => read.pass(format!("{} bytes, the same", bytes.len())),
            Ok(bytes) => read
                .fail(format!("{} other bytes", bytes.len()), "this is not the bucket that was written to"),
            Err(error) => read.fail(chain(&error), remedy),
        });
        // An alias is not said in the answer; that it is no other key is what the bucket's policy demands.
        let wanted = match kms_key_id.clone().filter(|id| !id.contains("alias/")) {
            Some(id) => Some(id),
            None => self.own_key().await,
        };
        let id = |text: &str| text.rsplit(['/', ':']).next().unwrap_or(text).to_owned();
        let is_same = |key: &str| wanted.as_ref().is_some_and(|wanted| id(wanted) == id(key));
        self.add(match (method, key) {
            (Some(ServerSideEncryption::AwsKms), Some(key)) if is_same(&key) => {
                encrypted.pass(format!("aws:kms, {key}"))
            }
            (Some(ServerSideEncryption::AwsKms), Some(key)) => {
                let wanted = wanted.unwrap_or_else(|| "a key of its own, and has none by default".to_owned());
                encrypted.fail(format!("aws:kms, {key}, where the bucket should have {wanted}"), DEPLOY)
            }
            (method, _) => {
                let found = method.map_or("none".to_owned(), |method| method.as_str().to_owned());
                encrypted.fail(format!("{found}, without a key of ours"), DEPLOY)
            }
        });
    }

    /// The key of the bucket's default; none: it has none, and S3 takes the one that AWS manages.
    async fn own_key(&self) -> Option<String> {
        let S3 { bucket, expected_owner, .. } = self.s3;
        let ask = self.store.client().get_bucket_encryption().bucket(bucket);
        let answer = ask.set_expected_bucket_owner(expected_owner.clone()).send().await.ok()?;
        let rules = answer.server_side_encryption_configuration?.rules;
        rules.into_iter().find_map(|rule| rule.apply_server_side_encryption_by_default?.kms_master_key_id)
    }

    /// COMPLIANCE, for as long as the bucket or the configuration says; gives when it ends.
    async fn lock(&mut self, taken: &Taken) -> Option<i64> {
        let S3 { bucket, expected_owner, lock, .. } = self.s3;
        let trial = Trial::new(
            "object-lock",
            "asked for the lock of the probe, and for the bucket's default (GetObjectRetention, GetObjectLockConfiguration)",
            "COMPLIANCE, for as long as [store.object_lock] or the bucket's default says",
        );
        let client = self.store.client();
        let ask = client.get_object_retention().bucket(bucket).key(self.store.key(&taken.key));
        let ask = ask.set_version_id(taken.version.clone()).set_expected_bucket_owner(expected_owner.clone());
        let found = match ask.send().await.map_err(|error| S3Error::of(&error)) {
            Ok(answer) => answer.retention,
            Err(error) if error.code == DENIED => {
                let remedy = "allow s3:GetObjectRetention below acceptance/: `evidenced iam-policy --store`, bucket.yaml";
                self.add(trial.fail(error.to_string(), remedy));
                return None;
            }
            Err(error) => {
                self.add(trial.fail(format!("no lock: {error}"), DEPLOY));
                return None;
            }
        };
        let mode = found.as_ref().and_then(|found| found.mode.clone());
        let until = found.and_then(|found| found.retain_until_date).map(|date| date.secs());
        let (Some(mode), Some(until)) = (mode, until) else {
            self.add(trial.fail("no lock", DEPLOY));
            return None;
        };
        let ask = client.get_object_lock_configuration().bucket(bucket);
        let default = ask.set_expected_bucket_owner(expected_owner.clone()).send().await;
        let default = default.ok().and_then(|answer| {
            let default = answer.object_lock_configuration?.rule?.default_retention?;
            default.days.or(default.years.map(|years| years.saturating_mul(365))).map(i64::from)
        });
        let days = lock.map(|lock| i64::from(lock.days)).or(default);
        let observed = format!("{} until {}", mode.as_str(), moment::seconds(until));
        self.add(match days {
            None => trial
                .fail(format!("{observed}, and no default of the bucket says how long it should be"), DEPLOY),
            // A minute for the clocks of both sides.
            Some(days) if until < taken.at + days * DAY - 60 => {
                trial.fail(format!("{observed}, which is less than {days} days"), DEPLOY)
            }
            Some(days) if mode != ObjectLockRetentionMode::Compliance => trial.fail(
                format!("{observed} ({days} days): whoever may bypass it can delete"),
                "deploy bucket.yaml with LockMode=COMPLIANCE before the first day that counts",
            ),
            Some(days) => trial.pass(format!("{observed} ({days} days)")),
        });
        Some(until)
    }
}
