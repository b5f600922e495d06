//! Slots that are not over, timestamps that are on their way, and schedules that change.

use evidenced_bundle::attest::Undated;
use evidenced_bundle::period::{Request, verify_shelf};
use evidenced_bundle::report::Verdict;
use evidenced_bundle::span::Span;

use crate::store::{
    Authority, DAY, Run, asking, at, days, exceptions, later, refused, slot, store_of, trust, trust_with,
    week,
};

#[test]
fn a_running_quarter_is_not_over_and_not_cut() {
    let (store, trust) = (store_of(&week()), trust());
    let quarter = Span::quarter("2026-Q4").unwrap();
    let verify = |span, now| verify_shelf("store", &store, &Request { now, ..asking(&trust, span) });
    // In the afternoon of the seventh day, and of the eighth before its slot is over.
    for now in ["2026-10-07T15:00:00Z", "2026-10-08T15:00:00Z"] {
        let report = verify(quarter, Some(at(now)));
        assert_eq!((report.verdict, refused(&report)), (Verdict::GenuineWithExceptions, vec![]), "{now}");
        assert!(
            exceptions(&report)[0].contains(&format!("the period is not over at {now}: 85 of its slots"))
        );
        assert_eq!((report.slots_due, report.slots_sequenced, report.slots_open), (7, 7, 85));
        assert!(report.render_text().contains("7 of 7 slots sequenced, 7 opened, 85 not over yet"));
    }
    // Up to today.
    assert_eq!(verify(days(7), Some(at("2026-10-07T15:00:00Z"))).verdict, Verdict::Genuine);
    // When the slot after it is due as well, a slot without a leaf is absent.
    let report = verify(quarter, Some(at("2026-10-09T02:00:00Z")));
    assert_eq!(refused(&report), ["slot-coverage"]);
    assert_eq!(report.refused[0].subject, "slot 2026-10-08T02:00:00Z");
    // Without a clock all of them are.
    let report = verify(quarter, None);
    assert_eq!((refused(&report), report.slots_due), (vec!["slot-coverage"], 92));
}

#[test]
fn a_timestamp_may_be_missing_for_24_hours() {
    let mut runs = week();
    runs[6] = runs[6].clone().undated();
    let (store, trust) = (store_of(&runs), trust());
    let verify =
        |now, undated| verify_shelf("store", &store, &Request { now, undated, ..asking(&trust, days(7)) });
    let ended = later(runs[6].started, 9);
    let report = verify(Some(later(ended, DAY - 1)), Undated::Refused);
    assert_eq!((report.verdict, refused(&report)), (Verdict::GenuineWithExceptions, vec![]));
    assert!(exceptions(&report)[0].contains("undated"), "{:?}", exceptions(&report));
    assert_eq!(report.assurance.to_string(), "signed, logged");
    for now in [Some(later(ended, DAY)), None] {
        let report = verify(now, Undated::Refused);
        assert_eq!(refused(&report), ["bundles-there"]);
        assert!(
            report.refused[0].detail.contains(".tsr is missing, more than 24 hours"),
            "{}",
            report.refused[0]
        );
    }
    assert_eq!(verify(None, Undated::Accepted).verdict, Verdict::GenuineWithExceptions);
}

#[test]
fn where_no_authority_is_trusted_every_bundle_is_listed_as_undated() {
    let runs: Vec<Run> = week().into_iter().map(Run::undated).collect();
    let trust = trust_with(Authority::None, &mut |_| {});
    let report = verify_shelf("store", &store_of(&runs), &asking(&trust, days(7)));
    assert_eq!((report.verdict, exceptions(&report).len()), (Verdict::GenuineWithExceptions, 7));
}

fn hourly(mut run: Run) -> Run {
    "0 * * * *".clone_into(&mut run.schedule);
    run
}

