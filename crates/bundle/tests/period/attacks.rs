//! The rows of the threat model that only a log shows, each as it is done and as it would be covered up.

use evidenced_bundle::merkle::{Leaves, inclusion, leaf_hash};
use evidenced_bundle::note::Note;
use evidenced_bundle::period::verify_shelf;
use evidenced_bundle::proof::LogProof;
use evidenced_bundle::report::Verdict;
use evidenced_bundle::{BagId, Digest, Kind};

use crate::store::{
    Run, Store, asking, checkpoint, days, exceptions, key, later, leaves_of, refused, slot, store_of, trust,
    verify_week, week, write_log,
};

fn zip_key(number: i64) -> String {
    Run::of(number).id.store_key()
}

#[test]
fn replay_previous_day() {
    // As it is: the files of one day under the names of the next.
    let good = store_of(&week());
    let mut store = good.clone();
    for suffix in ["", ".sigstore.json", ".tlog-proof", ".sshsig", ".tsr"] {
        let old = good.0[&format!("{}{suffix}", zip_key(2))].clone();
        store.0.insert(format!("{}{suffix}", zip_key(3)), old);
    }
    assert_eq!(refused(&verify_week(&store)), ["bundles"]);
    // The zip alone: its leaf names another one.
    let mut store = good.clone();
    store.0.insert(zip_key(3), good.0[&zip_key(2)].clone());
    let report = verify_week(&store);
    assert_eq!(refused(&report), ["bundles"]);
    assert!(report.refused[0].detail.contains("its leaf in the log says"), "{}", report.refused[0]);
    // The sidecars alone.
    let mut store = good.clone();
    store.0.insert(
        format!("{}.sigstore.json", zip_key(3)),
        good.0[&format!("{}.sigstore.json", zip_key(2))].clone(),
    );
    assert_eq!(refused(&verify_week(&store)), ["bundles"]);
}

#[test]
fn drop_day() {
    let good = store_of(&week());
    // As it is: the files of a day are gone.
    let mut store = good.clone();
    store.0.retain(|key, _| !key.contains("20261004T"));
    let report = verify_week(&store);
    assert_eq!(refused(&report), ["bundles-there"]);
    assert_eq!((report.slots_sequenced, report.slots_opened), (7, 6));
    let said = format!("{} is missing, and beside it .sigstore.json, .tlog-proof, .sshsig", zip_key(3));
    assert_eq!(report.refused[0].detail, said);
    // Its leaf is gone too, and nothing was signed again: the root is another one.
    let mut less = leaves_of(&week());
    less.remove(3);
    let mut store = store.clone();
    let entries = less.iter().flat_map(|leaf| evidenced_bundle::tile::entry(leaf).unwrap()).collect();
    store.0.insert("log/tile/entries/000.p/7".to_owned(), entries);
    assert_eq!(refused(&verify_week(&store)), ["log-entries"]);
    let mut store = good.clone();
    store.0.retain(|key, _| !key.starts_with("log/"));
    write_log(&mut store, &less, &key(2));
    store.0.insert("log/checkpoint".to_owned(), good.0["log/checkpoints/6"].clone());
    assert_eq!(refused(&verify_week(&store)), ["log-root"]);
    // With the log key: the numbers and the chain of the statements are broken.
    let mut store = good.clone();
    store.0.retain(|key, _| !key.starts_with("log/"));
    write_log(&mut store, &less, &key(2));
    assert_eq!(refused(&verify_week(&store)), ["log-chain"]);
    // With both keys everything is made again, and the slot is absent.
    let mut runs = week();
    runs.remove(3);
    let report = verify_week(&store_of(&runs));
    assert_eq!((report.verdict, refused(&report)), (Verdict::NotGenuine, vec!["slot-coverage"]));
    assert_eq!(report.refused[0].subject, "slot 2026-10-04T02:00:00Z");
    assert_eq!((report.slots_due, report.slots_sequenced), (7, 6));
}

#[test]
fn truncate_tail() {
    let good = store_of(&week());
    // As it is: the newest checkpoint and the files behind it are those of two days ago.
    let mut store = good.clone();
    store.0.insert("log/checkpoint".to_owned(), good.0["log/checkpoints/5"].clone());
    assert_eq!(refused(&verify_week(&store)), ["log-head"]);
    // Everything newer is gone as well.
    let shorter = store_of(&week()[..5]);
    let report = verify_week(&shorter);
    assert_eq!((report.verdict, refused(&report)), (Verdict::NotGenuine, vec!["slot-coverage"]));
    assert!(report.refused[0].detail.contains("the end of the period is not in it"), "{}", report.refused[0]);
    assert_eq!(report.refused[0].subject, "slots 2026-10-06T02:00:00Z, 2026-10-07T02:00:00Z");
    // Who kept a checkpoint sees it without a period.
    let (trust, kept) = (trust(), &good.0["log/checkpoint"]);
    let request = evidenced_bundle::period::Request {
        span: None,
        pin: Some(("kept", kept)),
        ..asking(&trust, days(5))
    };
    assert_eq!(refused(&verify_shelf("store", &shorter, &request)), ["pinned"]);
}

