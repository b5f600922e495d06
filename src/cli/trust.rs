//! `evidenced trust`: who may say which keys count, and what they say.
//!
//! A version is a draft until enough holders have signed it, each with a key that is kept offline; the last signature
//! that is needed turns the draft into the version in force. Nothing here touches a version that is in force.

mod folder;
mod show;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use evidenced_bundle::digest::KeyId;
use evidenced_bundle::note::KeyName;
use evidenced_bundle::trust::{Document, Holder, KeyEntry, Purpose, Revocation, TsaEntry};
use evidenced_bundle::{Digest, PublicKey, UtcSecond};

use super::exit::{Failed, INTERNAL, USAGE};
use super::print;
use crate::signer::read_key;
use folder::Folder;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Draft the first version: holders, threshold, keys, timestamp authorities.
    Init(Init),
    /// Add a holder's signature to the draft.
    Sign(Sign),
    /// Draft the next version with other keys, holders or authorities.
    Rotate(Rotate),
    /// Draft the next version with a key given up.
    Revoke(Revoke),
    /// Print the fingerprint, keys, windows, who signed and who is missing.
    Show(Dir),
}

#[derive(Debug, Args)]
pub(super) struct Dir {
    /// Folder of the trust root.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

#[derive(Debug, Args)]
struct Additions {
    /// Public key that signs evidence; may be repeated.
    #[arg(long, value_name = "FILE")]
    evidence: Vec<PathBuf>,
    /// Origin of a log and the public key that signs its checkpoints; may be repeated.
    #[arg(long, value_name = "ORIGIN=FILE")]
    log: Vec<String>,
    /// Certificates of a timestamp authority; may be repeated.
    #[arg(long, value_name = "FILE")]
    tsa: Vec<PathBuf>,
    /// First instant at which the added keys and authorities count [default: now].
    #[arg(long, value_name = "INSTANT")]
    from: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Init {
    #[command(flatten)]
    dir: Dir,
    /// How many holders have to sign.
    #[arg(long)]
    threshold: usize,
    /// Someone who may sign trust roots, and the public key for it; may be repeated.
    #[arg(long, required = true, value_name = "NAME=FILE")]
    holder: Vec<String>,
    #[command(flatten)]
    additions: Additions,
}

#[derive(Debug, Args)]
pub(super) struct Sign {
    #[command(flatten)]
    dir: Dir,
    /// Private key of a holder.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    #[command(flatten)]
    dir: Dir,
    /// All holders of the new version, instead of those before; may be repeated.
    #[arg(long, value_name = "NAME=FILE")]
    holder: Vec<String>,
    /// How many holders have to sign from now on.
    #[arg(long)]
    threshold: Option<usize>,
    /// A key that ends, and the first instant at which it no longer counts; may be repeated.
    #[arg(long, value_name = "KEYID=INSTANT")]
    end: Vec<String>,
    #[command(flatten)]
    additions: Additions,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    dir: Dir,
    /// Id of the key.
    #[arg(long, value_name = "KEYID")]
    key_id: String,
    /// Last instant at which the key was known to be good.
    #[arg(long, value_name = "INSTANT")]
    at: String,
    /// Why, in a few words; it is published.
    #[arg(long)]
    reason: String,
}

pub(super) fn run(command: &Command) -> Result<u8, Failed> {
    let text = match command {
        Command::Init(arguments) => init(arguments, now()?)?,
        Command::Sign(arguments) => sign(arguments)?,
        Command::Rotate(arguments) => rotate(arguments, now()?)?,
        Command::Revoke(arguments) => revoke(arguments)?,
        Command::Show(arguments) => show::text(&Folder::new(&arguments.dir))?,
    };
    print(text.as_bytes())
}

fn init(arguments: &Init, now: UtcSecond) -> Result<String, Failed> {
    let folder = Folder::new(&arguments.dir.dir);
    if folder.envelope(1)?.is_some() {
        return Err(Failed::usage(
            format!("{} holds a trust root", folder.path().display()),
            "`evidenced trust rotate` drafts its next version",
        ));
    }
    let mut document = Document {
        version: 1,
        threshold: arguments.threshold,
        holders: holders(&arguments.holder)?,
        keys: Vec::new(),
        authorities: Vec::new(),
        previous: None,
        files: BTreeMap::new(),
    };
    let sources = add(&mut document, &arguments.additions, now)?;
    folder.draft(document, sources)
}

/// What verifiers pin of the trust root in a folder; none where there is no trust root.
pub(super) fn fingerprint(dir: &Path) -> Result<Option<Digest>, Failed> {
    Ok(Folder::new(dir).envelope(1)?.map(|first| first.digest()))
}

/// What the first version of a trial says.
pub(super) struct First<'a> {
    pub(super) holder: &'a str,
    pub(super) evidence: &'a PublicKey,
    pub(super) origin: KeyName,
    pub(super) log: &'a PublicKey,
}

/// Makes and signs a first version that one holder is enough for; its fingerprint.
pub(super) fn make_first(dir: &Path, holder_key: &Path, first: First<'_>) -> Result<Digest, Failed> {
    let folder = Folder::new(dir);
    let key = read_key(holder_key).map_err(|error| Failed::new(USAGE, error))?;
    let mut document = Document {
        version: 1,
        threshold: 1,
        holders: vec![Holder { name: first.holder.to_owned(), key: key.public().clone() }],
        keys: Vec::new(),
        authorities: Vec::new(),
        previous: None,
        files: BTreeMap::new(),
    };
    let keys = vec![
        (Purpose::Evidence, "evidence", first.evidence.clone()),
        (Purpose::Log(first.origin), "log", first.log.clone()),
    ];
    let sources = name_keys(&mut document, keys, now()?);
    folder.draft(document, sources)?;
    folder.sign(&key)?;
    fingerprint(dir)?.ok_or_else(|| Failed::new(INTERNAL, format!("{}: no version 1", dir.display())))
}

fn sign(arguments: &Sign) -> Result<String, Failed> {
    let folder = Folder::new(&arguments.dir.dir);
    let key = read_key(&arguments.key)
        .map_err(|error| Failed::new(USAGE, error).hint(format!("chmod 0400 {}", arguments.key.display())))?;
    folder.sign(&key)
}

fn rotate(arguments: &Rotate, now: UtcSecond) -> Result<String, Failed> {
    let folder = Folder::new(&arguments.dir.dir);
    let mut document = folder.next()?;
    if !arguments.holder.is_empty() {
        document.holders = holders(&arguments.holder)?;
    }
    document.threshold = arguments.threshold.unwrap_or(document.threshold);
    for end in &arguments.end {
        let (id, at) = pair(end, "--end", "KEYID=INSTANT")?;
        key(&mut document, id)?.valid_until = Some(instant(at)?);
    }
    let sources = add(&mut document, &arguments.additions, now)?;
    folder.draft(document, sources)
}

fn revoke(arguments: &Revoke) -> Result<String, Failed> {
    let folder = Folder::new(&arguments.dir.dir);
    let mut document = folder.next()?;
    let entry = key(&mut document, &arguments.key_id)?;
    entry.revoked = Some(Revocation { at: instant(&arguments.at)?, reason: arguments.reason.clone() });
    folder.draft(document, BTreeMap::new())
}

/// Names the added keys and authorities in the statement; the files that they are in.
fn add(
    document: &mut Document,
    additions: &Additions,
    now: UtcSecond,
) -> Result<BTreeMap<String, Vec<u8>>, Failed> {
    let valid_from = additions.from.as_deref().map_or(Ok(now), instant)?;
    let mut keys: Vec<(Purpose, &str, PublicKey)> = Vec::new();
    for path in &additions.evidence {
        keys.push((Purpose::Evidence, "evidence", public_key(path)?));
    }
    for log in &additions.log {
        let (origin, path) = pair(log, "--log", "ORIGIN=FILE")?;
        let origin = KeyName::new(origin).ok_or_else(|| {
            Failed::usage(
                format!("{origin:?} is not the origin of a log"),
                "such as evidence.example.com/prod, without spaces",
            )
        })?;
        keys.push((Purpose::Log(origin), "log", public_key(Path::new(path))?));
    }
    let mut sources = name_keys(document, keys, valid_from);
    for path in &additions.tsa {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let file = format!("tsa-{}.pem", stem.strip_prefix("tsa-").unwrap_or(stem));
        sources.insert(file.clone(), read(path)?.into_bytes());
        document.authorities.push(TsaEntry { file, valid_from });
    }
    Ok(sources)
}

/// Names keys in the statement, each by its id; the files that they are in.
fn name_keys(
    document: &mut Document,
    keys: Vec<(Purpose, &str, PublicKey)>,
    valid_from: UtcSecond,
) -> BTreeMap<String, Vec<u8>> {
    let mut sources = BTreeMap::new();
    for (purpose, word, key) in keys {
        let id = key.id().to_string();
        let file = format!("{word}-{}.pub.pem", id.get(..16).unwrap_or(&id));
        sources.insert(file.clone(), key.to_pem().into_bytes());
        document.keys.push(KeyEntry {
            id: *key.id(),
            purpose,
            file,
            valid_from,
            valid_until: None,
            revoked: None,
        });
    }
    sources
}

fn holders(given: &[String]) -> Result<Vec<Holder>, Failed> {
    given
        .iter()
        .map(|text| {
            let (name, path) = pair(text, "--holder", "NAME=FILE")?;
            Ok(Holder { name: name.to_owned(), key: public_key(Path::new(path))? })
        })
        .collect()
}

fn key<'a>(document: &'a mut Document, id: &str) -> Result<&'a mut KeyEntry, Failed> {
    let id = KeyId::parse(id);
    document.keys.iter_mut().find(|key| Some(key.id) == id).ok_or_else(|| {
        Failed::usage("the trust root holds no key with this id", "`evidenced trust show` lists the key ids")
    })
}

