//! Which resources have which property: what a check over the evidence should find.
//!
//! Computed from the same places as the answers, so it does not depend on reading them back. An oracle compares
//! with it; nothing else does.

use serde_json::{Map, Value, json};

use crate::{
    config::Config,
    credentials::account_ids,
    estate::{
        Estate,
        balancers::protocols_of,
        firewall::Scope,
        groups::{RDP_OPEN, SSH_OPEN},
        network::Tier,
    },
};

/// Which resources have which property, by account and region.
pub fn truth(config: &Config) -> Value {
    let accounts = (0..).zip(account_ids(config)).map(|(index, id)| {
        let regions: Map<String, Value> = (config.regions.iter())
            .map(|region| (region.clone(), of_region(&Estate::new(config, index, region))))
            .collect();
        let home = Estate::new(config, index, "us-east-1");
        json!({
            "id": id,
            "management": index == 0,
            "regions": regions,
            "buckets": buckets(&home),
            "cloudfront_web_acls": web_acls(&home, Scope::CloudFront),
        })
    });
    json!({
        "seed": config.seed,
        "scale": config.scale.to_string(),
        "regions": config.regions,
        "not_opted_in": config.not_opted_in().collect::<Vec<_>>(),
        "accounts": accounts.collect::<Value>(),
    })
}

fn of_region(estate: &Estate<'_>) -> Value {
    let groups = estate.groups();
    let with = |shapes: &[&str]| -> Value {
        groups.iter().filter(|group| shapes.contains(&group.shape)).map(|group| json!(group.id)).collect()
    };
    let subnets: Value = (estate.vpcs())
        .flat_map(|vpc| Estate::subnets_of(vpc).map(move |(tier, zone)| (vpc, tier, zone)))
        .map(|(vpc, tier, zone)| {
            json!({
                "id": estate.subnet_id(vpc, tier, zone),
                "vpc": estate.vpc_id(vpc),
                "tier": tier.word(),
                "routed_to_internet": vpc == 0 || tier == Tier::Public
                    || (tier == Tier::Data && estate.data_tier_is_exposed(vpc)),
                "maps_public_ip": Estate::maps_public_ip(vpc, tier, zone),
            })
        })
        .collect();
    json!({
        "quiet": estate.quiet(),
        "default_vpc": estate.has_default_vpc().then(|| estate.vpc_id(0)),
        "vpcs": estate.vpcs().map(|vpc| json!({
            "id": estate.vpc_id(vpc), "default": vpc == 0, "flow_logs": estate.log_shape(vpc),
            "ipv6": Estate::has_ipv6(vpc), "data_tier_exposed": estate.data_tier_is_exposed(vpc),
        })).collect::<Value>(),
        "vpcs_without_flow_logs": (estate.vpcs())
            .filter(|vpc| estate.log_shape(*vpc) == "none")
            .map(|vpc| json!(estate.vpc_id(vpc)))
            .collect::<Value>(),
        "peered_vpcs": estate.peered_vpcs().into_iter().map(|vpc| json!(estate.vpc_id(vpc))).collect::<Value>(),
        "subnets": subnets,
        "security_groups": (groups.iter())
            .map(|group| json!({
                "id": group.id, "name": group.name, "shape": group.shape, "vpc": estate.vpc_id(group.vpc),
            }))
            .collect::<Value>(),
        "groups_with_ssh_from_internet": with(&SSH_OPEN),
        "groups_with_rdp_from_internet": with(&RDP_OPEN),
        "open_default_groups": with(&["default-open"]),
        "network_acls": (estate.custom_acls())
            .map(|acl| json!({"id": acl.id, "shape": acl.shape, "vpc": estate.vpc_id(acl.vpc)}))
            .collect::<Value>(),
        "flow_logs": (estate.flow_logs().into_iter())
            .map(|(id, resource, vpc, shape)| json!({
                "id": id, "resource": resource, "vpc": estate.vpc_id(vpc), "shape": shape,
            }))
            .collect::<Value>(),
        "load_balancers": (0..estate.balancers()).map(|n| {
            let shape = Estate::balancer_shape(n);
            let policy = (shape.contains("https") || shape.contains("tls")).then(|| Estate::policy_of(n));
            json!({
                "arn": estate.balancer_arn(n), "name": estate.balancer_name(n), "kind": Estate::balancer_kind(n),
                "public": estate.balancer_is_public(n), "listeners": shape, "policy": policy,
                "protocols": policy.map(protocols_of),
                "web_acl": match n { 0 | 1 => Some(0), 2 => Some(1), _ => None }
                    .filter(|acl| *acl < estate.web_acls(Scope::Regional))
                    .map(|acl| estate.web_acl_arn(Scope::Regional, acl)),
            })
        }).collect::<Value>(),
        "http_without_redirect": (0..estate.balancers())
            .filter(|n| matches!(
                Estate::balancer_shape(*n),
                "http-forward" | "https+http-forward" | "https+redirect-to-http" | "https+fixed-response"
            ))
            .map(|n| json!(estate.balancer_arn(n)))
            .collect::<Value>(),
        "certificates": (0..estate.certificates()).map(|n| {
            let shape = Estate::certificate_shape(n);
            json!({
                "arn": estate.certificate_arn(n), "shape": shape.name, "imported": shape.imported,
                "days_left": shape.days, "status": shape.status, "renewal": shape.renewal,
                "in_use": !estate.certificate_users(n).is_empty(),
            })
        }).collect::<Value>(),
        "web_acls": web_acls(estate, Scope::Regional),
        "config_recorder": !estate.quiet(),
        "config_rules": (0..estate.config_rules()).map(|n| {
            let (name, kind) = Estate::config_rule(n);
            json!({"name": name, "kind": kind})
        }).collect::<Value>(),
    })
}

fn web_acls(estate: &Estate<'_>, scope: Scope) -> Value {
    (0..estate.web_acls(scope))
        .map(|n| {
            json!({
                "arn": estate.web_acl_arn(scope, n), "name": estate.web_acl_name(scope, n),
                "shape": Estate::web_acl_shape(n), "logging": Estate::web_acl_is_logged(n),
            })
        })
        .collect()
}

fn buckets(estate: &Estate<'_>) -> Value {
    (0..estate.buckets())
        .map(|n| {
            let shape = Estate::bucket_policy_shape(n);
            json!({
                "name": estate.bucket_name(n), "region": estate.bucket_region(n), "policy": shape,
                "denies_plain_http": matches!(shape, "deny-full" | "deny-principal-aws-star" | "deny-list-form"),
                "versioning": Estate::bucket_versioning(n).get("Status"),
            })
        })
        .collect()
}
