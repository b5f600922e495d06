//! The checks of verification, by name, and how one of them fails.
//!
//! The table is the one place that knows a check's number in `docs/BUNDLE.md`, its name and what it claims when it
//! passes. Bytes of a bundle that end up in a message are made printable here: a bundle must not write to a terminal.

use std::fmt;
use std::io;

macro_rules! checks {
    ($($variant:ident $step:literal $name:literal $claim:literal),+ $(,)?) => {
        /// One check of verification.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Check {
            $(#[doc = $claim] $variant),+
        }

        impl Check {
            /// Every check, in the order of the steps.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The number of the step in `docs/BUNDLE.md`.
            pub fn step(self) -> u8 {
                match self { $(Self::$variant => $step),+ }
            }

            /// The name in reports.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What is true when it passes.
            pub fn claim(self) -> &'static str {
                match self { $(Self::$variant => $claim),+ }
            }
        }
    };
}

checks! {
    TrustRoot 1 "trust-root" "the trust root leads to the fingerprint that was given from outside",
    Keys 1 "keys" "there is a public key to verify with, given from outside the bundle",
    StatementForm 2 "statement-form" "the statement file is a Sigstore bundle written in the one allowed way",
    StatementSignature 3 "statement-signature" "a trusted evidence key signed the statement",
    Tokens 4 "tokens" "a pinned timestamp authority dated the zip or its statement, while the key counted",
    Statement 5 "statement" "the statement is about the bundle of this name",
    ZipDigest 6 "zip-digest" "the whole zip, to the last byte, is the one that the statement names",
    LogProof 7 "log-proof" "the proof is for the statement's number in its log, written in the one allowed way",
    Checkpoint 7 "checkpoint" "a log key of the trust root, and nobody unknown, signed the checkpoint",
    Inclusion 7 "inclusion" "the statement is in the log, at its number",
    ZipEnd 8 "zip-end" "the zip ends with one end record: no suffix, comment, second disk or zip64",
    ZipLimits 8 "zip-limits" "the number and the sizes of the files are within the limits",
    ZipHeaders 8 "zip-headers" "every header is of the one form that the writer emits",
    ZipLayout 8 "zip-layout" "every byte belongs to a listed file or a header: no prefix, gap, overlap or hidden file",
    ZipNames 8 "zip-names" "the names are safe, sorted, distinct on every file system and in one folder",
    ZipReaders 8 "zip-readers" "a second reader sees the same zip",
    ZipContent 8 "zip-content" "the files unpack to the sizes and checksums that the zip states",
    Folder 8 "folder" "the folder holds plain files with safe names only",
    BagName 9 "bag-name" "file, folder and slot have one name",
    TagManifest 9 "tag-manifest" "the tag manifest is one",
    StatedManifest 9 "stated-manifest" "the tag manifest is the one that the statement names",
    Signature 9 "signature" "a given key signed the tag manifest",
    TagFiles 9 "tag-files" "the tag files are those that were signed",
    BagDeclaration 9 "bag-declaration" "bagit.txt is the standard one",
    BagInfo 9 "bag-info" "bag-info.txt says the same as the name, the key and the payload",
    Manifest 9 "manifest" "the payload manifest is one",
    FileSet 9 "file-set" "the files are exactly those of the manifests",
    Payload 9 "payload" "every file of the payload is the one that was signed",
    Parts 9 "parts" "every part that is there is the one that the signed list names",
    SshSignature 9 "ssh-signature" "a trusted evidence key made the SSH signature over the zip",
    RunDocuments 10 "run-documents" "config, catalogue, plan and run can be read",
    RunIdentity 10 "run-identity" "the run is the one that the name says, and names the key that signed it",
    RunPolicies 10 "run-policies" "the policies are those whose digest the run states",
    Coverage 10 "run-coverage" "there is one row for each planned cell and none besides",
    PartBags 10 "part-bags" "every part that is there is a bag of the accounts that the list names, in order",
    RunFiles 10 "run-files" "every row has its document and every document its row",
    RunStatus 10 "run-status" "the status of the run is what its rows add up to",
    RunStatement 10 "run-statement" "the signed statement and the run say the same",
    PeriodLog 11 "period-log" "the log of the period bundle is whole, and leads from its first checkpoint to its last",
    PeriodZips 11 "period-zips" "the period bundle has the zips and sidecars that its log and its list name, and no others",
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} ({})", self.step(), self.name())
    }
}

/// Why a bundle was not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A check failed: the bundle is not genuine.
    #[error("{check}: {}{detail}", .file.as_ref().map_or(String::new(), |file| format!("{file}: ")))]
    Refused {
        /// Which check.
        check: Check,
        /// The file it is about, where it is about one.
        file: Option<String>,
        /// What was found, printable.
        detail: String,
    },
    /// What a check needs is not there: nothing can be said.
    #[error("{check}: {file}: {detail}")]
    Missing {
        /// Which check.
        check: Check,
        /// The file that would hold it.
        file: String,
        /// What is not there, and what it is needed for; printable.
        detail: String,
    },
    /// The bytes could not be read: nothing can be said.
    #[error("{}cannot be read", .file.as_ref().map_or(String::new(), |file| format!("{file}: ")))]
    Unreadable {
        /// The file, where it is one of the bundle.
        file: Option<String>,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl VerifyError {
    /// A refusal that is about no single file.
    pub(crate) fn refused(check: Check, detail: impl fmt::Display) -> Self {
        Self::Refused { check, file: None, detail: printable(&detail.to_string()) }
    }

    /// A refusal of one file.
    pub(crate) fn in_file(check: Check, file: impl fmt::Display, detail: impl fmt::Display) -> Self {
        let file = Some(printable(&file.to_string()));
        Self::Refused { check, file, detail: printable(&detail.to_string()) }
    }

    /// What is needed is not in `file`, or there is no such file.
    pub(crate) fn missing(check: Check, file: impl fmt::Display, detail: impl fmt::Display) -> Self {
        Self::Missing { check, file: printable(&file.to_string()), detail: printable(&detail.to_string()) }
    }

    /// The operating system failed to read.
    pub(crate) fn unreadable(source: io::Error) -> Self {
        Self::Unreadable { file: None, source }
    }
}

const PRINTABLE_CHARS: usize = 400;

/// The text with control and formatting characters escaped, and cut when it is long.
pub fn printable(text: &str) -> String {
    let mut printed = String::new();
    for (count, letter) in text.chars().enumerate() {
        if count == PRINTABLE_CHARS {
            printed.push_str("...");
            break;
        }
        // Escapes and bidirectional marks could show something else than what is there.
        if letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        {
            printed.extend(letter.escape_unicode());
        } else {
            printed.push(letter);
        }
    }
    printed
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn checks_have_one_name_each_and_their_steps_are_in_order() {
        let names: BTreeSet<_> = Check::ALL.iter().map(|check| check.name()).collect();
        assert_eq!(names.len(), Check::ALL.len());
        assert!(Check::ALL.is_sorted_by_key(|check| check.step()));
    }

    #[test]
    fn a_terminal_escape_is_not_printed() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}\n"), "a\\u{1b}[2Jb\\u{202e}\\u{a}");
        assert_eq!(printable(&"x".repeat(1000)).len(), PRINTABLE_CHARS + 3);
    }
}
