//! What a document of evidence says of itself: which cell it is about, its status, and whether a call failed.
//!
//! A document is read once: while its digest is made, its head is taken, so that what rows are held against is what
//! was signed. A head is small, however long the texts in it are.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::archive::read_error;
use crate::check::{Check, VerifyError, printable};
use crate::digest::Digest;
use crate::path::BundlePath;
use crate::run::rows::Wanted;
use crate::run::{CellStatus, EVIDENCE};

/// Longer documents are streamed, once for their digest and once for their head.
pub(crate) const DOCUMENT_BYTES: u64 = 4 << 20;

/// The heads of the documents of one bag, as far as they are known.
pub(crate) type Heads = BTreeMap<BundlePath, Head>;

/// The head of a document, or what is wrong with its JSON.
pub(crate) struct Head(Result<Said, String>);

struct Said {
    /// Digest of the cell, as [`cell`] makes it.
    cell: Digest,
    /// In printable characters, of which there are few.
    status: Option<String>,
    /// A call says that it failed.
    failed: bool,
}

#[derive(Deserialize)]
struct Document {
    item: String,
    account: String,
    region: String,
    status: Option<String>,
    #[serde(default)]
    calls: Vec<Call>,
}

#[derive(Deserialize)]
struct Call {
    error: Option<IgnoredAny>,
}

/// The names of a wanted cell are parts of a path and hold no NUL, so nothing else has its digest.
fn cell(account: &str, region: &str, item: &str) -> Digest {
    Digest::of(format!("{account}\0{region}\0{item}").as_bytes())
}

/// Whether a file is a document of evidence.
pub(crate) fn is_document(path: &BundlePath) -> bool {
    path.as_str().starts_with(EVIDENCE)
}

impl Head {
    /// The head of a document in memory.
    pub(crate) fn of(document: &[u8]) -> Self {
        Self::new(serde_json::from_slice(document))
    }

    /// The head of a document that is too long to be held.
    pub(crate) fn read(document: impl Read, path: &BundlePath) -> Result<Self, VerifyError> {
        match serde_json::from_reader(document) {
            Err(error) if error.is_io() => Err(read_error(path, error.into())),
            read => Ok(Self::new(read)),
        }
    }

    fn new(read: serde_json::Result<Document>) -> Self {
        let said = |Document { item, account, region, status, calls }: Document| Said {
            cell: cell(&account, &region, &item),
            status: status.as_deref().map(printable),
            failed: calls.iter().any(|call| call.error.is_some()),
        };
        Self(read.map(said).map_err(|error| printable(&error.to_string())))
    }

    /// The document is about the cell of its row, and as complete as the row says.
    pub(crate) fn agrees(&self, path: &BundlePath, wanted: &Wanted) -> Result<(), VerifyError> {
        let refuse = |detail: String| VerifyError::in_file(Check::RunFiles, path, detail);
        let said = self.0.as_ref().map_err(|error| refuse(error.clone()))?;
        if said.cell != cell(&wanted.account, &wanted.region, &wanted.item) {
            return Err(refuse("the document is about another cell".to_owned()));
        }
        let status = wanted.status;
        if let Some(found) = said.status.as_ref().filter(|found| *found != status.word()) {
            return Err(refuse(format!("the document says {found:?}, its row {:?}", status.word())));
        }
        if status == CellStatus::Complete && said.failed {
            return Err(refuse("a call failed, and its row says complete".to_owned()));
        }
        Ok(())
    }
}