fn pair<'a>(text: &'a str, option: &str, form: &str) -> Result<(&'a str, &'a str), Failed> {
    text.rsplit_once('=')
        .ok_or_else(|| Failed::usage(format!("{option} {text:?} has no ="), format!("write {option} {form}")))
}

fn instant(text: &str) -> Result<UtcSecond, Failed> {
    UtcSecond::parse(text).ok_or_else(|| {
        Failed::usage(format!("{text:?} is not an instant"), "write it in UTC, such as 2026-11-22T02:00:00Z")
    })
}

fn public_key(path: &Path) -> Result<PublicKey, Failed> {
    PublicKey::from_pem(&read(path)?).map_err(|error| {
        Failed::new(USAGE, format!("{}: {error}", path.display()))
            .hint("`openssl pkey -in KEY -pubout` writes a public key file")
    })
}

fn read(path: &Path) -> Result<String, Failed> {
    fs::read_to_string(path).map_err(|error| Failed::new(USAGE, format!("{}: {error}", path.display())))
}

fn now() -> Result<UtcSecond, Failed> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(since).ok().and_then(UtcSecond::from_unix);
    now.ok_or_else(|| Failed::new(INTERNAL, "the clock is beyond the year 9999"))
}

#[cfg(test)]
mod tests {
    use super::super::keygen;
    use super::*;
    use evidenced_bundle::trust::{Dated, KeyRefusal, TrustRoot};
    use tempfile::TempDir;

