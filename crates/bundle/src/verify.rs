//! Verifies what is in a bundle: steps 8, 9 and 10 of `docs/BUNDLE.md`, in that order, stopping at the first that
//! fails. Step 1 is [`crate::anchor`], steps 2 to 7 are [`crate::attest`], all of them [`crate::verify_bundle`].
//!
//! Promised: a [`VerifiedBundle`] is exactly the files that the holder of a given key signed, and its run agrees with
//! its plan, its catalogue and its documents. Not promised: when it was signed and what else was; that is for the
//! sidecars. The grammar of the tag manifest is checked before the signature over it is believed.

use std::collections::BTreeSet;

use crate::archive::{Files, Source, UntrustedBundle};
use crate::bag::{self, BagInfo, Oxum};
use crate::check::{Check, VerifyError};
use crate::digest::{Digest, KeyId};
use crate::id::BagId;
use crate::key::TrustedKeys;
use crate::limits::{Limits, SIGNED_MESSAGE_BYTES};
use crate::manifest::Manifest;
use crate::parts::{PartId, PartRecord, Parts, PartsSeen};
use crate::path::BundlePath;
use crate::run::{self, DOCUMENT_BYTES, Head, Heads, Payload, RunSummary, is_document};
use crate::statement::Snapshot;

/// A bundle that passed every check. There is no other way to make one.
pub struct VerifiedBundle {
    id: BagId,
    key_id: KeyId,
    tagmanifest_sha256: Digest,
    info: BagInfo,
    manifest: Manifest,
    run: RunSummary,
    files: Files,
    parts: Parts,
    limits: Limits,
}

impl std::fmt::Debug for VerifiedBundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VerifiedBundle({})", self.id)
    }
}

impl VerifiedBundle {
    /// The name of the bag.
    pub fn id(&self) -> &BagId {
        &self.id
    }

    /// The key that signed it.
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// `bag-info.txt`.
    pub fn info(&self) -> &BagInfo {
        &self.info
    }

    /// The run: status, counts and gaps.
    pub fn run(&self) -> &RunSummary {
        &self.run
    }

    /// The payload manifest: every file under `data/` of the root with its digest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The digest of the signed message.
    pub fn tagmanifest_sha256(&self) -> &Digest {
        &self.tagmanifest_sha256
    }

    /// The digest of the whole zip; of a folder there is none.
    pub fn zip_sha256(&self) -> Option<&Digest> {
        self.files.zip_sha256.as_ref()
    }

    /// The parts that its run was cut into, if it was.
    pub fn parts(&self) -> PartsSeen {
        let (count, absent) = self.parts.absent();
        PartsSeen {
            count,
            absent: absent.cloned().collect(),
            unread_documents: self.parts.unread(),
            unlisted: self.parts.unlisted.clone(),
        }
    }

    /// `data/parts.json`.
    pub fn part_records(&self) -> impl Iterator<Item = &PartRecord> {
        self.parts.records()
    }

    /// The bytes of a file of the payload, wherever it lies, held against the manifest once more.
    pub fn read(&mut self, path: &BundlePath) -> Result<Vec<u8>, VerifyError> {
        let digest = self.manifest.digest(path).copied();
        if digest.is_none()
            && let Some(bytes) = self.parts.read(path, &self.limits)?
        {
            return Ok(bytes);
        }
        let digest =
            digest.ok_or_else(|| VerifyError::in_file(Check::FileSet, path, "is not in the bundle"))?;
        let bytes = self.files.read(path, self.limits.entry_bytes, Check::Payload)?;
        if Digest::of(&bytes) == digest {
            Ok(bytes)
        } else {
            Err(VerifyError::in_file(Check::Payload, path, "changed while it was read"))
        }
    }
}

