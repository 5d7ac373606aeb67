//! The report: what a support engineer reads and a program parses.
//!
//! Keys end in their unit. What was not measured is absent, never zero. A new key is a minor
//! change; renaming, removing or redefining one raises [`report::SCHEMA_VERSION`].

pub mod camera;
pub mod derived;
pub mod device;
pub mod discovery;
pub mod finding;
pub mod microphone;
pub mod outcome;
pub mod path;
pub mod report;
pub mod resolve;
pub mod sensitive;
pub mod speaker;
pub mod stun;
pub mod system;
pub mod throughput;
pub mod turn;
pub mod verdict;
pub mod web;
