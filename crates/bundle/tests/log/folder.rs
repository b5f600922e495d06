//! The store that is a folder: create-only, compare-and-swap, whole or not at all.

use std::io::Cursor;
use std::thread;

use evidenced_bundle::store::{Creation, FolderLogStore, LogStore, Replacement, Version};

fn store() -> (tempfile::TempDir, FolderLogStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderLogStore::new(folder.path().join("store"));
    (folder, store)
}

#[test]
fn what_is_there_is_not_overwritten() {
    let (_folder, store) = store();
    assert_eq!(store.get("log/checkpoints/1").unwrap(), None);
    assert!(store.open("bundles/a.zip").unwrap().is_none());
    assert_eq!(store.create("log/checkpoints/1", b"one").unwrap(), Creation::Created);
    assert_eq!(store.create("log/checkpoints/1", b"two").unwrap(), Creation::Exists);
    assert_eq!(store.get("log/checkpoints/1").unwrap().unwrap().0, b"one");
    let mut zip = Cursor::new(b"zip".to_vec());
    assert_eq!(store.upload("bundles/2026/a.zip", &mut zip).unwrap(), Creation::Created);
    zip.set_position(0);
    assert_eq!(store.upload("bundles/2026/a.zip", &mut zip).unwrap(), Creation::Exists);
    let mut bytes = Vec::new();
    store.open("bundles/2026/a.zip").unwrap().unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"zip");
    assert_eq!(store.list("bundles/").unwrap(), ["bundles/2026/a.zip"]);
    assert_eq!(store.list("").unwrap(), ["bundles/2026/a.zip", "log/checkpoints/1"]);
    assert_eq!(store.list("log/check").unwrap(), ["log/checkpoints/1"]);
    assert!(store.list("trust/").unwrap().is_empty());
}

#[test]
fn what_comes_behind_a_key_is_what_the_whole_list_has_behind_it() {
    let (_folder, store) = store();
    let keys =
        ["a/9", "a/b/c", "a/b-c", "a/b/d/e", "a/b.c", "b/2026/11/21/x.zip", "b/2026/11/22/x.zip", "b.txt"];
    for key in keys {
        store.create(key, b"one").unwrap();
    }
    let whole = store.list("").unwrap();
    assert_eq!(whole.len(), keys.len());
    let others = ["", "a", "a/b", "a/b/", "a/b/c/", "b/2026/11/22/", "b/2026/12/", "b/", "b0", "z"];
    for after in keys.into_iter().chain(others) {
        let behind: Vec<_> = whole.iter().filter(|key| key.as_str() > after).cloned().collect();
        assert_eq!(store.list_after("", after).unwrap(), behind, "{after}");
        let behind: Vec<_> = behind.into_iter().filter(|key| key.starts_with("b/")).collect();
        assert_eq!(store.list_after("b/", after).unwrap(), behind, "{after}");
    }
}

#[test]
fn a_replacement_needs_what_was_read() {
    let (_folder, store) = store();
    let key = "log/checkpoint";
    let other = Version::new("other");
    assert_eq!(store.replace(key, b"one", Some(&other)).unwrap(), Replacement::Conflict);
    assert_eq!(store.replace(key, b"one", None).unwrap(), Replacement::Replaced);
    assert_eq!(store.replace(key, b"two", None).unwrap(), Replacement::Conflict);
    let (bytes, version) = store.get(key).unwrap().unwrap();
    assert_eq!(bytes, b"one");
    assert_eq!(store.replace(key, b"two", Some(&version)).unwrap(), Replacement::Replaced);
    assert_eq!(store.replace(key, b"three", Some(&version)).unwrap(), Replacement::Conflict);
    assert_eq!(store.get(key).unwrap().unwrap().0, b"two");
}

#[test]
fn of_many_writers_one_creates_and_one_replaces() {
    let (folder, store) = store();
    let store = &store;
    for round in 0..10 {
        let won: Vec<(Creation, Replacement)> = thread::scope(|scope| {
            let was = store.get("log/checkpoint").unwrap().map(|(_, version)| version);
            let writers: Vec<_> = (0..8)
                .map(|writer| {
                    let was = was.clone();
                    scope.spawn(move || {
                        let bytes = format!("{round} {writer}").repeat(1000).into_bytes();
                        let created = store.create(&format!("log/checkpoints/{round}"), &bytes).unwrap();
                        (created, store.replace("log/checkpoint", &bytes, was.as_ref()).unwrap())
                    })
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        assert_eq!(won.iter().filter(|(created, _)| *created == Creation::Created).count(), 1);
        assert_eq!(won.iter().filter(|(_, replaced)| *replaced == Replacement::Replaced).count(), 1);
        let whole = store.get(&format!("log/checkpoints/{round}")).unwrap().unwrap().0;
        assert_eq!(whole, whole[..3].repeat(1000), "one writer's bytes, all of them");
    }
    // Nothing is left over but the lock.
    let files = std::fs::read_dir(folder.path().join("store/log/checkpoints")).unwrap().count();
    assert_eq!(files, 10);
}

#[test]
fn a_key_that_leaves_the_folder_is_refused() {
    let (_folder, store) = store();
    for key in ["../x", "/etc/x", "log/../../x", "log//x", "log/.lock", "", "log/"] {
        assert!(store.create(key, b"").is_err(), "{key}");
        assert!(store.get(key).is_err(), "{key}");
        assert!(store.replace(key, b"", None).is_err(), "{key}");
    }
}
