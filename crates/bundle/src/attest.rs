//! Steps 2 to 7 and 9b: what the sidecars of a zip prove. The zip itself is not parsed here.
//!
//! [`attest`] is the whole of it, under a trust root: who signed the statement, when at the latest, about which zip,
//! and at which place of which log. [`stated`] is the part that public keys alone allow. Each sidecar has one spelling
//! and every byte of it is covered: what is parsed must render to what was read, and a checkpoint may have no line of
//! an unknown key. The one exception are bytes of a timestamp that neither its time nor its signer depend on.

use crate::anchor::keys_at;
use crate::check::{Check, VerifyError};
use crate::digest::{Digest, KeyId};
use crate::key::TrustedKeys;
use crate::note::{Checkpoint, NoteKey};
use crate::proof::{LogProof, ProofError};
use crate::sidecar::{PROOF, SIGSTORE, SSHSIG, Sidecars, TSR, ZipDigests};
use crate::sigstore::{Envelope, SigstoreError};
use crate::sshsig::SshSig;
use crate::statement::Statement;
use crate::time::UtcSecond;
use crate::timestamp::{self, Token};
use crate::trust::{Dated, KeyRefusal, Recomputed, TrustRoot};

/// A token may be so much older than the end of collecting: the clocks of two machines.
pub const EARLY_SECONDS: i64 = 5 * 60;
/// A token that is younger than this is late.
pub const LATE_SECONDS: i64 = 24 * 60 * 60;

/// Whether a bundle without any timestamp is accepted. Under a trust root that pins no timestamp authority it always
/// is, and listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Undated {
    /// Nothing can be said of it.
    #[default]
    Refused,
    /// It is listed as an exception.
    Accepted,
}

/// What the caller asks for, and knows besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Whether there has to be a timestamp.
    pub undated: Undated,
    /// What is known of the log whose checkpoint a revoked key signed (decision 20).
    pub log: Recomputed,
}

impl Default for Demand {
    fn default() -> Self {
        Self { undated: Undated::Refused, log: Recomputed::Unknown }
    }
}

/// How the date of a bundle stands to the end of its collecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeliness {
    /// Dated from five minutes before to 24 hours after it.
    InTime,
    /// Dated before that: a clock is wrong.
    Early,
    /// Dated after that: made up later, or the authority was not to be had.
    Late,
    /// Not dated.
    Undated,
}

/// What a token dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The zip: `.tsr`.
    Zip,
    /// The signature over the statement: in `.sigstore.json`.
    Statement,
}

/// What the sidecars prove.
#[derive(Debug, Clone)]
pub struct Attested {
    /// What was signed.
    pub statement: Statement,
    /// Its bytes: the leaf of the log.
    pub leaf: Vec<u8>,
    /// Who signed it.
    pub key: KeyId,
    /// The evidence keys that count for what was signed then.
    pub keys: TrustedKeys,
    /// Every token, and what it is over.
    pub tokens: Vec<(Over, Token)>,
    /// The time of the earliest token: zip and statement existed then.
    pub dated: Option<UtcSecond>,
    /// What that says.
    pub timeliness: Timeliness,
    /// The checkpoint of the statement's number, as the log signed it.
    pub checkpoint: Checkpoint,
}

impl Attested {
    /// What makes it less than genuine without exceptions, one sentence each.
    pub fn exceptions(&self) -> Vec<String> {
        let ended = self.statement.snapshot.ended;
        let at = self.dated.map(|at| at.to_string()).unwrap_or_default();
        match self.timeliness {
            Timeliness::InTime => Vec::new(),
            Timeliness::Undated => vec!["undated: no timestamp says when it was signed".to_owned()],
            Timeliness::Late => {
                vec![format!("late: dated {at}, more than 24 hours after collecting ended at {ended}")]
            }
            Timeliness::Early => vec![format!(
                "early: dated {at}, more than 5 minutes before collecting ended at {ended}: a clock is wrong"
            )],
        }
    }
}

