//! `data/config.json`: what was in force, for the auditor.
//!
//! Defaults are filled; file paths, ExternalIds and credentials are not in it. The names are those of the file.

use serde_json::{Map, Value, json};

use super::{Config, RetryMode, Signing, Store, TrustRootInForce};
use crate::plan::Regions;

fn store(store: &Store) -> Value {
    match store {
        Store::Folder(_) => json!({ "kind": "folder" }),
        Store::S3(s3) => json!({
            "kind": "s3",
            "bucket": s3.bucket,
            "prefix": s3.prefix,
            "region": s3.region,
            "endpoint_url": s3.endpoint_url,
            "expected_bucket_owner": s3.expected_owner,
            "kms_key_id": s3.kms_key_id,
            "object_lock": s3.lock.map(|lock| json!({ "mode": lock.mode.word(), "days": lock.days })),
        }),
    }
}

/// The effective configuration of a run, with the trust root that it was made under.
pub fn effective(config: &Config, trust_root: Option<&TrustRootInForce>) -> Value {
    let aws = &config.aws;
    let accounts: Vec<Value> = aws
        .accounts
        .iter()
        .map(|(id, entry)| {
            let mut account = Map::new();
            let mut set = |name: &str, value: Value| account.insert(name.to_owned(), value);
            set("id", json!(id));
            if let Some(name) = &entry.name {
                set("name", json!(name));
            }
            if let Some(owner) = &entry.owner {
                set("owner", json!(owner));
            }
            set("in_scope", json!(entry.in_scope));
            if let Some(reason) = &entry.excluded {
                set("excluded", json!(reason));
            }
            if let Some(role) = &entry.role {
                set("role", json!(role.name));
                set("external_id", json!(role.external_id.is_some()));
            }
            Value::Object(account)
        })
        .collect();
    let regions = match &aws.regions {
        Regions::Enabled => json!("enabled"),
        Regions::Listed(list) => json!(list),
    };
    let organization = aws.organization.as_ref().map(|organization| {
        json!({ "role": organization.role.name, "external_id": organization.role.external_id.is_some() })
    });
    let gaps: Vec<Value> = config
        .accepted_gaps
        .iter()
        .map(|gap| {
            json!({ "account": gap.account, "region": gap.region, "item": gap.item, "reason": gap.reason,
                "approver": gap.approver, "expires": gap.expires })
        })
        .collect();
    let collect = &config.collect;
    json!({
        "scope": config.scope,
        "organisation": config.organisation,
        "schedule": config.schedule.as_str(),
        "store": store(&config.store),
        "signing": signing(&config.signing, trust_root),
        "aws": {
            "endpoint_url": aws.endpoint_url,
            "home_region": aws.home_region,
            "regions": regions,
            "accounts": accounts,
            "organization": organization,
        },
        "accepted_gaps": gaps,
        "collect": {
            "concurrency": collect.concurrency,
            "quota_share": collect.quota_share,
            "attempt_timeout_ms": collect.attempt_timeout_ms,
            "operation_timeout_ms": collect.operation_timeout_ms,
            "max_attempts": collect.max_attempts,
            "retry_mode": match collect.retry_mode {
                RetryMode::Standard => "standard",
                RetryMode::Adaptive => "adaptive",
            },
            "raw": collect.raw,
            "redact_headers": collect.redact_headers,
            "items": collect.items,
        },
        "bundle": { "max_entries": config.bundle.max_entries, "max_bytes": config.bundle.max_bytes },
        "checks": { "profile": config.checks.profile, "params": config.checks.params },
        "controls": config.controls,
        "exceptions": config.exceptions,
    })
}

/// Which keys sign is in the bag and in the log; what is here says who may say which keys count.
fn signing(signing: &Signing, trust_root: Option<&TrustRootInForce>) -> Value {
    let mut section = Map::new();
    section.insert("origin".to_owned(), json!(signing.origin));
    section.insert("timestamp_urls".to_owned(), json!(signing.timestamp_urls));
    if let Some(root) = trust_root {
        let value = json!({ "version": root.version, "sha256": root.sha256.to_string() });
        section.insert("trust_root".to_owned(), value);
    }
    Value::Object(section)
}
