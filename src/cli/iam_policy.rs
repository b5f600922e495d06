//! `evidenced iam-policy`: what the collector may do in an account, and what its task may do with store and keys.
//!
//! Each policy allows exactly what the program calls, on the resources that the configuration names, and nothing else.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use evidenced_core::config::{Config, KeySource, LockMode, S3, Store};
use evidenced_core::item::{STORE, catalogue};
use evidenced_core::plan::Regions;
use serde_json::{Map, Value, json};

use super::exit::Failed;
use super::print;
use crate::collector::Loaded;

/// Where objects are created in a store, and where some are replaced: BUNDLE.md, store layout.
const WRITTEN: [&str; 7] =
    ["acceptance/*", "bundles/*", "lease/*", "log/*", "periods/*", "status/*", "trust/*"];
/// Those of them that carry a lock.
const LOCKED: [&str; 7] =
    ["acceptance/*", "bundles/*", "lease/*", "log/checkpoints/*", "log/tile/*", "periods/*", "trust/*"];
/// Of those, the probes of `doctor --acceptance`, whose lock is looked at.
const PROBES: [&str; 1] = ["acceptance/*"];

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The configuration that --store and --task are for.
    #[arg(short, long, value_name = "FILE", default_value = "evidenced.toml", env = "EVIDENCED_CONFIG")]
    config: PathBuf,
    /// For the role of the task: what it needs of the bucket and of the keys, none of which a member role has.
    #[arg(long, conflicts_with = "task")]
    store: bool,
    /// For the role of the task, all of it: store and keys, the roles that it assumes in other accounts, the list of the
    /// organisation's accounts, and what it reads in its own account.
    #[arg(long)]
    task: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, Failed> {
    let policy = if arguments.store || arguments.task {
        let config = Loaded::read(&arguments.config)?.config;
        let mut statements = store(&config);
        if arguments.task {
            statements.extend(access(&config));
        }
        if statements.is_empty() {
            return Err(Failed::usage(
                "the store is a folder and the keys are files: AWS has nothing to allow for them",
                "`evidenced iam-policy` without --store is the policy of the roles that are read",
            ));
        }
        document(&statements)
    } else {
        document(&[read()])
    };
    print(format!("{policy:#}\n").as_bytes())
}

