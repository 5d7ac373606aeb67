//! The devices a person chose for a call, and what their signals tell.

#[cfg(feature = "codec")]
pub mod codec;
pub mod device;
pub mod error;
pub mod picture;
pub mod selection;
pub mod signal;
