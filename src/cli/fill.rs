//! `evidenced collect --fill SLOT`: which cells of a partial slot are asked again, and under which name.
//!
//! What was a gap comes from the bundle in the log, verified, less what earlier supplements filled. The original stays
//! as it is. Refused: a slot that is not in the log, that is complete, or that was missed, each with what to do instead.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use evidenced_bundle::run::{CellStatus, RunStatus};
use evidenced_bundle::statement::Statement;
use evidenced_bundle::{BagId, Kind, UtcSecond, VerifiedBundle};
use evidenced_core::layout::Original;
use evidenced_core::moment;
use evidenced_core::pattern::matches;
use evidenced_core::run::Cells;
use serde_json::Value;

use super::exit::{Failed, NOT_GENUINE};
use crate::client::opened::{OpenError, json};
use crate::client::{Access, Client};
use crate::collector::Fill;

type Cell = (String, String, String);

/// Which of the gaps.
#[derive(Debug)]
pub(super) struct Narrowing<'a> {
    /// Account ids, or prefixes that end in `*`; none: all.
    pub(super) accounts: &'a [String],
    pub(super) regions: &'a [String],
    pub(super) items: &'a [String],
}

impl Narrowing<'_> {
    fn takes(&self, (account, region, item): &Cell) -> bool {
        let one = |patterns: &[String], name: &str| {
            patterns.is_empty() || patterns.iter().any(|it| matches(it, name))
        };
        one(self.accounts, account) && one(self.regions, region) && one(self.items, item)
    }
}

/// The name of the next supplement of a slot, and its cells.
pub(super) fn plan(access: &Access, slot: &str, narrowing: &Narrowing<'_>) -> Result<(BagId, Fill), Failed> {
    let unix = moment::parse(slot).and_then(UtcSecond::from_unix).ok_or_else(|| {
        Failed::usage(
            format!("--fill {slot:?} is not a time in whole seconds"),
            "name a slot such as 2026-11-22T02:00:00Z; `evidenced list` shows them",
        )
    })?;
    let client = Client::open(access)?;
    let of_slot = |it: &&Statement| it.snapshot.id.slot() == unix && it.snapshot.id.kind() != Kind::Manual;
    let found: Vec<&Statement> = client.history.statements().iter().filter(of_slot).collect();
    let original = found.iter().find(|it| it.snapshot.id.kind() == Kind::Schedule).copied().ok_or_else(|| {
        Failed::usage(
            format!("slot {slot} is not in the log"),
            "only a slot that was collected can be filled; `evidenced list` shows them, and `evidenced collect --slot` \
             collects one whose period lasts",
        )
    })?;
    let id = &original.snapshot.id;
    match original.snapshot.status {
        RunStatus::Partial => {}
        RunStatus::Complete => {
            return Err(Failed::usage(
                format!("{id} is complete: it has no open gap"),
                "there is nothing to fill; `evidenced collect` makes an extra run of this moment",
            ));
        }
        RunStatus::Missed => {
            return Err(Failed::usage(
                format!("{id} was missed: nothing was collected that could be completed"),
                "a missed slot stays missed; `evidenced collect` makes an extra run, which says how things are now",
            ));
        }
    }
    let mut open = gaps(&mut client.bundle(original).map_err(opening)?);
    let mut last = 0;
    for earlier in &found {
        let Kind::Supplement(number) = earlier.snapshot.id.kind() else { continue };
        last = last.max(number.get());
        let filled = filled(&mut client.bundle(earlier).map_err(opening)?).map_err(opening)?;
        open.retain(|cell| !filled.contains(cell));
    }
    if open.is_empty() {
        return Err(Failed::usage(
            format!(
                "every open gap of {id} is filled by its {} supplement(s)",
                found.len().saturating_sub(1)
            ),
            "there is nothing to fill",
        ));
    }
    let all = open.len();
    open.retain(|cell| narrowing.takes(cell));
    if open.is_empty() {
        return Err(Failed::usage(
            format!(
                "none of the {all} open gaps of {id} is of the accounts, regions and items that were named"
            ),
            "leave --account, --region and --item out, or take them from the gaps that `evidenced verify` lists",
        ));
    }
    // A supplement that lies in the store without its leaf has its number too.
    let key = id.store_key();
    let keys = client.store.list(&format!("{}-supplement-", key.strip_suffix(".zip").unwrap_or(&key)))?;
    for key in keys {
        let name = key.rsplit('/').next().and_then(|name| name.strip_suffix(".zip"));
        if let Some(Kind::Supplement(number)) = name.and_then(BagId::parse).map(|id| id.kind()) {
            last = last.max(number.get());
        }
    }
    let number = last.checked_add(1).and_then(NonZeroU32::new);
    let number =
        number.ok_or_else(|| Failed::usage(format!("{id} has too many supplements"), "none is free"))?;
    let supplement = BagId::new(id.scope().clone(), unix, Kind::Supplement(number));
    let original = Original { id: id.clone(), sha256: original.snapshot.zip_sha256 };
    Ok((supplement, Fill { original, cells: Cells::new(open) }))
}

fn opening(error: OpenError) -> Failed {
    let hint = "`evidenced verify` on a copy of the store names what is wrong";
    Failed::new(NOT_GENUINE, error).hint(hint)
}

/// The gaps that nobody accepted.
fn gaps(bundle: &mut VerifiedBundle) -> BTreeSet<Cell> {
    let gaps = bundle.run().gaps.iter();
    gaps.map(|gap| (gap.account.clone(), gap.region.clone(), gap.item.clone())).collect()
}

/// The cells of a supplement that are no gap any more.
fn filled(bundle: &mut VerifiedBundle) -> Result<BTreeSet<Cell>, OpenError> {
    let run = json(bundle, "data/run.json")?.unwrap_or_default();
    let mut rows: Vec<Value> = list(&run, "cells");
    for file in list(&run, "cellFiles").iter().filter_map(Value::as_str) {
        rows.extend(list(&json(bundle, file)?.unwrap_or_default(), "cells"));
    }
    let word = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    // A cell that was not asked (`excluded`, `region-disabled`) has no evidence either: it stays open.
    let good = [CellStatus::Complete, CellStatus::NotEnabled, CellStatus::NotOffered].map(CellStatus::word);
    let done = rows.iter().filter(|row| good.contains(&word(row, "status").as_str()));
    Ok(done.map(|row| (word(row, "account"), word(row, "region"), word(row, "item"))).collect())
}

fn list(value: &Value, name: &str) -> Vec<Value> {
    value.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
}
