//! Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature v1).
//!
//! A note is text, an empty line and signature lines. Lines of unknown keys are counted and otherwise ignored; a line
//! that claims a known key and does not verify refuses the whole note, whatever stands beside it. A checkpoint is
//! three lines and no more: origin, size, root.

use std::fmt;

use crate::base64;
use crate::digest::Digest;
use crate::key::PublicKey;

/// Longer notes are refused unread.
pub const NOTE_BYTES: usize = 64 << 10;
/// More signature lines are refused.
pub const NOTE_SIGNATURES: usize = 32;
const ED25519: u8 = 1;
const COSIGNATURE: u8 = 4;

/// Why a note was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a note.
    #[error("not a signed note: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// Not a checkpoint.
    #[error("not a checkpoint: {what}")]
    NotCheckpoint {
        /// What is wrong.
        what: &'static str,
    },
    /// A line names a known key and its signature is not one of it.
    #[error("the signature line of known key {name} does not verify")]
    BadSignature {
        /// The key's name.
        name: String,
    },
    /// No key of this log has signed.
    #[error("no known key of {origin:?} has signed")]
    NotSigned {
        /// The origin of the note.
        origin: String,
    },
}

/// The name of a log (its origin) or of a witness: 1 to 200 of `A-Z a-z 0-9 . - _ / : @ ~`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// `None` for other text. C2SP allows more; this is what is also safe in JSON and in `allowed_signers`.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/:@~".contains(&byte);
        ((1..=200).contains(&text.len()) && text.bytes().all(allowed)).then_some(Self(text))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a key of a note signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoteKeyKind {
    /// The text: a log.
    Ed25519,
    /// The text and a time: a witness.
    Cosignature,
}

/// A key that is known by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteKey {
    name: KeyName,
    kind: NoteKeyKind,
    public: PublicKey,
}

impl NoteKey {
    /// The key of a log.
    pub fn log(name: KeyName, public: PublicKey) -> Self {
        Self { name, kind: NoteKeyKind::Ed25519, public }
    }

    /// The key of a witness.
    pub fn witness(name: KeyName, public: PublicKey) -> Self {
        Self { name, kind: NoteKeyKind::Cosignature, public }
    }

    /// Its name.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// What it signs.
    pub fn kind(&self) -> NoteKeyKind {
        self.kind
    }

    /// The key itself.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The first four bytes of `SHA-256(name || LF || type || key)`: a hint, not an identity.
    pub fn hint(&self) -> [u8; 4] {
        let bytes = [self.name.0.as_bytes(), b"\n", &[self.type_byte()], self.public.as_bytes()].concat();
        let [a, b, c, d, ..] = *Digest::of(&bytes).as_bytes();
        [a, b, c, d]
    }

    fn type_byte(&self) -> u8 {
        match self.kind {
            NoteKeyKind::Ed25519 => ED25519,
            NoteKeyKind::Cosignature => COSIGNATURE,
        }
    }

    /// The verifier key: `<name>+<hint>+<base64>`.
    pub fn vkey(&self) -> String {
        let hint = u32::from_be_bytes(self.hint());
        let key = base64::encode(&[&[self.type_byte()][..], self.public.as_bytes()].concat());
        format!("{}+{hint:08x}+{key}", self.name)
    }

    /// Reads what [`Self::vkey`] writes.
    pub fn parse_vkey(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('+')?;
        let (_, key) = rest.split_once('+')?;
        let bytes = base64::decode(key.as_bytes())?;
        let (kind, key) = bytes.split_first()?;
        let kind = match *kind {
            ED25519 => NoteKeyKind::Ed25519,
            COSIGNATURE => NoteKeyKind::Cosignature,
            _ => return None,
        };
        let public = PublicKey::from_bytes(key.try_into().ok()?).ok()?;
        let key = Self { name: KeyName::new(name)?, kind, public };
        (key.vkey() == text).then_some(key)
    }

    /// The signature line over `text` with a signature of this log key; `None` when it does not verify, and for a
    /// witness.
    pub fn line(&self, text: &str, signature: &[u8; 64]) -> Option<String> {
        let verified = self.public.verify_strict(text.as_bytes(), signature).is_ok();
        (verified && self.kind == NoteKeyKind::Ed25519)
            .then(|| line(self.name.as_str(), &[&self.hint()[..], signature].concat()))
    }

    /// The time that a witness states, or nothing for a log; `Err` when the signature is not one of this key.
    fn verify(&self, text: &str, signature: &[u8]) -> Result<Option<u64>, NoteError> {
        let bad = || NoteError::BadSignature { name: self.name.to_string() };
        let (time, message, signature) = match self.kind {
            NoteKeyKind::Ed25519 => (None, text.to_owned(), signature),
            NoteKeyKind::Cosignature => {
                let (time, signature) = signature.split_first_chunk::<8>().ok_or_else(bad)?;
                let time = u64::from_be_bytes(*time);
                (Some(time), format!("cosignature/v1\ntime {time}\n{text}"), signature)
            }
        };
        let signature = signature.try_into().map_err(|_| bad())?;
        self.public.verify_strict(message.as_bytes(), signature).map_err(|_| bad())?;
        Ok(time)
    }
}

fn line(name: &str, bytes: &[u8]) -> String {
    format!("\u{2014} {name} {}\n", base64::encode(bytes))
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    name: String,
    hint: [u8; 4],
    bytes: Vec<u8>,
}

