//! Timestamps as users meet them: authorities that are dead, that come back, that are in the trust root.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::authority::{Authority, Habit, P256, RSA, dead_url, openssl};
use crate::estate::{Estate, PROGRAM};
use crate::publish::{bundle, collected, due, verify, with_log};

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
