//! `README.txt` and `data/VERIFY.txt`: for a person who has this file and nothing else of ours.
//!
//! Both are functions of the name and the days.

use super::PeriodId;
use crate::span::Span;

/// The text of `README.txt`.
pub(super) fn readme(id: &PeriodId, span: &Span) -> String {
    format!(
        "{id}

The evidence of {span} (whole days of UTC), in one file. This folder is a bag (BagIt 1.0, RFC 8493):

  data/bundles/         a zip for each scheduled run, and for each extra one, with its signed statement
                        (.sigstore.json), its SSH signature (.sshsig), its date (.tsr) and the proof that it is in
                        the log (.tlog-proof)
  data/bundles.txt      name, bytes, SHA-256 and place of every zip: inside, beside (in the folder of this file), or
                        left-out (a sample: its statement is here, the zip is not)
  data/log/             the whole log up to the end of the period, with the checkpoint before the period and the one
                        behind it
  data/trust/           the organisation's trust root, a copy for convenience
  data/coverage.csv     one line a run, for a spreadsheet
  data/VERIFY.txt       how to verify all of this

THIS FILE IS NOT SIGNED, and does not have to be: every zip, every statement and every checkpoint in it is, and nothing
else in it proves anything. The lists (bundles.txt, coverage.csv) restate what was signed. The trust root in data/trust
counts only when its first version has the fingerprint that you got by another way.

VERIFY WITH EVIDENCED. Without unpacking:

  evidenced verify {id}.zip --trust {id}.zip --root-fingerprint FINGERPRINT

WHAT THIS SHOWS. That the runs were signed by the keys of the trust root, when, and that no scheduled run of the period
was left out, replaced or added later. It does not show that AWS was asked the right questions: data/catalogue.json and
data/plan.json of each zip say what was asked.
"
    )
}

/// The text of `data/VERIFY.txt`.
pub(super) fn verify() -> String {
    "How to verify a period, and one bundle of it, with common tools

Unpack this file. You need what the organisation gave you by another way than this file: the fingerprint of its trust
root, or the files evidence.pub.pem, log.pub.pem, allowed_signers and tsa-root.pem of it.

1. WHO SIGNED A ZIP, in data/bundles, with OpenSSH 8.1 or later (ORIGIN is Evidenced-Log-Origin in bag-info.txt):

  ssh-keygen -Y verify -f allowed_signers -I ORIGIN -n evidenced -s ID.zip.sshsig < ID.zip

2. WHEN, with OpenSSL 3.0 or later; a zip without .tsr has no date of its own:

  openssl ts -verify -data ID.zip -in ID.zip.tsr -CAfile tsa-root.pem
  openssl ts -reply -in ID.zip.tsr -text

3. WHICH ZIPS, in data: these are the digests that the signed statements name.

  awk '$4 == \"inside\" { print $3 \"  bundles/\" $1 }' bundles.txt | sha256sum -c --strict

4. THAT NONE IS MISSING. The log is in data/log as C2SP tlog-tiles: tile/entries holds the statements, each with two
bytes of length in front of it, in the order of their numbers. Each statement names its number (log.index), the SHA-256
of the one before it (previous), its slot and the schedule. checkpoint.start and checkpoint.end are signed by the log's
key and carry the number of statements and the root of the Merkle tree over them (RFC 6962). consistency.txt is the
proof that the log of the end begins with the log of the start; its form is that of a request to a C2SP witness.
Keep checkpoint.end: it must be a beginning of the log at the next period, or the past was changed.

The program does all of this, and step 4 is hard to do by hand:

  evidenced verify FILE.zip --trust TRUST --root-fingerprint FINGERPRINT --pin checkpoint-of-last-period

The project's docs/VERIFY.md has every command, and docs/BUNDLE.md every format.
"
    .to_owned()
}
