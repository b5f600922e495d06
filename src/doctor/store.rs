//! The bucket as a run judges it before it writes, and what lies in the store. Only read.

use std::path::Path;

use evidenced_bundle::note::{Checkpoint, KeyName, Note, NoteKey};
use evidenced_bundle::store::LogStore;
use evidenced_bundle::trust::{Recomputed, TrustRoot};
use evidenced_bundle::{BagId, PublicKey};
use evidenced_core::bucket::{RULES, Severity};
use evidenced_core::config;
use rustix::fs::Access;

use super::{Line, World, chain};
use crate::collector::{self, CollectError};
use crate::preflight;
use crate::publish;
use crate::signer;
use crate::store;

/// Each rule that a bucket has to keep.
pub(super) async fn bucket(world: &World<'_>) -> Vec<Line> {
    const CHECK: &str = "bucket";
    let config::Store::S3(s3) = &world.loaded.config.store else {
        return vec![Line::skipped(CHECK, "the store is a folder")];
    };
    let name = &s3.bucket;
    let caller = preflight::knock(&world.settings).await.unwrap_or_else(|error| Err(error.into()));
    let asked = match collector::ask_bucket(world.loaded, &world.settings, caller).await {
        Ok(Some(asked)) => asked,
        Ok(None) => return vec![Line::skipped(CHECK, "the store is a folder")],
        Err(error) => {
            let remedy = match error {
                CollectError::Door(_) | CollectError::Targets(_) => "check the credentials (identity, above)",
                _ => "check [store] url, region and endpoint_url, and the way to S3",
            };
            return vec![Line::missing(CHECK, chain(&error), remedy).of(name)];
        }
    };
    if let Some(why) = asked.unanswered() {
        let remedy = "the bucket does not answer: runs are made, and wait in the spool; check the way to S3";
        return vec![Line::missing(CHECK, why, remedy).of(name)];
    }
    if let Some(owner) = asked.denied_to() {
        let detail = format!("every question was denied in the name of account {owner}");
        let remedy = "another account owns the bucket, or the role may ask it nothing: compare [store] url and \
                      expected_bucket_owner";
        return vec![Line::missing(CHECK, detail, remedy).of("owner")];
    }
    let mut lines = Vec::new();
    for rule in RULES {
        let found = asked.findings().iter().find(|finding| finding.rule == rule);
        let line = match found {
            None => Line::ok(CHECK, "as it should be"),
            Some(finding) if finding.severity == Severity::Refused => {
                Line::missing(CHECK, &finding.found, &finding.remedy)
            }
            Some(finding) => Line::warn(CHECK, &finding.found, &finding.remedy),
        };
        lines.push(line.of(rule));
    }
    lines.push(
        match &s3.expected_owner {
            Some(owner) => Line::ok(CHECK, format!("every request demands that account {owner} owns it")),
            None => Line::warn(
                CHECK,
                "no owner is demanded",
                "set [store] expected_bucket_owner: a bucket of that name in another account is then refused",
            ),
        }
        .of("owner"),
    );
    lines
}

/// Whether the store can be read, is of this scope, and has a log that a known key signed.
pub(super) async fn log(world: &World<'_>) -> Vec<Line> {
    const CHECK: &str = "store";
    let config = &world.loaded.config;
    let name = store::location(world.loaded, "").display().to_string();
    let remedy = match &config.store {
        config::Store::Folder(_) => "[store] url names a folder that can be read and written",
        config::Store::S3(_) => "allow what `evidenced iam-policy --store` prints, and check the way to S3",
    };
    let open = match store::open(world.loaded, &world.settings).await {
        Ok(open) => open,
        Err(error) => return vec![Line::missing(CHECK, chain(&error), remedy).of(name)],
    };
    let scope = config.scope.clone();
    let read = tokio::task::spawn_blocking(move || {
        let found = contents(&*open, &scope);
        let checkpoint = open.get("log/checkpoint").map(|found| found.map(|(bytes, _)| bytes));
        (found, checkpoint)
    });
    let (found, checkpoint) = match read.await {
        Ok(read) => read,
        Err(error) => return vec![Line::missing(CHECK, chain(&error), remedy).of(name)],
    };
    let mut lines = vec![found.unwrap_or_else(|error| Line::missing(CHECK, chain(&error), remedy)).of(&name)];
    if let config::Store::Folder(folder) = &config.store {
        lines.extend(unwritable(&world.loaded.resolve(folder)));
    }
    lines.push(match checkpoint {
        Err(error) => Line::missing("log", chain(&error), remedy),
        Ok(None) => empty(world),
        Ok(Some(bytes)) => signed(world, &bytes).await,
    });
    lines
}

