//! Fakes for tests: a source that answers from a table, a scratch space in memory, a clock that stands still.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;

use crate::run::{Clock, Observer, Scratch};
use crate::snapshot::Row;
use crate::source::{Account, Failure, FailureKind, Page, Request, Source};

/// The instant of [`FixedClock`]: 2026-11-22T02:00:03Z, in milliseconds since 1970.
pub const NOW_MS: i64 = 1_795_312_803_000;

/// Always [`NOW_MS`].
#[derive(Debug, Default)]
pub struct FixedClock;

impl Clock for FixedClock {
    fn now_ms(&self) -> i64 {
        NOW_MS
    }
}

/// Tells nobody.
#[derive(Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn planned(&self, _: usize) {}
    fn ended(&self, _: &Row) {}
}

/// Files in memory; the path in `refuses` cannot be written.
#[derive(Debug, Default)]
pub struct MemoryScratch {
    /// What was written.
    pub files: Mutex<BTreeMap<String, Vec<u8>>>,
    /// A path that fails.
    pub refuses: Option<String>,
}

impl Scratch for MemoryScratch {
    fn write(&self, path: &str, bytes: &[u8]) -> std::io::Result<()> {
        if self.refuses.as_deref() == Some(path) {
            return Err(std::io::Error::other("no space left"));
        }
        let mut files = self.files.lock().map_err(|_| std::io::Error::other("poisoned"))?;
        match files.insert(path.to_owned(), bytes.to_vec()) {
            None => Ok(()),
            Some(_) => Err(std::io::Error::other(format!("{path} was written twice"))),
        }
    }
}

/// What a fake answers to one request: its argument is the account id and the request.
pub type Answering = dyn Fn(&str, &Request) -> Result<Page, Failure> + Sync + Send;

/// A source that answers from a function and counts.
pub struct FakeSource {
    answer: Box<Answering>,
    /// Every request, in the order of arrival.
    pub requests: Mutex<Vec<(String, Request)>>,
}

impl std::fmt::Debug for FakeSource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("FakeSource")
    }
}

impl FakeSource {
    /// Answers as the function says.
    pub fn new(answer: impl Fn(&str, &Request) -> Result<Page, Failure> + Sync + Send + 'static) -> Self {
        Self { answer: Box::new(answer), requests: Mutex::new(Vec::new()) }
    }
}

impl Source for FakeSource {
    async fn page(&self, account: &Account, request: &Request) -> Result<Page, Failure> {
        if let Ok(mut requests) = self.requests.lock() {
            requests.push((account.id.clone(), request.clone()));
        }
        (self.answer)(&account.id, request)
    }

    async fn principal(&self, account: &Account) -> Result<String, Failure> {
        let request = Request {
            service: "sts",
            operation: "GetCallerIdentity",
            region: String::new(),
            parameters: serde_json::Map::new(),
        };
        (self.answer)(&account.id, &request)
            .map(|_| format!("arn:aws:sts::{}:assumed-role/EvidenceReader/test", account.id))
    }

    fn release(&self, _: &Account, _: &str) {}
}

/// A response with this status and body.
pub fn page(status: u16, body: &str) -> Page {
    let headers = [
        ("x-amzn-requestid", "11111111-2222-3333-4444-555555555555"),
        ("date", "Sun, 22 Nov 2026 02:00:03 GMT"),
    ];
    Page {
        status,
        headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        endpoint: "https://fake.amazonaws.com".to_owned(),
        attempts: 1,
        started_at_ms: NOW_MS,
        finished_at_ms: NOW_MS + 1,
    }
}

/// No response, for this reason.
pub fn failure(kind: FailureKind, code: &str) -> Failure {
    Failure {
        kind,
        code: code.to_owned(),
        message: "by the test".to_owned(),
        attempts: 3,
        started_at_ms: NOW_MS,
        finished_at_ms: NOW_MS + 1,
        endpoint: None,
    }
}

/// The smallest good answer of any operation: nothing is there.
pub fn nothing(shapes: &crate::shape::Shapes, request: &Request) -> Page {
    use crate::shape::Protocol;
    let operation = request.operation;
    let Some(service) = shapes.service(request.service) else { return page(500, "") };
    let body = match service.protocol {
        Protocol::Json => "{}".to_owned(),
        Protocol::Ec2 => format!("<{operation}Response><requestId>r</requestId></{operation}Response>"),
        Protocol::Query => {
            let wrapper = service.operation(operation).and_then(|it| it.result_wrapper.clone());
            let wrapper = wrapper.unwrap_or_else(|| format!("{operation}Result"));
            format!("<{operation}Response><{wrapper}/></{operation}Response>")
        }
        Protocol::RestXml => "<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>".to_owned(),
    };
    page(200, &body)
}