    /// Keys of three holders, of evidence and of a log, and the folder of a trust root.
    struct Office {
        dir: TempDir,
        evidence: PublicKey,
    }

    impl Office {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            for name in ["ann", "bob", "cid", "log"] {
                keygen::make(dir.path(), name).unwrap();
            }
            let (_, evidence) = keygen::make(dir.path(), "evidence").unwrap();
            Self { dir, evidence }
        }

        fn dir(&self) -> Dir {
            Dir { dir: self.dir.path().join("trust") }
        }

        fn file(&self, name: &str) -> PathBuf {
            self.dir.path().join(format!("{name}.pub.pem"))
        }

        fn init(&self, threshold: usize) -> Result<String, Failed> {
            let holder = |name: &str| format!("{name}={}", self.file(name).display());
            let additions = Additions {
                evidence: vec![self.file("evidence")],
                log: vec![format!("evidence.example.com/prod={}", self.file("log").display())],
                tsa: Vec::new(),
                from: Some("2026-10-01T00:00:00Z".to_owned()),
            };
            let holder = ["ann", "bob", "cid"].map(holder).to_vec();
            init(&Init { dir: self.dir(), threshold, holder, additions }, now().unwrap())
        }

        fn sign(&self, name: &str) -> Result<String, Failed> {
            sign(&Sign { dir: self.dir(), key: self.dir.path().join(format!("{name}.key.pem")) })
        }

        fn revoke(&self) -> Result<String, Failed> {
            revoke(&Revoke {
                dir: self.dir(),
                key_id: self.evidence.id().to_string(),
                at: "2026-11-10T00:00:00Z".to_owned(),
                reason: "laptop stolen".to_owned(),
            })
        }

