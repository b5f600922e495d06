//! What is worked out once and what is asked at once gives the rows that the plain way gives.

use super::*;
use crate::policy::engine::Members;

/// The same checks, each of which works everything out by itself.
fn plain(policies: &Policies) -> Policies {
    let mut policies = policies.clone();
    policies.placed = None;
    policies
}

#[test]
fn what_is_shared_changes_no_row() {
    let shipped = shipped_policies();
    let plain_shipped = plain(&shipped);
    for case in cases() {
        let (evidence, region, offered) = (case.evidence(), case.region(), Offered::current());
        let policies = case.policies(Engine::Interpreter);
        assert_eq!(
            policies.assess(NOW, &evidence, region, &offered),
            plain(&policies).assess(NOW, &evidence, region, &offered),
            "{}/{}",
            case.check,
            case.name
        );
        // All checks side by side share more. Each takes a second: one case of each shape of groups.
        let shapes = ["plain", "pattern", "prefix_lists", "halves", "shared"];
        if case.check.starts_with("sg_") && shapes.contains(&case.name.as_str()) {
            let rows = shipped.assess(NOW, &evidence, region, &offered);
            assert_eq!(rows, plain_shipped.assess(NOW, &evidence, region, &offered), "{}", case.name);
        }
    }
}

#[test]
fn both_rules_at_once_answer_as_one_by_one() {
    let mut at_once = 0;
    for case in cases() {
        let policies = case.policies(Engine::Interpreter);
        let policy = &policies.checks[&case.check];
        let input = policies.input(&case.check, NOW, &case.evidence(), case.region(), &Offered::current());
        let input = regorus::Value::from(input.unwrap());
        let input: Members =
            input.as_object().unwrap().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        let Some(both) = policy.program.at_once(&input, None, STEP_LIMIT) else { continue };
        at_once += 1;
        let apart = policy.program.one_by_one(input, STEP_LIMIT);
        assert_eq!((both.subjects, both.findings), (apart.subjects, apart.findings), "{}", case.name);
    }
    // An error is the plain way's to tell; everything else is answered at once.
    assert!(at_once > cases().len() * 9 / 10, "{at_once} of {}", cases().len());
}

#[test]
fn the_security_groups_of_a_place_are_shared() {
    let shipped = shipped_policies();
    assert!(shipped.placed.is_some());
    for id in ["sg_no_ssh_from_internet", "sg_egress_least_privilege", "sg_default_closed", "sg_tier_pattern"]
    {
        assert!(shipped.checks[id].program.asks_of_the_place(), "{id}");
    }
}

#[test]
fn an_error_in_what_is_shared_is_an_unknown_row_of_each_check() {
    let broken = "package lib.place_x\nall := to_number(input.documents[\"eu-west-1/vpc.vpcs\"].item)";
    let body = "subjects contains vpc.VpcId if some vpc in input.documents[\"eu-west-1/vpc.vpcs\"].calls[0].output.Vpcs\n\
        findings contains finding if { data.lib.place_x.all; finding := {} }";
    let texts = BTreeMap::from([
        ("lib/place_x.rego".to_owned(), broken.to_owned()),
        ("own_check.rego".to_owned(), own("own_check", VPCS, body).text),
    ]);
    let policies = Policies::of_bundle("guide", &texts, &Value::Null).unwrap();
    assert!(policies.placed.is_some());
    let value = json!({ "documents": vpcs() });
    let evidence = Case { check: "own_check".into(), name: String::new(), value }.evidence();
    let rows = policies.assess(NOW, &evidence, REGION, &Offered::current());
    assert!(!rows.is_empty());
    for row in rows {
        assert_eq!(row.verdict, Verdict::Unknown, "{row:?}");
        assert!(row.reason.starts_with("findings: "), "{row:?}");
    }
}
