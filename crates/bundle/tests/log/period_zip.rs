//! Taking period bundles apart and putting them together, with everything in them re-made that is no secret.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use evidenced_bundle::Digest;

use crate::raw_zip::{Archive, RawEntry};

pub(crate) type Files = BTreeMap<String, Vec<u8>>;

pub(crate) fn files(zip: &[u8]) -> Files {
    let mut archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut file = archive.by_index(index).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            (file.name().unwrap().split_once('/').unwrap().1.to_owned(), bytes)
        })
        .collect()
}

/// A zip of the profile, in one folder and of one day.
pub(crate) fn archive(root: &str, date: u16, files: &Files) -> Archive {
    Archive::new(files.iter().map(|(path, bytes)| RawEntry {
        time: 0,
        date,
        ..RawEntry::stored(&format!("{root}/{path}"), bytes)
    }))
}

/// Manifests, tag manifest and Payload-Oxum as anybody can re-make them.
pub(crate) fn remade(mut files: Files) -> Files {
    let payload: Vec<_> = files.iter().filter(|(path, _)| path.starts_with("data/")).collect();
    let bytes: usize = payload.iter().map(|(_, bytes)| bytes.len()).sum();
    let oxum = format!("Payload-Oxum: {bytes}.{}", payload.len());
    let list = |files: &mut dyn Iterator<Item = (&String, &Vec<u8>)>| -> Vec<u8> {
        let lines: Vec<_> = files.map(|(path, bytes)| format!("{}  {path}\n", Digest::of(bytes))).collect();
        lines.concat().into_bytes()
    };
    let manifest = list(&mut payload.into_iter());
    let info = String::from_utf8(files["bag-info.txt"].clone()).unwrap();
    let info: String = info
        .lines()
        .map(|line| if line.starts_with("Payload-Oxum") { format!("{oxum}\n") } else { format!("{line}\n") })
        .collect();
    files.insert("bag-info.txt".into(), info.into_bytes());
    files.insert("manifest-sha256.txt".into(), manifest);
    let tags = list(
        &mut files.iter().filter(|(path, _)| !path.starts_with("data/") && !path.starts_with("tagmanifest")),
    );
    files.insert("tagmanifest-sha256.txt".into(), tags);
    files
}

pub(crate) fn replace(files: &mut Files, path: &str, from: &str, to: &str) {
    let text = String::from_utf8(files[path].clone()).unwrap();
    assert!(text.contains(from), "{path} has no {from:?}: {text}");
    files.insert(path.into(), text.replace(from, to).into_bytes());
}
