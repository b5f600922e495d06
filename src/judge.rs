//! Checks at work: which ones a configuration has, beside a run, apart from this process, and over a bundle.
//!
//! Evidence first, verdicts second: nothing here keeps a run from being sealed. What cannot be judged is a row that
//! says so.

mod apart;
mod before;
mod beside;
mod bundle;
mod checks;

pub(crate) use apart::{Apart, Setup, serve};
pub(crate) use before::{State, side};
pub(crate) use beside::{Beside, Done};
pub(crate) use bundle::{BundleError, BundleFiles, Rejudged, evidence_of, rejudge};
pub(crate) use checks::{Checks, ChecksError, Compiled, read_policies};