fn document(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// Exactly the actions that the catalogue's calls need; all of them only read.
fn read() -> Value {
    let actions: BTreeSet<&str> =
        catalogue().iter().flat_map(|item| item.steps).flat_map(|step| step.iam).copied().collect();
    allow("EvidencedRead", json!(actions), json!("*"), None)
}

fn allow(sid: &str, actions: Value, resources: Value, condition: Option<Value>) -> Value {
    let mut statement = Map::new();
    statement.insert("Sid".to_owned(), json!(sid));
    statement.insert("Effect".to_owned(), json!("Allow"));
    statement.insert("Action".to_owned(), actions);
    statement.insert("Resource".to_owned(), resources);
    if let Some(condition) = condition {
        statement.insert("Condition".to_owned(), condition);
    }
    Value::Object(statement)
}

/// The bucket, the key that encrypts it, and the keys that sign.
fn store(config: &Config) -> Vec<Value> {
    let mut statements = Vec::new();
    let partition = partition(config);
    if let Store::S3(s3) = &config.store {
        statements.extend(bucket(partition, s3));
    }
    let signing = &config.signing;
    let keys: BTreeSet<&str> = [Some(&signing.evidence_key), signing.log_key.as_ref()]
        .into_iter()
        .flatten()
        .filter_map(|key| match key {
            KeySource::Kms(key) => Some(key.as_str()),
            KeySource::File(_) => None,
        })
        .collect();
    let keys: Vec<(Value, Option<Value>)> =
        keys.into_iter().map(|key| key_resource(partition, key)).collect();
    let named: Vec<Value> =
        keys.iter().filter(|(_, alias)| alias.is_none()).map(|(arn, _)| arn.clone()).collect();
    let mut sign = |number: &str, resources: Value, alias: Option<&Value>| {
        let conditions = |own: Option<Value>| -> Option<Value> {
            let mut all = own.map_or_else(Map::new, |own| own.as_object().cloned().unwrap_or_default());
            if let Some(alias) = alias {
                all.insert("ForAnyValue:StringEquals".to_owned(), json!({ "kms:ResourceAliases": alias }));
            }
            (!all.is_empty()).then_some(Value::Object(all))
        };
        let pure = json!({ "StringEquals": { "kms:SigningAlgorithm": "ED25519_SHA_512", "kms:MessageType": "RAW" } });
        let (sid, public) = (format!("Sign{number}"), format!("PublicHalves{number}"));
        statements.push(allow(&sid, json!("kms:Sign"), resources.clone(), conditions(Some(pure))));
        statements.push(allow(&public, json!("kms:GetPublicKey"), resources, conditions(None)));
    };
    if !named.is_empty() {
        sign("", json!(named), None);
    }
    let aliases = keys.into_iter().filter_map(|(arn, alias)| Some((arn, alias?)));
    for (number, (arn, alias)) in (1..).zip(aliases) {
        sign(&format!("ByAlias{number}"), arn, Some(&alias));
    }
    statements
}

fn bucket(partition: &str, s3: &S3) -> Vec<Value> {
    let arn = format!("arn:{partition}:s3:::{}", s3.bucket);
    let prefix = if s3.prefix.is_empty() { String::new() } else { format!("{}/", s3.prefix) };
    let below = |places: &[&str]| -> Value {
        places.iter().map(|place| json!(format!("{arn}/{prefix}{place}"))).collect::<Vec<_>>().into()
    };
    let asked: BTreeSet<&str> = STORE.steps.iter().flat_map(|step| step.iam).copied().collect();
    // `IfExists`, since S3 looks for this permission too when an object is not there: only then does it answer 404, and
    // that request has no prefix.
    let listed =
        (!prefix.is_empty()).then(|| json!({ "StringLikeIfExists": { "s3:prefix": format!("{prefix}*") } }));
    let mut statements = vec![
        allow("EvidenceObjects", json!(["s3:GetObject", "s3:PutObject"]), below(&WRITTEN), None),
        allow("EvidenceKeys", json!("s3:ListBucket"), json!(arn), listed),
        allow("EvidenceBucket", json!(asked), json!(arn), None),
        allow("LockOfProbes", json!("s3:GetObjectRetention"), below(&PROBES), None),
    ];
    if let Some(lock) = s3.lock {
        let mode = match lock.mode {
            LockMode::Governance => "GOVERNANCE",
            LockMode::Compliance => "COMPLIANCE",
        };
        let condition = json!({ "StringEquals": { "s3:object-lock-mode": mode } });
        let retention = json!("s3:PutObjectRetention");
        statements.insert(1, allow("EvidenceRetention", retention, below(&LOCKED), Some(condition)));
    }
    if let Some(key) = &s3.kms_key_id {
        let (arn, alias) = key_resource(partition, key);
        let region = s3.region.as_deref().unwrap_or("*");
        let suffix = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        let mut condition = Map::new();
        condition
            .insert("StringLike".to_owned(), json!({ "kms:ViaService": format!("s3.{region}.{suffix}") }));
        if let Some(alias) = alias {
            condition.insert("ForAnyValue:StringEquals".to_owned(), json!({ "kms:ResourceAliases": alias }));
        }
        let actions = json!(["kms:Decrypt", "kms:GenerateDataKey"]);
        statements.push(allow("EvidenceDataKey", actions, arn, Some(Value::Object(condition))));
    }
    statements
}

/// The ARN of a key, and the alias that it must have where the configuration names one. A policy cannot name an alias
/// as its resource.
fn key_resource(partition: &str, key: &str) -> (Value, Option<Value>) {
    let parts: Vec<&str> = key.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", partition, "kms", region, account, resource] if resource.starts_with("alias/") => {
            (json!(format!("arn:{partition}:kms:{region}:{account}:key/*")), Some(json!(resource)))
        }
        ["arn", ..] => (json!(key), None),
        _ if key.starts_with("alias/") => (json!(format!("arn:{partition}:kms:*:*:key/*")), Some(json!(key))),
        _ => (json!(format!("arn:{partition}:kms:*:*:key/{key}")), None),
    }
}

