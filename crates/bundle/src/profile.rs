//! The zip profile: the one form of zip that is a bundle.
//!
//! Reads the end record, the central directory and every local header, and nothing of the files. What passes has no
//! byte that a reader could take for something else: each one is pinned to a value, equal in both headers, or inside
//! a listed file. The whole archive is never in memory; the list of entries is, under the caller's limits.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use crate::check::{Check, VerifyError, printable};
use crate::limits::Limits;
use crate::path::{BundlePath, find_clash};

const END_BYTES: u64 = 22;
const CENTRAL_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;
/// A folder name, a slash and a path.
const NAME_BYTES: u16 = 301;

/// How the bytes of an entry are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Stored,
    Deflated,
}

/// A file of the zip.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) path: BundlePath,
    pub(crate) method: Method,
    pub(crate) crc32: u32,
    pub(crate) packed_bytes: u64,
    pub(crate) bytes: u64,
    pub(crate) data_start: u64,
    header_start: u64,
}

/// What the headers say.
#[derive(Debug)]
pub(crate) struct Headers {
    /// The one folder that all names begin with.
    pub(crate) root: String,
    /// MS-DOS date and time: the same in every header.
    pub(crate) dos: (u16, u16),
    /// The files, sorted by path.
    pub(crate) entries: Vec<Entry>,
}

/// Little-endian numbers of a header that has been read whole.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn u16(&self, at: usize) -> u16 {
        self.0.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_le_bytes)
    }

    fn u32(&self, at: usize) -> u32 {
        self.0.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
    }
}

/// Refuses every zip that is not of the profile.
pub(crate) fn check<R: Read + Seek>(zip: &mut R, limits: &Limits) -> Result<Headers, VerifyError> {
    let length = zip.seek(SeekFrom::End(0)).map_err(VerifyError::unreadable)?;
    let (count, central_start) = end_record(zip, length, limits)?;
    let headers = central_directory(zip, count, central_start, length - END_BYTES)?;
    limit_sizes(&headers.entries, limits)?;
    if let Some(path) = find_clash(headers.entries.iter().map(|entry| &entry.path)) {
        return Err(VerifyError::in_file(
            Check::ZipNames,
            path,
            "would be one file with another on some systems",
        ));
    }
    local_headers(zip, headers, central_start)
}

/// The last 22 bytes: number of entries and start of the central directory.
fn end_record<R: Read + Seek>(zip: &mut R, length: u64, limits: &Limits) -> Result<(u16, u64), VerifyError> {
    let refuse = |detail: String| Err(VerifyError::refused(Check::ZipEnd, detail));
    let Some(end_start) = length.checked_sub(END_BYTES) else {
        return refuse(format!("{length} bytes are too few for a zip"));
    };
    let mut bytes = [0; 22];
    zip.seek(SeekFrom::Start(end_start))
        .and_then(|_| zip.read_exact(&mut bytes))
        .map_err(VerifyError::unreadable)?;
    let end = Fields(&bytes);
    if end.u32(0) != 0x0605_4b50 {
        return refuse("the last 22 bytes are not the end record of a zip".to_owned());
    }
    let (disk, central_disk, here, count) = (end.u16(4), end.u16(6), end.u16(8), end.u16(10));
    let (central_bytes, central_start) = (u64::from(end.u32(12)), u64::from(end.u32(16)));
    if (disk, central_disk) != (0, 0) || here != count {
        return refuse("the end record speaks of more than one disk".to_owned());
    }
    if end.u16(20) != 0 {
        return refuse("the end record has a comment".to_owned());
    }
    if u64::from(count) > limits.entries {
        return Err(VerifyError::refused(
            Check::ZipLimits,
            format!("{count} files are more than the limit {}", limits.entries),
        ));
    }
    if count == 0 || count == u16::MAX || central_start + central_bytes != end_start {
        return refuse(format!(
            "the end record says {count} files and a directory of {central_bytes} bytes at {central_start}, \
             which do not end at {end_start}"
        ));
    }
    Ok((count, central_start))
}

