//! A bucket: the folder of a store behind the answers of S3 that reading, writing and asking need, with faults.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use evidenced_bundle::Digest;

/// The path of every key: bucket and prefix.
const PREFIX: &str = "v1/";

struct State {
    folder: PathBuf,
    /// Bytes of a zip after which the connection is closed; all of them otherwise.
    cut: AtomicU64,
    end: AtomicBool,
    gets: Mutex<Vec<String>>,
    /// Requests that came in.
    asked: AtomicU64,
    /// Keys that lists named.
    listed: AtomicU64,
    /// Keys that were created or replaced, in their order.
    puts: Mutex<Vec<String>>,
    /// Requests end without an answer, after so long.
    dead: AtomicBool,
    slow_ms: AtomicU64,
    /// The policy denies plain HTTP.
    https_only: AtomicBool,
    /// Whose bucket it is, where that counts.
    owner: Mutex<Option<String>>,
    /// How far its clock is off.
    skew_seconds: AtomicI64,
    /// One write at a time.
    writing: Mutex<()>,
}

pub(crate) struct Bucket {
    state: Arc<State>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Bucket {
    pub(crate) fn over(folder: PathBuf) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            folder,
            cut: AtomicU64::new(u64::MAX),
            end: AtomicBool::new(false),
            gets: Mutex::default(),
            asked: AtomicU64::new(0),
            listed: AtomicU64::new(0),
            puts: Mutex::default(),
            dead: AtomicBool::new(false),
            slow_ms: AtomicU64::new(0),
            https_only: AtomicBool::new(true),
            owner: Mutex::default(),
            skew_seconds: AtomicI64::new(0),
            writing: Mutex::default(),
        });
        let served = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if served.end.load(Ordering::Acquire) {
                    return;
                }
                let state = Arc::clone(&served);
                // A client that goes away is its own affair.
                std::thread::spawn(move || drop(stream.and_then(|stream| serve(&stream, &state))));
            }
        });
        Self { state, address, thread: Some(thread) }
    }

    /// `[store]` of a configuration.
    pub(crate) fn table(&self) -> String {
        let address = self.address;
        format!("url = \"s3://evidence/v1\"\nendpoint_url = \"http://{address}\"\nallow_plain_http = true")
    }

    /// Zips end after so many bytes from now on.
    pub(crate) fn cut_zips(&self, bytes: u64) {
        self.state.cut.store(bytes, Ordering::Release);
    }

    /// From now on nothing is answered, or everything again.
    pub(crate) fn die(&self, dead: bool) {
        self.state.dead.store(dead, Ordering::Release);
    }

    /// From now on each answer takes so long.
    pub(crate) fn slow(&self, milliseconds: u64) {
        self.state.slow_ms.store(milliseconds, Ordering::Release);
    }

    /// Takes the HTTPS-only statement away, or puts it back.
    pub(crate) fn https_only(&self, is: bool) {
        self.state.https_only.store(is, Ordering::Release);
    }

    /// Whoever expects another owner is denied.
    pub(crate) fn belongs_to(&self, account: &str) {
        *self.state.owner.lock().unwrap() = Some(account.to_owned());
    }

    /// Its clock is ahead by so much.
    pub(crate) fn skew(&self, seconds: i64) {
        self.state.skew_seconds.store(seconds, Ordering::Release);
    }

    /// How many requests came in.
    pub(crate) fn asked(&self) -> u64 {
        self.state.asked.load(Ordering::Acquire)
    }

    /// How many keys lists named since this was last asked.
    pub(crate) fn listed(&self) -> u64 {
        self.state.listed.swap(0, Ordering::AcqRel)
    }

    /// Keys that were written, in their order.
    pub(crate) fn written(&self) -> Vec<String> {
        self.state.puts.lock().unwrap().clone()
    }

    /// How many zips were asked for since this was last asked.
    pub(crate) fn zips_fetched(&self) -> usize {
        let gets = std::mem::take(&mut *self.state.gets.lock().unwrap());
        gets.iter().filter(|key| is_zip(key)).count()
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.state.end.store(true, Ordering::Release);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

pub(crate) fn is_zip(key: &str) -> bool {
    Path::new(key).extension().is_some_and(|it| it == "zip")
}

/// One request a connection.
fn serve(mut stream: &TcpStream, state: &State) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut headers = std::collections::BTreeMap::new();
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').unwrap_or((&header, ""));
        headers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
    }
    state.asked.fetch_add(1, Ordering::AcqRel);
    std::thread::sleep(Duration::from_millis(state.slow_ms.load(Ordering::Acquire)));
    if state.dead.load(Ordering::Acquire) {
        return Ok(());
    }
    if headers.contains_key("expect") {
        write!(stream, "HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let key = path.trim_start_matches("/evidence").trim_start_matches('/').trim_start_matches(PREFIX);
    let owner = state.owner.lock().unwrap().clone();
    let expected = headers.get("x-amz-expected-bucket-owner");
    let (status, answer, tag) = if owner.is_some() && expected.is_some() && owner.as_ref() != expected {
        (403, error("AccessDenied"), None)
    } else if let Some((status, answer)) = about(query, state.https_only.load(Ordering::Acquire)) {
        (status, answer, None)
    } else if query.contains("list-type=2") {
        (200, list(state, query).into_bytes(), None)
    } else if method == "PUT" {
        (put(state, key, &headers, &body)?, Vec::new(), Some(tag(&body)))
    } else {
        if method == "GET" {
            state.gets.lock().unwrap().push(key.to_owned());
        }
        match fs::read(state.folder.join(key)) {
            Ok(bytes) => {
                let tag = tag(&bytes);
                (200, bytes, Some(tag))
            }
            Err(_) => (404, error("NoSuchKey"), None),
        }
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let date = i64::try_from(now).unwrap_or(0) + state.skew_seconds.load(Ordering::Acquire);
    let tag = tag.map(|tag| format!("etag: {tag}\r\n")).unwrap_or_default();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ndate: {}\r\ncontent-length: {}\r\n{tag}connection: close\r\n\r\n",
        http_date(date),
        answer.len()
    )?;
    let cut = usize::try_from(state.cut.load(Ordering::Acquire)).unwrap_or(usize::MAX);
    match method {
        "HEAD" => Ok(()),
        _ if is_zip(key) => stream.write_all(&answer[..cut.min(answer.len())]),
        _ => stream.write_all(&answer),
    }
}

fn error(code: &str) -> Vec<u8> {
    format!("<Error><Code>{code}</Code><Message>no</Message></Error>").into_bytes()
}

fn tag(bytes: &[u8]) -> String {
    format!("\"{}\"", Digest::of(bytes))
}

/// A write that keeps its condition.
fn put(
    state: &State,
    key: &str,
    headers: &std::collections::BTreeMap<String, String>,
    body: &[u8],
) -> std::io::Result<u16> {
    let _one = state.writing.lock().unwrap();
    let path = state.folder.join(key);
    let found = fs::read(&path).ok().map(|bytes| tag(&bytes));
    let wanted = headers.get("if-match");
    if headers.contains_key("if-none-match") && found.is_some()
        || wanted.is_some() && wanted != found.as_ref()
    {
        return Ok(412);
    }
    fs::create_dir_all(path.parent().unwrap())?;
    fs::write(path, body)?;
    state.puts.lock().unwrap().push(key.to_owned());
    Ok(200)
}

/// What S3 says of the bucket itself.
fn about(query: &str, https_only: bool) -> Option<(u16, Vec<u8>)> {
    let question = query.split(['&', '=']).next().unwrap_or_default();
    let answer = match question {
        "policy" if !https_only => return Some((404, error("NoSuchBucketPolicy"))),
        "policy" => evidenced_core::bucket::https_only("aws", "evidence").to_string(),
        "versioning" => {
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>".to_owned()
        }
        "object-lock" => "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>\
                          </ObjectLockConfiguration>"
            .to_owned(),
        "publicAccessBlock" => {
            let set = |name: &str| format!("<{name}>true</{name}>");
            let all = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];
            let all = all.map(set).concat();
            format!("<PublicAccessBlockConfiguration>{all}</PublicAccessBlockConfiguration>")
        }
        "encryption" => "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
                         <SSEAlgorithm>aws:kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>\
                         </ServerSideEncryptionConfiguration>"
            .to_owned(),
        _ => return None,
    };
    let answer = if question == "policy" { format!("{{\"Statement\":[{answer}]}}") } else { answer };
    Some((200, answer.into_bytes()))
}

