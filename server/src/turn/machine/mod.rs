//! The TURN server without sockets: what comes in goes to [`relay::Relay`], which answers, relays
//! or keeps silent. Time, sockets and random numbers are its caller's.

mod allocate;
pub(crate) mod allocation;
mod answer;
mod authenticate;
pub(crate) mod counters;
mod data;
pub(crate) mod quota;
pub(crate) mod relay;
mod requests;

#[cfg(test)]
mod tests;
