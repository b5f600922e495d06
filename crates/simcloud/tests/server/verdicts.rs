//! No call that fails makes a pass: every call of the catalogue fails in turn, and every row is looked at.
//!
//! The documents are the collector's own (`collected`). What a check says of a place depends on the documents that its
//! METADATA names and on nothing else, so that checks are run again only where one of those is another one, and that
//! the others are the same is looked at in the documents.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_core::{
    item::catalogue,
    policy::{Engine, Need, Policies, Text, Verdict},
};
use serde_json::{Value, json};
use simcloud::{Config, Effect, Fault};

use crate::collected::{Collected, Judged, Verdicts};

/// The shapes that one account has differ from region to region; in these four, and in what is global, every check
/// has something that passes and something that fails.
const PLACES: [&str; 4] = ["us-east-1", "eu-north-1", "eu-west-3", "ap-south-1"];

fn estate(faults: Vec<Fault>) -> Config {
    let regions =
        ["us-east-1", "eu-central-1", "eu-west-1", "eu-north-1", "eu-west-2", "eu-west-3", "ap-south-1"];
    Config { regions: regions.map(str::to_owned).to_vec(), faults, ..Config::default() }
}

async fn collected(faults: Vec<Fault>) -> Collected {
    Collected::of(estate(faults), &PLACES).await
}

/// Under the guide's own parameters nothing fails for want of block public access.
fn params() -> Value {
    json!({ "vpc_block_public_access": { "required": true } })
}

fn every_check() -> Policies {
    Policies::new("guide", &[], &params()).unwrap()
}

/// One check, as it is run.
fn alone(policies: &Policies, id: &str) -> Policies {
    let text = Text { id: id.to_owned(), text: policies.checks[id].text.clone() };
    let own = params().get(id).map_or_else(|| json!({}), |given| json!({ id: given }));
    Policies::compile("guide", &[text], &own, Engine::Interpreter).unwrap()
}

/// The estate without a fault, and each check's rows where they are worth looking at.
struct Baseline {
    collected: Collected,
    policies: Policies,
    checks: BTreeMap<String, (Policies, Verdicts)>,
}

impl Baseline {
    /// Of the checks that read one of these items.
    async fn of(items: &BTreeSet<&str>) -> Self {
        let (collected, policies) = (collected(Vec::new()).await, every_check());
        let mut checks = BTreeMap::new();
        for (id, policy) in &policies.checks {
            if policy.check.inputs.iter().any(|input| items.contains(input.item.as_str())) {
                let own = alone(&policies, id);
                let mut verdicts = Verdicts::new();
                for place in PLACES.into_iter().chain(["global"]) {
                    if !has_both(&verdicts) {
                        let more = collected.judged(&own, place);
                        let new = |verdict| more.values().any(|it| it.verdict == verdict);
                        let known = |verdict| verdicts.values().any(|it| it.verdict == verdict);
                        if [Verdict::Pass, Verdict::Fail].into_iter().any(|it| new(it) && !known(it)) {
                            verdicts.extend(more);
                        }
                    }
                }
                assert!(has_both(&verdicts), "{id} has no pass or no fail: {verdicts:#?}");
                checks.insert(id.clone(), (own, verdicts));
            }
        }
        Self { collected, policies, checks }
    }

    /// What the check needs of an operation of an item; `None` when it does not name it.
    fn need(&self, id: &str, item: &str, operation: &str) -> Option<&Need> {
        let input = self.policies.checks[id].check.inputs.iter().find(|input| input.item == item)?;
        input.calls.iter().find(|(call, _)| call == operation).map(|(_, need)| need)
    }

    fn reads<'a>(&'a self, id: &str, items: &'a BTreeSet<&str>) -> bool {
        self.policies.checks[id].check.inputs.iter().any(|input| items.contains(input.item.as_str()))
    }

    /// The same estate with faults: the items whose documents are others now.
    async fn spoilt(&self, faults: Vec<Fault>) -> (Collected, BTreeSet<&'static str>) {
        let spoilt = collected(faults).await;
        let mut changed = BTreeSet::new();
        for item in catalogue() {
            let of = |collected: &Collected| -> BTreeMap<String, Value> {
                let looked_at = |place: &String| place == "global" || PLACES.contains(&place.as_str());
                collected.documents(item.id).into_iter().filter(|(place, _)| looked_at(place)).collect()
            };
            if of(&spoilt) != of(&self.collected) {
                changed.insert(item.id);
            }
        }
        (spoilt, changed)
    }

    /// Every check that reads a document that is another one now, with its rows before and after.
    fn again(&self, spoilt: &Collected, changed: &BTreeSet<&str>) -> Vec<(&String, &Verdicts, Verdicts)> {
        let affected = self.checks.iter().filter(|(id, _)| self.reads(id, changed));
        affected
            .map(|(id, (own, before))| {
                let places: BTreeSet<&String> = before.keys().map(|(_, place, _)| place).collect();
                let after = places.into_iter().flat_map(|place| spoilt.judged(own, place)).collect();
                (id, before, after)
            })
            .collect()
    }
}

