//! Every list to its end, whatever the size of a page.

use std::collections::BTreeMap;

use serde_json::Value;
use simcloud::Config;

use crate::estate::{Estate, one_account};

/// Documents by path, with the output of every call.
fn outputs(config: Config) -> BTreeMap<String, Vec<(String, Value, usize)>> {
    let mut run = Estate::new(config, "").collect();
    assert_eq!(run.code, 0, "{}", run.stderr());
    let mut found = BTreeMap::new();
    for path in run.documents() {
        let document = run.json(&path);
        let calls = document["calls"].as_array().unwrap().iter().map(|call| {
            let pages = call["pages"].as_array().unwrap().len();
            (call["operation"].as_str().unwrap().to_owned(), call["output"].clone(), pages)
        });
        found.insert(path, calls.collect());
    }
    found
}

#[test]
fn small_pages_give_the_same_evidence_as_large_ones() {
    let large = outputs(one_account());
    let small = outputs(Config { page_cap: Some(5), ..one_account() });
    assert_eq!(large.keys().collect::<Vec<_>>(), small.keys().collect::<Vec<_>>());
    let mut paged: BTreeMap<String, usize> = BTreeMap::new();
    for (path, calls) in &large {
        let others = &small[path];
        assert_eq!(calls.len(), others.len(), "{path}");
        for ((operation, output, pages), (_, other, more)) in calls.iter().zip(others) {
            assert_eq!(output, other, "{path} {operation}");
            if more > pages {
                *paged.entry(operation.clone()).or_default() += 1;
            }
        }
    }
    // The population is large enough that the lists that matter do not fit into one page of five.
    for operation in [
        "DescribeSubnets",
        "DescribeSecurityGroups",
        "DescribeSecurityGroupRules",
        "ListCertificates",
        "DescribeConfigRules",
    ] {
        assert!(paged.contains_key(operation), "{operation} never had a second page: {paged:?}");
    }
}
