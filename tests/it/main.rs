//! The program as its users run it: against the simulated AWS, with faults, with mistakes in the configuration.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test fails like a test"
)]

mod against;
mod ageing;
#[expect(dead_code, reason = "the habits that only the client's own tests meet")]
mod authority;
mod bucket;
mod canary;
mod client;
mod commands;
mod determinism;
mod doctor;
mod estate;
mod faults;
mod hooks;
mod listener;
mod mistakes;
mod outages;
mod paging;
mod parts;
mod period;
mod publish;
mod report;
mod service;
mod story;
mod supplement;
mod timestamps;
mod traces;
mod verdicts;
