//! The probes: plan, run, events, fold.

pub mod system;
