//! Trust roots: chains of versions that count, and chains that do not.

use std::collections::BTreeMap;
use std::fs;
use std::sync::LazyLock;

use evidenced_bundle::note::KeyName;
use evidenced_bundle::trust::{
    Dated, Document, Envelope, Holder, KeyEntry, KeyRefusal, Purpose, Recomputed, Revocation, TrustError,
    TrustRoot, TsaEntry, derive, file_name,
};
use evidenced_bundle::{Digest, EvidenceKey, UtcSecond};
use serde_json::Value;

use crate::tsa::{ONE, openssl};

type Files = BTreeMap<String, Vec<u8>>;
type Change<'a> = &'a dyn Fn(&mut Document, &mut Files);

/// Keys made by OpenSSL: four holders, then an evidence key, a log key and a later evidence key.
pub(crate) static KEYS: LazyLock<Vec<EvidenceKey>> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let key = |_| {
        openssl(dir.path(), &["genpkey", "-algorithm", "ED25519", "-out", "key"]);
        EvidenceKey::from_pem(&fs::read_to_string(dir.path().join("key")).unwrap()).unwrap()
    };
    (0..7).map(key).collect()
});
pub(crate) const EVIDENCE: usize = 4;
pub(crate) const LOG: usize = 5;
const LATER: usize = 6;

pub(crate) fn at(text: &str) -> UtcSecond {
    UtcSecond::parse(text).unwrap()
}

fn origin() -> KeyName {
    KeyName::new("evidence.example.com/prod").unwrap()
}

fn holder(number: usize) -> Holder {
    Holder { name: format!("Person {number}"), key: KEYS[number].public().clone() }
}

fn entry(number: usize, purpose: Purpose, file: &str) -> KeyEntry {
    KeyEntry {
        id: *KEYS[number].public().id(),
        purpose,
        file: file.to_owned(),
        valid_from: at("2026-10-01T00:00:00Z"),
        valid_until: None,
        revoked: None,
    }
}

/// Two of three holders, one evidence key, one log key, one timestamp authority.
pub(crate) fn first() -> (Document, Files) {
    let mut document = Document {
        version: 1,
        threshold: 2,
        holders: (0..3).map(holder).collect(),
        keys: vec![
            entry(EVIDENCE, Purpose::Evidence, "evidence-2026a.pub.pem"),
            entry(LOG, Purpose::Log(origin()), "log-2026a.pub.pem"),
        ],
        authorities: vec![TsaEntry {
            file: "tsa-root.pem".to_owned(),
            valid_from: at("2026-10-01T00:00:00Z"),
        }],
        previous: None,
        files: BTreeMap::new(),
    };
    let sources = Files::from([
        ("evidence-2026a.pub.pem".to_owned(), KEYS[EVIDENCE].public().to_pem().into_bytes()),
        ("log-2026a.pub.pem".to_owned(), KEYS[LOG].public().to_pem().into_bytes()),
        ("tsa-root.pem".to_owned(), ONE.root().into_bytes()),
    ]);
    let files = derive(&mut document, &sources).unwrap();
    (document, files)
}

struct Chain {
    files: Files,
    last: Envelope,
    fingerprint: Digest,
}

impl Chain {
    /// Version 1, signed by the first two holders.
    fn new() -> Self {
        Self::signed_by(&[0, 1])
    }

    fn signed_by(signers: &[usize]) -> Self {
        let (document, mut files) = first();
        let last = sign(document, signers);
        files.insert(file_name(1), last.render().into_bytes());
        Self { files, fingerprint: last.digest(), last }
    }

    /// The next version.
    fn then(mut self, signers: &[usize], change: Change<'_>) -> Self {
        let mut document = self.last.document().clone();
        document.version += 1;
        document.previous = Some(self.last.digest());
        change(&mut document, &mut self.files);
        let files = derive(&mut document, &self.files).unwrap();
        let number = self.last.document().version + 1;
        self.last = sign(document, signers);
        self.files.extend(files);
        self.files.insert(file_name(number), self.last.render().into_bytes());
        self
    }

