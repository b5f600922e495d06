//! A timestamp authority: `openssl ts -reply` behind a small HTTP server, with bad habits on demand.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread::JoinHandle;

use evidenced_bundle::Digest;
use evidenced_bundle::timestamp::{Nonce, request};
use tempfile::TempDir;

const CONFIG: &str = "\
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[leaf]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = critical,timeStamping
[tsa]
default_tsa = here
[here]
serial = serial
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_alg = sha256
";

/// What the server does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    Good,
    Status,
    Redirect,
    OtherType,
    OtherImprint,
    OtherNonce,
    Garbage,
    Endless,
}

#[derive(Debug)]
struct State {
    dir: TempDir,
    habit: Mutex<Option<Habit>>,
    asked: Mutex<usize>,
}

/// A running authority; it stops when dropped.
pub(crate) struct Authority {
    state: Arc<State>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

/// `rsa:2048`, or an elliptic curve.
pub(crate) const RSA: &[&str] = &["-newkey", "rsa:2048"];
pub(crate) const P256: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

impl Authority {
    pub(crate) fn start(key: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("cnf"), CONFIG).unwrap();
        fs::write(dir.path().join("serial"), "0A\n").unwrap();
        let req = |rest: &str| {
            let rest: Vec<&str> = rest.split(' ').collect();
            openssl(dir.path(), &[&["req", "-config", "cnf", "-nodes"], key, &rest].concat());
        };
        req("-x509 -days 365 -subj /CN=root -extensions root -keyout root.key -out root.pem");
        req("-new -subj /CN=example-timestamps -keyout leaf.key -out csr");
        let sign = "x509 -req -in csr -CA root.pem -CAkey root.key -CAcreateserial -days 365 -extfile cnf \
                    -extensions leaf -out leaf.pem";
        openssl(dir.path(), &sign.split_whitespace().collect::<Vec<_>>());
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { dir, habit: Mutex::new(Some(Habit::Good)), asked: Mutex::new(0) });
        let thread = {
            let state = Arc::clone(&state);
            std::thread::spawn(move || serve(&listener, &state))
        };
        Self { state, address, thread: Some(thread) }
    }

    pub(crate) fn behave(&self, habit: Habit) {
        *self.state.habit.lock().unwrap() = Some(habit);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/tsa", self.address)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.state.dir.path().join("root.pem")
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        *self.state.asked.lock().unwrap()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        *self.state.habit.lock().unwrap() = None;
        // A last connection, so that it sees that it is to end.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Nobody listens there.
pub(crate) fn dead_url() -> String {
    let address = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    format!("http://{address}/tsa")
}

fn serve(listener: &TcpListener, state: &State) {
    for stream in listener.incoming() {
        let Some(habit) = *state.habit.lock().unwrap() else { return };
        // A client that goes away is its own affair.
        drop(stream.and_then(|stream| answer(stream, habit, state)));
    }
}

fn answer(stream: TcpStream, habit: Habit, state: &State) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut query = vec![0; length];
    reader.read_exact(&mut query)?;
    *state.asked.lock().unwrap() += 1;
    let (mut status, mut kind) = ("200 OK", "application/timestamp-reply");
    let body = match habit {
        Habit::Good | Habit::Endless => reply(state.dir.path(), &query),
        Habit::Garbage => b"certainly".to_vec(),
        Habit::Status => {
            status = "503 Busy";
            reply(state.dir.path(), &query)
        }
        Habit::Redirect => {
            status = "302 Found\r\nlocation: /elsewhere";
            Vec::new()
        }
        Habit::OtherType => {
            kind = "text/html";
            reply(state.dir.path(), &query)
        }
        Habit::OtherImprint => reply(state.dir.path(), &other(b"something else")),
        Habit::OtherNonce => {
            let start = query.windows(2).position(|pair| pair == [0x04, 0x20]).unwrap() + 2;
            let imprint = Digest::from_bytes(query[start..start + 32].try_into().unwrap());
            reply(state.dir.path(), &request(&imprint, &Nonce::new([0x11; 8])).unwrap())
        }
    };
    let mut stream = reader.into_inner();
    if habit == Habit::Endless {
        write!(stream, "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n")?;
        stream.write_all(&body)?;
        loop {
            stream.write_all(&[0; 4096])?;
        }
    }
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)
}

fn other(data: &[u8]) -> Vec<u8> {
    request(&Digest::of(data), &Nonce::new([0x22; 8])).unwrap()
}

fn reply(dir: &Path, query: &[u8]) -> Vec<u8> {
    fs::write(dir.join("tsq"), query).unwrap();
    let line = "ts -reply -config cnf -queryfile tsq -signer leaf.pem -inkey leaf.key -chain root.pem -sha256 -out tsr";
    openssl(dir, &line.split(' ').collect::<Vec<_>>());
    fs::read(dir.join("tsr")).unwrap()
}

pub(crate) fn openssl(dir: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
