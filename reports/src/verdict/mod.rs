//! From a report to a judgment.

pub mod profile;
