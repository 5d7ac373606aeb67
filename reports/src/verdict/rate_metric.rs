//! How rates and delay under load are read.

use super::metric::{MIN_RTT_SAMPLES, Measured, Reading, millis, not_measured, too_few};
use super::parts::Direction;
use crate::derive::call_rate::call_rate;
use crate::model::throughput::{CallLoad, ThroughputSection};

/// What is free for a call, within what trials accepted and refused.
pub(super) fn rate(throughput: &ThroughputSection, direction: Direction) -> Reading {
    let Some(rate) = call_rate(throughput, direction) else {
        return not_measured();
    };
    Reading::Known(Measured {
        value: rate.rate.as_bps() as f64,
        interval: rate
            .interval
            .map(|i| [i.low.as_bps() as f64, i.high.as_bps() as f64]),
        samples: rate.samples,
        exact: false,
        at_least: rate.at_least,
    })
}

/// What the traffic of a call does to delay.
pub(super) fn call_load(throughput: &ThroughputSection) -> Reading {
    match &throughput.call_load {
        None => not_measured(),
        Some(CallLoad { samples, .. }) if *samples < MIN_RTT_SAMPLES => {
            too_few(*samples, MIN_RTT_SAMPLES)
        }
        Some(load) => Reading::Known(Measured {
            value: load.rise_p95_ms.as_f64(),
            interval: load.rise_p95_interval_ms.map(millis),
            samples: Some(load.samples),
            exact: false,
            at_least: false,
        }),
    }
}
