//! SDK clients, one per (account, region, service), over one HTTP client.
//!
//! Clients are built when they are first asked for and dropped on release. Accounts share the connections and the
//! identity cache; each has its own credentials and its own retry budgets, so that one throttled account slows no
//! other. Nothing is read from the environment but what the SDK itself reads, `AWS_CA_BUNDLE` and the proxy variables.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::identity::IdentityCache;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::config::SharedHttpClient;
use aws_sdk_sts::config::retry::RetryPartition;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use bytes::Bytes;
use evidenced_core::source::Account;

use super::failure::Refusal;
use super::role::{AssumeRole, AssumedRole};
use super::source::{AwsError, RetryMode, Settings};
use super::trust::trust_store;

/// Where no configuration names a region.
const FALLBACK_REGION: &str = "us-east-1";
/// The same for every client: the HTTP client keeps a pool per connect time-out.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// More than accounts of an organisation that are read at once; at the SDK's 64 the cache would thrash.
const IDENTITIES: usize = 4096;

/// A client of one service, bound to account and region.
#[derive(Debug, Clone)]
pub(super) enum Client {
    Acm(aws_sdk_acm::Client),
    Config(aws_sdk_config::Client),
    Ec2(aws_sdk_ec2::Client),
    Elbv2(aws_sdk_elasticloadbalancingv2::Client),
    Organizations(aws_sdk_organizations::Client),
    S3(aws_sdk_s3::Client),
    Sts(aws_sdk_sts::Client),
    Wafv2(aws_sdk_wafv2::Client),
}

impl Client {
    /// The smallest document that the SDK's parser accepts as the answer of `operation`, where there is one.
    ///
    /// The typed output is not used; parsing a thousand security groups for it would be most of the work. S3's bodies
    /// are small and each has its own root.
    pub(super) fn stand_in(&self, operation: &str) -> Option<Bytes> {
        match self {
            Self::Ec2(_) => Some(format!("<{operation}Response/>").into()),
            Self::Elbv2(_) | Self::Sts(_) => {
                Some(format!("<{operation}Response><{operation}Result/></{operation}Response>").into())
            }
            Self::Acm(_) | Self::Config(_) | Self::Organizations(_) | Self::Wafv2(_) => {
                Some(Bytes::from_static(b"{}"))
            }
            Self::S3(_) => None,
        }
    }
}

/// Account id and region.
type Place = (String, String);
type Services = HashMap<&'static str, Client>;

/// The clients of one run.
#[derive(Debug)]
pub(super) struct Clients {
    base: SdkConfig,
    home_region: Region,
    session_name: String,
    roles: BTreeMap<String, Option<AssumeRole>>,
    accounts: Mutex<HashMap<String, SdkConfig>>,
    regions: Mutex<HashMap<Place, Services>>,
}

impl Clients {
    pub(super) async fn new(settings: &Settings) -> Result<Self, AwsError> {
        let base = base(settings).await?;
        let home_region = base.region().cloned().unwrap_or_else(fallback_region);
        let base = base.into_builder().region(home_region.clone()).build();
        Ok(Self {
            base,
            home_region,
            session_name: format!("evidenced-{}", settings.slot_compact),
            roles: settings.accounts.clone(),
            accounts: Mutex::default(),
            regions: Mutex::default(),
        })
    }

    /// What the caller itself would use.
    pub(super) fn base(&self) -> &SdkConfig {
        &self.base
    }

    /// Replaces the accounts and how they are entered.
    pub(super) fn enter(&mut self, roles: BTreeMap<String, Option<AssumeRole>>) {
        self.roles = roles;
        self.accounts = Mutex::default();
        self.regions = Mutex::default();
    }

    /// How an account is entered.
    pub(super) fn role_in(&self, account: &str) -> Option<&AssumeRole> {
        self.roles.get(account)?.as_ref()
    }

