//! Where the daemon runs: its user, its folders, its clock.

use std::io::ErrorKind;
use std::path::Path;

use super::{Outcome, Trial, World};
use crate::doctor::machine;

pub(super) async fn check(world: &World<'_>) -> Vec<Outcome> {
    let mut checks = vec![user(), root(Path::new("/"))];
    for line in machine::spool(world).await {
        let subject = line.subject.clone().unwrap_or_default();
        let trial = match line.check {
            "space" => Trial::new("spool-space", "asked for the free space", "enough for the largest run"),
            _ => Trial::new(
                "spool",
                "wrote, synced and removed a file where the daemon works",
                "it can be written, and belongs to this user",
            ),
        };
        checks.push(trial.of(subject).line(line));
    }
    for line in machine::clock(world).await {
        let did = "compared this clock with the Date of AWS's answer";
        checks.push(Trial::new("clock", did, "at most 30 s apart").line(line));
    }
    checks
}

fn user() -> Outcome {
    let trial = Trial::new("user", "asked for the user of this process", "not 0 (the image has 65532)");
    match rustix::process::geteuid().as_raw() {
        0 => trial.fail(
            "0, root",
            "run it as the task does: User in the task definition, User= or DynamicUser= of systemd",
        ),
        uid => trial.pass(uid.to_string()),
    }
}

/// A file without a name: it is gone when it is closed, and after a crash.
fn root(folder: &Path) -> Outcome {
    let did = format!("opened a file without a name in {}", folder.display());
    let trial = Trial::new("read-only-root", did, "it is refused: the root is read-only, or not this user's");
    match tempfile::tempfile_in(folder) {
        Ok(_) => trial.fail(
            "it can be written",
            "ReadonlyRootFilesystem: true in the task definition, ProtectSystem=strict of systemd",
        ),
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => {
            trial.pass("the file system is read-only")
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => trial.pass("this user may not write it"),
        Err(error) => trial.fail(error.to_string(), "see what is mounted there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::acceptance::Verdict;

    #[test]
    fn a_root_that_can_be_written_fails_and_one_that_is_not_there_is_no_pass() {
        let folder = tempfile::tempdir().unwrap();
        let writable = root(folder.path());
        assert_eq!((writable.verdict, writable.observed.as_str()), (Verdict::Fail, "it can be written"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(root(&folder.path().join("away")).verdict, Verdict::Fail);
        assert_eq!(root(Path::new("/proc")).verdict, Verdict::Fail);
    }
}
