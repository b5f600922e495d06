//! What is fuzzed: each reader of foreign bytes, as a function that takes any bytes at all.
//!
//! Promised: a target ends, does not panic, and holds what was accepted to the laws of the format: what is read
//! renders to the bytes that it was read from, and what is verified is what was signed. Random bytes never carry a
//! good signature, so most targets try twice: the input as it is, and then with digests and signatures made good by
//! keys that only these targets trust. No target refuses an input. `true` means that something was accepted.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use cms::cert::x509::attr::Attribute;
use cms::signed_data::{EncapsulatedContentInfo, SignedData, SignerInfo, SignerInfos};
use der::asn1::{Any, OctetString, SetOfVec};
use der::{Decode as _, Encode as _};
use evidenced_bundle::bag::BagInfo;
use evidenced_bundle::manifest::Manifest;
use evidenced_bundle::merkle::{verify_consistency, verify_inclusion};
use evidenced_bundle::note::{Checkpoint, KeyName, Note, NoteKey};
use evidenced_bundle::proof::LogProof;
use evidenced_bundle::sigstore::Envelope;
use evidenced_bundle::sshsig::{Sha512Digest, SshSig};
use evidenced_bundle::statement::Statement;
use evidenced_bundle::timestamp::{self, Authorities};
use evidenced_bundle::trust::{self, Document, TrustRoot};
use evidenced_bundle::{
    BagId, BundlePath, Digest, EvidenceKey, Limits, TrustedKeys, UntrustedBundle, UtcSecond, VerifyError,
};
use flate2::Crc;
use flate2::read::DeflateDecoder;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use x509_tsp::TimeStampResp;

/// A target: its name, which is that of its corpus, and its function.
pub(crate) type Target = (&'static str, fn(&[u8]) -> bool);

/// All of them.
pub(crate) const TARGETS: [Target; 9] = [
    ("archive", archive),
    ("bag", bag),
    ("manifest", manifest),
    ("statement", statement),
    ("note", note),
    ("proof", proof),
    ("sidecars", sidecars),
    ("token", token),
    ("trust_root", trust_root),
];

/// The bag that `archive` and `bag` are about.
pub(crate) const ID: &str = "evidence-prod-20261122T020000Z";
/// What the tokens of the corpus date.
pub(crate) const DATED: &[u8] = b"what is dated";
/// The leaf that proofs are about.
pub(crate) const LEAF: &[u8] = b"leaf 0";
const TSA_ROOT: &str = include_str!("../tsa/root.pem");
/// A key made for these targets, which nothing else trusts.
const TSA_KEY: &[u8] = include_bytes!("../tsa/good.key.der");
/// More than any seed holds; readers have their own limits, which are tested elsewhere.
const FILE_BYTES: u64 = 4 << 20;

/// The key that these targets trust for evidence.
pub(crate) fn key() -> EvidenceKey {
    EvidenceKey::from_seed(&[1; 32])
}

/// The log that these targets know.
pub(crate) fn log_key() -> NoteKey {
    NoteKey::log(origin(), EvidenceKey::from_seed(&[2; 32]).public().clone())
}

/// The witness that these targets know.
pub(crate) fn witness_key() -> NoteKey {
    let name = KeyName::new("witness.example.org").expect("a name");
    NoteKey::witness(name, EvidenceKey::from_seed(&[3; 32]).public().clone())
}

/// The origin of the log.
pub(crate) fn origin() -> KeyName {
    KeyName::new("evidence.example.com/prod").expect("a name")
}

/// The first holder of the trust root; its two others have the seeds 11 and 12.
pub(crate) fn holder(number: u8) -> EvidenceKey {
    EvidenceKey::from_seed(&[10 + number; 32])
}

fn limits() -> Limits {
    Limits { uncompressed_bytes: FILE_BYTES, entry_bytes: FILE_BYTES, ..Limits::default() }
}

/// A zip: as it is, and with its files made those that were signed, their packed data kept.
pub(crate) fn archive(input: &[u8]) -> bool {
    let as_it_is = verify_zip(input.to_vec());
    let refitted = refit(input).is_some_and(verify_zip);
    as_it_is || refitted
}

/// The payload of a bag, as [`unpack`] reads it, signed and zipped: what run, plan and documents say of each other.
pub(crate) fn bag(input: &[u8]) -> bool {
    verify_zip(zip(ID, &signed(payload(input))))
}

/// The payload in [`unpack`]'s form; `@<path>"` stands for the digest of that document, so that rows stay those of it.
pub(crate) fn payload(input: &[u8]) -> BTreeMap<String, Packed> {
    let files = unpack(input).into_iter().filter(|(path, _)| path.starts_with("data/"));
    let mut files: BTreeMap<String, Vec<u8>> = files.collect();
    let documents: Vec<_> = files.iter().filter(|(path, _)| path.starts_with("data/evidence/")).collect();
    let digests: Vec<_> = documents
        .into_iter()
        .map(|(path, bytes)| (format!("@{path}\""), format!("{}\"", Digest::of(bytes))))
        .collect();
    for (path, bytes) in &mut files {
        if path.starts_with("data/run")
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            let named =
                digests.iter().fold(text.to_owned(), |text, (name, digest)| text.replace(name, digest));
            *bytes = named.into_bytes();
        }
    }
    files.into_iter().map(|(path, bytes)| (path, Packed::stored(bytes))).collect()
}

