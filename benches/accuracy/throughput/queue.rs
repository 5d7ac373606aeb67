//! Delay under load: the depth of the queue beside the one that was set, and the letter beside that of a long
//! saturation, in virtual time.

use greenroom_reports::samples::Random;

use crate::harness::parallel::in_parallel;
use crate::load_harness::scores::{Bloat, bloat, uniform};
use crate::row::Row;

/// Links, each with a queue up and one down.
const LINKS: u64 = 50;

pub(crate) fn measure() -> Vec<Row> {
    let runs: Vec<Bloat> = in_parallel(LINKS, |seed| bloat(seed, queues_ms(seed)))
        .into_iter()
        .flatten()
        .collect();
    let share = |n: usize| n as f64 * 100.0 / runs.len() as f64;
    let close = share(runs.iter().filter(|run| run.is_close()).count());
    let right = share(runs.iter().filter(|run| run.is_right()).count());
    let deep: Vec<Bloat> = in_parallel(10, |seed| bloat(seed, [500 + 50 * seed, 600 + 40 * seed]))
        .into_iter()
        .flatten()
        .collect();
    let worst = deep.iter().filter(|run| run.is_right()).count();
    let n = runs.len();
    vec![
        Row::judged(
            format!("depth of the queue, {n} queues of 20 to 380 ms at 2 Mbit/s and more"),
            "all within 5 %",
            format!("{close:.1} % of them"),
            close >= 100.0,
        ),
        Row::judged(
            format!("letter of those {n}, beside that of a saturation for 20 s"),
            "≥ 95 % the same",
            format!("{right:.1} %"),
            right >= 95.0,
        ),
        Row::judged(
            format!("letter of {} deeper queues", deep.len()),
            "all F",
            format!("{worst} of {}", deep.len()),
            worst == deep.len(),
        ),
    ]
}

fn queues_ms(seed: u64) -> [u64; 2] {
    let mut random = Random::new(seed + 1000);
    [0, 1].map(|_| uniform(&mut random, 20, 380))
}
