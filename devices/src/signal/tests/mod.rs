//! The meters against sounds of known figures.

mod accuracy;
mod faults;
mod properties;

use crate::signal::microphone::{MicrophoneMeter, MicrophoneSummary};
use crate::signal::testing::sounds::interleaved;
use crate::signal::view::{Format, Interleaved, SampleRate};
use greenroom_reports::units::Dbfs;

fn format(rate: u32, channels: usize) -> Format {
    Format::new(SampleRate::new(rate).unwrap(), channels).unwrap()
}

/// What the meters say of channels at a rate.
fn measure(rate: u32, channels: &[Vec<f32>]) -> MicrophoneSummary {
    let format = format(rate, channels.len());
    let mut meter = MicrophoneMeter::new(format).unwrap();
    meter.push(&Interleaved::new(&interleaved(channels), format));
    meter.summary()
}

fn amplitude(db: f64) -> f64 {
    Dbfs::new(db).unwrap().amplitude()
}

#[track_caller]
fn assert_near(level: Option<Dbfs>, expected_db: f64, tolerance_db: f64) {
    let db = level.unwrap().as_f64();
    assert!(
        (db - expected_db).abs() <= tolerance_db,
        "{db} dBFS is not {expected_db} ± {tolerance_db}"
    );
}
