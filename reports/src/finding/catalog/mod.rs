//! The findings that this version knows, as data.

mod entry;

mod bandwidth;
mod camera;
mod device;
mod microphone;
mod network;
mod resolve;
mod speaker;
mod stun;
mod turn;
mod web;

pub use entry::{Entry, catalog, entry};
