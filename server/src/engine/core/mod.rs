//! The rooms, without sockets or clock: what comes in gives [`Effects`](effect::Effects), to be
//! carried out in their order.

pub(super) mod effect;
pub(super) mod participant;
pub(super) mod rooms;

mod data;
mod limits;
mod room;
mod service;
mod sids;
mod signal;

#[cfg(test)]
mod tests;
