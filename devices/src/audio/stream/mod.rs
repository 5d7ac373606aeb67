//! What streams in both directions have in common.

pub mod timeline;

pub mod control;
pub(super) mod health;
