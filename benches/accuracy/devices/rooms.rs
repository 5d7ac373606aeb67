//! The acoustic loop in synthetic rooms.

use anyhow::{Context, Result};
use greenroom_devices::signal::acoustic_loop::chirp::Chirp;
use greenroom_devices::signal::testing::rooms::{Room, score};
use greenroom_devices::signal::view::SampleRate;
use greenroom_reports::samples::Random;
use greenroom_reports::units::Dbfs;

use crate::row::Row;

const ROOMS: usize = 200;
/// Direct sound against the reverberation.
const DIRECT_DB: f64 = -18.0;

pub(crate) fn measure() -> Result<Vec<Row>> {
    let rate = SampleRate::new(48_000).context("no rate")?;
    let level = Dbfs::new(-20.0).context("no level")?;
    let chirp = Chirp::new(rate, level);
    let mut rows = Vec::new();
    for snr_db in [0.0, 10.0, -10.0] {
        let make = |random: &mut Random| Room::random(random, snr_db, DIRECT_DB);
        let score = score(chirp, ROOMS, &mut Random::new(1), make).context("no score")?;
        let share = |n: usize| n as f64 * 100.0 / score.rooms as f64;
        let figure = format!(
            "{:.1} % right, {:.1} % confidently wrong, the rest uncertain",
            share(score.right),
            share(score.wrong)
        );
        let what = format!(
            "acoustic delay within 1 ms in {ROOMS} synthetic rooms, RT60 0.4 s, direct sound {DIRECT_DB} dB, \
             SNR {snr_db} dB"
        );
        rows.push(if snr_db < 0.0 {
            Row::told(what, figure)
        } else {
            let passes = share(score.right) >= 95.0 && share(score.wrong) <= 0.5;
            Row::judged(what, "≥ 95 %, ≤ 0.5 % wrong", figure, passes)
        });
    }
    Ok(rows)
}
