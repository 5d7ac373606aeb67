//! How long a check takes.

use anyhow::Result;

use crate::figures::median;
use crate::row::Row;
use crate::scene::{Scene, good_link};

const RUNS: usize = 5;

pub(crate) fn measure() -> Result<Vec<Row>> {
    let scene = Scene::with(good_link(), 1)?;
    let mut rows = Vec::new();
    for (what, arguments, limit_s) in [
        (
            "`check --quick --skip throughput`",
            &["--quick", "--skip", "throughput,camera,microphone,speaker"][..],
            2.5,
        ),
        (
            "`check --skip throughput`",
            &["--skip", "throughput,camera,microphone,speaker"][..],
            4.0,
        ),
    ] {
        let mut seconds = Vec::new();
        for _ in 0..RUNS {
            seconds.push(scene.check(arguments)?.elapsed.as_secs_f64());
        }
        let median = median(&seconds)?;
        rows.push(Row::judged(
            format!("wall time of {what}, 20 ms RTT, median of {RUNS}"),
            format!("≤ {limit_s} s"),
            format!("{median:.2} s"),
            median <= limit_s,
        ));
    }
    Ok(rows)
}
