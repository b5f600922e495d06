//! The date of a bundle: the token of a timestamp authority, which waits in the spool until it is beside its zip.

use std::collections::BTreeSet;

use evidenced_bundle::store::{Creation, StoreError};
use evidenced_bundle::{BagId, Digest, UtcSecond, hash_reader};

use super::tsa::Answer;
use super::{CaughtUp, PublishError, Publisher, ids};

/// A token that comes later than this after its slot is late (docs/BUNDLE.md).
const IN_TIME_SECONDS: i64 = 86_400;

/// Who dated a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Date {
    /// An authority; its name when the trust root has its root.
    By { time: UtcSecond, authority: Option<String> },
    /// No authority answered: the token is asked for at the next start.
    Waits,
    /// No authority is configured.
    Nobody,
}

impl Publisher {
    /// Asks the authorities to date a bundle that was just sealed. The store may be away for days: the token says when it
    /// was sealed, and waits with it.
    pub(crate) fn date_sealed(&self, id: &BagId, sha256: &Digest) -> Result<(), PublishError> {
        self.authorities.try_again();
        self.date(id, sha256).map(|_| ())
    }

    /// The token over a statement's signature, which goes into its envelope; none when nobody answers.
    pub(super) fn stamp(&self, signature: &[u8; 64]) -> Vec<Vec<u8>> {
        let answer = self.authorities.date(&Digest::of(signature));
        answer.map(|answer| answer.bytes).into_iter().collect()
    }

    /// The token of a zip: kept from before, or asked for now.
    pub(super) fn date(&self, id: &BagId, sha256: &Digest) -> Result<Date, PublishError> {
        let name = id.file_name();
        if let Some(kept) = self.spool.kept_token(&name)?
            && let Ok(Answer { time, authority, .. }) = self.authorities.judge(kept, sha256, None)
        {
            return Ok(Date::By { time, authority });
        }
        if !self.authorities.is_configured() {
            return Ok(Date::Nobody);
        }
        let Some(Answer { bytes, time, authority }) = self.authorities.date(sha256) else {
            tracing::warn!(bundle = %id, "no timestamp authority answered: the token waits in the spool");
            return Ok(Date::Waits);
        };
        self.spool.keep_token(&name, &bytes)?;
        Ok(Date::By { time, authority })
    }

    /// Puts a token that was got beside its zip; whether there was one.
    pub(super) fn put_token(&self, id: &BagId) -> Result<bool, PublishError> {
        let name = id.file_name();
        let Some(token) = self.spool.kept_token(&name)? else { return Ok(false) };
        let key = format!("{}.tsr", id.store_key());
        if self.store.create(&key, &token)? == Creation::Exists {
            let found = self.store.get(&key)?.map(|(found, _)| found);
            if found.as_ref() != Some(&token) {
                // Of an earlier attempt, or of another writer. The verifier judges it; nothing is overwritten.
                tracing::warn!(bundle = %id, "another token is beside the zip already; it stays");
            }
        }
        self.spool.forget_token(&name)?;
        Ok(true)
    }

    /// Asks once more for the tokens of bundles that are published.
    pub(super) fn fetch_tokens(&self, done: &mut CaughtUp) -> Result<(), PublishError> {
        for (id, sha256) in self.spool.wanted_tokens()? {
            if self.spool.sealed_path(&id).exists() {
                continue;
            }
            if !self.holds(&id)? {
                tracing::info!(bundle = %id, "a token was wanted for a bundle that was never sealed");
                self.spool.forget_token(&id.file_name())?;
                continue;
            }
            match self.date(&id, &sha256)? {
                Date::By { .. } if self.put_token(&id)? => done.dated.push(id),
                _ => done.undated.push(id),
            }
        }
        Ok(())
    }

    /// The wish for a token was in the spool, which may have been on a disk that is gone. Where the token still comes in
    /// time it is wanted again; a later one would say no more than none.
    pub(super) fn want_lost_tokens(&self, keys: &[String]) -> Result<(), PublishError> {
        if !self.authorities.is_configured() {
            return Ok(());
        }
        let there: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
        let wanted = self.spool.wanted_tokens()?;
        let is_young = |id: &BagId| self.time.now().saturating_sub(id.slot().unix()) < IN_TIME_SECONDS;
        for id in ids(keys).filter(is_young) {
            let key = id.store_key();
            if there.contains(format!("{key}.tsr").as_str()) || wanted.iter().any(|(known, _)| *known == id) {
                continue;
            }
            let Some(zip) = self.store.open(&key)? else { continue };
            let (sha256, _) = hash_reader(zip).map_err(|error| StoreError::new("read", &key, error))?;
            tracing::warn!(bundle = %id, "has no token, and the wish for one is lost: it is wanted again");
            self.spool.want_token(&id.file_name(), &sha256)?;
        }
        Ok(())
    }
}
