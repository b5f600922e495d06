//! One bundle with what lies beside it: steps 1 to 10 of `docs/BUNDLE.md`, in that order, fail closed.
//!
//! Under public keys the sidecars that are there are held to them, as far as those keys go: the statement and the SSH
//! signature. Timestamps and log proof need a trust root. Under a trust root every sidecar is needed; only the date
//! may be missing, and only when the caller says so.

use crate::anchor::Anchor;
use crate::archive::UntrustedBundle;
use crate::attest::{Attested, Demand, attest, stated};
use crate::check::{Check, VerifyError};
use crate::sidecar::{Sidecars, Wanted, ZipDigests};
use crate::statement::Statement;
use crate::verify::VerifiedBundle;

/// A bundle that passed every check, and what its sidecars prove.
#[derive(Debug)]
pub struct Verified {
    /// What is in the zip.
    pub bundle: VerifiedBundle,
    /// The digests of the zip, which were taken before anything parsed it; a folder has none.
    pub zip: Option<ZipDigests>,
    /// The statement about the zip, where one is there and its signature was checked.
    pub statement: Option<Statement>,
    /// What the sidecars prove under a trust root.
    pub attested: Option<Attested>,
}

/// Verifies one bundle. `passed` hears of each check that passes, with what it saw.
pub fn verify_bundle(
    mut bundle: UntrustedBundle,
    sidecars: &Sidecars,
    anchor: &Anchor,
    demand: &Demand,
    passed: &mut dyn FnMut(Check, String),
) -> Result<Verified, VerifyError> {
    let file_name = bundle.name.clone();
    // 1. The anchor could not have been made otherwise.
    anchor.announce(passed);
    // 6 begins here: the digests name the bytes that everything else is about.
    let zip = bundle.hash(Wanted::beside(sidecars))?.cloned();
    match anchor {
        Anchor::Keys(keys) => {
            // 2, 3, 5, 6 and 9b, as far as public keys go.
            let statement = match &zip {
                Some(zip) => stated(&file_name, zip, sidecars, keys, passed)?,
                None => None,
            };
            // 8 to 10.
            let snapshot = statement.as_ref().map(|statement| &statement.snapshot);
            let bundle = bundle.verify_with(keys, snapshot, passed)?;
            Ok(Verified { bundle, zip, statement, attested: None })
        }
        Anchor::Root(root) => {
            let Some(zip) = zip else {
                let what = "is an unpacked folder, which nothing dates and no log holds: verify the zip, or the folder with --key";
                return Err(VerifyError::missing(Check::StatementForm, &file_name, what));
            };
            // 2 to 7 and 9b.
            let attested = attest(&file_name, Some(&zip), sidecars, root, demand, passed)?;
            // 8 to 10, under the keys that counted when the bundle was dated.
            let bundle = bundle.verify_with(&attested.keys, Some(&attested.statement.snapshot), passed)?;
            let statement = Some(attested.statement.clone());
            Ok(Verified { bundle, zip: Some(zip), statement, attested: Some(attested) })
        }
    }
}
