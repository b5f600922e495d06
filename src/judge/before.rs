//! The bundle before this one: kept in the spool, or brought from the store.
//!
//! ```text
//! previous/name            the id of the last bundle that was sealed here, and the digest of its zip
//! previous/data/...        its run, plan, catalogue, checks, exceptions and findings
//! ```
//!
//! It counts while it is the newest bundle of the log (or still waits in the spool); else the newest is read from the
//! store, under the limits of a verifier. What cannot be read is said in `data/changes.json`, and never stops a run.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evidenced_bundle::{BagId, Content, Digest, Draft};
use evidenced_core::assessment::{Assessed, Assessment, CHECKS, EXCEPTIONS, FINDINGS};
use evidenced_core::changes::Side;

/// What is kept of the root.
const KEPT: [&str; 5] = ["data/run.json", "data/plan.json", "data/catalogue.json", CHECKS, EXCEPTIONS];
/// Largest of the files that are kept.
const FILE_BYTES: u64 = 512 << 20;

/// What is kept of the last bundle that was sealed here.
#[derive(Debug)]
pub(crate) struct State {
    folder: PathBuf,
}

/// Small files of a bag, before it is sealed.
pub(crate) type Kept = Vec<(String, Vec<u8>)>;

impl State {
    /// In the spool.
    pub(crate) fn at(spool: &Path) -> Self {
        Self { folder: spool.join("previous") }
    }

    /// Which bundle is kept.
    pub(crate) fn name(&self) -> Option<(BagId, Digest)> {
        let text = fs::read_to_string(self.folder.join("name")).ok()?;
        let (sha256, id) = text.trim_end().split_once("  ")?;
        Some((BagId::parse(id)?, Digest::parse(sha256)?))
    }

    /// What is kept of it.
    pub(crate) fn side(&self) -> Result<Side, String> {
        let mut files = BTreeMap::new();
        for path in KEPT {
            if let Ok(bytes) = read(&self.folder.join(path)) {
                files.insert(path.to_owned(), bytes);
            }
        }
        let findings = self.folder.join(FINDINGS);
        for account in names(&findings).map_err(|error| error.to_string())? {
            for name in names(&findings.join(&account)).map_err(|error| error.to_string())? {
                let bytes = read(&findings.join(&account).join(&name)).map_err(|error| error.to_string())?;
                files.insert(format!("{FINDINGS}{account}/{name}"), bytes);
            }
        }
        side(&files)
    }

    /// What will be kept of a draft that is about to be sealed.
    pub(crate) fn of(draft: &Draft) -> Kept {
        let small = draft.files.iter().filter(|(path, _)| KEPT.contains(&path.as_str()));
        let bytes = small.filter_map(|(path, content)| match content {
            Content::Bytes(bytes) => Some((path.as_str().to_owned(), bytes.clone())),
            Content::File { .. } => None,
        });
        bytes.collect()
    }

    /// Keeps a bundle that was sealed; its findings are taken out of the folder of its run.
    pub(crate) fn keep(&self, id: &BagId, sha256: &Digest, kept: &Kept, run: &Path) -> io::Result<()> {
        let new = self.folder.with_extension("new");
        gone(&new)?;
        fs::create_dir_all(new.join("data"))?;
        for (path, bytes) in kept {
            fs::write(new.join(path), bytes)?;
        }
        let findings = run.join(FINDINGS);
        if findings.exists() {
            fs::rename(&findings, new.join(FINDINGS))?;
        }
        fs::write(new.join("name"), format!("{sha256}  {id}\n"))?;
        // Between these two nothing is kept, and the next run asks the store.
        gone(&self.folder)?;
        fs::rename(&new, &self.folder)
    }
}

fn gone(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if path.metadata()?.len() > FILE_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    fs::read(path)
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// The files of a bundle as one side of a comparison.
pub(crate) fn side(files: &BTreeMap<String, Vec<u8>>) -> Result<Side, String> {
    let said = |error: evidenced_core::assessment::ReadError| error.to_string();
    let mut assessment = Assessment::read(files).map_err(said)?;
    // Verdicts are compared, by resource: what is said of them is most of the memory of a large organisation.
    for Assessed { row, .. } in &mut assessment.rows {
        (row.reason, row.observed, row.expected, row.evidence) = (String::new(), None, None, Vec::new());
    }
    Side::new(Arc::new(assessment), files).map_err(said)
}
