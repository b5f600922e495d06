//! What changes inside the rules: scope, schedule, configuration; and what was agreed beforehand.

use evidenced_bundle::expect::Expectations;
use evidenced_bundle::period::{Change, PeriodReport, Request, verify_shelf};
use evidenced_bundle::report::Verdict;
use evidenced_bundle::span::Span;
use evidenced_bundle::{BagId, Kind};
use serde_json::json;

use crate::store::{
    ACCOUNT, Run, asking, days, exceptions, later, refused, slot, store_of, trust, verify_week, week,
};

fn listed(changes: &[Change]) -> Vec<String> {
    changes.iter().map(|change| format!("{} {}: {}", change.to, change.what, change.detail)).collect()
}

#[test]
fn scope_change_is_reported() {
    let mut runs = week();
    for run in &mut runs[3..] {
        run.config = json!({"limits": {"calls": 4}, "accounts": {"exclude": ["444455556666"]}});
        run.accounts = vec![(ACCOUNT, None), ("777788889999", None)];
        run.regions = vec![("eu-west-1", None), ("eu-west-3", None)];
    }
    let report = verify_week(&store_of(&runs));
    assert_eq!((report.verdict, refused(&report)), (Verdict::Genuine, vec![]));
    let id = "evidence-demo-20261004T020000Z";
    assert_eq!(
        listed(&report.changes),
        [
            format!("{id} config.json accounts: absent -> {{\"exclude\":[\"444455556666\"]}}"),
            format!("{id} config.json limits: absent -> {{\"calls\":4}}"),
            format!("{id} account 777788889999: not in the plan -> collected"),
            format!("{id} region eu-west-3: not in the plan -> planned, account {ACCOUNT}"),
        ]
    );
    assert_eq!(report.changes[0].from, "evidence-demo-20261003T020000Z");
    let text = report.render_text();
    assert!(
        text.contains("changes       4") && text.contains("account 777788889999: not in the plan"),
        "{text}"
    );
}

#[test]
fn narrowed_scope_is_listed() {
    let wide = |mut run: Run| {
        run.accounts = vec![(ACCOUNT, None), ("444455556666", None), ("777788889999", None)];
        run.regions = vec![("eu-west-1", None), ("eu-west-3", None)];
        run
    };
    let mut runs: Vec<Run> = week().into_iter().map(wide).collect();
    for run in &mut runs[3..] {
        run.accounts = vec![(ACCOUNT, None), ("444455556666", Some("excluded by configuration"))];
        run.regions = vec![("eu-west-1", None), ("eu-west-3", Some("excluded by configuration"))];
        run.excluded = vec!["vpc.vpcs"];
    }
    let id = "evidence-demo-20261004T020000Z";
    let report = verify_week(&store_of(&runs));
    assert_eq!(refused(&report), [""; 0]);
    assert_eq!(
        listed(&report.changes),
        [
            format!("{id} account 444455556666: collected -> left out (excluded by configuration)"),
            format!("{id} account 777788889999: in the plan -> no longer in the plan"),
            format!(
                "{id} region eu-west-3: planned -> not planned (excluded by configuration), account {ACCOUNT}"
            ),
            format!("{id} item vpc.vpcs: now excluded (excluded by configuration), account {ACCOUNT}"),
        ]
    );
    // At the border of the period too: the bundle before it is looked at.
    let (store, trust) = (store_of(&runs), trust());
    let span = Span::days("2026-10-04", "2026-10-07").unwrap();
    let report = verify_shelf("store", &store, &asking(&trust, span));
    assert_eq!((report.changes.len(), report.bundles.len()), (4, 4));
    // Where it is another one, the report says that, and not that it is away.
    let mut changed = store_of(&runs);
    let zip = "bundles/2026/10/03/evidence-demo-20261003T020000Z.zip";
    *changed.0.get_mut(zip).and_then(|bytes| bytes.last_mut()).unwrap() ^= 1;
    let report = verify_shelf("store", &changed, &asking(&trust, span));
    assert_eq!((report.verdict, report.changes.len()), (Verdict::Genuine, 0));
    let said = &report.not_checked[0];
    assert!(said.contains("the bundle before the period: it is not genuine: "), "{said}");
    assert!(said.contains("its leaf in the log says"), "{said}");
    // Where it is not here, the report says so.
    let mut store = store;
    store.0.retain(|key, _| !key.contains("20261003T"));
    let report = verify_shelf("store", &store, &asking(&trust, span));
    assert_eq!((report.verdict, report.changes.len()), (Verdict::Genuine, 0));
    assert!(report.not_checked[0].contains("the bundle before the period: it is not here"));
}

fn expecting(runs: &[Run], text: &str) -> PeriodReport {
    let (trust, expectations) = (trust(), Expectations::parse(text).unwrap());
    let request = Request { expectations: Some(&expectations), ..asking(&trust, days(7)) };
    verify_shelf("store", &store_of(runs), &request)
}

