//! Secrets planted in every redacted field and in tags: none in zip, spool or logs; tags are kept.

use std::io::Read as _;
use std::path::Path;

use simcloud::Config;

use crate::estate::{Estate, one_account};

const CANARY: &str = "cAnArY-5f2d9c";

/// Every file below a folder that holds the text.
fn holding(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holding(&path, found);
            continue;
        }
        let mut bytes = Vec::new();
        std::fs::File::open(&path).unwrap().read_to_end(&mut bytes).unwrap();
        if bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn planted_secrets_are_in_no_document_and_in_no_log_and_tags_are_kept() {
    let config = Config { canary: Some(CANARY.to_owned()), ..one_account() };
    // Bodies are kept, which is when a secret would come in by the back door.
    let estate = Estate::new(config, "raw = true\nredact_headers = [\"x-origin-secret\"]");
    let output = estate
        .command()
        .env("EVIDENCED_LOG", "trace")
        .args(["collect", "--output", "json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.len() > 10_000, "the log is on");
    assert!(!stderr.contains(CANARY) && !String::from_utf8_lossy(&output.stdout).contains(CANARY));
    let mut outside = Vec::new();
    holding(estate.folder.path(), &mut outside);
    assert_eq!(outside, Vec::<String>::new(), "the zip is compressed; nothing else may hold it in clear");

    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut bundle = estate.open(&estate.path(summary["bundle"].as_str().unwrap()));
    let manifest = String::from_utf8(bundle.manifest().print()).unwrap();
    let (mut redacted, mut tags, mut raw) = (0, 0, 0);
    for line in manifest.lines() {
        let path = &line[66..];
        let bytes = bundle.read(&evidenced_bundle::BundlePath::new(path).unwrap()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        if path.starts_with("data/raw/") {
            raw += 1;
            for secret in ["PreSharedKey", "CustomerGatewayConfiguration", "ClientSecret"] {
                assert!(!text.contains(secret), "{path} is the body of a call with a redaction");
            }
            continue;
        }
        if !path.starts_with("data/evidence/") {
            assert!(!text.contains(CANARY), "{path}");
            continue;
        }
        let document: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        for call in document["calls"].as_array().unwrap() {
            for pointer in call["redacted"].as_array().into_iter().flatten() {
                assert_eq!(call["output"].pointer(pointer.as_str().unwrap()).unwrap(), "<removed>");
                redacted += 1;
            }
            tags += only_in_tags(&call["output"], path);
        }
    }
    assert!(redacted >= 5 && tags > 0 && raw > 0, "{redacted} redacted, {tags} tags, {raw} bodies");
}

/// The canary may stand in the value of a tag and nowhere else.
fn only_in_tags(value: &serde_json::Value, path: &str) -> usize {
    use serde_json::Value;
    match value {
        Value::Object(members)
            if members.len() == 2 && members.contains_key("Key") && members.contains_key("Value") =>
        {
            usize::from(members["Value"].as_str().is_some_and(|it| it.contains(CANARY)))
        }
        Value::Object(members) => members.values().map(|it| only_in_tags(it, path)).sum(),
        Value::Array(entries) => entries.iter().map(|it| only_in_tags(it, path)).sum(),
        Value::String(text) => {
            assert!(!text.contains(CANARY), "{path}: {text}");
            0
        }
        _ => 0,
    }
}
