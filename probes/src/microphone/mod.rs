//! Probe **microphone**: opens it as a call would, listens, and tells what it hears.
//!
//! The analysis of sound is `greenroom_devices::signal`; here is what becomes of it in the report.

mod machine;
mod probe;

pub use probe::{MicrophoneConfig, run};
