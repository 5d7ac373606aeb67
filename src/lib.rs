//! Pre-join diagnostics.
