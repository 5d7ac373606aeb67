//! How figures of the idle path are read.

use super::metric::{
    MIN_PACKETS, MIN_RTT_SAMPLES, Measured, Reading, millis, not_measured, too_few,
};
use super::parts::Direction;
use crate::model::path::{DirectionSection, PathSection, RatioInterval};
use crate::stats::jitter::jitter_interval_from_ipdv;

pub(super) fn delay_variation(direction: &DirectionSection) -> Reading {
    match &direction.pdv {
        None => not_measured(),
        Some(pdv) if pdv.samples < MIN_RTT_SAMPLES => too_few(pdv.samples, MIN_RTT_SAMPLES),
        Some(pdv) => Reading::Known(Measured {
            value: pdv.p95_ms.as_f64(),
            interval: pdv.p95_interval_ms.map(millis),
            samples: Some(pdv.samples),
            exact: false,
            at_least: false,
        }),
    }
}

pub(super) fn rtt(path: &PathSection) -> Reading {
    match &path.rtt {
        None => not_measured(),
        Some(rtt) if rtt.samples < MIN_RTT_SAMPLES => too_few(rtt.samples, MIN_RTT_SAMPLES),
        Some(rtt) => Reading::Known(Measured {
            value: rtt.p95_ms.as_f64(),
            interval: rtt.p95_interval_ms.map(millis),
            samples: Some(rtt.samples),
            exact: false,
            at_least: false,
        }),
    }
}

pub(super) fn jitter(direction: &DirectionSection) -> Reading {
    let Some(jitter) = direction.interarrival_jitter_ms else {
        return not_measured();
    };
    let of_summary = || jitter_interval_from_ipdv(jitter, direction.ipdv.as_ref()?);
    Reading::Known(Measured {
        value: jitter.as_f64(),
        interval: direction
            .interarrival_jitter_interval_ms
            .or_else(of_summary)
            .map(millis),
        samples: direction.ipdv.as_ref().map(|ipdv| ipdv.samples),
        exact: false,
        at_least: false,
    })
}

pub(super) fn loss(path: &PathSection, direction: Direction) -> Reading {
    match &direction.of(path).loss {
        _ if path.transport.is_stream() => not_over_tcp(),
        None => not_measured(),
        Some(loss) if loss.packets_sent < MIN_PACKETS => too_few(loss.packets_sent, MIN_PACKETS),
        Some(loss) => Reading::Known(Measured {
            value: loss.loss_ratio.as_f64(),
            interval: Some(ratios(loss.loss_ratio_interval)),
            samples: Some(loss.packets_sent),
            exact: false,
            at_least: false,
        }),
    }
}

/// The longest time in which nothing came: a run of losses, or an outage, which is left out of the
/// loss.
pub(super) fn burst(path: &PathSection, direction: Direction) -> Reading {
    let outages = path.outages.iter().map(|o| o.duration_ms.as_f64());
    let longest_outage = outages.fold(0.0, f64::max);
    let observed = |value: f64, samples| {
        Reading::Known(Measured {
            value,
            interval: None,
            samples,
            exact: true,
            at_least: false,
        })
    };
    match &direction.of(path).loss {
        _ if longest_outage > 0.0 && path.transport.is_stream() => observed(longest_outage, None),
        _ if path.transport.is_stream() => not_over_tcp(),
        None if longest_outage > 0.0 => observed(longest_outage, None),
        None => not_measured(),
        Some(loss) if loss.packets_sent < MIN_PACKETS && longest_outage <= 0.0 => {
            too_few(loss.packets_sent, MIN_PACKETS)
        }
        Some(loss) => observed(
            loss.longest_burst_ms.as_f64().max(longest_outage),
            Some(loss.packets_sent),
        ),
    }
}

pub(super) fn reordering(path: &PathSection, direction: Direction) -> Reading {
    match &direction.of(path).order {
        _ if path.transport.is_stream() => not_over_tcp(),
        None => not_measured(),
        Some(order) if order.packets_received < MIN_PACKETS => {
            too_few(order.packets_received, MIN_PACKETS)
        }
        Some(order) => Reading::Known(Measured {
            value: order.reordered_ratio.as_f64(),
            interval: Some(ratios(order.reordered_ratio_interval)),
            samples: Some(order.packets_received),
            exact: false,
            at_least: false,
        }),
    }
}

pub(super) fn path_mtu(path: &PathSection, direction: Direction) -> Reading {
    match &direction.of(path).path_mtu {
        _ if path.transport.is_stream() => not_over_tcp(),
        None => not_measured(),
        // A small MTU that is announced does no harm: everybody sends smaller packets.
        Some(mtu) if !mtu.black_hole => {
            Reading::NotApplicable("larger packets are answered or come through".to_owned())
        }
        Some(mtu) => Reading::Known(Measured {
            value: mtu.bytes.get() as f64,
            interval: None,
            samples: None,
            exact: true,
            at_least: false,
        }),
    }
}

fn not_over_tcp() -> Reading {
    Reading::NotApplicable("not applicable over TCP, which hides it as delay".to_owned())
}

fn ratios(interval: RatioInterval) -> [f64; 2] {
    [interval.low.as_f64(), interval.high.as_f64()]
}
