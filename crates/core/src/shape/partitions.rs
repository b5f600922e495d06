//! Partitions, their regions, and which service is offered where.
//!
//! From botocore's endpoint data, so as old as the pinned botocore: what it does not describe is unknown, not absent.
//! Which regions an account has opted in to is not in here; `DescribeRegions` says that.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::shape::ShapeError;

/// All partitions of AWS.
#[derive(Debug)]
pub struct Partitions {
    partitions: Vec<Partition>,
}

/// One partition: regions that share accounts and credentials.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// `aws`, `aws-cn`, `aws-us-gov`, ...
    pub id: String,
    /// What host names end in.
    pub dns_suffix: String,
    /// Every region that is known.
    pub regions: BTreeSet<String>,
    undescribed: BTreeSet<String>,
    services: BTreeMap<String, BTreeSet<String>>,
    single_region_services: BTreeMap<String, String>,
}

/// Whether a service is offered in a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// There is an endpoint in this region.
    Offered,
    /// There is an endpoint in other regions of the partition but not in this one.
    NotOffered,
    /// There is one endpoint for the partition, in the region named.
    SingleRegion(String),
    /// Nobody says: ask.
    Unknown,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "botocore")]
    _botocore: String,
    partitions: Vec<Partition>,
}

impl Partitions {
    /// The table that this program was built with.
    pub fn embedded() -> Result<Self, ShapeError> {
        let text = include_str!("../../../../config/shapes/partitions.json");
        let file: File = serde_json::from_str(text)
            .map_err(|source| ShapeError::Unreadable { file: "partitions.json".to_owned(), source })?;
        Ok(Self { partitions: file.partitions })
    }

    /// Every partition.
    pub fn iter(&self) -> impl Iterator<Item = &Partition> {
        self.partitions.iter()
    }

    /// The partition with this id.
    pub fn partition(&self, id: &str) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.id == id)
    }

    /// The partition that has this region; none for a region younger than the table.
    pub fn of_region(&self, region: &str) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.regions.contains(region))
    }
}

impl Partition {
    /// Whether `service` (the CLI's name) is offered in `region`.
    pub fn offer(&self, service: &str, region: &str) -> Offer {
        if let Some(home) = self.single_region_services.get(service) {
            return Offer::SingleRegion(home.clone());
        }
        let Some(regions) = self.services.get(service) else { return Offer::Unknown };
        if regions.contains(region) {
            Offer::Offered
        } else if self.regions.contains(region) && !self.undescribed.contains(region) {
            Offer::NotOffered
        } else {
            Offer::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_belongs_to_one_partition() {
        let partitions = Partitions::embedded().unwrap();
        assert_eq!(partitions.of_region("eu-west-1").unwrap().id, "aws");
        assert_eq!(partitions.of_region("cn-north-1").unwrap().id, "aws-cn");
        assert!(partitions.of_region("xx-west-9").is_none());
    }

    #[test]
    fn what_botocore_does_not_describe_is_unknown_not_absent() {
        let partitions = Partitions::embedded().unwrap();
        let aws = partitions.partition("aws").unwrap();
        assert_eq!(aws.offer("wafv2", "eu-west-1"), Offer::Offered);
        assert_eq!(aws.offer("wafv2", "xx-west-9"), Offer::Unknown);
        assert_eq!(aws.offer("nosuch", "eu-west-1"), Offer::Unknown);
        assert_eq!(aws.offer("organizations", "eu-west-1"), Offer::SingleRegion("us-east-1".to_owned()));
    }

    #[test]
    fn a_service_that_skips_a_region_is_not_offered_there() {
        let partitions = Partitions::embedded().unwrap();
        let iso = partitions.partition("aws-iso").unwrap();
        assert_eq!(iso.offer("wafv2", "us-iso-east-1"), Offer::Offered);
        assert_eq!(iso.offer("wafv2", "us-iso-west-1"), Offer::NotOffered);
    }
}
