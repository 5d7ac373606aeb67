//! The guest's source of sound.

use std::f64::consts::TAU;
use std::io::Write;

use super::guest::Options;

/// Samples a second.
pub(super) const RATE: u32 = 48_000;

/// Of the tone, in Hz.
const FREQUENCY: f64 = 1000.0;

/// Samples of one period, which is a whole number.
pub(super) const PERIOD: usize = 48;

/// One period of the tone, 16-bit samples; `amplitude` 1 is full scale.
pub(super) fn period(amplitude: f64) -> Vec<i16> {
    (0..PERIOD)
        .map(|n| sample(amplitude * (TAU * FREQUENCY * n as f64 / f64::from(RATE)).sin()))
        .collect()
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to its range")]
fn sample(value: f64) -> i16 {
    (value.clamp(-1.0, 1.0) * f64::from(i16::MAX)).round() as i16
}

/// Prints a tone as raw samples, the same in each channel, as fast as they are taken; endless unless `seconds` is given.
pub(super) fn play(options: &Options) -> Result<(), String> {
    let amplitude: f64 = options.value("amplitude", 0.5)?;
    let channels: usize = options.value("channels", 2)?;
    let seconds: f64 = options.value("seconds", f64::INFINITY)?;
    let bytes: Vec<u8> = period(amplitude)
        .into_iter()
        .flat_map(|sample| sample.to_le_bytes().repeat(channels))
        .collect();
    let chunk = bytes.repeat(10);
    let chunk_seconds = 10.0 * PERIOD as f64 / f64::from(RATE);
    let mut printed_seconds = 0.0;
    let mut out = std::io::stdout().lock();
    while printed_seconds < seconds {
        if out.write_all(&chunk).is_err() {
            // Who listened has enough.
            return Ok(());
        }
        printed_seconds += chunk_seconds;
    }
    Ok(())
}
