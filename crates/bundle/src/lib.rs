//! The bundle: what the daemon writes and the verifier demands.
//!
//! The specification is `docs/BUNDLE.md`; the numbers of its verification steps are repeated in the code. This crate
//! has no clock, no network, no randomness and no knowledge of AWS: a seed, an instant and a file are arguments.
//! Writing ([`seal`]) and reading ([`archive`], [`attest`], [`verify`]) share the grammar of names, manifests and tag files, and
//! nothing else. Only verification makes a [`VerifiedBundle`], and every reader of a bundle's contents takes one.

pub mod anchor;
pub mod archive;
pub mod assurance;
pub mod attest;
pub mod bag;
mod base64;
pub mod check;
pub mod command;
mod deflate_form;
pub mod digest;
pub mod dsse;
pub mod expect;
mod hash_lines;
pub mod id;
pub mod input;
pub mod key;
pub mod limits;
pub mod log;
pub mod manifest;
pub mod merkle;
pub mod note;
pub mod parts;
pub mod path;
mod pem;
pub mod period;
pub mod period_bundle;
mod profile;
pub mod proof;
pub mod report;
pub mod run;
pub mod schedule;
pub mod seal;
pub mod shelf;
pub mod sidecar;
pub mod sigstore;
pub mod single;
pub mod span;
pub mod sshsig;
pub mod statement;
pub mod store;
pub mod tile;
pub mod time;
pub mod timestamp;
pub mod trust;
pub mod verify;
pub mod workpaper;

pub use anchor::Anchor;
pub use archive::UntrustedBundle;
pub use assurance::{Assurance, Level};
pub use attest::{Attested, Demand, Undated, attest};
pub use check::{Check, VerifyError};
pub use digest::{Digest, KeyId, hash_reader};
pub use id::{BagId, Kind, Scope};
pub use input::Input;
pub use key::{EvidenceKey, PublicKey, TrustedKeys};
pub use limits::Limits;
pub use parts::{PartId, PartOf, PartRecord, PartSource};
pub use path::BundlePath;
pub use period_bundle::{PeriodId, PeriodName, PeriodShelf};
pub use report::{Report, Verdict, verify_path};
pub use seal::{Content, Draft, PartDraft, SealError, Sealed, SealedPart, Unsigned, prepare, seal_part};
pub use shelf::{FolderShelf, Shelf};
pub use sidecar::{Sidecars, ZipDigests};
pub use single::{Verified, verify_bundle};
pub use span::{Span, SpanError};
pub use time::UtcSecond;
pub use verify::VerifiedBundle;
pub use workpaper::{Finding, Workpaper};
