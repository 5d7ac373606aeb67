//! The probes: plan, run, events, fold.
//!
//! A run is a stream of [`event::Event`]s; the report is a fold over it ([`fold::Fold`]). Probes
//! know neither each other nor who listens.

mod blame;
pub mod cancel;
mod clock;
pub mod context;
mod datagram;
#[cfg(feature = "devices")]
pub mod devices;
pub mod emit;
pub mod event;
pub mod fold;
pub mod plan;
mod relay;
pub mod run;

#[cfg(feature = "devices")]
pub mod camera;
pub mod discovery;
#[cfg(feature = "devices")]
pub mod microphone;
pub mod path;
pub mod resolve;
#[cfg(feature = "devices")]
pub mod speaker;
pub mod stun;
pub mod system;
pub mod throughput;
pub mod turn;
pub mod web;
