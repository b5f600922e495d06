//! Bad input to the service and to a run: each is said, with what to do, before anything is written.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;

use evidenced_bundle::BundlePath;
use serde_json::Value;

use crate::bucket::Bucket;
use crate::estate::{Estate, one_account};
use crate::publish::{bundle, collect, collected, due};
use crate::service::{Service, configure, estate, free_port, leaves, until, zips};

/// Puts the bucket in place of the folder of a configuration.
pub(crate) fn store_in(estate: &Estate, name: &str, bucket: &Bucket, more: &str) {
    let path = estate.path(&format!("{name}.toml"));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, text.replace("url = \"file:store\"", &format!("{}\n{more}", bucket.table()))).unwrap();
}

fn run(estate: &Estate, name: &str, more: &[&str]) -> Output {
    let mut command = estate.command();
    command.args(["run", "-c", &format!("{name}.toml")]).args(more);
    command.output().unwrap()
}

fn one_off(estate: &Estate, name: &str) -> Output {
    estate.command().args(["collect", "-c", &format!("{name}.toml")]).output().unwrap()
}

fn refused(output: &Output, code: i32, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
}

/// An estate with a bucket that holds nothing.
fn with_bucket() -> (Estate, Bucket) {
    let estate = estate(one_account());
    fs::create_dir(estate.path("bucket")).unwrap();
    let bucket = Bucket::over(estate.path("bucket"));
    configure(&estate, "a", free_port(), "");
    store_in(&estate, "a", &bucket, "");
    (estate, bucket)
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn a_bucket_without_the_statement_gets_not_even_a_lease() {
    let (estate, bucket) = with_bucket();
    bucket.https_only(false);
    for output in [run(&estate, "a", &[]), one_off(&estate, "a")] {
        refused(&output, 6, &["https-only", "add this statement to the bucket policy", "--accept-bucket"]);
    }
    assert!(is_empty(&estate.path("bucket")) && bucket.written().is_empty());
    // Somebody accepts it: the service writes, and the bundle says so.
    let text = fs::read_to_string(estate.path("a.toml")).unwrap();
    let port = text.split("127.0.0.1:").last().unwrap().split('"').next().unwrap().parse().unwrap();
    let service = Service::start_with(&estate, "a", port, |command| {
        command.arg("--accept-bucket");
    });
    service.until_metric("evidenced_runs_total{result=\"complete\"}", 1.0);
    service.stop();
    let stored = bundle(&estate, due()).strip_prefix(estate.path("store")).unwrap().to_owned();
    let mut stored = estate.open(&estate.path("bucket").join(stored));
    let said = stored.read(&BundlePath::new("data/run.json").unwrap()).unwrap();
    let said: Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(said["acceptedBucket"], serde_json::json!(["https-only"]));
    let answers = stored.read(&BundlePath::new("data/store.json").unwrap()).unwrap();
    assert!(String::from_utf8_lossy(&answers).contains("NoSuchBucketPolicy"));
}

#[test]
fn a_bucket_that_is_not_https_only_any_more_is_not_written_to_again() {
    let (estate, bucket) = with_bucket();
    let port = free_port();
    configure(&estate, "a", port, "");
    store_in(&estate, "a", &bucket, "");
    let service = Service::start(&estate, "a", port);
    service.until_metric("evidenced_runs_total{result=\"complete\"}", 1.0);
    assert!(bucket.written()[0].starts_with("lease/"), "{:?}", bucket.written());
    bucket.https_only(false);
    let before = bucket.written().len();
    assert_eq!(service.ask("POST", "/run").unwrap().0, 202);
    service.until_metric("evidenced_runs_total{result=\"failed\"}", 1.0);
    assert_eq!(service.ask("GET", "/readyz").unwrap(), (503, "the bucket is refused\n".to_owned()));
    assert_eq!(bucket.written().len(), before);
    service.stop();
}

#[test]
fn a_clock_that_is_off_is_refused_with_both_times() {
    let (estate, bucket) = with_bucket();
    bucket.skew(-700);
    for output in [run(&estate, "a", &[]), one_off(&estate, "a")] {
        refused(
            &output,
            2,
            &["the clock of this machine says 20", "the server's Date is 20", "set the clock"],
        );
    }
    bucket.skew(700);
    refused(&run(&estate, "a", &[]), 2, &["300 s are allowed"]);
    assert!(is_empty(&estate.path("bucket")));
}

/// Stands before the simulated AWS and says that it is another time; gives its port.
fn with_another_time(endpoint: &str) -> u16 {
    let upstream = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // It ends with the process of the test.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that goes away is its own affair.
            drop(stream.and_then(|stream| pass_on(&stream, &upstream)));
        }
    });
    port
}

