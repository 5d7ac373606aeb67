//! The readers for Linux: files under `/proc` and `/sys`, netlink, X11, Wayland and D-Bus.

mod cpu;
mod display;
mod gpu;
mod memory;
mod metered;
mod network;
mod os;
mod power;
#[cfg(test)]
mod servers;
mod throttle;
mod watch;

pub(super) use cpu::usable_cores;
pub(super) use display::read_display;
pub(super) use metered::read_metered;
pub(super) use network::read_interfaces;
pub(super) use power::read_power;
pub(super) use watch::{read_machine, watch_activity};
