//! What one callback of a microphone brought.

use std::time::Instant;

use crate::signal::view::{Format, Interleaved};

/// Samples of one callback, with their place in the stream and in time.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// Place of the first frame in the stream. Frames that were lost on the way from the callback
    /// count, so that a chunk whose place is beyond the end of the one before tells of a loss.
    pub first_frame: u64,
    /// When the callback came, by the monotonic clock.
    pub at: Instant,
    /// When the first frame was recorded, as the system tells; without such knowledge, `at`.
    pub captured_at: Instant,
    /// Interleaved, full scale being ±1.
    pub samples: Vec<f32>,
    /// Their format.
    pub format: Format,
}

impl Chunk {
    /// The samples, ready for a meter.
    pub fn view(&self) -> Interleaved<'_> {
        Interleaved::new(&self.samples, self.format)
    }

    /// The place behind the last frame.
    pub fn end_frame(&self) -> u64 {
        self.first_frame + self.view().n_frames() as u64
    }
}
