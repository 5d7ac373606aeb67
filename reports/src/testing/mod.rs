//! For tests, fuzzing and benches; not part of the interface.

pub mod fuzzing;
pub mod samples;
mod throughput_samples;
pub mod validation;
