//! The findings that this version knows, as data.

mod entry;

mod bandwidth;
mod camera;
mod device;
mod microphone;
mod network;
mod speaker;
mod turn;

pub use entry::{Entry, catalog, entry};
