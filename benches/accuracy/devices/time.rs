//! How long the probes of all devices take together.

use anyhow::{Result, ensure};

use super::server::SoundServer;
use crate::figures::median;
use crate::row::Row;

const RUNS: usize = 3;
/// A check of all devices, without a camera of this machine.
pub(super) const DEVICES: [&str; 4] = [
    "--only",
    "camera,microphone,speaker",
    "--camera",
    "synthetic:camera",
];

/// What comes back of the speaker's sound, and how it is brought about.
const WAYS: [(&str, &[&str]); 2] = [
    ("the sound comes back", &["set-sink-mute", "spk", "0"]),
    ("no sound comes back", &["set-sink-mute", "spk", "1"]),
];

pub(crate) fn measure() -> Result<Vec<Row>> {
    let server = SoundServer::start()?;
    let mut rows = Vec::new();
    for (way, pactl) in WAYS {
        server.pactl(pactl)?;
        for (mode, more, limit_s) in [("", &[][..], 5.0), (" --quick", &["--quick"][..], 3.0)] {
            let median = median_seconds(&server, more)?;
            rows.push(Row::judged(
                format!(
                    "wall time of `check{mode}` of devices alone: microphone and speaker of a sound server \
                     ({way}), synthetic camera, encoding; median of {RUNS}"
                ),
                format!("≤ {limit_s} s"),
                format!("{median:.2} s"),
                median <= limit_s,
            ));
        }
    }
    Ok(rows)
}

fn median_seconds(server: &SoundServer, more: &[&str]) -> Result<f64> {
    let mut seconds = Vec::new();
    for _ in 0..RUNS {
        let (report, elapsed) = server.check(&[&DEVICES[..], more].concat())?;
        ensure!(
            report.microphone.data().is_some() && report.speaker.data().is_some(),
            "not every device was checked"
        );
        seconds.push(elapsed.as_secs_f64());
    }
    median(&seconds)
}
