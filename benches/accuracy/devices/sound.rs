//! Level and noise floor beside what was played to the microphone.

use anyhow::{Context, Result};
use greenroom::model::microphone::MicrophoneSection;
use greenroom_devices::signal::testing::sounds::{tone, white_noise};
use greenroom_reports::samples::Random;

use super::server::SoundServer;
use crate::figures::{largest, median};
use crate::row::Row;

/// Levels in dBFS.
const LEVELS: [f64; 5] = [-6.0, -18.0, -26.0, -40.0, -55.0];
/// How long is played, in samples.
const LENGTH: usize = 48_000 * 6;

pub(crate) fn measure() -> Result<Vec<Row>> {
    let server = SoundServer::start()?;
    let amplitude = |dbfs: f64| 10.0_f64.powf(dbfs / 20.0);
    let (mut levels, mut floors) = (Vec::new(), Vec::new());
    for (seed, dbfs) in (1..).zip(LEVELS) {
        // A sine's root mean square is 3.01 dB below its amplitude.
        let sine = tone(48_000.0, LENGTH, 997.0, amplitude(dbfs) * 2.0_f64.sqrt());
        let heard = listen(&server, &sine)?.rms_dbfs.context("no level")?;
        levels.push((heard.as_f64() - dbfs).abs());
        let noise = white_noise(&mut Random::new(seed), LENGTH, amplitude(dbfs - 10.0));
        let heard = listen(&server, &noise)?.noise_floor_dbfs;
        let heard = heard.context("no noise floor")?;
        floors.push((heard.as_f64() - (dbfs - 10.0)).abs());
    }
    Ok(vec![
        row("level of a tone", "±0.2 dB", &levels, 0.2)?,
        row("noise floor beside white noise", "±2 dB", &floors, 2.0)?,
    ])
}

fn listen(server: &SoundServer, samples: &[f32]) -> Result<MicrophoneSection> {
    let _player = server.feed(samples)?;
    let (report, _) = server.check(&["--only", "microphone"])?;
    let section = report.microphone.data().cloned();
    section.context("the microphone was not heard")
}

fn row(what: &str, target: &str, errors: &[f64], limit: f64) -> Result<Row> {
    let (worst, n) = (largest(errors), errors.len());
    Ok(Row::judged(
        format!("{what}, through a sound server, worst of {n} levels"),
        target,
        format!("{worst:.3} dB (median {:.3} dB)", median(errors)?),
        worst <= limit,
    ))
}