#[test]
fn an_oversized_sidecar_in_a_store_is_refused_as_beside_a_zip() {
    let good = store_of(&week());
    for suffix in [".sigstore.json", ".tlog-proof", ".sshsig", ".tsr"] {
        let mut store = good.clone();
        store.0.insert(format!("{}{suffix}", zip_key(3)), vec![b' '; 1 << 20]);
        let report = verify_week(&store);
        assert_eq!((report.verdict, refused(&report)), (Verdict::NotGenuine, vec!["bundles"]), "{suffix}");
        let detail = &report.refused[0].detail;
        assert!(detail.contains(suffix) && detail.contains("has more than"), "{detail}");
    }
}

#[test]
fn the_beginning_of_a_period_may_not_be_cut_either() {
    let report = verify_week(&store_of(&week()[2..]));
    assert_eq!(refused(&report), ["slot-coverage"]);
    assert!(report.refused[0].detail.contains("verify --from 2026-10-03"), "{}", report.refused[0]);
}

#[test]
fn verify_after_overwrite() {
    // Without the keys: any other bytes.
    let good = store_of(&week());
    let mut store = good.clone();
    *store.0.get_mut(&zip_key(3)).unwrap().last_mut().unwrap() ^= 1;
    let report = verify_week(&store);
    assert_eq!(refused(&report), ["bundles"]);
    assert!(report.refused[0].detail.contains("has sha256"), "{}", report.refused[0]);
    // With the evidence key: another good bundle for the slot, with sidecars over it.
    let mut runs = week();
    runs[3] = runs[3].clone().at(later(slot(3), 30));
    let other = store_of(&runs);
    let mut store = good.clone();
    for suffix in ["", ".sigstore.json", ".sshsig", ".tsr", ".tlog-proof"] {
        let key = format!("{}{suffix}", zip_key(3));
        store.0.insert(key.clone(), other.0[&key].clone());
    }
    assert_eq!(refused(&verify_week(&store)), ["bundles"]);
}

#[test]
fn verify_after_delete_marker() {
    // The object is gone for whoever lists the store, and then another one is there under its name.
    let good = store_of(&week());
    for suffix in ["", ".sigstore.json", ".tlog-proof", ".sshsig", ".tsr"] {
        let mut store = good.clone();
        let key = format!("{}{suffix}", zip_key(3));
        store.0.remove(&key);
        let report = verify_week(&store);
        assert_eq!((report.verdict, refused(&report)), (Verdict::NotGenuine, vec!["bundles-there"]), "{key}");
        assert!(report.refused[0].detail.contains(&key), "{}", report.refused[0]);
    }
    let mut store = good.clone();
    let (_, other) = Run::of(3).at(later(slot(3), 30)).seal(&key(1));
    store.0.insert(zip_key(3), other);
    assert_eq!(refused(&verify_week(&store)), ["bundles"]);
}

#[test]
fn duplicate_slot() {
    // Beside the log: a second zip of the slot in another folder.
    let good = store_of(&week());
    let mut store = good.clone();
    let (_, other) = Run::of(3).at(later(slot(3), 30)).seal(&key(1));
    store.0.insert(format!("bundles/2026/10/09/{}", Run::of(3).id.file_name()), other);
    assert_eq!(refused(&verify_week(&store)), ["bundles-logged"]);
    // In the log, with all keys.
    let mut runs = week();
    runs.insert(4, Run::of(3).at(later(slot(3), 30)));
    let report = verify_week(&store_of(&runs));
    assert!(refused(&report).contains(&"slot-order"), "{:?}", refused(&report));
    assert!(report.refused.iter().any(|finding| finding.detail.contains("is in the log again as leaf 4")));
}

