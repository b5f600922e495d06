//! The keys sign and the timestamp authorities answer.
//!
//! Each key signs one fixed message, and the signature is verified under its public half.

use evidenced_bundle::note::KeyName;
use evidenced_bundle::trust::{Dated, TrustRoot};
use evidenced_bundle::{Digest, KeyId, UtcSecond};
use evidenced_core::config::KeySource;

use super::{Line, World, chain};
use crate::aws;
use crate::publish::{self, TimestampClient};
use crate::signer::{self, Key};
use crate::trust_root::Trusted;

/// What is signed for a test. It begins with words that nothing we sign begins with: a statement is signed as `DSSEv1
/// ...`, the manifest of a bag begins with a digest, a checkpoint has a number in its second line, an SSH signature is
/// over `SSHSIG...`. Whoever has a signature of it has proof that the key answered, and of nothing else.
pub(super) const TEST_MESSAGE: &[u8] = b"evidenced doctor: a test of a signing key\n\
This is no statement, no manifest, no checkpoint and no evidence. A signature over it proves that the key answered.\n";

/// The trust root, and each key: it signs, the signature verifies, the trust root has it.
pub(super) async fn sign(world: &World<'_>) -> Vec<Line> {
    let signing = &world.loaded.config.signing;
    let trusted = publish::trusted(world.loaded);
    let mut lines = vec![match &trusted {
        Ok(Some(Trusted { root, .. })) => {
            Line::ok("trust-root", format!("version {}, fingerprint {}", root.version(), root.fingerprint()))
        }
        Ok(None) => Line::warn(
            "trust-root",
            "none is configured: an auditor has only a public key",
            "`evidenced trust init` makes one; name it in [signing] trust_root (docs/TRUST.md)",
        ),
        Err(error) => Line::missing(
            "trust-root",
            chain(error),
            "[signing] trust_root names the folder of it; `evidenced trust show` prints what it holds",
        ),
    }];
    let root = trusted.as_ref().ok().and_then(Option::as_ref).map(|trusted| &trusted.root);
    lines.push(key(world, "evidence-key", &signing.evidence_key, root).await);
    lines.push(match &signing.log_key {
        Some(source) => key(world, "log-key", source, root).await,
        None => Line::warn(
            "log-key",
            "none is configured: nobody can see what was left out",
            "name it in [signing] log_key",
        ),
    });
    lines
}

async fn key(world: &World<'_>, check: &'static str, source: &KeySource, root: Option<&TrustRoot>) -> Line {
    let name = match source {
        KeySource::File(path) => path.clone(),
        KeySource::Kms(key) => key.clone(),
    };
    let remedy = match source {
        KeySource::File(_) => {
            "[signing] names a file in PKCS#8 PEM, mode 0400; `evidenced init` makes one".to_owned()
        }
        KeySource::Kms(_) => {
            "allow kms:GetPublicKey and kms:Sign with ED25519_SHA_512 on an ECC_NIST_EDWARDS25519 key: \
             `evidenced iam-policy --store`"
                .to_owned()
        }
    };
    let missing = |why: String| Line::missing(check, why, remedy.clone()).of(name.clone());
    let key = match signer::open(world.loaded, &world.settings, source).await {
        Ok(key) => key,
        Err(error) => return missing(chain(&error)),
    };
    let tried = tokio::task::spawn_blocking(move || {
        let signature = key.sign(TEST_MESSAGE).map_err(|error| chain(&error))?;
        key.public().verify_strict(TEST_MESSAGE, &signature).map_err(|error| chain(&error))?;
        Ok(key)
    });
    let key: Key = match tried.await.map_err(|error| chain(&error)).and_then(|tried| tried) {
        Ok(key) => key,
        Err(why) => return missing(why),
    };
    let id = *key.public().id();
    let good = Line::ok(check, format!("signs and verifies a test message; key id {id}")).of(name.clone());
    let Some(root) = root else { return good };
    let refused = if check == "log-key" {
        of_log(root, &world.loaded.config.signing.origin, &id)
    } else {
        let now = UtcSecond::from_unix(world.time.now());
        now.and_then(|now| root.evidence_key(&id, Dated::Claimed(now)).err()).map(|error| error.to_string())
    };
    match refused {
        None => good,
        Some(why) => Line::missing(
            check,
            format!("signs, but verifiers refuse it: {why}"),
            "add the key with `evidenced trust rotate`, or name the key that the trust root has",
        )
        .of(name),
    }
}

