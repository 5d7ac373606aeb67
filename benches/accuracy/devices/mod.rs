//! Cameras, microphones and speakers: how long their probes take, and how right their figures are.

mod rooms;
mod server;
mod sound;
mod time;

pub(crate) use rooms::measure as rooms;
pub(crate) use sound::measure as sound;
pub(crate) use time::measure as time;
