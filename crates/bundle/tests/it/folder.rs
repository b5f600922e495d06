//! The folder that a zip unpacks to is verified like the zip.

use std::path::{Path, PathBuf};

use evidenced_bundle::report::Outcome;
use evidenced_bundle::{Anchor, Demand, Limits, Report, verify_path};

use crate::bag::{DOCUMENT, Files, ID, Run, trusted};

fn unpack(files: &Files, into: &Path) -> PathBuf {
    let root = into.join(ID);
    for (path, bytes) in files {
        let file = root.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
    root
}

fn report(root: &Path) -> Report {
    verify_path(root, &Anchor::Keys(trusted()), &Demand::default(), &Limits::default())
}

fn failed(root: &Path) -> &'static str {
    let report = report(root);
    assert_eq!(report.exit_code(), 5, "{}", report.render_text());
    report.checks.iter().find(|check| check.outcome == Outcome::Failed).unwrap().name
}

#[test]
fn an_unpacked_bag_is_genuine() {
    let folder = tempfile::tempdir().unwrap();
    let report = report(&unpack(&Run::complete().signed(), folder.path()));
    assert_eq!(report.exit_code(), 0, "{}", report.render_text());
    assert_eq!(report.zip_sha256, None);
}

#[test]
fn a_flipped_dropped_added_or_renamed_file_of_a_folder_is_refused() {
    let files = Run::complete().signed();
    for path in files.keys() {
        let folder = tempfile::tempdir().unwrap();
        let root = unpack(&files, folder.path());
        let file = root.join(path);
        let mut bytes = files[path].clone();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        report(&root);
        assert_eq!(report(&root).exit_code(), 5, "{path} flipped");
        std::fs::write(&file, [&files[path][..], b"\n"].concat()).unwrap();
        assert_eq!(report(&root).exit_code(), 5, "{path} longer");
        std::fs::remove_file(&file).unwrap();
        assert_eq!(failed(&root), "file-set", "{path} dropped");
        std::fs::write(root.join(format!("{path}x")), &files[path]).unwrap();
        assert_eq!(failed(&root), "file-set", "{path} renamed");
    }
    let folder = tempfile::tempdir().unwrap();
    let root = unpack(&files, folder.path());
    std::fs::write(root.join("data/extra.json"), b"{}").unwrap();
    assert_eq!(failed(&root), "file-set");
}

#[test]
fn a_link_in_a_folder_is_refused_though_it_points_to_the_right_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let files = Run::complete().signed();
    let root = unpack(&files, folder.path());
    let elsewhere = folder.path().join("elsewhere");
    std::fs::rename(root.join(DOCUMENT), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, root.join(DOCUMENT)).unwrap();
    assert_eq!(failed(&root), "folder");

    std::fs::remove_file(root.join(DOCUMENT)).unwrap();
    std::fs::rename(&elsewhere, root.join(DOCUMENT)).unwrap();
    std::os::unix::fs::symlink(folder.path(), root.join("data/out")).unwrap();
    assert_eq!(failed(&root), "folder");
}

#[test]
fn a_folder_with_the_name_of_another_bundle_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = unpack(&Run::complete().signed(), folder.path());
    let renamed = folder.path().join("evidence-prod-20261123T020000Z");
    std::fs::rename(root, &renamed).unwrap();
    assert_eq!(failed(&renamed), "bag-info");
    let copied = folder.path().join("copy");
    std::fs::rename(renamed, &copied).unwrap();
    assert_eq!(failed(&copied), "bag-name");
}

#[test]
fn a_name_that_is_not_allowed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = unpack(&Run::complete().signed(), folder.path());
    std::fs::write(root.join(".DS_Store"), b"").unwrap();
    assert_eq!(failed(&root), "folder");
}

#[test]
fn a_folder_beyond_the_limits_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = unpack(&Run::complete().signed(), folder.path());
    let whole = Limits::default();
    for (limits, said) in [
        (Limits { entries: 5, ..whole }, "more than 5 files"),
        (Limits { entry_bytes: 10, ..whole }, "bytes are more than the limit 10"),
        (Limits { uncompressed_bytes: 1_000, ..whole }, "the files are larger than the limit"),
    ] {
        let report = verify_path(&root, &Anchor::Keys(trusted()), &Demand::default(), &limits);
        let failed = report.checks.iter().find(|check| check.outcome == Outcome::Failed).unwrap();
        assert_eq!((report.exit_code(), failed.name), (5, "folder"));
        assert!(failed.detail.contains(said), "{}", failed.detail);
    }
}

#[test]
fn two_names_that_differ_in_case_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = unpack(&Run::complete().signed(), folder.path());
    std::fs::write(root.join("data/RUN.json"), b"{}").unwrap();
    // Where both cannot be there, there is nothing to refuse.
    if std::fs::read(root.join("data/run.json")).unwrap() != b"{}" {
        assert_eq!(failed(&root), "folder");
    }
}

#[test]
fn what_cannot_be_opened_could_not_be_told() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(report(&folder.path().join("missing.zip")).exit_code(), 2);
    assert_eq!(report(Path::new("/dev/zero")).exit_code(), 2);
}
