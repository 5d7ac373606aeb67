//! The devices a person chose for a call, and what their signals tell.

pub mod choose;
pub mod device;
pub mod error;
pub mod picture;
pub mod selection;
pub mod signal;
