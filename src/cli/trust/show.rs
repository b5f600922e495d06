//! What a trust root says, for the people who sign it and the people who pin it.

use evidenced_bundle::trust::{Document, Envelope, Purpose};

use super::super::exit::Failed;
use super::folder::{Folder, fingerprint};

/// Everything about the version in force, and about the draft.
pub(super) fn text(folder: &Folder) -> Result<String, Failed> {
    let (root, draft) = (folder.root()?, folder.drafted()?);
    let mut text: Vec<String> = Vec::new();
    if let (Some(root), Some(first)) = (&root, folder.envelope(1)?) {
        text.push(format!("trust root version {} in {}\n", root.version(), folder.path().display()));
        text.push(fingerprint(&first));
        text.push(format!("  statement    {}\n", root.digest()));
        text.push(document(root.envelope()));
    }
    if let Some(draft) = &draft {
        text.push(format!("draft of version {}\n", draft.document().version));
        text.push(format!("  statement    {}\n", draft.digest()));
        text.push(document(draft));
        text.push(missing(draft, folder.before(draft)?.as_ref()));
    }
    if text.is_empty() {
        return Err(Failed::usage(
            format!("{} holds no trust root", folder.path().display()),
            "`evidenced trust init` drafts one",
        ));
    }
    Ok(text.concat())
}

fn document(envelope: &Envelope) -> String {
    let document = envelope.document();
    let signed = envelope.signers(&document.holders);
    let mut text =
        vec![format!("  holders      {} of {} have to sign\n", document.threshold, document.holders.len())];
    for holder in &document.holders {
        let word = if signed.contains(holder.key.id()) { "signed" } else { "-" };
        text.push(format!("    {word:<8} {}  {}\n", holder.key.id(), holder.name));
    }
    text.push("  keys\n".to_owned());
    for key in &document.keys {
        let purpose = match &key.purpose {
            Purpose::Evidence => "evidence".to_owned(),
            Purpose::Log(origin) => format!("log of {origin}"),
        };
        text.push(format!("    {}  {purpose}\n      from {}", key.id, key.valid_from));
        if let Some(until) = key.valid_until {
            text.push(format!(" until {until}"));
        }
        if let Some(revoked) = &key.revoked {
            text.push(format!(", revoked as of {}: {}", revoked.at, revoked.reason));
        }
        text.push("\n".to_owned());
    }
    text.push("  timestamp authorities\n".to_owned());
    for authority in &document.authorities {
        text.push(format!("    {} from {}\n", authority.file, authority.valid_from));
    }
    text.concat()
}

/// Whose signatures a draft still needs, by version.
pub(super) fn missing(draft: &Envelope, before: Option<&Document>) -> String {
    let mut text: Vec<String> = Vec::new();
    for document in before.into_iter().chain([draft.document()]) {
        let signed = draft.signers(&document.holders);
        let open: Vec<&str> = document
            .holders
            .iter()
            .filter(|holder| !signed.contains(holder.key.id()))
            .map(|holder| holder.name.as_str())
            .collect();
        text.push(format!(
            "  {} of {} signatures of the holders of version {}{}\n",
            signed.len(),
            document.threshold,
            document.version,
            if open.is_empty() { String::new() } else { format!("; not yet: {}", open.join(", ")) }
        ));
    }
    text.concat()
}
