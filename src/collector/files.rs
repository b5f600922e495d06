//! The folder of one run in the spool: documents as they come, and the zip until it is sealed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use evidenced_bundle::BagId;
use evidenced_core::run::Scratch;

use super::CollectError;

/// Reads a text file of at most `limit` bytes.
pub(crate) fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(limit + 1).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read > limit) {
        return Err(io::Error::other(format!("is larger than {limit} bytes")));
    }
    Ok(text)
}

/// The folder of one run below the spool.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// Makes an empty folder for the run. What an aborted run of this process id left is removed.
    pub(crate) fn open(root: &Path, id: &BagId) -> Result<Self, CollectError> {
        let name = format!("{id}.{}", std::process::id());
        let folder = root.join("runs").join(&name);
        let failed = |action| {
            let path = folder.clone();
            move |source| CollectError::Spool { path, action, source }
        };
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("removing what an earlier run left")(error));
            }
            _ => {}
        }
        fs::create_dir_all(&folder).map_err(failed("creating the folder"))?;
        Ok(Self { folder })
    }

    /// Where the run's files are: paths of the bag below it.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Removes a folder of the run's files, if it is there.
    pub(crate) fn remove(&self, path: &str) -> io::Result<()> {
        match fs::remove_dir_all(self.folder.join(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes the run's files, which are sealed now.
    pub(crate) fn clear(&self) -> Result<(), CollectError> {
        fs::remove_dir_all(&self.folder).map_err(|source| CollectError::Spool {
            path: self.folder.clone(),
            action: "removing the run's files",
            source,
        })
    }
}

impl Scratch for Spool {
    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let to = self.folder.join(path);
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        OpenOptions::new().write(true).create_new(true).open(&to)?.write_all(bytes)
    }
}
