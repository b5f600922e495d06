//! Tokens of `openssl ts` are read as what they are.

use std::fs;

use evidenced_bundle::timestamp::{Authorities, AuthorityError, Nonce, TimestampError, request, verify};
use evidenced_bundle::{Digest, UtcSecond};

use crate::tsa::{KINDS, ONE, OTHER, Tsa, nonce, openssl};

const DATA: &[u8] = b"what is dated";

fn judge(answer: &[u8], authorities: &Authorities) -> Result<UtcSecond, TimestampError> {
    verify(answer, &Digest::of(DATA), Some(&nonce()), authorities).map(|token| token.time())
}

#[test]
fn tsa_tokens_of_every_key_kind_are_accepted() {
    for kind in &KINDS {
        let tsa = Tsa::new(kind);
        let token = verify(&tsa.date(DATA), &Digest::of(DATA), Some(&nonce()), &tsa.pinned()).unwrap();
        assert_eq!(token.authority(), "CN=good timestamps,O=Example");
        assert_eq!((token.serial(), token.policy()), ("0b", "1.2.3.4.1"));
        assert_eq!(token.imprint(), &Digest::of(DATA));
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        assert!(now.abs_diff(token.time().unix().unsigned_abs()) < 300, "{token:?}");
    }
}

#[test]
fn tsa_answers_that_openssl_accepts_are_those_that_we_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("data"), DATA).unwrap();
    fs::write(dir.path().join("tsr"), ONE.date(DATA)).unwrap();
    fs::write(dir.path().join("tsq"), request(&Digest::of(DATA), &nonce()).unwrap()).unwrap();
    fs::write(dir.path().join("root.pem"), ONE.root()).unwrap();
    openssl(dir.path(), &["ts", "-verify", "-queryfile", "tsq", "-in", "tsr", "-CAfile", "root.pem"]);
    openssl(dir.path(), &["ts", "-verify", "-data", "data", "-in", "tsr", "-CAfile", "root.pem"]);
}

#[test]
fn tsa_request_is_that_of_openssl() {
    let dir = tempfile::tempdir().unwrap();
    let digest = Digest::of(DATA).to_string();
    openssl(
        dir.path(),
        &["ts", "-query", "-sha256", "-digest", &digest, "-cert", "-no_nonce", "-out", "tsq"],
    );
    let theirs = fs::read(dir.path().join("tsq")).unwrap();
    let ours = request(&Digest::of(DATA), &Nonce::new([0; 8])).unwrap();
    // The same but for the nonce, which stands before the three bytes of certReq.
    let nonce = [2, 8, 0x40, 0, 0, 0, 0, 0, 0, 0];
    let (head, tail) = theirs[2..].split_at(theirs.len() - 5);
    assert_eq!(ours[2..], [head, &nonce, tail].concat());
}

#[test]
fn tsa_token_without_certificates_is_read_with_pinned_ones() {
    let mut asked = request(&Digest::of(DATA), &nonce()).unwrap();
    // Without certReq: its three bytes are the last ones.
    asked.truncate(asked.len() - 3);
    asked[1] -= 3;
    let answer = ONE.answer(&asked);
    assert!(matches!(judge(&answer, &ONE.pinned()), Err(TimestampError::SignerCertificate { found: 0 })));
    let mut authorities = Authorities::new();
    authorities
        .add(&format!("{}{}", ONE.leaf("good"), ONE.root()), UtcSecond::from_unix(0).unwrap())
        .unwrap();
    judge(&answer, &authorities).unwrap();
}

#[test]
fn tsa_token_that_names_its_certificate_by_sha_1_is_accepted() {
    judge(&ONE.date_by_sha_1(DATA), &ONE.pinned()).unwrap();
}

#[test]
fn tsa_root_counts_from_its_instant_on() {
    let answer = ONE.date(DATA);
    let time = judge(&answer, &ONE.pinned()).unwrap();
    for (from, accepted) in [(time.unix(), true), (time.unix() + 1, false)] {
        let mut authorities = Authorities::new();
        authorities.add(&ONE.root(), UtcSecond::from_unix(from).unwrap()).unwrap();
        assert_eq!(judge(&answer, &authorities).is_ok(), accepted);
    }
}

#[test]
fn tsa_one_of_several_roots_is_enough() {
    let mut authorities = OTHER.pinned();
    authorities.add(&ONE.root(), UtcSecond::from_unix(0).unwrap()).unwrap();
    judge(&ONE.date(DATA), &authorities).unwrap();
}

#[test]
fn tsa_file_without_a_root_is_no_authority() {
    let mut authorities = Authorities::new();
    let from = UtcSecond::from_unix(0).unwrap();
    assert_eq!(authorities.add(&ONE.leaf("good"), from), Err(AuthorityError::NoRoot));
    for text in ["", "no PEM", &ONE.root()[1..], &format!("{}x", ONE.root())] {
        assert_eq!(authorities.add(text, from), Err(AuthorityError::Malformed), "{text}");
    }
    assert!(authorities.is_empty());
}
