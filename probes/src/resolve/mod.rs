//! Probe `resolve`: how names are looked up.

mod probe;

pub use probe::{ResolveConfig, run};
