//! What diagrams are drawn from, gathered region by region while its documents are in memory.

use std::collections::BTreeMap;

use super::network::{Network, Vpc, network};
use crate::item::GLOBAL;
use crate::policy::{Evidence, Public};
use crate::snapshot::Status;

/// The networks of a run, compact: documents can be let go once they were added.
#[derive(Debug, Clone)]
pub struct Drawings {
    networks: BTreeMap<(String, String), Network>,
    public: Public,
}

impl Default for Drawings {
    fn default() -> Self {
        Self::new()
    }
}

impl Drawings {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { networks: BTreeMap::new(), public: Public::shipped() }
    }

    /// Adds a region of an account. A region that was not asked for its VPCs has no diagram: the coverage lists it.
    pub fn add(&mut self, evidence: &Evidence, region: &str) {
        let unasked = match evidence.look(region, "vpc.vpcs") {
            None => true,
            Some(Err((status, _))) => !matches!(status, Status::Denied | Status::Failed | Status::Partial),
            Some(Ok(_)) => false,
        };
        if region == GLOBAL || unasked {
            return;
        }
        let key = (evidence.account().to_owned(), region.to_owned());
        self.networks.insert(key, network(evidence, region, &self.public));
    }

    /// Account, region and network, sorted.
    pub(super) fn networks(&self) -> impl Iterator<Item = (&str, &str, &Network)> {
        self.networks.iter().map(|((account, region), network)| (account.as_str(), region.as_str(), network))
    }

    /// Every VPC that is known.
    pub(super) fn vpcs(&self) -> impl Iterator<Item = (&str, &str, &Vpc)> {
        self.networks().flat_map(|(account, region, network)| {
            network.vpcs.as_deref().unwrap_or_default().iter().map(move |vpc| (account, region, vpc))
        })
    }
}
