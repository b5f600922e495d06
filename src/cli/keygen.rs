//! Makes keys: PKCS#8 v1 that OpenSSL reads, mode 0400, the public half beside it.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use evidenced_bundle::{EvidenceKey, PublicKey};

use super::exit::{Failed, INTERNAL};

/// Writes `<name>.key.pem` and `<name>.pub.pem` into `folder`; neither may exist.
pub(super) fn make(folder: &Path, name: &str) -> Result<(PathBuf, PublicKey), Failed> {
    let mut seed = [0_u8; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Failed::new(INTERNAL, format!("the system gave no randomness: {error}")))?;
    let key = EvidenceKey::from_seed(&seed);
    seed.fill(0);
    create(&folder.join(format!("{name}.key.pem")), key.to_pem().as_bytes(), 0o400)?;
    let public = folder.join(format!("{name}.pub.pem"));
    create(&public, key.public().to_pem().as_bytes(), 0o444)?;
    Ok((public, key.public().clone()))
}

/// Creates a file that did not exist.
pub(super) fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failed> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    made.map_err(|error| {
        let exists = error.kind() == io::ErrorKind::AlreadyExists;
        let failed = Failed::new(
            if exists { super::exit::USAGE } else { INTERNAL },
            format!("{}: {error}", path.display()),
        );
        if exists { failed.hint("nothing is overwritten: choose another --dir") } else { failed }
    })
}
