//! Step 1: what the verifying person trusts, got by another way than the bundle.
//!
//! Public keys alone prove who signed. A trust root, held by one number, also says which keys counted when, which
//! timestamp authorities count, and which keys sign the log: only with it is a date or a place in a log proved.

use crate::check::Check;
use crate::digest::KeyId;
use crate::key::TrustedKeys;
use crate::trust::{Dated, KeyRefusal, TrustRoot};

/// What the verifying person trusts.
#[derive(Debug, Clone)]
pub enum Anchor {
    /// Public keys of purpose evidence.
    Keys(TrustedKeys),
    /// A trust root whose chain of versions led to the pinned fingerprint.
    Root(Box<TrustRoot>),
}

impl Anchor {
    /// Step 1 has passed: neither variant can be made otherwise.
    pub(crate) fn announce(&self, passed: &mut dyn FnMut(Check, String)) {
        match self {
            Self::Keys(keys) => {
                passed(Check::Keys, keys.ids().map(ToString::to_string).collect::<Vec<_>>().join(", "));
            }
            Self::Root(root) => {
                passed(
                    Check::TrustRoot,
                    format!("version {}, fingerprint {}", root.version(), root.fingerprint()),
                );
            }
        }
    }
}

/// The evidence keys of a trust root that count for what was signed then; why the one that is asked for does not.
pub(crate) fn keys_at(root: &TrustRoot, asked: &KeyId, signed: Dated) -> Result<TrustedKeys, KeyRefusal> {
    let asked = root.evidence_key(asked, signed)?;
    let others = root.evidence_keys().filter_map(|(entry, _)| root.evidence_key(&entry.id, signed).ok());
    let keys = TrustedKeys::new(others.cloned().chain([asked.clone()]));
    keys.ok_or(KeyRefusal::Unknown { id: *asked.id() })
}
