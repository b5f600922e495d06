//! Whether a bucket may hold evidence: HTTPS only, versions kept, locked, private, encrypted.
//!
//! Pure: the answers of S3 in, findings out. What was not answered is a finding, never a pass. The rules are those
//! of deploy's bucket policy and of <https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html>.

use serde_json::{Value, json};

use crate::pattern::matches;

/// What S3 said of a bucket: the body of each answer, `None` where it says that there is none, or why it did not say.
#[derive(Debug, Clone)]
pub struct Answers {
    /// `GetBucketPolicy`: the policy itself.
    pub policy: Answer,
    /// `GetBucketVersioning`.
    pub versioning: Answer,
    /// `GetObjectLockConfiguration`.
    pub lock: Answer,
    /// `GetPublicAccessBlock`.
    pub public_access: Answer,
    /// `GetBucketEncryption`.
    pub encryption: Answer,
}

/// One of them.
pub type Answer = Result<Option<Value>, String>;

impl Answers {
    /// What the document of [`crate::item::STORE`] says. A call that is not in it was not answered.
    pub fn of(document: &Value) -> Self {
        let answer = |operation: &str| -> Answer {
            let calls = document.get("calls").map(list).unwrap_or_default();
            let of = |call: &&&Value| call.get("operation").and_then(Value::as_str) == Some(operation);
            let call = calls.iter().find(of).ok_or_else(|| "was not asked".to_owned())?;
            match (call.get("output"), call.get("fact"), call.get("error")) {
                (Some(output), None, None) => Ok(Some(output.clone())),
                (None, Some(_), None) => Ok(None),
                (_, _, Some(error)) => {
                    let word = |name| error.get(name).and_then(Value::as_str).unwrap_or_default();
                    Err(format!("{}: {}", word("code"), word("message")))
                }
                _ => Err("the document does not say what was answered".to_owned()),
            }
        };
        let policy = answer("GetBucketPolicy").and_then(|output| {
            let Some(output) = output else { return Ok(None) };
            // The policy is JSON in a text.
            let text = output.get("Policy").and_then(Value::as_str).unwrap_or_default();
            serde_json::from_str(text).map(Some).map_err(|error| format!("the policy is not JSON: {error}"))
        });
        Self {
            policy,
            versioning: answer("GetBucketVersioning"),
            lock: answer("GetObjectLockConfiguration"),
            public_access: answer("GetPublicAccessBlock"),
            encryption: answer("GetBucketEncryption"),
        }
    }
}

/// Why nothing can be said of the bucket yet: a call of the document that no server answered, or answered with a fault
/// of its own. A denied call is an answer.
pub fn unanswered(document: &Value) -> Option<String> {
    let calls = document.get("calls").map(list).unwrap_or_default();
    calls.into_iter().find_map(|call| {
        let error = call.get("error")?;
        let last = call.get("pages").map(list).unwrap_or_default().pop();
        // A status of 200 is not written.
        let status = last.map(|page| page.get("status").map_or(Some(200), Value::as_u64).unwrap_or(0));
        let word = |of: &Value, name| of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (code, message) = (word(error, "code"), word(error, "message"));
        let silent = status.is_none_or(|status| status >= 500 || status == 429) || code == "SlowDown";
        silent.then(|| format!("{}: {code}: {message}", word(call, "operation")))
    })
}

/// Whether the document has calls and each of them was denied: what S3 answers when another account owns the bucket
/// than the one that the questions name.
pub fn is_denied_throughout(document: &Value) -> bool {
    let calls = document.get("calls").map(list).unwrap_or_default();
    let denied = |call: &&Value| {
        call.pointer("/error/code").and_then(Value::as_str).is_some_and(|code| code == "AccessDenied")
    };
    !calls.is_empty() && calls.iter().all(denied)
}

/// Whether evidence may be written in spite of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Not without `--accept-bucket`.
    Refused,
    /// Said, and written.
    Warning,
}

/// What is not as it should be, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Name of the rule.
    pub rule: &'static str,
    /// Whether evidence may be written in spite of it.
    pub severity: Severity,
    /// What was found.
    pub found: String,
    /// What to do.
    pub remedy: String,
}

