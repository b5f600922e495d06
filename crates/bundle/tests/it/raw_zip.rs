//! A zip writer that can lie in every field.

use std::io::Write as _;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// Both headers and the data of one entry; every field as it will be written.
#[derive(Clone)]
pub(crate) struct RawEntry {
    pub(crate) name: Vec<u8>,
    /// The name in the local header.
    pub(crate) local_name: Vec<u8>,
    /// The data as it lies in the file.
    pub(crate) packed: Vec<u8>,
    pub(crate) method: u16,
    pub(crate) flags: u16,
    pub(crate) needed: u16,
    pub(crate) made_by: u16,
    pub(crate) time: u16,
    pub(crate) date: u16,
    pub(crate) crc: u32,
    pub(crate) local_crc: u32,
    pub(crate) packed_size: u32,
    pub(crate) size: u32,
    pub(crate) local_size: u32,
    pub(crate) external: u32,
    pub(crate) internal: u16,
    pub(crate) disk: u16,
    pub(crate) extra: Vec<u8>,
    pub(crate) local_extra: Vec<u8>,
    pub(crate) comment: Vec<u8>,
    /// Points the central header elsewhere.
    pub(crate) offset: Option<u32>,
    pub(crate) in_central: bool,
    pub(crate) in_local: bool,
    /// Bytes between this entry and the next.
    pub(crate) gap: Vec<u8>,
}

impl RawEntry {
    pub(crate) fn deflated(name: &str, bytes: &[u8]) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(6));
        encoder.write_all(bytes).unwrap();
        Self { packed: encoder.finish().unwrap(), method: 8, ..Self::stored(name, bytes) }.sized(bytes)
    }

    pub(crate) fn stored(name: &str, bytes: &[u8]) -> Self {
        Self {
            name: name.into(),
            local_name: name.into(),
            packed: bytes.to_vec(),
            method: 0,
            flags: 0,
            needed: 20,
            made_by: 0x0314,
            // 2026-11-22T02:00:00
            time: 2 << 11,
            date: 0x5d76,
            crc: 0,
            local_crc: 0,
            packed_size: 0,
            size: 0,
            local_size: 0,
            external: 0o100_644 << 16,
            internal: 0,
            disk: 0,
            extra: Vec::new(),
            local_extra: Vec::new(),
            comment: Vec::new(),
            offset: None,
            in_central: true,
            in_local: true,
            gap: Vec::new(),
        }
        .sized(bytes)
    }

    fn sized(mut self, bytes: &[u8]) -> Self {
        let mut crc = Crc::new();
        crc.update(bytes);
        (self.crc, self.local_crc) = (crc.sum(), crc.sum());
        self.packed_size = u32::try_from(self.packed.len()).unwrap();
        self.size = u32::try_from(bytes.len()).unwrap();
        self.local_size = self.size;
        self
    }

    pub(crate) fn rename(&mut self, name: &[u8]) {
        self.name = name.to_vec();
        self.local_name = name.to_vec();
    }
}

/// Entries and end record.
#[derive(Clone)]
pub(crate) struct Archive {
    pub(crate) entries: Vec<RawEntry>,
    pub(crate) prefix: Vec<u8>,
    /// Between the last entry and the central directory.
    pub(crate) before_central: Vec<u8>,
    /// Between the central directory and the end record, counted as part of the directory.
    pub(crate) after_central: Vec<u8>,
    pub(crate) comment: Vec<u8>,
    pub(crate) suffix: Vec<u8>,
    /// Added to the number of entries in the end record.
    pub(crate) more: i32,
    pub(crate) disk: u16,
}

impl Archive {
    pub(crate) fn new(entries: impl IntoIterator<Item = RawEntry>) -> Self {
        Self {
            entries: entries.into_iter().collect(),
            prefix: Vec::new(),
            before_central: Vec::new(),
            after_central: Vec::new(),
            comment: Vec::new(),
            suffix: Vec::new(),
            more: 0,
            disk: 0,
        }
    }

    pub(crate) fn entry(&mut self, name_end: &str) -> &mut RawEntry {
        self.entries.iter_mut().find(|entry| entry.name.ends_with(name_end.as_bytes())).unwrap()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = self.prefix.clone();
        let mut central = Vec::new();
        let mut count = 0_i32;
        for entry in &self.entries {
            let offset = u32::try_from(out.len()).unwrap();
            if entry.in_local {
                out.extend(0x0403_4b50_u32.to_le_bytes());
                for field in [entry.needed, entry.flags, entry.method, entry.time, entry.date] {
                    out.extend(field.to_le_bytes());
                }
                for field in [entry.local_crc, entry.packed_size, entry.local_size] {
                    out.extend(field.to_le_bytes());
                }
                out.extend(short(&entry.local_name));
                out.extend(short(&entry.local_extra));
                out.extend(&entry.local_name);
                out.extend(&entry.local_extra);
                out.extend(&entry.packed);
                out.extend(&entry.gap);
            }
            if entry.in_central {
                count += 1;
                central.extend(0x0201_4b50_u32.to_le_bytes());
                for field in [entry.made_by, entry.needed, entry.flags, entry.method, entry.time, entry.date]
                {
                    central.extend(field.to_le_bytes());
                }
                for field in [entry.crc, entry.packed_size, entry.size] {
                    central.extend(field.to_le_bytes());
                }
                for field in [&entry.name, &entry.extra, &entry.comment] {
                    central.extend(short(field));
                }
                central.extend(entry.disk.to_le_bytes());
                central.extend(entry.internal.to_le_bytes());
                central.extend(entry.external.to_le_bytes());
                central.extend(entry.offset.unwrap_or(offset).to_le_bytes());
                for field in [&entry.name, &entry.extra, &entry.comment] {
                    central.extend(field);
                }
            }
        }
        out.extend(&self.before_central);
        let start = u32::try_from(out.len()).unwrap();
        central.extend(&self.after_central);
        out.extend(&central);
        out.extend(0x0605_4b50_u32.to_le_bytes());
        let count = u16::try_from(count + self.more).unwrap();
        for field in [self.disk, self.disk, count, count] {
            out.extend(field.to_le_bytes());
        }
        out.extend(u32::try_from(central.len()).unwrap().to_le_bytes());
        out.extend(start.to_le_bytes());
        out.extend(short(&self.comment));
        out.extend(&self.comment);
        out.extend(&self.suffix);
        out
    }
}

fn short(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap().to_le_bytes()
}
