//! What audio samples tell, without a device, a clock or a runtime.

pub mod view;

pub mod meter;
pub mod spectrum;

pub mod drift;
pub mod microphone;

pub mod acoustic_loop;

#[doc(hidden)]
pub mod testing;

#[cfg(test)]
mod tests;
