//! Reading foreign bundles: a zip of the profile, or the folder that it unpacks to.
//!
//! Nothing is unpacked to disk and no file is held in memory unless a caller asks for its bytes under a limit.
//! Refused: every zip outside the profile of `docs/BUNDLE.md`, every folder with anything but plain files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use zip::read::{ArchiveOffset, Config, ZipArchive};

use crate::check::{Check, VerifyError};
use crate::deflate_form;
use crate::digest::{CHUNK_BYTES, Digest, hash_reader};
use crate::limits::Limits;
use crate::parts::{NoParts, PartSource, PartsBeside};
use crate::path::{BundlePath, find_clash};
use crate::profile::{self, Entry, Headers, Method};
use crate::sidecar::{Wanted, ZipDigests};

/// What a zip is read from.
pub trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

/// A bundle of which nothing is known yet.
pub struct UntrustedBundle<'p> {
    pub(crate) source: Source,
    pub(crate) name: String,
    pub(crate) limits: Limits,
    /// The digests of the zip, when it has been hashed already.
    pub(crate) hashed: Option<ZipDigests>,
    /// Where the parts of its run are.
    pub(crate) parts: Box<dyn PartSource + 'p>,
}

pub(crate) enum Source {
    Zip(Box<dyn ReadSeek>),
    Folder(PathBuf),
}

impl std::fmt::Debug for UntrustedBundle<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UntrustedBundle({:?})", self.name)
    }
}

impl<'p> UntrustedBundle<'p> {
    /// A zip under the name that it has in its store or folder; without its parts, if it has any.
    pub fn open(zip: impl ReadSeek + 'static, name: &str, limits: &Limits) -> Self {
        let (source, name) = (Source::Zip(Box::new(zip)), name.to_owned());
        Self { source, name, limits: *limits, hashed: None, parts: Box::new(NoParts) }
    }

    /// A zip file, or a folder that a zip was unpacked to. Its parts are those beside it.
    pub fn open_path(path: &Path, limits: &Limits) -> io::Result<Self> {
        if path.is_dir() {
            // `.` and `..` have no name of their own.
            let path = path.canonicalize()?;
            let name = file_name(&path);
            let parts = beside(&path);
            return Ok(Self { source: Source::Folder(path), name, limits: *limits, hashed: None, parts });
        }
        // A pipe or a device could be opened and never end.
        if !path.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a file nor a folder"));
        }
        let bundle = Self::open(File::open(path)?, &file_name(path), limits);
        Ok(Self { parts: beside(path), ..bundle })
    }

    /// With parts from somewhere else than beside it.
    #[must_use]
    pub fn with_parts(self, parts: impl PartSource + 'p) -> Self {
        Self { parts: Box::new(parts), ..self }
    }

    /// The digests of a zip, read once and before anything parses it; `None` of a folder.
    pub fn hash(&mut self, wanted: Wanted) -> Result<Option<&ZipDigests>, VerifyError> {
        let Source::Zip(zip) = &mut self.source else { return Ok(None) };
        if !self.hashed.as_ref().is_some_and(|known| known.are(wanted)) {
            let bytes = length(zip)?;
            let digests = ZipDigests::read(&mut zip.take(bytes), wanted).map_err(VerifyError::unreadable)?;
            self.hashed = Some(digests);
        }
        Ok(self.hashed.as_ref())
    }
}

fn beside(path: &Path) -> Box<dyn PartSource> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Box::new(PartsBeside(folder.to_owned()))
}

