//! Timestamps: late, early, over something else, of somebody else.

use evidenced_bundle::attest::Timeliness;
use evidenced_bundle::timestamp::RESPONSE_BYTES;
use evidenced_bundle::{Check, Demand};

use crate::scene::{
    Bundle, EVIDENCE, ROOT, UNDATED, envelope, key, last, later, missing, refusal, refusal_under, root, slot,
    token, verify,
};
use crate::tsa::{AS_TSA, ONE, OTHER, info};

fn with_tsr(tsr: Vec<u8>) -> Bundle {
    let mut bundle = last();
    bundle.sidecars.tsr = Some(tsr);
    bundle
}

/// With a token over the signature of the statement, which is that of these bytes.
fn with_token(of: impl FnOnce(&[u8; 64]) -> Vec<u8>) -> Bundle {
    let mut bundle = last();
    let mut envelope = envelope(&bundle.statement.render().unwrap(), &key(EVIDENCE), Vec::new());
    envelope.tokens = vec![of(&envelope.signature)];
    bundle.sidecars.sigstore = Some(envelope.render().into_bytes());
    bundle
}

#[test]
fn a_day_that_is_made_up_later_is_late() {
    // From five minutes before the end of collecting (12 seconds after the slot) to 24 hours after it.
    for (seconds, expected) in [
        (12 - 301, Timeliness::Early),
        (12 - 300, Timeliness::InTime),
        (12 + 86_400, Timeliness::InTime),
        (12 + 86_401, Timeliness::Late),
        (30 * 86_400, Timeliness::Late),
    ] {
        let at = later(slot(2), seconds);
        let verified = verify(&with_tsr(token(&ONE, &last().zip, at)), &ROOT, Demand::default());
        let attested = verified.unwrap().attested.unwrap();
        assert_eq!(attested.timeliness, expected, "{seconds}");
        assert_eq!(attested.exceptions().is_empty(), expected == Timeliness::InTime);
        assert!(attested.exceptions().iter().all(|line| line.contains(&at.to_string())), "names the date");
    }
}

#[test]
fn undated_is_an_exception_only_when_that_is_accepted() {
    let mut undated = last();
    undated.sidecars.tsr = None;
    assert_eq!(missing(verify(&undated, &ROOT, Demand::default())), Check::Tokens);
    let attested = verify(&undated, &ROOT, UNDATED()).unwrap().attested.unwrap();
    assert_eq!((attested.timeliness, attested.dated), (Timeliness::Undated, None));
    assert_eq!(attested.exceptions(), ["undated: no timestamp says when it was signed"]);
    // It is the date that may be missing, and nothing else.
    undated.sidecars.proof = None;
    assert_eq!(missing(verify(&undated, &ROOT, UNDATED())), Check::LogProof);
    // A token that is there has to be good, whatever may be missing.
    let forged = with_tsr(token(&OTHER, &last().zip, slot(2)));
    assert!(verify(&forged, &ROOT, UNDATED()).is_err());
}

#[test]
fn where_no_authority_is_pinned_undated_is_an_exception() {
    let nobody = root(|document| document.authorities.clear());
    let mut undated = last();
    undated.sidecars.tsr = None;
    let attested = verify(&undated, &nobody, Demand::default()).unwrap().attested.unwrap();
    assert_eq!((attested.timeliness, attested.exceptions().len()), (Timeliness::Undated, 1));
}

#[test]
fn a_token_over_the_statement_is_a_date_too() {
    let mut bundle = with_token(|signature| token(&ONE, signature, later(slot(2), 99)));
    bundle.sidecars.tsr = None;
    let attested = verify(&bundle, &ROOT, Demand::default()).unwrap().attested.unwrap();
    assert_eq!(attested.dated, Some(later(slot(2), 99)));
}

#[test]
fn tsa_corpus_beside_a_bundle() {
    let at = later(slot(2), 30);
    let zip = last().zip;
    let over = |leaf: &str| ONE.forge(&info(&token(&ONE, &zip, at)), leaf, AS_TSA);
    let good = token(&ONE, &zip, at);
    let mut corpus = vec![
        ("over another zip", token(&ONE, b"another zip", at)),
        ("over the zip of another day", crate::scene::DAYS[1].sidecars.tsr.clone().unwrap()),
        ("of another authority", token(&OTHER, &zip, at)),
        ("years after the certificate", token(&ONE, &zip, later(slot(2), 3 * 365 * 86_400))),
        ("before the certificate", token(&ONE, &zip, later(slot(2), -30 * 86_400))),
        ("cut", good[..good.len() - 1].to_vec()),
        ("with a byte behind it", [&good[..], &[0]].concat()),
        ("empty", Vec::new()),
        ("too long", vec![0x30; RESPONSE_BYTES + 1]),
    ];
    for leaf in ["without", "lenient", "double", "encipher"] {
        corpus.push((leaf, over(leaf)));
    }
    for (what, tsr) in corpus {
        assert_eq!(refusal(&with_tsr(tsr)), Check::Tokens, "{what}");
    }
    for (what, bundle) in [
        ("over the zip instead of the signature", with_token(|_| token(&ONE, &zip, at))),
        ("of another authority", with_token(|signature| token(&OTHER, signature, at))),
        ("no token", with_token(|_| b"no token".to_vec())),
    ] {
        assert_eq!(refusal(&bundle), Check::Tokens, "{what}");
    }
}

#[test]
fn a_token_of_an_authority_that_is_not_pinned_then_is_refused() {
    let nobody = root(|document| document.authorities.clear());
    assert_eq!(refusal_under(&last(), &nobody), Check::Tokens);
    let later_on = root(|document| document.authorities[0].valid_from = later(slot(2), 43));
    assert_eq!(refusal_under(&last(), &later_on), Check::Tokens);
}
