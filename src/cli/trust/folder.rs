//! The folder of a trust root: versions in force, and at most one draft.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use evidenced_bundle::trust::{Document, Envelope, TrustError, TrustRoot, derive, file_name};
use evidenced_bundle::{Digest, EvidenceKey};

use super::super::exit::{Failed, NOT_GENUINE, USAGE};
use super::show::missing;

/// A folder, and what it may hold.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A version in force, as it stands there.
    pub(super) fn envelope(&self, version: u32) -> Result<Option<Envelope>, Failed> {
        self.read(&file_name(version))
    }

    /// The draft, if there is one.
    pub(super) fn drafted(&self) -> Result<Option<Envelope>, Failed> {
        self.read(DRAFT)
    }

    fn read(&self, name: &str) -> Result<Option<Envelope>, Failed> {
        let path = self.path.join(name);
        match fs::read(&path) {
            Ok(bytes) => Envelope::parse(&bytes).map(Some).map_err(|error| failed(error, &path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failed::new(USAGE, format!("{}: {error}", path.display()))),
        }
    }

    /// The chain that leads from the first version here to the last. Whether the first is the right one, only its
    /// fingerprint tells.
    pub(super) fn root(&self) -> Result<Option<TrustRoot>, Failed> {
        let Some(first) = self.envelope(1)? else { return Ok(None) };
        let root = TrustRoot::load_folder(&self.path, &first.digest(), 0);
        root.map(Some).map_err(|error| failed(error, &self.path))
    }

    /// The next version, with what the one in force says.
    pub(super) fn next(&self) -> Result<Document, Failed> {
        let root = self.root()?.ok_or_else(|| {
            Failed::usage(
                format!("{} holds no trust root in force", self.path.display()),
                "`evidenced trust init` drafts the first version, `evidenced trust sign` signs it",
            )
        })?;
        let mut document = root.document().clone();
        document.version += 1;
        document.previous = Some(root.digest());
        Ok(document)
    }

    /// Writes a draft and the files that it names. A crash leaves files without a draft, which the next draft
    /// overwrites.
    pub(super) fn draft(
        &self,
        mut document: Document,
        mut sources: BTreeMap<String, Vec<u8>>,
    ) -> Result<String, Failed> {
        let draft = self.path.join(DRAFT);
        if draft.exists() {
            return Err(Failed::usage(
                format!("{} is there already", draft.display()),
                "sign it with `evidenced trust sign`, or remove it",
            ));
        }
        for (name, digest) in &document.files {
            if let Some(bytes) = sources.get(name) {
                if Digest::of(bytes) != *digest {
                    return Err(Failed::usage(
                        format!("{name} is in force with other bytes"),
                        "give the changed file another name",
                    ));
                }
            } else {
                sources.insert(name.clone(), fs::read(self.path.join(name))?);
            }
        }
        let files = derive(&mut document, &sources).map_err(|error| failed(error, &self.path))?;
        let envelope = Envelope::draft(document).map_err(|error| failed(error, &self.path))?;
        fs::create_dir_all(&self.path)?;
        for (name, bytes) in &files {
            fs::write(self.path.join(name), bytes)?;
        }
        self.replace(DRAFT, &envelope)?;
        let mut text =
            vec![format!("drafted version {} in {}\n", envelope.document().version, draft.display())];
        if envelope.document().version == 1 {
            text.push(fingerprint(&envelope));
        }
        let before = self.before(&envelope)?;
        text.push(missing(&envelope, before.as_ref()));
        text.push(format!(
            "\nNext:\n  each holder compares what `evidenced trust show` prints, then\n  \
             evidenced trust sign --dir {} --key HOLDER.key.pem\n",
            self.path.display()
        ));
        Ok(text.concat())
    }

    /// Adds a signature; the last one that is needed puts the version in force.
    pub(super) fn sign(&self, key: &EvidenceKey) -> Result<String, Failed> {
        let mut envelope = self.drafted()?.ok_or_else(|| {
            Failed::usage(
                format!("{} holds no draft", self.path.display()),
                "`evidenced trust init`, `rotate` and `revoke` make one",
            )
        })?;
        let before = self.before(&envelope)?;
        let holders =
            envelope.document().holders.iter().chain(before.iter().flat_map(|before| &before.holders));
        if !holders.into_iter().any(|holder| holder.key == *key.public()) {
            return Err(Failed::usage(
                format!("key {} is not one of a holder", key.public().id()),
                "`evidenced trust show` lists the holders and their keys",
            ));
        }
        envelope.sign(key).map_err(|error| failed(error, &self.path))?;
        let version = envelope.document().version;
        if envelope.check(before.as_ref()).is_err() {
            self.replace(DRAFT, &envelope)?;
            return Ok(format!(
                "signed the draft of version {version}\n{}",
                missing(&envelope, before.as_ref())
            ));
        }
        // Its files are read and digested before the version counts.
        let draft = self.path.join(DRAFT);
        let target = self.path.join(file_name(version));
        self.check_files(&envelope)?;
        self.replace(DRAFT, &envelope)?;
        // From here on the version is in force; a draft that a crash leaves behind is the same bytes.
        fs::hard_link(&draft, &target)?;
        fs::remove_file(&draft)?;
        let first = self.envelope(1)?;
        let text = first.as_ref().map(fingerprint).unwrap_or_default();
        Ok(format!("version {version} is in force: {}\n{text}", target.display()))
    }

    fn check_files(&self, envelope: &Envelope) -> Result<(), Failed> {
        for (name, digest) in &envelope.document().files {
            let path = self.path.join(name);
            if Digest::of(&fs::read(&path)?) != *digest {
                return Err(failed(TrustError::File { name: name.clone() }, &path));
            }
        }
        Ok(())
    }

    /// The version in force that a draft follows.
    pub(super) fn before(&self, draft: &Envelope) -> Result<Option<Document>, Failed> {
        let root = self.root()?;
        let version = root.as_ref().map_or(0, TrustRoot::version);
        let digest = root.as_ref().map(TrustRoot::digest);
        if draft.document().version != version + 1 || draft.document().previous != digest {
            return Err(Failed::usage(
                format!(
                    "the draft is of version {}, version {version} is in force",
                    draft.document().version
                ),
                format!("remove {} and draft it again", self.path.join(DRAFT).display()),
            ));
        }
        Ok(root.map(|root| root.document().clone()))
    }

    fn replace(&self, name: &str, envelope: &Envelope) -> Result<(), Failed> {
        let temporary = self.path.join(format!("{name}.tmp"));
        fs::write(&temporary, envelope.render())?;
        fs::rename(&temporary, self.path.join(name))?;
        Ok(())
    }
}

