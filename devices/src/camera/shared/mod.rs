//! One capture of a camera for any number of readers.

mod camera;
mod capture;
mod pool;
mod reader;
mod state;
mod watchdog;

pub use camera::SharedCamera;
pub use reader::{CameraReader, Received};
pub use state::StreamEnd;