/// Why a log key does not count, when it does not.
fn of_log(root: &TrustRoot, origin: &str, id: &KeyId) -> Option<String> {
    let Some(origin) = KeyName::new(origin) else { return Some(format!("{origin:?} names no log")) };
    let keys = root.log_keys(&origin);
    let known = keys.iter().find(|known| known.key().id() == id);
    match known {
        None => Some(format!("the trust root has no log key {id} for {origin}")),
        Some(known) if known.entry().revoked.is_some() => Some(format!("log key {id} is revoked")),
        Some(_) => None,
    }
}

/// One token of each authority, over the digest of the test message.
pub(super) async fn timestamps(world: &World<'_>) -> Vec<Line> {
    const CHECK: &str = "timestamp";
    const REMEDY: &str = "open the way to the authority, or name another one in [signing] timestamp_urls";
    let urls = &world.loaded.config.signing.timestamp_urls;
    if urls.is_empty() {
        let remedy = "name an RFC 3161 authority in [signing] timestamp_urls: else nobody can say when a bundle was \
                      there";
        return vec![Line::warn(CHECK, "none is configured: nothing is dated", remedy)];
    }
    let root = publish::trusted(world.loaded).ok().flatten();
    let known = root.map(|trusted| trusted.root.tsa_roots().clone()).unwrap_or_default();
    let now = world.time.now();
    let asked = urls.iter().map(|url| {
        let (known, url) = (known.clone(), url.clone());
        let connector = aws::connector(world.settings.ca_bundle.clone(), std::slice::from_ref(&url));
        async move {
            let connector = match connector {
                Ok(connector) => connector,
                Err(error) => return Line::missing(CHECK, chain(&error), REMEDY).of(url),
            };
            let vouched = !known.is_empty();
            let client = TimestampClient::new(vec![url.clone()], connector, known);
            let to = url.clone();
            let answer = tokio::task::spawn_blocking(move || client.ask(&to, &Digest::of(TEST_MESSAGE)));
            match answer.await {
                Ok(Ok(answer)) => stamped(answer.time, answer.authority.filter(|_| vouched), now),
                Ok(Err(error)) => Line::missing(CHECK, chain(&error), REMEDY),
                Err(error) => Line::missing(CHECK, chain(&error), REMEDY),
            }
            .of(url)
        }
    });
    futures_util::future::join_all(asked).await
}

fn stamped(time: UtcSecond, authority: Option<String>, now: i64) -> Line {
    const CHECK: &str = "timestamp";
    match authority {
        Some(name) => Line::ok(CHECK, format!("{time} by {name} ({} s from here)", now - time.unix())),
        None => Line::warn(
            CHECK,
            format!("{time}, by an authority that the trust root does not have"),
            "add its root certificate with `evidenced trust rotate --tsa`: else verifiers refuse its tokens",
        ),
    }
}

#[cfg(test)]
mod tests {
    use evidenced_bundle::manifest::Manifest;
    use evidenced_bundle::note::Checkpoint;
    use evidenced_bundle::statement::Statement;
    use evidenced_bundle::trust::Envelope;

    use super::*;

    #[test]
    fn the_test_message_can_be_taken_for_nothing_that_is_signed() {
        let text = str::from_utf8(TEST_MESSAGE).unwrap();
        assert!(Checkpoint::parse(text).is_err());
        assert!(Manifest::parse(TEST_MESSAGE).is_err());
        assert!(Statement::parse(TEST_MESSAGE).is_err());
        assert!(Envelope::parse(TEST_MESSAGE).is_err());
        for prefix in ["DSSEv1 ", "SSHSIG", "{", "-----"] {
            assert!(!text.starts_with(prefix));
        }
    }
}