        fn show(&self) -> String {
            show::text(&Folder::new(&self.dir().dir)).unwrap()
        }

        fn root(&self) -> TrustRoot {
            Folder::new(&self.dir().dir).root().unwrap().unwrap()
        }
    }

    fn message(result: Result<String, Failed>) -> String {
        format!("{:?}", result.unwrap_err())
    }

    #[test]
    fn the_last_signature_that_is_needed_puts_a_version_in_force() {
        let office = Office::new();
        office.init(2).unwrap();
        let missing = "1 of 2 signatures of the holders of version 1; not yet: bob, cid";
        assert!(office.sign("ann").unwrap().contains(missing));
        // Once more by the same holder is still one.
        assert!(office.sign("ann").unwrap().contains(missing));
        assert!(office.show().contains(missing));
        assert!(Folder::new(&office.dir().dir).root().unwrap().is_none());
        office.sign("cid").unwrap();
        assert!(office.show().contains(&format!("fingerprint  {}", office.root().fingerprint())));
        assert_eq!(office.root().version(), 1);
    }

    #[test]
    fn a_key_of_no_holder_signs_nothing() {
        let office = Office::new();
        office.init(1).unwrap();
        assert!(message(office.sign("evidence")).contains("is not one of a holder"));
    }

    #[test]
    fn a_threshold_out_of_reach_is_refused() {
        for threshold in [0, 4] {
            let office = Office::new();
            assert!(message(office.init(threshold)).contains("code: 2"), "{threshold}");
            assert!(!office.dir().dir.join("draft.dsse.json").exists());
        }
    }

    #[test]
    fn a_draft_is_not_overwritten() {
        let office = Office::new();
        office.init(2).unwrap();
        assert!(message(office.init(1)).contains("is there already"));
        assert!(message(office.revoke()).contains("no trust root in force"));
    }

    #[test]
    fn a_revoked_key_counts_for_what_is_dated_before() {
        let office = Office::new();
        office.init(1).unwrap();
        office.sign("bob").unwrap();
        office.revoke().unwrap();
        office.sign("cid").unwrap();
        let root = office.root();
        let at = |text| Dated::Token(UtcSecond::parse(text).unwrap());
        let id = office.evidence.id();
        assert_eq!((root.version(), root.evidence_key(id, at("2026-11-09T23:59:59Z")).is_ok()), (2, true));
        let late = root.evidence_key(id, at("2026-11-10T00:00:00Z"));
        assert!(matches!(late, Err(KeyRefusal::Revoked { .. })));
        assert!(office.show().contains("revoked as of 2026-11-10T00:00:00Z: laptop stolen"));
    }

    #[test]
    fn rotation_ends_a_key_and_adds_another() {
        let office = Office::new();
        office.init(1).unwrap();
        office.sign("ann").unwrap();
        let (next, key) = keygen::make(office.dir.path(), "next").unwrap();
        let rotation = Rotate {
            dir: office.dir(),
            holder: Vec::new(),
            threshold: Some(2),
            end: vec![format!("{}=2027-01-01T00:00:00Z", office.evidence.id())],
            additions: Additions {
                evidence: vec![next],
                log: Vec::new(),
                tsa: Vec::new(),
                from: Some("2027-01-01T00:00:00Z".to_owned()),
            },
        };
        rotate(&rotation, now().unwrap()).unwrap();
        // One holder is enough by version 1, two by version 2.
        office.sign("ann").unwrap();
        assert_eq!(office.root().version(), 1);
        office.sign("bob").unwrap();
        let root = office.root();
        let good =
            |key: &PublicKey, at| root.evidence_key(key.id(), Dated::Claimed(instant(at).unwrap())).is_ok();
        assert!(good(&office.evidence, "2026-12-31T23:59:59Z") && !good(&key, "2026-12-31T23:59:59Z"));
        assert!(!good(&office.evidence, "2027-01-01T00:00:00Z") && good(&key, "2027-01-01T00:00:00Z"));
    }

    #[test]
    fn a_changed_file_is_not_genuine() {
        let office = Office::new();
        office.init(1).unwrap();
        office.sign("ann").unwrap();
        fs::write(office.dir().dir.join("allowed_signers-v1"), "").unwrap();
        let found = Folder::new(&office.dir().dir).root().map(|_| String::new());
        assert!(message(found).contains("code: 5"));
    }
}
