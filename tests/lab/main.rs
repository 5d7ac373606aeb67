//! Shaped networks.
fn main() {}