/// The rules, in the order in which they are judged.
pub const RULES: [&str; 5] = ["https-only", "versioning", "object-lock", "public-access-block", "encryption"];

/// Judges a bucket of a partition (`aws`, `aws-cn`, `aws-us-gov`).
pub fn judge(partition: &str, bucket: &str, answers: &Answers) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |rule, severity, found: String, remedy: String| {
        findings.push(Finding { rule, severity, found, remedy });
    };
    let [https, versioning, lock, public, encryption] = RULES;

    let statement = || format!("add this statement to the bucket policy: {}", https_only(partition, bucket));
    match &answers.policy {
        Err(why) => {
            add(https, Severity::Refused, format!("GetBucketPolicy: {why}"), ask("s3:GetBucketPolicy"));
        }
        Ok(None) => add(https, Severity::Refused, "the bucket has no policy".into(), statement()),
        Ok(Some(policy)) => {
            for arn in arns(partition, bucket) {
                if !denies_plain_http(policy, &arn) {
                    let found = format!("no statement denies every plain HTTP request to {arn}");
                    add(https, Severity::Refused, found, statement());
                    break;
                }
            }
        }
    }
    match &answers.versioning {
        Err(why) => add(
            versioning,
            Severity::Warning,
            format!("GetBucketVersioning: {why}"),
            ask("s3:GetBucketVersioning"),
        ),
        Ok(answer) => {
            let status = text(answer.as_ref(), "/Status");
            if status != Some("Enabled") {
                let found = format!("versioning is {}", status.unwrap_or("off"));
                add(versioning, Severity::Warning, found, "enable versioning".into());
            }
        }
    }
    match &answers.lock {
        Err(why) => add(
            lock,
            Severity::Warning,
            format!("GetObjectLockConfiguration: {why}"),
            ask("s3:GetBucketObjectLockConfiguration"),
        ),
        Ok(answer)
            if text(answer.as_ref(), "/ObjectLockConfiguration/ObjectLockEnabled") != Some("Enabled") =>
        {
            let remedy = "enable Object Lock: without it whoever may delete can delete evidence";
            add(lock, Severity::Warning, "Object Lock is off".into(), remedy.into());
        }
        Ok(_) => {}
    }
    match &answers.public_access {
        Err(why) => add(
            public,
            Severity::Warning,
            format!("GetPublicAccessBlock: {why}"),
            ask("s3:GetBucketPublicAccessBlock"),
        ),
        Ok(answer) => {
            let off: Vec<&str> = PUBLIC_ACCESS
                .into_iter()
                .filter(|name| {
                    let path = format!("/PublicAccessBlockConfiguration/{name}");
                    answer.as_ref().and_then(|answer| answer.pointer(&path)) != Some(&Value::Bool(true))
                })
                .collect();
            if !off.is_empty() {
                let found = format!("not set: {}", off.join(", "));
                add(
                    public,
                    Severity::Refused,
                    found,
                    "set all four of the bucket's public access block".into(),
                );
            }
        }
    }
    match &answers.encryption {
        Err(why) => add(
            encryption,
            Severity::Warning,
            format!("GetBucketEncryption: {why}"),
            ask("s3:GetEncryptionConfiguration"),
        ),
        Ok(None) => {
            add(
                encryption,
                Severity::Warning,
                "no default encryption".into(),
                "set SSE-KMS as the default".into(),
            );
        }
        Ok(Some(_)) => {}
    }
    findings
}

const PUBLIC_ACCESS: [&str; 4] =
    ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];

/// The statement that makes a bucket HTTPS-only.
pub fn https_only(partition: &str, bucket: &str) -> Value {
    json!({
        "Sid": "HttpsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": arns(partition, bucket),
        "Condition": { "Bool": { "aws:SecureTransport": "false" } },
    })
}

fn arns(partition: &str, bucket: &str) -> [String; 2] {
    [format!("arn:{partition}:s3:::{bucket}"), format!("arn:{partition}:s3:::{bucket}/*")]
}

fn ask(action: &str) -> String {
    format!("allow {action} to the role of the task, so that the bucket can be checked")
}

fn text<'a>(answer: Option<&'a Value>, pointer: &str) -> Option<&'a str> {
    answer?.pointer(pointer)?.as_str()
}