fn has_both(verdicts: &Verdicts) -> bool {
    let has = |verdict| verdicts.values().any(|it| it.verdict == verdict);
    has(Verdict::Pass) && has(Verdict::Fail)
}

/// Whether a call was made for an item in a place.
fn was_asked(collected: &Collected, item: &str, place: &str, operation: &str) -> bool {
    let documents = collected.documents(item);
    let document = documents.get(place).or_else(|| documents.get("global"));
    let calls = document.and_then(|it| it.get("calls")).and_then(Value::as_array);
    calls.into_iter().flatten().any(|call| call["operation"] == operation)
}

/// No row became better, nothing new is said but `unknown`, and where rows are lost everything is unknown.
fn nothing_is_better(what: &str, before: &Verdicts, after: &Verdicts) {
    for (key, judged) in after {
        let same = before.get(key).is_some_and(|it| it == judged);
        let no_better =
            before.get(key).is_some_and(|it| it.verdict == judged.verdict) && judged.verdict != Verdict::Pass;
        assert!(
            same || no_better || judged.verdict == Verdict::Unknown,
            "{what}: {key:?} was {:#?} and is {judged:#?}",
            before.get(key)
        );
    }
    for (key, judged) in before.iter().filter(|(key, _)| !after.contains_key(*key)) {
        let mut left = after.iter().filter(|((_, place, _), _)| *place == key.1).peekable();
        assert!(left.peek().is_some(), "{what}: nothing is said of {}", key.1);
        assert!(left.all(|(_, it)| it.verdict == Verdict::Unknown), "{what}: {key:?}, {judged:?}, is lost");
    }
}

/// Denies every call of every item of a service in turn; gives how many pairs of a check and a call it needs there are.
async fn every_call_denied(service: &'static str) -> usize {
    let steps: BTreeSet<(&str, &str)> = catalogue()
        .into_iter()
        .flat_map(|item| item.steps.iter().map(move |step| (item.id, step)))
        .filter(|(_, step)| step.service == service)
        .map(|(item, step)| (item, step.operation))
        .collect();
    let items: BTreeSet<&str> = steps.iter().map(|(item, _)| *item).collect();
    let operations: BTreeSet<&str> = steps.iter().map(|(_, operation)| *operation).collect();
    let baseline = Baseline::of(&items).await;
    let mut pairs = 0;
    for operation in operations {
        let denied = Fault::on(service, operation, Effect::AccessDenied { scp: false });
        let (spoilt, changed) = baseline.spoilt(vec![denied]).await;
        let own: BTreeSet<&str> =
            steps.iter().filter(|(_, it)| *it == operation).map(|(item, _)| *item).collect();
        assert!(changed.is_subset(&own), "{operation} belongs to {own:?} and changed {changed:?}");
        assert!(!changed.is_empty(), "{operation} was denied and nothing shows it");
        for (id, before, after) in baseline.again(&spoilt, &changed) {
            let what = format!("{id} without {operation}");
            nothing_is_better(&what, before, &after);
            let mut needs: Vec<(&str, &Need)> = Vec::new();
            needs.extend(own.iter().filter_map(|item| Some((*item, baseline.need(id, item, operation)?))));
            for (item, need) in needs {
                pairs += 1;
                for ((_, place, resource), judged) in &after {
                    // The call that lists the resources of this place may not have named any to ask about.
                    let asked = was_asked(&baseline.collected, item, place, operation);
                    let is_unknown = judged.verdict == Verdict::Unknown;
                    if matches!(need, Need::Fields(_)) && asked {
                        assert!(is_unknown, "{what}: {place} {resource:?} is {judged:#?}");
                    }
                }
                assert_ne!(before, &after, "{what}: nothing is different");
            }
        }
        // A second look at the claim that all others are as they were: nothing that they read is another.
        for (id, policy) in &baseline.policies.checks {
            let named =
                policy.check.inputs.iter().any(|it| it.calls.iter().any(|(call, _)| call == operation));
            assert!(
                !named || baseline.reads(id, &changed),
                "{id} names {operation} and its documents are the same"
            );
        }
    }
    pairs
}

#[tokio::test]
async fn no_call_of_ec2_that_is_denied_makes_a_pass() {
    assert!(every_call_denied("ec2").await >= 40);
}

#[tokio::test]
async fn no_call_of_load_balancing_that_is_denied_makes_a_pass() {
    assert!(every_call_denied("elbv2").await >= 12);
}

#[tokio::test]
async fn no_call_of_waf_that_is_denied_makes_a_pass() {
    assert!(every_call_denied("wafv2").await >= 7);
}

#[tokio::test]
async fn no_call_of_config_that_is_denied_makes_a_pass() {
    assert!(every_call_denied("config").await >= 7);
}

#[tokio::test]
async fn no_call_of_acm_that_is_denied_makes_a_pass() {
    assert_eq!(every_call_denied("acm").await, 4);
}

