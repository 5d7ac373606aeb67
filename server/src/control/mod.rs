//! Session control: who may join, as what, and what host and managers may do.
//!
//! LiveKit has rooms, participants and one kind of administrator. Sessions have topics, passcodes,
//! a host, managers, bans, a lock on screen sharing, an end with a reason. All of that lives here, over
//! an engine that is embedded or a LiveKit cluster, in the same way: clients are given a LiveKit token
//! that can do nothing of it, and session control alone acts on the engine.
//!
//! - [`session`] is one session as a pure state machine,
//! - [`store`] keeps sessions and delivers their changes,
//! - [`service`] joins the two with engine, clock and secrets,
//! - [`socket`] and [`routes`] are its front ends,
//! - [`rooms`] acts on the engine, [`webhook`] hears of a cluster, [`running`] holds it all together, [`engines`]
//!   makes ready the engine that the operator chose.

mod engine;
pub(crate) mod engines;
mod openapi;
mod rooms;
pub(crate) mod routes;
pub(crate) mod running;
mod service;
mod session;
mod socket;
mod store;
mod tries;
pub(crate) mod webhook;
