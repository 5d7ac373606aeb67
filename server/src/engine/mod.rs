//! The embedded engine: rooms on LiveKit's signalling protocol.

pub mod config;
pub mod event;
pub mod room_service;
pub mod twirp_client;
