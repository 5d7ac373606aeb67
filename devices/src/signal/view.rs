//! Interleaved samples and what is known of them.

use serde::Serialize;

/// Most channels of a stream.
pub const MAX_CHANNELS: usize = 8;

/// Samples a second of one channel, 8 to 192 kHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct SampleRate(u32);

impl SampleRate {
    /// `None` outside 8000..=192000 Hz.
    pub fn new(hz: u32) -> Option<Self> {
        (8_000..=192_000).contains(&hz).then_some(Self(hz))
    }

    /// The rate in Hz.
    pub fn get(self) -> u32 {
        self.0
    }

    /// The rate in Hz, to calculate with.
    pub fn as_hz(self) -> f64 {
        f64::from(self.0)
    }

    /// Samples of one channel in a span, rounded; none for a negative one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "float casts saturate"
    )]
    pub(crate) fn samples_in(self, seconds: f64) -> usize {
        (self.as_hz() * seconds).round() as usize
    }
}

/// Rate and number of channels of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Format {
    rate: SampleRate,
    channels: usize,
}

impl Format {
    /// `None` without a channel and with more than [`MAX_CHANNELS`].
    pub fn new(rate: SampleRate, channels: usize) -> Option<Self> {
        (1..=MAX_CHANNELS)
            .contains(&channels)
            .then_some(Self { rate, channels })
    }

    /// The sample rate.
    pub fn rate(self) -> SampleRate {
        self.rate
    }

    /// The number of channels, at least one.
    pub fn channels(self) -> usize {
        self.channels
    }
}

/// Interleaved samples of a stream, full scale being ±1.0.
///
/// What it hands out is finite: NaN and infinities read as zero, so that no figure can be spoiled
/// by them, and [`Interleaved::n_not_finite`] counts them. A last frame that lacks channels is
/// left out.
#[derive(Clone, Copy, Debug)]
pub struct Interleaved<'a> {
    samples: &'a [f32],
    format: Format,
}

impl<'a> Interleaved<'a> {
    /// A view of samples in this format.
    pub fn new(samples: &'a [f32], format: Format) -> Self {
        let whole = samples.len() - samples.len() % format.channels;
        Self {
            samples: &samples[..whole],
            format,
        }
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Frames: samples of each channel.
    pub fn n_frames(&self) -> usize {
        self.samples.len() / self.format.channels
    }

    /// Samples that are NaN or infinite, of all channels.
    pub fn n_not_finite(&self) -> usize {
        self.samples.iter().filter(|s| !s.is_finite()).count()
    }

    /// The frames, with what is not finite as zero.
    pub fn frames(&self) -> impl Iterator<Item = impl Iterator<Item = f32>> {
        self.samples
            .chunks_exact(self.format.channels)
            .map(|frame| frame.iter().copied().map(finite))
    }

    /// One channel, counted from zero; empty when there is no such channel.
    pub fn channel(&self, channel: usize) -> impl Iterator<Item = f32> {
        let none = channel >= self.format.channels;
        let samples = if none { &[] } else { self.samples };
        samples
            .iter()
            .skip(channel)
            .step_by(self.format.channels)
            .copied()
            .map(finite)
    }

    /// The mean of all channels.
    pub fn mono(&self) -> impl Iterator<Item = f32> {
        let share = 1.0 / self.format.channels as f32;
        self.frames()
            .map(move |frame| frame.map(|s| s * share).sum())
    }
}

/// The sample, or zero for NaN and infinities.
pub(crate) fn finite(sample: f32) -> f32 {
    if sample.is_finite() { sample } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stereo() -> Format {
        Format::new(SampleRate::new(48_000).unwrap(), 2).unwrap()
    }

    #[test]
    fn channels_are_taken_apart_and_an_incomplete_frame_is_left_out() {
        let view = Interleaved::new(&[1.0, -1.0, 0.5, 0.25, 0.75], stereo());
        assert_eq!(view.n_frames(), 2);
        assert_eq!(view.channel(1).collect::<Vec<_>>(), [-1.0, 0.25]);
        assert_eq!(view.mono().collect::<Vec<_>>(), [0.0, 0.375]);
        assert_eq!(view.channel(2).count(), 0);
    }

    #[test]
    fn what_is_not_finite_is_counted_and_reads_as_zero() {
        let view = Interleaved::new(&[f32::NAN, 0.5, f32::INFINITY, -0.5], stereo());
        assert_eq!(view.n_not_finite(), 2);
        assert_eq!(view.channel(0).collect::<Vec<_>>(), [0.0, 0.0]);
        assert_eq!(view.mono().collect::<Vec<_>>(), [0.25, -0.25]);
    }

    #[test]
    fn formats_beyond_what_is_supported_are_refused() {
        assert_eq!(SampleRate::new(7_999), None);
        assert_eq!(SampleRate::new(192_001), None);
        let rate = SampleRate::new(8_000).unwrap();
        assert_eq!(Format::new(rate, 0), None);
        assert_eq!(Format::new(rate, 9), None);
    }
}
