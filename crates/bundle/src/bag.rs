//! The tag files of a bag: `bagit.txt`, `bag-info.txt`, `README.txt` (RFC 8493).
//!
//! [`BagInfo::print`] and [`BagInfo::parse`] are twins. The README is written for a person without this program and
//! is a function of the id and the key id.

use std::fmt;
use std::num::NonZeroU16;

use crate::digest::KeyId;
use crate::id::{BagId, Scope};
use crate::parts::{PartId, PartOf};
use crate::time::is_date;

/// The whole of `bagit.txt`.
pub const BAG_DECLARATION: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
/// Names of the files that surround the payload.
pub const README: &str = "README.txt";
/// `bag-info.txt`.
pub const BAG_INFO: &str = "bag-info.txt";
/// `bagit.txt`.
pub const BAGIT: &str = "bagit.txt";
/// The payload manifest.
pub const MANIFEST: &str = "manifest-sha256.txt";
/// The manifest of the tag files: the signed message.
pub const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
/// The raw signature over [`TAG_MANIFEST`].
pub const SIGNATURE: &str = "tagmanifest-sha256.txt.sig";
/// The tag files that [`TAG_MANIFEST`] lists, sorted.
pub const TAG_FILES: [&str; 4] = [README, BAG_INFO, BAGIT, MANIFEST];

const VALUE_BYTES: usize = 256;

/// Bytes and files of the payload: `Payload-Oxum`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Oxum {
    /// Bytes of all payload files.
    pub bytes: u64,
    /// Number of payload files.
    pub files: u64,
}

impl Oxum {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (bytes, files) = text.split_once('.')?;
        let oxum = Self { bytes: bytes.parse().ok()?, files: files.parse().ok()? };
        (oxum.to_string() == text).then_some(oxum)
    }
}

impl fmt::Display for Oxum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.bytes, self.files)
    }
}

/// The contents of `bag-info.txt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BagInfo {
    /// `Bag-Group-Identifier`.
    pub scope: Scope,
    /// `Bag-Software-Agent`.
    pub agent: String,
    /// `Bagging-Date`, `YYYY-MM-DD`.
    pub bagging_date: String,
    /// `Evidenced-Key-Id`.
    pub key_id: KeyId,
    /// `External-Identifier`; with `part`, the name of the part.
    pub id: BagId,
    /// `Bag-Count`, of a part.
    pub part: Option<PartOf>,
    /// `Payload-Oxum`.
    pub oxum: Oxum,
    /// `Source-Organization`.
    pub organisation: String,
}

/// What is wrong with `bag-info.txt`, or with what should go into it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BagInfoError {
    /// The lines are not the seven keys in their order.
    #[error("line {line} should be {expected:?} and a value")]
    Line {
        /// Counted from 1.
        line: usize,
        /// The key that belongs there.
        expected: &'static str,
    },
    /// Something behind the last line.
    #[error("more than the seven lines, or no line feed at the end")]
    End,
    /// A value that its key does not allow.
    #[error("value of {key} is not allowed: {value:?}")]
    Value {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
    },
}

impl BagInfo {
    /// Refuses free text that would not be one line of a tag file.
    pub fn check(&self) -> Result<(), BagInfoError> {
        let free = [("Bag-Software-Agent", &self.agent), ("Source-Organization", &self.organisation)];
        let wrong = free.into_iter().find(|(_, value)| {
            value.is_empty()
                || value.len() > VALUE_BYTES
                || value.trim() != value.as_str()
                || value.chars().any(char::is_control)
        });
        let wrong = wrong.or((!is_date(&self.bagging_date)).then_some(("Bagging-Date", &self.bagging_date)));
        wrong.map_or(Ok(()), |(key, value)| Err(BagInfoError::Value { key, value: value.clone() }))
    }

    fn part_id(&self) -> Option<PartId> {
        PartId::new(self.id.clone(), self.part?.number)
    }

