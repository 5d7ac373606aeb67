//! What the load measurement finds on links whose truth is known, in virtual time.

mod load_harness;
#[path = "harness/parallel.rs"]
mod parallel;

use std::time::Duration;

use greenroom_lab::link::{LinkConfig, Rate};
use greenroom_protocol::measure::limits::Limits;
use load_harness::cross::Cross;
use load_harness::{HEADERS, RUNGS, Scene, ServerEnd, config, measure, oracle, plan};
use parallel::in_parallel;

fn link(bps: u64, queue_ms: u64) -> LinkConfig {
    LinkConfig::new()
        .delay_ms(10)
        .rate(Rate::new(bps, Duration::from_millis(queue_ms)))
}

#[test]
fn oracle_print() {
    for load in [0.3, 0.5] {
        let mut hist = std::collections::BTreeMap::new();
        let mut rungs = std::collections::BTreeMap::new();
        let results = in_parallel(100, |seed| {
            let u = ((seed * 2654435761) % 1000) as f64 / 1000.0;
            let c = (0.3e6 * (8.0_f64 / 0.3).powf(u)) as u64;
            let cfg = link(c, 200);
            let cross = Cross::poisson(load * c as f64, seed + 1);
            let best = oracle::best_rung(&cfg, &cross, seed);
            let mut scene = Scene::new(cfg, link(20_000_000, 100), seed);
            scene.cross_up = cross;
            let run = scene.run(config(seed), ServerEnd::new(Limits::default()));
            let (got, fitted) = run.client.client.rungs()[0];
            (c, best, got, fitted, run)
        });
        for (c, best, got, fitted, run) in &results {
            let idx = |r: u64| {
                RUNGS
                    .iter()
                    .position(|x| *x == r)
                    .map_or(0, |i| i as i32 + 1)
            };
            *hist.entry(idx(*got) - idx(*best)).or_insert(0) += 1;
            *rungs.entry(idx(*best)).or_insert(0) += 1;
            let cap = run.client.client.uplink().capacity;
            println!(
                "{load} c={c} best={best} got={got} {fitted} free={:?} bps={:?} true free {} took {:?} stop {:?} var {:?} trials {:?}",
                cap.map(|c| c.free_bps as u64),
                cap.map(|c| c.bps as u64),
                (*c as f64 * (1.0 - load)) as u64,
                run.took,
                run.client.client.uplink().stop,
                cap.and_then(|c| c.variation_bps),
                run.client
                    .client
                    .trials()
                    .iter()
                    .map(|t| (
                        t.up.video_bps / 1000,
                        t.up.misfit,
                        t.up.pdv_p95_ns.map(|p| p / 1_000_000),
                        t.up.trend_ns_per_s.map(|t| (t / 1e6) as i64),
                        u64::from(t.up.sent) - t.up.received
                    ))
                    .collect::<Vec<_>>()
            );
        }
        let bias: Vec<f64> = results
            .iter()
            .filter_map(|(c, _, _, _, run)| {
                run.client
                    .client
                    .uplink()
                    .capacity
                    .map(|f| f.free_bps / (*c as f64 * (1.0 - load)))
            })
            .collect();
        println!(
            "load {load}: free/true mean {:.3}",
            bias.iter().sum::<f64>() / bias.len() as f64
        );
        println!("load {load}: diff histogram {hist:?} rungs {rungs:?}");
    }
}

#[test]
fn sweep_print() {
    let results = in_parallel(60, |seed| {
        let u = seed as f64 / 59.0;
        let c = (0.3e6 * (25.0_f64 / 0.3).powf(u)) as u64;
        let queue = 20 + (seed * 37) % 361;
        (
            c,
            queue,
            measure(link(c.min(12_000_000), queue), link(c, queue), seed),
        )
    });
    for (c, queue, run) in results {
        for (truth, m) in [
            (c.min(12_000_000), run.client.client.uplink()),
            (c, run.client.client.downlink()),
        ] {
            let cap = m.capacity;
            println!(
                "c={truth} q={queue} err {:.3} % queue err {:.2} % full {:?} stop {:?} policed {:?} took {:?} at_least {:?}",
                cap.map_or(f64::NAN, |c| (c.bps / truth as f64 - 1.0) * 100.0),
                m.saturation
                    .map_or(f64::NAN, |s| (s.deepest_ns as f64 / 1e6 / queue as f64
                        - 1.0)
                        * 100.0),
                m.saturation.map(|s| s.is_full),
                m.stop,
                cap.map(|c| c.is_policed),
                run.took,
                cap.map(|c| c.at_least)
            );
        }
    }
    let _ = (HEADERS, plan(1));
}