    fn load(&self) -> Result<TrustRoot, TrustError> {
        self.load_at_least(0)
    }

    fn load_at_least(&self, version: u32) -> Result<TrustRoot, TrustError> {
        TrustRoot::load_chain(&mut |name| Ok(self.files.get(name).cloned()), &self.fingerprint, version)
    }
}

fn sign(document: Document, signers: &[usize]) -> Envelope {
    let mut envelope = Envelope::draft(document).unwrap();
    for signer in signers {
        envelope.sign(&KEYS[*signer]).unwrap();
    }
    envelope
}

fn same(_: &mut Document, _: &mut Files) {}

fn revoke_evidence(document: &mut Document, _: &mut Files) {
    document.keys[0].revoked =
        Some(Revocation { at: at("2026-11-10T00:00:00Z"), reason: "laptop stolen".to_owned() });
}

#[test]
fn root_signed_by_enough_holders_gives_its_keys() {
    let root = Chain::new().load().unwrap();
    let then = Dated::Claimed(at("2026-11-22T02:00:00Z"));
    let evidence = KEYS[EVIDENCE].public();
    assert_eq!(root.evidence_key(evidence.id(), then), Ok(evidence));
    assert_eq!(root.log_keys(&origin())[0].key(), KEYS[LOG].public());
    assert_eq!(root.log_keys(&KeyName::new("elsewhere").unwrap()), []);
    assert!(!root.tsa_roots().is_empty());
    assert_eq!((root.version(), root.digest()), (1, *root.fingerprint()));
}

#[test]
fn root_with_another_fingerprint_is_refused() {
    let mut chain = Chain::new();
    chain.fingerprint = Digest::of(b"another");
    assert!(matches!(chain.load(), Err(TrustError::Fingerprint { .. })));
}

#[test]
fn root_with_too_few_signatures_is_refused() {
    for signers in [&[][..], &[0], &[0, 3], &[3, EVIDENCE]] {
        let found = Chain::signed_by(signers).load();
        assert!(matches!(found, Err(TrustError::Threshold { version: 1, of: 1, .. })), "{signers:?}");
    }
}

#[test]
fn root_same_key_twice() {
    // One signature under two key ids.
    let mut chain = Chain::signed_by(&[0]);
    let one = chain.last.render();
    let mut envelope: Value = serde_json::from_str(&one).unwrap();
    let mut signatures = vec![envelope["signatures"][0].clone(); 2];
    signatures[1]["keyid"] = KEYS[1].public().id().to_string().into();
    signatures.sort_by_key(|signature| signature["keyid"].as_str().unwrap().to_owned());
    envelope["signatures"] = signatures.into();
    chain.files.insert(file_name(1), format!("{envelope}\n").into_bytes());
    assert!(matches!(chain.load(), Err(TrustError::Threshold { found: 1, needed: 2, .. })));
    // The same signature twice under its own id.
    envelope["signatures"] =
        vec![serde_json::from_str::<Value>(&one).unwrap()["signatures"][0].clone(); 2].into();
    chain.files.insert(file_name(1), format!("{envelope}\n").into_bytes());
    assert!(matches!(chain.load(), Err(TrustError::KeyTwice { .. })));
    // One key for two holders.
    let (mut document, _) = first();
    document.holders[1].key = document.holders[0].key.clone();
    assert!(matches!(document.render(), Err(TrustError::KeyTwice { .. })));
    // One holder with two keys.
    let (mut document, _) = first();
    document.holders[1].name = document.holders[0].name.clone();
    assert!(matches!(document.render(), Err(TrustError::Member { member: "holder", .. })));
}

