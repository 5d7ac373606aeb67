//! Loads: packets in numbers that a link can be filled with, to measure what it carries.
//!
//! A load has a direction, a shape and a number of packets. The sender follows a [`schedule`], the
//! receiver notes arrivals in a [`ledger`]; what the figures mean is worked out by the client alone.

pub mod capacity;
pub mod client;
pub mod egress;
pub mod ledger;
pub mod schedule;
pub mod summary;
mod transfer;
pub mod verify;
pub mod wire;
