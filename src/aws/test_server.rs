//! A server on loopback that answers what a test tells it to, and remembers what it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Asked {
    /// The action of a query request, the target of a JSON one, the method and path of any other.
    pub(crate) fn action(&self) -> String {
        if let Some(target) = self.headers.get("x-amz-target") {
            return target.clone();
        }
        let action = self.body.split('&').find_map(|pair| pair.strip_prefix("Action="));
        action.map_or_else(|| self.target.clone(), str::to_owned)
    }
}

/// What to answer.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A response with Content-Length.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Content-Length says more than is sent.
    Short(Vec<u8>),
    /// A chunked response without its last chunk.
    Unended(Vec<u8>),
    /// The head and a part of the body, and then nothing.
    Stall(Vec<u8>),
    /// The connection is closed without an answer.
    Close,
}

impl Reply {
    pub(crate) fn ok(body: &str) -> Self {
        Self::Whole(200, Vec::new(), body.as_bytes().to_vec())
    }

    pub(crate) fn status(status: u16, body: &str) -> Self {
        Self::Whole(status, Vec::new(), body.as_bytes().to_vec())
    }

    pub(crate) fn header(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Whole(status, mut headers, body) => {
                headers.push((name, value.to_owned()));
                Self::Whole(status, headers, body)
            }
            other => other,
        }
    }
}

type Script = dyn Fn(&Asked, usize) -> Reply + Send + Sync;

/// Runs until it is dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Answers with `script`, which gets the request and how many came before it.
    pub(crate) async fn start(script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let script: Arc<Script> = Arc::new(script);
        let remembered = Arc::clone(&asked);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&remembered)));
            }
        });
        Self { url, asked, accepting }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(stream: TcpStream, script: Arc<Script>, asked: Arc<Mutex<Vec<Asked>>>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = request(&mut stream).await {
        let before = {
            let mut asked = asked.lock().unwrap();
            asked.push(request.clone());
            asked.len() - 1
        };
        if !answer(&mut stream, script(&request, before)).await {
            return;
        }
    }
}

async fn request(stream: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|bytes| *bytes > 0)?;
    let target = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Asked { target, headers, body: String::from_utf8(body).ok()? })
}

/// Whether the connection may be used again.
async fn answer(stream: &mut BufReader<TcpStream>, reply: Reply) -> bool {
    let head = |length: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    let (bytes, again) = match reply {
        Reply::Whole(status, headers, body) => {
            let mut bytes = format!("HTTP/1.1 {status} X\r\n");
            // The answer to a HEAD says how long a body would be.
            if !headers.iter().any(|(name, _)| *name == "content-length") {
                bytes.extend(["content-length: ", &body.len().to_string(), "\r\n"]);
            }
            for (name, value) in headers {
                bytes.extend([name, ": ", &value, "\r\n"]);
            }
            bytes.push_str("\r\n");
            ([bytes.into_bytes(), body].concat(), true)
        }
        Reply::Short(body) => ([head(body.len() + 100), body].concat(), false),
        Reply::Unended(body) => {
            let mut bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            // A chunk of no bytes would be the end.
            if !body.is_empty() {
                bytes.extend(format!("{:x}\r\n", body.len()).into_bytes());
                bytes.extend([body, b"\r\n".to_vec()].concat());
            }
            (bytes, false)
        }
        Reply::Stall(body) => {
            stream.write_all(&[head(body.len() + 100), body].concat()).await.unwrap();
            return std::future::pending().await;
        }
        Reply::Close => return false,
    };
    stream.write_all(&bytes).await.is_ok() && again
}
