use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::look::{entries, text};
use super::routes::{Tables, Tier, tier};
use super::*;
use crate::assessment::{Assessment, CheckRecord};
use crate::exceptions::Exceptions;
use crate::facts::Facts;
use crate::policy::{Evidence, Offered, Policies, Public};
use crate::snapshot::Status;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";
const NOW: &str = "2026-11-22T02:00:00Z";
const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\u{202e}\u{0}\"'&";

/// Documents by item: `{operation: output}`, or `{operation: null}` for a call that was denied.
fn evidence(documents: &Value) -> Evidence {
    let mut evidence = Evidence::new(ACCOUNT);
    for (item, calls) in documents.as_object().unwrap() {
        let calls: Vec<Value> = calls
            .as_object()
            .unwrap()
            .iter()
            .map(|(operation, output)| match output {
                Value::Null => json!({ "service": "ec2", "operation": operation, "parameters": {},
                    "error": { "code": "UnauthorizedOperation", "message": "no" } }),
                output => {
                    json!({ "service": "ec2", "operation": operation, "parameters": {}, "output": output })
                }
            })
            .collect();
        let document = json!({ "account": ACCOUNT, "region": REGION, "item": item, "calls": calls });
        evidence.document(REGION, item, document.to_string().as_bytes()).unwrap();
    }
    evidence
}

/// One VPC with two subnets, everything read.
fn network(name: &str) -> Value {
    json!({
        "vpc.vpcs": { "DescribeVpcs": { "Vpcs": [{ "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16", "OwnerId": ACCOUNT,
            "IsDefault": false, "Tags": [{ "Key": "Name", "Value": name }] }] } },
        "vpc.subnets": { "DescribeSubnets": { "Subnets": [
            { "SubnetId": "subnet-1", "VpcId": "vpc-1", "AvailabilityZone": "eu-west-1a", "CidrBlock": "10.0.0.0/24",
              "MapPublicIpOnLaunch": true, "Tags": [{ "Key": "Name", "Value": name }] },
            { "SubnetId": "subnet-2", "VpcId": "vpc-1", "AvailabilityZone": "eu-west-1b", "CidrBlock": "10.0.1.0/24",
              "Ipv6CidrBlockAssociationSet": [{ "Ipv6CidrBlock": "2a05:d014::/64" }] } ] } },
        "vpc.route-tables": { "DescribeRouteTables": { "RouteTables": [
            { "RouteTableId": "rtb-1", "VpcId": "vpc-1", "Associations": [{ "SubnetId": "subnet-1" }],
              "Routes": [{ "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active" }] },
            { "RouteTableId": "rtb-2", "VpcId": "vpc-1", "Associations": [{ "Main": true }], "Routes": [] } ] } },
        "vpc.gateways": {
            "DescribeInternetGateways": { "InternetGateways": [
                { "InternetGatewayId": "igw-1", "Attachments": [{ "VpcId": "vpc-1", "State": "available" }] }] },
            "DescribeEgressOnlyInternetGateways": { "EgressOnlyInternetGateways": [] },
            "DescribeNatGateways": { "NatGateways": [
                { "NatGatewayId": "nat-1", "VpcId": "vpc-1", "SubnetId": "subnet-1", "State": "available" }] } },
        "vpc.connections": {
            "DescribeVpcPeeringConnections": { "VpcPeeringConnections": [] },
            "DescribeTransitGatewayAttachments": { "TransitGatewayAttachments": [] } },
        "vpc.endpoints": { "DescribeVpcEndpoints": { "VpcEndpoints": [] } },
        "vpc.network-interfaces": { "DescribeNetworkInterfaces": { "NetworkInterfaces": [] } },
        "vpc.flow-logs": { "DescribeFlowLogs": { "FlowLogs": [] } },
        "vpc.security-groups": { "DescribeSecurityGroups": { "SecurityGroups": [
            { "GroupId": "sg-1", "GroupName": "x", "VpcId": "vpc-1", "OwnerId": ACCOUNT, "IpPermissionsEgress": [],
              "IpPermissions": [{ "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [],
                "IpRanges": [{ "CidrIp": "0.0.0.0/0" }], "Ipv6Ranges": [], "PrefixListIds": [] }] }] } },
        "vpc.network-acls": { "DescribeNetworkAcls": { "NetworkAcls": [] } },
        "elb.load-balancers": { "DescribeLoadBalancers": { "LoadBalancers": [] } },
        "waf.web-acls": { "ListWebACLs": { "WebACLs": [] } },
    })
}

