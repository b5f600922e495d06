//! `evidenced run` as its operators meet it: a process with a port, signals, and a store that comes and goes.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use evidenced_bundle::BundlePath;
use serde_json::Value;
use simcloud::{Config, Effect, Fault};

use crate::estate::{Estate, one_account};
use crate::publish::{bundle, collect, collected, due, fingerprint, verify};

const DAY: i64 = 86_400;
const PATIENCE: Duration = Duration::from_mins(2);

/// Looks again and again, until there is an answer or the patience is over.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Writes `<name>.toml`: the estate's configuration with the log, and a service of its own port and spool.
pub(crate) fn configure(estate: &Estate, name: &str, port: u16, service: &str) {
    let signing = "log_key = \"file:keys/log.key.pem\"\ntrust_root = \"trust\"\n";
    estate.write_configuration(
        "test",
        signing,
        &format!(
            "items = [\"vpc.vpcs\"]\n[service]\nlisten = \"127.0.0.1:{port}\"\n{service}\n[spool]\ndir = \"{name}\""
        ),
    );
    fs::copy(estate.path("evidenced.toml"), estate.path(&format!("{name}.toml"))).unwrap();
}

/// An estate whose trust root also is outside of the store.
pub(crate) fn estate(config: Config) -> Estate {
    let estate = Estate::new(config, "");
    fs::create_dir(estate.path("trust")).unwrap();
    for file in fs::read_dir(estate.path("store/trust")).unwrap().map(|file| file.unwrap()) {
        fs::copy(file.path(), estate.path("trust").join(file.file_name())).unwrap();
    }
    estate
}

/// The first request for VPCs of each region takes so long.
pub(crate) fn slow(milliseconds: u64) -> Config {
    let fault =
        Fault { first: Some(1), ..Fault::on("ec2", "DescribeVpcs", Effect::Latency { milliseconds }) };
    Config { faults: vec![fault], ..one_account() }
}

pub(crate) struct Service {
    child: Child,
    port: u16,
    name: String,
    said: PathBuf,
    pub(crate) printed: PathBuf,
}

impl Service {
    pub(crate) fn start(estate: &Estate, name: &str, port: u16) -> Self {
        Self::start_with(estate, name, port, |_| {})
    }

    /// With more arguments or variables.
    pub(crate) fn start_with(
        estate: &Estate,
        name: &str,
        port: u16,
        more: impl FnOnce(&mut Command),
    ) -> Self {
        let (said, printed) = (estate.path(&format!("{name}.log")), estate.path(&format!("{name}.out")));
        let append = |path: &Path| fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        let mut command = estate.command();
        command.args(["-v", "--log-format", "json", "run", "-c", &format!("{name}.toml")]);
        more(&mut command);
        let child =
            command.stdout(append(&printed)).stderr(append(&said)).stdin(Stdio::null()).spawn().unwrap();
        Self { child, port, name: name.to_owned(), said, printed }
    }

    pub(crate) fn ask(&self, method: &str, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", self.port).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.ask("GET", "/metrics")?;
        let line =
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
        line?.parse().ok()
    }

    pub(crate) fn until_metric(&self, name: &str, value: f64) {
        let what = format!("{name} {value} of {}: {}", self.name, self.log());
        until(&what, || self.metric(name).filter(|found| (found - value).abs() < 0.001));
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }

    pub(crate) fn until_said(&self, words: &str) {
        until(words, || self.log().contains(words).then_some(()));
    }

    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn end(&mut self) -> ExitStatus {
        until(&format!("the end of {}", self.name), || self.child.try_wait().unwrap())
    }

    pub(crate) fn stop(mut self) {
        self.signal("-TERM");
        assert_eq!(self.end().code(), Some(0), "{}", self.log());
    }