/// One request, and its answer with another date.
fn pass_on(mut client: &TcpStream, upstream: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(client);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut server = TcpStream::connect(upstream)?;
    server.write_all(format!("{head}connection: close\r\n\r\n").as_bytes())?;
    server.write_all(&body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let is_date = |line: &&str| !line.to_ascii_lowercase().starts_with("date:");
    let head: Vec<&str> = head.split("\r\n").filter(is_date).collect();
    write!(client, "{}\r\ndate: Sun, 22 Nov 2020 02:00:03 GMT", head.join("\r\n"))?;
    client.write_all(&answer[end..])
}

#[test]
fn a_clock_that_is_off_by_the_answer_of_aws_is_refused_with_a_folder_too() {
    let estate = estate(one_account());
    configure(&estate, "a", free_port(), "");
    let port = with_another_time(&estate.endpoint());
    let text = fs::read_to_string(estate.path("a.toml")).unwrap();
    let text = text.replace(&estate.endpoint(), &format!("http://127.0.0.1:{port}"));
    fs::write(estate.path("a.toml"), text).unwrap();
    for output in [run(&estate, "a", &[]), one_off(&estate, "a")] {
        refused(&output, 2, &["the server's Date is 2020-11-22T02:00:03Z", "set the clock"]);
    }
    for name in ["store/log", "store/bundles", "store/lease"] {
        assert!(!estate.path(name).exists(), "{name}");
    }
}

#[test]
fn a_bucket_of_another_account_is_named() {
    let (estate, bucket) = with_bucket();
    store_in(&estate, "a", &bucket, "");
    bucket.belongs_to("999900001111");
    let text = fs::read_to_string(estate.path("a.toml")).unwrap();
    let text = text.replace("allow_plain_http", "expected_bucket_owner = \"111122223333\"\nallow_plain_http");
    fs::write(estate.path("a.toml"), text).unwrap();
    for output in [run(&estate, "a", &["--accept-bucket"]), one_off(&estate, "a")] {
        refused(&output, 6, &["in the name of its owner 111122223333", "expected_bucket_owner"]);
    }
    assert!(is_empty(&estate.path("bucket")));
}

#[test]
fn a_log_key_that_the_trust_root_does_not_have_is_refused() {
    let estate = estate(one_account());
    configure(&estate, "a", free_port(), "");
    let other = Estate::new(one_account(), "");
    fs::copy(other.path("keys/log.key.pem"), estate.path("keys/other.key.pem")).unwrap();
    let text = fs::read_to_string(estate.path("a.toml")).unwrap();
    fs::write(estate.path("a.toml"), text.replace("keys/log.key.pem", "keys/other.key.pem")).unwrap();
    for output in [run(&estate, "a", &[]), one_off(&estate, "a")] {
        refused(
            &output,
            2,
            &["log evidence.example.com/test: key ", "does not sign it", "evidenced trust rotate"],
        );
    }
    for name in ["a", "store/log", "store/bundles", "store/lease"] {
        assert!(!estate.path(name).exists(), "{name}");
    }
}

#[test]
fn a_store_whose_log_another_key_signed_is_refused() {
    let estate = estate(one_account());
    configure(&estate, "spool", free_port(), "");
    collected(&estate, due() - 86_400);
    let before = (leaves(&estate), zips(&estate.path("store")));
    // Another desk, with keys and a trust root of its own, is pointed at the store.
    let other = crate::service::estate(one_account());
    configure(&other, "a", free_port(), "");
    let text = fs::read_to_string(other.path("a.toml")).unwrap();
    let store = format!("url = \"file:{}\"", estate.path("store").display());
    fs::write(other.path("a.toml"), text.replace("url = \"file:store\"", &store)).unwrap();
    for output in [run(&other, "a", &[]), one_off(&other, "a")] {
        refused(&output, 2, &["log/checkpoint is refused", "[signing] origin and log_key"]);
    }
    assert_eq!((leaves(&estate), zips(&estate.path("store"))), before);
    assert!(!estate.path("store/lease").exists() && !estate.path("store/status").exists());
}

#[test]
fn two_configurations_of_one_scope_do_not_take_turns_in_one_store() {
    let estate = estate(one_account());
    let port = free_port();
    configure(&estate, "spool", port, "");
    collected(&estate, due() - 86_400);
    let text = fs::read_to_string(estate.path("spool.toml")).unwrap();
    // Another organisation.
    fs::write(estate.path("spool.toml"), text.replace("Example Ltd", "Example GmbH")).unwrap();
    for output in [run(&estate, "spool", &[]), one_off(&estate, "spool")] {
        refused(
            &output,
            2,
            &["is of another estate", "\"Example Ltd\"", "\"Example GmbH\"", "--accept-estate"],
        );
    }
    // Other accounts.
    let listed =
        format!("[[aws.accounts]]\nid = \"999900001111\"\nrole = \"{}\"\n[collect]", simcloud::ROLE_NAME);
    let start = text.find("[aws.organization]").unwrap();
    let end = text.find("[collect]").unwrap();
    let others = format!("{}{}", &text[..start], text[end..].replacen("[collect]", &listed, 1));
    fs::write(estate.path("spool.toml"), others).unwrap();
    refused(&run(&estate, "spool", &[]), 2, &["999900001111: they have none in common"]);
    assert_eq!((leaves(&estate), zips(&estate.path("store/bundles"))), (1, 1));
    assert!(!estate.path("store/lease").exists());
    // The organisation was renamed: somebody says so, once.
    fs::write(estate.path("spool.toml"), text.replace("Example Ltd", "Example GmbH")).unwrap();
    let service = Service::start_with(&estate, "spool", port, |command| {
        command.arg("--accept-estate");
    });
    service.until_metric("evidenced_runs_total{result=\"complete\"}", 1.0);
    service.stop();
    let service = Service::start(&estate, "spool", port);
    until("the next start", || service.ask("GET", "/readyz").filter(|(status, _)| *status == 200));
    service.stop();
}

#[test]
fn a_spool_that_cannot_be_written_is_refused() {
    let estate = estate(one_account());
    configure(&estate, "file", free_port(), "");
    fs::write(estate.path("file"), "in the way").unwrap();
    for output in [run(&estate, "file", &[]), one_off(&estate, "file")] {
        refused(&output, 1, &["file/runs", "creating the folder failed", "[spool] dir needs space"]);
    }
    for name in ["store/log", "store/bundles", "store/lease"] {
        assert!(!estate.path(name).exists(), "{name}");
    }
}

/// Runs a program with a file system of one MiB at `folder`, where this machine lets us make one.
fn on_a_tiny_disk(estate: &Estate, folder: &str, arguments: &str) -> Option<Output> {
    fs::create_dir_all(estate.path(folder)).unwrap();
    let mount = format!("mount -t tmpfs -o size=1m tmpfs {folder}");
    let program = crate::estate::PROGRAM;
    let may = estate.command_of("unshare").args(["-m", "sh", "-c", &mount]).output().ok()?;
    if !may.status.success() {
        return None;
    }
    let script = format!("{mount} && exec {program} {arguments}");
    Some(estate.command_of("unshare").args(["-m", "sh", "-c", &script]).output().unwrap())
}

#[test]
fn a_run_that_has_no_room_in_the_spool_does_not_start() {
    let estate = estate(one_account());
    configure(&estate, "spool", free_port(), "");
    // Where no file system of our own can be made, the limit below is what is tested.
    if let Some(output) = on_a_tiny_disk(&estate, "spool", "collect -c spool.toml") {
        refused(&output, 1, &["bytes free, a run needs 67108864", "what is sealed stays"]);
    }
    assert_eq!(zips(&estate.path("store")), 0);
    // What is sealed stays, and goes first when there is room again.
    fs::rename(estate.path("store"), estate.path("away")).unwrap();
    fs::write(estate.path("store"), "no folder").unwrap();
    assert_eq!(collect(&estate, due() - 86_400).status.code(), Some(1));
    assert_eq!(zips(&estate.path("spool/sealed")), 1);
    let port = free_port();
    configure(
        &estate,
        "spool",
        port,
        "on_failure = { command = [\"/bin/sh\", \"-c\", \"cat > told.json\"] }",
    );
    let text = fs::read_to_string(estate.path("spool.toml")).unwrap();
    fs::write(estate.path("spool.toml"), format!("{text}min_free_bytes = 1125899906842624\n")).unwrap();
    fs::copy(estate.path("spool.toml"), estate.path("evidenced.toml")).unwrap();
    let service = Service::start(&estate, "spool", port);
    service.until_metric("evidenced_runs_total{result=\"failed\"}", 1.0);
    let (status, why) = service.ask("GET", "/readyz").unwrap();
    assert!(status == 503 && why.contains("bytes free, a run needs 1125899906842624"), "{why}");
    assert!(service.metric("evidenced_spool_free_bytes") < service.metric("evidenced_spool_needed_bytes"));
    service.until_metric("evidenced_hooks_total{event=\"failure\",outcome=\"ok\"}", 1.0);
    let told: Value = serde_json::from_slice(&fs::read(estate.path("told.json")).unwrap()).unwrap();
    assert_eq!(told["waiting"], 1);
    assert!(told["error"].as_str().unwrap().contains("a run needs 1125899906842624"), "{told}");
    assert_eq!(zips(&estate.path("spool/sealed")), 1);
    service.stop();
    fs::remove_file(estate.path("store")).unwrap();
    fs::rename(estate.path("away"), estate.path("store")).unwrap();
    let run = collect(&estate, due());
    refused(&run, 1, &["a run needs 1125899906842624"]);
    assert_eq!((zips(&estate.path("spool/sealed")), zips(&estate.path("store/bundles"))), (0, 1));
}
