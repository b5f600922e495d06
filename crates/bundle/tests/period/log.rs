//! The log itself: its keys, its checkpoints, its tiles.

use std::io;

use evidenced_bundle::Shelf;
use evidenced_bundle::archive::ReadSeek;
use evidenced_bundle::period::{Request, verify_shelf};
use evidenced_bundle::report::Verdict;

use crate::store::{
    Authority, Run, Store, asking, checkpoint, days, key, leaves_of, refused, revoked, store_of, trust,
    trust_with, verify_week, week,
};

fn leaves() -> Vec<Vec<u8>> {
    leaves_of(&week())
}

#[test]
fn a_revoked_log_key_counts_when_its_log_is_vouched_for_anew() {
    let mut store = store_of(&week());
    let trust = trust_with(Authority::Trusted, &mut |keys| keys[1].revoked = Some(revoked()));
    let report = verify_shelf("store", &store, &asking(&trust, days(7)));
    assert_eq!(refused(&report), ["log-keys"]);
    // The head is signed again by the next key; the old proofs stay as they are.
    store.0.insert("log/checkpoint".to_owned(), checkpoint(&leaves(), 7, &key(3)));
    let report = verify_shelf("store", &store, &asking(&trust, days(7)));
    assert_eq!((report.verdict, refused(&report)), (Verdict::Genuine, vec![]));
    // An older vouching does not reach the newer leaves.
    let mut store = store_of(&week());
    store.0.insert("log/checkpoints/5".to_owned(), checkpoint(&leaves(), 5, &key(3)));
    let report = verify_shelf("store", &store, &asking(&trust, days(7)));
    assert_eq!(refused(&report), ["log-keys"]);
    assert!(report.refused[0].detail.contains("5 of 7 leaves"), "{}", report.refused[0]);
}

#[test]
fn a_log_of_no_known_key_is_refused() {
    let mut store = store_of(&week());
    store.0.insert("log/checkpoint".to_owned(), checkpoint(&leaves(), 7, &key(7)));
    assert_eq!(refused(&verify_week(&store)), ["log-head"]);
    let mut store = store_of(&week());
    store.0.insert("log/checkpoints/3".to_owned(), checkpoint(&leaves(), 3, &key(7)));
    assert_eq!(refused(&verify_week(&store)), ["log-checkpoints"]);
    // The evidence key does not sign checkpoints.
    let mut store = store_of(&week());
    store.0.insert("log/checkpoint".to_owned(), checkpoint(&leaves(), 7, &key(1)));
    assert_eq!(refused(&verify_week(&store)), ["log-head"]);
}

#[test]
fn a_signature_line_of_nobody_known_is_refused() {
    let mut store = store_of(&week());
    let stranger = checkpoint(&leaves(), 7, &key(7));
    let line = stranger.rsplitn(3, |byte| *byte == b'\n').nth(1).unwrap().to_vec();
    let head = store.0.get_mut("log/checkpoint").unwrap();
    head.extend([line, vec![b'\n']].concat());
    let report = verify_week(&store);
    assert_eq!(refused(&report), ["log-head"]);
    assert!(report.refused[0].detail.contains("unknown keys"), "{}", report.refused[0]);
}

#[test]
fn a_checkpoint_one_leaf_behind_is_a_writer_that_stopped() {
    let mut store = store_of(&week());
    store.0.insert("log/checkpoint".to_owned(), checkpoint(&leaves(), 6, &key(2)));
    let report = verify_week(&store);
    assert_eq!((report.verdict, report.log.as_ref().unwrap().size), (Verdict::Genuine, 7));
    assert_eq!(report.head().unwrap(), store.0["log/checkpoints/7"]);
}

