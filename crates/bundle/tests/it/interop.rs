//! The tools that an auditor has: openssl, sha256sum, unzip, a shell. All of them are needed to pass.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use evidenced_bundle::{Anchor, Demand, Digest, EvidenceKey, Limits, PublicKey, verify_path};

use crate::bag::{DOCUMENT, ID, Run, key};
use crate::sealing::{draft, seal};

fn run(program: &str, arguments: &[&str], folder: &Path) -> Output {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    output.unwrap_or_else(|error| panic!("{program} is needed: {error}"))
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A sealed zip, unpacked by Info-ZIP, with the public key beside the files.
fn unpacked(folder: &Path) -> PathBuf {
    let (zip, _) = seal(draft(&Run::complete().payload()), &key(1)).unwrap();
    std::fs::write(folder.join(format!("{ID}.zip")), zip).unwrap();
    let unzip = run("unzip", &["-q", &format!("{ID}.zip")], folder);
    assert!(unzip.status.success() && unzip.stdout.is_empty() && unzip.stderr.is_empty(), "{unzip:?}");
    std::fs::write(folder.join("evidence.pub.pem"), key(1).public().to_pem()).unwrap();
    folder.join(ID)
}

/// The three commands that the bag's own README prints, with the key's path.
fn readme_commands(bag: &Path) -> Vec<String> {
    let readme = std::fs::read_to_string(bag.join("README.txt")).unwrap();
    let commands: Vec<String> = readme
        .lines()
        .filter(|line| ["openssl pkeyutl", "sha256sum", "test "].iter().any(|start| line.starts_with(start)))
        .map(|line| line.replace("evidence.pub.pem", "../evidence.pub.pem"))
        .collect();
    assert_eq!(commands.len(), 3, "{readme}");
    commands
}

/// Which of the three commands succeed.
fn outcome(bag: &Path, commands: &[String]) -> Vec<bool> {
    commands.iter().map(|command| run("sh", &["-c", command], bag).status.success()).collect()
}

#[test]
fn the_commands_of_the_readme_pass_on_a_sealed_bag() {
    let folder = tempfile::tempdir().unwrap();
    let bag = unpacked(folder.path());
    let commands = readme_commands(&bag);
    assert_eq!(outcome(&bag, &commands), [true, true, true]);
}

#[test]
fn each_command_of_the_readme_fails_when_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let bag = unpacked(folder.path());
    let commands = readme_commands(&bag);
    let with = |file: &str, change: &dyn Fn(&Path)| {
        let path = bag.join(file);
        let before = std::fs::read(&path).ok();
        change(&path);
        let after = outcome(&bag, &commands);
        std::fs::remove_file(&path).unwrap_or_default();
        if let Some(before) = before {
            std::fs::write(&path, before).unwrap();
        }
        after
    };
    let overwrite = |path: &Path| std::fs::write(path, b"other\n").unwrap();
    let remove = |path: &Path| std::fs::remove_file(path).unwrap();
    assert_eq!(with("tagmanifest-sha256.txt", &overwrite)[..2], [false, false]);
    assert_eq!(with("tagmanifest-sha256.txt.sig", &overwrite), [false, true, true]);
    assert_eq!(with("bag-info.txt", &overwrite), [true, false, true]);
    assert_eq!(with(DOCUMENT, &overwrite), [true, false, true]);
    assert_eq!(with(DOCUMENT, &remove), [true, false, false]);
    assert_eq!(with("data/extra.json", &overwrite), [true, true, false]);
    let link = |path: &Path| std::os::unix::fs::symlink("/etc/hostname", path).unwrap();
    assert_eq!(with("link", &link), [true, true, false]);
    assert_eq!(outcome(&bag, &commands), [true, true, true], "back as it was");
}

#[test]
fn the_commands_of_the_readme_refuse_another_key() {
    let folder = tempfile::tempdir().unwrap();
    let bag = unpacked(folder.path());
    std::fs::write(folder.path().join("evidence.pub.pem"), key(2).public().to_pem()).unwrap();
    assert!(!outcome(&bag, &readme_commands(&bag))[0]);
}

#[test]
fn openssl_reads_our_key_file_and_writes_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let pem = key(9).to_pem();
    std::fs::write(folder.path().join("evidence.key.pem"), pem.as_bytes()).unwrap();
    let again = text(&run("openssl", &["pkey", "-in", "evidence.key.pem"], folder.path()));
    assert_eq!(again, *pem);
    let public = text(&run("openssl", &["pkey", "-in", "evidence.key.pem", "-pubout"], folder.path()));
    assert_eq!(public, key(9).public().to_pem());
}

#[test]
fn we_read_the_key_files_that_openssl_writes() {
    let folder = tempfile::tempdir().unwrap();
    let private = text(&run("openssl", &["genpkey", "-algorithm", "ED25519"], folder.path()));
    std::fs::write(folder.path().join("key.pem"), &private).unwrap();
    let key = EvidenceKey::from_pem(&private).unwrap();
    assert_eq!(*key.to_pem(), private);
    let public = text(&run("openssl", &["pkey", "-in", "key.pem", "-pubout"], folder.path()));
    assert_eq!(PublicKey::from_pem(&public).unwrap(), *key.public());

    let der = run("openssl", &["pkey", "-in", "key.pem", "-pubout", "-outform", "DER"], folder.path());
    assert_eq!(Digest::of(&der.stdout).to_string(), key.public().id().to_string());
}

#[test]
fn openssl_key_files_of_other_kinds_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for algorithm in ["X25519", "ED448", "RSA"] {
        let private = text(&run("openssl", &["genpkey", "-algorithm", algorithm], folder.path()));
        assert!(EvidenceKey::from_pem(&private).is_err(), "{algorithm}");
        std::fs::write(folder.path().join("key.pem"), &private).unwrap();
        let public = text(&run("openssl", &["pkey", "-in", "key.pem", "-pubout"], folder.path()));
        assert!(PublicKey::from_pem(&public).is_err(), "{algorithm}");
    }
}

#[test]
fn we_verify_what_openssl_signs() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key.pem"), key(1).to_pem().as_bytes()).unwrap();
    std::fs::write(folder.path().join("message"), b"a message").unwrap();
    let arguments = ["pkeyutl", "-sign", "-inkey", "key.pem", "-rawin", "-in", "message"];
    let signature: [u8; 64] = run("openssl", &arguments, folder.path()).stdout.try_into().unwrap();
    assert_eq!(signature, key(1).sign(b"a message").unwrap());
    assert_eq!(key(1).public().verify_strict(b"a message", &signature), Ok(()));
}

#[test]
fn a_folder_that_unzip_made_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let bag = unpacked(folder.path());
    let report =
        verify_path(&bag, &Anchor::Keys(crate::bag::trusted()), &Demand::default(), &Limits::default());
    assert_eq!(report.exit_code(), 0, "{}", report.render_text());
}