    /// The bytes of `bag-info.txt`.
    pub fn print(&self) -> Vec<u8> {
        let (count, id) = match (self.part, self.part_id()) {
            (Some(part), Some(id)) => {
                (format!("Bag-Count: {} of {}\n", part.position, part.count), id.to_string())
            }
            _ => (String::new(), self.id.to_string()),
        };
        format!(
            "{count}Bag-Group-Identifier: {}\nBag-Software-Agent: {}\nBagging-Date: {}\nEvidenced-Key-Id: {}\n\
             External-Identifier: {}\nPayload-Oxum: {}\nSource-Organization: {}\n",
            self.scope, self.agent, self.bagging_date, self.key_id, id, self.oxum, self.organisation
        )
        .into_bytes()
    }

    /// Reads what [`BagInfo::print`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, BagInfoError> {
        let text = std::str::from_utf8(bytes).map_err(|_| BagInfoError::End)?;
        let mut lines = text.split('\n').enumerate();
        let mut value = |key: &'static str| {
            let (index, line) = lines.next().ok_or(BagInfoError::End)?;
            line.strip_prefix(key)
                .and_then(|rest| rest.strip_prefix(": "))
                .map(|value| (key, value))
                .ok_or(BagInfoError::Line { line: index + 1, expected: key })
        };
        let part_of =
            if bytes.starts_with(b"Bag-Count") { Some(read(value("Bag-Count")?, count)?) } else { None };
        let scope = read(value("Bag-Group-Identifier")?, Scope::new)?;
        let agent = read(value("Bag-Software-Agent")?, |text| Some(text.to_owned()))?;
        let bagging_date = read(value("Bagging-Date")?, |text| Some(text.to_owned()))?;
        let key_id = read(value("Evidenced-Key-Id")?, KeyId::parse)?;
        let identifier = value("External-Identifier")?;
        let (id, part) = match part_of {
            None => (read(identifier, BagId::parse)?, None),
            Some((position, count)) => {
                let part = read(identifier, PartId::parse)?;
                (part.root().clone(), Some(PartOf { number: part.number(), position, count }))
            }
        };
        let oxum = read(value("Payload-Oxum")?, Oxum::parse)?;
        let organisation = read(value("Source-Organization")?, |text| Some(text.to_owned()))?;
        let info = Self { scope, agent, bagging_date, key_id, id, part, oxum, organisation };
        info.check()?;
        if info.print() == bytes { Ok(info) } else { Err(BagInfoError::End) }
    }
}

/// `1 of 3`, counted from 1.
fn count(text: &str) -> Option<(NonZeroU16, NonZeroU16)> {
    let (position, count) = text.split_once(" of ")?;
    let (position, count) = (position.parse().ok()?, count.parse().ok()?);
    (position <= count).then_some((position, count))
}

fn read<'a, T>(
    (key, value): (&'static str, &'a str),
    parse: impl Fn(&'a str) -> Option<T>,
) -> Result<T, BagInfoError> {
    parse(value).ok_or_else(|| BagInfoError::Value { key, value: value.to_owned() })
}

/// The text of `README.txt`.
pub fn readme(id: &BagId, key_id: &KeyId) -> String {
    format!(
        "{id}

This folder is a bag (BagIt 1.0, RFC 8493) of evidence that evidenced collected from AWS. Each answer of AWS is under
data/evidence/<account>/<region>/<item>.json. data/run.json says what was planned and what became of each part of it:
what could not be read is listed there as well.

Signed with the Ed25519 key of this id (SHA-256 of its DER SubjectPublicKeyInfo):

  {key_id}

The public key is not in this bag: a key that comes with what it verifies proves nothing. Get evidence.pub.pem from
the organisation by another way and compare its id:

  openssl pkey -pubin -in evidence.pub.pem -outform DER | sha256sum

VERIFY WITH COMMON TOOLS. OpenSSL 3.0 or later (not LibreSSL, which macOS ships as openssl), GNU sha256sum, a shell.
Run these in this folder, with evidence.pub.pem in it or with its path. All of them must succeed:

openssl pkeyutl -verify -pubin -inkey evidence.pub.pem -rawin -in tagmanifest-sha256.txt -sigfile tagmanifest-sha256.txt.sig
sha256sum -c --strict tagmanifest-sha256.txt && sha256sum -c --strict manifest-sha256.txt
test \"$(find data -type f | wc -l)\" -eq \"$(wc -l < manifest-sha256.txt)\" && test -z \"$(find . -type l)\"

VERIFY WITH EVIDENCED. Without unpacking:

  evidenced-verify {id}.zip --key evidence.pub.pem

WHAT THIS SHOWS. The holder of the key signed exactly these files. It does not show when, nor that no other bag was
left out, nor that AWS was asked the right questions: data/catalogue.json and data/plan.json say what was asked.
"
    )
}

