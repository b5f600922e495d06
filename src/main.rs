//! x
mod aws;
fn main(){}
