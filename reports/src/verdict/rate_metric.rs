//! How rates and delay under load are read.

use super::metric::{MIN_RTT_SAMPLES, Measured, Reading};
use super::parts::Direction;
use crate::derive::call_rate::call_rate;
use crate::model::throughput::{CallLoad, ThroughputSection};

/// What is free for a call, within what trials accepted and refused.
pub(super) fn rate(throughput: &ThroughputSection, direction: Direction) -> Reading {
    let Some(rate) = call_rate(throughput, direction) else {
        return Reading::Unknown("not measured".to_owned());
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
        None => Reading::Unknown("not measured".to_owned()),
        Some(CallLoad { samples, .. }) if *samples < MIN_RTT_SAMPLES => Reading::Unknown(format!(
            "too few samples: {samples} of at least {MIN_RTT_SAMPLES}"
        )),
        Some(load) => Reading::Known(Measured {
            value: load.rise_p95_ms.as_f64(),
            interval: load
                .rise_p95_interval_ms
                .map(|i| [i.low.as_f64(), i.high.as_f64()]),
            samples: Some(load.samples),
            exact: false,
            at_least: false,
        }),
    }
}
