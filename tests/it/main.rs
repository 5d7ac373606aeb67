//! The built program and the facade, on loopback only.

#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: helpers wait, read clocks and may fail"
)]

mod bad_input;
mod check;
mod contract;
mod corpus;
mod devices;
mod examples;
mod facade;
mod graph;
mod help;
mod interrupt;
mod invariants;
mod join;
mod replay;
mod serve;
mod token;
mod tool;
mod turn_browser;
mod turn_server;
