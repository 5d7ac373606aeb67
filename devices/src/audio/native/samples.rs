//! Samples of every format, to and from single precision.

use std::time::{Duration, Instant};

use cpal::{Data, FromSample, I24, Sample, SampleFormat, SizedSample, U24};

use crate::audio::capture::port::CaptureFeed;
use crate::audio::playback::port::PlaybackFeed;

/// Puts what a callback brought into the feed. A format that is never chosen brings nothing.
pub(super) fn take(feed: &mut CaptureFeed, data: &Data, at: Instant) {
    match data.sample_format() {
        SampleFormat::I8 => take_as::<i8>(feed, data, at),
        SampleFormat::I16 => take_as::<i16>(feed, data, at),
        SampleFormat::I24 => take_as::<I24>(feed, data, at),
        SampleFormat::I32 => take_as::<i32>(feed, data, at),
        SampleFormat::I64 => take_as::<i64>(feed, data, at),
        SampleFormat::U8 => take_as::<u8>(feed, data, at),
        SampleFormat::U16 => take_as::<u16>(feed, data, at),
        SampleFormat::U24 => take_as::<U24>(feed, data, at),
        SampleFormat::U32 => take_as::<u32>(feed, data, at),
        SampleFormat::F32 => take_as::<f32>(feed, data, at),
        SampleFormat::F64 => take_as::<f64>(feed, data, at),
        _ => {}
    }
}

fn take_as<T>(feed: &mut CaptureFeed, data: &Data, at: Instant)
where
    T: SizedSample,
    f32: FromSample<T>,
{
    let samples = data.as_slice::<T>().unwrap_or_default();
    feed.push(samples.iter().map(|s| f32::from_sample(*s)), at);
}

/// Fills what a callback asks for, each frame on every channel.
pub(super) fn fill(
    feed: &mut PlaybackFeed,
    data: &mut Data,
    channels: usize,
    at: Instant,
    latency: Duration,
) {
    match data.sample_format() {
        SampleFormat::I8 => fill_as::<i8>(feed, data, channels, at, latency),
        SampleFormat::I16 => fill_as::<i16>(feed, data, channels, at, latency),
        SampleFormat::I24 => fill_as::<I24>(feed, data, channels, at, latency),
        SampleFormat::I32 => fill_as::<i32>(feed, data, channels, at, latency),
        SampleFormat::I64 => fill_as::<i64>(feed, data, channels, at, latency),
        SampleFormat::U8 => fill_as::<u8>(feed, data, channels, at, latency),
        SampleFormat::U16 => fill_as::<u16>(feed, data, channels, at, latency),
        SampleFormat::U24 => fill_as::<U24>(feed, data, channels, at, latency),
        SampleFormat::U32 => fill_as::<u32>(feed, data, channels, at, latency),
        SampleFormat::F32 => fill_as::<f32>(feed, data, channels, at, latency),
        SampleFormat::F64 => fill_as::<f64>(feed, data, channels, at, latency),
        _ => {}
    }
}

fn fill_as<T>(
    feed: &mut PlaybackFeed,
    data: &mut Data,
    channels: usize,
    at: Instant,
    latency: Duration,
) where
    T: SizedSample + FromSample<f32>,
{
    let samples = data.as_slice_mut::<T>().unwrap_or_default();
    let n_frames = samples.len() / channels;
    feed.fill(n_frames, at, latency, |frame, sample| {
        let begin = frame * channels;
        samples[begin..begin + channels].fill(T::from_sample(sample));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_scale_is_one_in_every_format() {
        assert!((f32::from_sample(i16::MIN) + 1.0).abs() < 1e-6);
        assert!((f32::from_sample(i32::MAX) - 1.0).abs() < 1e-6);
        assert!((f32::from_sample(u8::MIN) + 1.0).abs() < 1e-6);
        assert!(f32::from_sample(128_u8).abs() < 1e-6);
        assert!((f32::from_sample(I24::new(-(1 << 23)).unwrap()) + 1.0).abs() < 1e-6);
        assert!((f32::from_sample(0.25_f64) - 0.25).abs() < 1e-9);
    }
}
