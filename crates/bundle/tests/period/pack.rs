//! Period bundles and sample packs under the verifier of a store: what their reader cannot see, a signature does.

use std::collections::BTreeSet;
use std::io::Cursor;

use evidenced_bundle::period::{PeriodReport, verify_shelf};
use evidenced_bundle::period_bundle::{Extras, PERIOD_BYTES, Request, build};
use evidenced_bundle::report::Verdict;
use evidenced_bundle::{PeriodId, PeriodName, PeriodShelf, Scope, Shelf, Span, UtcSecond};

use crate::period_zip::{Files, archive, files, remade, replace};
use crate::store::{Run, asking, days, exceptions, later, refused, slot, store_of, trust, week};

/// 2026-10-01 as a zip has it.
const FIRST: u16 = 0x5d41;

fn pack(store: &dyn Shelf, span: Span, chosen: Option<BTreeSet<UtcSecond>>) -> Vec<u8> {
    let scope = Scope::new("demo").unwrap();
    let request = Request {
        id: PeriodId::new(scope, PeriodName::new("pack").unwrap()).unwrap(),
        span,
        days: chosen,
        organisation: "Example Ltd".to_owned(),
        agent: "evidenced 0.1.0".to_owned(),
        limit_bytes: PERIOD_BYTES,
    };
    let mut out = Cursor::new(Vec::new());
    build(store, &request, &Extras::default(), &mut out).unwrap();
    out.into_inner()
}

fn verify(zip: Vec<u8>) -> PeriodReport {
    let shelf = PeriodShelf::open(Box::new(Cursor::new(zip)), "demo-pack.zip", Vec::new(), &mut |_, _| {});
    let shelf = shelf.unwrap();
    verify_shelf("demo-pack.zip", &shelf, &asking(&trust(), *shelf.span()))
}

/// The pack of a week, changed by somebody who has no key, and put together so that its reader takes it.
fn verify_changed(change: impl FnOnce(&mut Files)) -> PeriodReport {
    let mut changed = files(&pack(&store_of(&week()), days(7), None));
    change(&mut changed);
    verify(archive("demo-pack", FIRST, &remade(changed)).bytes())
}

#[test]
fn a_quarter_in_one_file_is_as_genuine_as_its_store() {
    let runs: Vec<Run> = (0..92).map(Run::of).collect();
    let report = verify(pack(&store_of(&runs), Span::quarter("2026-Q4").unwrap(), None));
    assert_eq!((report.verdict, refused(&report), exceptions(&report)), (Verdict::Genuine, vec![], vec![]));
    assert_eq!((report.slots_due, report.slots_sequenced, report.slots_opened), (92, 92, 92));
    assert_eq!(report.assurance.to_string(), "signed, dated, logged");
}

#[test]
fn a_sample_pack_proves_every_slot_and_opens_some() {
    let runs: Vec<Run> = (0..92).map(Run::of).collect();
    let chosen: BTreeSet<UtcSecond> = (0..25).map(|n| later(slot(n * 3 + 1), -7200)).collect();
    let report = verify(pack(&store_of(&runs), Span::quarter("2026-Q4").unwrap(), Some(chosen)));
    assert_eq!((report.verdict, refused(&report)), (Verdict::GenuineWithExceptions, vec![]));
    assert_eq!((report.slots_due, report.slots_sequenced, report.slots_opened), (92, 92, 25));
    let text = report.render_text();
    assert!(text.contains("92 of 92 slots sequenced, 25 opened"), "{text}");
    let left_out = exceptions(&report).iter().filter(|line| line.contains("left out of this sample")).count();
    assert_eq!((left_out, exceptions(&report).len()), (67, 67));
    // Of those, too, who signed and when is proved.
    assert_eq!(report.assurance.to_string(), "signed, dated, logged");
    assert!(report.bundles.iter().all(|row| row.problem.is_none()));
}

#[test]
fn a_period_in_the_middle_of_a_log_is_verified_without_the_zips_before_it() {
    let span = Span::days("2026-10-04", "2026-10-07").unwrap();
    let report = verify(pack(&store_of(&week()), span, None));
    assert_eq!((report.verdict, refused(&report), exceptions(&report)), (Verdict::Genuine, vec![], vec![]));
    assert_eq!((report.slots_due, report.slots_opened, report.log.unwrap().size), (4, 4, 7));
}

#[test]
fn truncate_tail_of_a_pack() {
    // Two days less of everything, all lists in order, and the days that it claims as before.
    let mut cut = files(&pack(&store_of(&week()[..5]), days(5), None));
    replace(&mut cut, "bag-info.txt", "/2026-10-05", "/2026-10-07");
    let report = verify(archive("demo-pack", FIRST, &remade(cut)).bytes());
    assert_eq!((report.verdict, refused(&report)), (Verdict::NotGenuine, vec!["slot-coverage"]));
}

