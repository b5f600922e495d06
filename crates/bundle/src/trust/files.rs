//! The files of a trust root for other tools: what `ssh-keygen`, Sigstore clients and C2SP clients read.
//!
//! Each is a function of the statement and of the key files, and carries the version in its name, because nothing in
//! a store is ever overwritten.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::TrustError;
use super::document::{Document, KeyEntry, Purpose};
use crate::base64;
use crate::digest::Digest;
use crate::key::PublicKey;
use crate::note::{KeyName, NoteKey};
use crate::sshsig::allowed_signers;
use crate::timestamp::{Authorities, certificates};

/// Longest key or certificate file.
pub const FILE_BYTES: usize = 256 << 10;

/// The names of the files that are made, for a version.
pub(super) fn derived_names(version: u32) -> [String; 3] {
    [
        format!("allowed_signers-v{version}"),
        format!("tlog-policy-v{version}.txt"),
        format!("trusted_root-v{version}.json"),
    ]
}

/// Makes the derived files of `document` from `sources` (the PEM files that it names), and sets the digests of all.
/// Gives every file but the statement.
pub fn derive(
    document: &mut Document,
    sources: &BTreeMap<String, Vec<u8>>,
) -> Result<BTreeMap<String, Vec<u8>>, TrustError> {
    let mut files = BTreeMap::new();
    let named = document.keys.iter().map(|key| &key.file);
    for name in named.chain(document.authorities.iter().map(|authority| &authority.file)) {
        let bytes = sources.get(name).ok_or_else(|| TrustError::Missing { name: name.clone() })?;
        files.insert(name.clone(), bytes.clone());
    }
    let keys = read_keys(document, &files)?;
    let [signers, policy, sigstore] = derived_names(document.version);
    files.insert(signers, allowed(document, &keys).into_bytes());
    files.insert(policy, tlog_policy(&keys).into_bytes());
    files.insert(sigstore, trusted_root(document, &files)?);
    document.files = files.iter().map(|(name, bytes)| (name.clone(), Digest::of(bytes))).collect();
    Ok(files)
}

/// The keys of the statement, each from its file, whose id has to be the pinned one.
pub(super) fn read_keys<'a>(
    document: &'a Document,
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<Vec<(&'a KeyEntry, PublicKey)>, TrustError> {
    let mut keys = Vec::new();
    for entry in &document.keys {
        let key = PublicKey::from_pem(text(files, &entry.file)?)?;
        if *key.id() != entry.id {
            return Err(TrustError::OtherKey { named: entry.id.to_string(), found: *key.id() });
        }
        keys.push((entry, key));
    }
    Ok(keys)
}

pub(super) fn text<'a>(files: &'a BTreeMap<String, Vec<u8>>, name: &str) -> Result<&'a str, TrustError> {
    let bytes = files.get(name).ok_or_else(|| TrustError::Missing { name: name.to_owned() })?;
    str::from_utf8(bytes).map_err(|_| TrustError::Malformed { detail: format!("{name} is not text") })
}

/// OpenSSH: the principal of a bundle's signature is the origin of its log.
fn allowed(document: &Document, keys: &[(&KeyEntry, PublicKey)]) -> String {
    let origins: BTreeSet<&KeyName> = document
        .keys
        .iter()
        .filter_map(|key| match &key.purpose {
            Purpose::Log(origin) => Some(origin),
            Purpose::Evidence => None,
        })
        .collect();
    let mut lines = String::new();
    for origin in origins {
        for (entry, key) in keys.iter().filter(|(entry, _)| entry.purpose == Purpose::Evidence) {
            let revoked = entry.revoked.as_ref().map(|revoked| revoked.at);
            let before = entry.valid_until.into_iter().chain(revoked).min();
            lines.push_str(&allowed_signers(origin, key, Some(entry.valid_from), before));
            lines.push('\n');
        }
    }
    lines
}

/// C2SP tlog-policy: the logs, and no witness.
fn tlog_policy(keys: &[(&KeyEntry, PublicKey)]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (entry, key) in keys {
        if let (Purpose::Log(origin), None) = (&entry.purpose, &entry.revoked) {
            lines.push(format!("log {}\n", NoteKey::log(origin.clone(), key.clone()).vkey()));
        }
    }
    lines.concat() + "quorum none\n"
}

/// Sigstore: timestamp authorities only; the key is given to its clients by other means.
fn trusted_root(document: &Document, files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, TrustError> {
    let mut authorities = Vec::new();
    for entry in &document.authorities {
        let pem = text(files, &entry.file)?;
        let wrong = |source| TrustError::Authority { name: entry.file.clone(), source };
        Authorities::new().add(pem, entry.valid_from).map_err(wrong)?;
        let chain = certificates(pem).map_err(wrong)?;
        let chain: Vec<_> = chain.iter().map(|der| json!({"rawBytes": base64::encode(der)})).collect();
        authorities.push(json!({
            "certChain": {"certificates": chain},
            "validFor": {"start": entry.valid_from.to_string()},
        }));
    }
    let root = json!({
        "certificateAuthorities": [],
        "ctlogs": [],
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "timestampAuthorities": authorities,
        "tlogs": [],
    });
    Ok(format!("{root}\n").into_bytes())
}
