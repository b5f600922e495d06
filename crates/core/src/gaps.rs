//! Accepted gaps: expected, approved, dated. Still gaps: reported apart, never a pass.

use crate::moment;
use crate::pattern::matches;
use crate::snapshot::{Acceptance, Row};

/// One entry of `[[accepted_gaps]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedGap {
    /// Account id, or a prefix that ends in `*`.
    pub account: String,
    /// Region, or a prefix that ends in `*`.
    pub region: String,
    /// Item id, or a prefix that ends in `*`.
    pub item: String,
    /// Why.
    pub reason: String,
    /// Who accepted it.
    pub approver: String,
    /// The last day on which it counts, `YYYY-MM-DD`.
    pub expires: String,
}

impl AcceptedGap {
    /// The acceptance of a row, when this entry covers it on the day of the slot (seconds since 1970).
    pub fn covers(&self, row: &Row, slot: i64) -> Option<Acceptance> {
        let covered = matches(&self.account, &row.account)
            && matches(&self.region, &row.region)
            && matches(&self.item, &row.item)
            && moment::day(slot) <= self.expires;
        covered.then(|| Acceptance {
            reason: self.reason.clone(),
            approver: self.approver.clone(),
            expires: self.expires.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Status;

    #[test]
    fn an_acceptance_covers_its_region_until_its_last_day() {
        let gap = AcceptedGap {
            account: "*".into(),
            region: "ap-*".into(),
            item: "*".into(),
            reason: "denied by SCP".into(),
            approver: "ciso@example.com".into(),
            expires: "2026-11-22".into(),
        };
        let row = |region: &str| Row::unasked("111122223333", region, "vpc.vpcs", Status::Denied, "");
        let slot = moment::parse("2026-11-22T23:59:00Z").unwrap();
        assert!(gap.covers(&row("ap-south-1"), slot).is_some());
        assert!(gap.covers(&row("eu-west-1"), slot).is_none());
        assert!(gap.covers(&row("ap-south-1"), slot + 60).is_none());
    }
}