    /// The configuration of an account's clients, without its region.
    pub(super) fn account(&self, account: &Account) -> Result<SdkConfig, Refusal> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = accounts.get(&account.id) {
            return Ok(config.clone());
        }
        let Some(role) = self.roles.get(&account.id) else {
            let message = format!("account {} is not among the accounts of this source", account.id);
            return Err(Refusal::internal("UnknownAccount", message));
        };
        let config = match role {
            None => self.base.clone(),
            Some(AssumeRole { role_name, external_id }) => {
                let role_arn = format!("arn:{}:iam::{}:role/{role_name}", account.partition, account.id);
                let sts = sts(&self.base, &format!("{}-assume-role", account.id));
                let role = AssumedRole::new(sts, role_arn, self.session_name.clone(), external_id.clone());
                let provider = SharedCredentialsProvider::new(role);
                self.base.to_builder().credentials_provider(provider).build()
            }
        };
        accounts.insert(account.id.clone(), config.clone());
        Ok(config)
    }

    /// The client of a service for an account in a region.
    pub(super) fn client(
        &self,
        account: &Account,
        region: &str,
        service: &'static str,
    ) -> Result<Client, Refusal> {
        let config = self.account(account)?;
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        let services = regions.entry((account.id.clone(), region.to_owned())).or_default();
        if let Some(client) = services.get(service) {
            return Ok(client.clone());
        }
        let config = config.into_builder().region(Region::new(region.to_owned())).build();
        let client = build(service, &config, &format!("{}-{service}-{region}", account.id))?;
        services.insert(service, client.clone());
        Ok(client)
    }

    /// A client of STS for the given configuration, in the home region.
    pub(super) fn sts(&self, config: &SdkConfig, account: &str) -> aws_sdk_sts::Client {
        sts(config, &format!("{account}-sts-{}", self.home_region))
    }

    /// Drops the clients of an account in a region.
    pub(super) fn release(&self, account: &str, region: &str) {
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        regions.remove(&(account.to_owned(), region.to_owned()));
    }
}

fn sts(config: &SdkConfig, partition: &str) -> aws_sdk_sts::Client {
    let config = aws_sdk_sts::config::Builder::from(config).retry_partition(retry_partition(partition));
    aws_sdk_sts::Client::from_conf(config.build())
}

fn retry_partition(name: &str) -> RetryPartition {
    RetryPartition::new(name.to_owned())
}

fn build(service: &'static str, config: &SdkConfig, partition: &str) -> Result<Client, Refusal> {
    let partition = retry_partition(partition);
    macro_rules! plain {
        ($client:ident, $sdk:ident) => {
            Client::$client($sdk::Client::from_conf(
                $sdk::config::Builder::from(config).retry_partition(partition).build(),
            ))
        };
    }
    Ok(match service {
        "acm" => plain!(Acm, aws_sdk_acm),
        "config" => plain!(Config, aws_sdk_config),
        "ec2" => plain!(Ec2, aws_sdk_ec2),
        "elbv2" => plain!(Elbv2, aws_sdk_elasticloadbalancingv2),
        "organizations" => plain!(Organizations, aws_sdk_organizations),
        "sts" => plain!(Sts, aws_sdk_sts),
        "wafv2" => plain!(Wafv2, aws_sdk_wafv2),
        "s3" => {
            // Emulators do not resolve a bucket as a host name. Directory buckets are not asked for.
            let own = config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
            let config = aws_sdk_s3::config::Builder::from(config)
                .force_path_style(own)
                .disable_s3_express_session_auth(true)
                .retry_partition(partition);
            Client::S3(aws_sdk_s3::Client::from_conf(config.build()))
        }
        _ => {
            return Err(Refusal::internal(
                "UnknownService",
                format!("there is no client for service {service:?}"),
            ));
        }
    })
}

async fn base(settings: &Settings) -> Result<SdkConfig, AwsError> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(settings.attempt_timeout)
        .operation_timeout(settings.operation_timeout)
        .build();
    let retries = match settings.retry_mode {
        RetryMode::Standard => RetryConfig::standard(),
        RetryMode::Adaptive => RetryConfig::adaptive(),
    };
    let identities =
        IdentityCache::lazy().max_partitions(IDENTITIES).load_timeout(settings.operation_timeout);
    let client = http_client(settings)?;
    let region = home_region(settings).await;
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(client.clone())
        .timeout_config(timeouts)
        .retry_config(
            retries.with_max_attempts(settings.max_attempts).with_initial_backoff(settings.first_backoff),
        )
        .identity_cache(identities.build())
        // The attempt time-out includes the body: a second clock would only change the error's name.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Ok(name) = AppName::new("evidenced") {
        loader = loader.app_name(name);
    }
    loader = match (&settings.keys, &settings.profile) {
        (Some(keys), _) => loader.credentials_provider(keys.credentials()),
        (None, Some(profile)) => {
            // As the AWS CLI has it, a profile that is named wins over keys in the environment.
            let config = ProviderConfig::empty()
                .with_behavior_version(Some(BehaviorVersion::latest()))
                .with_http_client(client)
                .with_region(Some(region.clone().unwrap_or_else(fallback_region)));
            let provider =
                ProfileFileCredentialsProvider::builder().profile_name(profile).configure(&config).build();
            loader.profile_name(profile).credentials_provider(provider)
        }
        (None, None) => loader,
    };
    if let Some(region) = region {
        loader = loader.region(region);
    }
    if let Some(url) = &settings.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    Ok(loader.load().await)
}

