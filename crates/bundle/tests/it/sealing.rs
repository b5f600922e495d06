//! Writing: the same bytes every time, and nothing that verification would refuse.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::num::NonZeroU16;

use evidenced_bundle::{
    BagId, BundlePath, Content, Digest, Draft, EvidenceKey, Limits, PartDraft, PartOf, Scope, SealError,
    Sealed, SealedPart, UntrustedBundle, UtcSecond, prepare, seal_part,
};
use proptest::prelude::*;

use crate::bag::{DOCUMENT, Files, ID, Run, key, trusted, verify};

/// Of `golden` below. It changes when zip or flate2 pack differently: old bundles stay valid, but look at why.
const GOLDEN: &str = "489919d0029dc983953b56c1dc406e49460aa87345fef11410b234556c81652c";

pub(crate) fn draft(payload: &Files) -> Draft {
    Draft {
        id: BagId::parse(ID).unwrap(),
        scope: Scope::new("prod").unwrap(),
        slot: UtcSecond::parse("2026-11-22T02:00:00Z").unwrap(),
        organisation: "Example Ltd".into(),
        agent: "evidenced 0.1.0".into(),
        bagging_date: "2026-11-22".into(),
        files: payload
            .iter()
            .map(|(path, bytes)| (BundlePath::new(path.clone()).unwrap(), Content::Bytes(bytes.clone())))
            .collect(),
    }
}

pub(crate) fn seal(draft: Draft, key: &EvidenceKey) -> Result<(Vec<u8>, Sealed), SealError> {
    let unsigned = prepare(draft, key.public().id(), &Limits::default())?;
    let signature = key.sign(unsigned.message())?;
    let mut zip = Cursor::new(Vec::new());
    let sealed = unsigned.seal(signature, key.public(), &mut zip)?;
    Ok((zip.into_inner(), sealed))
}

fn golden() -> Draft {
    // Written out: the order of members in serde_json's maps depends on the features of the whole build.
    let mut payload: Files = ["config", "catalogue", "plan", "run", "summary"]
        .into_iter()
        .map(|name| (format!("data/{name}.json"), format!("{{\"name\":\"{name}\"}}\n").into_bytes()))
        .collect();
    payload.insert(
        "data/big.json".into(),
        (0..40_000).flat_map(|n: u32| format!("{}\n", n * n % 977).into_bytes()).collect(),
    );
    payload.insert("data/empty.csv".into(), Vec::new());
    draft(&payload)
}

#[test]
fn the_same_draft_gives_the_same_bytes_as_ever() {
    let (zip, sealed) = seal(golden(), &key(1)).unwrap();
    assert_eq!(seal(golden(), &key(1)).unwrap().0, zip);
    assert_eq!(sealed.entries, 13);
    assert_eq!(Digest::of(&zip).to_string(), GOLDEN);
}

#[test]
fn what_is_sealed_verifies_and_is_what_was_given() {
    let payload = Run::complete().payload();
    let (zip, sealed) = seal(draft(&payload), &key(1)).unwrap();
    let mut bundle = verify(zip.clone()).unwrap();
    assert_eq!(*bundle.tagmanifest_sha256(), sealed.tagmanifest_sha256);
    assert_eq!(*bundle.zip_sha256().unwrap(), Digest::of(&zip));
    let names: Vec<&str> = bundle.manifest().files().keys().map(BundlePath::as_str).collect();
    assert_eq!(names, payload.keys().map(String::as_str).collect::<Vec<_>>());
    for (path, bytes) in &payload {
        assert_eq!(bundle.read(&BundlePath::new(path.clone()).unwrap()).unwrap(), *bytes);
    }
}

#[test]
fn files_on_disk_and_bytes_in_memory_give_the_same_zip() {
    let payload = Run::complete().payload();
    let folder = tempfile::tempdir().unwrap();
    let mut on_disk = draft(&payload);
    for (path, content) in &mut on_disk.files {
        let Content::Bytes(bytes) = &content else { unreachable!() };
        let file = folder.path().join(path.as_str().replace('/', "_"));
        std::fs::write(&file, bytes).unwrap();
        *content =
            Content::File { path: file, sha256: Digest::of(bytes), bytes: bytes.len().try_into().unwrap() };
    }
    assert_eq!(seal(on_disk, &key(1)).unwrap().0, seal(draft(&payload), &key(1)).unwrap().0);
}

#[test]
fn a_file_that_changed_since_it_was_hashed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("document");
    for later in [&b"evidencf"[..], b"evidence and more", b"evi"] {
        std::fs::write(&file, later).unwrap();
        let mut draft = draft(&Run::complete().payload());
        let content = Content::File { path: file.clone(), sha256: Digest::of(b"evidence"), bytes: 8 };
        draft.files.insert(BundlePath::new(DOCUMENT).unwrap(), content);
        assert!(
            matches!(seal(draft, &key(1)), Err(SealError::Changed { path, .. }) if path.as_str() == DOCUMENT)
        );
    }
}