const AGREED: &str = "\
schedule = \"0 2 * * *\"
accounts = [\"111122223333\"]
regions = [\"eu-west-1\"]
items = [\"vpc.security-groups\", \"vpc.vpcs\"]
longest_gap = \"25h\"
";

#[test]
fn what_was_agreed_is_no_deviation() {
    let report = expecting(&week(), AGREED);
    assert_eq!((report.verdict, report.deviations), (Verdict::Genuine, vec![]));
}

#[test]
fn expectations_deviation() {
    let mut runs = week();
    // Inside the rules, each of them: a favourable scope, an item less, a missed day.
    runs[2].accounts = vec![(ACCOUNT, Some("excluded by configuration")), ("444455556666", None)];
    runs[3].regions = vec![("eu-west-1", Some("excluded by configuration")), ("eu-west-3", None)];
    runs[4].excluded = vec!["vpc.vpcs"];
    runs[5] = Run::of(5).missed(later(slot(6), 60));
    runs[6] = Run::of(6).at(later(slot(6), 300));
    let mut text = AGREED.replace("vpc.vpcs", "vpc.vpcs\", \"waf.web-acls");
    text.push_str("# agreed on 2026-09-15\n");
    let report = expecting(&runs, &text);
    assert_eq!((report.verdict, refused(&report)), (Verdict::GenuineWithExceptions, vec![]));
    let found: Vec<_> = report
        .deviations
        .iter()
        .map(|one| format!("{}: {} / {} / {}", one.what, one.expected, one.found, one.bundles.len()))
        .collect();
    assert_eq!(
        found,
        [
            "account 111122223333: collected / left out (excluded by configuration) / 1",
            "item vpc.vpcs of account 111122223333: collected / excluded (excluded by configuration) / 1",
            "item waf.web-acls: in the catalogue / not in the catalogue / 7",
            "longest gap: 25h / from 2026-10-05T02:00:03Z to 2026-10-07T02:05:00Z / 1",
            "region eu-west-1 of account 111122223333: planned / not planned (excluded by configuration) / 1",
        ]
    );
    assert_eq!(report.deviations[0].bundles, ["evidence-demo-20261003T020000Z"]);
    assert!(report.render_text().contains("not as agreed 5"));
    // The missed day is an exception of its own.
    assert_eq!(exceptions(&report).len(), 1);
}

#[test]
fn a_rarer_schedule_is_a_deviation() {
    let mut runs = week();
    for run in &mut runs {
        run.schedule = "0 2 1-28 * *".to_owned();
    }
    let report = expecting(&runs, AGREED);
    assert_eq!(report.deviations.len(), 1);
    assert_eq!((report.deviations[0].what.as_str(), report.deviations[0].bundles.len()), ("schedule", 7));
}

#[test]
fn gaps_beyond_those_that_are_named_are_counted() {
    const REGIONS: [&str; 22] = [
        "af-south-1",
        "ap-east-1",
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-northeast-3",
        "ap-south-1",
        "ap-south-2",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-southeast-3",
        "ap-southeast-4",
        "ca-central-1",
        "ca-west-1",
        "eu-central-1",
        "eu-central-2",
        "eu-north-1",
        "eu-south-1",
        "eu-south-2",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "il-central-1",
    ];
    for (count, more) in
        [(20, None), (22, Some("2 more gaps: verify evidence-demo-20261003T020000Z.zip alone"))]
    {
        let mut runs = week();
        runs[2] = runs[2].clone().partial();
        runs[2].regions = REGIONS[..count].iter().map(|name| (*name, None)).collect();
        let report = verify_week(&store_of(&runs));
        assert_eq!((report.verdict, refused(&report)), (Verdict::GenuineWithExceptions, vec![]));
        let listed = exceptions(&report);
        assert_eq!(listed.iter().filter(|line| line.contains("denied: ")).count(), 20);
        match more {
            None => assert_eq!(listed.len(), 20, "{listed:?}"),
            Some(more) => assert!(listed.len() == 21 && listed[20].contains(more), "{listed:?}"),
        }
    }
}

#[test]
fn a_manual_run_neither_keeps_nor_breaks_what_was_agreed() {
    // One day is missed; the manual run of that day has less than was agreed, and closes no gap.
    let mut runs = week();
    runs[3] = Run::of(3).missed(later(slot(4), -60));
    let id = BagId::new(runs[3].id.scope().clone(), slot(3), Kind::Manual);
    let mut manual = Run::named(id);
    manual.excluded = vec!["vpc.vpcs"];
    runs.insert(4, manual);
    let report = expecting(&runs, AGREED);
    assert_eq!((report.verdict, refused(&report)), (Verdict::GenuineWithExceptions, vec![]));
    let found: Vec<_> = report.deviations.iter().map(|one| (one.what.as_str(), one.found.as_str())).collect();
    assert_eq!(found, [("longest gap", "from 2026-10-03T02:00:03Z to 2026-10-05T02:00:03Z")]);
}

#[test]
fn regions_are_agreed_for_the_agreed_accounts_only() {
    // Another account comes in addition, and every account has the same regions: they are told of one.
    let mut runs = week();
    for run in &mut runs {
        run.accounts = vec![(ACCOUNT, None), ("444455556666", None)];
        run.regions = vec![("eu-west-3", None)];
    }
    let of = |text: &str| -> Vec<String> {
        expecting(&runs, text).deviations.iter().map(|one| one.what.clone()).collect()
    };
    let one = format!("region eu-west-1 of account {ACCOUNT}");
    assert_eq!(of(AGREED), std::slice::from_ref(&one));
    // Where no accounts were agreed, regions are for all of them.
    let all = AGREED.replace(&format!("accounts = [\"{ACCOUNT}\"]\n"), "");
    assert_eq!(of(&all), [one, "region eu-west-1 of account 444455556666".to_owned()]);
}
