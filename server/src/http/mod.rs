//! The HTTP side: discovery, health, metrics, a page for people, and the WebSocket.

pub(crate) mod accept;
pub(crate) mod app;
mod client;
mod conversation;
mod page;
pub(crate) mod slots;
mod websocket;
