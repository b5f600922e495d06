//! Keys that do not count: unknown, of another purpose, outside their window, revoked.

use evidenced_bundle::trust::{Purpose, Revocation};
use evidenced_bundle::{Anchor, Check, Demand};

use crate::scene::{
    Bundle, EVIDENCE, HOLDER, LOG, ROOT, THIEF, UNDATED, attested, before_last, entry, envelope, id, key,
    last, later, payload, refusal, refusal_under, root, seal, slot, token, verify,
};
use crate::tsa::ONE;

/// The evidence key revoked as of so many seconds after the slot of the last day.
fn revoked(seconds: i64) -> Anchor {
    root(|document| {
        let at = later(slot(2), seconds);
        document.keys[0].revoked = Some(Revocation { at, reason: "stolen".to_owned() });
    })
}

fn dated(seconds: i64) -> Bundle {
    let mut bundle = last();
    bundle.sidecars.tsr = Some(token(&ONE, &bundle.zip, later(slot(2), seconds)));
    bundle
}

#[test]
fn revoked_key_late_token() {
    // Dated at 42 seconds: at the instant of the revocation and after it.
    for at in [42, 41, -10_000] {
        assert_eq!(refusal_under(&last(), &revoked(at)), Check::Tokens, "revoked at {at}");
    }
}

#[test]
fn revoked_key_early_token_ok() {
    verify(&last(), &revoked(43), Demand::default()).unwrap();
}

#[test]
fn revoked_key_without_a_token() {
    // The claim of the statement is worth nothing when the key is in other hands, whatever is accepted.
    let mut undated = last();
    undated.sidecars.tsr = None;
    for at in [13, 100_000] {
        let result = verify(&undated, &revoked(at), UNDATED());
        let text = result.unwrap_err().to_string();
        assert!(text.starts_with("step 4 (tokens): "), "{text}");
        assert!(text.contains("no timestamp dates the signature before that"), "{text}");
    }
    verify(&undated, &ROOT, UNDATED()).unwrap();
}

#[test]
fn the_earliest_token_counts() {
    // The zip was dated late; the signature over the statement about it, which names it, before the revocation.
    let mut both = dated(50_000);
    let envelope = envelope(&both.statement.render().unwrap(), &key(EVIDENCE), Vec::new());
    let early = token(&ONE, &envelope.signature, later(slot(2), 20));
    let with = evidenced_bundle::sigstore::Envelope { tokens: vec![early], ..envelope };
    assert_eq!(refusal_under(&both, &revoked(1000)), Check::Tokens);
    both.sidecars.sigstore = Some(with.render().into_bytes());
    let verified = verify(&both, &revoked(1000), Demand::default()).unwrap();
    let attested = verified.attested.unwrap();
    assert_eq!((attested.tokens.len(), attested.dated), (2, Some(later(slot(2), 20))));
}

#[test]
fn key_window_is_held_by_claim_and_by_token() {
    // Collecting ended at 12 seconds, the token is of 42.
    let window = |from: i64, until: i64| {
        root(|document| {
            document.keys[0].valid_from = later(slot(2), from);
            document.keys[0].valid_until = Some(later(slot(2), until));
        })
    };
    verify(&last(), &window(12, 43), Demand::default()).unwrap();
    assert_eq!(refusal_under(&last(), &window(13, 43)), Check::StatementSignature);
    assert_eq!(refusal_under(&last(), &window(-100, 12)), Check::StatementSignature);
    assert_eq!(refusal_under(&last(), &window(12, 42)), Check::Tokens);
}

#[test]
fn keyid_swap() {
    let leaf = last().statement.render().unwrap();
    let with = |signer: u8, named: u8| {
        let mut envelope = envelope(&leaf, &key(signer), Vec::new());
        envelope.key_id = *key(named).public().id();
        let mut bundle = last();
        bundle.sidecars.sigstore = Some(envelope.render().into_bytes());
        bundle
    };
    for (signer, named) in
        [(THIEF, EVIDENCE), (EVIDENCE, THIEF), (THIEF, THIEF), (EVIDENCE, LOG), (HOLDER, HOLDER)]
    {
        assert_eq!(refusal(&with(signer, named)), Check::StatementSignature, "{signer} as {named}");
    }
    verify(&with(EVIDENCE, EVIDENCE), &ROOT, Demand::default()).unwrap();
}

#[test]
fn log_key_signs_statement() {
    let (snapshot, zip) = seal(&id(2), &payload(&id(2)), &key(LOG));
    let bundle = attested(snapshot, zip, &before_last(), &key(LOG));
    assert_eq!(refusal(&bundle), Check::StatementSignature);
    let error = verify(&bundle, &ROOT, Demand::default()).unwrap_err().to_string();
    assert!(error.contains("is a log key"), "{error}");
}

#[test]
fn key_of_the_zip_has_to_count_as_well() {
    // The statement is signed anew by today's key, the zip by one that was revoked before.
    let both = |at: i64| {
        root(|document| {
            let mut old = entry(THIEF, Purpose::Evidence, "evidence-old.pub.pem");
            old.revoked = Some(Revocation { at: later(slot(2), at), reason: "stolen".to_owned() });
            document.keys.push(old);
        })
    };
    let (snapshot, zip) = seal(&id(2), &payload(&id(2)), &key(THIEF));
    let bundle = attested(snapshot, zip, &before_last(), &key(EVIDENCE));
    assert_eq!(refusal_under(&bundle, &both(42)), Check::Signature);
    verify(&bundle, &both(43), Demand::default()).unwrap();
    assert_eq!(refusal(&bundle), Check::Signature);
    // And the SSH signature.
    let mut ssh = last();
    ssh.sidecars.sshsig =
        attested(last().statement.snapshot, last().zip, &before_last(), &key(THIEF)).sidecars.sshsig;
    assert_eq!(refusal_under(&ssh, &both(42)), Check::SshSignature);
    verify(&ssh, &both(43), Demand::default()).unwrap();
}
