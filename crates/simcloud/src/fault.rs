//! What goes wrong: rules that pick requests and say what happens to them.
//!
//! A rule matches by account, region, service, operation and parameter value (`*` stands for any text), and by
//! which of the matching requests it is, counted for each (rule, account, region, service, operation). Delays
//! of several matching rules add up; of the other effects the first rule's counts. Refused: unknown keys.

use std::{collections::HashMap, sync::Mutex, time::Instant};

use serde::{Deserialize, Serialize};

use crate::config::ConfigError;

/// One rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Account id; every account when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Region; every region when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Service as the AWS CLI names it; every service when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Operation; every operation when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The value of any parameter, such as a bucket's name or an ARN; any when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Only the request with this number, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// Only the first so many requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Only requests after the first so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// What happens.
    pub effect: Effect,
}

impl Fault {
    /// A rule for every request.
    pub fn always(effect: Effect) -> Self {
        Self {
            account: None,
            region: None,
            service: None,
            operation: None,
            resource: None,
            nth: None,
            first: None,
            after: None,
            effect,
        }
    }

    /// A rule for one operation.
    pub fn on(service: &str, operation: &str, effect: Effect) -> Self {
        Self {
            service: Some(service.to_owned()),
            operation: Some(operation.to_owned()),
            ..Self::always(effect)
        }
    }

    /// Reads rules from JSON (a list, or an object with `faults`) or TOML (`[[faults]]`).
    pub fn parse(text: &str) -> Result<Vec<Self>, ConfigError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            faults: Vec<Fault>,
        }
        let refused = |reason: String| ConfigError::Faults(reason);
        match text.trim_start().as_bytes().first() {
            None => Ok(Vec::new()),
            // `[[faults]]` is TOML, `[{` is JSON.
            Some(b'[') if !text.trim_start().starts_with("[[") => {
                serde_json::from_str(text).map_err(|error| refused(error.to_string()))
            }
            Some(b'{') => serde_json::from_str::<File>(text)
                .map(|file| file.faults)
                .map_err(|error| refused(error.to_string())),
            Some(_) => toml::from_str::<File>(text)
                .map(|file| file.faults)
                .map_err(|error| refused(error.to_string())),
        }
    }
}

/// What happens to a request. In a file: `"truncate"`, or `{"latency": {"milliseconds": 50}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Effect {
    /// The answer comes later.
    Latency {
        /// How much later.
        milliseconds: u64,
    },
    /// A token bucket for each (account, region, action), by default with AWS's documented numbers:
    /// `RequestLimitExceeded` of EC2, `ThrottlingException` and the like of the others.
    Throttle {
        /// Size of the bucket.
        #[serde(default)]
        burst: Option<f64>,
        /// How fast it fills.
        #[serde(default)]
        per_second: Option<f64>,
    },
    /// The caller lacks a permission.
    AccessDenied {
        /// The message names the explicit deny of a service control policy.
        #[serde(default)]
        scp: bool,
    },
    /// A server error with this HTTP status, in the protocol's form.
    Status {
        /// Such as 500 or 503.
        code: u16,
    },
    /// The body ends in the middle although `Content-Length` promised more; the connection closes.
    Truncate,
    /// The body ends in the middle and `Content-Length` agrees with what is there.
    TruncateConsistently,
    /// The body is not well-formed.
    Malformed,
    /// Well-formed, but the answer to something else.
    WrongRoot,
    /// Headers and half of the body, then nothing; the connection stays open.
    Stall,
    /// The account has not opted in to the region: the service's own words for it.
    RegionDisabled,
    /// Members that no model knows are added to the answer.
    UnknownFields,
    /// The page's token leads to the same page again, for ever.
    RepeatToken,
    /// The last page carries a token too; the page that it leads to is empty.
    TrailingToken,
    /// Status 200 without a body.
    EmptyBody,
    /// The connection is reset before an answer.
    Reset,
    /// The right body under another content type: HTML.
    WrongContentType,
    /// What the request asks for does not exist (any more).
    Vanish,
    /// The credentials have expired.
    ExpireCredentials,
    /// The page token is refused although this server gave it.
    RefuseToken,
    /// The body is padded to at least this size.
    Oversize {
        /// How large.
        bytes: usize,
    },
}

