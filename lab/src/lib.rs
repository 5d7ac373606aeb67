//! Shaped networks for tests and benches.
//!
//! - [`link`]: a link in virtual time, for tests of protocol machines. Any platform.
//! - [`Lab`]: a client and a server with such a link between them in real time, for tests of whole programs. Linux.
//! - [`vm`]: a virtual machine with cameras and sound cards, for tests of what meets real drivers. Linux on x86-64.
//! - [`Disguise`]: false files, CPUs and clock for one program. Linux.
//!
//! A test binary that builds labs has its own `main`, which calls [`enter`] first.

pub mod link;

#[cfg(target_os = "linux")]
mod disguise;
#[cfg(target_os = "linux")]
mod error;
#[cfg(target_os = "linux")]
pub mod relay;
#[cfg(target_os = "linux")]
mod sandbox;
#[cfg(target_os = "linux")]
mod topology;
#[cfg(target_os = "linux")]
pub mod vm;

#[cfg(target_os = "linux")]
pub use disguise::{Disguise, DisguiseConfig};
#[cfg(target_os = "linux")]
pub use error::LabError;
#[cfg(target_os = "linux")]
pub use sandbox::{enter, enter_or_exit};
#[cfg(target_os = "linux")]
pub use topology::{Host, Lab, LabConfig, PortRate, Process, Protocol, Router, addresses};
