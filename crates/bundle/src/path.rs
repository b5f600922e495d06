//! Paths inside a bag.
//!
//! A path that exists is safe on every file system and in every tool that reads zips: a small alphabet, no empty or
//! dotted segment, nothing absolute. [`find_clash`] refuses sets in which two paths would be one file somewhere.

use std::collections::BTreeSet;
use std::fmt;

const SEGMENT_BYTES: usize = 100;
const PATH_BYTES: usize = 200;

/// A path relative to the folder of the bag: segments of `[A-Za-z0-9][A-Za-z0-9._-]{0,99}`, at most 200 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundlePath(String);

/// Why a string is not a [`BundlePath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path {:?} is not allowed: {reason}", .path.chars().take(PATH_BYTES).collect::<String>())]
pub struct PathError {
    path: String,
    reason: &'static str,
}

impl BundlePath {
    /// Checks the alphabet and the lengths.
    pub fn new(path: impl Into<String>) -> Result<Self, PathError> {
        let path = path.into();
        match fault(&path) {
            None => Ok(Self(path)),
            Some(reason) => Err(PathError { path, reason }),
        }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the file belongs to the payload.
    pub fn is_payload(&self) -> bool {
        self.0.starts_with("data/")
    }
}

impl fmt::Display for BundlePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BundlePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl AsRef<str> for BundlePath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for BundlePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

fn fault(path: &str) -> Option<&'static str> {
    if path.len() > PATH_BYTES {
        return Some("more than 200 bytes");
    }
    path.split('/').find_map(|segment| {
        let mut bytes = segment.bytes();
        match bytes.next() {
            None => Some("an empty segment"),
            Some(first) if !first.is_ascii_alphanumeric() => {
                Some("a segment that starts with neither letter nor digit")
            }
            Some(_) if segment.len() > SEGMENT_BYTES => Some("a segment of more than 100 bytes"),
            Some(_) => bytes
                .any(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')))
                .then_some("a character other than A-Z a-z 0-9 . _ -"),
        }
    })
}

/// The first path that is equal to another under ASCII case folding, or that another one needs as a folder.
pub fn find_clash<'a>(paths: impl Iterator<Item = &'a BundlePath> + Clone) -> Option<&'a BundlePath> {
    let mut files = BTreeSet::new();
    for path in paths.clone() {
        if !files.insert(path.0.to_ascii_lowercase()) {
            return Some(path);
        }
    }
    paths.into_iter().find(|path| {
        let folded = path.0.to_ascii_lowercase();
        folded
            .match_indices('/')
            .any(|(end, _)| folded.get(..end).is_some_and(|folder| files.contains(folder)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> BundlePath {
        BundlePath::new(text).unwrap()
    }

    #[test]
    fn the_paths_of_a_bag_are_allowed() {
        for text in [
            "bagit.txt",
            "data/run.json",
            "data/evidence/111122223333/eu-west-1/vpc.vpcs.json",
            "0/_a".trim_end_matches("/_a"),
        ] {
            assert_eq!(path(text).as_str(), text);
        }
        assert!(BundlePath::new("a".repeat(100)).is_ok());
        assert!(BundlePath::new(format!("{0}/{0}", "a".repeat(99))).is_ok());
    }

    #[test]
    fn a_path_that_could_leave_the_bag_or_confuse_a_tool_is_refused() {
        for text in [
            "",
            "/etc/passwd",
            "../evil",
            "a/../b",
            "a//b",
            "./a",
            "a/.",
            "a/",
            "a\\b",
            "a\0b",
            "a b",
            "a:b",
            ".hidden",
            "-rf",
            "_a",
            "ä",
            "a\n",
            "a*",
        ] {
            assert!(BundlePath::new(text).is_err(), "{text:?}");
        }
        assert!(BundlePath::new("a".repeat(101)).is_err());
        assert!(BundlePath::new(format!("{0}/{0}/a", "a".repeat(99))).is_err());
    }

    #[test]
    fn paths_that_would_be_one_file_clash() {
        let clash = |paths: &[&str]| {
            let paths: Vec<_> = paths.iter().map(|text| path(text)).collect();
            find_clash(paths.iter()).map(ToString::to_string)
        };
        assert_eq!(clash(&["data/a", "data/b"]), None);
        assert_eq!(clash(&["data/a", "data/A"]), Some("data/A".into()));
        assert_eq!(clash(&["data/a", "data/a-b", "data/a/b"]), Some("data/a/b".into()));
    }
}
