//! Every byte of a small bundle and of each file beside it, to two other values, and every length of each.

use evidenced_bundle::timestamp::Token;
use evidenced_bundle::{Check, Demand, Sidecars, VerifyError};

use crate::scene::{Bundle, EVIDENCE, ROOT, UNDATED, envelope, key, last, later, slot, token, verify};
use crate::tsa::ONE;

/// `bytes` with one byte changed, at every position and to two values, and cut at every length.
fn changed(bytes: &[u8]) -> impl Iterator<Item = (Option<usize>, Vec<u8>)> {
    let flipped = (0..bytes.len()).flat_map(move |position| {
        [0x01, 0x20].map(|bit| {
            let mut other = bytes.to_vec();
            other[position] ^= bit;
            (Some(position), other)
        })
    });
    flipped.chain((0..bytes.len()).map(move |length| (None, bytes[..length].to_vec())))
}

fn check(bundle: &Bundle, demand: Demand) -> Check {
    match verify(bundle, &ROOT, demand) {
        Err(VerifyError::Refused { check, .. }) => check,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn zip_mutate_every_byte() {
    // Without a date, so that what takes time is left out: the digest of the zip comes before anything parses it.
    let mut bundle = last();
    bundle.sidecars.tsr = None;
    verify(&bundle, &ROOT, UNDATED()).unwrap();
    let mut tried = 0;
    for (position, zip) in changed(&last().zip) {
        bundle.zip = zip;
        assert_eq!(check(&bundle, UNDATED()), Check::ZipDigest, "byte {position:?}");
        tried += 1;
    }
    println!("{tried} changed or cut zips of {} bytes refused by {}", last().zip.len(), Check::ZipDigest);
}

/// Every change of one sidecar, by the checks that refuse it.
fn sidecar(suffix: &str, allowed: &[Check], file: impl Fn(&mut Sidecars) -> &mut Option<Vec<u8>>) {
    let mut bundle = last();
    bundle.sidecars.tsr = None;
    let good = file(&mut bundle.sidecars).clone().unwrap();
    let mut tried = 0;
    for (position, bytes) in changed(&good) {
        *file(&mut bundle.sidecars) = Some(bytes);
        let check = check(&bundle, UNDATED());
        assert!(allowed.contains(&check), "{suffix}, byte {position:?}: {check}");
        tried += 1;
    }
    println!("{tried} changed or cut {suffix} of {} bytes refused", good.len());
}

#[test]
fn every_changed_byte_of_the_statement_is_refused() {
    sidecar(".sigstore.json", &[Check::StatementForm, Check::StatementSignature], |sidecars| {
        &mut sidecars.sigstore
    });
}

#[test]
fn every_changed_byte_of_the_proof_is_refused() {
    let allowed = [Check::LogProof, Check::Checkpoint, Check::Inclusion];
    sidecar(".tlog-proof", &allowed, |sidecars| &mut sidecars.proof);
}

#[test]
fn every_changed_byte_of_the_ssh_signature_is_refused() {
    sidecar(".sshsig", &[Check::SshSignature], |sidecars| &mut sidecars.sshsig);
}

fn tokens(bundle: &Bundle) -> Result<Vec<Token>, VerifyError> {
    let attested = verify(bundle, &ROOT, Demand::default())?.attested.unwrap();
    Ok(attested.tokens.into_iter().map(|(_, token)| token).collect())
}

/// Where `part` stands in `whole`.
fn span(whole: &[u8], part: &[u8]) -> std::ops::Range<usize> {
    let at = whole.windows(part.len()).position(|window| window == part).unwrap();
    at..at + part.len()
}

fn der(pem: &str) -> Vec<u8> {
    use base64::Engine as _;
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    base64::engine::general_purpose::STANDARD.decode(body).unwrap()
}

/// Decision 23: a changed byte of a token is refused, or time, imprint and signer are what they were. What is free is
/// counted by its place in the DER.
#[test]
fn every_changed_byte_of_a_token_is_refused_or_changes_nothing_that_counts() {
    let good = ONE.date(&last().zip);
    let at = {
        let pinned = ONE.pinned();
        let imprint = evidenced_bundle::Digest::of(&last().zip);
        evidenced_bundle::timestamp::verify(&good, &imprint, None, &pinned).unwrap().time()
    };
    // The answer of the authority as it comes, with its chain: dated now, so before the day.
    let mut bundle = last();
    bundle.sidecars.tsr = Some(good.clone());
    let before = crate::scene::root(|document| document.authorities[0].valid_from = later(at, 0));
    let judge = |bundle: &Bundle| -> Result<Vec<Token>, VerifyError> {
        let attested = verify(bundle, &before, Demand::default())?.attested.unwrap();
        Ok(attested.tokens.into_iter().map(|(_, token)| token).collect())
    };
    let expected = judge(&bundle);
    let expected = expected.unwrap();
    let root = span(&good, &der(&ONE.root()));
    let (mut tried, mut in_root, mut elsewhere) = (0, 0, Vec::new());
    for (position, tsr) in changed(&good) {
        tried += 1;
        bundle.sidecars.tsr = Some(tsr);
        match (judge(&bundle), position) {
            (Err(VerifyError::Refused { check, .. }), _) => {
                assert_eq!(check, Check::Tokens, "byte {position:?}");
            }
            (Ok(found), Some(position)) => {
                assert_eq!(found, expected, "byte {position}");
                if root.contains(&position) { in_root += 1 } else { elsewhere.push(position) }
            }
            other => panic!("{position:?}: {other:?}"),
        }
    }
    println!(
        "{tried} changed or cut tokens of {} bytes: {in_root} free in the root certificate that comes with it and is \
         not looked at ({root:?}), {} free elsewhere: {elsewhere:?}",
        good.len(),
        elsewhere.len()
    );
    // The status (granted, or granted with modifications) and the version numbers of the envelope.
    elsewhere.dedup();
    assert!(elsewhere.len() <= 3, "{elsewhere:?}");
}

#[test]
fn a_changed_byte_of_a_token_in_the_statement_is_refused_or_changes_nothing_that_counts() {
    let mut bundle = last();
    let mut envelope = envelope(&bundle.statement.render().unwrap(), &key(EVIDENCE), Vec::new());
    envelope.tokens = vec![token(&ONE, &envelope.signature, later(slot(2), 40))];
    let file = envelope.render().into_bytes();
    bundle.sidecars.tsr = None;
    bundle.sidecars.sigstore = Some(file.clone());
    let expected = tokens(&bundle).unwrap();
    let start = span(&file, b"\"signedTimestamp\":\"");
    let end = span(&file, b"\"}]}},\"dsseEnvelope\"");
    let (mut tried, mut free) = (0, 0);
    for (position, sigstore) in changed(&file) {
        tried += 1;
        bundle.sidecars.sigstore = Some(sigstore);
        match (tokens(&bundle), position) {
            (Err(VerifyError::Refused { check, .. }), _) => assert!(
                matches!(check, Check::StatementForm | Check::StatementSignature | Check::Tokens),
                "byte {position:?}: {check}"
            ),
            (Ok(found), Some(position)) => {
                assert!((start.end..end.start).contains(&position), "byte {position} is none of the token");
                assert_eq!(found, expected, "byte {position}");
                free += 1;
            }
            other => panic!("{position:?}: {other:?}"),
        }
    }
    println!(
        "{tried} changed or cut statements with a token, {} bytes: {free} free, all in the token",
        file.len()
    );
    assert!(free * 10 < tried, "{free} of {tried}");
}
