//! What the latest callbacks of a microphone brought.

use std::time::Instant;

use crate::signal::view::{Format, Interleaved};

/// Samples with their place in the stream and in time.
///
/// Mostly those of one callback; of several that follow each other without a gap where they come
/// faster than the owner looks. A sound server may call 2000 times a second.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// Place of the first frame in the stream. Frames that were lost on the way from the callback
    /// count, so that a chunk whose place is beyond the end of the one before tells of a loss.
    pub first_frame: u64,
    /// When the last of its callbacks came, by the monotonic clock.
    ///
    /// What back ends tell of the time of recording is not passed on: behind a sound server it was
    /// seen to be wrong by 20 to 100 ms where callbacks come faster than it is asked for its delay.
    pub at: Instant,
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
