//! Synthetic signals for tests and benches; not part of the interface.

pub mod rooms;
pub mod sounds;