impl UntrustedBundle<'_> {
    /// Checks the steps of `docs/BUNDLE.md`, in that order, and stops at the first that fails. Parts may be absent:
    /// [`VerifiedBundle::parts`] says which.
    pub fn verify(self, keys: &TrustedKeys) -> Result<VerifiedBundle, VerifyError> {
        self.verify_with(keys, None, &mut |_, _| {})
    }

    /// Steps 8 to 10 under these keys, which are never none and never weak. `stated` is what a signed statement says
    /// of this very zip. `passed` hears of each check that passes, with what it saw.
    pub(crate) fn verify_with(
        self,
        keys: &TrustedKeys,
        stated: Option<&Snapshot>,
        passed: &mut dyn FnMut(Check, String),
    ) -> Result<VerifiedBundle, VerifyError> {
        let Self { source, name, limits, hashed, parts: mut place } = self;
        // 8. The form of the zip, or of the folder.
        let mut files = match source {
            Source::Zip(zip) => Files::of_zip(zip, hashed.map(|digests| digests.sha256), &limits, passed)?,
            Source::Folder(folder) => {
                let files = Files::of_folder(folder, &limits)?;
                passed(Check::Folder, format!("{} files", files.sizes.len()));
                files
            }
        };

        // 9. The bag.
        let id = one_name(&files, &name)?;
        passed(Check::BagName, id.to_string());

        let (tag_manifest, message) = tag_manifest(&mut files)?;
        passed(Check::TagManifest, format!("{} bytes", message.len()));
        let tagmanifest_sha256 = Digest::of(&message);
        if let Some(stated) = stated {
            if stated.tagmanifest_sha256 != tagmanifest_sha256 {
                let detail =
                    format!("has sha256 {tagmanifest_sha256}, stated is {}", stated.tagmanifest_sha256);
                return Err(VerifyError::in_file(Check::StatedManifest, bag::TAG_MANIFEST, detail));
            }
            passed(Check::StatedManifest, tagmanifest_sha256.to_string());
        }
        let key_id = signer(&mut files, &message, keys)?;
        passed(Check::Signature, format!("key {key_id}"));

        let contents = tag_files(&mut files, &tag_manifest, &limits)?;
        passed(Check::TagFiles, String::new());
        let [_, info, declaration, manifest] = contents.as_slice() else {
            return Err(VerifyError::refused(Check::TagFiles, "there are not four tag files"));
        };
        if declaration != bag::BAG_DECLARATION.as_bytes() {
            return Err(VerifyError::in_file(
                Check::BagDeclaration,
                bag::BAGIT,
                "is not the declaration of BagIt 1.0",
            ));
        }
        passed(Check::BagDeclaration, String::new());

        let manifest = Manifest::parse(manifest)
            .map_err(|error| VerifyError::in_file(Check::Manifest, bag::MANIFEST, with_source(&error)))?;
        if let Some(path) = manifest.files().keys().find(|path| !path.is_payload()) {
            return Err(VerifyError::in_file(
                Check::Manifest,
                bag::MANIFEST,
                format!("lists {path}, not under data/"),
            ));
        }
        passed(Check::Manifest, format!("{} files", manifest.files().len()));

        file_set(&files, &manifest, &[bag::TAG_MANIFEST, bag::SIGNATURE])?;
        passed(Check::FileSet, format!("{} files", files.sizes.len()));

        let (oxum, heads) = payload(&mut files, &manifest)?;
        passed(Check::Payload, format!("{} bytes", oxum.bytes));
        let info = bag_info(info, &id, &key_id, oxum)?;
        passed(Check::BagInfo, format!("{}, {}", info.organisation, info.agent));
        files.no_free_bits()?;
        if files.dos.is_some() {
            passed(Check::ZipContent, String::new());
        }

        let mut parts = Parts::find(&id, &mut files, &manifest, place.as_mut(), &limits)?;
        passed(Check::Parts, parts.to_string());

        // 10. The run.
        let run = {
            let (files, parts) = (&mut files, &mut parts);
            let mut of_run =
                Payload { id: &id, info: &info, manifest: &manifest, files, parts, heads, limits: &limits };
            run::check(&mut of_run, passed)?
        };
        let mut bundle =
            VerifiedBundle { id, key_id, tagmanifest_sha256, info, manifest, run, files, parts, limits };
        if let Some(stated) = stated {
            same_statement(stated, &Snapshot::of(&mut bundle)?)?;
            passed(Check::RunStatement, String::new());
        }
        Ok(bundle)
    }
}

