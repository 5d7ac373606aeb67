//! From a microphone's callback to those who listen.

pub mod chunk;
pub mod microphone;
pub mod port;