fn verify_zip(zip: Vec<u8>) -> bool {
    let sha256 = Digest::of(&zip);
    let keys = TrustedKeys::new([key().public().clone()]).expect("a key");
    let opened = UntrustedBundle::open(Cursor::new(zip), &format!("{ID}.zip"), &limits());
    match opened.verify(&keys) {
        Ok(mut bundle) => {
            assert_eq!(bundle.zip_sha256(), Some(&sha256));
            assert_eq!(bundle.id().to_string(), ID);
            let files = bundle.manifest().files().clone();
            for (path, digest) in files {
                assert_eq!(Digest::of(&bundle.read(&path).expect("verified")), digest, "{path}");
            }
            true
        }
        Err(VerifyError::Refused { .. }) => false,
        // Memory does not fail: whatever else is said would be an answer of the wrong kind.
        Err(error) => panic!("a zip in memory: {error}"),
    }
}

/// Manifests, `bag-info.txt`, and the names in them.
pub(crate) fn manifest(input: &[u8]) -> bool {
    let mut accepted = false;
    if let Ok(manifest) = Manifest::parse(input) {
        assert_eq!(manifest.print(), input);
        accepted = true;
    }
    if let Ok(info) = BagInfo::parse(input) {
        assert_eq!(info.print(), input);
        accepted = true;
    }
    let Ok(text) = std::str::from_utf8(input) else { return accepted };
    for word in text.split(['\n', ' ']) {
        if let Ok(path) = BundlePath::new(word) {
            assert_eq!(path.as_str(), word);
        }
        if let Some(id) = BagId::parse(word) {
            assert_eq!(id.to_string(), word);
            assert_eq!(BagId::parse(id.file_name().trim_end_matches(".zip")), Some(id));
        }
        if let Some(instant) = UtcSecond::parse(word) {
            assert_eq!(instant.to_string(), word);
            assert_eq!(UtcSecond::from_unix(instant.unix()), Some(instant));
        }
        if let Some(instant) = UtcSecond::parse_compact(word) {
            assert_eq!(instant.compact(), word);
        }
        if let Some(digest) = Digest::parse(word) {
            assert_eq!(digest.to_string(), word);
        }
    }
    accepted
}

/// A statement.
pub(crate) fn statement(input: &[u8]) -> bool {
    Statement::parse(input).is_ok_and(|statement| {
        assert_eq!(statement.render().expect("was parsed"), input);
        true
    })
}

/// A note with a checkpoint: as it is, and signed by the known log and witness.
pub(crate) fn note(input: &[u8]) -> bool {
    if let Some(key) = std::str::from_utf8(input).ok().and_then(NoteKey::parse_vkey) {
        assert_eq!(key.vkey().as_bytes(), input);
    }
    let Ok(note) = Note::parse(input) else { return false };
    assert_eq!(note.render().as_bytes(), input);
    let keys = [log_key(), witness_key()];
    let as_it_is = note.open(&keys).is_ok();
    let Ok(checkpoint) = Checkpoint::parse(note.text()) else { return as_it_is };
    assert_eq!(checkpoint.body(), note.text());
    if checkpoint.origin == origin() {
        let signed = Note::parse(sign_note(note.text()).as_bytes()).expect("a note");
        assert_eq!(signed.open(&keys).expect("signed").checkpoint, checkpoint);
    }
    as_it_is
}

