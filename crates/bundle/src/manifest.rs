//! Manifests: `<64 hex><SP><SP><path>` and LF, sorted by path; what `sha256sum -c` reads.
//!
//! [`Manifest::print`] and [`Manifest::parse`] are twins: what parses prints the same bytes again.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::path::{BundlePath, PathError};

/// Paths and the digests of their contents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    files: BTreeMap<BundlePath, Digest>,
}

/// Why bytes are not a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not UTF-8, or without its last LF.
    #[error("the text is not UTF-8 that ends in a line feed")]
    NotText,
    /// A line of another form.
    #[error("line {line} is not 64 lower-case hex digits, two spaces and a path")]
    Line {
        /// Counted from 1.
        line: usize,
    },
    /// A path that is not allowed.
    #[error("line {line} names a path that is not allowed")]
    Path {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: PathError,
    },
    /// Not in the order of the paths' bytes, or twice the same.
    #[error("line {line} is not behind the line before it in byte order")]
    Order {
        /// Counted from 1.
        line: usize,
    },
}

impl Manifest {
    /// A manifest of these files.
    pub fn new(files: BTreeMap<BundlePath, Digest>) -> Self {
        Self { files }
    }

    /// The files, sorted by path.
    pub fn files(&self) -> &BTreeMap<BundlePath, Digest> {
        &self.files
    }

    /// The digest of a file.
    pub fn digest(&self, path: &BundlePath) -> Option<&Digest> {
        self.files.get(path)
    }

    /// The bytes of the manifest.
    pub fn print(&self) -> Vec<u8> {
        let mut text = String::new();
        for (path, digest) in &self.files {
            for part in [digest.to_string().as_str(), "  ", path.as_str(), "\n"] {
                text.push_str(part);
            }
        }
        text.into_bytes()
    }

    /// Reads what [`Manifest::print`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let mut files: BTreeMap<BundlePath, Digest> = BTreeMap::new();
        if bytes.is_empty() {
            return Ok(Self { files });
        }
        let text = std::str::from_utf8(bytes).ok().and_then(|text| text.strip_suffix('\n'));
        for (index, content) in text.ok_or(ManifestError::NotText)?.split('\n').enumerate() {
            let line = index + 1;
            let (hex, path) = content.split_once("  ").ok_or(ManifestError::Line { line })?;
            let digest = Digest::parse(hex).ok_or(ManifestError::Line { line })?;
            let path = BundlePath::new(path).map_err(|source| ManifestError::Path { line, source })?;
            if files.last_key_value().is_some_and(|(last, _)| *last >= path) {
                return Err(ManifestError::Order { line });
            }
            files.insert(path, digest);
        }
        Ok(Self { files })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(path: &str) -> String {
        format!("{}  {path}\n", Digest::of(path.as_bytes()))
    }

    #[test]
    fn other_spellings_of_a_manifest_are_refused() {
        let (a, b) = (line("data/a"), line("data/b"));
        assert!(Manifest::parse(format!("{a}{b}").as_bytes()).is_ok());
        for text in [
            format!("{b}{a}"),
            format!("{a}{a}"),
            a.trim_end().to_owned(),
            a.replace('\n', "\r\n"),
            format!("{a}\n"),
            format!("\n{a}"),
            a.replace("  ", " *"),
            a.replace("  ", " "),
            a.to_uppercase(),
            format!("\u{feff}{a}"),
            line("../a"),
            line("data/a b"),
            "\n".to_owned(),
        ] {
            assert!(Manifest::parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(Manifest::parse(b"\xff\n").is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed(paths in proptest::collection::btree_set("[A-Za-z0-9][A-Za-z0-9._-]{0,20}(/[a-z0-9]{1,9}){0,3}", 0..20)) {
            let manifest = Manifest::new(paths.into_iter().map(|path| {
                let digest = Digest::of(path.as_bytes());
                (BundlePath::new(path).unwrap(), digest)
            }).collect());
            prop_assert_eq!(Manifest::parse(&manifest.print()).unwrap(), manifest);
        }

        #[test]
        fn what_parses_prints_the_same_bytes(text in "([0-9a-f]{64}  ?[a-z/.]{1,4}\n?){0,4}") {
            if let Ok(manifest) = Manifest::parse(text.as_bytes()) {
                prop_assert_eq!(manifest.print(), text.into_bytes());
            }
        }
    }
}