/// The roles that are assumed, the list of accounts, and the task's own account.
fn access(config: &Config) -> Vec<Value> {
    let (aws, partition) = (&config.aws, partition(config));
    let mut statements = Vec::new();
    let arn = |account: &str, role: &str| json!(format!("arn:{partition}:iam::{account}:role/{role}"));
    let entries = aws.accounts.iter().filter(|(_, entry)| entry.excluded.is_none());
    let listed: Vec<Value> =
        entries.filter_map(|(id, entry)| Some(arn(id, &entry.role.as_ref()?.name))).collect();
    if !listed.is_empty() {
        statements.push(allow("Accounts", json!("sts:AssumeRole"), json!(listed), None));
    }
    if let Some(organization) = &aws.organization {
        let own = json!({ "StringEquals": { "aws:ResourceOrgID": "${aws:PrincipalOrgID}" } });
        let role = arn("*", &organization.role.name);
        statements.push(allow("Members", json!("sts:AssumeRole"), role, Some(own)));
        statements.push(allow("Organization", json!("organizations:ListAccounts"), json!("*"), None));
    }
    // An account without a role is entered with the task's own credentials: its own, which an organisation lists too.
    let itself = aws.accounts.is_empty()
        || aws.organization.is_some()
        || aws.accounts.values().any(|entry| entry.role.is_none() && entry.excluded.is_none());
    if itself {
        statements.push(read());
    }
    statements
}