fn central_directory<R: Read + Seek>(
    zip: &mut R,
    count: u16,
    start: u64,
    end: u64,
) -> Result<Headers, VerifyError> {
    zip.seek(SeekFrom::Start(start)).map_err(VerifyError::unreadable)?;
    let mut reader = BufReader::new(zip.take(end - start));
    let mut left = end - start;
    let mut root: Option<String> = None;
    let mut dos = None;
    let mut made_by = None;
    let mut entries: Vec<Entry> = Vec::with_capacity(usize::from(count));
    for number in 1..=count {
        let mut bytes = [0; CENTRAL_BYTES];
        read_header(&mut reader, &mut bytes, Check::ZipLayout, "the central directory")?;
        let header = Fields(&bytes);
        let wrong =
            |what: &str| Err(VerifyError::refused(Check::ZipHeaders, format!("file {number}: {what}")));
        if header.u32(0) != 0x0201_4b50 {
            return wrong("the central directory has something else than a header");
        }
        if header.u16(28) > NAME_BYTES {
            return wrong("the name is longer than 301 bytes");
        }
        let mut name = vec![0; usize::from(header.u16(28))];
        read_header(&mut reader, &mut name, Check::ZipLayout, "the central directory")?;
        left = left.saturating_sub(46 + u64::from(header.u16(28)));
        let shown = printable(&String::from_utf8_lossy(&name));
        let wrong = |what: &str| Err(VerifyError::in_file(Check::ZipHeaders, &shown, what));
        if let Some(what) = fixed_fields(&header, 6) {
            return wrong(what);
        }
        let Some(method) = method(header.u16(10)) else {
            return wrong("the method is neither stored nor deflated");
        };
        // What the writer emits, and what Python's zipfile emits for the test vectors.
        if !matches!(header.u16(4), 0x0314 | 0x032d) || *made_by.get_or_insert(header.u16(4)) != header.u16(4)
        {
            return wrong("is made by something else than version 2.0 or 4.5 on Unix");
        }
        if header.u16(30) != 0 || header.u16(32) != 0 {
            return wrong("has an extra field or a comment");
        }
        if header.u16(34) != 0 || header.u16(36) != 0 {
            return wrong("lies on another disk or has internal attributes");
        }
        if header.u32(38) != 0o100_644 << 16 {
            return wrong("is not a plain file of mode 0644");
        }
        let time = (header.u16(14), header.u16(12));
        if *dos.get_or_insert(time) != time {
            return wrong("has another time than the file before it");
        }
        let (path, entry_root) = split_name(&name, &shown)?;
        let one_root = root.get_or_insert_with(|| entry_root.to_owned());
        if one_root.as_str() != entry_root {
            return Err(VerifyError::in_file(
                Check::ZipNames,
                &shown,
                "is in another folder than the file before it",
            ));
        }
        if entries.last().is_some_and(|last| last.path >= path) {
            let what = if entries.iter().any(|entry| entry.path == path) {
                "is there twice"
            } else {
                "is not sorted"
            };
            return Err(VerifyError::in_file(Check::ZipNames, &shown, what));
        }
        let (packed, bytes) = (header.u32(20), header.u32(24));
        if packed == u32::MAX || bytes == u32::MAX || header.u32(42) == u32::MAX {
            return wrong("uses zip64");
        }
        if method == Method::Stored && packed != bytes {
            return wrong("is stored in another number of bytes than it has");
        }
        entries.push(Entry {
            path,
            method,
            crc32: header.u32(16),
            packed_bytes: u64::from(packed),
            bytes: u64::from(bytes),
            data_start: 0,
            header_start: u64::from(header.u32(42)),
        });
    }
    if left != 0 {
        return Err(VerifyError::refused(
            Check::ZipLayout,
            format!("{left} bytes follow the central directory"),
        ));
    }
    Ok(Headers { root: root.unwrap_or_default(), dos: dos.unwrap_or_default(), entries })
}