/// Whether some statement of a policy denies everybody every plain HTTP request to a resource. A statement with
/// another condition, or for some principals or actions only, is none.
pub fn denies_plain_http(policy: &Value, resource: &str) -> bool {
    let statements = policy.get("Statement").map(list).unwrap_or_default();
    statements.into_iter().any(|statement| {
        let of = |name: &str| statement.get(name);
        of("Effect").and_then(Value::as_str) == Some("Deny")
            && of("Principal").is_some_and(is_everybody)
            && of("Action").is_some_and(|actions| texts(actions).any(|action| matches!(action, "*" | "s3:*")))
            && of("Resource").is_some_and(|resources| {
                // The object pattern `bucket/*` must itself be covered, not only match: `bucket/a*` does not do.
                texts(resources).any(|pattern| matches(pattern, resource))
            })
            && of("Condition").is_some_and(is_plain_http)
    })
}

fn is_everybody(principal: &Value) -> bool {
    match principal {
        Value::String(text) => text == "*",
        Value::Object(kinds) => kinds.get("AWS").is_some_and(|aws| texts(aws).any(|text| text == "*")),
        _ => false,
    }
}

/// `Bool` on `aws:SecureTransport` = false, and no other condition that would narrow it.
fn is_plain_http(condition: &Value) -> bool {
    let Some(operators) = condition.as_object() else { return false };
    let mut operators = operators.iter();
    let (Some((operator, keys)), None) = (operators.next(), operators.next()) else { return false };
    let is_bool = operator.eq_ignore_ascii_case("Bool") || operator.eq_ignore_ascii_case("BoolIfExists");
    let Some(keys) = keys.as_object().filter(|_| is_bool) else { return false };
    let mut keys = keys.iter();
    let (Some((key, values)), None) = (keys.next(), keys.next()) else { return false };
    key.eq_ignore_ascii_case("aws:SecureTransport")
        && list(values).into_iter().any(|value| match value {
            Value::Bool(value) => !value,
            Value::String(text) => text.eq_ignore_ascii_case("false"),
            _ => false,
        })
}

