//! The probes: plan, run, events, fold.