/// The text of `README.txt` of a root whose evidence lies in parts.
pub fn divided_readme(id: &BagId, key_id: &KeyId) -> String {
    let readme = readme(id, key_id);
    format!(
        "{readme}
PARTS. The run is larger than one zip: the folders data/evidence and data/raw are in the zips that data/parts.json
names, which lie beside {id}.zip. They are not signed: the digests in data/parts.json are. With the parts beside this
folder, run this in it:

sed 's/}},{{/\\n/g' data/parts.json | sed 's/.*\"name\":\"\\([^\"]*\\)\",\"sha256\":\"\\([0-9a-f]*\\)\".*/\\2  ..\\/\\1/' | sha256sum -c --strict

Then unpack each part and run the commands of its own README.txt. evidenced-verify does all of this by itself.
"
    )
}

/// The text of `README.txt` of a part.
pub fn part_readme(part: &PartId) -> String {
    let root = part.root();
    format!(
        "{part}

This folder is a bag (BagIt 1.0, RFC 8493): a part of the evidence of run {root}, which is larger than one
zip. It is not signed. The signed bag {root}.zip names the SHA-256 of {part}.zip in its
data/parts.json: verify that bag first, and compare.

VERIFY WITH COMMON TOOLS. Run these in this folder. All of them must succeed:

sha256sum -c --strict tagmanifest-sha256.txt && sha256sum -c --strict manifest-sha256.txt
test \"$(find data -type f | wc -l)\" -eq \"$(wc -l < manifest-sha256.txt)\" && test -z \"$(find . -type l)\"

VERIFY WITH EVIDENCED. Without unpacking, with all parts beside the root:

  evidenced-verify {root}.zip --key evidence.pub.pem
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn info() -> BagInfo {
        BagInfo {
            scope: Scope::new("demo").unwrap(),
            agent: "evidenced 0.1.0".into(),
            bagging_date: "2026-10-01".into(),
            key_id: KeyId::parse(&"ab".repeat(32)).unwrap(),
            id: BagId::parse("evidence-demo-20261001T020000Z").unwrap(),
            part: None,
            oxum: Oxum { bytes: 835, files: 5 },
            organisation: "Müller & Söhne GmbH".into(),
        }
    }

    #[test]
    fn the_declaration_is_the_standard_one() {
        assert_eq!(BAG_DECLARATION.len(), 54);
        assert_eq!(
            Digest::of(BAG_DECLARATION.as_bytes()).to_string(),
            "1712ecfb074bf29c4188ad3421032509159a09739fd604f8fe57038b4ddefcc9"
        );
    }

    #[test]
    fn bag_info_is_read_back() {
        assert_eq!(BagInfo::parse(&info().print()), Ok(info()));
    }

    #[test]
    fn bag_info_in_another_form_is_refused() {
        let text = String::from_utf8(info().print()).unwrap();
        for (from, to) in [
            ("demo\n", "Demo\n"),
            ("Bagging-Date: 2026-10-01\n", ""),
            ("Bagging-Date: 2026-10-01", "Bagging-Date: 2026-10-41"),
            ("835.5", "0835.5"),
            ("835.5", "+835.5"),
            (": ", ":"),
            ("GmbH\n", "GmbH"),
            ("GmbH\n", "GmbH\n\n"),
            ("GmbH\n", "GmbH\nExtra: 1\n"),
            ("GmbH\n", "GmbH \n"),
            ("GmbH\n", "GmbH\r\n"),
            ("Bag-Group", "bag-group"),
        ] {
            assert!(BagInfo::parse(text.replace(from, to).as_bytes()).is_err(), "{from:?} -> {to:?}");
        }
    }

    #[test]
    fn free_text_of_two_lines_is_refused() {
        let two = BagInfo { organisation: "A\nPayload-Oxum: 0.0".into(), ..info() };
        assert!(matches!(two.check(), Err(BagInfoError::Value { key: "Source-Organization", .. })));
    }
}
