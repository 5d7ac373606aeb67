//! Another machine before the eyes of one program: files of `/sys` or `/proc`, CPUs, the wall clock.

mod overlay;
mod script;
mod stage;

pub use stage::{Disguise, DisguiseConfig};
