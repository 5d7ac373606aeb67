//! The devices of this machine, through cpal.

mod config;
mod error;
mod samples;
mod stream;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod portable;

use std::sync::Arc;

use super::backend::AudioBackend;

/// The way to the devices of this machine.
pub(super) fn backend() -> Arc<dyn AudioBackend> {
    #[cfg(target_os = "linux")]
    let backend = linux::LinuxAudio;
    #[cfg(not(target_os = "linux"))]
    let backend = portable::HostAudio;
    Arc::new(backend)
}
