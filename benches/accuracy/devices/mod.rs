//! Cameras, microphones and speakers: how long their probes take, and how right their figures are.

mod capture;
mod memory;
mod pictures;
mod rooms;
mod server;
mod sound;
mod time;

pub(crate) use capture::measure as capture;
pub(crate) use memory::measure as memory;
pub(crate) use pictures::measure as pictures;
pub(crate) use rooms::measure as rooms;
pub(crate) use sound::measure as sound;
pub(crate) use time::measure as time;