/// A proof: as it is, and with its checkpoint signed.
pub(crate) fn proof(input: &[u8]) -> bool {
    arithmetic(input);
    let Ok(mut proof) = LogProof::parse(input) else { return false };
    assert_eq!(proof.render().as_bytes(), input);
    let keys = [log_key(), witness_key()];
    let as_it_is = proof.verify(LEAF, &keys).is_ok();
    proof.checkpoint = Note::parse(sign_note(proof.checkpoint.text()).as_bytes()).unwrap_or(proof.checkpoint);
    let made_good = proof.verify(LEAF, &keys).is_ok_and(|opened| {
        assert!(proof.index < opened.checkpoint.size, "a leaf beyond the end");
        true
    });
    as_it_is || made_good
}

/// Proofs of any numbers over any hashes: the input is three numbers, then hashes.
fn arithmetic(input: &[u8]) {
    let (numbers, hashes) = input.split_at(input.len().min(24));
    let number = |at: usize| {
        numbers.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
    };
    let hashes: Vec<_> = hashes.as_chunks().0.iter().map(|hash| Digest::from_bytes(*hash)).collect();
    let (first, last) = (Digest::of(b"first"), Digest::of(b"last"));
    for (index, size) in [(number(0), number(8)), (number(0) & 0xffff, number(8) & 0xffff)] {
        let included = verify_inclusion(&first, index, size, &hashes, &last);
        assert!(included.is_err(), "a root out of nothing");
        let consistent = verify_consistency(index, size, &first, &last, &hashes);
        assert!(consistent.is_err(), "a root out of nothing");
    }
}

/// Sigstore bundle and SSH signature: as they are, and with their payload signed.
pub(crate) fn sidecars(input: &[u8]) -> bool {
    if let Ok(found) = SshSig::parse(input) {
        assert_eq!(found.render().as_bytes(), input);
        return found.verify(key().public(), &Sha512Digest::of(DATED)).is_ok();
    }
    let Ok(mut envelope) = Envelope::parse(input) else { return false };
    assert_eq!(envelope.render().as_bytes(), input);
    let key = key();
    let as_it_is = envelope.verify(key.public()).is_ok();
    let message = evidenced_bundle::dsse::message(&envelope.payload);
    let Some(signature) = message.and_then(|message| key.sign(&message).ok()) else { return as_it_is };
    (envelope.key_id, envelope.signature) = (*key.public().id(), signature);
    let made_good = envelope.verify(key.public()).is_ok_and(|statement| {
        assert_eq!(statement.render().expect("was parsed"), envelope.payload);
        true
    });
    as_it_is || made_good
}

/// An answer of a timestamp authority: as it is, and signed by the key of the corpus.
pub(crate) fn token(input: &[u8]) -> bool {
    let mut authorities = Authorities::new();
    let from = UtcSecond::from_unix(0).expect("an instant");
    // The text of an authority is foreign too.
    let _unused = std::str::from_utf8(input).map(|text| Authorities::new().add(text, from).is_ok());
    authorities.add(TSA_ROOT, from).expect("a root");
    let imprint = Digest::of(DATED);
    let accepts = |answer: &[u8]| match timestamp::verify(answer, &imprint, None, &authorities) {
        Ok(token) => {
            assert_eq!(*token.imprint(), imprint);
            assert!(token.serial().len() < input.len() * 3 && token.policy().len() < input.len() * 8);
            true
        }
        Err(error) => {
            // What a user would read is made too: it prints foreign names.
            assert!(error.to_string().len() < 64 << 10);
            false
        }
    };
    let as_it_is = accepts(input);
    resigned(input).is_some_and(|answer| accepts(&answer)) || as_it_is
}

/// The answer with message digest and signature made anew.
fn resigned(input: &[u8]) -> Option<Vec<u8>> {
    let mut answer = TimeStampResp::from_der(input).ok()?;
    let mut token = answer.time_stamp_token?;
    let mut signed: SignedData = token.content.decode_as().ok()?;
    let EncapsulatedContentInfo { econtent, .. } = &signed.encap_content_info;
    let content = econtent.as_ref()?.decode_as::<OctetString>().ok()?;
    let signer = signed.signer_infos.0.as_slice().first()?.clone();
    let digest =
        Any::encode_from(&OctetString::new(*Digest::of(content.as_bytes()).as_bytes()).ok()?).ok()?;
    let attributes = signer.signed_attrs?.into_vec().into_iter().map(|attribute| {
        if attribute.oid.to_string() != "1.2.840.113549.1.9.4" {
            return attribute;
        }
        Attribute { values: SetOfVec::try_from(vec![digest.clone()]).expect("one value"), ..attribute }
    });
    let attributes = SetOfVec::try_from(attributes.collect::<Vec<_>>()).ok()?;
    let random = ring::rand::SystemRandom::new();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, TSA_KEY, &random).expect("a key");
    let signature = key.sign(&random, &attributes.to_der().ok()?).expect("signs");
    let signer = SignerInfo {
        signed_attrs: Some(attributes),
        signature: OctetString::new(signature.as_ref()).ok()?,
        ..signer
    };
    signed.signer_infos = SignerInfos(SetOfVec::try_from(vec![signer]).ok()?);
    token.content = Any::encode_from(&signed).ok()?;
    answer.time_stamp_token = Some(token);
    answer.to_der().ok()
}

