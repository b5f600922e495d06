//! AWS as a [`Source`]: one request in, one page or one failure out.
//!
//! Every request passes its rate lane, then the limit on requests in flight, and then only is its clock started. Each
//! ends in one log event without body or credentials. Refused: accounts that the settings do not name.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_organizations::types::{AccountState, AccountStatus};
use aws_smithy_types::date_time::Format;
use evidenced_core::shape::{Offer, Partitions};
use evidenced_core::source::{Account, Failure, FailureKind, Page, Request, Source};
use tokio::sync::{OnceCell, Semaphore};
use tracing::{Instrument as _, Span, debug};

use super::calls::{self, Call};
use super::capture::{Capture, ServerClock, now_ms};
use super::clients::{Client, Clients, is_loopback};
use super::failure::{Refusal, UNKNOWN_HOST, chain};
use super::limiter::{Limiter, Pace};
use super::quotas::quota;
use super::role::{AssumeRole, Keys};
use super::trust::TrustError;
use crate::trace;

/// The share of AWS's documented rates that is used unless the settings say otherwise.
const QUOTA_SHARE: f64 = 0.3;

/// Counts requests, for the metrics of the service.
pub(crate) trait Tally: std::fmt::Debug + Send + Sync {
    /// A request is over, all its attempts included: `ok`, the HTTP status, or a word of ours where there is none.
    fn asked(&self, service: &str, operation: &str, outcome: &str, throttled: u32);
}

/// How AWS is asked.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Profile of the shared configuration files; none: as the environment says.
    pub(crate) profile: Option<String>,
    /// Keys to use instead of the standard chain.
    pub(crate) keys: Option<Keys>,
    /// Endpoint of every service, for emulators; none: as the environment says.
    pub(crate) endpoint_url: Option<String>,
    /// PEM file of certification authorities instead of the system's; none: as `AWS_CA_BUNDLE` says.
    pub(crate) ca_bundle: Option<PathBuf>,
    /// Region of STS and Organizations; none: as the environment says, or us-east-1.
    pub(crate) home_region: Option<String>,
    /// The slot as `20261122T020000Z`, for the name of role sessions.
    pub(crate) slot_compact: String,
    /// Accounts that may be asked, and the role that is assumed in each.
    pub(crate) accounts: BTreeMap<String, Option<AssumeRole>>,
    /// Requests in flight at most.
    pub(crate) concurrency: usize,
    /// Share of AWS's documented rates; none: 0.3, and no limit on loopback.
    pub(crate) quota_share: Option<f64>,
    /// Limit of one attempt, its body included.
    pub(crate) attempt_timeout: Duration,
    /// Limit of one request with all its attempts.
    pub(crate) operation_timeout: Duration,
    /// How the SDK retries.
    pub(crate) retry_mode: RetryMode,
    /// Attempts at most, the first included.
    pub(crate) max_attempts: u32,
    /// Upper limit of the wait before the first retry; it doubles from there.
    pub(crate) first_backoff: Duration,
    /// Largest response that is kept.
    pub(crate) max_body_bytes: usize,
    /// Who counts the requests.
    pub(crate) tally: Option<Arc<dyn Tally>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            profile: None,
            keys: None,
            endpoint_url: None,
            ca_bundle: None,
            home_region: None,
            slot_compact: String::from("00000000T000000Z"),
            accounts: BTreeMap::new(),
            concurrency: 64,
            quota_share: None,
            attempt_timeout: Duration::from_secs(20),
            operation_timeout: Duration::from_mins(2),
            retry_mode: RetryMode::Standard,
            max_attempts: 5,
            first_backoff: Duration::from_secs(1),
            max_body_bytes: 64 * 1024 * 1024,
            tally: None,
        }
    }
}

/// How the SDK retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryMode {
    /// Exponential back-off.
    Standard,
    /// And a client-side rate that follows throttles.
    Adaptive,
}

/// Why AWS cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AwsError {
    /// There are no credentials to begin with (exit 6).
    #[error("no AWS credentials: {reason}")]
    NoCredentials {
        /// The credential chain's own words.
        reason: String,
    },
    /// The CA bundle cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The HTTP client cannot be made.
    #[error("cannot set up TLS")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Who the base credentials belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Twelve digits.
    pub(crate) account: String,
    /// ARN of the caller.
    pub(crate) arn: String,
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub(crate) partition: String,
    /// Unique id of the user or role session.
    pub(crate) user: String,
}