/// The draft of the next version; no verifier looks at it.
const DRAFT: &str = "draft.dsse.json";

pub(super) fn fingerprint(first: &Envelope) -> String {
    format!("  fingerprint  {}  give it to your auditor by another way than this folder\n", first.digest())
}

/// What is wrong with a chain is not genuine; what is wrong with a draft, or absent, is the caller's.
pub(super) fn failed(error: TrustError, path: &Path) -> Failed {
    let (code, hint) = match &error {
        TrustError::Member { member: "threshold", .. } => {
            (USAGE, "the threshold is at least 1 and at most the number of holders")
        }
        TrustError::Member { member: "holder", .. } => {
            (USAGE, "each holder has a name of its own: 1 to 100 characters that print")
        }
        TrustError::Member { member: "file", .. } => {
            (USAGE, "name the file with a-z, 0-9 and -, such as tsa-example.pem")
        }
        TrustError::Member { .. } => (USAGE, "`evidenced trust show` prints what is in force"),
        TrustError::KeyTwice { .. } => (USAGE, "each holder, each purpose and each log has a key of its own"),
        TrustError::Authority { .. } => {
            (USAGE, "a file of PEM certificates, with the authority's root among them")
        }
        TrustError::Missing { .. } | TrustError::Unreadable { .. } => {
            (USAGE, "the folder holds every version and every file that the last one names")
        }
        _ => (NOT_GENUINE, "compare the folder with the one that the holders signed"),
    };
    Failed::new(code, error).hint(format!("{hint} ({})", path.display()))
}