/// What a request is, as far as rules look at it.
pub(crate) struct Subject<'a> {
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) operation: &'a str,
    pub(crate) resources: Vec<&'a str>,
    /// EC2's buckets are smaller for requests without page size and filter.
    pub(crate) unpaginated: bool,
}

/// What is to happen to one request.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) milliseconds: u64,
    pub(crate) effect: Option<Effect>,
}

/// The rules and what they remember.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<Fault>,
    seen: Mutex<HashMap<(usize, String), u64>>,
    buckets: Mutex<HashMap<(usize, String), Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Faults {
    pub(crate) fn new(rules: Vec<Fault>) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Whether there is no rule at all.
    pub(crate) fn none(&self) -> bool {
        self.rules.is_empty()
    }

    /// Which effects apply to this request; counts it.
    pub(crate) fn judge(&self, subject: Subject<'_>, now: Instant) -> Verdict {
        let mut verdict = Verdict::default();
        let Subject { account, region, service, operation, resources, unpaginated } = subject;
        let cell = format!("{account} {region} {service} {operation}");
        for (at, rule) in self.rules.iter().enumerate() {
            let of = |pattern: &Option<String>, text| {
                pattern.as_deref().is_none_or(|pattern| matches(pattern, text))
            };
            let about = |pattern: &str| resources.iter().any(|value| matches(pattern, value));
            if !(of(&rule.account, account)
                && of(&rule.region, region)
                && of(&rule.service, service)
                && of(&rule.operation, operation)
                && rule.resource.as_deref().is_none_or(about))
            {
                continue;
            }
            let number = self.count(at, &cell);
            if rule.nth.is_some_and(|nth| number != nth)
                || rule.first.is_some_and(|first| number > first)
                || rule.after.is_some_and(|after| number <= after)
            {
                continue;
            }
            match &rule.effect {
                Effect::Latency { milliseconds } => {
                    verdict.milliseconds = verdict.milliseconds.saturating_add(*milliseconds);
                }
                _ if verdict.effect.is_some() => {}
                Effect::Throttle { burst, per_second } => {
                    let documented = documented_rate(service, operation, unpaginated);
                    let size = burst.unwrap_or(documented.0);
                    let rate = per_second.unwrap_or(documented.1);
                    if !self.take(at, &cell, size, rate, now) {
                        verdict.effect = Some(rule.effect.clone());
                    }
                }
                other => verdict.effect = Some(other.clone()),
            }
        }
        verdict
    }

    fn count(&self, rule: usize, cell: &str) -> u64 {
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let number = seen.entry((rule, cell.to_owned())).or_default();
        *number += 1;
        *number
    }

    fn take(&self, rule: usize, cell: &str, size: f64, rate: f64, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let bucket = buckets.entry((rule, cell.to_owned())).or_insert(Bucket { tokens: size, at: now });
        let elapsed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = elapsed.mul_add(rate, bucket.tokens).min(size);
        bucket.at = now;
        let granted = bucket.tokens >= 1.0;
        if granted {
            bucket.tokens -= 1.0;
        }
        granted
    }
}

/// (burst, per second) of AWS's documentation, for each account, region and action.
fn documented_rate(service: &str, operation: &str, unpaginated: bool) -> (f64, f64) {
    match (service, operation) {
        ("ec2", _) if unpaginated => (50.0, 10.0),
        ("ec2", _) => (100.0, 20.0),
        ("wafv2", "ListResourcesForWebACL" | "GetWebACLForResource") => (1.0, 1.0),
        ("wafv2", _) => (5.0, 5.0),
        ("elbv2", _) => (40.0, 10.0),
        ("acm" | "config", _) => (10.0, 10.0),
        _ => (100.0, 100.0),
    }
}