/// What was signed about the zip is what the zip says of itself; of policies and image, what it says at all.
fn same_statement(stated: &Snapshot, found: &Snapshot) -> Result<(), VerifyError> {
    let digest = |digest: &Option<Digest>| digest.map_or("absent".to_owned(), |digest| digest.to_string());
    let or = |found: Option<Digest>, stated: Option<Digest>| digest(&found.or(stated));
    for (what, stated, found) in [
        ("status", stated.status.word().to_owned(), found.status.word().to_owned()),
        ("collected.start", stated.started.to_string(), found.started.to_string()),
        ("collected.end", stated.ended.to_string(), found.ended.to_string()),
        ("schedule", stated.schedule.clone(), found.schedule.clone()),
        ("scope.accounts", stated.accounts.to_string(), found.accounts.to_string()),
        ("scope.regions", stated.regions.to_string(), found.regions.to_string()),
        ("collector.version", stated.version.clone(), found.version.clone()),
        ("collector.configDigest", stated.config_sha256.to_string(), found.config_sha256.to_string()),
        (
            "collector.policiesDigest",
            digest(&stated.policies_sha256),
            or(found.policies_sha256, stated.policies_sha256),
        ),
        ("collector.imageDigest", digest(&stated.image_sha256), or(found.image_sha256, stated.image_sha256)),
    ] {
        if stated != found {
            let detail = format!("{what} is {found:?}, the statement says {stated:?}");
            return Err(VerifyError::in_file(Check::RunStatement, "data/run.json", detail));
        }
    }
    Ok(())
}

/// The folder is the id, the file is `<id>.zip`, and the time in the headers is the slot.
fn one_name(files: &Files, name: &str) -> Result<BagId, VerifyError> {
    let refuse = |detail: String| VerifyError::refused(Check::BagName, detail);
    let id = BagId::parse(&files.root);
    let id = id.ok_or_else(|| match PartId::parse(&files.root) {
        Some(part) => refuse(format!(
            "{part} is a part and is not signed: verify {}, which names it",
            part.root().file_name()
        )),
        None => refuse(format!("folder {:?} is not the name of a bundle", files.root)),
    })?;
    let is_zip = name.to_ascii_lowercase().ends_with(".zip");
    if is_zip && name != id.file_name() {
        return Err(refuse(format!("file {name:?} should be {:?}", id.file_name())));
    }
    if files.dos.is_some() && files.dos != id.slot().dos() {
        return Err(VerifyError::refused(
            Check::ZipHeaders,
            format!("the time in the headers is not {}", id.slot()),
        ));
    }
    Ok(id)
}

/// The signed message, and what it says: the grammar comes before the signature.
pub(crate) fn tag_manifest(files: &mut Files) -> Result<(Manifest, Vec<u8>), VerifyError> {
    let refuse = |detail: String| VerifyError::in_file(Check::TagManifest, bag::TAG_MANIFEST, detail);
    let limit = u64::try_from(SIGNED_MESSAGE_BYTES).unwrap_or(0);
    let message = files.read(&tag_path(bag::TAG_MANIFEST)?, limit, Check::TagManifest)?;
    let manifest = Manifest::parse(&message).map_err(|error| refuse(with_source(&error)))?;
    if manifest.files().keys().map(BundlePath::as_str).eq(bag::TAG_FILES) {
        Ok((manifest, message))
    } else {
        Err(refuse(format!("lists other files than {}", bag::TAG_FILES.join(", "))))
    }
}

fn signer(files: &mut Files, message: &[u8], keys: &TrustedKeys) -> Result<KeyId, VerifyError> {
    let refuse = |detail: String| VerifyError::in_file(Check::Signature, bag::SIGNATURE, detail);
    let signature = files.read(&tag_path(bag::SIGNATURE)?, 64, Check::Signature)?;
    let signature = <[u8; 64]>::try_from(signature.as_slice())
        .map_err(|_| refuse(format!("has {} bytes instead of 64", signature.len())))?;
    let signer = keys.signer(message, &signature).map(|key| *key.id());
    signer.ok_or_else(|| refuse("is the signature of no given key".to_owned()))
}

