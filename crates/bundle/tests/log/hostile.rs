//! Hostile statements, envelopes, proofs and signatures: one spelling, everything else refused.

use std::process::{Command, Stdio};

use evidenced_bundle::dsse;
use evidenced_bundle::key::KeyError;
use evidenced_bundle::proof::{LogProof, ProofError};
use evidenced_bundle::sigstore::{Envelope, SigstoreError};
use evidenced_bundle::sshsig::{Sha512Digest, SshSig, allowed_signers};
use evidenced_bundle::statement::{Statement, StatementError};
use evidenced_bundle::{Digest, UtcSecond};

use crate::common::{base64, bundles, changed, key, log_key, origin, text};

fn envelope(day: usize) -> String {
    text(&bundles()[day], "sigstore_json_without_token").to_owned()
}

fn verified(file: &[u8]) -> Result<Statement, SigstoreError> {
    Envelope::parse(file)?.verify(key(1).public())
}

/// The envelope of a payload that we sign ourselves: only its content is wrong.
fn signed(payload: &[u8]) -> Envelope {
    let signature = key(1).sign(&dsse::pae(dsse::PAYLOAD_TYPE, payload)).unwrap();
    Envelope { key_id: *key(1).public().id(), payload: payload.to_vec(), signature, tokens: Vec::new() }
}

#[test]
fn dsse_payload_flip() {
    let mut envelope = Envelope::parse(envelope(0).as_bytes()).unwrap();
    for position in 0..envelope.payload.len() {
        envelope.payload[position] ^= 1;
        let refused = envelope.verify(key(1).public()).unwrap_err();
        assert_eq!(refused, KeyError::BadSignature { id: *key(1).public().id() }.into());
        envelope.payload[position] ^= 1;
    }
    envelope.verify(key(1).public()).unwrap();
}

#[test]
fn dsse_type_changed() {
    let file = envelope(0).replace("application/vnd.in-toto+json", "application/vnd.in-toto+jsom");
    assert!(matches!(verified(file.as_bytes()), Err(SigstoreError::Malformed { .. })));
    // A signature over another type is not one over this type.
    let mut envelope = Envelope::parse(envelope(0).as_bytes()).unwrap();
    envelope.signature = key(1).sign(&dsse::pae("text/plain", &envelope.payload)).unwrap();
    assert!(matches!(envelope.verify(key(1).public()), Err(SigstoreError::Signature(_))));
}

