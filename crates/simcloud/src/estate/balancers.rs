//! Load balancers, their listeners, rules and target groups, and AWS's TLS policies.
//!
//! Ten shapes in turn: redirects that do and do not lead to HTTPS, listeners that forward in clear, TLS on
//! network balancers, a gateway balancer, one without listeners, one behind single sign-on. Client secrets and
//! the values of origin headers are secrets.

use serde_json::{Value, json};

use super::{Estate, list, network::Tier};

/// What the listeners of a balancer do.
pub(crate) const SHAPES: [&str; 10] = [
    "https+redirect",
    "https-only",
    "http-forward",
    "https+http-forward",
    "https+redirect-to-http",
    "nlb-tls+tcp",
    "gateway",
    "https-oidc",
    "no-listeners",
    "https+fixed-response",
];

/// TLS policies: name, protocols from the oldest, ciphers, kinds of balancer.
const POLICIES: [(&str, &[&str], &[&str]); 16] = [
    ("ELBSecurityPolicy-2016-08", &["TLSv1", "TLSv1.1", "TLSv1.2"], OLD),
    ("ELBSecurityPolicy-TLS13-1-2-2021-06", &["TLSv1.2", "TLSv1.3"], NEW),
    ("ELBSecurityPolicy-TLS-1-1-2017-01", &["TLSv1.1", "TLSv1.2"], OLD),
    ("ELBSecurityPolicy-TLS13-1-3-2021-06", &["TLSv1.3"], ONLY13),
    ("ELBSecurityPolicy-TLS-1-2-2017-01", &["TLSv1.2"], GOOD12),
    ("ELBSecurityPolicy-TLS13-1-0-2021-06", &["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"], OLD),
    ("ELBSecurityPolicy-TLS13-1-2-Res-2021-06", &["TLSv1.2", "TLSv1.3"], NEW),
    ("ELBSecurityPolicy-TLS-1-2-Ext-2018-06", &["TLSv1.2"], OLD),
    ("ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09", &["TLSv1.2", "TLSv1.3"], NEW),
    ("ELBSecurityPolicy-TLS13-1-1-2021-06", &["TLSv1.1", "TLSv1.2", "TLSv1.3"], OLD),
    ("ELBSecurityPolicy-TLS13-1-2-PQ-2025-09", &["TLSv1.2", "TLSv1.3"], NEW),
    ("ELBSecurityPolicy-TLS13-1-3-FIPS-2023-04", &["TLSv1.3"], ONLY13),
    ("ELBSecurityPolicy-TLS13-1-2-FIPS-2023-04", &["TLSv1.2", "TLSv1.3"], NEW),
    ("ELBSecurityPolicy-FS-1-2-Res-2020-10", &["TLSv1.2"], GOOD12),
    ("ELBSecurityPolicy-FS-2018-06", &["TLSv1", "TLSv1.1", "TLSv1.2"], OLD),
    ("ELBSecurityPolicy-TLS-1-0-2015-04", &["TLSv1", "TLSv1.1", "TLSv1.2"], OLD),
];
const OLD: &[&str] = &[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "AES128-GCM-SHA256",
    "AES128-SHA",
    "AES256-SHA",
];
const GOOD12: &[&str] = &[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
];
const NEW: &[&str] = &[
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
];
const ONLY13: &[&str] = &["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

/// What a listener does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Forward,
    Redirect,
    RedirectToHttp,
    Fixed,
    SignOn,
}

/// One listener.
struct Listener {
    balancer: u64,
    n: u64,
    port: u32,
    protocol: &'static str,
    then: Then,
}

