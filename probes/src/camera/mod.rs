//! Probe **camera**: opens it as a call would, watches it for two seconds, and tells what it gives.
//!
//! The analysis of pictures and of their times is `greenroom_devices::picture`; here are the thread
//! that watches and what becomes of it in the report.

mod machine;
mod probe;
#[cfg(test)]
mod tests;
mod watch;

pub use probe::{CameraConfig, MeasureEncoding, run};
