//! Whether every endpoint that a run asks can be reached: its name resolves, TLS comes about, somebody answers.
//!
//! No credentials are used: what is wrong here is wrong with routes, firewalls, proxies, names or certificates.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use aws_smithy_http_client::Connector;
use evidenced_core::config::{self, KeySource};
use evidenced_core::plan::Regions;
use evidenced_core::shape::{Offer, Partition, Partitions};
use futures_util::stream::{self, StreamExt as _};

use super::{Line, World, access, chain, reach};
use crate::aws;

/// Endpoints that are tried at once.
const AT_ONCE: usize = 32;
const CHECK: &str = "endpoint";

/// Tries every (service, region); one line for each region that is reached, and one for each endpoint that is not.
pub(super) async fn check(
    world: &World<'_>,
    partition: Option<&str>,
    regions: Option<BTreeSet<String>>,
) -> Vec<Line> {
    let Ok(partitions) = Partitions::embedded() else {
        return vec![Line::missing(CHECK, "the tables in this program are damaged", "install it again")];
    };
    let config = &world.loaded.config;
    let listed = match &config.aws.regions {
        Regions::Listed(list) => list.iter().cloned().collect(),
        Regions::Enabled => BTreeSet::new(),
    };
    let named = partition.and_then(|id| partitions.partition(id));
    let named = named.or_else(|| listed.iter().find_map(|region| partitions.of_region(region)));
    let Some(partition) = named.or_else(|| partitions.partition("aws")) else {
        return vec![Line::missing(CHECK, "the tables in this program are damaged", "install it again")];
    };
    // Without an account that says which regions it has, all that could be meant are tried.
    let regions =
        regions.unwrap_or_else(|| if listed.is_empty() { partition.regions.clone() } else { listed });
    let urls = endpoints(world, partition, &regions);
    let all: Vec<String> = urls.values().flatten().cloned().collect();
    let connector = match aws::connector(world.settings.ca_bundle.clone(), &all) {
        Ok(connector) => connector,
        Err(error) => {
            return vec![Line::missing(CHECK, chain(&error), "check AWS_CA_BUNDLE and [aws] ca_bundle")];
        }
    };
    let connector = &connector;
    let tried: Vec<(String, String, Result<Vec<IpAddr>, String>)> = stream::iter(urls)
        .flat_map(|(place, urls)| stream::iter(urls.into_iter().map(move |url| (place.clone(), url))))
        .map(|(place, url)| async move {
            let reached = reached(connector, &url).await;
            (place, url, reached)
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    lines(tried)
}

fn lines(tried: Vec<(String, String, Result<Vec<IpAddr>, String>)>) -> Vec<Line> {
    let mut reached: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut lines = Vec::new();
    for (place, url, result) in tried {
        match result {
            Ok(addresses) => {
                let count = reached.entry(place).or_default();
                count.0 += 1;
                count.1 += usize::from(!addresses.is_empty() && addresses.iter().all(is_private));
            }
            Err(why) => {
                reached.entry(place).or_default();
                let remedy = "open the way to it (route, firewall, proxy, endpoint in the VPC), or leave the region out";
                lines.push(Line::missing(CHECK, why, remedy).of(url));
            }
        }
    }
    let good = reached.into_iter().filter(|(_, (count, _))| *count > 0).map(|(place, (count, private))| {
        let inside = if private > 0 { format!(", {private} by private addresses") } else { String::new() };
        Line::ok(CHECK, format!("{count} reached{inside}")).of(place)
    });
    good.chain(lines).collect()
}

/// Of a VPC's own endpoint, or of a network behind it.
fn is_private(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

/// The URLs by region: what a run with this configuration asks.
fn endpoints(
    world: &World<'_>,
    partition: &Partition,
    regions: &BTreeSet<String>,
) -> BTreeMap<String, BTreeSet<String>> {
    let config = &world.loaded.config;
    let mut urls: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |place: &str, url: String| {
        urls.entry(place.to_owned()).or_default().insert(url);
    };
    let environment = || std::env::var("AWS_ENDPOINT_URL").ok().filter(|url: &String| !url.is_empty());
    let own = world.settings.endpoint_url.clone().or_else(environment);
    if let Some(own) = &own {
        add("own", own.clone());
    } else {
        let items = &config.collect.items;
        for region in regions {
            for service in access::regional_services(items) {
                if partition.offer(service, region) != Offer::NotOffered {
                    add(region, url(service, region, partition));
                }
            }
        }
        let home = home(world, partition);
        add(&home, url("sts", &home, partition));
        if config.aws.organization.is_some() {
            let at = match partition.offer("organizations", &home) {
                Offer::SingleRegion(at) => at,
                _ => home.clone(),
            };
            add(&at, url("organizations", &at, partition));
        }
        let signing = &config.signing;
        for key in [Some(&signing.evidence_key), signing.log_key.as_ref()].into_iter().flatten() {
            if let KeySource::Kms(key) = key {
                let region = key.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(2));
                let region = region.filter(|region| !region.is_empty()).unwrap_or(&home);
                add(region, url("kms", region, partition));
            }
        }
    }
    if let config::Store::S3(s3) = &config.store {
        match (&s3.endpoint_url, &own) {
            (Some(endpoint), _) => add("store", endpoint.clone()),
            (None, Some(_)) => {}
            (None, None) => {
                let region = s3.region.clone().unwrap_or_else(|| home(world, partition));
                add(&region, format!("https://{}.s3.{region}.{}/", s3.bucket, partition.dns_suffix));
            }
        }
    }
    urls
}

fn home(world: &World<'_>, partition: &Partition) -> String {
    let environment = || std::env::var("AWS_REGION").ok().filter(|region: &String| !region.is_empty());
    let configured = world.settings.home_region.clone().or_else(environment);
    configured.unwrap_or_else(|| match partition.id.as_str() {
        "aws-cn" => "cn-north-1".to_owned(),
        "aws-us-gov" => "us-gov-west-1".to_owned(),
        _ => "us-east-1".to_owned(),
    })
}

/// <https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html>
fn url(service: &str, region: &str, partition: &Partition) -> String {
    let host = match service {
        "elbv2" => "elasticloadbalancing",
        other => other,
    };
    format!("https://{host}.{region}.{}/", partition.dns_suffix)
}

/// The addresses of the name, where somebody answers; else why nobody does.
async fn reached(connector: &Connector, url: &str) -> Result<Vec<IpAddr>, String> {
    let resolved = resolve(url).await;
    match (reach::get(connector, url).await, resolved) {
        // Behind a proxy the name may be known to the proxy alone.
        (Ok(_), resolved) => Ok(resolved.unwrap_or_default()),
        (Err(_), Err(why)) => Err(why),
        (Err(why), Ok(addresses)) => {
            let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            Err(format!("{why} ({})", shown.join(", ")))
        }
    }
}

async fn resolve(url: &str) -> Result<Vec<IpAddr>, String> {
    let (host, port) = authority(url);
    let asked =
        tokio::time::timeout(Duration::from_secs(5), tokio::net::lookup_host((host.as_str(), port))).await;
    let found = asked.map_err(|_| format!("{host} does not resolve within 5 s"))?;
    let found = found.map_err(|error| format!("{host} does not resolve: {error}"))?;
    Ok(found.map(|address: SocketAddr| address.ip()).collect())
}

fn authority(url: &str) -> (String, u16) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let usual = if scheme == "http" { 80 } else { 443 };
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').unwrap_or((rest, ""));
        return (
            host.to_owned(),
            after.strip_prefix(':').and_then(|port| port.parse().ok()).unwrap_or(usual),
        );
    }
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    (host.to_owned(), port.parse().unwrap_or(usual))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::test_server::{Reply, Server};
    use crate::doctor::State;

    #[test]
    fn urls_are_those_of_the_partition() {
        let partitions = Partitions::embedded().unwrap();
        let of =
            |id: &str, service: &str, region: &str| url(service, region, partitions.partition(id).unwrap());
        assert_eq!(of("aws", "elbv2", "eu-west-1"), "https://elasticloadbalancing.eu-west-1.amazonaws.com/");
        assert_eq!(of("aws-cn", "ec2", "cn-north-1"), "https://ec2.cn-north-1.amazonaws.com.cn/");
    }

    #[test]
    fn host_and_port_are_read_from_a_url() {
        for (text, host, port) in [
            ("https://ec2.eu-west-1.amazonaws.com/", "ec2.eu-west-1.amazonaws.com", 443),
            ("http://127.0.0.1:5000", "127.0.0.1", 5000),
            ("http://[::1]:80/x", "::1", 80),
            ("https://proxy?x", "proxy", 443),
        ] {
            assert_eq!(authority(text), (host.to_owned(), port));
        }
    }

    #[tokio::test]
    async fn an_answer_of_any_status_is_reached_and_a_closed_port_and_an_unknown_name_are_not() {
        let server = Server::start(|_, _| Reply::status(403, "no")).await;
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let closed = format!("http://{closed}/");
        let unknown = "http://no-such-host.invalid/".to_owned();
        let connector = aws::connector(None, std::slice::from_ref(&server.url)).unwrap();
        assert_eq!(reached(&connector, &server.url).await.unwrap().len(), 1);
        assert!(reached(&connector, &closed).await.unwrap_err().contains("127.0.0.1"));
        let why = reached(&connector, &unknown).await.unwrap_err();
        assert!(why.starts_with("no-such-host.invalid does not resolve"), "{why}");
    }

    #[test]
    fn what_is_not_reached_is_named_beside_what_is() {
        let lines = lines(vec![
            ("eu-west-1".into(), "https://a".into(), Ok(vec!["10.0.0.7".parse().unwrap()])),
            ("eu-west-1".into(), "https://b".into(), Ok(vec!["203.0.113.7".parse().unwrap()])),
            ("eu-west-2".into(), "https://c".into(), Err("no answer within 10 s".into())),
        ]);
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].state, lines[0].subject.as_deref()), (State::Ok, Some("eu-west-1")));
        assert_eq!(lines[0].detail, "2 reached, 1 by private addresses");
        assert_eq!((lines[1].state, lines[1].subject.as_deref()), (State::Missing, Some("https://c")));
    }
}