#[test]
fn root_rollback() {
    let two = Chain::new().then(&[1, 2], &revoke_evidence);
    assert_eq!(two.load_at_least(2).unwrap().version(), 2);
    // The newest version is withheld.
    let mut chain = Chain::new();
    assert!(matches!(chain.load_at_least(2), Err(TrustError::Rollback { known: 2, found: 1 })));
    // Version 1 stands where version 2 is expected.
    chain.files.insert(file_name(2), chain.files[&file_name(1)].clone());
    assert!(matches!(chain.load(), Err(TrustError::Step { expected: 2, found: 1 })));
    // A version is left out.
    let mut chain = Chain::new().then(&[0, 1], &same).then(&[0, 1], &same);
    chain.files.insert(file_name(2), chain.files[&file_name(3)].clone());
    assert!(matches!(chain.load(), Err(TrustError::Step { expected: 2, found: 3 })));
    // A second version 2, on another version 1.
    let chain = Chain::new().then(&[0, 1], &|document, _| document.previous = Some(Digest::of(b"other")));
    assert!(matches!(chain.load(), Err(TrustError::Previous { version: 2 })));
}

#[test]
fn root_needs_the_holders_before_and_the_holders_after() {
    let replace = |document: &mut Document, _: &mut Files| {
        document.holders = [0, 2, 3].map(holder).to_vec();
        document.threshold = 2;
    };
    Chain::new().then(&[0, 2], &replace).load().unwrap();
    // 0 and 3 are two of the new ones, but only one of the old ones; and the reverse.
    let old = Chain::new().then(&[0, 3], &replace).load();
    assert!(matches!(old, Err(TrustError::Threshold { version: 2, of: 1, found: 1, .. })));
    let new = Chain::new().then(&[0, 1], &replace).load();
    assert!(matches!(new, Err(TrustError::Threshold { version: 2, of: 2, found: 1, .. })));
    // Lowering the threshold takes the old one.
    let alone = |document: &mut Document, _: &mut Files| document.threshold = 1;
    assert!(matches!(Chain::new().then(&[0], &alone).load(), Err(TrustError::Threshold { of: 1, .. })));
}

#[test]
fn revoked_key_late_token() {
    let root = Chain::new().then(&[0, 1], &revoke_evidence).load().unwrap();
    let id = KEYS[EVIDENCE].public().id();
    let late = at("2026-11-10T00:00:00Z");
    assert!(matches!(root.evidence_key(id, Dated::Token(late)), Err(KeyRefusal::Revoked { .. })));
    // What the signed text claims of itself does not count once the key is in other hands.
    let claimed = Dated::Claimed(at("2026-10-10T00:00:00Z"));
    assert!(matches!(root.evidence_key(id, claimed), Err(KeyRefusal::RevokedUndated { .. })));
}

#[test]
fn revoked_key_early_token_ok() {
    let root = Chain::new().then(&[0, 1], &revoke_evidence).load().unwrap();
    let key = KEYS[EVIDENCE].public();
    assert_eq!(root.evidence_key(key.id(), Dated::Token(at("2026-11-09T23:59:59Z"))), Ok(key));
}

#[test]
fn revoked_log_key_counts_when_the_log_was_recomputed() {
    let root = Chain::new()
        .then(&[0, 1], &|document, _| {
            document.keys[1].revoked =
                Some(Revocation { at: at("2026-11-10T00:00:00Z"), reason: "lost".to_owned() });
        })
        .load()
        .unwrap();
    let key = &root.log_keys(&origin())[0];
    assert!(!key.counts(Recomputed::Unknown));
    assert!(key.counts(Recomputed::MatchesUnrevoked));
    assert!(Chain::new().load().unwrap().log_keys(&origin())[0].counts(Recomputed::Unknown));
}

#[test]
fn key_outside_its_window_is_refused() {
    let root = Chain::new()
        .then(&[0, 1], &|document, files| {
            document.keys[0].valid_until = Some(at("2026-12-01T00:00:00Z"));
            let mut later = entry(LATER, Purpose::Evidence, "evidence-2026b.pub.pem");
            later.valid_from = at("2026-12-01T00:00:00Z");
            files.insert(later.file.clone(), KEYS[LATER].public().to_pem().into_bytes());
            document.keys.push(later);
        })
        .load()
        .unwrap();
    for (time, first, second) in [
        ("2026-09-30T23:59:59Z", false, false),
        ("2026-10-01T00:00:00Z", true, false),
        ("2026-11-30T23:59:59Z", true, false),
        ("2026-12-01T00:00:00Z", false, true),
    ] {
        for signed in [Dated::Token(at(time)), Dated::Claimed(at(time))] {
            let good = |number: usize| root.evidence_key(KEYS[number].public().id(), signed).is_ok();
            assert_eq!((good(EVIDENCE), good(LATER)), (first, second), "{time}");
        }
    }
}

