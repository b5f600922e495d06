//! Timestamps as users meet them: authorities that are dead, that come back, that are in the trust root.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::authority::{Authority, Habit, P256, RSA, dead_url, openssl};
use crate::estate::{Estate, PROGRAM};
use crate::publish::{bundle, collect, collected, due, verify, with_log};

/// Puts the authority's root into the trust root of an estate, as its holder does.
pub(crate) fn pin(estate: &Estate, authority: &Authority) {
    let (trust, root) = (estate.path("store/trust"), authority.root());
    let run = |arguments: &[&std::path::Path]| {
        let output = Command::new(PROGRAM).arg("trust").args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(&["rotate".as_ref(), "--dir".as_ref(), &trust, "--tsa".as_ref(), &root]);
    let key = estate.path("offline/root.key.pem");
    run(&["sign".as_ref(), "--dir".as_ref(), &trust, "--key".as_ref(), &key]);
}

fn tokens(estate: &Estate) -> usize {
    fs::read_dir(estate.path("spool/tokens")).unwrap().count()
}

#[test]
fn a_bundle_is_dated_by_the_authority_of_the_trust_root() {
    let (estate, authority) = (with_log(), Authority::start(P256));
    pin(&estate, &authority);
    estate.configure_log(&format!("timestamp_urls = [\"{}\", \"{}\"]", dead_url(), authority.url()));
    let summary = collected(&estate, due());
    assert!(summary["date"]["authority"].as_str().unwrap().contains("example-timestamps"), "{summary}");
    // Once for the zip, once for the signature over its statement.
    assert_eq!((authority.asked(), tokens(&estate)), (2, 0));
    let zip = bundle(&estate, due());
    let (code, said) = verify(&estate, &zip, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("signed, dated, logged"), "{said}");
    let (token, root) = (format!("{}.tsr", zip.display()), authority.root());
    let line =
        ["ts", "-verify", "-data", zip.to_str().unwrap(), "-in", &token, "-CAfile", root.to_str().unwrap()];
    openssl(estate.folder.path(), &line);
}

#[test]
fn a_token_that_nobody_gives_waits_and_is_fetched_at_a_later_start() {
    let (estate, authority) = (with_log(), Authority::start(RSA));
    pin(&estate, &authority);
    authority.behave(Habit::Garbage);
    estate.configure_log(&format!("timestamp_urls = [\"{}\", \"{}\"]", dead_url(), authority.url()));
    // The run itself is as good as before; everything says that it is not dated.
    let summary = collected(&estate, due() - 86_400);
    assert_eq!((&summary["date"], tokens(&estate)), (&Value::from("waits"), 1));
    let token = format!("{}.tsr", bundle(&estate, due() - 86_400).display());
    assert!(!std::path::Path::new(&token).exists());
    authority.behave(Habit::Good);
    let summary = collected(&estate, due());
    assert_eq!(summary["dated"].as_array().unwrap().len(), 1, "{summary}");
    assert_eq!(tokens(&estate), 0);
    for day in [0, 1] {
        let (code, said) = verify(&estate, &bundle(&estate, due() - day * 86_400), &[]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("dated"), "{said}");
    }
}

/// The trust root where it is read while the store is away, and a configuration that names it.
fn apart(estate: &Estate, signing: &str) {
    fs::create_dir_all(estate.path("trust")).unwrap();
    for file in fs::read_dir(estate.path("store/trust")).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), estate.path("trust").join(file.file_name())).unwrap();
    }
    let signing = format!("log_key = \"file:keys/log.key.pem\"\ntrust_root = \"trust\"\n{signing}\n");
    estate.write_configuration("test", &signing, "items = [\"vpc.vpcs\"]");
}

fn store_goes_away(estate: &Estate) {
    fs::rename(estate.path("store"), estate.path("away")).unwrap();
    fs::write(estate.path("store"), "no folder").unwrap();
}

fn store_comes_back(estate: &Estate) {
    fs::remove_file(estate.path("store")).unwrap();
    fs::rename(estate.path("away"), estate.path("store")).unwrap();
}

#[test]
fn a_bundle_is_dated_when_it_is_sealed_also_while_the_store_is_away() {
    let (estate, authority) = (with_log(), Authority::start(P256));
    pin(&estate, &authority);
    apart(&estate, &format!("timestamp_urls = [\"{}\"]", authority.url()));
    collected(&estate, due() - 86_400);
    store_goes_away(&estate);
    assert_eq!(collect(&estate, due()).status.code(), Some(1));
    let name = bundle(&estate, due()).file_name().unwrap().to_str().unwrap().to_owned();
    let kept = fs::read(estate.path(&format!("spool/tokens/{name}.tsr"))).unwrap();
    store_comes_back(&estate);
    let extra = estate.command().arg("collect").output().unwrap();
    assert_eq!(extra.status.code(), Some(0), "{}", String::from_utf8_lossy(&extra.stderr));
    let token = format!("{}.tsr", bundle(&estate, due()).display());
    assert_eq!(fs::read(token).unwrap(), kept);
}

#[test]
fn the_wish_for_a_token_that_was_lost_with_the_disk_is_made_again() {
    let (estate, authority) = (with_log(), Authority::start(P256));
    pin(&estate, &authority);
    estate.configure_log(&format!("timestamp_urls = [\"{}\"]", authority.url()));
    collected(&estate, due());
    // As after a kill between the last sidecar and the token, on a disk that is gone.
    let token = format!("{}.tsr", bundle(&estate, due()).display());
    fs::remove_file(&token).unwrap();
    fs::remove_dir_all(estate.path("spool")).unwrap();
    let extra = estate.command().arg("collect").output().unwrap();
    assert_eq!(extra.status.code(), Some(0), "{}", String::from_utf8_lossy(&extra.stderr));
    assert!(std::path::Path::new(&token).exists());
    assert_eq!(tokens(&estate), 0);
    let (code, said) = verify(&estate, &bundle(&estate, due()), &[]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn what_waits_for_the_store_is_not_stated_by_a_key_that_did_not_count_then() {
    let estate = with_log();
    apart(&estate, "");
    collected(&estate, due() - 86_400);
    store_goes_away(&estate);
    assert_eq!(collect(&estate, due()).status.code(), Some(1));
    store_comes_back(&estate);
    // A key that counts from the next century on.
    let run = |arguments: &[&str]| {
        let output = estate.command().args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(&["init", "--dir", "next", "--scope", "test", "--organisation", "Example Ltd"]);
    let next = ["--evidence", "next/keys/evidence.pub.pem", "--from", "2100-01-01T00:00:00Z"];
    run(&[&["trust", "rotate", "--dir", "trust"][..], &next].concat());
    run(&["trust", "sign", "--dir", "trust", "--key", "offline/root.key.pem"]);
    let before = fs::read_to_string(estate.path("evidenced.toml")).unwrap();
    let after = before.replace("file:keys/evidence.key.pem", "file:next/keys/evidence.key.pem");
    fs::write(estate.path("evidenced.toml"), after).unwrap();
    let refused = estate.command().arg("collect").output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(
        said.contains("does not count at the time of this bundle") && said.contains("key before"),
        "{said}"
    );
    assert!(!bundle(&estate, due()).exists());
    // With the key of its time it goes, and is genuine.
    fs::write(estate.path("evidenced.toml"), before).unwrap();
    let extra = estate.command().arg("collect").output().unwrap();
    assert_eq!(extra.status.code(), Some(0), "{}", String::from_utf8_lossy(&extra.stderr));
    let (code, said) = verify(&estate, &bundle(&estate, due()), &["--undated"]);
    assert_eq!(code, Some(4), "{said}");
}