/// Steps 2 to 7 and 9b under a trust root, in the order of `docs/BUNDLE.md`, stopping at the first that fails. Without
/// `zip` the steps 6 and 9b are left out: what the statement names has not been looked at.
pub fn attest(
    file_name: &str,
    zip: Option<&ZipDigests>,
    sidecars: &Sidecars,
    root: &TrustRoot,
    demand: &Demand,
    passed: &mut dyn FnMut(Check, String),
) -> Result<Attested, VerifyError> {
    let need = |bytes: &'_ Option<Vec<u8>>, check, suffix, what: &str| {
        let missing = || VerifyError::missing(check, format!("{file_name}{suffix}"), what);
        bytes.clone().ok_or_else(missing)
    };
    // 2. The one spelling of a sigstore bundle.
    let bytes = need(
        &sidecars.sigstore,
        Check::StatementForm,
        SIGSTORE,
        "is not there: who stated what is not known",
    )?;
    let envelope = form(file_name, &bytes)?;
    passed(Check::StatementForm, format!("{} bytes", bytes.len()));

    // 3. The key id is a hint: purpose and window are those that were pinned. The window is judged by what the
    // statement claims here, and by the timestamp in step 4.
    let unsigned = |what: String| {
        VerifyError::in_file(Check::StatementSignature, format!("{file_name}{SIGSTORE}"), what)
    };
    let known = root.evidence_keys().find(|(entry, _)| entry.id == envelope.key_id).map(|(_, key)| key);
    let Some(key) = known else {
        let long_ago = UtcSecond::from_unix(0).map(Dated::Claimed);
        let refusal = long_ago.and_then(|then| root.evidence_key(&envelope.key_id, then).err());
        return Err(unsigned(refusal.unwrap_or(KeyRefusal::Unknown { id: envelope.key_id }).to_string()));
    };
    let statement = signed(file_name, &envelope, key)?;
    let ended = statement.snapshot.ended;
    if let Err(refusal @ KeyRefusal::Window { .. }) = root.evidence_key(key.id(), Dated::Claimed(ended)) {
        return Err(unsigned(refusal.to_string()));
    }
    passed(Check::StatementSignature, format!("key {}", key.id()));

    // 4. The date. Both kinds of token show that the signed zip existed: the earliest one counts.
    let tokens = tokens(file_name, &envelope, &statement, sidecars, root)?;
    let dated = tokens.iter().map(|(_, token)| token.time()).min();
    let signed_at = dated.map_or(Dated::Claimed(ended), Dated::Token);
    let keys = keys_at(root, key.id(), signed_at)
        .map_err(|refusal| VerifyError::in_file(Check::Tokens, format!("{file_name}{SIGSTORE}"), refusal))?;
    let timeliness = timeliness(dated, ended);
    match (dated, demand.undated) {
        (Some(at), _) => {
            let authorities: Vec<_> = tokens.iter().map(|(_, token)| token.authority()).collect();
            passed(Check::Tokens, format!("{at} by {}", authorities.join(" and ")));
        }
        (None, Undated::Accepted) => {}
        // Nobody could have dated it for this verifier. That it is undated is listed all the same.
        (None, Undated::Refused) if root.tsa_roots().is_empty() => {}
        (None, Undated::Refused) => {
            let what =
                format!("is not there, and {SIGSTORE} holds no token: when it was signed is not known");
            return Err(VerifyError::missing(Check::Tokens, format!("{file_name}{TSR}"), what));
        }
    }

    // 5. and 6. About this name, and these bytes.
    about(file_name, zip, &statement, passed)?;

    // 7. The log.
    let bytes =
        need(&sidecars.proof, Check::LogProof, PROOF, "is not there: its place in the log is not known")?;
    let checkpoint = logged(file_name, &bytes, &statement, &envelope.payload, root, demand.log, passed)?;

    // 9b. Authorship once more, as one stock command checks it.
    let bytes = need(&sidecars.sshsig, Check::SshSignature, SSHSIG, "is not there")?;
    if let Some(zip) = zip {
        ssh_signature(file_name, zip, &bytes, &keys, passed)?;
    }
    let key = *key.id();
    Ok(Attested { statement, leaf: envelope.payload, key, keys, tokens, dated, timeliness, checkpoint })
}