/// `Sun, 22 Nov 2026 02:00:03 GMT`.
fn http_date(unix: i64) -> String {
    let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = evidenced_core::moment::seconds(unix);
    let day = usize::try_from(unix.div_euclid(86_400).rem_euclid(7)).unwrap_or(0);
    let month: usize = text[5..7].parse().unwrap_or(1);
    format!("{}, {} {} {} {} GMT", days[day], &text[8..10], months[month - 1], &text[..4], &text[11..19])
}

/// Two keys a page, so that the list has to go on.
fn list(state: &State, query: &str) -> String {
    let value = |name: &str| {
        let found = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        found.unwrap_or_default().replace("%2F", "/")
    };
    let (prefix, token) = (value("prefix"), value("continuation-token"));
    // As S3: the token of a list that goes on has its start in it.
    let after = if token.is_empty() { value("start-after") } else { token };
    let mut keys = Vec::new();
    walk(&state.folder, PREFIX, &mut keys);
    keys.retain(|key| key.starts_with(&prefix) && *key > after);
    keys.sort();
    let more = keys.len() > 2;
    keys.truncate(2);
    state.listed.fetch_add(u64::try_from(keys.len()).unwrap(), Ordering::AcqRel);
    let contents: Vec<_> = keys.iter().map(|key| format!("<Contents><Key>{key}</Key></Contents>")).collect();
    let (contents, next) = (contents.concat(), keys.last().filter(|_| more));
    let next = next.map(|key| format!("<NextContinuationToken>{key}</NextContinuationToken>"));
    let next = next.unwrap_or_default();
    format!("<ListBucketResult><IsTruncated>{more}</IsTruncated>{contents}{next}</ListBucketResult>")
}

fn walk(folder: &Path, key: &str, keys: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            walk(&path, &format!("{key}{name}/"), keys);
        } else if !name.starts_with('.') {
            keys.push(format!("{key}{name}"));
        }
    }
}
