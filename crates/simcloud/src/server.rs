//! Listens on loopback, answers, counts.
//!
//! A request is taken apart in this order: signature, region, operation and parameters, faults, answer. Answers that
//! are computed again and again are kept, within a bound; nothing else is remembered. Refused: other addresses than
//! loopback, bodies over a mebibyte.

mod reply;
mod socket;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use evidenced_core::shape::{Operation, Service, Shapes};
use http_body_util::{BodyExt as _, Limited};
use hyper::{HeaderMap, Request, Response, body::Incoming, header::AUTHORIZATION, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use self::{
    reply::{Body, Delivery, Reply},
    socket::{Reset, Socket},
};
use crate::{
    Requests,
    calls::{Call, assume_role},
    config::{Config, ConfigError, Signatures},
    credentials::{Caller, Keys, Unknown, account_ids},
    digest::Mix,
    estate::Estate,
    fault::{Effect, Faults, Subject, Verdict},
    page::{Book, Ending},
    refuse::{self, Refusal},
    request::{self, Parameters, Raw},
    sign::{Authorization, Signed, Wrong},
    write::{self, Written},
};

const MAX_BODY: usize = 1 << 20;
const MAX_SKEW_SECONDS: i64 = 15 * 60;
const MAX_KEPT_BYTES: usize = 32 << 20;
const MAX_KEPT_WHOLES: usize = 16;

/// A server that is running. Dropping it stops it.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    server: Arc<Server>,
    accepting: JoinHandle<()>,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be simulated.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address that others could reach.
    #[error("{0} is not a loopback address")]
    NotLoopback(SocketAddr),
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The embedded shape table does not load.
    #[error("the embedded shape table does not load")]
    Shapes(#[from] evidenced_core::shape::ShapeError),
}

/// Starts a server in the current tokio runtime.
pub async fn start(config: Config, listen: SocketAddr) -> Result<Running, StartError> {
    config.check()?;
    if !listen.ip().is_loopback() {
        return Err(StartError::NotLoopback(listen));
    }
    let server = Arc::new(Server::new(config)?);
    let refused = |source| StartError::Listen { address: listen, source };
    let listener = TcpListener::bind(listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let accepting = tokio::spawn(accept(listener, Arc::clone(&server)));
    Ok(Running { address, server, accepting })
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL: `http://127.0.0.1:4566`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often each (service, operation) was asked for so far, refused requests included.
    pub fn requests(&self) -> Requests {
        let asked = |(key, count): (&(String, String), &AtomicU64)| {
            let count = count.load(Ordering::Relaxed);
            (count > 0).then(|| (key.clone(), count))
        };
        self.server.counts.iter().filter_map(asked).collect()
    }

    /// Stops accepting and closes every connection.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // It was aborted: the only thing to hear is that.
        (&mut self.accepting).await.unwrap_or_default();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: Arc<Server>) {
    // Ends with this task, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(serve(stream, Arc::clone(&server))); }
                // Out of descriptors: those that are open have to end first.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, server: Arc<Server>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let reset = Arc::new(AtomicBool::new(false));
    let socket = Socket::new(stream, Arc::clone(&reset));
    let answering = service_fn(move |request| {
        let (server, reset) = (Arc::clone(&server), Arc::clone(&reset));
        async move {
            let answer = server.answer(request).await;
            if answer.is_err() {
                reset.store(true, Ordering::Relaxed);
            }
            answer
        }
    });
    // How a connection ends is the client's business, or a fault's.
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(socket), answering)
        .await
        .unwrap_or_default();
}

#[derive(Debug)]
struct Server {
    config: Config,
    shapes: Shapes,
    keys: Keys,
    accounts: HashMap<String, u32>,
    ids: Vec<String>,
    faults: Faults,
    counts: BTreeMap<(String, String), AtomicU64>,
    kept: Mutex<Kept>,
    request: AtomicU64,
}

/// Answers that may be asked for again.
#[derive(Debug, Default)]
struct Kept {
    answers: HashMap<String, Arc<Written>>,
    bytes: usize,
    wholes: VecDeque<(String, Arc<Value>)>,
}

/// A request whose sender is known.
struct Admitted<'a> {
    service: &'a Service,
    region: &'a str,
    caller: Caller,
}