#[test]
fn each_object_of_the_log_is_needed_or_checked() {
    let good = store_of(&week());
    for (object, check) in [("log/checkpoint", "log-head"), ("log/tile/entries/000.p/7", "log-entries")] {
        let mut store = good.clone();
        store.0.remove(object);
        assert_eq!(refused(&verify_week(&store)), [check], "{object}");
    }
    for (object, check) in [
        ("log/checkpoint", "log-head"),
        ("log/checkpoints/2", "log-checkpoints"),
        ("log/tile/0/000.p/7", "log-tiles"),
    ] {
        let mut store = good.clone();
        store.0.get_mut(object).unwrap()[3] ^= 1;
        assert_eq!(refused(&verify_week(&store)), [check], "{object}");
        // Longer than such an object can be.
        store.0.insert(object.to_owned(), vec![b'x'; 2 << 20]);
        assert_eq!(refused(&verify_week(&store)), [check], "{object}");
    }
    // Under another number.
    let mut store = good.clone();
    store.0.insert("log/checkpoints/07".to_owned(), good.0["log/checkpoints/7"].clone());
    assert_eq!(refused(&verify_week(&store)), ["log-checkpoints"]);
    // Tiles are for others: none is needed.
    let mut store = good;
    store.0.remove("log/tile/0/000.p/7");
    assert_eq!(verify_week(&store).verdict, Verdict::Genuine);
}

#[test]
fn a_log_of_more_than_one_tile_is_read_whole() {
    let runs: Vec<Run> = (0..300).map(|number| Run::of(number).undated()).collect();
    let mut store = store_of(&runs);
    let trust = trust_with(Authority::None, &mut |_| {});
    let span = evidenced_bundle::span::Span::days("2027-07-01", "2027-07-10").unwrap();
    let report = verify_shelf("store", &store, &asking(&trust, span));
    assert_eq!((refused(&report), report.slots_opened), (vec![], 10));
    assert!(
        store.0.contains_key("log/tile/entries/000") && store.0.contains_key("log/tile/entries/001.p/44")
    );
    store.0.get_mut("log/tile/entries/000").unwrap()[700] ^= 1;
    assert_eq!(refused(&verify_shelf("store", &store, &asking(&trust, span)))[..1], ["log-root"]);
}

/// A store that does not answer for one prefix.
struct Silent<'a>(&'a Store, &'a str);

impl Silent<'_> {
    fn ask(&self, key: &str) -> io::Result<()> {
        if key.starts_with(self.1) { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

impl Shelf for Silent<'_> {
    fn small(&self, key: &str, limit_bytes: u64) -> io::Result<Option<Vec<u8>>> {
        self.ask(key)?;
        self.0.small(key, limit_bytes)
    }

    fn open(&self, key: &str) -> io::Result<Option<Box<dyn ReadSeek>>> {
        self.ask(key)?;
        self.0.open(key)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        self.ask(prefix)?;
        self.0.list(prefix)
    }
}

#[test]
fn a_store_that_does_not_answer_is_neither_good_nor_bad() {
    let store = store_of(&week());
    for prefix in
        ["log/checkpoint", "log/tile/entries", "log/tile/0", "log/", "bundles/2026/10/03", "bundles/"]
    {
        let report = verify_week(&Silent(&store, prefix));
        assert_eq!((report.verdict, refused(&report)), (Verdict::CouldNotTell, vec![]), "{prefix}");
        assert_eq!((report.exit_code, report.assurance.to_string().as_str()), (2, "none"), "{prefix}");
        assert!(!report.problems.is_empty(), "{prefix}");
    }
}

#[test]
fn without_a_period_the_report_says_what_it_does_not_know() {
    let trust = trust();
    let report =
        verify_shelf("store", &store_of(&week()), &Request { span: None, ..asking(&trust, days(7)) });
    assert_eq!((report.verdict, report.slots_due, report.slots_sequenced), (Verdict::Genuine, 7, 7));
    assert!(report.not_checked.iter().any(|what| what.contains("after the last one were due")));
}

#[test]
fn each_check_has_one_name() {
    let names: std::collections::BTreeSet<_> =
        evidenced_bundle::period::LogCheck::ALL.iter().map(|check| check.name()).collect();
    assert_eq!(names.len(), 14);
}
