//! What must be refused: the probe is replaced, read in plain sight, hidden, deleted, unlocked; and is still there.
//!
//! Nothing but the probes of this run is touched.

use aws_sdk_s3::primitives::{AggregatedBytes, ByteStream, DateTime};
use aws_sdk_s3::types::{ObjectLockRetention, ObjectLockRetentionMode, ServerSideEncryption};
use evidenced_bundle::Digest;
use evidenced_core::config::S3;
use evidenced_core::shape::Partitions;

use super::{DAY, DENIED, DEPLOY, Desk, Probe, Taken, Trial};
use crate::aws;
use crate::doctor::chain;
use crate::store::{self, S3Error};

impl Desk<'_> {
    /// A request that must be refused by S3 itself.
    fn refused(&mut self, trial: Trial, answer: Result<String, S3Error>, remedy: &str) {
        let check = match answer {
            Ok(observed) => trial.fail(observed, remedy),
            Err(error) if error.code == DENIED => trial.pass(error.to_string()),
            // An emulator denies without a body; a signature or a clock that is refused is 403 too, and has a code.
            Err(error) if error.code == "Http403" => trial.pass("403, without a code"),
            Err(error) => trial.fail(
                format!("{error}, which is no refusal by a policy or a lock"),
                "try again; if it stays so, ask the request again with the AWS CLI and --debug",
            ),
        };
        self.add(check);
    }

    /// The condition that every write of the daemon carries.
    pub(super) async fn create_only(&mut self, taken: &Taken) {
        let trial = Trial::new(
            "create-only",
            "wrote the probe again, with If-None-Match: * as the daemon writes",
            "412 PreconditionFailed",
        );
        let answer = self.write(&taken.key, b"a second time\n", Some("*")).await;
        let check = match answer {
            Ok(_) => trial.fail("it was replaced", "this is not S3, or a gateway that drops If-None-Match"),
            Err(error) if error.status == Some(412) => trial.pass("412 PreconditionFailed"),
            Err(error) => trial.fail(error.to_string(), "try again; S3 answers 412"),
        };
        self.add(check);
    }

    pub(super) async fn overwrite(&mut self, taken: &Taken) {
        let trial = Trial::new(
            "overwrite",
            "wrote over the probe without a condition, as somebody with the daemon's credentials could",
            "AccessDenied, by the bucket's policy",
        );
        let answer = self.write(&taken.key, b"overwritten\n", None).await;
        let remedy = format!("the statement CreateOnly is missing in the bucket's policy: {DEPLOY}");
        self.refused(trial, answer, &remedy);
    }

    pub(super) async fn other_encryption(&mut self, taken: &Taken) {
        let key = taken.key.replace(".txt", "-other-encryption.txt");
        let trial = Trial::new(
            "other-encryption",
            "wrote a second probe that asks for SSE-S3 (AES256) in place of our key",
            "AccessDenied, by the bucket's policy",
        );
        let text = b"under a key of S3's own\n";
        let answer = match self.store.put(&key, &Digest::of(text)) {
            Err(error) => Err(error),
            Ok(put) => {
                let put = put.if_none_match("*").body(ByteStream::from_static(text));
                let put = put.server_side_encryption(ServerSideEncryption::Aes256);
                // These belong to SSE-KMS: with them the request would be refused for another reason.
                let put = put.set_ssekms_key_id(None).set_bucket_key_enabled(None);
                put.send().await.map_err(|error| S3Error::of(&error))
            }
        };
        let answer = answer.map(|answer| {
            let version = answer.version_id().map(str::to_owned);
            self.written.push(Probe { url: self.url(&key), version_id: version });
            "it was written".to_owned()
        });
        let remedy = format!("the statement NoOtherEncryption is missing in the bucket's policy: {DEPLOY}");
        self.refused(trial, answer, &remedy);
    }

    async fn write(
        &mut self,
        key: &str,
        text: &'static [u8],
        condition: Option<&str>,
    ) -> Result<String, S3Error> {
        let put = self.store.put(key, &Digest::of(text))?.body(ByteStream::from_static(text));
        let put = put.set_if_none_match(condition.map(str::to_owned));
        let answer = put.send().await.map_err(|error| S3Error::of(&error))?;
        let version = answer.version_id().map(str::to_owned);
        self.written.push(Probe { url: self.url(key), version_id: version });
        Ok("it was written".to_owned())
    }

    /// A signed GET of the probe by plain HTTP: nothing that is sent there is of use to who reads it on the way.
    pub(super) async fn plain_http(&mut self, taken: &Taken) {
        let S3 { bucket, expected_owner, .. } = self.s3;
        let url = self.plain_url();
        let trial = Trial::new(
            "plain-http",
            format!("read the probe by plain HTTP, signed, from {url}"),
            "AccessDenied, by the bucket's policy",
        );
        let key = self.store.key(&taken.key);
        let instead = format!(
            "from a machine that reaches port 80, with the daemon's credentials: aws s3api get-object --endpoint-url {url} \
             --bucket {bucket} --key {key} /dev/null   (it must end with AccessDenied)"
        );
        let settings =
            aws::Settings { endpoint_url: Some(url), ..store::settings(self.s3, &self.world.settings) };
        let client = match aws::s3(&settings).await {
            Ok(client) => client,
            Err(error) => return self.add(trial.fail(chain(&error), "check [aws] ca_bundle")),
        };
        let get = client.get_object().bucket(bucket).key(&key);
        let answer = get.set_expected_bucket_owner(expected_owner.clone()).send().await;
        let check = match answer.map_err(|error| S3Error::of(&error)) {
            Ok(_) => trial.fail(
                "it was read",
                format!("the statement HttpsOnly is missing in the bucket's policy: {DEPLOY}"),
            ),
            Err(error) if error.code == DENIED => trial.pass(error.to_string()),
            Err(error) => {
                trial.not_possible(format!("nothing of S3 answers plain HTTP here: {error}"), instead)
            }
        };
        self.add(check);
    }

    /// Where S3 would answer without TLS.
    fn plain_url(&self) -> String {
        let environment = |name| std::env::var(name).ok().filter(|url: &String| !url.is_empty());
        let own = self.s3.endpoint_url.clone().or_else(|| self.world.settings.endpoint_url.clone());
        let own =
            own.or_else(|| environment("AWS_ENDPOINT_URL_S3")).or_else(|| environment("AWS_ENDPOINT_URL"));
        let url = own.unwrap_or_else(|| {
            let region = self.client_region().unwrap_or_else(|| "us-east-1".to_owned());
            let suffix = Partitions::embedded()
                .ok()
                .and_then(|all| all.of_region(&region).map(|partition| partition.dns_suffix.clone()));
            format!("https://s3.{region}.{}", suffix.unwrap_or_else(|| "amazonaws.com".to_owned()))
        });
        match url.strip_prefix("https://") {
            Some(rest) => format!("http://{rest}"),
            None => url,
        }
    }

    /// A delete marker would hide the object from everybody who does not ask for versions.
    pub(super) async fn hide(&mut self, taken: &Taken) {
        let S3 { bucket, expected_owner, .. } = self.s3;
        let trial = Trial::new(
            "delete",
            "deleted the probe without naming a version (a delete marker, which Object Lock does not prevent)",
            "AccessDenied",
        );
        let delete = self.store.client().delete_object().bucket(bucket).key(self.store.key(&taken.key));
        let answer = delete.set_expected_bucket_owner(expected_owner.clone()).send().await;
        let answer =
            answer.map(|_| "a delete marker hides it".to_owned()).map_err(|error| S3Error::of(&error));
        let remedy = format!("the statement NothingIsDeleted is missing in the bucket's policy: {DEPLOY}");
        self.refused(trial, answer, &remedy);
    }

    pub(super) async fn delete_version(&mut self, taken: &Taken) {
        let S3 { bucket, expected_owner, .. } = self.s3;
        for (check, did, bypass) in [
            ("delete-version", "deleted the version of the probe", None),
            (
                "delete-version-bypass",
                "deleted the version of the probe, with x-amz-bypass-governance-retention",
                Some(true),
            ),
        ] {
            let trial = Trial::new(check, did, "AccessDenied");
            let Some(version) = &taken.version else {
                let check = trial.not_possible("the probe has no version (versions, above)", DEPLOY);
                self.add(check);
                continue;
            };
            let delete = self.store.client().delete_object().bucket(bucket).key(self.store.key(&taken.key));
            let delete = delete.version_id(version).set_bypass_governance_retention(bypass);
            let answer = delete.set_expected_bucket_owner(expected_owner.clone()).send().await;
            let answer = answer.map(|_| "it is gone".to_owned()).map_err(|error| S3Error::of(&error));
            let remedy =
                format!("neither a lock nor a policy kept it: {DEPLOY}, and see which role this is (caller)");
            self.refused(trial, answer, &remedy);
        }
    }

    /// A lock that could be shortened is none.
    pub(super) async fn shorten(&mut self, taken: &Taken, until: Option<i64>) {
        let S3 { bucket, expected_owner, .. } = self.s3;
        let trial = Trial::new(
            "shorten-lock",
            "set the end of the probe's lock to a day earlier (PutObjectRetention, with the bypass header)",
            "AccessDenied",
        );
        let Some(until) = until else {
            let check = trial.not_possible("the probe has no lock (object-lock, above)", DEPLOY);
            return self.add(check);
        };
        let shorter = ObjectLockRetention::builder()
            .mode(ObjectLockRetentionMode::Compliance)
            .retain_until_date(DateTime::from_secs(until - DAY))
            .build();
        let put = self.store.client().put_object_retention().bucket(bucket).key(self.store.key(&taken.key));
        let put =
            put.set_version_id(taken.version.clone()).retention(shorter).bypass_governance_retention(true);
        let answer = put.set_expected_bucket_owner(expected_owner.clone()).send().await;
        let answer = answer.map(|_| "it was shortened".to_owned()).map_err(|error| S3Error::of(&error));
        let remedy = "the role has s3:PutObjectRetention and the lock is not COMPLIANCE: give it no more than `evidenced \
                      iam-policy --store` prints";
        self.refused(trial, answer, remedy);
    }

    pub(super) async fn still_there(&mut self, taken: &Taken) {
        let S3 { bucket, expected_owner, .. } = self.s3;
        let trial =
            Trial::new("still-there", "read the probe after all that", "the first version, the same bytes");
        let get = self.store.client().get_object().bucket(bucket).key(self.store.key(&taken.key));
        let answer = get.set_expected_bucket_owner(expected_owner.clone()).send().await;
        let check = match answer.map_err(|error| S3Error::of(&error)) {
            Ok(answer) => {
                let version = answer.version_id().map(str::to_owned);
                match answer.body.collect().await.map(AggregatedBytes::to_vec) {
                    Ok(bytes) if bytes == taken.text && version == taken.version => trial.pass("it is"),
                    Ok(_) => trial.fail("another version lies over it", "see which check above failed"),
                    Err(error) => trial.fail(chain(&error), "try again"),
                }
            }
            Err(error) => trial.fail(error.to_string(), "see which check above failed"),
        };
        self.add(check);
    }
}