impl Estate<'_> {
    /// How many load balancers there are.
    pub(crate) fn balancers(&self) -> u64 {
        self.scaled(9, 1)
    }

    pub(crate) fn balancer_shape(n: u64) -> &'static str {
        usize::try_from(n).ok().and_then(|n| SHAPES.get(n % SHAPES.len())).copied().unwrap_or("https-only")
    }

    pub(crate) fn balancer_kind(n: u64) -> &'static str {
        match Self::balancer_shape(n) {
            "nlb-tls+tcp" => "network",
            "gateway" => "gateway",
            _ => "application",
        }
    }

    pub(crate) fn balancer_name(&self, n: u64) -> String {
        let kind = match Self::balancer_kind(n) {
            "network" => "nlb",
            "gateway" => "gwlb",
            _ => "alb",
        };
        format!("{kind}-{}-{n}", self.region)
    }

    /// The end of a balancer's ARN: `app/name/0123456789abcdef`.
    fn balancer_path(&self, n: u64) -> String {
        let kind = match Self::balancer_kind(n) {
            "network" => "net",
            "gateway" => "gwy",
            _ => "app",
        };
        format!("{kind}/{}/{:016x}", self.balancer_name(n), self.hash("lb", n))
    }

    pub(crate) fn balancer_arn(&self, n: u64) -> String {
        self.arn("elasticloadbalancing", &format!("loadbalancer/{}", self.balancer_path(n)))
    }

    pub(crate) fn balancer_is_public(&self, n: u64) -> bool {
        !self.turn(n).is_multiple_of(3) && Self::balancer_kind(n) != "gateway"
    }

    pub(crate) fn balancer_vpc(&self, n: u64) -> u64 {
        self.some_vpc(n)
    }

    /// What its interfaces are described as; a gateway balancer's are of another kind.
    pub(crate) fn balancer_description(&self, n: u64) -> Option<String> {
        (Self::balancer_kind(n) != "gateway").then(|| format!("ELB {}", self.balancer_path(n)))
    }

    pub(crate) fn balancer_groups(&self, n: u64) -> Vec<(String, String)> {
        if Self::balancer_kind(n) != "application" {
            return Vec::new();
        }
        let vpc = self.balancer_vpc(n);
        vec![(self.tier_group_id(vpc, 0), self.tier_group_name(vpc, 0))]
    }

    /// Place of a balancer's certificate: never one that is expired or not issued.
    pub(crate) fn certificate_of(n: u64) -> u64 {
        let usable = [0, 1, 2, 3, 5, 6, 8, 9];
        usize::try_from(n).ok().and_then(|n| usable.get(n % usable.len())).copied().unwrap_or_default()
    }

    pub(crate) fn policy_of(n: u64) -> &'static str {
        usize::try_from(n).ok().and_then(|n| POLICIES.get(n % 10)).map_or("", |policy| policy.0)
    }

    fn target_group_arn(&self, n: u64) -> String {
        self.arn(
            "elasticloadbalancing",
            &format!("targetgroup/{}/{:016x}", self.target_group_name(n), self.hash("tg", n)),
        )
    }

    fn target_group_name(&self, n: u64) -> String {
        format!("tg-{}-{n}", self.region)
    }

    /// Answers `DescribeLoadBalancers`, of which (`None`: all).
    pub(crate) fn describe_load_balancers(&self) -> Value {
        json!({"LoadBalancers": list((0..self.balancers()).map(|n| {
            let vpc = self.balancer_vpc(n);
            let tier = if self.balancer_is_public(n) { Tier::Public } else { Tier::Private };
            let name = self.balancer_name(n);
            let internal = if self.balancer_is_public(n) { "" } else { "internal-" };
            let zones = (0..2).map(|zone| json!({
                "ZoneName": self.zone(zone),
                "SubnetId": self.subnet_id(vpc, tier, zone),
                "LoadBalancerAddresses": [],
            }));
            let mut answer = json!({
                "LoadBalancerArn": self.balancer_arn(n),
                "DNSName": format!("{internal}{name}-{}.{}.elb.amazonaws.com",
                    self.hash("dns", n) % 2_000_000_000, self.region),
                "CanonicalHostedZoneId": "Z215JYRZR1TBD5",
                "CreatedTime": super::iso_micros(self.config.now - 86_400 * 120, 340_000),
                "LoadBalancerName": name,
                "Scheme": if self.balancer_is_public(n) { "internet-facing" } else { "internal" },
                "VpcId": self.vpc_id(vpc),
                "State": {"Code": "active"},
                "Type": Self::balancer_kind(n),
                "AvailabilityZones": list(zones),
                "IpAddressType": if Self::has_ipv6(vpc) { "dualstack" } else { "ipv4" },
            });
            let groups = self.balancer_groups(n);
            if let Some(members) = answer.as_object_mut() {
                match Self::balancer_kind(n) {
                    "gateway" => { members.remove("DNSName"); members.remove("Scheme"); }
                    "application" => {
                        members.insert("SecurityGroups".to_owned(),
                            list(groups.into_iter().map(|group| json!(group.0))));
                    }
                    _ => { members.insert("EnablePrefixForIpv6SourceNat".to_owned(), json!("off")); }
                }
            }
            answer
        }))})
    }

    /// The balancer with this ARN.
    pub(crate) fn balancer_at(&self, arn: &str) -> Option<u64> {
        (0..self.balancers()).find(|n| self.balancer_arn(*n) == arn)
    }

    /// Answers `DescribeLoadBalancerAttributes`.
    pub(crate) fn describe_load_balancer_attributes(&self, n: u64) -> Value {
        let logging = n.is_multiple_of(2);
        let mut attributes = vec![
            ("deletion_protection.enabled", n.is_multiple_of(3).to_string()),
            ("load_balancing.cross_zone.enabled", "true".to_owned()),
        ];
        if Self::balancer_kind(n) != "gateway" {
            attributes.extend([
                ("access_logs.s3.enabled", logging.to_string()),
                ("access_logs.s3.bucket", if logging { self.bucket_name(0) } else { String::new() }),
                ("access_logs.s3.prefix", String::new()),
            ]);
        }
        if Self::balancer_kind(n) == "application" {
            attributes.extend([
                ("idle_timeout.timeout_seconds", "60".to_owned()),
                ("routing.http2.enabled", "true".to_owned()),
                ("routing.http.drop_invalid_header_fields.enabled", (n % 2 == 1).to_string()),
                ("routing.http.desync_mitigation_mode", "defensive".to_owned()),
                ("waf.fail_open.enabled", "false".to_owned()),
            ]);
        }
        json!({"Attributes": list(attributes.into_iter()
            .map(|(key, value)| json!({"Key": key, "Value": value})))})
    }

    fn listeners(balancer: u64) -> Vec<Listener> {
        let listener = |n, port, protocol, then| Listener { balancer, n, port, protocol, then };
        let https = |then| listener(0, 443, "HTTPS", then);
        let http = |then| listener(1, 80, "HTTP", then);
        match Self::balancer_shape(balancer) {
            "https+redirect" => vec![https(Then::Forward), http(Then::Redirect)],
            // One of them has a listener for each of several tenants.
            "https-only" if balancer > 10 => (0..7)
                .map(|tenant| {
                    listener(
                        tenant,
                        443 + 8000 * u32::from(tenant > 0) + narrow(tenant),
                        "HTTPS",
                        Then::Forward,
                    )
                })
                .collect(),
            "https-only" => vec![https(Then::Forward)],
            "http-forward" => vec![http(Then::Forward)],
            "https+http-forward" => vec![https(Then::Forward), http(Then::Forward)],
            "https+redirect-to-http" => vec![https(Then::Forward), http(Then::RedirectToHttp)],
            "nlb-tls+tcp" => {
                vec![listener(0, 443, "TLS", Then::Forward), listener(1, 8443, "TCP", Then::Forward)]
            }
            "gateway" => vec![listener(0, 0, "GENEVE", Then::Forward)],
            "https-oidc" => vec![https(Then::SignOn), http(Then::Redirect)],
            "no-listeners" => vec![],
            _ => vec![https(Then::Forward), http(Then::Fixed)],
        }
    }

    fn listener_path(&self, listener: &Listener) -> String {
        let id = self.hash("listener", listener.balancer * 10 + listener.n);
        format!("{}/{id:016x}", self.balancer_path(listener.balancer))
    }

    fn listener_arn(&self, listener: &Listener) -> String {
        self.arn("elasticloadbalancing", &format!("listener/{}", self.listener_path(listener)))
    }

    fn actions(&self, listener: &Listener) -> Value {
        let n = listener.balancer;
        let forward = |order: u32| {
            json!({
                "Type": "forward",
                "TargetGroupArn": self.target_group_arn(n),
                "Order": order,
                "ForwardConfig": {
                    "TargetGroups": [{"TargetGroupArn": self.target_group_arn(n), "Weight": 1}],
                    "TargetGroupStickinessConfig": {"Enabled": false},
                },
            })
        };
        let redirect = |protocol: &str, port: &str, status: &str| {
            json!([{
                "Type": "redirect",
                "Order": 1,
                "RedirectConfig": {
                    "Protocol": protocol, "Port": port, "Host": "#{host}", "Path": "/#{path}",
                    "Query": "#{query}", "StatusCode": status,
                },
            }])
        };
        match listener.then {
            Then::Forward if listener.protocol.starts_with("HTTP") => json!([forward(1)]),
            Then::Forward => json!([{"Type": "forward", "TargetGroupArn": self.target_group_arn(n)}]),
            Then::Redirect => redirect("HTTPS", "443", "HTTP_301"),
            Then::RedirectToHttp => redirect("HTTP", "8080", "HTTP_302"),
            Then::Fixed => json!([{
                "Type": "fixed-response",
                "Order": 1,
                "FixedResponseConfig": {
                    "MessageBody": "gone <b>for good</b> & ever", "StatusCode": "410", "ContentType": "text/html",
                },
            }]),
            Then::SignOn => json!([{
                "Type": "authenticate-oidc",
                "AuthenticateOidcConfig": {
                    "Issuer": "https://login.example.com",
                    "AuthorizationEndpoint": "https://login.example.com/authorize",
                    "TokenEndpoint": "https://login.example.com/token",
                    "UserInfoEndpoint": "https://login.example.com/userinfo",
                    "ClientId": format!("client-{n}"),
                    "ClientSecret": self.secret("oidc", n),
                    "SessionCookieName": "AWSELBAuthSessionCookie",
                    "Scope": "openid",
                    "SessionTimeout": 604_800,
                    "AuthenticationRequestExtraParams": {"display": "page", "prompt": "login"},
                    "OnUnauthenticatedRequest": "authenticate",
                },
                "Order": 1,
            }, forward(2)]),
        }
    }

    fn is_encrypted(listener: &Listener) -> bool {
        matches!(listener.protocol, "HTTPS" | "TLS")
    }

    /// Answers `DescribeListeners` of one balancer.
    pub(crate) fn describe_listeners(&self, balancer: u64) -> Value {
        json!({"Listeners": list(Self::listeners(balancer).iter().map(|listener| {
            let mut answer = json!({
                "ListenerArn": self.listener_arn(listener),
                "LoadBalancerArn": self.balancer_arn(balancer),
                "DefaultActions": self.actions(listener),
            });
            let Some(members) = answer.as_object_mut() else { return answer };
            let mut add = |key: &str, value: Value| { members.insert(key.to_owned(), value); };
            if listener.protocol != "GENEVE" {
                add("Port", json!(listener.port));
                add("Protocol", json!(listener.protocol));
            }
            if Self::is_encrypted(listener) {
                let certificate = self.certificate_arn(Self::certificate_of(balancer));
                add("Certificates", json!([{"CertificateArn": certificate}]));
                add("SslPolicy", json!(Self::policy_of(balancer)));
                if listener.protocol == "TLS" {
                    add("AlpnPolicy", json!(["HTTP2Preferred"]));
                } else {
                    add("MutualAuthentication", json!({"Mode": "off"}));
                }
            }
            answer
        }))})
    }

    fn all_listeners(&self) -> impl Iterator<Item = Listener> + '_ {
        (0..self.balancers()).flat_map(Self::listeners)
    }

    /// The balancer that has this listener.
    pub(crate) fn balancer_of_listener(&self, arn: &str) -> Option<u64> {
        self.all_listeners().find(|listener| self.listener_arn(listener) == arn).map(|found| found.balancer)
    }

    /// Answers `DescribeListenerCertificates`; `None` when there is no such listener.
    pub(crate) fn describe_listener_certificates(&self, arn: &str) -> Option<Value> {
        let listener = self.all_listeners().find(|listener| self.listener_arn(listener) == arn)?;
        if !Self::is_encrypted(&listener) {
            return Some(json!({"Certificates": []}));
        }
        let first = Self::certificate_of(listener.balancer);
        let mut all = vec![json!({"CertificateArn": self.certificate_arn(first), "IsDefault": true})];
        // Further names by SNI on some.
        for extra in [0, 5, 2, 9, 8, 6]
            .iter()
            .filter(|extra| **extra != first)
            .take(if listener.balancer.is_multiple_of(3) { 5 } else { 0 })
        {
            all.push(json!({"CertificateArn": self.certificate_arn(*extra), "IsDefault": false}));
        }
        Some(json!({"Certificates": all}))
    }

    /// Answers `DescribeRules` of one listener; `None` when there is no such listener.
    pub(crate) fn describe_rules(&self, arn: &str) -> Option<Value> {
        let listener = self.all_listeners().find(|listener| self.listener_arn(listener) == arn)?;
        let balancer = listener.balancer;
        let rule_arn = |priority: u64| {
            let id = self.hash("rule", balancer * 10_000 + listener.n * 1_000 + priority);
            let path = format!("listener-rule/{}/{id:016x}", self.listener_path(&listener));
            self.arn("elasticloadbalancing", &path)
        };
        let mut rules = Vec::new();
        if listener.protocol == "HTTPS" {
            rules.push(json!({
                "RuleArn": rule_arn(10),
                "Priority": "10",
                "Conditions": [{
                    "Field": "path-pattern",
                    "Values": ["/api/*"],
                    "PathPatternConfig": {"Values": ["/api/*"]},
                }, {
                    "Field": "host-header",
                    "Values": ["api.example.com", "*.example.com"],
                    "HostHeaderConfig": {"Values": ["api.example.com", "*.example.com"]},
                }],
                "Actions": self.actions(&Listener { then: Then::Forward, ..listener }),
                "IsDefault": false,
            }));
            rules.push(json!({
                "RuleArn": rule_arn(20),
                "Priority": "20",
                "Conditions": [{
                    "Field": "http-header",
                    "HttpHeaderConfig": {
                        "HttpHeaderName": "x-origin-secret",
                        "Values": [self.secret("origin", balancer)],
                    },
                }, {
                    "Field": "query-string",
                    "QueryStringConfig": {"Values": [{"Key": "v", "Value": "1"}, {"Value": "*a&b*"}]},
                }],
                "Actions": self.actions(&Listener { then: Then::Forward, ..listener }),
                "IsDefault": false,
            }));
            for extra in 0..balancer % 5 {
                rules.push(json!({
                    "RuleArn": rule_arn(30 + extra),
                    "Priority": (30 + extra).to_string(),
                    "Conditions": [{
                        "Field": "source-ip",
                        "SourceIpConfig": {"Values": [format!("10.{extra}.0.0/16")]},
                    }],
                    "Actions": self.actions(&Listener {
                        then: if extra == 0 { Then::SignOn } else { Then::Fixed }, ..listener
                    }),
                    "IsDefault": false,
                }));
            }
        }
        rules.push(json!({
            "RuleArn": rule_arn(0),
            "Priority": "default",
            "Conditions": [],
            "Actions": self.actions(&listener),
            "IsDefault": true,
        }));
        Some(json!({"Rules": rules}))
    }

    /// Answers `DescribeTargetGroups`.
    pub(crate) fn describe_target_groups(&self) -> Value {
        json!({"TargetGroups": list((0..self.balancers()).map(|n| {
            let (protocol, port, version) = match Self::balancer_kind(n) {
                "network" => ("TCP", 8443, None),
                "gateway" => ("GENEVE", 6081, None),
                _ if n % 4 == 1 => ("HTTPS", 8443, Some("HTTP1")),
                _ => ("HTTP", 8080, Some("HTTP1")),
            };
            let mut answer = json!({
                "TargetGroupArn": self.target_group_arn(n),
                "TargetGroupName": self.target_group_name(n),
                "Protocol": protocol,
                "Port": port,
                "VpcId": self.vpc_id(self.balancer_vpc(n)),
                "HealthCheckProtocol": if version.is_some() { protocol } else { "TCP" },
                "HealthCheckPort": "traffic-port",
                "HealthCheckEnabled": true,
                "HealthCheckIntervalSeconds": 30,
                "HealthCheckTimeoutSeconds": 5,
                "HealthyThresholdCount": 5,
                "UnhealthyThresholdCount": 2,
                "LoadBalancerArns": if Self::balancer_shape(n) == "no-listeners" { json!([]) } else {
                    json!([self.balancer_arn(n)])
                },
                "TargetType": "ip",
                "IpAddressType": "ipv4",
            });
            if let (Some(members), Some(version)) = (answer.as_object_mut(), version) {
                members.insert("ProtocolVersion".to_owned(), json!(version));
                members.insert("HealthCheckPath".to_owned(), json!("/health"));
                members.insert("Matcher".to_owned(), json!({"HttpCode": "200-299"}));
            }
            answer
        }))})
    }
}

fn narrow(n: u64) -> u32 {
    u32::try_from(n).unwrap_or_default()
}

/// Answers `DescribeSSLPolicies`.
pub(crate) fn describe_ssl_policies() -> Value {
    json!({"SslPolicies": list(POLICIES.iter().map(|(name, protocols, ciphers)| json!({
        "SslProtocols": protocols,
        "Ciphers": list((1_u32..).zip(*ciphers).map(|(at, name)| json!({"Name": name, "Priority": at}))),
        "Name": name,
        "SupportedLoadBalancerTypes":
            if *name == "ELBSecurityPolicy-TLS-1-0-2015-04" { json!(["application"]) } else {
                json!(["application", "network"])
            },
    })))})
}

/// Protocols of the policy with this name.
pub(crate) fn protocols_of(policy: &str) -> &'static [&'static str] {
    POLICIES.iter().find(|(name, ..)| *name == policy).map_or(&[], |(_, protocols, _)| protocols)
}
