//! Cameras on Linux, by V4L2.
//!
//! The crate `v4l` panics on what some drivers say (a name that is cut in the middle of a
//! character, a stream that cannot be stopped), and its `next` cannot go on after a timeout. Where
//! that happens is said at the code that steers around it.

mod backend;
mod errors;
mod holder;
mod listing;
mod modes;
mod node;
mod stream;

pub use backend::V4l2;
pub(super) use listing::offers_pictures;
