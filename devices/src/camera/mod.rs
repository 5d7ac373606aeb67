//! Cameras: which there are, what they offer, their frames, and when they come and go.
//!
//! [`Cameras`] knows the ways to them: V4L2 on Linux, `nokhwa` elsewhere (and on Linux where asked
//! for), and a synthetic one that needs no hardware. Each is a [`CameraBackend`]. A
//! [`SharedCamera`] is one capture for any number of readers.

mod backend;
mod catalog;
mod choice;
mod clock;
mod mode;
#[cfg(feature = "camera")]
mod nokhwa;
mod shared;
mod synthetic;
#[cfg(all(feature = "camera", target_os = "linux"))]
mod v4l2;
mod watch;

#[cfg(test)]
mod tests;

pub use backend::{CameraBackend, CameraStream, CapturedFrame, Opened, Pulled, capture_time};
pub use catalog::{Cameras, Choice};
pub use choice::{choose_mode, why_unusable};
pub use clock::CameraClock;
pub use mode::{FourCc, Mode, WantedMode, millifps_of};
#[cfg(feature = "camera")]
pub use nokhwa::Nokhwa;
pub use shared::{CameraReader, Received, SharedCamera, StreamEnd};
pub use synthetic::{SYNTHETIC_CAMERA, SyntheticCamera};
#[cfg(all(feature = "camera", target_os = "linux"))]
pub use v4l2::V4l2;
