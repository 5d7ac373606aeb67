//! Shaped networks for tests and benches.
