//! Paths that are parts of a run: `evidenced verify *.zip` names them beside their root.
//!
//! A root reads the parts beside it and its report names each, so a part whose root is given is not verified again.
//! Left out is only what the root meets: a file that is there, in the folder of the root. A lone part stays, and its
//! report says what it is.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::parts::PartId;

/// Whether a path is a part that the root among `paths` reads.
pub(super) fn is_read_with_its_root(path: &Path, paths: &[PathBuf]) -> bool {
    let Some(part) = name(path).and_then(PartId::of_file_name) else { return false };
    let (zip, unpacked) = (part.root().file_name(), part.root().to_string());
    let is_root = |other: &&PathBuf| name(other).is_some_and(|name| name == zip || name == unpacked);
    path.is_file() && paths.iter().filter(is_root).any(|root| folder(root) == folder(path))
}

fn name(path: &Path) -> Option<&str> {
    path.file_name().and_then(OsStr::to_str)
}

fn folder(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    parent.canonicalize().unwrap_or_else(|_| parent.to_owned())
}
