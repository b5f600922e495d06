//! The report that people read: one page for an auditor and a compliance lead.
//!
//! Pure: the facts, the assessment and the drawings of a run give the same bytes, whether they come from the run or
//! were read back from its bundle. The page holds everything that it needs, asks for nothing, and can be read without
//! a script; every foreign value in it is text. What is unknown is shown as unknown, never as absent.

mod answer;
mod changes;
mod coverage;
mod criteria;
mod drawings;
mod estate;
mod look;
mod network;
mod network_page;
mod page;
mod people;
mod read;
mod routes;
mod svg;
mod text;
mod verdicts;
mod vpc;

pub use drawings::Drawings;
pub use page::{REPORT, ROWS_OF_A_PAGE, ReportError, each_page, pages_of, source_hash};

#[cfg(test)]
mod tests;