#[test]
fn a_file_that_is_gone_is_refused() {
    let mut draft = draft(&Run::complete().payload());
    let content = Content::File { path: "/nonexistent/file".into(), sha256: Digest::of(b""), bytes: 0 };
    draft.files.insert(BundlePath::new(DOCUMENT).unwrap(), content);
    assert!(matches!(seal(draft, &key(1)), Err(SealError::Read { .. })));
}

#[test]
fn a_signature_that_does_not_verify_writes_nothing() {
    let unsigned = || prepare(golden(), key(1).public().id(), &Limits::default()).unwrap();
    let mut out = Cursor::new(Vec::new());
    let mut flipped = key(1).sign(unsigned().message()).unwrap();
    flipped[40] ^= 4;
    assert!(matches!(unsigned().seal(flipped, key(1).public(), &mut out), Err(SealError::Signature(_))));
    let of_another = key(2).sign(unsigned().message()).unwrap();
    assert!(matches!(unsigned().seal(of_another, key(1).public(), &mut out), Err(SealError::Signature(_))));
    assert!(matches!(
        unsigned().seal(of_another, key(2).public(), &mut out),
        Err(SealError::OtherKey { .. })
    ));
    assert!(out.into_inner().is_empty());
}

#[test]
fn a_draft_that_would_not_verify_is_refused() {
    let payload = Run::complete().payload();
    let prepare = |draft, limits: &Limits| prepare(draft, key(1).public().id(), limits).map(|_| ());
    let limits = Limits::default();

    let other_scope = Draft { scope: Scope::new("test").unwrap(), ..draft(&payload) };
    assert!(matches!(prepare(other_scope, &limits), Err(SealError::OtherId { what: "scope", .. })));
    let other_slot = Draft { slot: UtcSecond::from_unix(0).unwrap(), ..draft(&payload) };
    assert!(matches!(prepare(other_slot, &limits), Err(SealError::OtherId { what: "slot", .. })));
    let two_lines = Draft { organisation: "Example\nLtd".into(), ..draft(&payload) };
    assert!(matches!(prepare(two_lines, &limits), Err(SealError::BagInfo(_))));
    let no_date = Draft { bagging_date: "today".into(), ..draft(&payload) };
    assert!(matches!(prepare(no_date, &limits), Err(SealError::BagInfo(_))));

    let with = |path: &str| {
        let mut draft = draft(&payload);
        draft.files.insert(BundlePath::new(path).unwrap(), Content::Bytes(Vec::new()));
        draft
    };
    assert!(matches!(prepare(with("README.txt"), &limits), Err(SealError::NotPayload { .. })));
    assert!(matches!(prepare(with("data/Run.json"), &limits), Err(SealError::Clash { .. })));
    assert!(matches!(prepare(with("data/run.json/a"), &limits), Err(SealError::Clash { .. })));

    for small in [
        Limits { entries: 13, ..limits },
        Limits { uncompressed_bytes: 3_000, ..limits },
        Limits { entry_bytes: 200, ..limits },
    ] {
        assert!(matches!(prepare(draft(&payload), &small), Err(SealError::TooLarge { .. })), "{small:?}");
    }
}

#[test]
fn the_signed_message_is_short_whatever_the_bag_holds() {
    let payload: Files = (0..5_000).map(|n| (format!("data/evidence/{n}.json"), Vec::new())).collect();
    let unsigned = prepare(draft(&payload), key(1).public().id(), &Limits::default()).unwrap();
    assert!(unsigned.message().len() < 400, "{}", unsigned.message().len());
}