#[test]
fn dsse_ambiguous_corpus() {
    let good = envelope(1);
    assert!(verified(good.as_bytes()).is_ok());
    let payload = good.split("\"payload\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let sig = good.split("\"sig\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let id = key(1).public().id().to_string();
    let one = format!("{{\"sig\":\"{sig}\",\"keyid\":\"{id}\"}}");
    for (what, forged) in [
        ("two payloads", good.replace("\"payload\":", "\"payload\":\"e30=\",\"payload\":")),
        ("two envelopes", good.replace("}]}}\n", "}]},\"dsseEnvelope\":{}}\n")),
        ("two media types", good.replace("{\"mediaType\":", "{\"mediaType\":\"x\",\"mediaType\":")),
        ("another media type", good.replace("v0.3+json", "v0.2+json")),
        ("an unknown member", good.replace("{\"mediaType\":", "{\"x\":1,\"mediaType\":")),
        ("an unknown member inside", good.replace("{\"payload\":", "{\"x\":1,\"payload\":")),
        ("no signature", good.replace(&one, "")),
        ("two signatures", good.replace(&one, &format!("{one},{one}"))),
        ("url-safe base64", good.replace(&sig, &sig.replace('+', "-").replace('/', "_"))),
        ("no padding", good.replace(&sig, sig.trim_end_matches('='))),
        ("free bits", good.replace("AQ==\"", "AR==\"")),
        ("a line break in base64", good.replace(&payload, &format!("{}\\n{}", &payload[..4], &payload[4..]))),
        ("an escaped letter", good.replace("\"sig\"", "\"si\\u0067\"")),
        ("a space", good.replace("\":", "\": ")),
        ("no final line feed", good.trim_end().to_owned()),
        ("two lines", format!("{good}\n")),
        ("another order", good.replace(&one, &format!("{{\"keyid\":\"{id}\",\"sig\":\"{sig}\"}}"))),
        ("a hint that is not the key id", good.replacen(&id, &id.replace('f', "e"), 1)),
        ("a capital in the key id", good.replace(&id, &id.to_uppercase())),
        ("a log entry", good.replace("\"tlogEntries\":[]", "\"tlogEntries\":[{}]")),
        ("null tokens", good.replace("\"rfc3161Timestamps\":[]", "\"rfc3161Timestamps\":null")),
        ("a byte order mark", format!("\u{feff}{good}")),
        ("too long", format!("{good}{}", " ".repeat(300_000))),
        ("deep", "[".repeat(100_000)),
        ("nothing", String::new()),
    ] {
        assert_ne!(forged, good, "{what}");
        assert!(matches!(verified(forged.as_bytes()), Err(SigstoreError::Malformed { .. })), "{what}");
    }
}

#[test]
fn keyid_swap() {
    let id = key(1).public().id().to_string();
    let swapped = envelope(0).replace(&id, &key(2).public().id().to_string());
    let swapped = Envelope::parse(swapped.as_bytes()).unwrap();
    assert!(matches!(swapped.verify(key(1).public()), Err(SigstoreError::OtherKey { .. })));
    assert!(matches!(swapped.verify(key(2).public()), Err(SigstoreError::Signature(_))));
    let hint = envelope(0).replacen(&id, &key(2).public().id().to_string(), 1);
    let detail = "the hint is not the key id".to_owned();
    assert_eq!(Envelope::parse(hint.as_bytes()), Err(SigstoreError::Malformed { detail }));
}

#[test]
fn swap_sidecars() {
    let days = bundles();
    for (day, vector) in days.iter().enumerate() {
        let statement = verified(envelope(day).as_bytes()).unwrap();
        for (other, zip) in days.iter().enumerate() {
            let name = format!("{}.zip", text(zip, "id"));
            let sha256 = Digest::of(&base64(text(zip, "zip_base64")));
            assert_eq!(statement.describes(&name, &sha256).is_ok(), day == other);
            let renamed = statement.describes(&format!("{}.zip", text(vector, "id")), &sha256);
            assert_eq!(renamed.is_ok(), day == other, "replayed under the name of another day");
            let proof = LogProof::parse(text(zip, "tlog_proof").as_bytes()).unwrap();
            let included = proof.verify(text(vector, "statement").as_bytes(), &[log_key()]);
            assert_eq!(included.is_ok(), day == other);
            assert!(day == other || matches!(included, Err(ProofError::NotIncluded { .. })));
        }
    }
}

#[test]
fn hostile_statements_are_refused_though_they_are_signed() {
    let good = text(&bundles()[1], "statement").to_owned();
    assert!(signed(good.as_bytes()).verify(key(1).public()).is_ok());
    let previous = format!("\"previous\":{{\"sha256\":\"{}\"}},", text(&bundles()[0], "statement_sha256"));
    for (what, forged) in [
        ("two slots", good.replace("\"slot\":", "\"slot\":\"2026-10-01T02:00:00Z\",\"slot\":")),
        ("an unknown member", good.replace("\"slot\":", "\"slog\":1,\"slot\":")),
        ("another type", good.replace("Statement/v1", "Statement/v2")),
        ("another predicate", good.replace("snapshot:v1", "snapshot:v2")),
        ("another collector", good.replace("evidenced:collector", "evidenced:other")),
        ("another slot", good.replace("\"slot\":\"2026-10-02", "\"slot\":\"2026-10-03")),
        ("another scope", good.replace("\"name\":\"demo\"", "\"name\":\"prod\"")),
        ("another trigger", good.replace("\"trigger\":\"schedule\"", "\"trigger\":\"manual\"")),
        ("no such status", good.replace("\"missed\"", "\"fine\"")),
        ("other subjects", good.replace("Z.zip\"", "Z.tar\"")),
        ("another folder", good.replace("Z/tagmanifest", "Z/../tagmanifest")),
        ("number 0 with a predecessor", good.replace("\"index\":1,", "\"index\":0,")),
        ("number 1 without one", good.replace(&previous, "")),
        ("null", good.replace(&previous, "\"previous\":null,")),
        ("a number with a fraction", good.replace("\"index\":1,", "\"index\":1.0,")),
        ("a number with a sign", good.replace("\"index\":1,", "\"index\":-1,")),
        ("a large number", good.replace("\"index\":1,", "\"index\":9007199254740992,")),
        ("a larger one", good.replace("\"index\":1,", "\"index\":18446744073709551616,")),
        ("time backwards", good.replace("02:00:12Z", "02:00:02Z")),
        ("a short schedule", good.replace("0 2 * * *", "0 2 * *")),
        ("words in the schedule", good.replace("0 2 * * *", "@ d a i ly")),
        ("an escape", good.replace("\"0.1.0\"", "\"0.1\\u002e0\"")),
        ("a control character", good.replace("\"0.1.0\"", "\"0.1.0\\n\"")),
        ("an origin with a space", good.replace("com/demo", "com demo")),
        ("spaces", good.replace(":{", ": {")),
        ("a line feed", format!("{good}\n")),
        ("a capital in a digest", good.replace("\"sha256\":\"12adaf", "\"sha256\":\"12ADAF")),
        ("three subjects", good.replace("}]}", "},{\"digest\":{\"sha256\":\"\"},\"name\":\"x\"}]}")),
        ("a list", format!("[{good}]")),
        ("deep", "[".repeat(2000)),
    ] {
        assert_ne!(forged, good, "{what}");
        let refused = signed(forged.as_bytes()).verify(key(1).public());
        assert!(matches!(refused, Err(SigstoreError::Statement(_))), "{what}: {refused:?}");
    }
    let long = good.replace("0.1.0", &"9".repeat(4000));
    assert!(matches!(Statement::parse(long.as_bytes()), Err(StatementError::TooLong { .. })));
}

#[test]
fn the_longest_statement_can_be_signed() {
    use evidenced_bundle::note::KeyName;
    let mut statement = Statement::parse(text(&bundles()[1], "statement").as_bytes()).unwrap();
    statement.origin = KeyName::new("o".repeat(200)).unwrap();
    statement.snapshot.version = "v".repeat(64);
    statement.snapshot.schedule = format!("{} * * * *", "0,".repeat(124));
    statement.snapshot.image_sha256 = Some(Digest::of(b""));
    (statement.index, statement.snapshot.accounts) = ((1 << 53) - 1, (1 << 53) - 1);
    assert!(dsse::message(&statement.render().unwrap()).unwrap().len() < 2048);
    statement.index += 1;
    assert!(matches!(statement.render(), Err(StatementError::Member { member: "log.index", .. })));
}

#[test]
fn every_changed_byte_and_every_cut_of_a_sidecar_is_refused() {
    let vector = &bundles()[1];
    let statement = text(vector, "statement").as_bytes();
    let sha512 = Sha512Digest::of(&base64(text(vector, "zip_base64")));
    for file in changed(envelope(1).as_bytes()) {
        assert!(verified(&file).is_err(), "{:?}", String::from_utf8_lossy(&file));
    }
    for file in changed(text(vector, "tlog_proof").as_bytes()) {
        let proof = LogProof::parse(&file);
        assert!(!proof.is_ok_and(|proof| proof.verify(statement, &[log_key()]).is_ok()));
    }
    for file in changed(text(vector, "sshsig").as_bytes()) {
        let signature = SshSig::parse(&file);
        assert!(!signature.is_ok_and(|signature| signature.verify(key(1).public(), &sha512).is_ok()));
    }
    // A changed statement may be another good one (a digit of a digest): it is then read as what it says.
    for bytes in changed(statement) {
        if let Ok(read) = Statement::parse(&bytes) {
            assert_eq!(read.render().unwrap(), bytes);
        }
    }
}

#[test]
fn hostile_proofs_are_refused() {
    let good = text(&bundles()[1], "tlog_proof").to_owned();
    let line = format!("{}\n", good.split('\n').nth(2).unwrap());
    for (what, forged) in [
        ("another header", good.replace("@v1", "@v2")),
        ("a leading zero", good.replace("index 1", "index 01")),
        ("a sign", good.replace("index 1", "index +1")),
        ("a negative index", good.replace("index 1", "index -1")),
        ("an overflow", good.replace("index 1", "index 18446744073709551616")),
        ("the size as index", good.replace("index 1", "index 2")),
        ("the largest index", good.replace("index 1", "index 18446744073709551615")),
        ("another index", good.replace("index 1", "index 0")),
        ("an extra line", good.replace("index 1\n", "extra AAAA\nindex 1\n")),
        ("no hash", good.replace(&line, "")),
        ("two hashes", good.replace(&line, &line.repeat(2))),
        ("65 hashes", good.replace(&line, &line.repeat(65))),
        ("100,000 hashes", good.replace(&line, &line.repeat(100_000))),
        ("a short hash", good.replace(&line, "AAAA\n")),
        ("no checkpoint", good.split("\n\n").next().unwrap().to_owned()),
        ("a carriage return", good.replace('\n', "\r\n")),
        ("text behind", format!("{good}x")),
    ] {
        assert_ne!(forged, good, "{what}");
        let proof = LogProof::parse(forged.as_bytes());
        let refused =
            proof.and_then(|proof| proof.verify(text(&bundles()[1], "statement").as_bytes(), &[log_key()]));
        assert!(refused.is_err(), "{what}");
    }
    assert!(LogProof::parse(&[0xff; 100]).is_err());
}

#[test]
fn log_key_signs_statement() {
    // A key of the wrong purpose is never picked: the envelope names it, the caller holds the evidence key.
    let payload = text(&bundles()[0], "statement").as_bytes().to_vec();
    let signature = key(2).sign(&dsse::message(&payload).unwrap()).unwrap();
    let forged = Envelope { key_id: *key(2).public().id(), payload, signature, tokens: Vec::new() };
    assert!(matches!(forged.verify(key(1).public()), Err(SigstoreError::OtherKey { .. })));
    let forged = Envelope { key_id: *key(1).public().id(), ..forged };
    assert!(matches!(forged.verify(key(1).public()), Err(SigstoreError::Signature(_))));
}

/// Needs `ssh-keygen` (Debian: openssh-client).
#[test]
fn ssh_keygen_verifies_the_sidecar_and_refuses_another_zip() {
    let folder = tempfile::tempdir().unwrap();
    let vector = &bundles()[0];
    let zip = base64(text(vector, "zip_base64"));
    std::fs::write(folder.path().join("zip.sshsig"), text(vector, "sshsig")).unwrap();
    let window = |from, to| (UtcSecond::parse(from), UtcSecond::parse(to));
    let verify = |zip: &[u8], (from, to): (Option<UtcSecond>, Option<UtcSecond>)| {
        let line = allowed_signers(&origin(), key(1).public(), from, to);
        std::fs::write(folder.path().join("allowed_signers"), format!("{line}\n")).unwrap();
        std::fs::write(folder.path().join("zip"), zip).unwrap();
        let arguments =
            "-Y verify -f allowed_signers -n evidenced -s zip.sshsig -O verify-time=20261001030000Z -I";
        let child = Command::new("ssh-keygen")
            .args(arguments.split(' '))
            .arg(origin().as_str())
            .current_dir(folder.path())
            .stdin(Stdio::from(std::fs::File::open(folder.path().join("zip")).unwrap()))
            .output()
            .unwrap();
        child.status.success()
    };
    assert!(verify(&zip, (None, None)));
    assert!(verify(&zip, window("2026-10-01T00:00:00Z", "2026-12-31T00:00:00Z")));
    assert!(!verify(&zip, window("2026-10-02T00:00:00Z", "2026-12-31T00:00:00Z")), "before the window");
    assert!(!verify(&zip[1..], (None, None)));
}
