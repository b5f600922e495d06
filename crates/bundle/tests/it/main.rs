//! Tests of the bundle format across its modules, against other tools and against hostile input.

mod bag;
mod command;
mod dependencies;
mod folder;
mod forged;
mod hostile;
mod interop;
mod mutation;
mod raw_zip;
mod sealing;
mod vectors;
