//! The devices a person chose for a call, and what their signals tell.

pub mod selection;
pub mod signal;
