//! The devices a person chose for a call.

pub mod picture;
pub mod selection;
