//! The devices of this machine: which there are, which a person chose for a call, what they give,
//! and what that tells.

pub mod choose;
pub mod device;
pub mod error;
pub mod hotplug;
#[cfg(feature = "audio")]
pub mod list;
mod running;
pub mod selection;
pub mod watch;

#[cfg(feature = "audio")]
pub mod audio;
pub mod camera;
#[cfg(feature = "codec")]
pub mod codec;
pub mod picture;
pub mod signal;
