//! A camera of this program's own, for machines without one. It is always labeled as what it is.

mod backend;
mod pattern;

pub use backend::{SYNTHETIC_CAMERA, SyntheticCamera};
