//! What would really have fitted: each rung's call, replayed for half a minute beside the same
//! traffic of others.

use std::time::Duration;

use greenroom_lab::link::{Direction, Link, LinkConfig};
use greenroom_protocol::measure::load::schedule::{Plan, Shape};
use greenroom_protocol::measure::load::wire::{LoadDirection, LoadStart};

use super::cross::Cross;
use super::{HEADERS, RUNGS};

const REPLAYED: Duration = Duration::from_secs(30);

/// The highest rung that loses less than 1 % and keeps its PDV p95 below 50 ms; 0 when none does.
pub(crate) fn best_rung(config: &LinkConfig, cross: &Cross, seed: u64) -> u64 {
    let fits = |rung: &&u64| replay(config, cross, seed, **rung).is_some_and(|r| r.fits());
    RUNGS.iter().rev().find(fits).copied().unwrap_or(0)
}

pub(crate) struct Replayed {
    pub(crate) loss: f64,
    pub(crate) pdv_p95: Duration,
}

impl Replayed {
    pub(crate) fn fits(&self) -> bool {
        self.loss < 0.01 && self.pdv_p95 < Duration::from_millis(50)
    }
}

pub(crate) fn replay(config: &LinkConfig, cross: &Cross, seed: u64, rung: u64) -> Option<Replayed> {
    let mut link = Link::new(Direction::Up, config.clone(), seed);
    let mut plan = Plan::new(&LoadStart {
        session: 0,
        load: 0,
        direction: LoadDirection::Up,
        shape: Shape::Call,
        packet_bytes: 1200,
        packets: u32::MAX,
        rate_bps: rung,
    });
    let mut cross = cross.clone();
    let (mut sent, mut delays) = (0_u64, Vec::new());
    loop {
        let slot = plan.peek();
        let next_cross = cross.wake_at().unwrap_or(Duration::MAX);
        let now = slot.due.min(next_cross);
        if now >= REPLAYED {
            break;
        }
        drain(&mut link, now, &mut delays);
        if next_cross <= slot.due {
            if let Some(packet) = cross.next(now) {
                let _lost = link.send(now, packet);
            }
            continue;
        }
        let mut packet = vec![0; HEADERS + usize::from(slot.bytes)];
        let sent_ns = u64::try_from(now.as_nanos()).ok()?;
        packet[1..9].copy_from_slice(&sent_ns.to_be_bytes());
        let _lost = link.send(now, packet);
        sent += 1;
        plan.advance();
    }
    drain(&mut link, REPLAYED * 2, &mut delays);
    delays.sort_unstable();
    let least = *delays.first()?;
    let p95 = delays[(delays.len() * 95).div_ceil(100) - 1] - least;
    Some(Replayed {
        loss: 1.0 - delays.len() as f64 / sent as f64,
        pdv_p95: p95,
    })
}

fn drain(link: &mut Link, now: Duration, delays: &mut Vec<Duration>) {
    while let Some(at) = link.next_at().filter(|at| *at <= now) {
        while let Some(delivery) = link.poll(at) {
            if delivery.packet[0] == super::OF_OTHERS {
                continue;
            }
            let sent = delivery.packet[1..9].try_into().map(u64::from_be_bytes);
            delays.push(delivery.due_at - Duration::from_nanos(sent.unwrap_or(0)));
        }
    }
}
