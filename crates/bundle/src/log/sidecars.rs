//! Step 5: what lies beside a zip.
//!
//! Each is made when it is missing and checked when it is there, so making them again changes nothing.

use crate::dsse;
use crate::log::head::{Tiles, object};
use crate::log::{Log, LogError};
use crate::merkle::inclusion;
use crate::note::Note;
use crate::proof::LogProof;
use crate::sigstore::Envelope;
use crate::sshsig::{self, Sha512Digest, SshSig};
use crate::statement::{Statement, StatementError};
use crate::store::Creation;

impl Log<'_> {
    /// Adds the sidecars of a leaf that are not there.
    pub(super) fn add_sidecars(
        &self,
        statement: &Statement,
        leaf: &[u8],
        sha512: &Sha512Digest,
    ) -> Result<(), LogError> {
        let zip = statement.snapshot.id.store_key();
        self.envelope(&format!("{zip}.sigstore.json"), leaf)?;
        self.proof(&format!("{zip}.tlog-proof"), statement.index, leaf)?;
        let key = format!("{zip}.sshsig");
        if let Some((bytes, _)) = self.store.get(&key)? {
            return self.same_ssh_signature(&key, &bytes, sha512);
        }
        let signature = Self::sign(self.writer.evidence, &sshsig::message(sha512))?;
        let sidecar = SshSig::new(self.writer.evidence.public(), signature).render();
        if self.store.create(&key, sidecar.as_bytes())? == Creation::Exists {
            return self.same_ssh_signature(&key, &object(self.store, &key)?, sha512);
        }
        Ok(())
    }

    fn envelope(&self, key: &str, leaf: &[u8]) -> Result<(), LogError> {
        if let Some((bytes, _)) = self.store.get(key)? {
            return self.same_envelope(key, &bytes, leaf);
        }
        let message = dsse::message(leaf).ok_or(StatementError::TooLong { bytes: leaf.len() })?;
        let signature = Self::sign(self.writer.evidence, &message)?;
        let envelope = Envelope {
            key_id: *self.writer.evidence.key_id(),
            payload: leaf.to_vec(),
            signature,
            tokens: (self.writer.stamp)(&signature),
        };
        if self.store.create(key, envelope.render().as_bytes())? == Creation::Exists {
            return self.same_envelope(key, &object(self.store, key)?, leaf);
        }
        Ok(())
    }

    /// Tokens and, after a rotation, keys differ: what counts is the payload, and that it verifies.
    fn same_envelope(&self, key: &str, bytes: &[u8], leaf: &[u8]) -> Result<(), LogError> {
        let corrupt = |what| LogError::Corrupt { key: key.to_owned(), what };
        let envelope = Envelope::parse(bytes).map_err(|_| corrupt("it is no envelope"))?;
        let verified = self.evidence_keys.iter().any(|known| envelope.verify(known).is_ok());
        if verified && envelope.payload == leaf { Ok(()) } else { Err(corrupt("another envelope is there")) }
    }

    /// With the checkpoint of the size at which the leaf came in, so that there is one proof of each leaf.
    fn proof(&self, key: &str, index: u64, leaf: &[u8]) -> Result<(), LogError> {
        let size = index + 1;
        let checkpoint = format!("log/checkpoints/{size}");
        let refused = |source| LogError::Checkpoint { key: checkpoint.clone(), source };
        let proof = LogProof {
            index,
            hashes: inclusion(&mut Tiles::new(self.store, size), index, size)?,
            checkpoint: Note::parse(&object(self.store, &checkpoint)?).map_err(refused)?,
        };
        let what = "it does not lead to the leaf";
        proof
            .verify(leaf, &self.note_keys)
            .map_err(|_| LogError::Corrupt { key: checkpoint.clone(), what })?;
        self.create_same(key, proof.render().as_bytes())
    }

    fn same_ssh_signature(&self, key: &str, bytes: &[u8], sha512: &Sha512Digest) -> Result<(), LogError> {
        let corrupt = || LogError::Corrupt { key: key.to_owned(), what: "another signature is there" };
        let found = SshSig::parse(bytes).map_err(|_| corrupt())?;
        let verified = self.evidence_keys.iter().any(|known| found.verify(known, sha512).is_ok());
        if verified { Ok(()) } else { Err(corrupt()) }
    }
}
