//! What has to hold before anything is written: the clock, the spool, its free space, who asks, the bucket.
//!
//! Each check stands alone and gives what it found, or the error that a run or the service ends with, so that the
//! service, a single run and the doctor say the same. Promised: nothing is written but a file in the spool that is
//! removed at once. What could not be asked is no pass: it is said by the check that needs it.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use evidenced_core::moment;

use crate::aws::{self, AwsSource, Caller, ServerClock};
use crate::collector::{CollectError, Loaded, TargetsError};
use crate::publish::SpoolError;

/// Further off than this, times in evidence are wrong, and AWS soon refuses signatures (at 5 to 15 minutes).
const TOLERANCE_SECONDS: i64 = 300;
/// What the last run needed, in bytes, as text.
const LAST_RUN: &str = "last-run-bytes";

/// The clock of this machine is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the clock of this machine says {}, the server's Date is {}: they differ by {} s, and {TOLERANCE_SECONDS} s are \
     allowed",
    moment::seconds(*.ours), moment::seconds(*.server), .ours.abs_diff(*.server)
)]
pub(crate) struct ClockError {
    pub(crate) server: i64,
    pub(crate) ours: i64,
}

/// The clock of this machine against that of a server; nothing is said where no server told its time.
pub(crate) fn clock(seen: Option<ServerClock>) -> Result<(), ClockError> {
    match seen {
        Some(ServerClock { server, ours }) if ours.abs_diff(server) > TOLERANCE_SECONDS.unsigned_abs() => {
            Err(ClockError { server, ours })
        }
        _ => Ok(()),
    }
}

/// Who asks, by the first answer of AWS; and the clock by it. A clock that is off is the outer error: what else went
/// wrong may follow from it.
pub(crate) async fn knock(settings: &aws::Settings) -> Result<Result<Caller, CollectError>, ClockError> {
    let source = match AwsSource::new(settings.clone()).await {
        Ok(source) => source,
        Err(error) => return Ok(Err(error.into())),
    };
    let caller = source.caller().await;
    clock(source.clock())?;
    Ok(caller.map_err(|failure| TargetsError::Caller(failure).into()))
}

/// Sees that the spool takes a file: it is written, synced and removed.
pub(crate) fn spool(root: &Path) -> Result<(), SpoolError> {
    let failed = |action: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| SpoolError::Io { path, action, source }
    };
    fs::create_dir_all(root).map_err(failed("creating the folder", root))?;
    let probe = root.join(format!(".probe.{}", std::process::id()));
    let written = File::create(&probe).and_then(|mut file| {
        file.write_all(b"evidenced\n")?;
        file.sync_all()
    });
    let removed = fs::remove_file(&probe);
    written.and(removed).map_err(failed("writing", &probe))
}

/// Free space of the spool, and what a run is taken to need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) free_bytes: u64,
    pub(crate) needed_bytes: u64,
}

impl fmt::Display for Space {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the spool has {} bytes free, a run needs {}", self.free_bytes, self.needed_bytes)
    }
}

/// The spool is too small for a run.
#[derive(Debug, thiserror::Error)]
#[error("{}: {space}", .path.display())]
pub(crate) struct SpaceError {
    pub(crate) path: PathBuf,
    pub(crate) space: Space,
}

/// Measures the file system of the spool. A run needs what the last one needed and a quarter more, and never less than
/// `[spool] min_free_bytes`.
pub(crate) fn space(loaded: &Loaded) -> io::Result<Space> {
    let root = loaded.resolve(&loaded.config.spool);
    // A spool that is not there yet will be on the file system of the folder above it.
    let there = root.ancestors().find(|folder| folder.exists()).unwrap_or(&root);
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    let found = rustix::fs::statvfs(there)?;
    let last: u64 = fs::read_to_string(root.join(LAST_RUN))
        .ok()
        .and_then(|text| text.trim_end().parse().ok())
        .unwrap_or(0);
    let needed_bytes = last.saturating_add(last / 4).max(loaded.config.spool_min_free_bytes);
    Ok(Space { free_bytes: found.f_bavail.saturating_mul(found.f_frsize), needed_bytes })
}

/// Refuses a run for which there is no room.
pub(crate) fn room(loaded: &Loaded) -> Result<Space, CollectError> {
    let path = loaded.resolve(&loaded.config.spool);
    let space = space(loaded).map_err(|source| CollectError::Spool {
        path: path.clone(),
        action: "asking for the free space",
        source,
    })?;
    if space.free_bytes < space.needed_bytes {
        return Err(SpaceError { path, space }.into());
    }
    Ok(space)
}

/// Keeps what a run needed, for the next one. A guess is lost with it, never evidence.
pub(crate) fn note_need(root: &Path, bytes: u64) {
    if let Err(error) = fs::write(root.join(LAST_RUN), format!("{bytes}\n")) {
        tracing::warn!(%error, "what the run needed of the spool was not kept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_refused_beyond_five_minutes_either_way_and_both_times_are_said() {
        let server = moment::parse("2026-11-22T02:00:00Z").unwrap();
        for off in [0, 300, -300] {
            assert_eq!(clock(Some(ServerClock { server, ours: server + off })), Ok(()), "{off}");
        }
        assert_eq!(clock(None), Ok(()));
        for off in [301, -301, 86_400] {
            let refused = clock(Some(ServerClock { server, ours: server + off })).unwrap_err().to_string();
            assert!(refused.contains("2026-11-22T02:00:00Z"), "{refused}");
            assert!(refused.contains(&moment::seconds(server + off)), "{refused}");
            assert!(refused.contains(&format!("differ by {} s", off.abs())), "{refused}");
        }
    }

    #[test]
    fn a_spool_is_probed_and_nothing_stays() {
        let folder = tempfile::tempdir().unwrap();
        spool(&folder.path().join("spool")).unwrap();
        assert_eq!(fs::read_dir(folder.path().join("spool")).unwrap().count(), 0);
        fs::write(folder.path().join("file"), "").unwrap();
        let refused = spool(&folder.path().join("file/spool")).unwrap_err().to_string();
        assert!(refused.contains("creating the folder failed"), "{refused}");
    }
}