#[test]
fn drop_day_of_a_pack() {
    // The day never was in this log: somebody with both keys re-made it without.
    let runs: Vec<Run> = [0, 1, 2, 4, 5, 6].map(Run::of).into();
    let report = verify(pack(&store_of(&runs), days(7), None));
    assert_eq!(report.verdict, Verdict::NotGenuine);
    assert!(refused(&report).contains(&"slot-coverage"), "{:?}", refused(&report));
}

#[test]
fn a_sample_that_claims_less_than_was_asked_for_is_an_exception_for_each_zip() {
    let report = verify_changed(|it| {
        let zip = "data/bundles/evidence-demo-20261003T020000Z.zip";
        it.remove(zip).unwrap();
        let list = String::from_utf8(it["data/bundles.txt"].clone()).unwrap();
        let line = list.lines().find(|line| line.contains("20261003")).unwrap();
        let other = line.replace("inside", "left-out");
        replace(it, "data/bundles.txt", line, &other);
    });
    assert_eq!((report.verdict, report.slots_opened), (Verdict::GenuineWithExceptions, 6));
    assert!(exceptions(&report)[0].contains("evidence-demo-20261003T020000Z"), "{:?}", exceptions(&report));
}

#[test]
fn a_zip_that_should_lie_beside_the_pack_and_does_not_is_refused() {
    let report = verify_changed(|it| {
        it.remove("data/bundles/evidence-demo-20261003T020000Z.zip").unwrap();
        let list = String::from_utf8(it["data/bundles.txt"].clone()).unwrap();
        let line = list.lines().find(|line| line.contains("20261003")).unwrap();
        let other = line.replace("inside", "beside");
        replace(it, "data/bundles.txt", line, &other);
    });
    assert_eq!((report.verdict, refused(&report)), (Verdict::NotGenuine, vec!["bundles-there"]));
}

#[test]
fn swap_sidecars_of_a_pack() {
    let path = |day: &str, suffix: &str| format!("data/bundles/evidence-demo-{day}T020000Z.zip{suffix}");
    for suffix in [".sigstore.json", ".sshsig", ".tlog-proof", ".tsr"] {
        let report = verify_changed(|it| {
            let other = it[&path("20261004", suffix)].clone();
            it.insert(path("20261003", suffix), other);
        });
        assert_eq!((report.verdict, report.slots_opened), (Verdict::NotGenuine, 6), "{suffix}");
    }
}

#[test]
fn sidecars_of_another_log_beside_a_zip_that_is_left_out_are_refused() {
    let chosen = || Some(BTreeSet::from([later(slot(1), -7200)]));
    let mut runs = week();
    runs[2] = runs[2].clone().at(later(slot(2), 30));
    let other = files(&pack(&store_of(&runs), days(7), chosen()));
    let mut changed = files(&pack(&store_of(&week()), days(7), chosen()));
    assert_eq!(
        verify(archive("demo-pack", FIRST, &remade(changed.clone())).bytes()).verdict,
        Verdict::GenuineWithExceptions
    );
    for suffix in [".sigstore.json", ".tlog-proof"] {
        let path = format!("data/bundles/evidence-demo-20261006T020000Z.zip{suffix}");
        changed.insert(path.clone(), other[&path].clone());
    }
    let report = verify(archive("demo-pack", FIRST, &remade(changed)).bytes());
    assert_eq!((report.verdict, refused(&report)), (Verdict::NotGenuine, vec!["bundles"]));
    assert!(report.refused[0].detail.contains("is not leaf 5 of the log"), "{}", report.refused[0]);
}

#[test]
fn a_configuration_that_changed_in_a_zip_that_is_left_out_is_said_to_be_unchecked() {
    let mut runs = week();
    for run in &mut runs[3..] {
        run.config = serde_json::json!({"limits": {"calls": 4}});
    }
    let unchecked = |runs: &[Run]| {
        let chosen = [0, 1, 2].map(|number| later(slot(number), -7200)).into();
        let report = verify(pack(&store_of(runs), days(7), Some(chosen)));
        assert_eq!(report.verdict, Verdict::GenuineWithExceptions);
        let said = report.not_checked.iter().filter(|what| what.contains("changed in the configuration"));
        said.cloned().collect::<Vec<_>>()
    };
    assert_eq!(unchecked(&week()), [""; 0]);
    let said = unchecked(&runs);
    assert!(said[0].contains("evidence-demo-20261004T020000Z: its zip is not here"), "{said:?}");
}

#[test]
fn a_signature_of_a_checkpoint_is_not_the_readers_to_judge_and_is_refused() {
    let report = verify_changed(|it| {
        let end = String::from_utf8(it["data/log/checkpoint.end"].clone()).unwrap();
        let signature = end.lines().last().unwrap().to_owned();
        let at = signature.len() - 20;
        let other = if &signature[at..=at] == "A" { "B" } else { "A" };
        let changed = format!("{}{other}{}", &signature[..at], &signature[at + 1..]);
        for path in ["data/log/checkpoint.end", "data/log/consistency.txt"] {
            replace(it, path, &signature, &changed);
        }
    });
    assert_eq!((report.verdict, report.bundles.len()), (Verdict::NotGenuine, 0));
}