/// A trust root: an envelope, a document, or the files of a chain, as they are and signed by all holders.
pub(crate) fn trust_root(input: &[u8]) -> bool {
    let mut accepted = false;
    if let Ok(envelope) = trust::Envelope::parse(input) {
        assert_eq!(envelope.render().as_bytes(), input);
        accepted = envelope.check(None).is_ok();
    }
    if let Ok(document) = Document::parse(input) {
        assert_eq!(document.render().expect("was parsed"), input);
    }
    let mut files: BTreeMap<_, _> = unpack(input).into_iter().collect();
    let fingerprint = |files: &BTreeMap<String, Vec<u8>>| {
        let first = files.get(&trust::file_name(1))?;
        Some(trust::Envelope::parse(first).ok()?.digest())
    };
    let load = |files: &BTreeMap<String, Vec<u8>>| {
        let Some(fingerprint) = fingerprint(files) else { return false };
        TrustRoot::load_chain(&mut |name| Ok(files.get(name).cloned()), &fingerprint, 0).is_ok_and(|root| {
            assert_eq!(*root.fingerprint(), fingerprint);
            assert!(files.contains_key(&trust::file_name(root.version())));
            true
        })
    };
    accepted |= load(&files);
    // The files that are named get the digests that they have, and the versions the signatures that they need.
    let mut previous = None;
    for version in 1..=4 {
        let name = trust::file_name(version);
        let Some(found) = files.get(&name) else { break };
        // A document stands for its envelope: nobody has to encode it.
        let document = Document::parse(found.trim_ascii_end())
            .or_else(|_| trust::Envelope::parse(found).map(|envelope| envelope.document().clone()));
        let Ok(mut document) = document else { break };
        for (name, digest) in &mut document.files {
            *digest = files.get(name).map_or(*digest, |bytes| Digest::of(bytes));
        }
        document.previous = previous;
        let Ok(mut envelope) = trust::Envelope::draft(document) else { break };
        for number in 0..4 {
            envelope.sign(&holder(number)).expect("signs");
        }
        previous = Some(envelope.digest());
        files.insert(name, envelope.render().into_bytes());
    }
    load(&files) || accepted
}

/// The text of a checkpoint with the lines of the known log and witness.
pub(crate) fn sign_note(text: &str) -> String {
    let signature = |seed: u8, message: &str| EvidenceKey::from_seed(&[seed; 32]).sign(message.as_bytes());
    let Ok(of_log) = signature(2, text) else { return text.to_owned() };
    let Some(line) = log_key().line(text, &of_log) else { return text.to_owned() };
    format!("{text}\n{line}")
}

/// Files from text: a line `== path` begins one, the rest is its bytes.
pub(crate) fn unpack(input: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        if let Some(path) = line.strip_prefix(b"== ") {
            files.push((String::from_utf8_lossy(path).trim_end().to_owned(), Vec::new()));
        } else if let Some((_, bytes)) = files.last_mut() {
            bytes.extend(line);
        }
    }
    files
}

/// A file as it lies in a zip.
pub(crate) struct Packed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) data: Vec<u8>,
    pub(crate) method: u16,
}

impl Packed {
    /// Not compressed.
    pub(crate) fn stored(bytes: Vec<u8>) -> Self {
        Self { data: bytes.clone(), bytes, method: 0 }
    }
}

