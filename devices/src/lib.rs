//! The devices a person chose for a call, and what their signals tell.

#[cfg(feature = "audio")]
pub mod audio;
pub mod device;
pub mod error;
pub mod hotplug;
pub mod picture;
pub mod selection;
pub mod signal;
