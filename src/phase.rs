//! What a run is at, for operators: one line in the log when a phase begins.
//!
//! The words are fixed (docs/OPERATIONS.md): the last one in the log of a process that was killed says what the next
//! start goes on with.

/// A phase of a run, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// AWS is asked. A kill leaves nothing of the run: the slot is collected again while its period lasts.
    Collect,
    /// Zips are written, fsynced, read back. A kill leaves nothing of the run.
    Seal,
    /// The zips get their names in the spool. The root has its own last: before, nothing is left; after, all of it.
    Spool,
    /// Zips go to the store. The next start sends what is missing.
    Upload,
    /// The log takes the leaf. The next start finishes a claim.
    Log,
    /// Proof, envelope, signature, token beside the zip. The next start makes those that are missing.
    Sidecar,
}

impl Phase {
    /// In the log.
    fn word(self) -> &'static str {
        match self {
            Self::Collect => "collect",
            Self::Seal => "seal",
            Self::Spool => "spool",
            Self::Upload => "upload",
            Self::Log => "log",
            Self::Sidecar => "sidecar",
        }
    }

    /// Says that the phase begins.
    pub(crate) fn begins(self) {
        tracing::info!(phase = self.word(), "begins");
    }

    /// To which phase a write to this key of the store belongs, if to any.
    pub(crate) fn of_key(key: &str) -> Option<Self> {
        let (folder, rest) = key.split_once('/')?;
        match folder {
            "log" => Some(Self::Log),
            "bundles" if rest.strip_suffix(".zip").is_some() => Some(Self::Upload),
            "bundles" => Some(Self::Sidecar),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_write_to_the_store_belongs_to_its_phase() {
        let zip = "bundles/2026/11/22/evidence-prod-20261122T020000Z.zip";
        assert_eq!(Phase::of_key(zip), Some(Phase::Upload));
        let part = zip.replace(".zip", ".part-0001.zip");
        assert_eq!(Phase::of_key(&part), Some(Phase::Upload));
        for suffix in [".sigstore.json", ".sshsig", ".tlog-proof", ".tsr"] {
            assert_eq!(Phase::of_key(&format!("{zip}{suffix}")), Some(Phase::Sidecar), "{suffix}");
        }
        for key in ["log/checkpoint", "log/tile/entries/000.p/1", "log/checkpoints/7"] {
            assert_eq!(Phase::of_key(key), Some(Phase::Log), "{key}");
        }
        for key in ["status/prod.json", "lease/20261122T020000Z/1", "trust/root-v1.dsse.json", "none"] {
            assert_eq!(Phase::of_key(key), None, "{key}");
        }
    }
}