#[tokio::test]
async fn no_call_of_s3_that_is_denied_makes_a_pass() {
    assert!(every_call_denied("s3").await >= 6);
}

/// One call of each service, on which the verdicts of several checks rest.
const SAMPLE: [(&str, &str, &str); 6] = [
    ("ec2", "vpc.security-groups", "DescribeSecurityGroups"),
    ("elbv2", "elb.load-balancers", "DescribeListeners"),
    ("wafv2", "waf.web-acls", "GetWebACL"),
    ("config", "config.compliance", "DescribeConfigRules"),
    ("acm", "acm.certificates", "DescribeCertificate"),
    ("s3", "s3.buckets", "GetBucketPolicy"),
];

#[tokio::test]
async fn nothing_that_can_go_wrong_with_an_answer_makes_a_pass() {
    let baseline = Baseline::of(&SAMPLE.map(|(_, item, _)| item).into()).await;
    for effect in [
        Effect::Throttle { burst: Some(0.0), per_second: Some(0.0) },
        Effect::Status { code: 503 },
        Effect::TruncateConsistently,
        Effect::Truncate,
        Effect::Malformed,
        Effect::WrongRoot,
        Effect::EmptyBody,
        Effect::Reset,
        Effect::ExpireCredentials,
    ] {
        let faults = SAMPLE.map(|(service, _, operation)| Fault::on(service, operation, effect.clone()));
        let (spoilt, changed) = baseline.spoilt(faults.to_vec()).await;
        assert_eq!(changed, SAMPLE.map(|(_, item, _)| item).into(), "{effect:?}");
        let mut seen = 0;
        for (id, before, after) in baseline.again(&spoilt, &changed) {
            let what = format!("{id} with {effect:?}");
            nothing_is_better(&what, before, &after);
            let needs = SAMPLE.iter().any(|(_, item, operation)| {
                matches!(baseline.need(id, item, operation), Some(Need::Fields(_)))
            });
            let passes = after.values().filter(|it| it.verdict == Verdict::Pass).count();
            assert!(!needs || passes == 0, "{what}: {passes} rows pass");
            seen += usize::from(needs);
        }
        assert!(seen > 10, "{effect:?}: {seen} checks");
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_makes_no_pass() {
    let stalled = Fault {
        region: Some("eu-west-3".to_owned()),
        ..Fault::on("ec2", "DescribeSecurityGroups", Effect::Stall)
    };
    let baseline = Baseline::of(&["vpc.security-groups"].into()).await;
    let (spoilt, changed) = baseline.spoilt(vec![stalled]).await;
    assert_eq!(changed, ["vpc.security-groups"].into());
    let policies = &baseline.policies;
    for (id, (own, _)) in &baseline.checks {
        let rows = spoilt.judged(own, "eu-west-3");
        let unknown = |judged: &Judged| judged.verdict == Verdict::Unknown;
        assert!(!rows.is_empty() && rows.values().all(unknown), "{id}: {rows:#?}");
        assert_eq!(spoilt.judged(own, "eu-north-1"), baseline.collected.judged(own, "eu-north-1"), "{id}");
        assert!(policies.checks.contains_key(id));
    }
}

#[tokio::test]
async fn a_call_that_is_denied_for_one_resource_is_unknown_for_that_one_alone() {
    let truth = simcloud::truth(&estate(Vec::new()));
    let bucket = truth["accounts"][0]["buckets"].as_array().unwrap().iter();
    let bucket = bucket.clone().find(|it| it["denies_plain_http"] == true).unwrap()["name"].as_str().unwrap();
    let balancers = truth["accounts"][0]["regions"]["eu-west-3"]["load_balancers"].as_array().unwrap();
    let balancer = balancers.iter().find(|it| it["listeners"] == "https+redirect").unwrap();
    let balancer = balancer["arn"].as_str().unwrap();
    let on = |service, operation, resource: &str| Fault {
        resource: Some(resource.to_owned()),
        ..Fault::on(service, operation, Effect::AccessDenied { scp: false })
    };
    let (before, policies) = (collected(Vec::new()).await, every_check());
    let after =
        collected(vec![on("s3", "GetBucketPolicy", bucket), on("elbv2", "DescribeListeners", balancer)])
            .await;
    for (check, place, resource) in
        [("s3_refuses_plain_http", "global", bucket), ("lb_http_redirects", "eu-west-3", balancer)]
    {
        let own = alone(&policies, check);
        let key = (check.to_owned(), place.to_owned(), Some(resource.to_owned()));
        let (before, mut after) = (before.judged(&own, place), after.judged(&own, place));
        assert_eq!(before[&key].verdict, Verdict::Pass, "{check}");
        assert_eq!(after[&key].verdict, Verdict::Unknown, "{check}");
        after.insert(key.clone(), Judged { verdict: Verdict::Pass, said: before[&key].said.clone() });
        assert_eq!(before, after, "{check}: only {resource} is another");
    }
}