impl Server {
    fn new(config: Config) -> Result<Self, StartError> {
        let shapes = Shapes::embedded()?;
        let ids = account_ids(&config);
        let counts = (shapes.services())
            .flat_map(|service| {
                let name = |operation: &String| (service.name.clone(), operation.clone());
                service.operations.keys().map(name).map(|key| (key, AtomicU64::new(0)))
            })
            .collect();
        Ok(Self {
            keys: Keys::new(config.seed),
            accounts: (0..).zip(&ids).map(|(index, id)| (id.clone(), index)).collect(),
            ids,
            faults: Faults::new(config.faults.clone()),
            counts,
            kept: Mutex::default(),
            request: AtomicU64::new(0),
            shapes,
            config,
        })
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Reset> {
        let (parts, body) = request.into_parts();
        let Ok(body) = Limited::new(body, MAX_BODY).collect().await else { return Err(Reset) };
        let body = body.to_bytes();
        let number = self.request.fetch_add(1, Ordering::Relaxed);
        let request_id = request_id(self.config.seed, number);
        let raw = Raw {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
            body: &body,
        };
        let authorization = (parts.headers.get(AUTHORIZATION)).and_then(|value| value.to_str().ok());
        let authorization = authorization.and_then(Authorization::parse);
        let service = match &authorization {
            Some(authorization) => {
                self.shapes.services().find(|service| service.signing_name == authorization.service)
            }
            None => self.guess(&parts.headers, &raw),
        };
        let Some(service) = service else {
            return Ok(Reply::plain(404, "no such service is simulated").into_response());
        };
        let reply = |reply: Reply| reply.for_service(service, &request_id);
        let admitted = match self.admit(service, authorization.as_ref(), &raw) {
            Ok(admitted) => admitted,
            Err(refusal) => return Ok(reply(Reply::refusal(service, &refusal, &request_id)).into_response()),
        };
        let (operation, parameters) = match request::read(service, &raw) {
            Ok(read) => read,
            Err(refusal) => return Ok(reply(Reply::refusal(service, &refusal, &request_id)).into_response()),
        };
        if let Some(count) = self.counts.get(&(service.name.clone(), operation.name.clone())) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let verdict = self.judge(&admitted, operation, &parameters);
        if verdict.milliseconds > 0 {
            tokio::time::sleep(Duration::from_millis(verdict.milliseconds)).await;
        }
        if verdict.effect == Some(Effect::Reset) {
            return Err(Reset);
        }
        let answer = match self.refused(&admitted, operation, verdict.effect.as_ref()) {
            Some(refusal) => Err(refusal),
            None => self.written(&admitted, operation, &parameters, verdict.effect.as_ref()),
        };
        Ok(match answer {
            Err(refusal) => reply(Reply::refusal(service, &refusal, &request_id)).into_response(),
            Ok(written) => {
                let body = written.body(&request_id);
                let delivery = Delivery::of(verdict.effect.as_ref());
                let root = operation.root.as_deref();
                reply(Reply::answer(body, written.content_type).spoilt(root, verdict.effect.as_ref()))
                    .delivered(delivery)
                    .into_response()
            }
        })
    }

    /// Which service an unsigned request is for.
    fn guess(&self, headers: &HeaderMap, raw: &Raw<'_>) -> Option<&Service> {
        let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok());
        let form = String::from_utf8_lossy(raw.body);
        self.shapes.services().find(|service| match target.and_then(|target| target.rsplit_once('.')) {
            Some((prefix, _)) => service.target_prefix.as_deref() == Some(prefix),
            None if raw.method == "GET" && !raw.query.contains("Action=") => service.name == "s3",
            None => {
                let version = format!("Version={}", service.api_version);
                form.contains(&version) || raw.query.contains(&version)
            }
        })
    }

    /// Who asks, if the signature is right and the region is one that the account uses.
    fn admit<'a>(
        &'a self,
        service: &'a Service,
        authorization: Option<&Authorization<'a>>,
        raw: &Raw<'_>,
    ) -> Result<Admitted<'a>, Refusal>
