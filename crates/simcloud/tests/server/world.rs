//! What is answered: every call, the same each time, and all calls agree.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use simcloud::{Config, Scale, credentials_of, truth};

use crate::client::{Client, calls};

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.values().all(is_empty),
        Value::Array(values) => values.is_empty(),
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

#[tokio::test]
async fn every_call_of_the_table_has_an_answer_that_is_not_empty() {
    let client = Client::start(Config::default()).await;
    let mut full = BTreeSet::new();
    for region in ["us-east-1", "eu-central-1"] {
        for (service, operation, parameters) in calls(&client, region).await {
            let output = client.ask(region, service, operation, &parameters).await;
            if !is_empty(&output) {
                full.insert(format!("{service} {operation}"));
            }
        }
    }
    full.insert("sts AssumeRole".to_owned()); // asked for in `signatures`
    let all: BTreeSet<String> = (client.shapes.services())
        .flat_map(|service| service.operations.keys().map(move |name| format!("{} {name}", service.name)))
        .collect();
    assert_eq!(full, all);
}

#[tokio::test]
async fn two_servers_with_the_same_configuration_answer_alike_and_another_seed_does_not() {
    let (one, two) = (Client::start(Config::default()).await, Client::start(Config::default()).await);
    let other = Client::start(Config { seed: 2, ..Config::default() }).await;
    for (service, operation, parameters) in calls(&one, "eu-central-1").await {
        let first = one.ask("eu-central-1", service, operation, &parameters).await;
        assert_eq!(first, two.ask("eu-central-1", service, operation, &parameters).await, "{operation}");
        assert_eq!(first, one.ask("eu-central-1", service, operation, &parameters).await, "{operation}");
    }
    let vpcs = async |client: &Client| client.ask("eu-central-1", "ec2", "DescribeVpcs", &json!({})).await;
    assert_ne!(vpcs(&one).await, vpcs(&other).await);
}

