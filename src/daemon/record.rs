//! What is said of bundles that reached the store: numbers, a line of metrics, the status page, and who is told.
//!
//! A bundle that waited in the spool is said when it is published, like one that did not wait. Nothing here can fail a
//! run: what cannot be written is logged.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use evidenced_bundle::run::RunStatus;
use evidenced_bundle::{BagId, Kind};
use evidenced_core::agenda::Next;
use evidenced_core::moment;
use serde_json::{Value, json};

use super::metrics::RunNumbers;
use super::{Service, chain, embedded, hooks, status};
use crate::collector::{self, CollectError, Ledger, Stored};
use crate::publish::Published;
use crate::store;

/// Gaps that a notification names.
const NAMED: usize = 100;

impl Service {
    /// What was published on the way, and by the run itself.
    pub(super) async fn record(&mut self, ledger: &Ledger, stored: Option<(&Stored, Duration)>) {
        let settled = ledger.take();
        let mut missed = settled.missed;
        let mut bundles: Vec<(Published, Option<Duration>)> = Vec::new();
        for published in settled.published {
            if published.run.status == RunStatus::Missed {
                missed.push(published.id);
            } else if stored.is_none_or(|(stored, _)| stored.published.id != published.id) {
                bundles.push((published, None));
            }
        }
        if let Some((stored, took)) = stored {
            self.state.set_ready(Ok(()));
            bundles.push((stored.published.clone(), Some(took)));
        }
        if bundles.is_empty() && missed.is_empty() {
            return;
        }
        bundles.sort_by_key(|(published, _)| (published.id.slot(), published.id.kind()));
        let metrics = Arc::clone(&self.state.metrics);
        metrics.slots_missed.inc_by(u64::try_from(missed.len()).unwrap_or(0));
        let size =
            bundles.iter().filter_map(|(published, _)| published.leaf.as_ref()).map(|leaf| leaf.index + 1);
        if let Some(size) = size.max() {
            metrics.log_size.set(i64::try_from(size).unwrap_or(i64::MAX));
        }
        for (published, _) in bundles.iter().filter(|(published, _)| published.id.kind() == Kind::Schedule) {
            self.agenda.note(published.id.slot().unix());
        }
        let waiting = self.count_spool();
        let before = self.page(&bundles, &missed).await;
        let mut before = before.unwrap_or_else(|| std::mem::take(&mut self.gaps));
        let last = bundles.len().saturating_sub(1);
        for (number, (published, took)) in bundles.iter().enumerate() {
            if published.conflict.is_some() {
                metrics.ran(&RunNumbers { result: "conflict", ..RunNumbers::default() });
                self.tell_failure(
                    &published.id,
                    "conflict",
                    "another bundle of the slot was in the store before",
                    0,
                );
                continue;
            }
            let open = status::open_gaps(&published.run);
            let run = &published.run;
            let lasted = run.ended.unix().saturating_sub(run.started.unix());
            let took = took.unwrap_or(Duration::from_secs(u64::try_from(lasted).unwrap_or(0)));
            let numbers = status::numbers(published, took, self.now(), status::new_and_old(&before, &open));
            metrics.ran(&numbers);
            let missed = if number == last { missed.len() } else { 0 };
            let scope = &self.loaded.config.scope;
            embedded::print(&embedded::stored(scope, &published.id, &numbers, missed, waiting));
            let new: Vec<&String> = open.difference(&before).collect();
            self.tell_gaps(published, &new, numbers.gaps.1);
            before = open;
        }
        self.gaps = before;
    }

    /// A run that ended after the service was told to stop: its words are short.
    pub(super) async fn last_words(
        &mut self,
        ledger: &Ledger,
        done: Option<Result<Stored, CollectError>>,
        took: Duration,
    ) {
        let stored = match &done {
            Some(Ok(stored)) => Some((stored, took)),
            Some(Err(error)) => {
                tracing::error!(error = %chain(error), "the run failed");
                None
            }
            None => None,
        };
        if tokio::time::timeout(super::LAST_WORDS, self.record(ledger, stored)).await.is_err() {
            tracing::warn!("the status page was not written in time");
        }
    }

    /// Writes the status page; gives the open gaps of the run before, where the page had them.
    async fn page(
        &self,
        bundles: &[(Published, Option<Duration>)],
        missed: &[BagId],
    ) -> Option<BTreeSet<String>> {
        let settings = collector::aws_settings(&self.loaded, None, self.overrides());
        let store = match store::open(&self.loaded, &settings).await {
            Ok(store) => store,
            Err(error) => {
                tracing::warn!(%error, "the status page was not written");
                return None;
            }
        };
        let at = self.now();
        let next = match self.agenda.next(at) {
            Next::Run { slot, .. } => slot,
            Next::Wait { until } => until,
        };
        self.state.metrics.next_slot.set(next);
        let ours = bundles.iter().map(|(published, _)| published).filter(|it| it.conflict.is_none());
        let open = ours.clone().next_back().map(|published| status::open_gaps(&published.run));
        let entries = ours.map(|published| (&published.id, status::Entry::of(published)));
        let mut entries: Vec<_> =
            entries.chain(missed.iter().map(|id| (id, status::Entry::missed(id)))).collect();
        entries.sort_by_key(|(id, _)| std::cmp::Reverse((id.slot(), id.kind())));
        let entries: Vec<status::Entry> = entries.into_iter().map(|(_, entry)| entry).collect();
        let scope = self.loaded.config.scope.clone();
        let schedule = self.loaded.config.schedule.as_str().to_owned();
        let written = tokio::task::spawn_blocking(move || {
            status::write(&*store, &status::About { scope, schedule, next, at }, &entries, open.as_ref())
        });
        match written.await {
            Ok(Ok(before)) => return before,
            Ok(Err(error)) => tracing::warn!(error = %chain(&error), "the status page was not written"),
            Err(error) => tracing::warn!(%error, "the status page was not written"),
        }
        None
    }

    /// Tells who is to be told of a failure.
    pub(super) fn tell_failure(&mut self, id: &BagId, result: &str, error: &str, failures: u32) {
        let deadline = (id.kind() == Kind::Schedule)
            .then(|| self.loaded.config.schedule.after(id.slot().unix()).map(moment::seconds));
        let waiting = self.count_spool().map(|waiting| waiting.bundles);
        let body = self.about(
            id,
            hooks::FAILURE,
            json!({
                "result": result,
                "error": error,
                "attempt": failures + 1,
                "deadline": deadline.flatten(),
                "waiting": waiting,
            }),
        );
        self.hooks.tell(hooks::FAILURE, &body);
    }

    fn tell_gaps(&mut self, published: &Published, new: &[&String], known: i64) {
        if new.is_empty() {
            return;
        }
        let list: Vec<&&String> = new.iter().take(NAMED).collect();
        let body = self.about(
            &published.id,
            hooks::GAP,
            json!({
                "result": published.run.status.word(),
                "sha256": published.sha256.to_string(),
                "gaps": { "new": new.len(), "known": known, "list": list },
            }),
        );
        self.hooks.tell(hooks::GAP, &body);
    }

    /// A body: what every notification says, and `more`.
    fn about(&self, id: &BagId, event: &str, more: Value) -> Value {
        let mut body = json!({
            "schema": "evidenced/notification/v1",
            "event": event,
            "at": moment::seconds(self.now()),
            "version": env!("CARGO_PKG_VERSION"),
            "scope": self.loaded.config.scope,
            "run": id.to_string(),
            "slot": id.slot().to_string(),
        });
        if let (Some(members), Value::Object(more)) = (body.as_object_mut(), more) {
            members.extend(more);
        }
        body
    }
}
