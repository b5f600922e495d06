//! Traces as a collector of OpenTelemetry gets them: names of spans, and nothing that is nobody's business.

use crate::estate::one_account;
use crate::listener::Listener;
use crate::service::{Service, configure, estate, free_port};

fn has(body: &[u8], words: &str) -> bool {
    body.windows(words.len()).any(|window| window == words.as_bytes())
}

#[test]
fn a_run_its_accounts_and_its_calls_reach_a_collector() {
    let estate = estate(one_account());
    let listener = Listener::start();
    let port = free_port();
    configure(&estate, "a", port, &format!("otlp_endpoint = \"{}\"", listener.url()));
    let service = Service::start(&estate, "a", port);
    service.until_metric("evidenced_runs_total{result=\"complete\"}", 1.0);
    let log = service.log();
    service.stop();
    let posted = listener.posted();
    assert!(!posted.is_empty());
    assert!(posted.iter().all(|posted| posted.path == "/v1/traces"));
    assert!(posted.iter().all(|posted| posted.headers["content-type"] == "application/x-protobuf"));
    let all: Vec<u8> = posted.into_iter().flat_map(|posted| posted.body).collect();
    let words = ["evidenced", "run", "account/region", "call", "DescribeVpcs", "eu-central-1", "outcome"];
    for words in words {
        assert!(has(&all, words), "{words} is in no span");
    }
    let external_id = simcloud::external_id(&estate.config);
    let keys = simcloud::credentials(&estate.config);
    for secret in [external_id, keys.secret_access_key, keys.access_key_id] {
        assert!(!has(&all, &secret), "a secret is in a span");
    }
    // The lines of the run carry the run, not a call.
    let stored = log.lines().find(|line| line.contains("\"stored\"")).unwrap();
    assert!(stored.contains("\"span\":{") && stored.contains("\"name\":\"run\""), "{stored}");
}

#[test]
fn a_collector_that_is_dead_or_mute_costs_a_run_nothing() {
    let mute = Listener::start();
    mute.mute();
    for endpoint in [format!("http://127.0.0.1:{}", free_port()), mute.url()] {
        let estate = estate(one_account());
        let port = free_port();
        configure(&estate, "a", port, "");
        let service = Service::start_with(&estate, "a", port, |command| {
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint);
        });
        service.until_metric("evidenced_runs_total{result=\"complete\"}", 1.0);
        let begun = std::time::Instant::now();
        service.stop();
        assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    }
    // Somewhere else than on this machine, spans travel by HTTPS.
    let estate = estate(one_account());
    configure(&estate, "a", free_port(), "otlp_endpoint = \"http://collector.example.com:4318\"");
    let output = estate.command().args(["run", "-c", "a.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("service.otlp_endpoint"));
}
