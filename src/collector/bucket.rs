//! Asks the bucket of the store what it is, before anything is written into it.
//!
//! Promised: the answers are kept as they came, for the bundle; a bucket that is not as [`bucket::judge`] demands is
//! refused, unless somebody said that it is accepted, which the bundle then says; a bucket that did not answer is
//! neither. A folder is not asked.

use std::collections::BTreeMap;

use evidenced_core::bucket::{self, Answers, Finding, Severity};
use evidenced_core::collect::{Cell, Context, collect_about};
use evidenced_core::config;
use evidenced_core::item::{GLOBAL, STORE, about_store};
use evidenced_core::layout::AskedBucket;
use evidenced_core::redact::Redactor;
use evidenced_core::shape::Shapes;
use evidenced_core::source::Account;
use serde_json::Value;

use super::{CollectError, Loaded};
use crate::aws::{self, AwsSource, Caller};
use crate::preflight;

/// Whether a bucket that is not as it should be is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum BucketRules {
    /// It is not.
    #[default]
    Demanded,
    /// It is, and every bundle says so.
    Overridden,
}

/// What a bucket said.
#[derive(Debug)]
pub(crate) struct Asked {
    bucket: String,
    document: Vec<u8>,
    unanswered: Option<String>,
    /// The owner in whose name every question was denied.
    denied_to: Option<String>,
    findings: Vec<Finding>,
}

/// Asks the bucket of a configuration, with the credentials of the caller; none where the store is a folder.
pub(crate) async fn ask(
    loaded: &Loaded,
    settings: &aws::Settings,
    caller: Result<Caller, CollectError>,
) -> Result<Option<Asked>, CollectError> {
    let config::Store::S3(store) = &loaded.config.store else { return Ok(None) };
    let shapes = Shapes::embedded()?;
    // The endpoint of the store is that of S3 alone, so the caller was asked elsewhere.
    let caller = caller?;
    let source = AwsSource::new(aws::Settings {
        accounts: BTreeMap::from([(caller.account.clone(), None)]),
        // Five calls in a row: a store that is down must not hold up the run.
        max_attempts: settings.max_attempts.min(3),
        ..crate::store::settings(store, settings)
    })
    .await?;
    let region = source.home_region().to_owned();
    let account = Account { id: caller.account, name: String::new(), partition: caller.partition.clone() };
    let redactor = Redactor::new(&loaded.config.collect.redact_headers);
    let context = Context { source: &source, shapes: &shapes, redactor: &redactor, raw: false };
    let cell = Cell {
        account: &account,
        principal: &caller.arn,
        region: GLOBAL,
        home: &region,
        known_enabled: true,
        item: &STORE,
    };
    let about = about_store(&region, &store.bucket, store.expected_owner.as_deref());
    let collected = collect_about(&context, cell, vec![about]).await;
    preflight::clock(source.clock())?;
    let parsed: Option<Value> =
        collected.document.as_deref().and_then(|document| serde_json::from_slice(document).ok());
    let (Some(document), Some(value)) = (collected.document, parsed) else {
        let why = collected.reason.unwrap_or_else(|| collected.status.word().to_owned());
        return Err(CollectError::BucketSilent { bucket: store.bucket.clone(), why });
    };
    let denied = store.expected_owner.clone().filter(|_| bucket::is_denied_throughout(&value));
    Ok(Some(Asked {
        bucket: store.bucket.clone(),
        denied_to: denied,
        unanswered: bucket::unanswered(&value),
        findings: bucket::judge(&caller.partition, &store.bucket, &Answers::of(&value)),
        document,
    }))
}

/// Whether the store may be written to now: false where nobody could say, an error where it must not be.
pub(crate) async fn is_good(
    loaded: &Loaded,
    settings: &aws::Settings,
    caller: Result<Caller, CollectError>,
    rules: BucketRules,
) -> Result<bool, CollectError> {
    let judged = match ask(loaded, settings, caller).await {
        Ok(asked) => asked.map_or(Ok(Vec::new()), |asked| asked.judged(rules)),
        Err(error) => Err(error),
    };
    match judged {
        Ok(_) => Ok(true),
        Err(
            error @ (CollectError::Bucket { .. } | CollectError::BucketOwner { .. } | CollectError::Clock(_)),
        ) => Err(error),
        Err(error) => {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, source, "the bucket was not asked: nothing is written into it yet");
            Ok(false)
        }
    }
}

impl Asked {
    /// Why nothing can be said of it.
    pub(crate) fn unanswered(&self) -> Option<&str> {
        self.unanswered.as_deref()
    }

    /// The expected owner in whose name every question was denied.
    pub(crate) fn denied_to(&self) -> Option<&str> {
        self.denied_to.as_deref()
    }

    /// The rules that it does not keep.
    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether the bucket may be written to; gives the rules that it does not keep and that are overridden.
    pub(crate) fn judged(&self, rules: BucketRules) -> Result<Vec<&'static str>, CollectError> {
        let bucket = &self.bucket;
        if let Some(why) = &self.unanswered {
            return Err(CollectError::BucketSilent { bucket: bucket.clone(), why: why.clone() });
        }
        if let Some(expected) = &self.denied_to {
            return Err(CollectError::BucketOwner { bucket: bucket.clone(), expected: expected.clone() });
        }
        for Finding { rule, severity, found, remedy } in &self.findings {
            if *severity == Severity::Warning || rules == BucketRules::Overridden {
                tracing::warn!(bucket, rule, found, remedy, "the bucket is not as it should be");
            }
        }
        let refused: Vec<&Finding> =
            self.findings.iter().filter(|finding| finding.severity == Severity::Refused).collect();
        if rules == BucketRules::Demanded && !refused.is_empty() {
            let findings = refused.into_iter().cloned().collect();
            return Err(CollectError::Bucket { bucket: bucket.clone(), findings });
        }
        Ok(refused.into_iter().map(|finding| finding.rule).collect())
    }

    /// For the bundle.
    pub(crate) fn kept(self, accepted: Vec<&'static str>) -> AskedBucket {
        AskedBucket { document: self.document, accepted }
    }
}

/// The rules of findings, for one line.
pub(super) fn rules(findings: &[Finding]) -> String {
    findings.iter().map(|finding| finding.rule).collect::<Vec<_>>().join(", ")
}
