//! What audio samples tell, without a device, a clock or a runtime.

pub mod dbfs;
pub mod view;

pub mod acoustic_loop;

#[doc(hidden)]
pub mod testing;