fn facts() -> Facts {
    Facts {
        run: json!({ "slot": NOW, "status": "partial", "trigger": "schedule", "schedule": "0 2 * * *",
            "collected": { "start": NOW, "end": NOW }, "scope": { "name": "prod", "accounts": 1, "regions": 1 },
            "collector": { "version": "0.1.0", "configDigest": { "sha256": "00" } } }),
        plan: json!({ "accounts": [{ "id": ACCOUNT, "name": HOSTILE, "inScope": true, "owner": "platform",
            "regions": [{ "name": REGION, "state": "enabled", "planned": true }] }] }),
        config: json!({ "organisation": "Example Ltd", "scope": "prod", "signing": { "origin": "e.example.com/prod" },
            "accepted_gaps": [], "controls": [{ "id": "NET-04", "title": "No SSH", "criteria": ["CC6.6"],
                "checks": ["sg_no_ssh_from_internet", "no_such_check"], "items": [], "owner": "platform" }] }),
        catalogue: json!({ "items": [{ "id": "vpc.vpcs", "title": "VPCs", "criteria": ["CC6.6"] }] }),
        cells: vec![
            json!({ "account": ACCOUNT, "region": REGION, "item": "vpc.vpcs", "status": "complete", "resources": 1,
                "file": "data/evidence/111122223333/eu-west-1/vpc.vpcs.json" }),
            json!({ "account": ACCOUNT, "region": REGION, "item": "acm.certificates", "status": "denied",
                "error": { "operation": "ListCertificates", "code": "AccessDeniedException", "message": "no" } }),
            json!({ "account": ACCOUNT, "region": "ap-south-1", "item": "vpc.vpcs", "status": "denied",
                "reason": "an SCP", "accepted": { "approver": "ciso", "expires": "2027-01-01", "reason": "agreed" } }),
            json!({ "account": ACCOUNT, "region": "af-south-1", "item": "vpc.vpcs", "status": "region-disabled",
                "reason": "the account has not opted in to the region" }),
        ],
        ..Facts::default()
    }
}

fn judged(evidence: &Evidence) -> Assessment {
    let policies = Policies::new("guide", &[], &Value::Null).unwrap();
    let exception = serde_json::from_value(json!({ "id": "EX-1", "check": "vpc_flow_logs_enabled",
        "resource": "vpc-*", "reason": HOSTILE, "owner": "platform", "approver": "platform",
        "approved_at": "2026-11-01", "expires": "2026-12-01" }))
    .unwrap();
    let mut exceptions = Exceptions::new(&[exception], crate::moment::parse(NOW).unwrap());
    let rows = policies.assess(NOW, evidence, REGION, &Offered::current());
    let documents = rows
        .iter()
        .flat_map(|row| &row.evidence)
        .filter_map(|it| Some((it.document.clone(), evidence.sha256(&it.document)?.to_owned())))
        .collect();
    let mut assessment = Assessment {
        profile: "guide".to_owned(),
        now: NOW.to_owned(),
        checks: CheckRecord::table(&policies),
        rows: rows.into_iter().map(|row| exceptions.cover(row)).collect(),
        documents,
        ..Assessment::default()
    };
    assessment.exceptions = exceptions.states(&[]);
    assessment.sort();
    assessment
}

fn drawn(evidence: &Evidence) -> Drawings {
    let mut drawings = Drawings::new();
    drawings.add(evidence, REGION);
    drawings
}

/// The pages of one small estate, by path.
fn pages_at(most: usize) -> BTreeMap<String, String> {
    let evidence = evidence(&network(HOSTILE));
    let made = pages_of(&facts(), &judged(&evidence), &drawn(&evidence), most).unwrap();
    made.into_iter().map(|(path, bytes)| (path, String::from_utf8(bytes).unwrap())).collect()
}

/// The one drawing of a VPC.
fn diagram_of(documents: &Value) -> String {
    let evidence = evidence(documents);
    let drawings = drawn(&evidence);
    let (account, region, vpc) = drawings.vpcs().next().unwrap();
    super::vpc::diagram(vpc, account, region, "s0")
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert_eq!(pages_at(10_000), pages_at(10_000));
}