    pub(crate) fn health(&self, estate: &Estate, more: &[&str]) -> Option<i32> {
        let config = format!("{}.toml", self.name);
        estate.command().args(["health", "-c", &config]).args(more).output().unwrap().status.code()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

pub(crate) fn page(estate: &Estate) -> Option<Value> {
    serde_json::from_slice(&fs::read(estate.path("store/status/test.json")).ok()?).ok()
}

/// Leaves of the log, by the newest checkpoint.
pub(crate) fn leaves(estate: &Estate) -> u64 {
    let checkpoint = fs::read_to_string(estate.path("store/log/checkpoint")).unwrap();
    checkpoint.lines().nth(1).unwrap().parse().unwrap()
}

pub(crate) fn zips(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            if path.is_dir() {
                zips(&path)
            } else {
                usize::from(path.extension().is_some_and(|it| it == "zip"))
            }
        })
        .sum()
}

/// The whole store is genuine, and every slot of it has one bundle and one leaf.
pub(crate) fn whole(estate: &Estate, bundles: u64) {
    assert_eq!(leaves(estate), bundles);
    assert_eq!(u64::try_from(zips(&estate.path("store/bundles"))).unwrap(), bundles);
    let (code, said) = verify(estate, &estate.path("store"), &["--undated"]);
    // Undated is an exception; anything worse has another code.
    assert_eq!(code, Some(4), "{said}");
}

fn fence(estate: &Estate, unix: i64) -> Value {
    let run = estate.open(&bundle(estate, unix)).read(&BundlePath::new("data/run.json").unwrap()).unwrap();
    serde_json::from_slice::<Value>(&run).unwrap()["lease"]["fence"].clone()
}

/// Extra runs have their second in their name: the next one needs another second.
pub(crate) fn next_second() {
    let second = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let now = second();
    until("the next second", || (second() > now).then_some(()));
}

#[test]
fn the_service_runs_its_slot_at_once_and_extra_runs_when_asked() {
    let estate = estate(one_account());
    configure(&estate, "a", free_port(), "");
    let port = free_port();
    configure(&estate, "a", port, "");
    let slot = due();
    let service = Service::start(&estate, "a", port);
    until("/livez", || service.ask("GET", "/livez").filter(|(status, _)| *status == 200));
    service.until_metric("evidenced_runs_total{result=\"complete\"}", 1.0);
    assert_eq!(service.ask("GET", "/readyz").unwrap().0, 200);
    assert_eq!((service.health(&estate, &[]), service.health(&estate, &["--ready"])), (Some(0), Some(0)));
    let written = page(&estate).unwrap();
    assert_eq!(written["bundles"][0]["logIndex"], 0);
    assert_eq!(written["bundles"][0]["status"], "complete");
    assert_eq!(fence(&estate, slot), 1);
    for (name, value) in [
        ("evidenced_log_size", 1.0),
        ("evidenced_coverage_ratio", 1.0),
        ("evidenced_gaps{new=\"true\"}", 0.0),
        ("evidenced_spool_bundles", 0.0),
        ("evidenced_lease_held", 0.0),
        ("evidenced_findings{verdict=\"excepted\"}", 0.0),
    ] {
        assert_eq!(service.metric(name), Some(value), "{name}");
    }
    let rows = |word: &str| service.metric(&format!("evidenced_findings{{verdict=\"{word}\"}}"));
    let judged: f64 = ["pass", "fail", "unknown", "not-applicable"].into_iter().filter_map(rows).sum();
    let summary = estate.open(&bundle(&estate, slot)).read(&BundlePath::new("data/summary.json").unwrap());
    let summary: Value = serde_json::from_slice(&summary.unwrap()).unwrap();
    let verdicts = summary["verdicts"].as_object().unwrap();
    let sealed: f64 = verdicts.values().filter_map(Value::as_f64).sum();
    assert!(judged > 0.0 && (sealed - judged).abs() < 0.001, "{summary}");
    assert_eq!(rows("unknown"), verdicts["unknown"].as_f64());
    let asked = "evidenced_api_calls_total{service=\"ec2\",operation=\"DescribeVpcs\",outcome=\"ok\"}";
    assert!(service.metric(asked).unwrap() >= 2.0);
    // The next slot is tomorrow's: nothing else is due, and a run is made when it is asked for.
    assert!(service.metric("evidenced_next_slot_timestamp_seconds").unwrap() > 1_790_000_000.0);
    next_second();
    assert_eq!(service.ask("POST", "/run").unwrap().0, 202);
    service.until_metric("evidenced_runs_total{result=\"complete\"}", 2.0);
    next_second();
    service.signal("-USR1");
    service.until_metric("evidenced_runs_total{result=\"complete\"}", 3.0);
    let printed = fs::read_to_string(&service.printed).unwrap();
    let lines: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[0]["scope"], &lines[0]["CoverageRatio"]), (&"test".into(), &1.0.into()));
    assert_eq!(lines[0]["FindingsUnknown"], verdicts["unknown"]);
    let said = service.log();
    let stored = said.lines().find(|line| line.contains("\"stored\"")).unwrap();
    let stored: Value = serde_json::from_str(stored).unwrap();
    assert_eq!(stored["span"]["run"], written["bundles"][0]["id"]);
    assert!(stored["span"]["slot"].as_str().unwrap().ends_with("T02:00:00Z"));
    let config = estate.path("a.toml");
    service.stop();
    let health = estate.command().args(["health", "-c"]).arg(config).output().unwrap();
    assert_eq!(health.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&health.stderr).contains("does not answer"));
    whole(&estate, 3);
    // Started again, it finds its slot done.
    let service = Service::start(&estate, "a", port);
    until("/readyz", || service.ask("GET", "/readyz").filter(|(status, _)| *status == 200));
    until("the next slot", || service.metric("evidenced_next_slot_timestamp_seconds").filter(|at| *at > 0.0));
    service.stop();
    whole(&estate, 3);
}

