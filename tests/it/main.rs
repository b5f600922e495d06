//! The program as its users run it: against the simulated AWS, with faults, with mistakes in the configuration.

mod canary;
mod commands;
mod determinism;
mod estate;
mod faults;
mod paging;
