//! What the load measurement finds on links whose truth is known, in virtual time.

mod load_harness;

use std::time::Duration;

use greenroom_reports::samples::Random;
use load_harness::parallel::in_parallel;
use load_harness::plan;
use load_harness::scores::{self, Quiet};

#[test]
fn p_quiet() {
    let cases = in_parallel(60, |seed| {
        let mut r = Random::new(seed);
        let quiet = Quiet {
            bps: scores::log_uniform(&mut r, 0.3e6, 11.5e6),
            queue_ms: scores::uniform(&mut r, 20, 380),
            one_way_ms: [0, 20, 150][seed as usize % 3],
            bucket: [0, 0, 15_000, 100_000][(seed / 3) as usize % 4],
        };
        (
            quiet,
            scores::quiet(quiet, seed, [plan(12_000_000), plan(25_000_000)]),
        )
    });
    for (q, f) in cases {
        for f in f {
            println!(
                "Q {} {q:?} err {:.3}% queue {:.2?} took {:?} {:?} {:?} {:?}",
                if f.error.abs() > 0.01 || f.took > Duration::from_millis(1500) {
                    "!"
                } else {
                    " "
                },
                f.error * 100.0,
                f.queue_error.map(|e| e * 100.0),
                f.took,
                f.stop,
                f.is_policed,
                f.varies
            );
        }
    }
}

#[test]
fn p_fast() {
    for bps in [26_000_000, 50_000_000, 100_000_000] {
        let mut p = plan(100_000_000);
        p.cap_bps = 200_000_000;
        p.data = 32_000_000;
        let q = Quiet {
            bps,
            queue_ms: 50,
            one_way_ms: 10,
            bucket: 0,
        };
        println!("F {bps} {:?}", scores::quiet(q, 1, [p; 2]));
        println!(
            "F cap {bps} {:?}",
            scores::quiet(q, 1, [plan(12_000_000), plan(25_000_000)])
        );
    }
}

#[test]
fn p_bloat() {
    let b = in_parallel(50, |seed| {
        let mut r = Random::new(seed + 1000);
        let q = [0, 1].map(|_| scores::uniform(&mut r, 20, 380));
        scores::bloat(seed, q)
    });
    let all: Vec<_> = b.into_iter().flatten().collect();
    for b in &all {
        if !b.is_close() || !b.is_right() {
            println!("B {b:?}");
        }
    }
    println!(
        "B close {} right {} of {}",
        all.iter().filter(|b| b.is_close()).count(),
        all.iter().filter(|b| b.is_right()).count(),
        all.len()
    );
    for b in in_parallel(6, |seed| scores::bloat(seed, [450, 600]))
        .into_iter()
        .flatten()
    {
        println!("B deep {b:?}");
    }
}

#[test]
fn p_rungs() {
    let base: u64 = std::env::var("SEED").map_or(0, |s| s.parse().unwrap());
    for load in [0.3, 0.5] {
        let rows = in_parallel(100, |seed| scores::rungs(base + seed, load));
        let mut hist = std::collections::BTreeMap::new();
        for r in &rows {
            *hist.entry(r.got as i64 - r.best as i64).or_insert(0) += 1;
            if !r.is_right_or_one_lower() {
                println!("R {load} {} best {} got {} {}", r.bps, r.best, r.got, r.run);
            }
        }
        println!(
            "R {load} {hist:?} right-or-lower {}",
            rows.iter().filter(|r| r.is_right_or_one_lower()).count()
        );
    }
}

#[test]
fn p_duration() {
    let run = load_harness::measure(
        scores::link(5_000_000, 100),
        scores::link(10_000_000, 100),
        1,
    );
    println!(
        "D {:?} {} {:?} {:?}",
        run.took,
        run.bytes(),
        run.client.phases,
        run.client.end
    );
    let mut c = load_harness::config(1);
    c.up.quick = true;
    c.down.quick = true;
    c.trials = None;
    let run = load_harness::Scene::new(
        scores::link(5_000_000, 100),
        scores::link(10_000_000, 100),
        1,
    )
    .run(c, load_harness::ServerEnd::new(Default::default()));
    println!(
        "D quick {:?} {} {:?} {:?}",
        run.took,
        run.bytes(),
        run.client.phases,
        run.client.end
    );
}

#[test]
fn p_one() {
    use greenroom_protocol::measure::limits::Limits;
    let mut c = load_harness::config(1);
    c.trials = None;
    let run = load_harness::Scene::new(
        scores::link(5_948_863, 224),
        scores::link(7_415_742, 201),
        1,
    )
    .run(c, load_harness::ServerEnd::new(Limits::default()));
    let s = run.section(load_harness::context()).unwrap();
    println!("O {:?}", s.uplink.unwrap().full_load);
    println!("O {:?}", s.downlink.unwrap().full_load);
    let full = run.client.client.uplink().saturation.unwrap();
    println!(
        "O {:?} {:?} {:?} {}",
        full.from_ns, full.until_ns, full.rises_ns, full.deepest_ns
    );
    for e in run.client.client.other_echoes() {
        println!("O e {:?} {:?}", e.sent.as_nanos(), e.rtt_ns());
    }
}
