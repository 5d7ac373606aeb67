//! Figures of docs/accuracy.md.
fn main() {}
