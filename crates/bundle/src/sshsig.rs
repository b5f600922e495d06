//! `.zip.sshsig`: a signature that `ssh-keygen -Y verify` checks (OpenSSH PROTOCOL.sshsig).
//!
//! Namespace `evidenced`, hash SHA-512, key type Ed25519: every length in the file is fixed, and a file that is not
//! spelled exactly as OpenSSH and we would spell it is refused.

use std::io::{self, Read};

use sha2::{Digest as _, Sha512};

use crate::base64;
use crate::digest::for_each_chunk;
use crate::key::{KeyError, PublicKey};
use crate::note::KeyName;
use crate::time::UtcSecond;

/// The namespace of the signatures.
pub const NAMESPACE: &str = "evidenced";
const MAGIC: &[u8] = b"SSHSIG";
const KEY_TYPE: &[u8] = b"ssh-ed25519";
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END: &str = "-----END SSH SIGNATURE-----\n";
/// Where the 32 bytes of the key are in the decoded file: behind the magic, the version, and the lengths and the type
/// of the key. The 64 bytes of the signature are the last ones.
const KEY_START: usize = 33;
const BLOB_BYTES: usize = 179;

/// The SHA-512 of a file, which is what the signature is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sha512Digest([u8; 64]);

impl Sha512Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha512::digest(bytes).into())
    }

    /// The digest whose 64 bytes these are.
    pub(crate) fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Reads to the end.
    pub fn of_reader(reader: &mut dyn Read) -> io::Result<Self> {
        let mut hasher = Sha512::new();
        for_each_chunk(reader, |chunk| {
            hasher.update(chunk);
            Ok(())
        })?;
        Ok(Self(hasher.finalize().into()))
    }
}

/// Why a signature file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SshSigError {
    /// Not such a file.
    #[error("not an SSH signature of namespace {NAMESPACE} by an Ed25519 key over a SHA-512")]
    Malformed,
    /// The signature is by another key, or over another file.
    #[error("the SSH signature is refused")]
    Signature(#[from] KeyError),
}

/// The message to sign for a file with this digest: 95 bytes.
pub fn message(sha512: &Sha512Digest) -> Vec<u8> {
    [MAGIC, &about(), &string(&sha512.0)].concat()
}

/// The sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshSig {
    key: [u8; 32],
    signature: [u8; 64],
}

impl SshSig {
    /// The sidecar of a signature by `key`.
    pub fn new(key: &PublicKey, signature: [u8; 64]) -> Self {
        Self { key: *key.as_bytes(), signature }
    }

    /// The file.
    pub fn render(&self) -> String {
        let key = string(&public(&self.key));
        let signature = string(&[string(KEY_TYPE), string(&self.signature)].concat());
        let blob = base64::encode(&[MAGIC, &1_u32.to_be_bytes(), &key, &about(), &signature].concat());
        let mut text = BEGIN.to_owned();
        let mut rest = blob.as_str();
        while let Some((line, after)) = rest.split_at_checked(70) {
            text.push_str(line);
            text.push('\n');
            rest = after;
        }
        text.push_str(rest);
        text.push('\n');
        text + END
    }

    /// Reads what [`Self::render`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, SshSigError> {
        let read = || {
            let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() < 1024)?;
            let body = text.strip_prefix(BEGIN)?.strip_suffix(END)?.replace('\n', "");
            let blob = base64::decode(body.as_bytes()).filter(|blob| blob.len() == BLOB_BYTES)?;
            let key = blob.get(KEY_START..)?.first_chunk::<32>()?;
            let found = Self { key: *key, signature: *blob.last_chunk::<64>()? };
            // Everything between the two is fixed, so equal text is the whole check.
            (found.render() == text).then_some(found)
        };
        read().ok_or(SshSigError::Malformed)
    }

    /// The signature is by `key` over the file with this digest.
    pub fn verify(&self, key: &PublicKey, sha512: &Sha512Digest) -> Result<(), SshSigError> {
        if self.key != *key.as_bytes() {
            return Err(KeyError::BadSignature { id: *key.id() }.into());
        }
        Ok(key.verify_strict(&message(sha512), &self.signature)?)
    }
}

/// The line of an `allowed_signers` file: principal, namespace, window, key.
pub fn allowed_signers(
    principal: &KeyName,
    key: &PublicKey,
    valid_after: Option<UtcSecond>,
    valid_before: Option<UtcSecond>,
) -> String {
    // OpenSSH writes `YYYYMMDDHHMMSSZ`, without the T of our names.
    let option = |name, instant: Option<UtcSecond>| {
        instant.map_or(String::new(), |at| format!(",{name}=\"{}\"", at.compact().replace('T', "")))
    };
    let (after, before) = (option("valid-after", valid_after), option("valid-before", valid_before));
    let options = format!("namespaces=\"{NAMESPACE}\"{after}{before}");
    format!("{principal} {options} ssh-ed25519 {}", base64::encode(&public(key.as_bytes())))
}

fn public(key: &[u8; 32]) -> Vec<u8> {
    [string(KEY_TYPE), string(key)].concat()
}

fn about() -> Vec<u8> {
    [string(NAMESPACE.as_bytes()), string(b""), string(b"sha512")].concat()
}

/// A string of the SSH protocol; all of ours are short.
fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}
