//! This machine: its clock against a server's, and the folder in which runs work.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use evidenced_core::moment;
use evidenced_core::shape::Partitions;
use rustix::fs::{StatVfs, statvfs};

use super::{Line, World, chain, reach};
use crate::aws;
use crate::preflight;

/// AWS refuses signatures of a clock that is off by more, and a token would contradict the bundle.
const CLOCK_SECONDS: i64 = 300;
/// A clock that is kept by anything is not off by more.
const CLOCK_WARN_SECONDS: i64 = 30;
/// Written for a test, and gone again.
const TRIED_BYTES: usize = 1 << 20;

/// The `Date` of an answer against the clock of this machine.
pub(super) async fn clock(world: &World<'_>) -> Vec<Line> {
    const CHECK: &str = "clock";
    let url = server(world);
    let connector = match aws::connector(world.settings.ca_bundle.clone(), std::slice::from_ref(&url)) {
        Ok(connector) => connector,
        Err(error) => {
            return vec![Line::missing(CHECK, chain(&error), "check AWS_CA_BUNDLE and [aws] ca_bundle")];
        }
    };
    let answer = reach::get(&connector, &url).await;
    // After the answer: what the way took then makes the difference smaller, not larger.
    let here = world.time.now();
    vec![match answer.map(|answer| answer.date) {
        Ok(Some(there)) => compare(here, there, &url),
        Ok(None) => Line::skipped(CHECK, format!("{url} answered without a Date")),
        Err(why) => Line::missing(
            CHECK,
            format!("{url}: {why}"),
            "open the way to this endpoint, or set the proxy variables; evidenced doctor --network tries them all",
        ),
    }]
}

fn compare(here: i64, there: i64, url: &str) -> Line {
    const CHECK: &str = "clock";
    let off = here.saturating_sub(there);
    let detail =
        format!("{} here, {} at {url}: {off} s apart", moment::seconds(here), moment::seconds(there));
    match off.abs() {
        off if off > CLOCK_SECONDS => {
            let remedy = "set the clock of this machine (NTP): runs of a wrong clock are refused, and so is every \
                          signature of a request";
            Line::missing(CHECK, detail, remedy)
        }
        off if off > CLOCK_WARN_SECONDS => {
            Line::warn(CHECK, detail, "let NTP keep the clock of this machine")
        }
        _ => Line::ok(CHECK, detail),
    }
}

/// Who is asked for the time: the endpoint of the configuration, or STS, which every run asks.
fn server(world: &World<'_>) -> String {
    let environment = |name| std::env::var(name).ok().filter(|url: &String| !url.is_empty());
    let own = world.settings.endpoint_url.clone();
    let own = own.or_else(|| environment("AWS_ENDPOINT_URL_STS")).or_else(|| environment("AWS_ENDPOINT_URL"));
    own.unwrap_or_else(|| {
        let region = world.settings.home_region.clone().or_else(|| environment("AWS_REGION"));
        let region = region.unwrap_or_else(|| "us-east-1".to_owned());
        let suffix = Partitions::embedded().ok().and_then(|partitions| {
            partitions.of_region(&region).map(|partition| partition.dns_suffix.clone())
        });
        format!("https://sts.{region}.{}/", suffix.unwrap_or_else(|| "amazonaws.com".to_owned()))
    })
}

/// The folder of the spool: there or to be made, ours, writable, and large enough.
pub(super) async fn spool(world: &World<'_>) -> Vec<Line> {
    let config = &world.loaded.config;
    // What the service demands before each run.
    let least =
        preflight::space(world.loaded).map_or(config.spool_min_free_bytes, |space| space.needed_bytes);
    let root = world.loaded.resolve(&config.spool);
    let most = config.bundle.max_bytes;
    let tried = tokio::task::spawn_blocking(move || examine(&root, least, most)).await;
    tried.unwrap_or_else(|error| vec![Line::missing("spool", chain(&error), "run it again with -vv")])
}