/// Version and flags, the fields that both headers have from `at` on: what is wrong with them.
fn fixed_fields(header: &Fields<'_>, at: usize) -> Option<&'static str> {
    if header.u16(at) != 20 {
        Some("needs another version than 2.0")
    } else if header.u16(at + 2) != 0 {
        Some("has a flag set (encryption, data descriptor, UTF-8, masked headers)")
    } else {
        None
    }
}

fn method(number: u16) -> Option<Method> {
    match number {
        0 => Some(Method::Stored),
        8 => Some(Method::Deflated),
        _ => None,
    }
}

fn split_name<'a>(name: &'a [u8], shown: &str) -> Result<(BundlePath, &'a str), VerifyError> {
    let unsafe_name = |what: String| VerifyError::in_file(Check::ZipNames, shown, what);
    let name = std::str::from_utf8(name).map_err(|_| unsafe_name("the name is not ASCII".to_owned()))?;
    let (root, path) = name.split_once('/').ok_or_else(|| unsafe_name("is in no folder".to_owned()))?;
    BundlePath::new(root).map_err(|error| unsafe_name(error.to_string()))?;
    let path = BundlePath::new(path).map_err(|error| unsafe_name(error.to_string()))?;
    Ok((path, root))
}

fn limit_sizes(entries: &[Entry], limits: &Limits) -> Result<(), VerifyError> {
    if let Some(entry) = entries.iter().find(|entry| entry.bytes > limits.entry_bytes) {
        let detail = format!("{} bytes are more than the limit {}", entry.bytes, limits.entry_bytes);
        return Err(VerifyError::in_file(Check::ZipLimits, &entry.path, detail));
    }
    let all: u64 = entries.iter().map(|entry| entry.bytes).sum();
    if all > limits.uncompressed_bytes {
        let detail = format!("{all} bytes unpacked are more than the limit {}", limits.uncompressed_bytes);
        return Err(VerifyError::refused(Check::ZipLimits, detail));
    }
    Ok(())
}

/// Every local header follows the file before it, and says what the central directory says.
fn local_headers<R: Read + Seek>(
    zip: &mut R,
    mut headers: Headers,
    central_start: u64,
) -> Result<Headers, VerifyError> {
    let mut expected_start = 0;
    for entry in &mut headers.entries {
        let name = format!("{}/{}", headers.root, entry.path);
        if entry.header_start != expected_start {
            let detail =
                format!("begins at {}, the file before it ends at {expected_start}", entry.header_start);
            return Err(VerifyError::in_file(Check::ZipLayout, &entry.path, detail));
        }
        let header_bytes = u64::try_from(LOCAL_BYTES + name.len()).unwrap_or(u64::MAX);
        entry.data_start = expected_start + header_bytes;
        expected_start = entry.data_start + entry.packed_bytes;
        if expected_start > central_start {
            return Err(VerifyError::in_file(
                Check::ZipLayout,
                &entry.path,
                "reaches into the central directory",
            ));
        }

        let mut bytes = vec![0; LOCAL_BYTES + name.len()];
        zip.seek(SeekFrom::Start(entry.header_start)).map_err(VerifyError::unreadable)?;
        read_header(zip, &mut bytes, Check::ZipLayout, "a local header")?;
        let local = Fields(&bytes);
        let stated =
            (method(local.u16(8)), local.u32(14), u64::from(local.u32(18)), u64::from(local.u32(22)));
        let wrong = if local.u32(0) != 0x0403_4b50 {
            Some("has no local header")
        } else if let Some(what) = fixed_fields(&local, 4) {
            Some(what)
        } else if local.u16(28) != 0 {
            Some("has an extra field in its local header")
        } else if usize::from(local.u16(26)) != name.len()
            || bytes.get(LOCAL_BYTES..) != Some(name.as_bytes())
        {
            Some("has another name in its local header")
        } else if (local.u16(12), local.u16(10)) != headers.dos {
            Some("has another time in its local header")
        } else if stated != (Some(entry.method), entry.crc32, entry.packed_bytes, entry.bytes) {
            Some("has another method, size or checksum in its local header")
        } else {
            None
        };
        if let Some(what) = wrong {
            return Err(VerifyError::in_file(Check::ZipHeaders, &entry.path, what));
        }
    }
    if expected_start != central_start {
        let detail = format!(
            "{} bytes between the last file and the central directory",
            central_start - expected_start
        );
        return Err(VerifyError::refused(Check::ZipLayout, detail));
    }
    Ok(headers)
}

fn read_header<R: Read>(
    reader: &mut R,
    bytes: &mut [u8],
    check: Check,
    what: &str,
) -> Result<(), VerifyError> {
    reader.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => VerifyError::refused(check, format!("{what} is cut off")),
        _ => VerifyError::unreadable(error),
    })
}