/// Steps 2, 3, 5, 6 and 9b for the sidecars that are there, under public keys alone: no date, no log.
pub fn stated(
    file_name: &str,
    zip: &ZipDigests,
    sidecars: &Sidecars,
    keys: &TrustedKeys,
    passed: &mut dyn FnMut(Check, String),
) -> Result<Option<Statement>, VerifyError> {
    let mut statement = None;
    if let Some(bytes) = &sidecars.sigstore {
        let envelope = form(file_name, bytes)?;
        passed(Check::StatementForm, format!("{} bytes", bytes.len()));
        let key = keys.by_id(&envelope.key_id).ok_or_else(|| {
            let detail = format!("key {} is none of the given keys", envelope.key_id);
            VerifyError::in_file(Check::StatementSignature, format!("{file_name}{SIGSTORE}"), detail)
        })?;
        let found = signed(file_name, &envelope, key)?;
        passed(Check::StatementSignature, format!("key {}", key.id()));
        about(file_name, Some(zip), &found, passed)?;
        statement = Some(found);
    }
    if let Some(bytes) = &sidecars.sshsig {
        ssh_signature(file_name, zip, bytes, keys, passed)?;
    }
    Ok(statement)
}

fn form(file_name: &str, bytes: &[u8]) -> Result<Envelope, VerifyError> {
    Envelope::parse(bytes)
        .map_err(|error| VerifyError::in_file(Check::StatementForm, format!("{file_name}{SIGSTORE}"), error))
}

/// The statement that this key signed: the bytes that were decoded in step 2.
fn signed(file_name: &str, envelope: &Envelope, key: &crate::PublicKey) -> Result<Statement, VerifyError> {
    envelope.verify(key).map_err(|error| {
        let check = match error {
            SigstoreError::Statement(_) => Check::Statement,
            _ => Check::StatementSignature,
        };
        VerifyError::in_file(check, format!("{file_name}{SIGSTORE}"), with_source(&error))
    })
}

/// The `.tsr` is judged by the digest that the statement names: step 6 holds the zip to the same one.
fn tokens(
    file_name: &str,
    envelope: &Envelope,
    statement: &Statement,
    sidecars: &Sidecars,
    root: &TrustRoot,
) -> Result<Vec<(Over, Token)>, VerifyError> {
    let signature = Digest::of(&envelope.signature);
    let of_zip = sidecars.tsr.iter().map(|token| (Over::Zip, TSR, token, &statement.snapshot.zip_sha256));
    let of_statement = envelope.tokens.iter().map(|token| (Over::Statement, SIGSTORE, token, &signature));
    let judge = |(over, suffix, token, imprint): (Over, &str, &Vec<u8>, &Digest)| {
        let token = timestamp::verify(token, imprint, None, root.tsa_roots());
        let token = token.map_err(|error| {
            VerifyError::in_file(Check::Tokens, format!("{file_name}{suffix}"), with_source(&error))
        })?;
        Ok((over, token))
    };
    of_zip.chain(of_statement).map(judge).collect()
}

fn timeliness(dated: Option<UtcSecond>, ended: UtcSecond) -> Timeliness {
    match dated.map(|at| at.unix() - ended.unix()) {
        None => Timeliness::Undated,
        Some(seconds) if seconds < -EARLY_SECONDS => Timeliness::Early,
        Some(seconds) if seconds > LATE_SECONDS => Timeliness::Late,
        Some(_) => Timeliness::InTime,
    }
}

fn about(
    file_name: &str,
    zip: Option<&ZipDigests>,
    statement: &Statement,
    passed: &mut dyn FnMut(Check, String),
) -> Result<(), VerifyError> {
    let id = &statement.snapshot.id;
    if id.file_name() != file_name {
        let detail = format!("is about {}", id.file_name());
        return Err(VerifyError::in_file(Check::Statement, format!("{file_name}{SIGSTORE}"), detail));
    }
    passed(Check::Statement, id.to_string());
    let Some(zip) = zip else { return Ok(()) };
    let stated = &statement.snapshot.zip_sha256;
    if *stated != zip.sha256 {
        let detail = format!("has sha256 {}, the statement says {stated}", zip.sha256);
        return Err(VerifyError::in_file(Check::ZipDigest, file_name, detail));
    }
    passed(Check::ZipDigest, format!("{} bytes, sha256 {stated}", zip.bytes));
    Ok(())
}

