//! Every byte of a zip, every length of it, every file of a bag.

use evidenced_bundle::{BundlePath, Check, VerifyError};

use crate::bag::{DOCUMENT, Files, ID, Run, SIGNATURE, TAG_MANIFEST, refusal, verify, zip};
use crate::raw_zip::{Archive, RawEntry};
use crate::sealing::{draft, seal};

const MASKS: [u8; 4] = [0x01, 0x20, 0x80, 0xff];

#[test]
fn every_changed_byte_of_a_stored_zip_is_refused() {
    let files = Run::complete().signed();
    let bytes =
        Archive::new(files.iter().map(|(path, bytes)| RawEntry::stored(&format!("{ID}/{path}"), bytes)))
            .bytes();
    verify(bytes.clone()).unwrap();
    for position in 0..bytes.len() {
        for mask in MASKS {
            let mut changed = bytes.clone();
            changed[position] ^= mask;
            let result = verify(changed);
            assert!(
                matches!(result, Err(VerifyError::Refused { .. })),
                "byte {position} ^ {mask:#x}: {result:?}"
            );
        }
    }
}

#[test]
fn every_changed_byte_of_a_sealed_zip_is_refused_or_spells_the_same_files() {
    let payload = Run::complete().payload();
    let (bytes, _) = seal(draft(&payload), &crate::bag::key(1)).unwrap();
    verify(bytes.clone()).unwrap();
    let (mut tried, mut survivors) = (0, Vec::new());
    for position in 0..bytes.len() {
        for mask in MASKS {
            let mut changed = bytes.clone();
            changed[position] ^= mask;
            tried += 1;
            // Deflate can say the same in other bits. Those that mean nothing are refused; what is left is a match
            // that takes the same text from another distance, one bit away. Against that only the digest of the zip
            // helps, which the sidecars sign: alone, such a zip is as good as the first, file by file.
            match verify(changed) {
                Err(VerifyError::Refused { .. }) => {}
                Err(error) => panic!("byte {position} ^ {mask:#x}: {error}"),
                Ok(mut bundle) => {
                    for (path, content) in &payload {
                        assert_eq!(bundle.read(&BundlePath::new(path.clone()).unwrap()).unwrap(), *content);
                    }
                    survivors.push((position, mask));
                }
            }
        }
    }
    assert!(survivors.len() * 5_000 < tried, "of {tried} changes these are free: {survivors:?}");
}

#[test]
fn a_zip_cut_at_any_length_is_refused() {
    let (bytes, _) = seal(draft(&Run::complete().payload()), &crate::bag::key(1)).unwrap();
    for length in 0..bytes.len() {
        let result = verify(bytes[..length].to_vec());
        assert!(matches!(result, Err(VerifyError::Refused { .. })), "{length} bytes: {result:?}");
    }
}

fn refused_by(files: &Files) -> Check {
    refusal(verify(zip(files).bytes())).0
}

/// The check that a change of this file fails.
fn guard(path: &str) -> Check {
    match path {
        TAG_MANIFEST | SIGNATURE => Check::Signature,
        path if path.starts_with("data/") => Check::Payload,
        _ => Check::TagFiles,
    }
}

#[test]
fn bag_flip_byte_each_file() {
    let files = Run::complete().signed();
    for path in files.keys() {
        for place in [0, files[path].len() / 2, files[path].len() - 1] {
            let mut changed = files.clone();
            let byte = &mut changed.get_mut(path).unwrap()[place];
            // Stays lower-case hex in the tag manifest, so that it is the signature that refuses.
            *byte = if *byte == b'0' { b'1' } else { b'0' };
            let check = refused_by(&changed);
            let grammar = path == TAG_MANIFEST && check == Check::TagManifest;
            assert!(check == guard(path) || grammar, "{path} at {place}: {check}");
        }
    }
}

#[test]
fn bag_missing_file() {
    let files = Run::complete().signed();
    for path in files.keys() {
        let mut fewer = files.clone();
        fewer.remove(path);
        assert_eq!(refused_by(&fewer), Check::FileSet, "{path}");
    }
}

#[test]
fn bag_renamed_file() {
    let files = Run::complete().signed();
    for path in files.keys() {
        let mut renamed = files.clone();
        let content = renamed.remove(path).unwrap();
        renamed.insert(format!("{path}x"), content);
        assert_eq!(refused_by(&renamed), Check::FileSet, "{path}");
    }
}

#[test]
fn bag_extra_file() {
    for path in [
        "data/extra.json",
        "data/evidence/1/2/3.json",
        "fetch.txt",
        "extra.txt",
        "tagmanifest-sha512.txt",
        "0",
    ] {
        let mut more = Run::complete().signed();
        more.insert(path.into(), Vec::new());
        assert_eq!(refused_by(&more), Check::FileSet, "{path}");
    }
}

#[test]
fn two_files_with_each_others_content_are_refused() {
    let mut files = Run::complete().signed();
    let (one, two) = (files[DOCUMENT].clone(), files["data/run.json"].clone());
    files.insert(DOCUMENT.into(), two);
    files.insert("data/run.json".into(), one);
    assert_eq!(refused_by(&files), Check::Payload);
}
