//! Cameras by the crate `nokhwa`: Windows and macOS, and Linux where asked for.
//!
//! It waits for frames without a limit, so that each camera runs on a thread of its own. On Linux it
//! gives no numbers of frames, and whole buffers rather than what was filled, so that a JPEG that
//! was cut off may still hold the end of an earlier one.

mod backend;
mod errors;
mod worker;

pub use backend::Nokhwa;
