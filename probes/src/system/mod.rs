//! Probe **system**: this machine, as far as a call depends on it.
//!
//! It reads what the operating system tells and asks nobody on the network: no packet leaves the
//! machine, except to an X11 display that the user has put on another one. On a Wayland desktop
//! it asks the session bus for the screen-capture portal, which the bus may start for the purpose.
//! The system bus is asked for `NetworkManager`, which is not started.
//!
//! Everything is read under one [`SystemRoot`] and one [`Environment`], so that the readers can be
//! fed with directories of other machines.

mod probe;
mod proxy;
mod requirements;
mod root;

#[cfg(target_os = "linux")]
#[path = "linux/mod.rs"]
mod platform;
#[cfg(not(target_os = "linux"))]
#[path = "portable.rs"]
mod platform;

pub use probe::{SystemConfig, is_metered, run};
pub use requirements::{
    MIN_AUDIO_CORES, MIN_AUDIO_MEMORY, MIN_VIDEO_CORES, MIN_VIDEO_MEMORY, SystemFacts,
    check_system_requirements, judge_requirements,
};
pub use root::{Environment, SystemRoot};