#[test]
fn the_page_answers_first_and_then_tells_everything_in_order() {
    let page = &pages_at(10_000)["data/report.html"];
    let mut at = 0;
    for id in [
        "answer",
        "scope",
        "coverage",
        "gaps",
        "population",
        "verdicts",
        "CC6.6",
        "CC6.7",
        "CC7.2",
        "act",
        "exceptions",
        "controls",
        "networks",
        "not-covered",
        "verify",
        "documents",
    ] {
        let found = page[at..].find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("{id} after {at}"));
        at += found;
    }
    let head = page.split("id=\"scope\"").next().unwrap();
    for words in [
        "Not ready:",
        "1 open gap",
        "<strong>platform</strong>",
        "1 failure is excepted",
        "1 gap is accepted",
    ] {
        assert!(head.contains(words), "{words}");
    }
    for words in
        ["AccessDeniedException", "no such check", "owner and approver are the same", "CC8.1", "an SCP"]
    {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn regions_that_the_configuration_leaves_out_are_counted_beside_the_answer() {
    let mut facts = facts();
    let left = |region: &str, item: &str| {
        json!({ "account": ACCOUNT, "region": region, "item": item,
        "status": "excluded", "reason": "not selected" })
    };
    // Two cells of one region; and an item that is not selected in a region that is judged.
    let cells = [("eu-north-1", "vpc.vpcs"), ("eu-north-1", "acm.certificates"), (REGION, "waf.web-acls")];
    facts.cells.extend(cells.map(|(region, item)| left(region, item)));
    let accounts = super::read::accounts(&facts);
    let coverage = super::coverage::coverage(&facts, &accounts);
    let assessment = judged(&evidence(&network(HOSTILE)));
    let answer = super::answer::answer(&facts, &assessment, &accounts, &coverage);
    let answer = serde_json::to_string(&answer).unwrap();
    assert!(answer.contains("1 enabled region is left out by the configuration and not judged"), "{answer}");
}

#[test]
fn an_item_of_two_scopes_is_called_by_the_first_of_its_titles() {
    let mut facts = facts();
    facts.catalogue = json!({ "items": [{ "id": "vpc.vpcs", "title": "In each region", "criteria": [] },
        { "id": "vpc.vpcs", "title": "Once an account", "criteria": [] }] });
    let coverage = super::coverage::coverage(&facts, &super::read::accounts(&facts));
    let coverage = serde_json::to_string(&coverage).unwrap();
    assert!(coverage.contains("In each region") && !coverage.contains("Once an account"), "{coverage}");
}

#[test]
fn foreign_text_is_text_everywhere() {
    for page in pages_at(10_000).values().chain(pages_at(0).values()) {
        assert!(!page.contains("<img") && !page.contains("\u{202e}") && !page.contains('\u{0}'));
        assert!(
            page.contains(
                "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;⟨U+202E⟩⟨U+0000⟩&quot;&#39;&amp;"
            )
        );
        assert_eq!(page.matches("<script>").count(), 1);
        assert_eq!(page.matches("</script>").count(), 1);
    }
}

#[test]
fn the_policy_of_the_page_allows_its_own_script_and_style_alone() {
    assert_eq!(source_hash(""), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    let page = &pages_at(10_000)["data/report.html"];
    let between =
        |from: &str, to: &str| page.split_once(from).unwrap().1.split_once(to).unwrap().0.to_owned();
    let (style, script) = (between("<style>", "</style>"), between("<script>", "</script>"));
    let expected = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; form-action 'none'; base-uri 'none'",
        source_hash(&script),
        source_hash(&style)
    );
    assert_eq!(between("http-equiv=\"Content-Security-Policy\" content=\"", "\""), expected);
    let body = page.split("<body>").nth(1).unwrap();
    assert!(!body.contains(" style=\"") && !body.contains(" onclick") && !body.contains(" src=\""));
}

#[test]
fn beyond_what_a_page_holds_there_is_an_index_and_a_page_for_each_account() {
    let pages = pages_at(5);
    let paths: Vec<&String> = pages.keys().collect();
    assert_eq!(paths, ["data/report.html", "data/report/111122223333.html"]);
    let (index, account) = (&pages["data/report.html"], &pages["data/report/111122223333.html"]);
    assert!(index.contains("href=\"report/111122223333.html#sg_no_ssh_from_internet\""));
    assert!(!index.contains(">sg-1<") && account.contains("<td class=\"id\">sg-1"));
    assert!(account.contains("href=\"../report.html\"") && account.contains("class=\"net\""));
}

#[test]
fn every_row_is_on_the_page_with_its_pointer_and_the_digest_of_its_document() {
    let evidence = evidence(&network("web"));
    let assessment = judged(&evidence);
    let page = &pages_of(&facts(), &assessment, &drawn(&evidence), 10_000).unwrap()[0].1;
    let page = String::from_utf8(page.clone()).unwrap();
    let rows = assessment.rows.iter().filter(|row| row.row.resource.is_some()).count();
    assert!(rows > 20 && page.matches("<tr><td class=\"id\">").count() >= rows, "{rows}");
    for (path, sha256) in &assessment.documents {
        assert!(page.contains(&format!("<td class=\"id\">{path}<td class=\"e\">{sha256}")), "{path}");
    }
    assert!(page.contains("vpc.security-groups</a> /calls/0/output/SecurityGroups/0"));
    assert!(page.contains("fail, excepted by <a href=\"#exceptions\">EX-1</a>"));
}

#[test]
fn a_diagram_shows_tiers_gateways_and_what_is_missing() {
    let drawing = diagram_of(&network("web"));
    for words in [
        "Network of web",
        "Public",
        "Data",
        "igw-1",
        "NAT nat-1",
        "Flow logs: none",
        "2a05:d014::/64",
        "assigns public addresses",
        "eu-west-1b",
        "1 security group,",
    ] {
        assert!(drawing.contains(words), "{words}: {drawing}");
    }
    assert!(!drawing.contains("unknown"), "{drawing}");
}

#[test]
fn a_denied_call_is_drawn_as_unknown_and_never_as_absent() {
    for (item, operation, words, never) in [
        ("vpc.gateways", "DescribeInternetGateways", "internet gateways unknown", "no internet gateway"),
        ("vpc.gateways", "DescribeNatGateways", "NAT gateways: unknown", "NAT nat-1"),
        ("vpc.subnets", "DescribeSubnets", "Subnets: unknown", "No subnets"),
        ("vpc.route-tables", "DescribeRouteTables", ">Unknown<", ">Data<"),
        ("vpc.flow-logs", "DescribeFlowLogs", "Flow logs: unknown", "Flow logs: none"),
        ("vpc.endpoints", "DescribeVpcEndpoints", "Endpoints: unknown", ">Endpoints<"),
        ("vpc.connections", "DescribeTransitGatewayAttachments", "Connections: unknown", "Transit gateway"),
        ("elb.load-balancers", "DescribeLoadBalancers", "Load balancers: unknown", ">balancers<"),
        ("vpc.security-groups", "DescribeSecurityGroups", "security groups unknown", "0 security groups"),
    ] {
        let mut documents = network("web");
        documents[item][operation] = Value::Null;
        let drawing = diagram_of(&documents);
        assert!(drawing.contains(words), "{operation}: {drawing}");
        assert!(drawing.contains(&format!("{operation}: UnauthorizedOperation")) || words == ">Unknown<");
        assert!(!drawing.contains(never), "{operation}: {drawing}");
    }
}

#[test]
fn a_load_balancer_has_its_web_acl_or_none_or_nobody_knows() {
    let arn = "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/a/1";
    let balancer = json!({ "LoadBalancerArn": arn, "LoadBalancerName": "a", "Type": "application", "VpcId": "vpc-1",
        "Scheme": "internet-facing", "AvailabilityZones": [{ "ZoneName": "eu-west-1a" }] });
    let mut documents = network("web");
    documents["elb.load-balancers"]["DescribeLoadBalancers"]["LoadBalancers"] = json!([balancer]);
    assert!(diagram_of(&documents).contains("no WAF"));
    documents["waf.web-acls"]["ListResourcesForWebACL"] = json!({ "ResourceArns": [arn] });
    assert!(!diagram_of(&documents).contains("no WAF"));
    documents["waf.web-acls"]["ListResourcesForWebACL"] = Value::Null;
    assert!(diagram_of(&documents).contains("WAF unknown"));
}

#[test]
fn a_vpc_without_subnets_a_shared_one_and_a_denied_region_are_drawn() {
    let mut documents = network("web");
    documents["vpc.subnets"]["DescribeSubnets"]["Subnets"] = json!([]);
    assert!(diagram_of(&documents).contains("No subnets."));
    documents["vpc.vpcs"]["DescribeVpcs"]["Vpcs"][0]["OwnerId"] = json!("999900001111");
    let shared = evidence(&documents);
    assert_eq!(drawn(&shared).vpcs().next().unwrap().2.shared_by.as_deref(), Some("999900001111"));

    documents["vpc.vpcs"]["DescribeVpcs"] = Value::Null;
    let denied = evidence(&documents);
    let made = pages_of(&facts(), &judged(&denied), &drawn(&denied), ROWS_OF_A_PAGE).unwrap();
    let page = String::from_utf8(made[0].1.clone()).unwrap();
    assert!(page.contains("VPCs unknown (DescribeVpcs: UnauthorizedOperation)"));

    let mut excluded = Evidence::new(ACCOUNT);
    excluded.gap(REGION, "vpc.vpcs", Status::Excluded, "not selected");
    assert_eq!(drawn(&excluded).networks().count(), 0);
}

#[test]
fn connections_are_lanes_between_rows_and_ends_outside_are_named() {
    let mut documents = network("web");
    documents["vpc.connections"]["DescribeVpcPeeringConnections"]["VpcPeeringConnections"] = json!([
        { "VpcPeeringConnectionId": "pcx-1", "Status": { "Code": "active" },
          "RequesterVpcInfo": { "VpcId": "vpc-1", "OwnerId": ACCOUNT, "Region": REGION },
          "AccepterVpcInfo": { "VpcId": "vpc-far", "OwnerId": "999900001111", "Region": "us-east-1" } },
        { "VpcPeeringConnectionId": "pcx-2", "Status": { "Code": "deleted" },
          "RequesterVpcInfo": { "VpcId": "vpc-1", "OwnerId": ACCOUNT, "Region": REGION },
          "AccepterVpcInfo": { "VpcId": "vpc-gone", "OwnerId": ACCOUNT, "Region": REGION } }]);
    documents["vpc.connections"]["DescribeTransitGatewayAttachments"]["TransitGatewayAttachments"] = json!([
        { "TransitGatewayId": "tgw-1", "TransitGatewayOwnerId": ACCOUNT, "ResourceType": "vpc", "ResourceId": "vpc-1",
          "State": "available" },
        { "TransitGatewayId": "tgw-1", "TransitGatewayOwnerId": ACCOUNT, "ResourceType": "vpn", "ResourceId": "vpn-1",
          "State": "available" }]);
    let drawings = drawn(&evidence(&documents));
    let found = super::estate::Connections::of(&drawings);
    let drawing = super::estate::overview(&drawings, &found, &BTreeMap::new());
    for words in ["Outside this evidence", "vpc-far", "in 999900001111 us-east-1", "tgw-1", "1 VPCs, 1 vpn"] {
        assert!(drawing.contains(words), "{words}: {drawing}");
    }
    assert!(!drawing.contains("vpc-gone"));
}

#[test]
fn twenty_subnets_with_long_names_stay_inside_their_columns() {
    let long = "x".repeat(10_000);
    let mut documents = network("web");
    let subnets: Vec<Value> = (0..20)
        .map(|number| {
            json!({ "SubnetId": format!("subnet-{number}"), "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/24",
                "AvailabilityZone": format!("eu-west-1{}", ["a", "b", "c"][number % 3]),
                "Tags": [{ "Key": "Name", "Value": long }] })
        })
        .collect();
    documents["vpc.subnets"]["DescribeSubnets"]["Subnets"] = json!(subnets);
    let drawing = diagram_of(&documents);
    assert_eq!(drawing.matches("<title>xxxx").count(), 20);
    for line in drawing.split("<text").skip(1) {
        let shown = line.split("</text>").next().unwrap().rsplit('>').next().unwrap();
        assert!(shown.chars().count() <= 120, "{shown}");
    }
}

/// The cases of the policy `subnet_tier_by_route`: a diagram never says another tier than the check.
#[test]
#[expect(clippy::disallowed_methods, reason = "the cases are files")]
fn the_tier_of_a_diagram_is_that_of_the_check() {
    let policies = Policies::new("guide", &[], &Value::Null).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/policies/subnet_tier_by_route");
    let public = Public::shipped();
    let mut compared = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let case: Value =
            serde_json::from_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
        let documents: serde_json::Map<String, Value> = case["documents"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, calls)| (name.split_once('/').unwrap().1.to_owned(), calls.clone()))
            .collect();
        if documents.values().any(|calls| calls.as_object().is_none_or(|it| it.values().any(Value::is_array)))
        {
            continue;
        }
        let evidence = evidence(&Value::Object(documents));
        let read =
            |item: &str, operation: &str, member: &str| entries(&evidence, REGION, item, operation, member);
        let Ok(list) = read("vpc.route-tables", "DescribeRouteTables", "RouteTables") else { continue };
        let tables = Tables::new(&list);
        let rows = policies.assess(NOW, &evidence, REGION, &Offered::current());
        for subnet in read("vpc.subnets", "DescribeSubnets", "Subnets").unwrap() {
            let id = text(subnet, "SubnetId").unwrap();
            let row = rows
                .iter()
                .find(|row| row.check == "subnet_tier_by_route" && row.resource.as_deref() == Some(id))
                .unwrap();
            let table = tables.of(id, text(subnet, "VpcId").unwrap());
            let drawn = table.map_or(Tier::Unknown, |table| tier(table, &public).0);
            if let Some(class) = row.observed.as_ref().and_then(Value::as_str) {
                assert_eq!(drawn.class(), class, "{id} {}", row.reason);
                compared += 1;
            }
        }
    }
    assert!(compared > 10, "{compared}");
}
