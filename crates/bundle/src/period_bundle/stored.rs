//! Writes a zip in which everything is stored, to the profile that [`crate::profile`] demands.
//!
//! A crate that writes zips states version 1.0 for stored files; the profile has one version for all, and with it no
//! header has a byte that is not fixed, a length, a checksum or a name. Sizes are known before a file is written and
//! held to. Memory: a chunk, and 46 bytes and a name for each file.

use std::io::{self, Read, Seek, SeekFrom, Write};

use flate2::Crc;

use crate::digest::{CHUNK_BYTES, Digest, Hasher, for_each_chunk};
use crate::path::BundlePath;

const LOCAL_BYTES: u64 = 30;
const CENTRAL_BYTES: u64 = 46;
const END_BYTES: u64 = 22;
/// Where the checksum is in a local header.
const CHECKSUM_AT: u64 = 14;

/// Why a file was not added.
#[derive(Debug)]
pub(super) enum AddError {
    /// What goes in cannot be read.
    Read(io::Error),
    /// The zip cannot be written.
    Write(io::Error),
    /// Another length than was said.
    Length,
}

/// What a zip of these files will have, to the byte.
pub(super) fn zip_bytes<'a>(root: &str, files: impl Iterator<Item = (&'a str, u64)>) -> u64 {
    files.fold(END_BYTES, |all, (path, bytes)| {
        let name = u64::try_from(root.len() + 1 + path.len()).unwrap_or(u64::MAX);
        all.saturating_add(bytes)
            .saturating_add(LOCAL_BYTES + CENTRAL_BYTES)
            .saturating_add(name.saturating_mul(2))
    })
}

pub(super) struct StoredZip<W> {
    out: W,
    at: u64,
    root: String,
    dos: (u16, u16),
    central: Vec<u8>,
    files: u16,
}

impl<W: Write + Seek> StoredZip<W> {
    /// `out` is empty and at its start.
    pub(super) fn new(out: W, root: String, dos: (u16, u16)) -> Self {
        Self { out, at: 0, root, dos, central: Vec::new(), files: 0 }
    }

    /// Adds a file of so many bytes; its digest. Paths come sorted.
    pub(super) fn add(
        &mut self,
        path: &BundlePath,
        bytes: u64,
        from: &mut dyn Read,
    ) -> Result<Digest, AddError> {
        let name = format!("{}/{path}", self.root);
        let header = |crc| self.local(&name, bytes, crc);
        let limit = || AddError::Write(io::ErrorKind::FileTooLarge.into());
        let mut from = from.take(bytes.saturating_add(1));
        let (digest, crc) = if usize::try_from(bytes).is_ok_and(|bytes| bytes <= CHUNK_BYTES) {
            let mut content = Vec::new();
            from.read_to_end(&mut content).map_err(AddError::Read)?;
            let found = u64::try_from(content.len()).unwrap_or(u64::MAX);
            if found != bytes {
                return Err(AddError::Length);
            }
            let mut crc = Crc::new();
            crc.update(&content);
            let header = header(crc.sum()).ok_or_else(limit)?;
            self.out
                .write_all(&header)
                .and_then(|()| self.out.write_all(&content))
                .map_err(AddError::Write)?;
            (Digest::of(&content), crc.sum())
        } else {
            let blank = header(0).ok_or_else(limit)?;
            self.out.write_all(&blank).map_err(AddError::Write)?;
            let (digest, crc) = self.copy(bytes, &mut from)?;
            let written = self
                .out
                .seek(SeekFrom::Start(self.at + CHECKSUM_AT))
                .and_then(|_| self.out.write_all(&crc.to_le_bytes()))
                .and_then(|()| self.out.seek(SeekFrom::End(0)));
            written.map_err(AddError::Write)?;
            (digest, crc)
        };
        let start = u32::try_from(self.at).map_err(|_| limit())?;
        self.list(&name, bytes, crc, start).ok_or_else(limit)?;
        self.at += LOCAL_BYTES + u64::try_from(name.len()).unwrap_or(0) + bytes;
        Ok(digest)
    }

