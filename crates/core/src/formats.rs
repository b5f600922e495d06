//! What is made of a run for other programs: tables for spreadsheets, OSCAL for compliance tools, OCSF for monitoring.
//!
//! Pure: the same assessment gives the same bytes, whether a run has just made it or it was read back from a bundle.
//! No verdict is made or softened here: what is `unknown` stays told apart from a pass in every form, and a failure
//! under an exception stays a failure that says so. docs/FORMATS.md has the columns and the mappings.

mod about;
mod catalog;
pub(crate) mod kinds;
mod name_uuid;
mod names;
mod ocsf;
mod oscal;
mod population;
mod sheet;
mod tables;

pub use catalog::criterion;
pub use names::Names;
pub use ocsf::ocsf;
pub use oscal::{Oscal, oscal};
pub use population::Population;
pub(crate) use population::{entries, name_of};
pub use tables::each_table;

/// Why a file could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// A row does not fit its heading.
    #[error("a table could not be written or read")]
    Sheet(#[from] csv::Error),
    /// A table of a bundle is not one of ours.
    #[error("population.csv has no column {0}")]
    Column(&'static str),
    /// A check names a control that the catalog does not hold.
    #[error("control {0:?} is not in the catalog")]
    Control(String),
    /// The start of the run is no time.
    #[error("{0:?} is not a time such as 2026-11-22T02:00:00Z")]
    Time(String),
}

#[cfg(test)]
mod tests;
