//! How long the probes of all devices take together.

use anyhow::{Result, ensure};

use super::server::SoundServer;
use crate::figures::median;
use crate::row::Row;

const RUNS: usize = 3;
const DEVICES: [&str; 4] = [
    "--only",
    "camera,microphone,speaker",
    "--camera",
    "synthetic:camera",
];

pub(crate) fn measure() -> Result<Vec<Row>> {
    let server = SoundServer::start()?;
    let mut rows = Vec::new();
    for (what, more, limit_s) in [("", &[][..], 5.0), (" --quick", &["--quick"][..], 3.0)] {
        let mut seconds = Vec::new();
        for _ in 0..RUNS {
            let (report, elapsed) = server.check(&[&DEVICES[..], more].concat())?;
            ensure!(
                report.microphone.data().is_some() && report.speaker.data().is_some(),
                "not every device was checked"
            );
            seconds.push(elapsed.as_secs_f64());
        }
        let median = median(&seconds)?;
        rows.push(Row::judged(
            format!(
                "wall time of `check{what}` of devices alone: microphone and speaker of a sound server, \
                 synthetic camera, encoding; median of {RUNS}"
            ),
            format!("≤ {limit_s} s"),
            format!("{median:.2} s"),
            median <= limit_s,
        ));
    }
    Ok(rows)
}