#[test]
fn the_readme_is_a_function_of_names() {
    let (zip, _) = seal(draft(&Run::complete().payload()), &key(1)).unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    let mut readme = String::new();
    std::io::Read::read_to_string(&mut archive.by_name(&format!("{ID}/README.txt")).unwrap(), &mut readme)
        .unwrap();
    assert_eq!(readme, evidenced_bundle::bag::readme(&BagId::parse(ID).unwrap(), key(1).public().id()));
    assert!(readme.contains(&key(1).public().id().to_string()) && readme.contains("OpenSSL 3.0 or later"));
    assert!(readme.is_ascii());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_sealed_is_verified_and_read_back(
        files in proptest::collection::btree_map(
            "data/x[a-z0-9]{0,6}(/[A-Za-z0-9][A-Za-z0-9._-]{0,8}){1,3}", proptest::collection::vec(any::<u8>(), 0..2_000), 0..12),
        seed in any::<[u8; 32]>(),
    ) {
        let paths: Vec<_> = files.keys().map(|path| BundlePath::new(path.clone()).unwrap()).collect();
        prop_assume!(evidenced_bundle::path::find_clash(paths.iter()).is_none());
        let mut payload = Run::complete().payload();
        payload.extend(files);
        let key = EvidenceKey::from_seed(&seed);
        let (zip, _) = seal(draft(&payload), &key).unwrap();
        let keys = evidenced_bundle::TrustedKeys::new([key.public().clone()]).unwrap();
        let bundle = evidenced_bundle::UntrustedBundle::open(Cursor::new(zip), &format!("{ID}.zip"), &Limits::default());
        let mut bundle = bundle.verify(&keys).unwrap();
        let read: BTreeMap<_, _> = payload.keys().map(|path| {
            (path.clone(), bundle.read(&BundlePath::new(path.clone()).unwrap()).unwrap())
        }).collect();
        prop_assert_eq!(read, payload);
    }
}

/// A part of the files of the tests that belong into one.
fn part_draft(payload: &Files) -> PartDraft {
    let one = NonZeroU16::MIN;
    let Draft { id, organisation, agent, bagging_date, mut files, .. } = draft(payload);
    files.retain(|path, _| evidenced_bundle::parts::order(path).is_some());
    PartDraft {
        id,
        part: PartOf { number: one, position: one, count: one },
        organisation,
        agent,
        bagging_date,
        files,
    }
}

fn seal_one(draft: PartDraft, limits: &Limits) -> Result<(SealedPart, Vec<u8>), SealError> {
    let mut zip = Cursor::new(Vec::new());
    let sealed = seal_part(draft, key(1).public().id(), limits, &mut zip)?;
    Ok((sealed, zip.into_inner()))
}

#[test]
fn the_same_part_gives_the_same_bytes_and_is_what_its_root_verifies() {
    let payload = Run::complete().payload();
    let (sealed, zip) = seal_one(part_draft(&payload), &Limits::default()).unwrap();
    assert_eq!(seal_one(part_draft(&payload), &Limits::default()).unwrap().1, zip);
    assert_eq!((sealed.entries, sealed.accounts.as_slice()), (9, &["111122223333".to_owned()][..]));
    let name = sealed.part.file_name();
    let record = sealed.record(Digest::of(&zip), zip.len().try_into().unwrap());

    let mut root = draft(&payload);
    root.files.retain(|path, _| evidenced_bundle::parts::order(path).is_none());
    let (root, _) = seal(root.with_parts(&[record]).unwrap(), &key(1)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(format!("{ID}.zip")), root).unwrap();
    std::fs::write(folder.path().join(name), zip).unwrap();
    let bundle =
        UntrustedBundle::open_path(&folder.path().join(format!("{ID}.zip")), &Limits::default()).unwrap();
    let mut bundle = bundle.verify(&trusted()).unwrap();
    assert!(bundle.parts().exceptions().is_empty());
    assert_eq!(bundle.read(&BundlePath::new(DOCUMENT).unwrap()).unwrap(), payload[DOCUMENT]);
}

#[test]
fn parts_and_roots_that_would_not_verify_are_refused() {
    let payload = Run::complete().payload();
    let limits = Limits::default();
    let mut part = part_draft(&payload);
    part.files.insert(BundlePath::new("data/run.json").unwrap(), Content::Bytes(Vec::new()));
    assert!(matches!(seal_one(part, &limits), Err(SealError::OtherBag { .. })));
    let part = PartDraft { organisation: "Two\nlines".into(), ..part_draft(&payload) };
    assert!(matches!(seal_one(part, &limits), Err(SealError::BagInfo(_))));
    let part = PartDraft {
        part: PartOf { number: NonZeroU16::MAX, ..part_draft(&payload).part },
        ..part_draft(&payload)
    };
    assert!(matches!(seal_one(part, &limits), Err(SealError::TooLarge { .. })));
    let small = Limits { entries: 9, ..limits };
    assert!(matches!(seal_one(part_draft(&payload), &small), Err(SealError::TooLarge { .. })));
    // Evidence in the root of a run in parts.
    let (sealed, zip) = seal_one(part_draft(&payload), &limits).unwrap();
    let record = sealed.record(Digest::of(&zip), zip.len().try_into().unwrap());
    let both = draft(&payload).with_parts(&[record]).unwrap();
    assert!(matches!(seal(both, &key(1)), Err(SealError::OtherBag { .. })));
    // Without parts nothing is added.
    let without = draft(&payload).with_parts(&[]).unwrap();
    assert_eq!(seal(without, &key(1)).unwrap().0, seal(draft(&payload), &key(1)).unwrap().0);
}