/// An account as the organisation lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrganizationAccount {
    /// Twelve digits.
    pub(crate) id: String,
    /// Name, empty where there is none.
    pub(crate) name: String,
    /// `ACTIVE`, `SUSPENDED`, `PENDING_CLOSURE`, ..., empty where the answer has none.
    pub(crate) status: String,
    /// When it joined, RFC 3339.
    pub(crate) joined: Option<String>,
}

/// AWS, or what answers at the configured endpoint.
#[derive(Debug)]
pub(crate) struct AwsSource {
    clients: Clients,
    limiter: Limiter,
    in_flight: Semaphore,
    max_body_bytes: usize,
    tally: Option<Arc<dyn Tally>>,
    partitions: OnceLock<Option<Partitions>>,
    principals: Mutex<HashMap<String, Arc<OnceCell<String>>>>,
    /// Spans of what is under way, where anybody wants them.
    places: Mutex<HashMap<(String, String), Span>>,
    /// Of the first answer that had a date.
    clock: OnceLock<ServerClock>,
}

impl AwsSource {
    /// Loads the configuration and sees that there are credentials. No request is made to AWS for it, unless the
    /// credentials themselves need one.
    pub(crate) async fn new(settings: Settings) -> Result<Self, AwsError> {
        let clients = Clients::new(&settings).await?;
        at_the_door(clients.base(), settings.profile.as_deref()).await?;
        let is_local = clients.base().endpoint_url().is_some_and(is_loopback);
        let pace = match settings.quota_share {
            Some(share) => Pace::Share(share),
            None if is_local => Pace::Unlimited,
            None => Pace::Share(QUOTA_SHARE),
        };
        Ok(Self {
            clients,
            limiter: Limiter::new(pace),
            in_flight: Semaphore::new(settings.concurrency.clamp(1, Semaphore::MAX_PERMITS)),
            max_body_bytes: settings.max_body_bytes,
            tally: settings.tally,
            partitions: OnceLock::new(),
            principals: Mutex::default(),
            places: Mutex::default(),
            clock: OnceLock::new(),
        })
    }

    /// What the first answer said of the time, where there was one.
    pub(crate) fn clock(&self) -> Option<ServerClock> {
        self.clock.get().copied()
    }

    /// The span of a request, below that of its account and region.
    fn span(&self, account: &Account, request: &Request) -> Span {
        if !tracing::span_enabled!(target: trace::TARGET, tracing::Level::INFO) {
            return Span::none();
        }
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry((account.id.clone(), request.region.clone()));
        let place = place.or_insert_with(|| trace::place(&account.id, &request.region));
        trace::call(place, &account.id, &request.region, request.service, request.operation)
    }

    fn look_at_the_clock(&self, capture: &Capture) {
        if self.clock.get().is_none()
            && let Some(clock) = capture.clock()
        {
            self.clock.get_or_init(|| clock);
        }
    }

    /// Sets the accounts that may be asked, when they are known only after [`AwsSource::list_accounts`].
    pub(crate) fn enter(&mut self, accounts: BTreeMap<String, Option<AssumeRole>>) {
        self.clients.enter(accounts);
        self.principals = Mutex::default();
    }

    /// How an account is entered; none: with the base credentials, or not at all.
    pub(crate) fn role_in(&self, account: &str) -> Option<AssumeRole> {
        self.clients.role_in(account).cloned()
    }

    /// Who the base credentials belong to.
    pub(crate) async fn caller(&self) -> Result<Caller, Failure> {
        self.identity(self.clients.base(), "caller").await
    }

    /// The region of the base configuration.
    pub(crate) fn home_region(&self) -> &str {
        self.clients.base().region().map_or("us-east-1", AsRef::as_ref)
    }