#[test]
fn keyid_swap() {
    // The file of a key holds another key, and its digest is signed all the same.
    let swap = |document: &mut Document, files: &mut Files| {
        let mut later = entry(LATER, Purpose::Evidence, "evidence-2026b.pub.pem");
        files.insert(later.file.clone(), KEYS[LATER].public().to_pem().into_bytes());
        later.id = *KEYS[3].public().id();
        document.keys.push(later);
    };
    let (mut document, mut files) = first();
    swap(&mut document, &mut files);
    assert!(matches!(derive(&mut document, &files), Err(TrustError::OtherKey { .. })));
    let digests = files.iter().map(|(name, bytes)| (name.clone(), Digest::of(bytes)));
    document.files = digests.collect();
    let envelope = sign(document, &[0, 1]);
    files.insert(file_name(1), envelope.render().into_bytes());
    let read = &mut |name: &str| Ok(files.get(name).cloned());
    let found = TrustRoot::load_chain(read, &envelope.digest(), 0);
    assert!(matches!(found, Err(TrustError::OtherKey { .. })));
    // A holder's key under the id of another.
    let text = String::from_utf8(first().0.render().unwrap()).unwrap();
    let other = text.replacen(&KEYS[0].public().id().to_string(), &KEYS[3].public().id().to_string(), 1);
    assert!(matches!(Document::parse(other.as_bytes()), Err(TrustError::OtherKey { .. })));
    // A key that nobody pinned.
    let root = Chain::new().load().unwrap();
    let stranger = root.evidence_key(KEYS[LATER].public().id(), Dated::Token(at("2026-11-01T00:00:00Z")));
    assert!(matches!(stranger, Err(KeyRefusal::Unknown { .. })));
}

#[test]
fn log_key_signs_statement() {
    let root = Chain::new().load().unwrap();
    let found = root.evidence_key(KEYS[LOG].public().id(), Dated::Token(at("2026-11-01T00:00:00Z")));
    assert!(matches!(found, Err(KeyRefusal::Purpose { purpose: "log", .. })));
    assert!(root.log_keys(&origin()).iter().all(|key| key.key() != KEYS[EVIDENCE].public()));
    // One key for both is not stated at all.
    let (mut document, _) = first();
    document.keys[1].id = document.keys[0].id;
    assert!(matches!(document.render(), Err(TrustError::KeyTwice { .. })));
}

#[test]
fn root_with_a_changed_or_missing_file_is_refused() {
    let chain = Chain::new();
    for name in chain.last.document().files.keys() {
        let mut files = chain.files.clone();
        files.get_mut(name).unwrap().push(b'\n');
        let load = |files: &Files| {
            TrustRoot::load_chain(&mut |name| Ok(files.get(name).cloned()), &chain.fingerprint, 0)
        };
        assert!(matches!(load(&files), Err(TrustError::File { .. })), "{name}");
        files.remove(name);
        assert!(matches!(load(&files), Err(TrustError::Missing { .. })), "{name}");
    }
}

#[test]
fn root_that_changes_a_file_under_its_name_is_refused() {
    let chain = Chain::new().then(&[0, 1], &|_, files| {
        let longer = format!("{}{}", ONE.leaf("good"), ONE.root());
        files.insert("tsa-root.pem".to_owned(), longer.into_bytes());
    });
    assert!(matches!(chain.load(), Err(TrustError::Changed { version: 2, .. })));
}