#[test]
fn a_service_that_is_stopped_in_a_run_goes_on_with_its_spool_and_waits_with_another() {
    let estate = estate(slow(19_000));
    let (port, other) = (free_port(), free_port());
    configure(&estate, "a", port, "shutdown_grace = \"1s\"");
    configure(&estate, "b", other, "shutdown_grace = \"1s\"");
    let slot = due();
    let service = Service::start(&estate, "a", port);
    service.until_said("\"planned\"");
    assert_eq!(service.metric("evidenced_lease_held"), Some(1.0));
    let told = Instant::now();
    service.stop();
    assert!(told.elapsed() < Duration::from_secs(15), "{:?}", told.elapsed());
    assert_eq!(zips(&estate.path("store/bundles")), 0);
    // The lease is good for two hours. Another task waits for its end ...
    let service = Service::start(&estate, "b", other);
    service.until_said("another task has the slot");
    service.stop();
    assert_eq!(zips(&estate.path("store/bundles")), 0);
    // ... and the one that has it goes on at once.
    let service = Service::start(&estate, "a", port);
    service.until_metric("evidenced_runs_total{result=\"complete\"}", 1.0);
    service.stop();
    assert_eq!(fence(&estate, slot), 2);
    whole(&estate, 1);
}

#[test]
fn a_paused_service_seals_nothing_that_another_has_sealed_since() {
    let estate = estate(slow(5_000));
    let (port, other) = (free_port(), free_port());
    configure(&estate, "a", port, "max_run = \"15s\"");
    configure(&estate, "b", other, "max_run = \"15s\"");
    let slot = due();
    let paused = Service::start(&estate, "a", port);
    paused.until_said("\"planned\"");
    paused.signal("-STOP");
    let second = Service::start(&estate, "b", other);
    second.until_said("another task has the slot");
    assert_eq!(zips(&estate.path("store/bundles")), 0);
    second.until_metric("evidenced_runs_total{result=\"complete\"}", 1.0);
    assert_eq!(fence(&estate, slot), 2);
    let before = fs::read(bundle(&estate, slot)).unwrap();
    paused.signal("-CONT");
    until("the end of the paused run", || {
        let of = |result: &str| paused.metric(&format!("evidenced_runs_total{{result=\"{result}\"}}"));
        of("failed").or(of("conflict"))
    });
    paused.stop();
    second.stop();
    assert_eq!(fs::read(bundle(&estate, slot)).unwrap(), before);
    whole(&estate, 1);
}