    /// Every account of the organisation, in the order of the answer. Asked with the base credentials.
    pub(crate) async fn list_accounts(&self) -> Result<Vec<OrganizationAccount>, Failure> {
        let client = aws_sdk_organizations::Client::new(self.clients.base());
        let mut accounts = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let capture = Capture::new(self.max_body_bytes);
            let call = client.list_accounts().set_next_token(token.clone());
            let answer = call.customize().interceptor(capture.clone()).send().await;
            let page = answer.map_err(|error| refused(&capture, Refusal::of(error)))?;
            accounts.extend(page.accounts().iter().map(organization_account));
            match page.next_token() {
                None | Some("") => return Ok(accounts),
                Some(next) if token.as_deref() == Some(next) => {
                    let refusal = Refusal::new(
                        FailureKind::Response,
                        "RepeatedToken",
                        "ListAccounts repeats its token",
                    );
                    return Err(refused(&capture, refusal));
                }
                Some(next) => token = Some(next.to_owned()),
            }
        }
    }

    /// The configuration of an account's clients.
    pub(super) fn account(&self, account: &Account) -> Result<SdkConfig, Refusal> {
        self.clients.account(account)
    }

    async fn identity(&self, config: &SdkConfig, account: &str) -> Result<Caller, Failure> {
        let capture = Capture::new(self.max_body_bytes);
        let call = self.clients.sts(config, account).get_caller_identity();
        let answer = call.customize().interceptor(capture.clone()).send().await;
        self.look_at_the_clock(&capture);
        let answer = answer.map_err(|error| refused(&capture, Refusal::of(error)))?;
        let (Some(account), Some(arn)) = (answer.account(), answer.arn()) else {
            let refusal = Refusal::new(
                FailureKind::Response,
                "NoIdentity",
                "GetCallerIdentity answered without an ARN",
            );
            return Err(refused(&capture, refusal));
        };
        Ok(Caller {
            account: account.to_owned(),
            arn: arn.to_owned(),
            partition: arn.split(':').nth(1).unwrap_or("aws").to_owned(),
            user: answer.user_id().unwrap_or_default().to_owned(),
        })
    }

    /// A host name that does not exist means "not offered" only where AWS's own list agrees.
    pub(super) fn not_offered(&self, request: &Request, failure: Failure) -> Failure {
        let partitions = self.partitions.get_or_init(|| Partitions::embedded().ok()).as_ref();
        let partition = partitions.and_then(|partitions| partitions.of_region(&request.region));
        let offer = partition.map(|partition| partition.offer(request.service, &request.region));
        if failure.code == UNKNOWN_HOST && offer == Some(Offer::NotOffered) {
            Failure { kind: FailureKind::NotOffered, code: String::from("NotOffered"), ..failure }
        } else {
            failure
        }
    }

    fn call(&self, account: &Account, request: &Request) -> Result<(&'static Call, Client), Refusal> {
        let call = calls::find(request.service, request.operation).ok_or_else(|| {
            let message = format!("there is no call {} {}", request.service, request.operation);
            Refusal::internal("UnknownCall", message)
        })?;
        let client = self.clients.client(account, &request.region, call.service)?;
        Ok((call, client))
    }

    async fn ask(&self, account: &Account, request: &Request) -> Result<Page, Failure> {
        let (call, client) =
            self.call(account, request).map_err(|refusal| refused(&Capture::new(0), refusal))?;
        let quota = quota(call.service, call.operation, &request.parameters);
        let lane = self.limiter.lane(&account.id, &request.region, (call.service, call.operation), quota);
        lane.wait().await;
        let permit = self.in_flight.acquire().await;
        let capture = Capture::new(self.max_body_bytes).on(lane).showing(client.stand_in(call.operation));
        let outcome = send(call, &client, request, capture.clone()).await;
        drop(permit);
        self.look_at_the_clock(&capture);
        let answer = capture.finish(outcome).map_err(|failure| self.not_offered(request, failure));
        if let Some(tally) = &self.tally {
            let outcome = match &answer {
                Ok(page) if page.status < 400 => "ok".to_owned(),
                Ok(page) => page.status.to_string(),
                Err(failure) => failure.code.clone(),
            };
            tally.asked(call.service, call.operation, &outcome, capture.throttles());
        }
        answer
    }
}

