//! Seals a run in the spool: its parts one after the other, then the root that names them.
//!
//! Each zip is written once, fsynced, and hashed in a second read; one is open at a time. The evidence key signs the
//! root and nothing else. Nothing is published here.

use std::fs::File;
use std::io::BufWriter;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use evidenced_bundle::log::Signer;
use evidenced_bundle::{Digest, Draft, Limits, PartRecord, Sealed, hash_reader, prepare, seal_part};
use evidenced_core::config::BagSize;
use evidenced_core::layout::{Cut, cut};

use super::CollectError;

/// A run as zips in a folder.
#[derive(Debug)]
pub(crate) struct SealedRun {
    pub(crate) sealed: Sealed,
    pub(crate) root: SealedZip,
    pub(crate) parts: Vec<SealedPart>,
}

/// A zip that is on disk.
#[derive(Debug)]
pub(crate) struct SealedZip {
    pub(crate) path: PathBuf,
    pub(crate) sha256: Digest,
    pub(crate) bytes: u64,
}

/// A part that is on disk.
#[derive(Debug)]
pub(crate) struct SealedPart {
    pub(crate) record: PartRecord,
    pub(crate) path: PathBuf,
}

/// Cuts a draft if it is beyond `size`, and seals what comes of it into `folder`.
pub(crate) fn seal(
    draft: Draft,
    size: &BagSize,
    first: NonZeroU16,
    key: &dyn Signer,
    folder: &Path,
) -> Result<SealedRun, CollectError> {
    let limits = Limits::default();
    let key_id = key.public().id();
    let Cut { parts: drafts, root } = cut(draft, size, first)?;
    let mut parts = Vec::new();
    for draft in drafts {
        let path = folder.join(format!("sealed.part-{:04}.zip", draft.part.number));
        let (sealed, zip) = write(path, |out| seal_part(draft, key_id, &limits, out))?;
        tracing::info!(part = %sealed.part, entries = sealed.entries, bytes = zip.bytes, "sealed");
        parts.push(SealedPart { record: sealed.record(zip.sha256, zip.bytes), path: zip.path });
    }
    let records: Vec<PartRecord> = parts.iter().map(|part| part.record.clone()).collect();
    let unsigned =
        prepare(root.with_parts(&records).map_err(evidenced_bundle::SealError::from)?, key_id, &limits)?;
    let signature = key.sign(unsigned.message())?;
    let (sealed, root) = write(folder.join("sealed.zip"), |out| unsigned.seal(signature, key.public(), out))?;
    Ok(SealedRun { sealed, root, parts })
}

/// Writes a zip, and reads it back.
fn write<T>(
    path: PathBuf,
    seal: impl FnOnce(&mut BufWriter<File>) -> Result<T, evidenced_bundle::SealError>,
) -> Result<(T, SealedZip), CollectError> {
    let failed = |action| {
        let path = path.clone();
        move |source| CollectError::Spool { path, action, source }
    };
    let file = File::create_new(&path).map_err(failed("creating the zip"))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let sealed = seal(&mut out)?;
    let file = out.into_inner().map_err(|error| failed("writing the zip")(error.into_error()))?;
    file.sync_all().map_err(failed("fsync"))?;
    let (sha256, bytes) = File::open(&path).and_then(hash_reader).map_err(failed("reading the zip back"))?;
    Ok((sealed, SealedZip { path, sha256, bytes }))
}
