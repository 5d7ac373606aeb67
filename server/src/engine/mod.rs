//! The embedded engine: rooms on LiveKit's signalling protocol.

mod core;
mod handle;
mod http;
mod transport;

pub mod config;
pub mod error;
pub mod event;
pub mod room_service;
pub mod twirp_client;

pub use handle::{Engine, EngineFigures};