/// How many bundles there are; another scope's would be a mistake.
fn contents(open: &dyn LogStore, scope: &str) -> Result<Line, evidenced_bundle::store::StoreError> {
    let keys = open.list("bundles/")?;
    let ids: Vec<BagId> =
        keys.iter().filter_map(|key| BagId::parse(key.rsplit('/').next()?.strip_suffix(".zip")?)).collect();
    Ok(match ids.iter().find(|id| id.scope().as_str() != scope) {
        Some(other) => Line::missing(
            "store",
            format!("it is that of scope {}, not of {scope}", other.scope()),
            "each scope has a store of its own: change [store] url or scope",
        ),
        None => Line::ok("store", format!("can be read: {} bundle(s)", ids.len())),
    })
}

/// Of a folder that is there, whether this user may write it. It is not tried.
fn unwritable(folder: &Path) -> Option<Line> {
    let denied = folder.is_dir() && rustix::fs::access(folder, Access::WRITE_OK).is_err();
    denied.then(|| {
        let detail = format!("{} cannot be written by this user", folder.display());
        Line::missing("store", detail, "give the folder to the user of the service").of("folder")
    })
}

fn empty(world: &World<'_>) -> Line {
    let spool = world.loaded.resolve(&world.loaded.config.spool);
    match seen(&spool) {
        Ok(Some(seen)) => Line::missing(
            "log",
            format!("the store has none, and this spool saw one of {} leaves", seen.size),
            "the store was emptied or is another one: bring its newest state back; nothing is signed until then",
        ),
        Ok(None) => Line::ok("log", "there is none yet: the first run begins it"),
        Err(error) => Line::missing("log", chain(&error), "move that file away when you know why it is so"),
    }
}

/// Whether the newest checkpoint is of this log, signed by a key that counts, and not older than what was seen.
async fn signed(world: &World<'_>, bytes: &[u8]) -> Line {
    const CHECK: &str = "log";
    let signing = &world.loaded.config.signing;
    let other = "[signing] origin and log_key are those that the log was begun with; a changed key needs its trust root";
    let Some(origin) = KeyName::new(&*signing.origin) else {
        return Line::missing(CHECK, format!("{:?} names no log", signing.origin), "change [signing] origin");
    };
    let root = publish::trusted(world.loaded).ok().flatten().map(|trusted| trusted.root);
    let mut own: Vec<PublicKey> = Vec::new();
    if let (None, Some(source)) = (&root, &signing.log_key)
        && let Ok(key) = signer::open(world.loaded, &world.settings, source).await
    {
        own.push(key.public().clone());
    }
    let opened = match open(bytes, &origin, root.as_ref(), own) {
        Ok(opened) => opened,
        Err(why) => return Line::missing(CHECK, why, other),
    };
    let spool = world.loaded.resolve(&world.loaded.config.spool);
    match seen(&spool) {
        Ok(Some(seen)) if seen.size > opened.size => Line::missing(
            CHECK,
            format!("has {} leaves, and this spool saw {}: it was set back", opened.size, seen.size),
            "bring the newest state of the store back; nothing is signed on top of an older one",
        ),
        Err(error) => Line::missing(CHECK, chain(&error), "move that file away when you know why it is so"),
        Ok(_) => Line::ok(CHECK, format!("{} leaves, signed by a known key", opened.size)),
    }
    .of(origin.to_string())
}

/// How far this spool saw the log; of a spool that is no folder, the check of the spool speaks.
fn seen(spool: &Path) -> Result<Option<Checkpoint>, publish::SpoolError> {
    if spool.is_dir() { publish::seen(spool) } else { Ok(None) }
}

fn open(
    bytes: &[u8],
    origin: &KeyName,
    root: Option<&TrustRoot>,
    own: Vec<PublicKey>,
) -> Result<Checkpoint, String> {
    let note = Note::parse(bytes).map_err(|error| format!("log/checkpoint: {}", chain(&error)))?;
    let known = root.map(|root| root.log_keys(origin)).unwrap_or_default();
    let counting = known.iter().filter(|key| key.counts(Recomputed::Unknown)).map(|key| key.key().clone());
    let keys: Vec<NoteKey> = counting.chain(own).map(|key| NoteKey::log(origin.clone(), key)).collect();
    let named =
        Checkpoint::parse(note.text()).map_err(|error| format!("log/checkpoint: {}", chain(&error)))?;
    if named.origin != *origin {
        return Err(format!("it is the log {}, not {origin}", named.origin));
    }
    let opened = note.open(&keys).map_err(|error| format!("log/checkpoint: {}", chain(&error)))?;
    Ok(opened.checkpoint)
}
