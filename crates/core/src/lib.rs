//! Everything of evidenced that decides.
//!
//! No AWS, sockets, files, clock or environment: values in, values out. Dependencies point left:
//!
//! ```text
//! shape <- wire <- source <- item <- collect <- run <- layout
//!                             policy <- assessment, exceptions <- judging, changes <- layout
//!                  redact          plan, gaps, snapshot   config, schedule
//! ```

pub mod agenda;
pub mod assessment;
pub mod bucket;
pub mod changes;
pub mod collect;
pub mod config;
pub mod difference;
pub mod estate;
pub mod exceptions;
pub mod facts;
pub mod formats;
pub mod gaps;
pub mod item;
pub mod judging;
pub mod layout;
pub mod moment;
pub mod pattern;
pub mod plan;
pub mod policy;
pub mod redact;
pub mod report;
pub mod run;
pub mod shape;
pub mod simulation;
pub mod snapshot;
pub mod source;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod upgrade;
pub mod wire;

pub use evidenced_bundle::schedule;
