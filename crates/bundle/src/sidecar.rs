//! What lies beside a zip, read under limits and not judged, and the digests of the zip that it is judged with.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest as _, Sha512};

use crate::digest::{Digest, Hasher, for_each_chunk};
use crate::proof::PROOF_BYTES;
use crate::shelf::Shelf;
use crate::sigstore::SIGSTORE_BYTES;
use crate::sshsig::Sha512Digest;
use crate::timestamp::RESPONSE_BYTES;

/// The signed statement.
pub const SIGSTORE: &str = ".sigstore.json";
/// The proof that the statement is in the log.
pub const PROOF: &str = ".tlog-proof";
/// The signature that `ssh-keygen -Y verify` reads.
pub const SSHSIG: &str = ".sshsig";
/// The timestamp over the zip.
pub const TSR: &str = ".tsr";

const SSHSIG_BYTES: usize = 4 << 10;

/// The files beside a zip, each with one byte more than is ever accepted; `None` is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sidecars {
    /// `.zip.sigstore.json`
    pub sigstore: Option<Vec<u8>>,
    /// `.zip.tlog-proof`
    pub proof: Option<Vec<u8>>,
    /// `.zip.sshsig`
    pub sshsig: Option<Vec<u8>>,
    /// `.zip.tsr`
    pub tsr: Option<Vec<u8>>,
}

impl Sidecars {
    /// Those beside a zip in a folder.
    pub fn beside(zip: &Path) -> io::Result<Self> {
        Self::read(|suffix, limit| {
            let mut path = zip.as_os_str().to_owned();
            path.push(suffix);
            let path = Path::new(&path);
            match path.metadata() {
                // A pipe or a device could be opened and never end.
                Ok(metadata) if !metadata.is_file() => Err(io::ErrorKind::InvalidInput.into()),
                Ok(_) => {
                    let mut bytes = Vec::new();
                    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
                    Ok(Some(bytes))
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    /// Those of the zip with this key of a store.
    pub fn on(shelf: &dyn Shelf, zip_key: &str) -> io::Result<Self> {
        Self::read(|suffix, limit| shelf.small(&format!("{zip_key}{suffix}"), limit))
    }

    /// Those that `read` gives for a suffix of the zip's name, cut behind so many bytes.
    pub fn read(mut read: impl FnMut(&str, u64) -> io::Result<Option<Vec<u8>>>) -> io::Result<Self> {
        let mut file =
            |suffix: &str, limit: usize| read(suffix, u64::try_from(limit + 1).unwrap_or(u64::MAX));
        Ok(Self {
            sigstore: file(SIGSTORE, SIGSTORE_BYTES)?,
            proof: file(PROOF, PROOF_BYTES)?,
            sshsig: file(SSHSIG, SSHSIG_BYTES)?,
            tsr: file(TSR, RESPONSE_BYTES)?,
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Those that are there, with their suffixes.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let Self { sigstore, proof, sshsig, tsr } = self;
        let files = [(SIGSTORE, sigstore), (SSHSIG, sshsig), (PROOF, proof), (TSR, tsr)];
        files.into_iter().filter_map(|(suffix, bytes)| Some((suffix, bytes.as_deref()?)))
    }
}

/// Which digests of a zip are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// SHA-256.
    Sha256,
    /// And SHA-512, which SSH signatures are over.
    Both,
}

impl Wanted {
    /// What these sidecars are over.
    pub fn beside(sidecars: &Sidecars) -> Self {
        if sidecars.sshsig.is_some() { Self::Both } else { Self::Sha256 }
    }
}

/// The digests of a whole zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZipDigests {
    /// What statement and timestamp are over.
    pub sha256: Digest,
    /// What the SSH signature is over, if it was wanted.
    pub sha512: Option<Sha512Digest>,
    /// The length.
    pub bytes: u64,
}

impl ZipDigests {
    /// Whether nothing of what is wanted is missing.
    pub fn are(&self, wanted: Wanted) -> bool {
        self.sha512.is_some() || wanted == Wanted::Sha256
    }

    /// Reads to the end, once.
    pub fn read(reader: &mut dyn Read, wanted: Wanted) -> io::Result<Self> {
        let (mut sha256, mut sha512) = (Hasher::new(), (wanted == Wanted::Both).then(Sha512::new));
        for_each_chunk(reader, |chunk| {
            sha256.update(chunk);
            if let Some(sha512) = &mut sha512 {
                sha512.update(chunk);
            }
            Ok(())
        })?;
        let (sha256, bytes) = sha256.finish();
        Ok(Self {
            sha256,
            sha512: sha512.map(|state| Sha512Digest::from_bytes(state.finalize().into())),
            bytes,
        })
    }
}