fn examine(root: &Path, least: u64, most: u64) -> Vec<Line> {
    const CHECK: &str = "spool";
    let subject = root.display().to_string();
    let found = nearest(root);
    let metadata = match found.metadata() {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => {
            let detail = format!("{} is no folder", found.display());
            return vec![Line::missing(CHECK, detail, "[spool] dir names a folder").of(subject)];
        }
        Err(error) => {
            return vec![Line::missing(CHECK, chain(&error), "[spool] dir names a folder").of(subject)];
        }
    };
    let (ours, owner) = (rustix::process::geteuid().as_raw(), metadata.uid());
    let whose = format!("owned by uid {owner}, and this is uid {ours}");
    let remedy = if owner == ours {
        format!("see why: {} is full, mounted read-only, or takes no files", found.display())
    } else {
        format!(
            "give {} to uid {ours}; on Fargate the image has a VOLUME at this path whose folder it owns",
            found.display()
        )
    };
    let writable = match try_write(&found) {
        Err(error) => Line::missing(CHECK, format!("cannot be written: {}; {whose}", chain(&error)), remedy),
        Ok(()) if owner != ours => Line::warn(CHECK, format!("can be written, but is {whose}"), remedy),
        Ok(()) if found == root => Line::ok(CHECK, "can be written"),
        Ok(()) => Line::ok(CHECK, format!("will be made in {}, which can be written", found.display())),
    };
    vec![writable.of(subject.clone()), space(&found, least, most).of(subject)]
}

/// The folder itself, or the nearest one above it that is there.
fn nearest(root: &Path) -> PathBuf {
    let there = root.ancestors().find(|path| path.symlink_metadata().is_ok());
    there.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

/// A file without a name: it is gone when it is closed, and after a crash.
fn try_write(folder: &Path) -> std::io::Result<()> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(&vec![0; TRIED_BYTES])?;
    file.sync_all()
}

fn space(folder: &Path, least: u64, most: u64) -> Line {
    const CHECK: &str = "space";
    let StatVfs { f_bavail, f_frsize, .. } = match statvfs(folder) {
        Ok(found) => found,
        Err(error) => {
            return Line::missing(CHECK, chain(&error), "[spool] dir needs a disk that can be asked");
        }
    };
    let free = f_bavail.saturating_mul(f_frsize);
    let mib = |bytes: u64| bytes >> 20;
    let detail = format!("{} MiB are free", mib(free));
    // A run lies in the spool twice while it is sealed: its documents, and the zip.
    let wanted = most.saturating_mul(2);
    if free < least {
        let remedy = format!(
            "free the disk: below {} MiB no run starts (the last run, or [spool] min_free_bytes)",
            mib(least)
        );
        Line::missing(CHECK, detail, remedy)
    } else if free < wanted {
        let remedy = format!("a run of the largest size ([bundle] max_bytes) needs {} MiB", mib(wanted));
        Line::warn(CHECK, detail, remedy)
    } else {
        Line::ok(CHECK, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    #[test]
    fn a_clock_is_judged_by_its_distance_either_way() {
        for (off, state) in
            [(0, State::Ok), (30, State::Ok), (31, State::Warn), (300, State::Warn), (301, State::Missing)]
        {
            for here in [1_795_312_800 + off, 1_795_312_800 - off] {
                let line = compare(here, 1_795_312_800, "https://sts.example");
                assert_eq!(line.state, state, "{line:?}");
            }
        }
        let line = compare(1_795_312_800 - 400, 1_795_312_800, "https://sts.example");
        assert!(line.detail.ends_with("at https://sts.example: -400 s apart"), "{}", line.detail);
    }

    #[test]
    fn a_spool_that_is_not_there_is_judged_by_the_folder_that_it_will_be_made_in_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let lines = examine(&folder.path().join("a/b"), 0, 0);
        assert_eq!(lines.iter().map(|line| line.state).collect::<Vec<_>>(), [State::Ok, State::Ok]);
        assert!(lines[0].detail.starts_with("will be made in"), "{lines:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(examine(&file, 0, 0)[0].state, State::Missing);
    }

    #[test]
    fn too_little_space_is_missing_and_less_than_a_large_run_needs_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(space(folder.path(), u64::MAX, 0).state, State::Missing);
        assert_eq!(space(folder.path(), 0, u64::MAX).state, State::Warn);
        assert_eq!(space(folder.path(), 0, 0).state, State::Ok);
    }
}
