//! A bucket to be read: the folder of a store behind the four answers of S3 that reading needs.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// The path of every key: bucket and prefix.
const PREFIX: &str = "v1/";

struct State {
    folder: PathBuf,
    /// Bytes of a zip after which the connection is closed; all of them otherwise.
    cut: AtomicU64,
    end: AtomicBool,
    gets: Mutex<Vec<String>>,
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

fn is_zip(key: &str) -> bool {
    Path::new(key).extension().is_some_and(|it| it == "zip")
}

/// One request a connection.
fn serve(mut stream: &TcpStream, state: &State) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let line = lines.next().ok_or(std::io::ErrorKind::UnexpectedEof)??;
    for header in lines {
        if header?.is_empty() {
            break;
        }
    }
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let key = path.trim_start_matches("/evidence").trim_start_matches('/').trim_start_matches(PREFIX);
    let (status, body) = if query.contains("list-type=2") {
        (200, list(&state.folder, query).into_bytes())
    } else {
        if method == "GET" {
            state.gets.lock().unwrap().push(key.to_owned());
        }
        match fs::read(state.folder.join(key)) {
            Ok(bytes) => (200, bytes),
            Err(_) => (404, b"<Error><Code>NoSuchKey</Code><Message>no</Message></Error>".to_vec()),
        }
    };
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\netag: \"e\"\r\nconnection: close\r\n\r\n",
        body.len()
    )?;
    let cut = usize::try_from(state.cut.load(Ordering::Acquire)).unwrap_or(usize::MAX);
    match method {
        "HEAD" => Ok(()),
        _ if is_zip(key) => stream.write_all(&body[..cut.min(body.len())]),
        _ => stream.write_all(&body),
    }
}

/// Two keys a page, so that the list has to go on.
fn list(folder: &Path, query: &str) -> String {
    let value = |name: &str| {
        let found = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        found.unwrap_or_default().replace("%2F", "/")
    };
    let (prefix, after) = (value("prefix"), value("continuation-token"));
    let mut keys = Vec::new();
    walk(folder, PREFIX, &mut keys);
    keys.retain(|key| key.starts_with(&prefix) && *key > after);
    keys.sort();
    let more = keys.len() > 2;
    keys.truncate(2);
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
