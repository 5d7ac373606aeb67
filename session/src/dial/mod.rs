//! Connections to a deployment's base URL.

pub mod base_url;
pub mod connect;
pub mod dialer;
pub mod discovery;
pub mod dns;
pub mod error;
mod proxy;
pub mod proxy_setting;
pub mod route;
pub mod websocket;