/// The payload with the tag files of a signed bag around it.
pub(crate) fn signed(payload: BTreeMap<String, Packed>) -> BTreeMap<String, Packed> {
    let key = key();
    let list = |files: &BTreeMap<String, Packed>| {
        let lines = files.iter().map(|(path, file)| format!("{}  {path}\n", Digest::of(&file.bytes)));
        lines.collect::<Vec<_>>().concat().into_bytes()
    };
    let bytes: usize = payload.values().map(|file| file.bytes.len()).sum();
    let info = format!(
        "Bag-Group-Identifier: prod\nBag-Software-Agent: evidenced 0.1.0\nBagging-Date: 2026-11-22\n\
         Evidenced-Key-Id: {}\nExternal-Identifier: {ID}\nPayload-Oxum: {bytes}.{}\n\
         Source-Organization: Example Ltd\n",
        key.public().id(),
        payload.len()
    );
    let stored = |name: &str, bytes: Vec<u8>| (name.to_owned(), Packed::stored(bytes));
    let tags = BTreeMap::from([
        stored("README.txt", b"A test.\n".to_vec()),
        stored("bag-info.txt", info.into_bytes()),
        stored("bagit.txt", evidenced_bundle::bag::BAG_DECLARATION.into()),
        stored("manifest-sha256.txt", list(&payload)),
    ]);
    let message = list(&tags);
    let signature = key.sign(&message).map_or(Vec::new(), |signature| signature.to_vec());
    let around = [stored("tagmanifest-sha256.txt", message), stored("tagmanifest-sha256.txt.sig", signature)];
    payload.into_iter().chain(tags).chain(around).collect()
}

/// A zip of the profile.
pub(crate) fn zip(root: &str, files: &BTreeMap<String, Packed>) -> Vec<u8> {
    let (mut out, mut central) = (Vec::new(), Vec::new());
    let count = u16::try_from(files.len()).unwrap_or(u16::MAX);
    let long = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
    for (path, Packed { bytes, data, method }) in files {
        let name = format!("{root}/{path}");
        let offset = long(out.len());
        let mut crc = Crc::new();
        crc.update(bytes);
        let mut fields = [20_u16, 0, *method, 2 << 11, 0x5d76].map(u16::to_le_bytes).concat();
        fields.extend([crc.sum().to_le_bytes(), long(data.len()), long(bytes.len())].concat());
        fields.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
        fields.extend([0; 2]);
        out.extend([&0x0403_4b50_u32.to_le_bytes()[..], &fields, name.as_bytes(), data].concat());
        let attributes = [&[0; 6][..], &(0o100_644_u32 << 16).to_le_bytes(), &offset].concat();
        let head = [&0x0201_4b50_u32.to_le_bytes()[..], &[0x14, 3]].concat();
        central.extend([head, fields, attributes, name.into_bytes()].concat());
    }
    let (start, length) = (long(out.len()), long(central.len()));
    out.extend(central);
    out.extend(0x0605_4b50_u32.to_le_bytes());
    out.extend([&[0; 4][..], &count.to_le_bytes(), &count.to_le_bytes(), &length, &start, &[0; 2]].concat());
    out
}

/// The payload of a zip, packed as it is, in a zip and a bag that say what it unpacks to.
fn refit(zip_bytes: &[u8]) -> Option<Vec<u8>> {
    let short = |at: usize| zip_bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes);
    let long = |at: usize| {
        let number = zip_bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)?;
        usize::try_from(number).ok()
    };
    let mut at = long(zip_bytes.len().checked_sub(6)?)?;
    let mut payload = BTreeMap::new();
    while payload.len() < 64 && long(at) == Some(0x0201_4b50) {
        let name_end = at.checked_add(46 + usize::from(short(at + 28)?))?;
        let name = String::from_utf8_lossy(zip_bytes.get(at + 46..name_end)?).into_owned();
        let (method, length, local) = (short(at + 10)?, long(at + 20)?, long(at + 42)?);
        let start =
            local.checked_add(30 + usize::from(short(local + 26)?) + usize::from(short(local + 28)?))?;
        let data = zip_bytes.get(start..start.checked_add(length)?)?.to_vec();
        let mut bytes = Vec::new();
        if method == 8 {
            let unpacked = DeflateDecoder::new(&data[..]).take(FILE_BYTES / 16).read_to_end(&mut bytes);
            unpacked.ok()?;
        } else {
            bytes.clone_from(&data);
        }
        if let Some((_, path)) = name.split_once('/').filter(|(_, path)| path.starts_with("data/")) {
            payload.insert(path.to_owned(), Packed { bytes, data, method });
        }
        at = name_end;
    }
    Some(zip(ID, &signed(payload)))
}