/// Whether `text` is `pattern`, in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut rest) = text.strip_prefix(head) else { return false };
    let parts: Vec<&str> = tail.split('*').collect();
    let Some((last, middle)) = parts.split_last() else { return true };
    for part in middle {
        match rest.find(part).and_then(|at| rest.get(at + part.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn judge(faults: &Faults, account: &str, operation: &str, now: Instant) -> Verdict {
        let subject = Subject {
            account,
            region: "eu-west-1",
            service: "ec2",
            operation,
            resources: vec!["vpc-1"],
            unpaginated: false,
        };
        faults.judge(subject, now)
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("Describe*", "DescribeVpcs", true),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("eu-*-1", "eu-west-1", true),
            ("eu-*-1", "eu-west-2", false),
            ("DescribeVpcs", "DescribeVpc", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn rules_count_requests_by_cell() {
        let rule = Fault { nth: Some(2), ..Fault::on("ec2", "Describe*", Effect::Truncate) };
        let faults = Faults::new(vec![rule]);
        let now = Instant::now();
        let hit = |account: &str| judge(&faults, account, "DescribeVpcs", now).effect.is_some();
        assert_eq!([hit("1"), hit("1"), hit("1"), hit("2"), hit("2")], [false, true, false, false, true]);
    }

    #[test]
    fn a_bucket_gives_its_burst_and_fills_again() {
        let faults =
            Faults::new(vec![Fault::always(Effect::Throttle { burst: Some(2.0), per_second: Some(10.0) })]);
        let now = Instant::now();
        let free = |at| judge(&faults, "1", "DescribeVpcs", at).effect.is_none();
        assert_eq!([free(now), free(now), free(now)], [true, true, false]);
        let later = now + Duration::from_millis(150);
        assert_eq!([free(later), free(later)], [true, false]);
    }

    #[test]
    fn delays_add_up_and_the_first_effect_counts() {
        let faults = Faults::new(vec![
            Fault::always(Effect::Latency { milliseconds: 5 }),
            Fault::always(Effect::EmptyBody),
            Fault::always(Effect::Latency { milliseconds: 7 }),
            Fault::always(Effect::Reset),
        ]);
        let verdict = judge(&faults, "1", "DescribeVpcs", Instant::now());
        assert_eq!(verdict, Verdict { milliseconds: 12, effect: Some(Effect::EmptyBody) });
    }

    #[test]
    fn rules_are_read_from_json_and_toml_and_unknown_keys_are_refused() {
        let expected = vec![
            Fault { region: Some("eu-*".to_owned()), ..Fault::on("ec2", "DescribeVpcs", Effect::Truncate) },
            Fault { first: Some(3), ..Fault::always(Effect::AccessDenied { scp: true }) },
        ];
        let list = r#"[{"region": "eu-*", "service": "ec2", "operation": "DescribeVpcs", "effect": "truncate"},
                       {"first": 3, "effect": {"access-denied": {"scp": true}}}]"#;
        let toml = "[[faults]]\nregion = \"eu-*\"\nservice = \"ec2\"\noperation = \"DescribeVpcs\"\n\
                    effect = \"truncate\"\n\n[[faults]]\nfirst = 3\neffect = { access-denied = { scp = true } }\n";
        assert_eq!(Fault::parse(list), Ok(expected.clone()));
        assert_eq!(Fault::parse(&format!("{{\"faults\": {list}}}")), Ok(expected.clone()));
        assert_eq!(Fault::parse(toml), Ok(expected));
        assert!(Fault::parse(r#"[{"effect": "truncate", "acount": "1"}]"#).is_err());
        assert!(Fault::parse(r#"[{"effect": "explode"}]"#).is_err());
    }
}
