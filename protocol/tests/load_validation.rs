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

#[test]
fn p_alarms() {
    let a = load_harness::findings::false_alarms(300);
    println!("A {} {:?}", a.len(), a);
}

#[test]
fn p_faults() {
    for f in load_harness::findings::faults() {
        let m = f.misses(50);
        println!("X {} {} missed {} {:?}", f.id, f.magnitude, m.len(), m);
    }
}

#[test]
fn p_detect() {
    use greenroom_lab::link::{Direction, LinkConfig, Rate};
    use greenroom_protocol::measure::limits::Limits;
    use load_harness::cross::Cross;
    use load_harness::findings::policer;
    for bps in [500_000, 1_000_000, 2_000_000] {
        for seed in 0..4 {
            let l = LinkConfig::new().delay_ms(15).rate(policer(bps));
            let mut c = load_harness::config(seed);
            c.trials = None;
            let run = load_harness::Scene::new(l.clone(), l, seed)
                .run(c, load_harness::ServerEnd::new(Limits::default()));
            for f in scores::found(&run, [bps, bps], 20) {
                println!(
                    "P {bps} {seed} policed {} err {:.2}% {:?} {:?} {:?}",
                    f.is_policed,
                    f.error * 100.0,
                    f.stop,
                    f.took,
                    f.varies
                );
            }
        }
    }
    for seed in 0..20 {
        let l = scores::link(2_000_000, 20);
        let run = load_harness::measure(l.clone(), l, seed);
        for f in scores::found(&run, [2_000_000; 2], 20) {
            if f.is_policed || f.error.abs() > 0.01 || seed == 0 {
                println!(
                    "S {seed} policed {} err {:.2}% {:?} {:?}",
                    f.is_policed,
                    f.error * 100.0,
                    f.stop,
                    f.varies
                );
            }
        }
    }
    for seed in 0..20 {
        let l = scores::link(4_000_000, 100);
        for d in [Direction::Up, Direction::Down] {
            let mut scene = load_harness::Scene::new(l.clone(), l.clone(), seed);
            load_harness::findings::alternate(&mut scene, d);
            let mut c = load_harness::config(seed);
            c.trials = None;
            let run = scene.run(c, load_harness::ServerEnd::new(Limits::default()));
            let [u, dn] = scores::found(&run, [4_000_000; 2], 100);
            let (v, o) = if d == Direction::Up { (u, dn) } else { (dn, u) };
            println!(
                "V {seed} {d:?} varies {:?} bps {:.0} {:?} took {:?}; other {:?} {:.3}",
                v.varies.map(|v| v.map(f64::round)),
                v.bps,
                v.stop,
                v.took,
                o.varies,
                o.error
            );
        }
    }
    for load in [0.3, 0.5] {
        let mut n = 0;
        let mut bad = vec![];
        let mut errs = vec![];
        let mut free = vec![];
        for seed in 0..60 {
            let mut r = Random::new(seed + 77);
            let bps = scores::log_uniform(&mut r, 0.5e6, 10e6);
            let l = scores::link(bps, 200);
            let mut scene =
                load_harness::Scene::new(l.clone(), scores::link(20_000_000, 100), seed);
            scene.cross_up = Cross::poisson(load * bps as f64, seed);
            let mut c = load_harness::config(seed);
            c.trials = None;
            let run = scene.run(c, load_harness::ServerEnd::new(Limits::default()));
            let [u, _] = scores::found(&run, [bps, 20_000_000], 200);
            if let Some(v) = u.varies {
                n += 1;
                if v[0] < 0.5 * v[1] {
                    bad.push((seed, bps, v));
                }
            }
            errs.push(u.error);
            free.push(
                run.client
                    .client
                    .uplink()
                    .capacity
                    .map_or(0.0, |c| c.free_bps)
                    / (bps as f64 * (1.0 - load)),
            );
        }
        errs.sort_by(f64::total_cmp);
        free.sort_by(f64::total_cmp);
        println!(
            "C {load} varies {n} bad {bad:?} capacity err {:.3} {:.3} {:.3} free/true {:.2} {:.2} {:.2}",
            errs[3], errs[30], errs[56], free[3], free[30], free[56]
        );
    }
}

#[test]
fn p_dbg() {
    use greenroom_lab::link::Rate;
    use greenroom_protocol::measure::limits::Limits;
    for seed in [0, 3, 4, 1] {
        let mut s = load_harness::findings::Setup::healthy(seed);
        s.scene.up.rate = Some(Rate::new(5_000_000, Duration::from_millis(300)));
        s.config.trials = None;
        println!(
            "G {seed} {:?} {:?} {:?}",
            s.scene.up.delay, s.scene.up.jitter, s.config.idle
        );
        let run = s
            .scene
            .run(s.config, load_harness::ServerEnd::new(Limits::default()));
        println!("G {:?}", run.client.client.uplink().stop);
        println!(
            "G {:?}",
            run.section(load_harness::context())
                .unwrap()
                .uplink
                .unwrap()
                .full_load
        );
    }
}