/// Of the regions and keys that the configuration names; `aws` where it names none.
fn partition(config: &Config) -> &'static str {
    let listed = match &config.aws.regions {
        Regions::Listed(list) => list.first().map(String::as_str),
        Regions::Enabled => None,
    };
    let store = match &config.store {
        Store::S3(s3) => s3.region.as_deref(),
        Store::Folder(_) => None,
    };
    match [config.aws.home_region.as_deref(), store, listed].into_iter().flatten().next() {
        Some(region) if region.starts_with("cn-") => "aws-cn",
        Some(region) if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

#[cfg(test)]
mod tests {
    use evidenced_core::config::parse;

    use super::*;

    const TOP: &str = "scope = \"prod\"\norganisation = \"Example Ltd\"\n";
    const SIGNING: &str = "[signing]\norigin = \"evidence.example.com/prod\"\n";

    fn of(text: &str) -> Config {
        parse(text).unwrap()
    }

    fn find<'a>(statements: &'a [Value], sid: &str) -> &'a Value {
        statements.iter().find(|statement| statement["Sid"] == sid).unwrap()
    }

    #[test]
    fn the_policy_fits_a_managed_policy_and_only_reads() {
        let policy = document(&[read()]);
        assert!(policy.to_string().len() < 6_144);
        for action in policy["Statement"][0]["Action"].as_array().unwrap() {
            let (_, verb) = action.as_str().unwrap().split_once(':').unwrap();
            assert!(["Describe", "Get", "List", "Search"].iter().any(|it| verb.starts_with(it)), "{action}");
        }
    }

    #[test]
    fn the_store_is_allowed_below_its_prefix_and_signing_in_one_way_only() {
        let key = "arn:aws:kms:eu-central-1:111122223333:key/1234";
        let config = of(&format!(
            "{TOP}[store]\nurl = \"s3://evidence/v1\"\nregion = \"eu-central-1\"\nkms_key_id = \"{key}\"\n\
             object_lock = {{ mode = \"compliance\", days = 10 }}\n{SIGNING}evidence_key = \"awskms:{key}\"\n\
             log_key = \"awskms:alias/log\"\n"
        ));
        let statements = store(&config);
        let objects = find(&statements, "EvidenceObjects");
        assert_eq!(objects["Resource"][1], "arn:aws:s3:::evidence/v1/bundles/*");
        let probes = find(&statements, "LockOfProbes");
        assert_eq!(
            (&probes["Action"], &probes["Resource"]),
            (&json!("s3:GetObjectRetention"), &json!(["arn:aws:s3:::evidence/v1/acceptance/*"]))
        );
        let retention = find(&statements, "EvidenceRetention");
        assert_eq!(retention["Condition"]["StringEquals"]["s3:object-lock-mode"], "COMPLIANCE");
        assert!(!retention["Resource"].to_string().contains("status/"));
        let keys = find(&statements, "EvidenceKeys");
        assert_eq!(keys["Condition"]["StringLikeIfExists"]["s3:prefix"], "v1/*");
        let data = find(&statements, "EvidenceDataKey");
        assert_eq!(
            (&data["Resource"], &data["Condition"]["StringLike"]["kms:ViaService"]),
            (&json!(key), &json!("s3.eu-central-1.amazonaws.com"))
        );
        for (sid, resource) in [("Sign", json!([key])), ("SignByAlias1", json!("arn:aws:kms:*:*:key/*"))] {
            let sign = find(&statements, sid);
            assert_eq!(sign["Resource"], resource);
            let pure = json!({ "kms:SigningAlgorithm": "ED25519_SHA_512", "kms:MessageType": "RAW" });
            assert_eq!(sign["Condition"]["StringEquals"], pure);
        }
        let alias = &find(&statements, "PublicHalvesByAlias1")["Condition"]["ForAnyValue:StringEquals"];
        assert_eq!(alias["kms:ResourceAliases"], "alias/log");
        assert!(document(&statements).to_string().len() < 6_144);
    }

    #[test]
    fn the_task_assumes_the_configured_roles_and_reads_its_own_account() {
        let base = format!("{TOP}[store]\nurl = \"s3://evidence\"\n{SIGNING}evidence_key = \"file:k.pem\"\n");
        let organization = access(&of(&format!(
            "{base}[aws]\nregions = [\"cn-north-1\"]\n[aws.organization]\nrole = \"a/Reader\"\n"
        )));
        let members = find(&organization, "Members");
        assert_eq!(members["Resource"], "arn:aws-cn:iam::*:role/a/Reader");
        assert_eq!(members["Condition"]["StringEquals"]["aws:ResourceOrgID"], "${aws:PrincipalOrgID}");
        find(&organization, "EvidencedRead");
        let listed = access(&of(&format!(
            "{base}[[aws.accounts]]\nid = \"111122223333\"\nrole = \"Reader\"\n\
             [[aws.accounts]]\nid = \"444455556666\"\nrole = \"Reader\"\nexcluded = \"a sandbox\"\n"
        )));
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0]["Resource"], json!(["arn:aws:iam::111122223333:role/Reader"]));
        assert_eq!(access(&of(&base)).len(), 1);
    }

    #[test]
    fn without_a_prefix_every_key_may_be_listed_and_objects_are_still_named_by_their_place() {
        let config =
            of(&format!("{TOP}[store]\nurl = \"s3://evidence\"\n{SIGNING}evidence_key = \"file:k.pem\"\n"));
        let statements = store(&config);
        assert!(find(&statements, "EvidenceKeys").get("Condition").is_none());
        assert_eq!(find(&statements, "EvidenceObjects")["Resource"][1], "arn:aws:s3:::evidence/bundles/*");
        assert!(!statements.iter().any(|statement| statement["Sid"] == "EvidenceRetention"));
    }
}