    /// The central directory and the end; how long the zip is.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        let too_large = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        let start = u32::try_from(self.at).map_err(too_large)?;
        let length = u32::try_from(self.central.len()).map_err(too_large)?;
        self.out.write_all(&self.central)?;
        let mut end = 0x0605_4b50_u32.to_le_bytes().to_vec();
        for number in [0, 0, self.files, self.files] {
            end.extend(number.to_le_bytes());
        }
        end.extend(length.to_le_bytes());
        end.extend(start.to_le_bytes());
        end.extend(0_u16.to_le_bytes());
        self.out.write_all(&end)?;
        self.out.flush()?;
        Ok(self.at + u64::from(length) + END_BYTES)
    }

    fn copy(&mut self, bytes: u64, from: &mut dyn Read) -> Result<(Digest, u32), AddError> {
        let (mut hasher, mut crc) = (Hasher::new(), Crc::new());
        let mut unwritable = None;
        let copied = for_each_chunk(from, |chunk| {
            hasher.update(chunk);
            crc.update(chunk);
            self.out.write_all(chunk).map_err(|error| {
                let kind = error.kind();
                unwritable = Some(error);
                kind.into()
            })
        });
        match (copied, unwritable) {
            (_, Some(error)) => Err(AddError::Write(error)),
            (Err(error), None) => Err(AddError::Read(error)),
            (Ok(()), None) => match hasher.finish() {
                (digest, found) if found == bytes => Ok((digest, crc.sum())),
                _ => Err(AddError::Length),
            },
        }
    }

    /// From the version that is needed to the length of the extra field: what both headers have. Flags, method and
    /// extra field are zero.
    fn fixed(&self, name: &str, bytes: u64, crc: u32) -> Option<Vec<u8>> {
        let (bytes, name) = (u32::try_from(bytes).ok()?, u16::try_from(name.len()).ok()?);
        let mut header = Vec::new();
        for number in [20, 0, 0, self.dos.1, self.dos.0] {
            header.extend(number.to_le_bytes());
        }
        for number in [crc, bytes, bytes] {
            header.extend(number.to_le_bytes());
        }
        header.extend(name.to_le_bytes());
        header.extend(0_u16.to_le_bytes());
        Some(header)
    }

    fn local(&self, name: &str, bytes: u64, crc: u32) -> Option<Vec<u8>> {
        let mut header = 0x0403_4b50_u32.to_le_bytes().to_vec();
        header.extend(self.fixed(name, bytes, crc)?);
        header.extend(name.as_bytes());
        Some(header)
    }

    /// Version 2.0 on Unix, no comment, one disk, no internal attributes, a plain file of mode 0644.
    fn list(&mut self, name: &str, bytes: u64, crc: u32, start: u32) -> Option<()> {
        let fixed = self.fixed(name, bytes, crc)?;
        self.files = self.files.checked_add(1)?;
        self.central.extend(0x0201_4b50_u32.to_le_bytes());
        self.central.extend(0x0314_u16.to_le_bytes());
        self.central.extend(fixed);
        self.central.extend([0; 6]);
        self.central.extend((0o100_644_u32 << 16).to_le_bytes());
        self.central.extend(start.to_le_bytes());
        self.central.extend(name.as_bytes());
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::profile::{self, Method};
    use std::io::Cursor;

    #[test]
    fn it_writes_the_profile_that_the_reader_demands() {
        let contents = [("a/small", vec![1; 10]), ("b/large", vec![2; 200_000]), ("c", Vec::new())];
        let mut bytes = Cursor::new(Vec::new());
        let mut zip = StoredZip::new(&mut bytes, "root".into(), (0x5d76, 0x13fd));
        for (path, content) in &contents {
            let length = u64::try_from(content.len()).unwrap();
            let digest = zip.add(&BundlePath::new(*path).unwrap(), length, &mut &content[..]).unwrap();
            assert_eq!(digest, Digest::of(content));
        }
        let length = zip.finish().unwrap();
        let sizes = contents.iter().map(|(path, content)| (*path, u64::try_from(content.len()).unwrap()));
        assert_eq!(length, zip_bytes("root", sizes));
        assert_eq!(length, u64::try_from(bytes.get_ref().len()).unwrap());
        let headers = profile::check(&mut bytes, &Limits::default()).unwrap();
        assert_eq!((headers.root.as_str(), headers.dos), ("root", (0x5d76, 0x13fd)));
        assert!(headers.entries.iter().all(|entry| entry.method == Method::Stored));
        let mut crc = Crc::new();
        crc.update(&contents[1].1);
        assert_eq!(headers.entries[1].crc32, crc.sum());
    }

    #[test]
    fn another_length_than_was_said_is_refused() {
        for (said, content) in
            [(3, vec![0; 2]), (2, vec![0; 3]), (100_000, vec![0; 99_999]), (99_999, vec![0; 100_000])]
        {
            let mut zip = StoredZip::new(Cursor::new(Vec::new()), "root".into(), (0, 0));
            let added = zip.add(&BundlePath::new("a").unwrap(), said, &mut &content[..]);
            assert!(matches!(added, Err(AddError::Length)), "{said}");
        }
    }
}
