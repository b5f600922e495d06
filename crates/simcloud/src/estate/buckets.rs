//! Buckets: each account's, in turn over its regions, and what each is configured to.
//!
//! What is not configured is refused with its own code, as S3 does: `NoSuchBucketPolicy` and the like are facts.

use serde_json::{Value, json};

use crate::{digest::Mix, refuse::Refusal};

use super::{Estate, iso, list};

/// Policies in turn.
pub(crate) const POLICIES: [&str; 10] = [
    "deny-full",
    "none",
    "deny-objects-only",
    "deny-put-only",
    "allow-if-secure",
    "deny-principal-aws-star",
    "deny-one-principal",
    "deny-tls-version",
    "deny-list-form",
    "public-read",
];

impl Estate<'_> {
    /// How many buckets the account has.
    pub(crate) fn buckets(&self) -> u64 {
        9 + u64::from(self.config.scale.unit())
    }

    pub(crate) fn bucket_policy_shape(n: u64) -> &'static str {
        usize::try_from(n).ok().and_then(|n| POLICIES.get(n % POLICIES.len())).copied().unwrap_or("none")
    }

    /// A name that is the same whichever region asks.
    pub(crate) fn bucket_name(&self, n: u64) -> String {
        let hash = Mix::new(self.config.seed).word(&self.account).word("bucket").number(n).finish();
        format!("evid-{}-{:08x}", Self::bucket_policy_shape(n), hash >> 32)
    }

    pub(crate) fn bucket_region(&self, n: u64) -> &str {
        let regions = &self.config.regions;
        let at = usize::try_from(n).unwrap_or_default() % regions.len().max(1);
        regions.get(at).map_or("us-east-1", String::as_str)
    }

    pub(crate) fn bucket_at(&self, name: &str) -> Option<u64> {
        (0..self.buckets()).find(|n| self.bucket_name(*n) == name)
    }

    /// Answers `ListBuckets`; region and ARN are told to those who page.
    pub(crate) fn list_buckets(&self, paged: bool, prefix: Option<&str>, region: Option<&str>) -> Value {
        let owner = Mix::new(self.config.seed).word(&self.account).word("canonical");
        let part = |n: u64| owner.number(n).finish();
        let id = format!("{:016x}{:016x}{:016x}{:016x}", part(0), part(1), part(2), part(3));
        let mut names: Vec<(String, u64)> = (0..self.buckets())
            .filter(|n| region.is_none_or(|region| self.bucket_region(*n) == region))
            .map(|n| (self.bucket_name(n), n))
            .filter(|(name, _)| prefix.is_none_or(|prefix| name.starts_with(prefix)))
            .collect();
        names.sort();
        let mut answer = json!({
            "Buckets": list(names.into_iter().map(|(name, n)| {
                let created = self.config.now - 86_400 * (700 - i64::try_from(n % 600).unwrap_or_default());
                let mut bucket = json!({"Name": name, "CreationDate": iso(created)});
                if let (true, Some(members)) = (paged, bucket.as_object_mut()) {
                    members.insert("BucketRegion".to_owned(), json!(self.bucket_region(n)));
                    members.insert("BucketArn".to_owned(), json!(format!("arn:aws:s3:::{name}")));
                }
                bucket
            })),
            "Owner": {"DisplayName": "evidence & co", "ID": id},
        });
        if let (Some(members), Some(prefix)) = (answer.as_object_mut(), prefix) {
            members.insert("Prefix".to_owned(), json!(prefix));
        }
        answer
    }

    /// Answers `GetBucketLocation`.
    pub(crate) fn bucket_location(&self, n: u64) -> Value {
        match self.bucket_region(n) {
            "us-east-1" => json!({"LocationConstraint": null}),
            region => json!({"LocationConstraint": region}),
        }
    }

    fn policy_document(&self, n: u64) -> Option<Value> {
        let name = self.bucket_name(n);
        let mut statement = json!({
            "Sid": "DenyNonHTTPS",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [format!("arn:aws:s3:::{name}"), format!("arn:aws:s3:::{name}/*")],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        });
        let changes = match Self::bucket_policy_shape(n) {
            "none" => return None,
            "deny-objects-only" => json!({"Resource": format!("arn:aws:s3:::{name}/*")}),
            "deny-put-only" => json!({"Action": "s3:PutObject"}),
            "allow-if-secure" => {
                json!({"Effect": "Allow", "Condition": {"Bool": {"aws:SecureTransport": "true"}}})
            }
            "deny-principal-aws-star" => json!({"Principal": {"AWS": "*"}}),
            "deny-one-principal" => {
                json!({"Principal": {"AWS": format!("arn:aws:iam::{}:root", self.account)}})
            }
            "deny-tls-version" => json!({"Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}}),
            "deny-list-form" => json!({"Condition": {"Bool": {"aws:securetransport": ["false"]}}}),
            "public-read" => json!({
                "Sid": "PublicRead", "Effect": "Allow", "Action": "s3:GetObject",
                "Resource": format!("arn:aws:s3:::{name}/*"), "Condition": {},
            }),
            _ => json!({}),
        };
        if let (Some(statement), Value::Object(changes)) = (statement.as_object_mut(), changes) {
            statement.extend(changes);
            if statement.get("Condition").is_some_and(|condition| condition == &json!({})) {
                statement.remove("Condition");
            }
        }
        Some(json!({"Version": "2012-10-17", "Statement": [statement]}))
    }

    /// Answers `GetBucketPolicy`.
    pub(crate) fn bucket_policy(&self, n: u64) -> Result<Value, Refusal> {
        let document = self.policy_document(n).ok_or_else(|| self.missing(n, "NoSuchBucketPolicy"))?;
        Ok(json!({"Policy": document.to_string()}))
    }

    /// Answers `GetBucketPolicyStatus`.
    pub(crate) fn bucket_policy_status(&self, n: u64) -> Result<Value, Refusal> {
        let shape = Self::bucket_policy_shape(n);
        if shape == "none" {
            return Err(self.missing(n, "NoSuchBucketPolicy"));
        }
        let public = matches!(shape, "public-read" | "allow-if-secure");
        Ok(json!({"PolicyStatus": {"IsPublic": public}}))
    }

    /// Answers `GetPublicAccessBlock`.
    pub(crate) fn public_access_block(&self, n: u64) -> Result<Value, Refusal> {
        if matches!(Self::bucket_policy_shape(n), "public-read" | "deny-one-principal") {
            return Err(self.missing(n, "NoSuchPublicAccessBlockConfiguration"));
        }
        let all = n % 4 != 3;
        Ok(json!({"PublicAccessBlockConfiguration": {
            "BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": all,
            "RestrictPublicBuckets": all,
        }}))
    }

    /// Answers `GetBucketEncryption`.
    pub(crate) fn bucket_encryption(&self, n: u64) -> Result<Value, Refusal> {
        let rule = match n % 5 {
            0 => json!({"SSEAlgorithm": "aws:kms", "KMSMasterKeyID":
                format!("arn:aws:kms:{}:{}:key/{}", self.bucket_region(n), self.account, self.uuid("kms", 0))}),
            // Before 2023 a bucket could be without.
            4 => return Err(self.missing(n, "ServerSideEncryptionConfigurationNotFoundError")),
            _ => json!({"SSEAlgorithm": "AES256"}),
        };
        Ok(json!({"ServerSideEncryptionConfiguration": {"Rules": [{
            "ApplyServerSideEncryptionByDefault": rule, "BucketKeyEnabled": n.is_multiple_of(5),
        }]}}))
    }

    /// Answers `GetBucketVersioning`: nothing at all where it was never switched on.
    pub(crate) fn bucket_versioning(n: u64) -> Value {
        match n % 3 {
            0 => json!({"Status": "Enabled", "MFADelete": "Disabled"}),
            1 => json!({"Status": "Suspended"}),
            _ => json!({}),
        }
    }

    /// Answers `GetBucketLogging`.
    pub(crate) fn bucket_logging(&self, n: u64) -> Value {
        match n % 3 {
            0 => json!({"LoggingEnabled": {
                "TargetBucket": self.bucket_name(1),
                "TargetGrants": [{
                    "Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/s3/LogDelivery"},
                    "Permission": "WRITE",
                }],
                "TargetPrefix": format!("logs/{n}/"),
                "TargetObjectKeyFormat": {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}},
            }}),
            1 => json!({"LoggingEnabled": {
                "TargetBucket": self.bucket_name(1), "TargetPrefix": "",
                "TargetObjectKeyFormat": {"SimplePrefix": {}},
            }}),
            _ => json!({}),
        }
    }

    /// Answers `GetObjectLockConfiguration`.
    pub(crate) fn object_lock_configuration(&self, n: u64) -> Result<Value, Refusal> {
        match n % 4 {
            0 => Ok(json!({"ObjectLockConfiguration": {
                "ObjectLockEnabled": "Enabled",
                "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 400}},
            }})),
            1 => Ok(json!({"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}})),
            _ => Err(self.missing(n, "ObjectLockConfigurationNotFoundError")),
        }
    }

    fn missing(&self, n: u64, code: &'static str) -> Refusal {
        let message = match code {
            "NoSuchBucketPolicy" => "The bucket policy does not exist",
            "NoSuchPublicAccessBlockConfiguration" => "The public access block configuration was not found",
            "ServerSideEncryptionConfigurationNotFoundError" => {
                "The server side encryption configuration was not found"
            }
            _ => "Object Lock configuration does not exist for this bucket",
        };
        Refusal::new(404, code, message).with("BucketName", self.bucket_name(n))
    }
}