where {
        let authorization = authorization.ok_or_else(|| refuse::unsigned(service))?;
        let now = seconds_now();
        let text = |name: &str| raw.headers.get(name).and_then(|value| value.to_str().ok());
        let recognised = self.keys.recognise(authorization.key_id, text("x-amz-security-token"), now);
        let caller = match (recognised, self.config.signatures) {
            (Ok((_, caller)), Signatures::Off) => caller,
            (Err(_), Signatures::Off) => Caller { account: 0, session: None },
            (Err(unknown), Signatures::Verify) => {
                return Err(match unknown {
                    Unknown::Key => refuse::unknown_key(service),
                    Unknown::Token => refuse::unknown_token(service),
                    Unknown::Expired => refuse::expired(service),
                });
            }
            (Ok((secret, caller)), Signatures::Verify) => {
                verify(service, authorization, &secret, raw, now)?;
                caller
            }
        };
        if caller.account >= self.config.accounts {
            return Err(refuse::unknown_key(service));
        }
        let region = authorization.region;
        // What is global is asked in us-east-1, whichever regions are simulated.
        let enabled = self.config.regions.iter().find(|enabled| *enabled == region).map(String::as_str);
        let region = match enabled {
            Some(region) => region,
            None if region == "us-east-1" => "us-east-1",
            None => return Err(refuse::region_disabled(service)),
        };
        Ok(Admitted { service, region, caller })
    }

    fn account_id(&self, index: u32) -> &str {
        usize::try_from(index).ok().and_then(|index| self.ids.get(index)).map_or("", String::as_str)
    }

    fn judge(&self, admitted: &Admitted<'_>, operation: &Operation, parameters: &Parameters) -> Verdict {
        if self.faults.none() {
            return Verdict::default();
        }
        let limit = operation.pages.as_ref().and_then(|pages| pages.limit_key.as_deref());
        let subject = Subject {
            account: self.account_id(admitted.caller.account),
            region: admitted.region,
            service: &admitted.service.name,
            operation: &operation.name,
            resources: parameters.all_words(),
            unpaginated: limit.is_some_and(|limit| !parameters.has(limit)) && !parameters.has("Filters"),
        };
        self.faults.judge(subject, Instant::now())
    }

    /// The refusal that a fault asks for.
    fn refused(
        &self,
        admitted: &Admitted<'_>,
        operation: &Operation,
        effect: Option<&Effect>,
    ) -> Option<Refusal> {
        let service = admitted.service;
        Some(match effect? {
            Effect::Throttle { .. } => refuse::throttled(service),
            Effect::AccessDenied { scp } => {
                let who = admitted.caller.arn(self.account_id(admitted.caller.account));
                refuse::denied(service, &iam_action(service, operation), &who, *scp)
            }
            Effect::Status { code } => refuse::server_error(service, *code),
            Effect::RegionDisabled => refuse::region_disabled(service),
            Effect::Vanish => refuse::not_found(service, &operation.name),
            Effect::ExpireCredentials => refuse::expired(service),
            _ => return None,
        })
    }

    /// The page that is asked for, as it goes over the wire.
    fn written(
        &self,
        admitted: &Admitted<'_>,
        operation: &Operation,
        parameters: &Parameters,
        effect: Option<&Effect>,
    ) -> Result<Arc<Written>, Refusal> {
        let (service, caller) = (admitted.service, &admitted.caller);
        if service.name == "sts" && operation.name == "AssumeRole" {
            let index_of = |id: &str| self.accounts.get(id).copied();
            let answer = assume_role(&self.config, &self.keys, parameters, caller, seconds_now(), index_of)?;
            return Ok(Arc::new(write::answer(service, operation, &answer)));
        }
        let ending = match effect {
            Some(Effect::RepeatToken) => Ending::Repeating,
            Some(Effect::TrailingToken) => Ending::Trailing,
            Some(Effect::RefuseToken) => Ending::Refusing,
            _ => Ending::Proper,
        };
        let future = effect == Some(&Effect::UnknownFields);
        let key = (ending == Ending::Proper && !future && service.name != "sts").then(|| {
            let asked = parameters.fingerprint(&[]);
            format!("{} {} {} {} {asked}", caller.account, admitted.region, service.name, operation.name)
        });
        if let Some(kept) = key.as_ref().and_then(|key| self.kept().answers.get(key).cloned()) {
            return Ok(kept);
        }
        let book = Book {
            service,
            operation,
            account: self.account_id(caller.account),
            region: admitted.region,
            parameters,
            seed: self.config.seed,
        };
        let whole = self.whole(&book, admitted)?;
        let mut page = book.page(&whole, self.config.page_cap, ending)?;
        if future {
            add_unknown_fields(operation, &mut page);
        }
        let written = Arc::new(write::answer(service, operation, &page).trimmed());
        if let Some(key) = key {
            self.keep(key, &written);
        }
        Ok(written)
    }

    /// The answer that a page is cut out of; the next page is likely to be asked for soon.
    fn whole(&self, book: &Book<'_>, admitted: &Admitted<'_>) -> Result<Arc<Value>, Refusal> {
        let Book { service, operation, parameters, .. } = *book;
        let caller = &admitted.caller;
        // S3 tells more of each bucket to those who page.
        let title = (operation.pages.is_some() && service.name != "s3").then(|| book.title());
        let kept = title.as_ref().and_then(|title| {
            let kept = self.kept();
            kept.wholes.iter().find(|(other, _)| other == title).map(|(_, whole)| Arc::clone(whole))
        });
        if let Some(whole) = kept {
            return Ok(whole);
        }
        let estate = Estate::new(&self.config, caller.account, admitted.region);
        let whole = Arc::new(Call { service, operation, parameters, caller }.answer(&estate)?);
        if let Some(title) = title {
            let mut kept = self.kept();
            if kept.wholes.len() >= MAX_KEPT_WHOLES {
                kept.wholes.pop_front();
            }
            kept.wholes.push_back((title, Arc::clone(&whole)));
        }
        Ok(whole)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, key: String, written: &Arc<Written>) {
        let size = key.len() + written.before.len() + written.after.as_ref().map_or(0, Vec::len);
        let mut kept = self.kept();
        if kept.bytes + size > MAX_KEPT_BYTES {
            kept.answers.clear();
            kept.bytes = 0;
        }
        if size < MAX_KEPT_BYTES / 4 {
            kept.bytes += size;
            kept.answers.insert(key, Arc::clone(written));
        }
    }
}