/// The length of a zip, which is left at its start.
fn length(zip: &mut Box<dyn ReadSeek>) -> Result<u64, VerifyError> {
    let length = zip.seek(SeekFrom::End(0)).map_err(VerifyError::unreadable)?;
    if length > u64::from(u32::MAX) {
        let detail = format!("{length} bytes are too many for a zip without zip64");
        return Err(VerifyError::refused(Check::ZipLimits, detail));
    }
    zip.seek(SeekFrom::Start(0)).map_err(VerifyError::unreadable)?;
    Ok(length)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The files of a bundle whose form has been checked.
pub(crate) struct Files {
    /// The folder that all are in.
    pub(crate) root: String,
    /// MS-DOS date and time of the headers of a zip.
    pub(crate) dos: Option<(u16, u16)>,
    /// The digest of the whole zip.
    pub(crate) zip_sha256: Option<Digest>,
    /// Paths and lengths.
    pub(crate) sizes: BTreeMap<BundlePath, u64>,
    origin: Origin,
}

enum Origin {
    Zip { zip: Box<dyn ReadSeek>, entries: BTreeMap<BundlePath, Entry> },
    Folder(PathBuf),
}

impl Files {
    /// Step 8: a zip of the profile. `passed` hears of each check.
    pub(crate) fn of_zip(
        mut zip: Box<dyn ReadSeek>,
        hashed: Option<Digest>,
        limits: &Limits,
        passed: &mut dyn FnMut(Check, String),
    ) -> Result<Self, VerifyError> {
        let zip_bytes = length(&mut zip)?;
        // The whole file is hashed before anything parses it: that digest names what was judged.
        let zip_sha256 = match hashed {
            Some(digest) => digest,
            None => hash_reader((&mut zip).take(zip_bytes)).map_err(VerifyError::unreadable)?.0,
        };
        let Headers { root, dos, entries } = profile::check(&mut zip, limits)?;
        let bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
        passed(Check::ZipEnd, format!("{zip_bytes} bytes, sha256 {zip_sha256}"));
        passed(Check::ZipLimits, format!("{} files, {bytes} bytes unpacked", entries.len()));
        passed(Check::ZipHeaders, String::new());
        passed(Check::ZipLayout, String::new());
        passed(Check::ZipNames, format!("in folder {root}"));
        second_reader(&mut zip, entries.len())?;
        passed(Check::ZipReaders, String::new());
        let sizes = entries.iter().map(|entry| (entry.path.clone(), entry.bytes)).collect();
        let entries = entries.into_iter().map(|entry| (entry.path.clone(), entry)).collect();
        let origin = Origin::Zip { zip, entries };
        Ok(Self { root, dos: Some(dos), zip_sha256: Some(zip_sha256), sizes, origin })
    }

    /// Step 8 for a folder: plain files with safe names.
    pub(crate) fn of_folder(folder: PathBuf, limits: &Limits) -> Result<Self, VerifyError> {
        let mut sizes = BTreeMap::new();
        walk(&folder, "", limits, &mut sizes)?;
        if let Some(path) = find_clash(sizes.keys()) {
            return Err(VerifyError::in_file(
                Check::Folder,
                path,
                "would be one file with another on some systems",
            ));
        }
        if sizes.values().fold(0, |all: u64, bytes| all.saturating_add(*bytes)) > limits.uncompressed_bytes {
            return Err(VerifyError::refused(Check::Folder, "the files are larger than the limit"));
        }
        let root = file_name(&folder);
        Ok(Self { root, dos: None, zip_sha256: None, sizes, origin: Origin::Folder(folder) })
    }

    /// The zip that the files are in.
    pub(crate) fn into_zip(self) -> Option<Box<dyn ReadSeek>> {
        match self.origin {
            Origin::Zip { zip, .. } => Some(zip),
            Origin::Folder(_) => None,
        }
    }

    /// A file as a stream. A zip entry that is not what its headers say ends in an error of kind `InvalidData`.
    pub(crate) fn open(&mut self, path: &BundlePath) -> Result<Box<dyn Read + '_>, VerifyError> {
        match &mut self.origin {
            Origin::Folder(folder) => {
                let file = File::open(folder.join(path.as_str())).map_err(|error| unreadable(path, error))?;
                // A file that grows while it is read ends where it ended before; its digest tells.
                Ok(Box::new(file.take(self.sizes.get(path).copied().unwrap_or(0).saturating_add(1))))
            }
            Origin::Zip { zip, entries } => {
                let entry = entries
                    .get(path)
                    .ok_or_else(|| VerifyError::in_file(Check::FileSet, path, "is not in the zip"))?;
                zip.seek(SeekFrom::Start(entry.data_start)).map_err(|error| unreadable(path, error))?;
                let packed = zip.take(entry.packed_bytes);
                let unpack = match entry.method {
                    Method::Stored => Unpack::Stored(packed),
                    Method::Deflated => {
                        Unpack::Deflated(DeflateDecoder::new(BufReader::with_capacity(CHUNK_BYTES, packed)))
                    }
                };
                Ok(Box::new(EntryReader { unpack, entry, crc: Crc::new(), bytes: 0 }))
            }
        }
    }

    /// No bit of the packed data is without meaning, so that a changed zip is a changed file.
    pub(crate) fn no_free_bits(&mut self) -> Result<(), VerifyError> {
        let Origin::Zip { zip, entries } = &mut self.origin else { return Ok(()) };
        for (path, entry) in entries.iter().filter(|(_, entry)| entry.method == Method::Deflated) {
            zip.seek(SeekFrom::Start(entry.data_start)).map_err(|error| unreadable(path, error))?;
            let packed = BufReader::with_capacity(CHUNK_BYTES, zip.take(entry.packed_bytes));
            deflate_form::check(packed, entry.bytes).map_err(|error| read_error(path, error))?;
        }
        Ok(())
    }

    /// Digest and length of a file.
    pub(crate) fn hash(&mut self, path: &BundlePath) -> Result<(Digest, u64), VerifyError> {
        let reader = self.open(path)?;
        hash_reader(reader).map_err(|error| read_error(path, error))
    }

    /// The bytes of a file that is at most `limit` long.
    pub(crate) fn read(
        &mut self,
        path: &BundlePath,
        limit: u64,
        check: Check,
    ) -> Result<Vec<u8>, VerifyError> {
        let bytes = self.sizes.get(path).copied();
        let bytes = bytes.ok_or_else(|| VerifyError::in_file(Check::FileSet, path, "is missing"))?;
        if bytes > limit {
            return Err(VerifyError::in_file(
                check,
                path,
                format!("{bytes} bytes are more than the limit {limit}"),
            ));
        }
        let mut content = Vec::new();
        let mut reader = self.open(path)?.take(limit.saturating_add(1));
        reader.read_to_end(&mut content).map_err(|error| read_error(path, error))?;
        Ok(content)
    }
}