/// The bytes of the four tag files, in the order of their names.
pub(crate) fn tag_files(
    files: &mut Files,
    tag_manifest: &Manifest,
    limits: &Limits,
) -> Result<Vec<Vec<u8>>, VerifyError> {
    let mut contents = Vec::new();
    for (path, digest) in tag_manifest.files() {
        let limit =
            if path.as_str() == bag::MANIFEST { limits.manifest_bytes } else { limits.tag_file_bytes };
        let bytes = files.read(path, limit, Check::TagFiles)?;
        if Digest::of(&bytes) != *digest {
            return Err(VerifyError::in_file(Check::TagFiles, path, "is not the file that was signed"));
        }
        contents.push(bytes);
    }
    Ok(contents)
}

/// Both ways: nothing is listed that is not there, nothing is there that is not listed (`fetch.txt` included).
pub(crate) fn file_set(files: &Files, manifest: &Manifest, around: &[&str]) -> Result<(), VerifyError> {
    let around = bag::TAG_FILES.iter().chain(around).copied();
    let listed: BTreeSet<&str> = manifest.files().keys().map(BundlePath::as_str).chain(around).collect();
    let there: BTreeSet<&str> = files.sizes.keys().map(BundlePath::as_str).collect();
    if let Some(path) = there.difference(&listed).next() {
        return Err(VerifyError::in_file(Check::FileSet, path, "is in no manifest"));
    }
    if let Some(path) = listed.difference(&there).next() {
        return Err(VerifyError::in_file(Check::FileSet, path, "is missing"));
    }
    Ok(())
}

/// Every file of the payload has the digest of the manifest; how much there is, and what its documents say.
pub(crate) fn payload(files: &mut Files, manifest: &Manifest) -> Result<(Oxum, Heads), VerifyError> {
    let (mut oxum, mut heads) = (Oxum::default(), Heads::new());
    for (path, expected) in manifest.files() {
        let known = files.sizes.get(path).copied().unwrap_or_default();
        let held = (is_document(path) && known <= DOCUMENT_BYTES)
            .then(|| files.read(path, DOCUMENT_BYTES, Check::Payload))
            .transpose()?;
        let (digest, bytes) = match &held {
            Some(document) => (Digest::of(document), u64::try_from(document.len()).unwrap_or(u64::MAX)),
            None => files.hash(path)?,
        };
        if digest != *expected {
            return Err(VerifyError::in_file(Check::Payload, path, "is not the file that was signed"));
        }
        if let Some(document) = held {
            heads.insert(path.clone(), Head::of(&document));
        }
        oxum.bytes = oxum.bytes.saturating_add(bytes);
        oxum.files += 1;
    }
    Ok((oxum, heads))
}

fn bag_info(bytes: &[u8], id: &BagId, key_id: &KeyId, oxum: Oxum) -> Result<BagInfo, VerifyError> {
    let refuse = |detail: String| VerifyError::in_file(Check::BagInfo, bag::BAG_INFO, detail);
    let info = BagInfo::parse(bytes).map_err(|error| refuse(error.to_string()))?;
    let wrong = |what, found: String, expected: String| {
        Err(refuse(format!("{what} is {found}, expected {expected}")))
    };
    if let Some(part) = info.part {
        return wrong("Bag-Count", part.position.to_string(), "none".to_owned());
    }
    if info.id != *id {
        return wrong("External-Identifier", info.id.to_string(), id.to_string());
    }
    if info.scope != *id.scope() {
        return wrong("Bag-Group-Identifier", info.scope.to_string(), id.scope().to_string());
    }
    if info.key_id != *key_id {
        return wrong("Evidenced-Key-Id", info.key_id.to_string(), key_id.to_string());
    }
    if info.oxum != oxum {
        return wrong("Payload-Oxum", info.oxum.to_string(), oxum.to_string());
    }
    Ok(info)
}

fn tag_path(name: &str) -> Result<BundlePath, VerifyError> {
    BundlePath::new(name).map_err(|error| VerifyError::refused(Check::TagManifest, error))
}

pub(crate) fn with_source(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