#[test]
fn root_changed_in_any_byte_or_cut_anywhere_is_refused() {
    let mut chain = Chain::new();
    let good = chain.files[&file_name(1)].clone();
    let mut load = |bytes: Vec<u8>| {
        chain.files.insert(file_name(1), bytes);
        chain.load()
    };
    load(good.clone()).unwrap();
    for position in 0..good.len() {
        for change in [0x01, 0x20] {
            let mut other = good.clone();
            other[position] ^= change;
            assert!(load(other).is_err(), "byte {position}");
        }
    }
    // Without a file there is no trust root; with less than all of it neither.
    for length in 0..good.len() {
        assert!(load(good[..length].to_vec()).is_err(), "length {length}");
    }
}

#[test]
fn root_statements_of_other_shapes_are_refused() {
    let text = String::from_utf8(first().0.render().unwrap()).unwrap();
    assert!(Document::parse(text.as_bytes()).is_ok());
    for (old, new) in [
        ("\"threshold\":2", "\"threshold\":0"),
        ("\"threshold\":2", "\"threshold\":4"),
        ("\"threshold\":2", "\"threshold\":2,\"threshold\":2"),
        ("\"threshold\":2", "\"other\":1,\"threshold\":2"),
        ("\"threshold\":2", "\"threshold\": 2"),
        ("\"version\":1", "\"version\":0"),
        ("\"version\":1", "\"version\":2"),
        ("\"version\":1", "\"version\":1001"),
        ("\"purpose\":\"log\"", "\"purpose\":\"root\""),
        ("\"purpose\":\"log\"", "\"purpose\":\"evidence\""),
        ("\"reason\":null", "\"reason\":\"because\""),
        ("\"revokedAt\":null", "\"revokedAt\":\"2026-11-10T00:00:00Z\""),
        ("\"validUntil\":null", "\"validUntil\":\"2026-10-01T00:00:00Z\""),
        ("\"validUntil\":null", "\"validUntil\":\"tomorrow\""),
        ("urn:evidenced:trust-root:v1", "urn:evidenced:snapshot:v1"),
        ("Statement/v1", "Statement/v2"),
        ("log-2026a.pub.pem", "../2026a.pub.pem"),
        ("tsa-root.pem", "tsa-other.pem"),
        ("Person 0", "Person 1"),
        ("Person 0", ""),
        ("Person 0", "Person\\u202e0"),
    ] {
        assert!(text.contains(old), "{old}");
        let other = text.replacen(old, new, 1);
        assert!(Document::parse(other.as_bytes()).is_err(), "{old} -> {new}");
    }
    assert!(matches!(Document::parse(&vec![b' '; 65_537]), Err(TrustError::TooLong { .. })));
    assert!(matches!(Envelope::parse(&vec![b' '; 131_073]), Err(TrustError::TooLong { .. })));
}

#[test]
fn root_signature_is_one_that_openssl_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let chain = Chain::new();
    let envelope: Value = serde_json::from_str(&chain.last.render()).unwrap();
    let decode = |text: &Value| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(text.as_str().unwrap()).unwrap()
    };
    let payload = decode(&envelope["payload"]);
    assert!(payload.len() < 4096 * 2);
    let pae =
        [format!("DSSEv1 28 application/vnd.in-toto+json {} ", payload.len()).as_bytes(), &payload].concat();
    fs::write(dir.path().join("pae"), pae).unwrap();
    for signature in envelope["signatures"].as_array().unwrap() {
        let holder = chain
            .last
            .document()
            .holders
            .iter()
            .find(|holder| holder.key.id().to_string() == signature["keyid"].as_str().unwrap())
            .unwrap();
        fs::write(dir.path().join("key"), holder.key.to_pem()).unwrap();
        fs::write(dir.path().join("sig"), decode(&signature["sig"])).unwrap();
        let verify = "pkeyutl -verify -pubin -inkey key -rawin -in pae -sigfile sig";
        openssl(dir.path(), &verify.split(' ').collect::<Vec<_>>());
    }
}

proptest::proptest! {
    #[test]
    fn root_of_any_bytes_is_refused_without_a_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        proptest::prop_assert!(Envelope::parse(&bytes).is_err());
        proptest::prop_assert!(Document::parse(&bytes).is_err());
    }
}