/// What reading a file of the bundle failed with: a lie of the headers, or the system.
pub(crate) fn read_error(path: &BundlePath, error: io::Error) -> VerifyError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            VerifyError::in_file(Check::ZipContent, path, error)
        }
        _ => unreadable(path, error),
    }
}

fn unreadable(path: &BundlePath, source: io::Error) -> VerifyError {
    VerifyError::Unreadable { file: Some(path.to_string()), source }
}

/// Code that is not ours must see the same zip.
pub(crate) fn second_reader(zip: &mut Box<dyn ReadSeek>, count: usize) -> Result<(), VerifyError> {
    let refuse = |what: String| VerifyError::refused(Check::ZipReaders, what);
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let mut archive = ZipArchive::with_config(config, zip).map_err(|error| refuse(error.to_string()))?;
    archive.validate_header_consistency().map_err(|error| refuse(error.to_string()))?;
    let overlapping = archive.has_overlapping_entries().map_err(|error| refuse(error.to_string()))?;
    for (wrong, what) in [
        (archive.has_duplicate_names(), "sees duplicate names"),
        (overlapping, "sees overlapping files"),
        (archive.offset() != 0, "sees a prefix"),
        (!archive.comment().is_empty(), "sees a comment"),
        (archive.len() != count, "counts other files"),
    ] {
        if wrong {
            return Err(refuse(format!("the second reader {what}")));
        }
    }
    Ok(())
}

/// Unpacks one entry and holds it to its headers.
struct EntryReader<'a> {
    unpack: Unpack<'a>,
    entry: &'a Entry,
    crc: Crc,
    bytes: u64,
}

enum Unpack<'a> {
    Stored(Take<&'a mut Box<dyn ReadSeek>>),
    Deflated(DeflateDecoder<BufReader<Take<&'a mut Box<dyn ReadSeek>>>>),
}

impl Read for EntryReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = match &mut self.unpack {
            Unpack::Stored(packed) => packed.read(buffer)?,
            Unpack::Deflated(packed) => packed.read(buffer)?,
        };
        let lie = |what| Err(io::Error::new(io::ErrorKind::InvalidData, what));
        self.crc.update(buffer.get(..length).unwrap_or_default());
        self.bytes = self.bytes.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        if self.bytes > self.entry.bytes {
            return lie("unpacks to more bytes than its header states");
        }
        if length == 0 && !buffer.is_empty() {
            if self.bytes < self.entry.bytes {
                return lie("unpacks to fewer bytes than its header states");
            }
            if self.crc.sum() != self.entry.crc32 {
                return lie("has another checksum than its header states");
            }
            // Bytes behind the end of the deflate stream would be unseen by every tool and still be in the file.
            if let Unpack::Deflated(packed) = &self.unpack
                && packed.total_in() != self.entry.packed_bytes
            {
                return lie("has bytes behind the end of its compressed data");
            }
        }
        Ok(length)
    }
}

/// Lists a folder without following links.
fn walk(
    folder: &Path,
    prefix: &str,
    limits: &Limits,
    sizes: &mut BTreeMap<BundlePath, u64>,
) -> Result<(), VerifyError> {
    for item in fs::read_dir(folder).map_err(VerifyError::unreadable)? {
        let item = item.map_err(VerifyError::unreadable)?;
        let name = format!("{prefix}{}", item.file_name().to_string_lossy());
        let refuse = |what: String| VerifyError::in_file(Check::Folder, &name, what);
        // The path bounds the depth too.
        let path = BundlePath::new(name.clone()).map_err(|error| refuse(error.to_string()))?;
        let metadata = item.path().symlink_metadata().map_err(|error| unreadable(&path, error))?;
        if metadata.is_dir() {
            walk(&item.path(), &format!("{name}/"), limits, sizes)?;
        } else if !metadata.is_file() {
            return Err(refuse("is neither a plain file nor a folder".to_owned()));
        } else if metadata.len() > limits.entry_bytes {
            return Err(refuse(format!(
                "{} bytes are more than the limit {}",
                metadata.len(),
                limits.entry_bytes
            )));
        } else {
            sizes.insert(path, metadata.len());
        }
        if u64::try_from(sizes.len()).unwrap_or(u64::MAX) > limits.entries {
            return Err(VerifyError::refused(Check::Folder, format!("more than {} files", limits.entries)));
        }
    }
    Ok(())
}