fn seconds_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn request_id(seed: u64, number: u64) -> String {
    let (high, low) = (Mix::new(seed).word("request").number(number), Mix::new(!seed).number(number));
    let text = format!("{:016x}{:016x}", high.finish(), low.finish());
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

fn verify(
    service: &Service,
    authorization: &Authorization<'_>,
    secret: &str,
    raw: &Raw<'_>,
    now: i64,
) -> Result<(), Refusal> {
    let signed =
        Signed { method: raw.method, path: raw.path, query: raw.query, headers: raw.headers, body: raw.body };
    authorization.verify(secret, &signed).map_err(|wrong| match wrong {
        Wrong::Incomplete(what) => {
            refuse::incomplete(service, &format!("Authorization header requires {what}."))
        }
        Wrong::Payload if service.name == "s3" => Refusal::new(
            400,
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ),
        Wrong::Payload | Wrong::Signature => refuse::wrong_signature(service),
    })?;
    let stamp = raw.headers.get("x-amz-date").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let time = stamp.parse::<Timestamp>().map(Timestamp::as_second).unwrap_or_default();
    if (now - time).abs() > MAX_SKEW_SECONDS {
        let server = Timestamp::from_second(now).unwrap_or(Timestamp::UNIX_EPOCH);
        return Err(refuse::skewed(service, stamp, &server.strftime("%Y%m%dT%H%M%SZ").to_string()));
    }
    Ok(())
}

/// The permission that an operation needs, where it is not of the same name.
fn iam_action(service: &Service, operation: &Operation) -> String {
    let prefix = if service.name == "elbv2" { "elasticloadbalancing" } else { &service.name };
    let action = match operation.name.as_str() {
        "ListBuckets" => "ListAllMyBuckets",
        "GetBucketEncryption" => "GetEncryptionConfiguration",
        "GetPublicAccessBlock" => "GetBucketPublicAccessBlock",
        "GetObjectLockConfiguration" => "GetBucketObjectLockConfiguration",
        same => same,
    };
    format!("{prefix}:{action}")
}

/// What a newer AWS might add, at the top and in the first entry.
fn add_unknown_fields(operation: &Operation, page: &mut Value) {
    let Some(members) = page.as_object_mut() else { return };
    let entry = match operation.pages.as_ref().and_then(|pages| pages.result_keys.first()) {
        Some(list) => members.get_mut(list).and_then(|list| list.get_mut(0)),
        None => members.values_mut().find(|value| value.is_object()),
    };
    if let Some(entry) = entry.and_then(Value::as_object_mut) {
        entry.insert("zzFutureFlag".to_owned(), json!("yes & <no>"));
    }
    members.insert("zzFutureSet".to_owned(), json!([{"a": "1"}, {"a": "2"}]));
}
