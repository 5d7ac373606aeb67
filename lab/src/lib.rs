//! Shaped networks for tests and benches.

pub mod link;