#[test]
fn mistakes_are_said_before_anything_is_written() {
    let estate = estate(one_account());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    configure(&estate, "a", taken.local_addr().unwrap().port(), "");
    let busy = estate.command().args(["run", "-c", "a.toml"]).output().unwrap();
    configure(&estate, "b", free_port(), "");
    fs::rename(estate.path("keys/evidence.key.pem"), estate.path("keys/away")).unwrap();
    let keyless = estate.command().args(["run", "-c", "b.toml"]).output().unwrap();
    fs::rename(estate.path("keys/away"), estate.path("keys/evidence.key.pem")).unwrap();
    configure(&estate, "c", free_port(), "max_run = \"0s\"");
    let short = estate.command().args(["run", "-c", "c.toml"]).output().unwrap();
    for (output, code, words) in [
        (&busy, 1, "give [service] listen another port"),
        (&keyless, 2, "evidence.key.pem"),
        (&short, 2, "max_run"),
    ] {
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "{said}");
    }
    for name in ["a", "b", "c", "store/log", "store/bundles", "store/lease", "store/status"] {
        assert!(!estate.path(name).exists(), "{name}");
    }
}

#[test]
fn what_the_store_did_not_take_waits_in_its_order_and_is_collected_once() {
    let estate = estate(one_account());
    let port = free_port();
    configure(&estate, "spool", port, "");
    collected(&estate, due() - 3 * DAY);
    fs::rename(estate.path("store"), estate.path("away")).unwrap();
    fs::write(estate.path("store"), "no folder").unwrap();
    let sealed = |unix: i64| {
        let zip = bundle(&estate, unix);
        estate.path("spool/sealed").join(zip.file_name().unwrap())
    };
    for day in [2, 1] {
        assert_eq!(collect(&estate, due() - day * DAY).status.code(), Some(1));
    }
    // Tried again, the slot is not collected again.
    let before = fs::read(sealed(due() - DAY)).unwrap();
    let again = collect(&estate, due() - DAY);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("waits in the spool"));
    assert_eq!(fs::read(sealed(due() - DAY)).unwrap(), before);
    let service = Service::start(&estate, "spool", port);
    service.until_metric("evidenced_spool_bundles", 3.0);
    service.until_metric("evidenced_runs_total{result=\"failed\"}", 1.0);
    assert!(service.metric("evidenced_spool_oldest_seconds").unwrap() > 86_400.0);
    assert_eq!((service.health(&estate, &[]), service.health(&estate, &["--ready"])), (Some(0), Some(1)));
    fs::remove_file(estate.path("store")).unwrap();
    fs::rename(estate.path("away"), estate.path("store")).unwrap();
    assert_eq!(service.ask("POST", "/run").unwrap().0, 202);
    // The three that waited, and the extra run: each is counted, printed and on the page.
    service.until_metric("evidenced_runs_total{result=\"complete\"}", 4.0);
    service.until_metric("evidenced_spool_bundles", 0.0);
    assert_eq!(service.health(&estate, &["--ready"]), Some(0));
    let listed = page(&estate).unwrap()["bundles"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 4);
    let printed = fs::read_to_string(&service.printed).unwrap();
    let lines = printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let stored: Vec<Value> = lines.filter(|line| line["Stored"] == 1).collect();
    let runs: Vec<&Value> = stored.iter().map(|line| &line["run"]).collect();
    let newest_first: Vec<&Value> = listed.iter().rev().map(|entry| &entry["id"]).collect();
    assert_eq!(runs, newest_first);
    service.stop();
    assert_eq!(fingerprint(&estate).len(), 64);
    assert_eq!(fs::read(bundle(&estate, due() - DAY)).unwrap(), before);
    whole(&estate, 5);
}