#[test]
fn a_schedule_may_change_between_two_slots_and_hide_none() {
    let (trust, scope) = (trust(), week()[0].id.scope().clone());
    let at_hour = |number, hour: i64| {
        let slot = later(slot(number), (hour - 2) * 3600);
        hourly(Run::named(evidenced_bundle::BagId::new(
            scope.clone(),
            slot,
            evidenced_bundle::Kind::Schedule,
        )))
    };
    // Daily on the first two days, and hourly from the third slot on.
    let mut runs = week()[..2].to_vec();
    runs.extend((2..24).map(|hour| at_hour(2, hour)));
    let report = verify_shelf("store", &store_of(&runs), &asking(&trust, days(3)));
    assert_eq!((report.verdict, refused(&report), report.slots_due), (Verdict::Genuine, vec![], 24));
    assert_eq!(
        (report.changes[0].what.as_str(), report.changes[0].detail.as_str()),
        ("schedule", "0 2 * * * -> 0 * * * *")
    );
    // It may begin between two slots of the schedule before it.
    let mut runs = week()[..2].to_vec();
    runs.extend((0..24).map(|hour| at_hour(2, hour)));
    assert_eq!(verify_shelf("store", &store_of(&runs), &asking(&trust, days(3))).verdict, Verdict::Genuine);
    // A rarer schedule hides nothing that the one before it asked for.
    let mut runs = week()[..2].to_vec();
    let mut rare = Run::of(5);
    rare.schedule = "0 2 */5 * *".to_owned();
    runs.push(rare);
    let report = verify_shelf("store", &store_of(&runs), &asking(&trust, days(6)));
    assert_eq!(refused(&report), ["slot-coverage"]);
    assert_eq!(
        report.refused[0].subject,
        "slots 2026-10-03T02:00:00Z, 2026-10-04T02:00:00Z, 2026-10-05T02:00:00Z"
    );
    assert_eq!(report.slots_due, 6);
    // A slot is due by its own schedule.
    let mut runs = week();
    runs[3].schedule = "30 2 * * *".to_owned();
    let report = verify_shelf("store", &store_of(&runs), &asking(&trust, days(7)));
    assert!(refused(&report).contains(&"slot-order"), "{:?}", refused(&report));
}

#[test]
fn a_run_that_began_before_its_slot_is_listed_as_early() {
    let mut runs = week();
    runs[2] = runs[2].clone().at(later(slot(2), -60));
    let report = verify_shelf("store", &store_of(&runs), &asking(&trust(), days(7)));
    assert_eq!((report.verdict, refused(&report)), (Verdict::GenuineWithExceptions, vec![]));
    let said = "early: collecting started at 2026-10-03T01:59:00Z, before its slot 2026-10-03T02:00:00Z";
    assert!(exceptions(&report)[0].contains(said), "{:?}", exceptions(&report));
    // The bundle is said to have it, too, and only that one.
    let verdicts: Vec<_> = report.bundles.iter().map(|row| row.verdict).collect();
    let mut expected = [Verdict::Genuine; 7];
    expected[2] = Verdict::GenuineWithExceptions;
    assert_eq!(verdicts, expected);
}

#[test]
fn a_gap_outside_of_the_period_is_listed() {
    let mut runs = week();
    runs.remove(1);
    let (store, trust) = (store_of(&runs), trust());
    let span = Span::days("2026-10-04", "2026-10-07").unwrap();
    let report = verify_shelf("store", &store, &asking(&trust, span));
    assert_eq!((report.verdict, refused(&report)), (Verdict::GenuineWithExceptions, vec![]));
    assert!(exceptions(&report)[0].contains("slot 2026-10-02T02:00:00Z: no leaf of a scheduled run"));
}

#[test]
fn a_schedule_of_no_meaning_and_one_of_every_minute_are_bounded() {
    let trust = trust();
    let mut runs = week()[..2].to_vec();
    runs[1].schedule = "99 2 * * *".to_owned();
    assert!(
        refused(&verify_shelf("store", &store_of(&runs), &asking(&trust, days(2)))).contains(&"slot-order")
    );
    let mut runs = week()[..1].to_vec();
    runs[0].schedule = "* * * * *".to_owned();
    let years = Span::days("2026-10-01", "2030-12-31").unwrap();
    let report = verify_shelf("store", &store_of(&runs), &asking(&trust, years));
    assert!(report.refused.iter().any(|finding| finding.detail.contains("not all of them were looked for")));
}