impl Source for AwsSource {
    async fn page(&self, account: &Account, request: &Request) -> Result<Page, Failure> {
        let begun = Instant::now();
        let span = self.span(account, request);
        let answer = self.ask(account, request).instrument(span.clone()).await;
        let (status, attempts, code) = match &answer {
            Ok(page) => (Some(page.status), page.attempts, None),
            Err(failure) => (None, failure.attempts, Some(failure.code.as_str())),
        };
        span.record("attempts", attempts);
        match (status, code) {
            (_, Some(code)) => span.record("outcome", code),
            (status, None) => span.record("outcome", status),
        };
        debug!(
            account = %account.id,
            region = %request.region,
            service = request.service,
            operation = request.operation,
            status,
            code,
            attempts,
            ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            "asked"
        );
        answer
    }

    async fn principal(&self, account: &Account) -> Result<String, Failure> {
        let cell = {
            let mut principals = self.principals.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(principals.entry(account.id.clone()).or_default())
        };
        let arn = cell
            .get_or_try_init(async || {
                let config =
                    self.clients.account(account).map_err(|refusal| refused(&Capture::new(0), refusal))?;
                self.identity(&config, &account.id).await.map(|caller| caller.arn)
            })
            .await?;
        Ok(arn.clone())
    }

    fn release(&self, account: &Account, region: &str) {
        let place = (account.id.clone(), region.to_owned());
        self.places.lock().unwrap_or_else(PoisonError::into_inner).remove(&place);
        self.clients.release(&account.id, region);
        self.limiter.release(&account.id, region);
    }
}

/// What the SDK makes of the answer.
async fn send(call: &Call, client: &Client, request: &Request, capture: Capture) -> Result<(), Refusal> {
    let answer = call
        .start(client, &request.parameters, capture)
        .map_err(|error| Refusal::internal("BadParameter", error.to_string()))?;
    answer.await
}

#[cfg(test)]
impl AwsSource {
    /// What the SDK makes of the answer when it is shown the stand-in.
    pub(super) async fn outcome(&self, account: &Account, request: &Request) -> Result<(), Refusal> {
        let (call, client) = self.call(account, request)?;
        let capture = Capture::new(self.max_body_bytes).showing(client.stand_in(call.operation));
        send(call, &client, request, capture).await
    }

    /// What throttles have left of a lane's rate.
    pub(super) fn factor(
        &self,
        account: &str,
        region: &str,
        service: &'static str,
        operation: &'static str,
    ) -> f64 {
        self.limiter.lane(account, region, (service, operation), None).factor()
    }
}

/// Sees that the standard chain has credentials at all.
async fn at_the_door(base: &SdkConfig, profile: Option<&str>) -> Result<(), AwsError> {
    let provider = base.credentials_provider().ok_or_else(|| AwsError::NoCredentials {
        reason: String::from("no credentials provider is configured"),
    })?;
    let Err(error) = provider.provide_credentials().await else { return Ok(()) };
    let reason = match (profile, &error) {
        (Some(profile), _) => format!("profile {profile:?}: {}", chain(&error)),
        (None, CredentialsError::CredentialsNotLoaded(_)) => {
            String::from("no variable, profile, SSO session or instance role has any")
        }
        (None, error) => chain(error),
    };
    Err(AwsError::NoCredentials { reason })
}

/// A failure in place of a typed outcome, also where the server did answer.
pub(super) fn refused(capture: &Capture, refusal: Refusal) -> Failure {
    let (attempts, endpoint, started_at_ms) = capture.asked();
    let Refusal { kind, code, message } = refusal;
    Failure { kind, code, message, attempts, started_at_ms, finished_at_ms: now_ms(), endpoint }
}

fn organization_account(account: &aws_sdk_organizations::types::Account) -> OrganizationAccount {
    // `State` replaces `Status`, which AWS withdrew in September 2026; older servers have only the latter.
    let status = account
        .state()
        .map(AccountState::as_str)
        .or_else(|| account.status().map(AccountStatus::as_str))
        .unwrap_or_default();
    OrganizationAccount {
        id: account.id().unwrap_or_default().to_owned(),
        name: account.name().unwrap_or_default().to_owned(),
        status: status.to_owned(),
        joined: account.joined_timestamp().and_then(|joined| joined.fmt(Format::DateTime).ok()),
    }
}
