//! Reads a bundle of certification authorities that is to replace the system's.
//!
//! Certificates that the TLS library cannot use are left out, as it does with the system's own; a bundle without one
//! that it can use is refused. (The HTTP client panics on either.)

use std::path::{Path, PathBuf};

use aws_smithy_http_client::tls::TrustStore;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// A bundle that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    /// The file cannot be read.
    #[error("cannot read the CA bundle {}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// It has no certificate that the TLS library can use.
    #[error("the CA bundle {} has no usable PEM certificate", path.display())]
    Empty { path: PathBuf },
}

const END: &str = "-----END CERTIFICATE-----";

pub(super) fn trust_store(path: &Path) -> Result<TrustStore, TrustError> {
    let unreadable = |source| TrustError::Unreadable { path: path.to_owned(), source };
    let pem = std::fs::read(path).map_err(unreadable)?;
    let pem = String::from_utf8_lossy(&pem);
    let mut usable = String::new();
    for block in pem.split_inclusive(END) {
        if is_usable(block) {
            usable.push_str(block);
            usable.push('\n');
        }
    }
    if usable.is_empty() {
        return Err(TrustError::Empty { path: path.to_owned() });
    }
    Ok(TrustStore::empty().with_pem_certificate(usable))
}

fn is_usable(block: &str) -> bool {
    CertificateDer::from_pem_slice(block.as_bytes())
        .is_ok_and(|certificate| RootCertStore::empty().add(certificate).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_without_a_certificate_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        assert!(matches!(trust_store(&path), Err(TrustError::Unreadable { .. })));
        std::fs::write(&path, format!("-----BEGIN CERTIFICATE-----\nAAAA\n{END}\n")).unwrap();
        assert!(matches!(trust_store(&path), Err(TrustError::Empty { .. })));
    }
}