/// A note whose signatures nobody has looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

impl Note {
    /// Reads a note strictly: what is read is what [`Self::render`] would write.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let malformed = |what| NoteError::Malformed { what };
        if bytes.len() > NOTE_BYTES {
            return Err(malformed("too long"));
        }
        let whole = std::str::from_utf8(bytes).map_err(|_| malformed("no UTF-8"))?;
        if whole.chars().any(|letter| letter.is_control() && letter != '\n') {
            return Err(malformed("a control character"));
        }
        let (text, lines) = whole.rsplit_once("\n\n").ok_or_else(|| malformed("no empty line"))?;
        let text = format!("{text}\n");
        let lines = lines.strip_suffix('\n').ok_or_else(|| malformed("no signature line that ends"))?;
        let signatures: Option<Vec<_>> =
            lines.split('\n').take(NOTE_SIGNATURES + 1).map(signature_line).collect();
        let signatures = signatures.ok_or_else(|| malformed("a signature line is none"))?;
        if signatures.len() > NOTE_SIGNATURES {
            return Err(malformed("too many signature lines"));
        }
        let note = Self { text, signatures };
        if note.render() == whole { Ok(note) } else { Err(malformed("another spelling of itself")) }
    }

    /// The note as text.
    pub fn render(&self) -> String {
        let mut note = format!("{}\n", self.text);
        for Signature { name, hint, bytes } in &self.signatures {
            note.push_str(&line(name, &[&hint[..], bytes].concat()));
        }
        note
    }

    /// What is signed, with its final line feed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Opens a checkpoint: at least one of `keys` that is a log of its origin has signed, and no line of any of
    /// `keys` is bad.
    pub fn open(&self, keys: &[NoteKey]) -> Result<Opened, NoteError> {
        let mut opened = Opened {
            checkpoint: Checkpoint::parse(&self.text)?,
            log_keys: Vec::new(),
            cosignatures: Vec::new(),
            ignored: 0,
        };
        for signature in &self.signatures {
            let known =
                keys.iter().filter(|key| key.name.as_str() == signature.name && key.hint() == signature.hint);
            // Two keys may share a name and, by accident or by work, a hint: one of them has to verify.
            let mut refused = None;
            let mut found = None;
            for key in known {
                match key.verify(&self.text, &signature.bytes) {
                    Ok(time) => found = Some((key, time)),
                    Err(error) => refused = Some(error),
                }
            }
            match (found, refused) {
                (Some((key, Some(time))), _) => opened.cosignatures.push((key.name.clone(), time)),
                (Some((key, None)), _) if key.name == opened.checkpoint.origin => {
                    opened.log_keys.push(key.public.clone());
                }
                (None, Some(error)) => return Err(error),
                _ => opened.ignored += 1,
            }
        }
        if opened.log_keys.is_empty() {
            return Err(NoteError::NotSigned { origin: opened.checkpoint.origin.to_string() });
        }
        Ok(opened)
    }
}

fn signature_line(text: &str) -> Option<Signature> {
    let (name, value) = text.strip_prefix("\u{2014} ")?.split_once(' ')?;
    if name.is_empty() || name.contains('+') || name.chars().any(char::is_whitespace) {
        return None;
    }
    let bytes = base64::decode(value.as_bytes())?;
    let (hint, bytes) = bytes.split_first_chunk::<4>()?;
    (!bytes.is_empty()).then(|| Signature { name: name.to_owned(), hint: *hint, bytes: bytes.to_vec() })
}

/// The state of a log: so many leaves, with this root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: KeyName,
    /// How many leaves.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
}

impl Checkpoint {
    /// The three lines that are signed.
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, base64::encode(self.root.as_bytes()))
    }

    /// Reads what [`Self::body`] writes.
    pub fn parse(body: &str) -> Result<Self, NoteError> {
        let refuse = |what| NoteError::NotCheckpoint { what };
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root), Some(""), None) =
            (lines.next(), lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(refuse("not three lines"));
        };
        let root = base64::decode(root.as_bytes()).and_then(|root| <[u8; 32]>::try_from(root).ok());
        let checkpoint = Self {
            origin: KeyName::new(origin).ok_or_else(|| refuse("the origin is none"))?,
            size: size.parse().map_err(|_| refuse("the size is no number"))?,
            root: Digest::from_bytes(root.ok_or_else(|| refuse("the root is no hash"))?),
        };
        if checkpoint.body() == body { Ok(checkpoint) } else { Err(refuse("another spelling of itself")) }
    }

    /// The signed note with one signature of the log; `None` when the signature is not one of `key`, or the key not
    /// one of this log.
    pub fn sign(&self, key: &NoteKey, signature: &[u8; 64]) -> Option<String> {
        let body = self.body();
        let line = key.line(&body, signature).filter(|_| key.name == self.origin)?;
        Some(format!("{body}\n{line}"))
    }
}

/// A checkpoint that a known key of its log has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The keys of the log that signed it, at least one.
    pub log_keys: Vec<PublicKey>,
    /// The known witnesses that signed it, and when (seconds since 1970).
    pub cosignatures: Vec<(KeyName, u64)>,
    /// Lines of keys that are not known. A reader that refuses every changed byte refuses these.
    pub ignored: usize,
}