/// The region that is configured; none where the machine it runs on is to be asked.
async fn home_region(settings: &Settings) -> Option<Region> {
    if let Some(region) = &settings.home_region {
        return Some(Region::new(region.clone()));
    }
    if let Some(region) = EnvironmentVariableRegionProvider::new().region().await {
        return Some(region);
    }
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = &settings.profile {
        profile = profile.profile_name(name);
    }
    let region = profile.build().region().await;
    // An emulator or given keys say that this is no EC2 instance: its metadata would only be waited for.
    let is_elsewhere = settings.keys.is_some() || is_local(settings);
    region.or_else(|| is_elsewhere.then(fallback_region))
}

fn fallback_region() -> Region {
    Region::from_static(FALLBACK_REGION)
}

/// Whether the endpoint of every service is on this machine.
fn is_local(settings: &Settings) -> bool {
    let environment = || std::env::var("AWS_ENDPOINT_URL").ok();
    settings.endpoint_url.clone().or_else(environment).is_some_and(|url| is_loopback(&url))
}

fn http_client(settings: &Settings) -> Result<SharedHttpClient, AwsError> {
    let tls = tls_context(settings.ca_bundle.clone())?;
    // No proxy can reach our own loopback.
    let proxy = if is_local(settings) { ProxyConfig::disabled } else { ProxyConfig::from_env };
    Ok(Builder::new().build_with_connector_fn(move |connector_settings, components| {
        let mut connector = Connector::builder().proxy_config(proxy());
        connector.set_connector_settings(connector_settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.tls_provider(Provider::rustls(CryptoMode::Ring)).tls_context(tls.clone()).build()
    }))
}

/// A client of S3 for the store, with the base credentials.
pub(crate) async fn s3(settings: &Settings) -> Result<aws_sdk_s3::Client, AwsError> {
    let config = base(settings).await?;
    let own = config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
    let config = aws_sdk_s3::config::Builder::from(&config)
        .region(config.region().cloned().unwrap_or_else(fallback_region))
        .force_path_style(own)
        .disable_s3_express_session_auth(true)
        .retry_partition(retry_partition("store"));
    Ok(aws_sdk_s3::Client::from_conf(config.build()))
}

/// A client of KMS for signing, with the base credentials; in the region of the key's ARN where it has one.
pub(crate) async fn kms(settings: &Settings, key: &str) -> Result<aws_sdk_kms::Client, AwsError> {
    let config = base(settings).await?;
    let region = key.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(2));
    let region = region.filter(|region| !region.is_empty()).map(|region| Region::new(region.to_owned()));
    let config = aws_sdk_kms::config::Builder::from(&config)
        .region(region.or_else(|| config.region().cloned()).unwrap_or_else(fallback_region))
        .retry_partition(retry_partition("signing"));
    Ok(aws_sdk_kms::Client::from_conf(config.build()))
}

/// For requests that are not AWS's: the same TLS, roots and proxy. `urls` are what will be asked.
pub(crate) fn connector(ca_bundle: Option<PathBuf>, urls: &[String]) -> Result<Connector, AwsError> {
    let tls = tls_context(ca_bundle)?;
    let local = urls.iter().all(|url| is_loopback(url));
    let proxy = if local { ProxyConfig::disabled() } else { ProxyConfig::from_env() };
    let connector = Connector::builder().proxy_config(proxy);
    Ok(connector.tls_provider(Provider::rustls(CryptoMode::Ring)).tls_context(tls).build())
}

fn tls_context(ca_bundle: Option<PathBuf>) -> Result<TlsContext, AwsError> {
    let bundle = ca_bundle.or_else(|| std::env::var_os("AWS_CA_BUNDLE").map(PathBuf::from));
    let trust = match bundle.as_deref().filter(|path| *path != Path::new("")) {
        Some(path) => trust_store(path)?,
        None => TrustStore::default(),
    };
    TlsContext::builder().with_trust_store(trust).build().map_err(|source| AwsError::Tls(source.into()))
}

/// The HTTP client of tests that ask a server on loopback.
#[cfg(test)]
pub(crate) fn test_client() -> SharedHttpClient {
    let loopback = Settings { endpoint_url: Some("http://127.0.0.1".to_owned()), ..Settings::default() };
    http_client(&loopback).unwrap()
}

/// Whether an endpoint is on this machine.
pub(super) fn is_loopback(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split(['/', '?']).next().unwrap_or(authority);
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.split(':').next().unwrap_or(authority),
    };
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_from_a_name_that_begins_like_it() {
        for url in ["http://127.0.0.1:5000", "http://localhost/", "http://[::1]:80", "https://s3.localhost:1"]
        {
            assert!(is_loopback(url), "{url}");
        }
        for url in ["https://ec2.eu-west-1.amazonaws.com", "http://127.0.0.1.example.com", "http://10.0.0.1"]
        {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