#[test]
fn backfilled_day_is_late() {
    // At its place, with all keys and everything behind it made again: its token is late.
    let mut runs = week();
    runs[2].dated = Some(later(slot(30), 0));
    let report = verify_week(&store_of(&runs));
    assert_eq!((report.verdict, refused(&report)), (Verdict::GenuineWithExceptions, vec![]));
    let listed = exceptions(&report).join("\n");
    assert!(listed.contains("evidence-demo-20261003T020000Z: late: dated 2026-10-31T02:00:00Z"), "{listed}");
    // Appended behind the later ones: slots only increase.
    let mut runs = week();
    let late = runs.remove(2);
    runs.push(late);
    let report = verify_week(&store_of(&runs));
    assert!(refused(&report).contains(&"slot-order"));
    // As one that was collected then: it says so itself.
    let mut runs = week();
    runs[2] = runs[2].clone().at(later(slot(30), 0));
    let report = verify_week(&store_of(&runs));
    assert!(exceptions(&report).join("\n").contains("late: collecting started at 2026-10-31T02:00:00Z"));
}

#[test]
fn rewritten_history_vs_pinned() {
    let (good, trust) = (store_of(&week()), trust());
    let kept = good.0["log/checkpoints/4"].clone();
    let verify = |store: &Store, kept: &[u8]| {
        let request =
            evidenced_bundle::period::Request { pin: Some(("kept", kept)), ..asking(&trust, days(7)) };
        verify_shelf("store", store, &request)
    };
    let report = verify(&good, &kept);
    assert_eq!((report.verdict, report.pinned.as_ref().unwrap().size), (Verdict::Genuine, 4));
    assert_eq!(report.assurance.to_string(), "signed, dated, logged, pinned");
    // Everything made again from the third day on, with all keys and tokens in time.
    let mut runs = week();
    runs[2] = runs[2].clone().at(later(slot(2), 30));
    let rewritten = store_of(&runs);
    assert_eq!(verify_week(&rewritten).verdict, Verdict::Genuine);
    let report = verify(&rewritten, &kept);
    assert_eq!(refused(&report), ["pinned"]);
    assert!(report.refused[0].detail.contains("they were rewritten"), "{}", report.refused[0]);
    // What was kept has to be signed by a log key of the trust root, byte for byte.
    let forged = checkpoint(&leaves_of(&week()), 4, &key(7));
    assert_eq!(refused(&verify(&good, &forged)), ["pinned"]);
    assert_eq!(refused(&verify(&good, &[&kept[..], b"x"].concat())), ["pinned"]);
}

#[test]
fn tokens_out_of_order() {
    let mut runs = week();
    runs[2].dated = Some(later(slot(3), -3600));
    runs[3] = runs[3].clone().at(later(slot(3), 0));
    runs[3].dated = Some(later(slot(3), 20));
    runs[4].dated = Some(later(runs[4].started, 7200));
    assert_eq!(verify_week(&store_of(&runs)).verdict, Verdict::Genuine);
    // A chain that was made again gets its tokens in another order than its slots.
    runs[4].dated = Some(later(slot(5), 70));
    runs[5].dated = Some(later(slot(5), 65));
    let report = verify_week(&store_of(&runs));
    assert_eq!((report.verdict, refused(&report)), (Verdict::GenuineWithExceptions, vec![]));
    let listed = exceptions(&report).join("\n");
    assert!(
        listed.contains(
            "evidence-demo-20261006T020000Z: out of order: dated 2026-10-06T02:01:05Z, and \
             evidence-demo-20261005T020000Z, which comes before it in the log, 2026-10-06T02:01:10Z"
        ),
        "{listed}"
    );
}

#[test]
fn two_checkpoints_same_size_differ() {
    let good = store_of(&week());
    let mut runs = week();
    runs[2] = runs[2].clone().at(later(slot(2), 30));
    let other = store_of(&runs);
    // One of the store is of another tree of that size.
    let mut store = good.clone();
    store.0.insert("log/checkpoints/5".to_owned(), other.0["log/checkpoints/5"].clone());
    let report = verify_week(&store);
    assert_eq!(refused(&report), ["log-checkpoints"]);
    assert_eq!(report.refused[0].subject, "log/checkpoints/5");
    // The newest ones differ.
    let mut store = good.clone();
    store.0.insert("log/checkpoint".to_owned(), other.0["log/checkpoint"].clone());
    assert!(["log-checkpoints", "log-root"].contains(&refused(&verify_week(&store))[0]));
    // A proof that was given out is of the other one.
    let mut store = good.clone();
    let proof = format!("{}.tlog-proof", zip_key(5));
    store.0.insert(proof.clone(), other.0[&proof].clone());
    assert_eq!(verify_week(&store).verdict, Verdict::NotGenuine);
}

