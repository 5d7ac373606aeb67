//! What a whole check of the network costs on an ordinary access: seconds, and bytes by the link's log.

use std::time::Duration;

use anyhow::Result;
use greenroom_lab::link::{LinkConfig, PacketRecord, Rate};

use crate::figures::{largest, median};
use crate::row::Row;
use crate::scene::Scene;

const RUNS: usize = 5;

/// One direction of an access with 20 ms RTT and a queue of 100 ms.
pub(super) fn access(bps: u64) -> LinkConfig {
    LinkConfig::new()
        .delay_ms(10)
        .rate(Rate::new(bps, Duration::from_millis(100)))
}

pub(crate) fn measure() -> Result<Vec<Row>> {
    let scene = Scene::new(access(5_000_000), access(10_000_000), 1)?;
    let mut rows = Vec::new();
    for (what, arguments, limit_s) in [
        ("`check`", &[][..], 6.0),
        ("`check --quick`", &["--quick"][..], 2.5),
    ] {
        let (mut seconds, mut megabytes) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            seconds.push(scene.check(arguments)?.elapsed.as_secs_f64());
            megabytes.push(sum_mb(&scene.lab.link().take_records()));
        }
        let (time, data) = (median(&seconds)?, largest(&megabytes));
        rows.push(Row::judged(
            format!(
                "whole {what}, 20 ms RTT, 10 down and 5 up Mbit/s, queue 100 ms, median of {RUNS}"
            ),
            format!("≤ {limit_s} s, ≤ 8 MB"),
            format!(
                "{time:.2} s (slowest {:.2} s), {data:.2} MB at most",
                largest(&seconds)
            ),
            time <= limit_s && data <= 8.0,
        ));
    }
    Ok(rows)
}

fn sum_mb(records: &[PacketRecord]) -> f64 {
    records.iter().map(|record| record.size as f64).sum::<f64>() / 1e6
}
