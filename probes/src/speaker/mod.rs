//! Probe **speaker**: opens it as a call would, sounds it, and tells what of it comes back into the
//! microphone.
//!
//! The search for the sound is `greenroom_devices::signal::acoustic_loop`; here are when it is
//! played, which part of the recording belongs to it, and what becomes of it in the report.

mod machine;
mod probe;

pub use probe::{Listener, PEAK_DBFS, SpeakerConfig, run};
