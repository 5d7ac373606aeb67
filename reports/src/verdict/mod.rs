//! From a report to a judgment: a pure function of what was found and of a profile.

pub mod profile;
pub mod profile_file;

pub mod metric;
pub mod parts;
pub mod standing;

mod capability;
mod device_metric;
mod headline;
mod judge;
mod path_metric;
mod rate_metric;

pub mod assemble;
pub mod exit_code;

pub use judge::{is_close, judge};