/// The checkpoint has the size that the log had when the statement came in: each statement has one proof.
fn logged(
    file_name: &str,
    bytes: &[u8],
    statement: &Statement,
    leaf: &[u8],
    root: &TrustRoot,
    log: Recomputed,
    passed: &mut dyn FnMut(Check, String),
) -> Result<Checkpoint, VerifyError> {
    let file = format!("{file_name}{PROOF}");
    let refuse = |check, what: String| VerifyError::in_file(check, &file, what);
    let proof = LogProof::parse(bytes).map_err(|error| refuse(Check::LogProof, with_source(&error)))?;
    let index = statement.index;
    if proof.index != index {
        return Err(refuse(
            Check::LogProof,
            format!("is for number {}, the statement has {index}", proof.index),
        ));
    }
    passed(Check::LogProof, format!("number {index} of {}", statement.origin));

    let keys = root.log_keys(&statement.origin);
    let note_keys: Vec<_> =
        keys.iter().map(|known| NoteKey::log(statement.origin.clone(), known.key().clone())).collect();
    let opened = match proof.checkpoint.open(&note_keys) {
        Ok(opened) => opened,
        Err(error) => return Err(refuse(Check::Checkpoint, error.to_string())),
    };
    let found = &opened.checkpoint;
    let lines = opened.log_keys.len();
    let twice =
        opened.log_keys.iter().any(|key| opened.log_keys.iter().filter(|other| *other == key).count() > 1);
    for (wrong, what) in [
        (found.origin != statement.origin, format!("is of log {}, not {}", found.origin, statement.origin)),
        (found.size.checked_sub(1) != Some(index), format!("has size {}, not {index} + 1", found.size)),
        (opened.ignored > 0, format!("has {} signature lines of unknown keys", opened.ignored)),
        (twice, format!("has {lines} signature lines, two of one key")),
    ] {
        if wrong {
            return Err(refuse(Check::Checkpoint, what));
        }
    }
    let counts =
        |signer: &crate::PublicKey| keys.iter().any(|known| known.key() == signer && known.counts(log));
    if !opened.log_keys.iter().any(counts) {
        let what = "is signed by a revoked log key: it counts when the whole log is there to be recomputed";
        return Err(VerifyError::missing(Check::Checkpoint, &file, what));
    }
    passed(Check::Checkpoint, format!("size {}, root {}", found.size, found.root));

    proof.verify(leaf, &note_keys).map_err(|error| {
        let check = if matches!(error, ProofError::NotIncluded { .. }) {
            Check::Inclusion
        } else {
            Check::Checkpoint
        };
        refuse(check, with_source(&error))
    })?;
    passed(Check::Inclusion, format!("{} hashes", proof.hashes.len()));
    Ok(opened.checkpoint)
}

fn ssh_signature(
    file_name: &str,
    zip: &ZipDigests,
    bytes: &[u8],
    keys: &TrustedKeys,
    passed: &mut dyn FnMut(Check, String),
) -> Result<(), VerifyError> {
    let file = format!("{file_name}{SSHSIG}");
    let refuse = |what: String| VerifyError::in_file(Check::SshSignature, &file, what);
    let signature = SshSig::parse(bytes).map_err(|error| refuse(error.to_string()))?;
    let Some(sha512) = &zip.sha512 else {
        return Err(VerifyError::missing(
            Check::SshSignature,
            &file,
            "the SHA-512 of the zip was not computed",
        ));
    };
    let signer = keys.all().find(|key| signature.verify(key, sha512).is_ok());
    let signer =
        signer.ok_or_else(|| refuse("is the signature of no trusted key over this zip".to_owned()))?;
    passed(Check::SshSignature, format!("key {}", signer.id()));
    Ok(())
}

fn with_source(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
