//! For tests, fuzzing and benches; not part of the interface.

mod device_samples;
pub mod fuzzing;
pub mod samples;
mod throughput_samples;
pub mod validation;
