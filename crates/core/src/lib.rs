//! Everything of evidenced that decides.
//!
//! No AWS, sockets, files, clock or environment: values in, values out. Dependencies point left:
//!
//! ```text
//! shape <- wire <- source <- item <- plan <- snapshot <- run <- layout
//!                                            config
//! ```

pub mod shape;
pub mod source;
pub mod wire;