fn ids<'a>(list: &'a Value, key: &str) -> BTreeSet<&'a str> {
    list.as_array().unwrap().iter().map(|entry| entry[key].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_one_call_names_another_one_has() {
    let client = Client::start(Config { scale: Scale::Of(3), accounts: 2, ..Config::default() }).await;
    let region = "eu-central-1";
    let ask = async |service, operation, parameters: Value| {
        client.ask(region, service, operation, &parameters).await
    };
    let vpcs = ask("ec2", "DescribeVpcs", json!({})).await;
    let subnets = ask("ec2", "DescribeSubnets", json!({})).await;
    let groups = ask("ec2", "DescribeSecurityGroups", json!({})).await;
    let rules = ask("ec2", "DescribeSecurityGroupRules", json!({})).await;
    let interfaces = ask("ec2", "DescribeNetworkInterfaces", json!({})).await;
    let instances = ask("ec2", "DescribeInstances", json!({})).await;
    let tables = ask("ec2", "DescribeRouteTables", json!({})).await;
    let gateways = ask("ec2", "DescribeNatGateways", json!({})).await;
    let lists = ask("ec2", "DescribeManagedPrefixLists", json!({})).await;
    let (vpcs, subnets) =
        (ids(&vpcs["Vpcs"], "VpcId"), (ids(&subnets["Subnets"], "SubnetId"), subnets.clone()));
    let group_ids = ids(&groups["SecurityGroups"], "GroupId");
    let interface_ids = ids(&interfaces["NetworkInterfaces"], "NetworkInterfaceId");
    assert!(ids(&subnets.1["Subnets"], "VpcId").is_subset(&vpcs));
    assert!(ids(&groups["SecurityGroups"], "VpcId").is_subset(&vpcs));
    assert_eq!(interface_ids.len(), interfaces["NetworkInterfaces"].as_array().unwrap().len());
    for interface in interfaces["NetworkInterfaces"].as_array().unwrap() {
        assert!(subnets.0.contains(interface["SubnetId"].as_str().unwrap()));
        assert!(ids(&interface["Groups"], "GroupId").is_subset(&group_ids));
    }
    let addresses: BTreeSet<&str> = ids(&interfaces["NetworkInterfaces"], "PrivateIpAddress");
    assert!(addresses.len() > interface_ids.len() / 2);
    for reservation in instances["Reservations"].as_array().unwrap() {
        let instance = &reservation["Instances"][0];
        assert!(ids(&instance["SecurityGroups"], "GroupId").is_subset(&group_ids));
        assert!(ids(&instance["NetworkInterfaces"], "NetworkInterfaceId").is_subset(&interface_ids));
        for interface in instance["NetworkInterfaces"].as_array().unwrap() {
            let same = interfaces["NetworkInterfaces"]
                .as_array()
                .unwrap()
                .iter()
                .find(|other| other["NetworkInterfaceId"] == interface["NetworkInterfaceId"])
                .unwrap();
            for key in ["PrivateIpAddress", "MacAddress", "SubnetId", "Groups"] {
                assert_eq!(same[key], interface[key], "{key}");
            }
        }
    }
    let nats = ids(&gateways["NatGateways"], "NatGatewayId");
    for table in tables["RouteTables"].as_array().unwrap() {
        for route in table["Routes"].as_array().unwrap() {
            if let Some(nat) = route["NatGatewayId"].as_str() {
                assert!(nats.contains(nat));
            }
        }
        for association in table["Associations"].as_array().unwrap() {
            assert!(association["SubnetId"].as_str().is_none_or(|subnet| subnets.0.contains(subnet)));
        }
    }
    let prefix_lists = ids(&lists["PrefixLists"], "PrefixListId");
    let mut count = 0;
    for group in groups["SecurityGroups"].as_array().unwrap() {
        for permission in
            ["IpPermissions", "IpPermissionsEgress"].iter().flat_map(|key| group[*key].as_array().unwrap())
        {
            for (list, _) in
                [("IpRanges", 4), ("Ipv6Ranges", 6), ("PrefixListIds", 0), ("UserIdGroupPairs", 0)]
            {
                count += permission[list].as_array().unwrap().len();
            }
            assert!(ids(&permission["PrefixListIds"], "PrefixListId").is_subset(&prefix_lists));
        }
    }
    assert_eq!(count, rules["SecurityGroupRules"].as_array().unwrap().len());

    let all = json!(["RSA_1024", "RSA_2048", "RSA_4096", "EC_prime256v1", "EC_secp384r1"]);
    let certificates = ask("acm", "ListCertificates", json!({"Includes": {"keyTypes": all}})).await;
    let certificates = ids(&certificates["CertificateSummaryList"], "CertificateArn");
    let balancers = ask("elbv2", "DescribeLoadBalancers", json!({})).await;
    let target_groups = ask("elbv2", "DescribeTargetGroups", json!({})).await;
    let target_groups = ids(&target_groups["TargetGroups"], "TargetGroupArn");
    let policies = ask("elbv2", "DescribeSSLPolicies", json!({})).await;
    let policies = ids(&policies["SslPolicies"], "Name");
    for balancer in balancers["LoadBalancers"].as_array().unwrap() {
        let arn = json!({"LoadBalancerArn": balancer["LoadBalancerArn"]});
        let listeners = ask("elbv2", "DescribeListeners", arn).await;
        for listener in listeners["Listeners"].as_array().unwrap() {
            if let Some(policy) = listener["SslPolicy"].as_str() {
                assert!(policies.contains(policy), "{policy}");
                let used = listener["Certificates"][0]["CertificateArn"].as_str().unwrap();
                assert!(certificates.contains(used));
                let certificate = ask("acm", "DescribeCertificate", json!({"CertificateArn": used})).await;
                let users = certificate["Certificate"]["InUseBy"].as_array().unwrap();
                assert!(users.contains(&balancer["LoadBalancerArn"]));
            }
            for action in listener["DefaultActions"].as_array().unwrap() {
                assert!(action["TargetGroupArn"].as_str().is_none_or(|arn| target_groups.contains(arn)));
            }
        }
    }
    let acls = ask("wafv2", "ListWebACLs", json!({"Scope": "REGIONAL"})).await;
    let resources =
        ask("wafv2", "ListResourcesForWebACL", json!({"WebACLArn": acls["WebACLs"][0]["ARN"]})).await;
    let balancers = ids(&balancers["LoadBalancers"], "LoadBalancerArn");
    assert!(
        resources["ResourceArns"]
            .as_array()
            .unwrap()
            .iter()
            .all(|arn| balancers.contains(arn.as_str().unwrap()))
    );
    assert_ne!(resources, json!({"ResourceArns": []}));
}

#[tokio::test]
async fn the_truth_is_what_the_answers_say() {
    let mut client = Client::start(Config { accounts: 2, scale: Scale::Of(2), ..Config::default() }).await;
    let truth = truth(&client.config);
    for (index, account) in (0..).zip(truth["accounts"].as_array().unwrap()) {
        client.credentials = credentials_of(&client.config, index);
        for (region, expected) in account["regions"].as_object().unwrap() {
            let ask = async |service, operation| client.ask(region, service, operation, &json!({})).await;
            let vpcs = ask("ec2", "DescribeVpcs").await;
            assert_eq!(ids(&vpcs["Vpcs"], "VpcId"), ids(&expected["vpcs"], "id"));
            let default = vpcs["Vpcs"].as_array().unwrap().iter().find(|vpc| vpc["IsDefault"] == true);
            assert_eq!(default.map_or(&Value::Null, |vpc| &vpc["VpcId"]), &expected["default_vpc"]);
            let logs = ask("ec2", "DescribeFlowLogs").await;
            assert_eq!(ids(&logs["FlowLogs"], "FlowLogId"), ids(&expected["flow_logs"], "id"));
            let groups = ask("ec2", "DescribeSecurityGroups").await;
            assert_eq!(ids(&groups["SecurityGroups"], "GroupId"), ids(&expected["security_groups"], "id"));
            let literally_open: BTreeSet<&str> = (groups["SecurityGroups"].as_array().unwrap().iter())
                .filter(|group| {
                    group["IpPermissions"].as_array().unwrap().iter().any(|permission| {
                        let world = permission["IpRanges"]
                            .as_array()
                            .unwrap()
                            .iter()
                            .any(|range| range["CidrIp"] == "0.0.0.0/0");
                        let protocol = permission["IpProtocol"].as_str().unwrap();
                        let from = permission["FromPort"].as_i64().unwrap_or(0);
                        let to = permission["ToPort"].as_i64().unwrap_or(65_535);
                        world && (protocol == "-1" || protocol == "tcp" && (from..=to).contains(&22))
                    })
                })
                .map(|group| group["GroupId"].as_str().unwrap())
                .collect();
            let open: BTreeSet<&str> = expected["groups_with_ssh_from_internet"]
                .as_array()
                .unwrap()
                .iter()
                .map(|id| id.as_str().unwrap())
                .collect();
            // The truth knows those too that a comparison of text misses.
            assert!(literally_open.is_subset(&open) && literally_open.len() + 4 <= open.len());
            let acls = ask("ec2", "DescribeNetworkAcls").await;
            assert!(
                ids(&expected["network_acls"], "id").is_subset(&ids(&acls["NetworkAcls"], "NetworkAclId"))
            );
        }
        let buckets = client.ask("us-east-1", "s3", "ListBuckets", &json!({})).await;
        assert_eq!(ids(&buckets["Buckets"], "Name"), ids(&account["buckets"], "name"));
    }
}

#[tokio::test]
async fn a_quiet_region_has_a_default_vpc_and_no_recorder() {
    let regions = ["us-east-1", "eu-central-1", "eu-west-1"].map(str::to_owned).to_vec();
    let client = Client::start(Config { regions, scale: Scale::Medium, ..Config::default() }).await;
    let vpcs = client.ask("eu-west-1", "ec2", "DescribeVpcs", &json!({})).await;
    assert_eq!(vpcs["Vpcs"].as_array().map(Vec::len), Some(1));
    assert_eq!(vpcs["Vpcs"][0]["IsDefault"], true);
    let recorders = client.ask("eu-west-1", "config", "DescribeConfigurationRecorders", &json!({})).await;
    assert_eq!(recorders, json!({"ConfigurationRecorders": []}));
}

#[tokio::test]
async fn a_bucket_is_answered_in_its_own_region_only() {
    let client = Client::start(Config::default()).await;
    let truth = truth(&client.config);
    let bucket = truth["accounts"][0]["buckets"]
        .as_array()
        .unwrap()
        .iter()
        .find(|bucket| bucket["region"] == "eu-central-1")
        .unwrap();
    let parameters = json!({"Bucket": bucket["name"]});
    let page = client.page("us-east-1", "s3", "GetBucketVersioning", &parameters).await;
    assert_eq!((page.status, client.error("s3", &page).code.as_str()), (301, "PermanentRedirect"));
    assert_eq!(page.headers["x-amz-bucket-region"], "eu-central-1");
    let location = client.ask("us-east-1", "s3", "GetBucketLocation", &parameters).await;
    assert_eq!(location, json!({"LocationConstraint": "eu-central-1"}));
    let elsewhere = truth["accounts"][0]["buckets"]
        .as_array()
        .unwrap()
        .iter()
        .find(|bucket| bucket["region"] == "us-east-1")
        .unwrap();
    let parameters = json!({"Bucket": elsewhere["name"]});
    let refused = client.refused("eu-central-1", "s3", "GetBucketLocation", &parameters).await;
    assert_eq!(refused, (400, "AuthorizationHeaderMalformed".to_owned()));
    let refused =
        client.refused("us-east-1", "s3", "GetBucketPolicy", &json!({"Bucket": "nobody-has-this"})).await;
    assert_eq!(refused, (404, "NoSuchBucket".to_owned()));
}

#[tokio::test]
async fn acm_lists_other_keys_only_when_asked_for_them() {
    let client = Client::start(Config::default()).await;
    let keys = async |parameters: Value| -> BTreeSet<String> {
        let listed = client.ask("us-east-1", "acm", "ListCertificates", &parameters).await;
        ids(&listed["CertificateSummaryList"], "KeyAlgorithm").into_iter().map(str::to_owned).collect()
    };
    assert_eq!(keys(json!({})).await, ["RSA-1024", "RSA-2048"].map(str::to_owned).into());
    let some = json!({"Includes": {"keyTypes": ["EC_prime256v1", "RSA_4096"]}});
    assert_eq!(keys(some).await, ["EC-prime256v1", "RSA-4096"].map(str::to_owned).into());
}

#[tokio::test]
async fn what_is_before_cloudfront_is_asked_in_us_east_1() {
    let client = Client::start(Config::default()).await;
    let scope = json!({"Scope": "CLOUDFRONT"});
    let acls = client.ask("us-east-1", "wafv2", "ListWebACLs", &scope).await;
    let refused = client.refused("eu-central-1", "wafv2", "ListWebACLs", &scope).await;
    assert_eq!(refused, (400, "WAFInvalidParameterException".to_owned()));
    let arn = json!({"WebACLArn": acls["WebACLs"][0]["ARN"]});
    let refused = client.refused("us-east-1", "wafv2", "ListResourcesForWebACL", &arn).await;
    assert_eq!(refused, (400, "WAFInvalidParameterException".to_owned()));
}

#[tokio::test]
async fn an_acl_without_a_log_is_a_fact() {
    let client = Client::start(Config::default()).await;
    let acls = client.ask("us-east-1", "wafv2", "ListWebACLs", &json!({"Scope": "REGIONAL"})).await;
    let arn = json!({"ResourceArn": acls["WebACLs"][1]["ARN"]});
    let refused = client.refused("us-east-1", "wafv2", "GetLoggingConfiguration", &arn).await;
    assert_eq!(refused, (400, "WAFNonexistentItemException".to_owned()));
}

#[tokio::test]
async fn only_the_management_account_lists_the_accounts() {
    let mut client = Client::start(Config { accounts: 2, ..Config::default() }).await;
    client.credentials = credentials_of(&client.config, 1);
    let refused = client.refused("us-east-1", "organizations", "ListAccounts", &json!({})).await;
    assert_eq!(refused, (400, "AccessDeniedException".to_owned()));
}

#[tokio::test]
async fn what_the_api_does_not_take_is_refused() {
    let client = Client::start(Config::default()).await;
    for (service, operation, parameters, code) in [
        ("elbv2", "DescribeListeners", json!({}), "ValidationError"),
        ("elbv2", "DescribeListeners", json!({"LoadBalancerArn": "arn:x"}), "LoadBalancerNotFound"),
        ("elbv2", "DescribeRules", json!({"ListenerArn": "arn:x"}), "ListenerNotFound"),
        ("ec2", "GetManagedPrefixListEntries", json!({}), "MissingParameter"),
        ("ec2", "DescribeVpcs", json!({"VpcIds": ["vpc-1"]}), "InvalidVpcID.NotFound"),
        (
            "ec2",
            "DescribeVpcs",
            json!({"Filters": [{"Name": "nonsense", "Values": ["1"]}]}),
            "InvalidParameterValue",
        ),
        ("wafv2", "ListWebACLs", json!({}), "ValidationException"),
        ("wafv2", "ListWebACLs", json!({"Scope": "GLOBAL"}), "ValidationException"),
        (
            "config",
            "GetComplianceDetailsByConfigRule",
            json!({"ConfigRuleName": "x"}),
            "NoSuchConfigRuleException",
        ),
        (
            "acm",
            "DescribeCertificate",
            json!({"CertificateArn": "arn:aws:acm:us-east-1:1:certificate/x"}),
            "ResourceNotFoundException",
        ),
    ] {
        let refused = client.refused("us-east-1", service, operation, &parameters).await;
        assert_eq!(refused, (400, code.to_owned()), "{operation} {parameters}");
    }
    let body = "Action=DescribeVpcs&Version=2016-11-15&Nonsense=1";
    let good = String::from_utf8(client.signed("us-east-1", "ec2", "DescribeVpcs", &json!({}))).unwrap();
    assert!(!good.contains(body));
}

#[tokio::test]
async fn ids_and_filters_narrow_an_answer() {
    let client = Client::start(Config::default()).await;
    let all = client.ask("us-east-1", "ec2", "DescribeVpcs", &json!({})).await;
    let one = &all["Vpcs"][1];
    let by_id = client.ask("us-east-1", "ec2", "DescribeVpcs", &json!({"VpcIds": [one["VpcId"]]})).await;
    assert_eq!(by_id["Vpcs"], json!([one]));
    let filter = json!({"Filters": [{"Name": "vpc-id", "Values": [one["VpcId"]]}]});
    assert_eq!(client.ask("us-east-1", "ec2", "DescribeVpcs", &filter).await["Vpcs"], json!([one]));
    let subnets = client.ask("us-east-1", "ec2", "DescribeSubnets", &filter).await;
    assert_eq!(subnets["Subnets"].as_array().map(Vec::len), Some(9));
}

#[tokio::test]
async fn requests_are_counted_by_operation() {
    let client = Client::start(Config::default()).await;
    for _ in 0..3 {
        client.ask("us-east-1", "ec2", "DescribeVpcs", &json!({})).await;
    }
    client.ask("us-east-1", "acm", "ListCertificates", &json!({})).await;
    let key = |service: &str, operation: &str| (service.to_owned(), operation.to_owned());
    let expected = [(key("acm", "ListCertificates"), 1), (key("ec2", "DescribeVpcs"), 3)];
    assert_eq!(client.running.requests(), expected.into());
}

#[tokio::test]
async fn a_canary_is_in_every_field_that_holds_a_secret_and_in_tags() {
    let canary = "canary-5f3a";
    let client = Client::start(Config { canary: Some(canary.to_owned()), ..Config::default() }).await;
    let vpn = client.ask("us-east-1", "ec2", "DescribeVpnConnections", &json!({})).await;
    let connection = &vpn["VpnConnections"][0];
    assert!(connection["CustomerGatewayConfiguration"].as_str().unwrap().contains(canary));
    assert_eq!(connection["Options"]["TunnelOptions"][1]["PreSharedKey"], canary);
    let (mut secrets, mut headers, mut searches, mut tags) = (0, 0, 0, 0);
    for (service, operation, parameters) in calls(&client, "us-east-1").await {
        let text = client.ask("us-east-1", service, operation, &parameters).await.to_string();
        secrets += text.matches(&format!("\"ClientSecret\":\"{canary}\"")).count();
        headers += text.matches(&format!("\"Values\":[\"{canary}\"]")).count();
        searches += text.matches("\"SearchString\":\"Y2FuYXJ5LTVmM2E=\"").count();
        tags += text.matches(&format!("\"Value\":\"{canary}\"")).count();
    }
    assert!(secrets > 0 && headers > 0 && searches > 0 && tags > 0, "{secrets} {headers} {searches} {tags}");
}
