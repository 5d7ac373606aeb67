//! Loads in virtual time.

mod load_harness;

use std::time::Duration;

use greenroom_lab::link::{LinkConfig, Rate};
use load_harness::measure;

fn link(bps: u64, queue_ms: u64) -> LinkConfig {
    LinkConfig::new()
        .delay_ms(10)
        .rate(Rate::new(bps, Duration::from_millis(queue_ms)))
}

#[test]
fn print_some() {
    for (up, down, queue) in [
        (5_000_000, 10_000_000, 100),
        (300_000, 300_000, 200),
        (1_000_000, 2_000_000, 300),
        (11_900_000, 24_900_000, 50),
        (50_000_000, 100_000_000, 50),
        (2_000_000, 2_000_000, 380),
        (2_000_000, 2_000_000, 1000),
        (2_000_000, 2_000_000, 20),
        (600_000, 600_000, 60),
    ] {
        let run = measure(link(up, queue), link(down, queue), 3);
        println!(
            "==== {up} {down} {queue} ms: {:?} took {:?}, {} kB",
            run.client.end,
            run.took,
            run.bytes() / 1000
        );
        println!("  phases {:?}", run.client.phases);
        for (name, m, truth) in [
            ("up", run.client.client.uplink(), up),
            ("down", run.client.client.downlink(), down),
        ] {
            let c = m.capacity;
            println!(
                "  {name}: {:?} err {:?} % sat {:?} sent {} recv {}",
                c,
                c.map(|c| (c.bps / truth as f64 - 1.0) * 100.0),
                m.saturation.map(|s| (
                    s.deepest_ns / 100_000,
                    s.is_full,
                    s.rises_ns.len(),
                    s.rises_ns.get(s.rises_ns.len() / 2).map(|r| r / 100_000)
                )),
                m.packets_sent,
                m.packets_received
            );
            println!("     stop {:?}", m.stop);
        }
        println!("  trials {:?}", run.client.client.trials());
    }
}
