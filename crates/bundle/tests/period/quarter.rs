//! A whole quarter, and what its report says.

use evidenced_bundle::period::verify_shelf;
use evidenced_bundle::report::Verdict;
use evidenced_bundle::span::Span;
use evidenced_bundle::{FolderShelf, Kind};

use crate::store::{Run, asking, days, exceptions, later, refused, slot, store_of, trust, verify_week, week};

#[test]
fn a_whole_quarter_is_genuine() {
    let runs: Vec<Run> = (0..92).map(Run::of).collect();
    let trust = trust();
    let report = verify_shelf("store", &store_of(&runs), &asking(&trust, Span::quarter("2026-Q4").unwrap()));
    assert_eq!((report.verdict, refused(&report), exceptions(&report)), (Verdict::Genuine, vec![], vec![]));
    assert_eq!((report.slots_due, report.slots_sequenced, report.slots_opened), (92, 92, 92));
    assert_eq!(report.assurance.to_string(), "signed, dated, logged");
    let text = report.render_text();
    assert!(text.starts_with("genuine: store\n"), "{text}");
    assert!(text.contains("92 of 92 slots sequenced, 92 opened"), "{text}");
    assert!(report.checks.iter().all(|check| check.outcome == evidenced_bundle::report::Outcome::Passed));
}

#[test]
fn a_folder_is_read_like_any_store() {
    let folder = tempfile::tempdir().unwrap();
    store_of(&week()).write(folder.path());
    let report = verify_week(&FolderShelf::new(folder.path()).unwrap());
    assert_eq!((report.verdict, report.slots_opened), (Verdict::Genuine, 7));
}

#[test]
fn missed_partial_and_late_are_listed_and_not_refused() {
    let mut runs = week();
    runs[1] = Run::of(1).missed(later(slot(2), 600));
    runs[2] = Run::of(2).at(later(slot(2), 900)).partial();
    runs[3] = Run::of(3).at(later(slot(4), 60));
    let mut after = Run::of(4);
    after = after.at(later(slot(4), 300));
    runs[4] = after;
    let report = verify_week(&store_of(&runs));
    assert_eq!((report.verdict, refused(&report)), (Verdict::GenuineWithExceptions, vec![]));
    let exceptions = exceptions(&report).join("\n");
    for part in [
        "evidence-demo-20261002T020000Z: missed, written late at 2026-10-03T02:10:00Z: the daemon was off",
        "evidence-demo-20261003T020000Z: denied: 111122223333 eu-west-1 vpc.vpcs, AccessDenied",
        "evidence-demo-20261004T020000Z: late: collecting started at 2026-10-05T02:01:00Z, when slot \
         2026-10-05T02:00:00Z was due already",
    ] {
        assert!(exceptions.contains(part), "{exceptions}");
    }
    assert_eq!((report.slots_sequenced, report.slots_opened), (7, 7));
}

#[test]
fn extra_runs_are_opened_and_counted_apart() {
    let mut runs = week();
    runs[2] = Run::of(2).partial();
    let scope = runs[2].id.scope().clone();
    let supplement = Kind::Supplement(std::num::NonZeroU32::MIN);
    let id = |kind, at| evidenced_bundle::BagId::new(scope.clone(), at, kind);
    runs.insert(3, Run::named(id(supplement, slot(2))).at(later(slot(2), 7200)));
    runs.insert(4, Run::named(id(Kind::Manual, later(slot(2), 10_000))));
    let report = verify_week(&store_of(&runs));
    assert_eq!(refused(&report), [""; 0]);
    assert_eq!((report.slots_due, report.slots_sequenced, report.bundles.len()), (7, 7, 9));
    assert!(report.render_text().contains("7 of 7 slots sequenced, 7 opened, 2 extra runs"));
    // The original stays partial.
    assert!(exceptions(&report).iter().any(|exception| exception.contains("denied")));
}

#[test]
fn the_report_for_programs_is_one_object_with_its_bundles() {
    let report = verify_week(&store_of(&week()));
    let value: serde_json::Value = serde_json::from_str(&report.render_json()).unwrap();
    assert_eq!((&value["verdict"], &value["exitCode"]), (&"genuine".into(), &0.into()));
    assert_eq!(value["bundles"].as_array().unwrap().len(), 7);
    assert_eq!(value["bundles"][6]["slot"], "2026-10-07T02:00:00Z");
    assert_eq!(value["checks"][0]["name"], "log-head");
    assert!(!report.render_json().contains('\n'));
}

#[test]
fn days_outside_of_the_period_are_not_opened() {
    let mut store = store_of(&week());
    let trust = trust();
    store.0.retain(|key, _| !key.contains("20261007T"));
    assert_eq!(verify_shelf("store", &store, &asking(&trust, days(5))).verdict, Verdict::Genuine);
    assert_eq!(refused(&verify_shelf("store", &store, &asking(&trust, days(7)))), ["bundles-there"]);
}