/// A value of a policy that may be one or many.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        value => vec![value],
    }
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    list(value).into_iter().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::{Cell, Context, collect_about};
    use crate::item::{GLOBAL, STORE, about_store};
    use crate::redact::Redactor;
    use crate::shape::Shapes;
    use crate::source::Account;
    use crate::testing::{FakeSource, page};

    fn good() -> Answers {
        Answers {
            policy: Ok(Some(
                json!({ "Version": "2012-10-17", "Statement": [https_only("aws", "evidence")] }),
            )),
            versioning: Ok(Some(json!({ "Status": "Enabled" }))),
            lock: Ok(Some(json!({ "ObjectLockConfiguration": { "ObjectLockEnabled": "Enabled" } }))),
            public_access: Ok(Some(json!({ "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": true,
                "RestrictPublicBuckets": true } }))),
            encryption: Ok(Some(json!({ "ServerSideEncryptionConfiguration": { "Rules": [] } }))),
        }
    }

    fn with(change: impl Fn(&mut Value)) -> Vec<Finding> {
        let mut answers = good();
        let mut statement = https_only("aws", "evidence");
        change(&mut statement);
        answers.policy = Ok(Some(json!({ "Statement": statement })));
        judge("aws", "evidence", &answers)
    }

    fn refused(findings: &[Finding]) -> bool {
        findings.iter().any(|finding| finding.rule == "https-only" && finding.severity == Severity::Refused)
    }

    #[test]
    fn a_bucket_with_the_statement_has_no_findings() {
        assert_eq!(judge("aws", "evidence", &good()), []);
        assert!(!refused(&with(|_| {})), "a policy with one statement that is no list");
        assert!(!refused(&with(|it| it["Principal"] = json!({ "AWS": ["*"] }))));
        assert!(!refused(&with(
            |it| it["Condition"] = json!({ "BoolIfExists": { "AWS:securetransport": [false] } })
        )));
        assert!(!refused(&with(|it| it["Resource"] = json!("arn:aws:s3:::evidence*"))));
    }

    #[test]
    fn a_statement_that_lets_some_plain_http_through_is_refused() {
        let one = |it: &Value, key: &str, value: Value| {
            let mut it = it.clone();
            it[key] = value;
            it
        };
        let statement = https_only("aws", "evidence");
        let cases = [
            one(&statement, "Effect", json!("Allow")),
            one(&statement, "Principal", json!({ "AWS": "arn:aws:iam::111122223333:root" })),
            one(&statement, "Action", json!(["s3:GetObject", "s3:PutObject"])),
            one(&statement, "Action", json!("s3:Get*")),
            one(&statement, "Resource", json!("arn:aws:s3:::evidence")),
            one(&statement, "Resource", json!("arn:aws:s3:::evidence/*")),
            one(&statement, "Resource", json!(["arn:aws:s3:::evidence", "arn:aws:s3:::evidence/v1/*"])),
            one(&statement, "Resource", json!(["arn:aws:s3:::other", "arn:aws:s3:::other/*"])),
            one(&statement, "Condition", json!({ "Bool": { "aws:SecureTransport": "true" } })),
            one(&statement, "Condition", json!({ "Bool": { "aws:MultiFactorAuthPresent": "false" } })),
            one(&statement, "Condition", json!({ "StringEquals": { "aws:SecureTransport": "false" } })),
            one(
                &statement,
                "Condition",
                json!({ "Bool": { "aws:SecureTransport": "false", "aws:ViaAWSService": "false" } }),
            ),
            one(
                &statement,
                "Condition",
                json!({ "Bool": { "aws:SecureTransport": "false" },
                    "NotIpAddress": { "aws:SourceIp": "10.0.0.0/8" } }),
            ),
            json!({ "Effect": "Deny", "NotPrincipal": "x", "Action": "s3:*", "Resource": "*",
                "Condition": { "Bool": { "aws:SecureTransport": "false" } } }),
            json!({ "Effect": "Deny", "Principal": "*", "NotAction": "s3:GetObject", "Resource": "*",
                "Condition": { "Bool": { "aws:SecureTransport": "false" } } }),
        ];
        for case in cases {
            let findings = with(|it| *it = case.clone());
            assert!(refused(&findings), "{case}");
            assert!(
                findings[0].remedy.contains("\"aws:SecureTransport\":\"false\""),
                "{}",
                findings[0].remedy
            );
        }
    }

    #[test]
    fn answers_are_read_from_the_document_of_the_bucket() {
        let policy = json!({ "Statement": [https_only("aws", "evidence")] }).to_string();
        let denied = json!({ "code": "AccessDenied", "message": "no" });
        let calls = json!([
            { "operation": "GetBucketPolicy", "output": { "Policy": policy } },
            { "operation": "GetBucketVersioning", "output": { "Status": "Enabled" } },
            { "operation": "GetObjectLockConfiguration", "fact": { "code": "ObjectLockConfigurationNotFoundError" } },
            { "operation": "GetPublicAccessBlock", "error": denied },
        ]);
        let answers = Answers::of(&json!({ "calls": calls }));
        assert_eq!(answers.policy.as_ref().unwrap().as_ref().unwrap()["Statement"][0]["Effect"], "Deny");
        assert_eq!(answers.lock, Ok(None));
        assert_eq!(answers.public_access, Err("AccessDenied: no".to_owned()));
        assert_eq!(answers.encryption, Err("was not asked".to_owned()));
        let rules: Vec<&str> =
            judge("aws", "evidence", &answers).iter().map(|finding| finding.rule).collect();
        assert_eq!(rules, ["object-lock", "public-access-block", "encryption"]);
    }

    #[test]
    fn a_server_that_fails_or_is_silent_says_nothing_of_the_bucket() {
        let call = |status: Option<u16>, code: &str| {
            let pages: Vec<Value> = status.map(|status| json!({ "status": status })).into_iter().collect();
            let error = json!({ "code": code, "message": "why" });
            json!({ "calls": [
                { "operation": "GetBucketVersioning", "pages": [{}], "output": {} },
                { "operation": "GetBucketPolicy", "pages": pages, "error": error },
            ] })
        };
        assert_eq!(unanswered(&call(Some(403), "AccessDenied")), None);
        assert_eq!(unanswered(&call(Some(404), "NoSuchBucket")), None);
        for (status, code) in [
            (None, "ConnectionFailed"),
            (Some(500), "InternalError"),
            (Some(503), "SlowDown"),
            (Some(429), "Slow"),
        ] {
            let expected = format!("GetBucketPolicy: {code}: why");
            assert_eq!(unanswered(&call(status, code)), Some(expected));
        }
    }

    #[test]
    fn the_bucket_that_is_asked_is_judged_by_what_its_server_sent() {
        let collected = |policy: (u16, &'static str)| {
            let source = FakeSource::new(move |_, request| {
                assert_eq!(request.parameters["Bucket"], "evidence");
                assert_eq!(request.parameters["ExpectedBucketOwner"], "111122223333");
                let (status, body) = match request.operation {
                    "GetBucketPolicy" => policy,
                    "GetBucketVersioning" => {
                        (200, "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
                    }
                    _ => (403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"),
                };
                Ok(page(status, body))
            });
            let (shapes, redactor) = (Shapes::embedded().unwrap(), Redactor::new(&[]));
            let context = Context { source: &source, shapes: &shapes, redactor: &redactor, raw: false };
            let account = Account { id: "111122223333".into(), name: String::new(), partition: "aws".into() };
            let cell = Cell {
                account: &account,
                principal: "arn:aws:iam::111122223333:user/test",
                region: GLOBAL,
                home: "eu-central-1",
                known_enabled: true,
                item: &STORE,
            };
            let about = vec![about_store("eu-central-1", "evidence", Some("111122223333"))];
            let collected = futures_util::FutureExt::now_or_never(collect_about(&context, cell, about));
            let document = collected.unwrap().document.unwrap();
            let document: Value = serde_json::from_slice(&document).unwrap();
            assert_eq!(document["calls"].as_array().unwrap().len(), 5);
            assert_eq!(unanswered(&document), None);
            Answers::of(&document)
        };
        let policy = r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*",
            "Condition":{"Bool":{"aws:SecureTransport":"false"}}}}"#;
        let good = collected((200, policy));
        assert_eq!(good.versioning, Ok(Some(json!({ "Status": "Enabled" }))));
        assert!(!refused(&judge("aws", "evidence", &good)));
        let none = collected((404, "<Error><Code>NoSuchBucketPolicy</Code><Message>no</Message></Error>"));
        assert_eq!(none.policy, Ok(None));
        assert!(refused(&judge("aws", "evidence", &none)));
        let denied = collected((403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"));
        assert_eq!(denied.policy, Err("AccessDenied: no".to_owned()));
        assert!(refused(&judge("aws", "evidence", &denied)));
    }

    #[test]
    fn two_statements_cover_bucket_and_objects_together() {
        let mut bucket = https_only("aws", "evidence");
        bucket["Resource"] = json!("arn:aws:s3:::evidence");
        let mut objects = https_only("aws", "evidence");
        objects["Resource"] = json!("arn:aws:s3:::evidence/*");
        let policy = Ok(Some(json!({ "Statement": [bucket, objects] })));
        assert_eq!(judge("aws", "evidence", &Answers { policy, ..good() }), []);
    }

    #[test]
    fn what_was_not_answered_is_a_finding() {
        let denied = || Err("AccessDenied".to_owned());
        let answers = Answers {
            policy: denied(),
            versioning: denied(),
            lock: denied(),
            public_access: denied(),
            encryption: denied(),
        };
        let findings = judge("aws", "evidence", &answers);
        assert_eq!(findings.iter().map(|finding| finding.rule).collect::<Vec<_>>(), RULES);
        assert!(refused(&findings));
        assert!(findings.iter().all(|finding| finding.found.ends_with("AccessDenied")));
        let absent = judge(
            "aws",
            "evidence",
            &Answers {
                policy: Ok(None),
                versioning: Ok(Some(json!({}))),
                lock: Ok(None),
                public_access: Ok(None),
                encryption: Ok(None),
            },
        );
        assert_eq!(absent.iter().map(|finding| finding.rule).collect::<Vec<_>>(), RULES);
    }
}