#[test]
fn manual_run_satisfies_no_slot() {
    let mut runs = week();
    let id = BagId::new(runs[3].id.scope().clone(), slot(3), Kind::Manual);
    runs[3] = Run::named(id);
    let report = verify_week(&store_of(&runs));
    assert_eq!((report.verdict, refused(&report)), (Verdict::NotGenuine, vec!["slot-coverage"]));
    assert_eq!(report.refused[0].subject, "slot 2026-10-04T02:00:00Z");
    assert_eq!((report.slots_sequenced, report.bundles.len()), (6, 7));
}

#[test]
fn a_supplement_of_a_run_that_is_not_there_is_refused() {
    let mut runs = week();
    let kind = Kind::Supplement(std::num::NonZeroU32::MIN);
    runs[3] = Run::named(BagId::new(runs[3].id.scope().clone(), slot(3), kind));
    assert_eq!(refused(&verify_week(&store_of(&runs))), ["supplements", "slot-coverage"]);
    // Before the run that it is to complete.
    let mut runs = week();
    runs.insert(3, Run::named(BagId::new(runs[3].id.scope().clone(), slot(3), kind)));
    assert_eq!(refused(&verify_week(&store_of(&runs))), ["supplements"]);
}

#[test]
fn a_zip_without_a_leaf_is_listed() {
    let mut store = store_of(&week());
    let (_, zip) = Run::of(7).seal(&key(1));
    store.0.insert(zip_key(7), zip);
    let trust = trust();
    // Outside of the period nobody asks for it.
    assert_eq!(verify_week(&store).verdict, Verdict::Genuine);
    let request = evidenced_bundle::period::Request { span: None, ..asking(&trust, days(7)) };
    let report = verify_shelf("store", &store, &request);
    assert_eq!((report.verdict, refused(&report)), (Verdict::GenuineWithExceptions, vec![]));
    assert!(exceptions(&report)[0].contains("has no leaf in the log: it is not sequenced"));
}

#[test]
fn a_leaf_is_bound_to_its_bytes() {
    // The entries of a store are what the tree is made of: any byte of them counts.
    let good = store_of(&week());
    let entries = &good.0["log/tile/entries/000.p/7"];
    for position in (0..entries.len()).step_by(97) {
        let mut store = good.clone();
        store.0.get_mut("log/tile/entries/000.p/7").unwrap()[position] ^= 1;
        let report = verify_week(&store);
        assert_eq!(report.verdict, Verdict::NotGenuine, "{position}");
        assert!(["log-entries", "log-root"].contains(&refused(&report)[0]), "{position}");
    }
    assert_ne!(leaf_hash(entries), Digest::of(entries));
}

#[test]
fn sidecars_of_another_log_of_the_same_keys_are_refused() {
    // The zip of this day is in both logs; what came before it is not.
    let good = store_of(&week());
    let mut runs = week();
    runs[2] = runs[2].clone().at(later(slot(2), 30));
    let other = store_of(&runs);
    let mut store = good.clone();
    assert_eq!(good.0[&zip_key(5)], other.0[&zip_key(5)]);
    for suffix in [".sigstore.json", ".tlog-proof"] {
        let key = format!("{}{suffix}", zip_key(5));
        store.0.insert(key.clone(), other.0[&key].clone());
    }
    let report = verify_week(&store);
    assert_eq!((report.verdict, refused(&report)), (Verdict::NotGenuine, vec!["bundles"]));
    assert!(report.refused[0].detail.contains("is not leaf 5 of the log"), "{}", report.refused[0]);
}

/// A proof of the statement of a number, by the log key, in a tree whose first leaf is another one.
fn proof_of_another_tree(number: u64) -> String {
    let mut leaves = leaves_of(&week());
    leaves[0] = leaves_of(&[Run::of(0).at(later(slot(0), 30))]).remove(0);
    let hashes: Vec<Digest> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    let size = usize::try_from(number).unwrap() + 1;
    let proof = LogProof {
        index: number,
        hashes: inclusion(&mut Leaves(&hashes), number, number + 1).unwrap(),
        checkpoint: Note::parse(&checkpoint(&leaves, size, &key(2))).unwrap(),
    };
    proof.render()
}

#[test]
fn a_proof_in_a_log_with_another_past_is_refused() {
    // The statement is that of the log here, byte for byte; the checkpoint was shown to nobody else.
    let mut store = store_of(&week());
    store.0.insert(format!("{}.tlog-proof", zip_key(5)), proof_of_another_tree(5).into_bytes());
    let report = verify_week(&store);
    assert_eq!((report.verdict, refused(&report)), (Verdict::NotGenuine, vec!["log-checkpoints"]));
    assert!(
        report.refused[0].detail.contains("is of another log than the one here"),
        "{}",
        report.refused[0]
    );
}
