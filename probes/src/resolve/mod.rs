//! Probe `resolve`: how names are looked up.

mod name_servers;
mod probe;
mod question;

pub use probe::{ResolveConfig, run};
