//! What trains and a flood say of a direction.

use super::super::transfer::Transfer;
use super::gaps::{changes, service_bps};
use super::rate::{Series, interval_half, median, percentiles, spread};
use super::view::{Behavior, View, latter_half_if_slower, offered_bps, without_head};

/// A flood that gets less than this share of what the link carries is not alone on it.
const ALONE: f64 = 0.95;
/// Trains agree when none is further from their median.
const AGREE: f64 = 0.1;
/// Rates of parts of a flood agree so well only where nobody else sends.
const STEADY: f64 = 0.008;
/// Windows of 50 ms of a rate that changes spread further.
const VARIES: f64 = 0.25;
/// Least half of an interval: clocks and the head of the flood.
const LEAST_HALF: f64 = 0.002;
/// The same for trains alone.
const LEAST_HALF_OF_TRAINS: f64 = 0.02;
/// Half of the interval of trains, in median distances from their median: 2 of a normal
/// distribution's standard deviations.
const SPREADS: f64 = 3.0;
/// Parts of a flood that its interval is made of.
const PARTS: u32 = 8;

/// What is known of a direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Capacity {
    /// Bits a second of IP packets.
    pub bps: f64,
    /// Its 95 % interval.
    pub interval_bps: (f64, f64),
    /// It carries at least this much.
    pub at_least: bool,
    /// What is left beside other traffic; a hint.
    pub free_bps: f64,
    /// Samples it rests on: packets that came in.
    pub samples: u64,
    /// 10th, 50th and 90th percentile of windows of 50 ms, when the rate of the link itself changed.
    pub variation_bps: Option<[f64; 3]>,
    /// Packets beyond the rate are dropped without waiting.
    pub is_policed: bool,
}

/// Delay while the direction is full.
#[derive(Clone, Debug, PartialEq)]
pub struct Saturation {
    /// Sender's time when the last third began: by then the queue counts as full.
    pub from_ns: u64,
    /// Sender's time of its end. Before the receiver sees it, the queue has to drain.
    pub until_ns: u64,
    /// Rise of the transit time of the load's own packets in that time, in nanoseconds, sorted.
    pub rises_ns: Vec<i64>,
    /// Depth of the queue in time: the longest rise, and the time that the packet itself takes.
    pub deepest_ns: i64,
    /// Packets were dropped, and the delay grew no more.
    pub is_full: bool,
}

impl Capacity {
    /// Trains alone: their median, with the spread between them as the interval.
    pub(super) fn of_trains(trains: &[f64], cap_bps: f64, cap_margin: f64, samples: u64) -> Self {
        let told = median(trains);
        let at_least = told > cap_bps * cap_margin;
        let bps = if at_least { cap_bps } else { told };
        let spread: Vec<f64> = trains.iter().map(|rate| (rate - told).abs()).collect();
        // One train that was stamped as one, or met a burst of others, says nothing of the rest.
        let half = if at_least {
            0.0
        } else {
            (SPREADS * median(&spread)).clamp(bps * LEAST_HALF_OF_TRAINS, bps)
        };
        Self {
            bps,
            interval_bps: (bps - half, bps + half),
            at_least,
            free_bps: bps,
            samples,
            variation_bps: None,
            is_policed: false,
        }
    }

    /// The same as a lower bound, which nothing above a cap belongs to.
    #[must_use]
    pub(super) fn at_least(self, cap_bps: f64) -> Self {
        let bps = self.bps.min(cap_bps);
        Self {
            bps,
            interval_bps: (self.interval_bps.0.min(bps), bps),
            at_least: true,
            free_bps: bps,
            ..self
        }
    }
}

/// A flood, and what is known besides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flood<'a> {
    pub(super) transfer: &'a Transfer,
    /// All that came in.
    pub(super) series: Series<'a>,
    pub(super) packet_bits: f64,
    /// Rates that trains told before.
    pub(super) trains: &'a [f64],
    pub(super) view: View,
    /// How much packets are delayed without any load.
    pub(super) idle_pdv_ns: i64,
}

impl<'a> Flood<'a> {
    /// What the direction carries.
    pub(super) fn capacity(self) -> Capacity {
        let series = self.body();
        let outran = self.transfer.outran_its_notes();
        let noted = series.rate_bps().filter(|_| !outran);
        let share = noted.unwrap_or_else(|| self.total_rate());
        let half = interval_half(&series.parts(PARTS)).clamp(share * LEAST_HALF, share);
        let variation = self.variation(series, share).filter(|_| !outran);
        let (bps, free) = match variation {
            None if !outran => self.beside_others(series, share),
            _ => (share, share),
        };
        Capacity {
            bps,
            interval_bps: (bps - half, bps + half),
            at_least: false,
            free_bps: free,
            samples: self.transfer.received(),
            variation_bps: variation,
            is_policed: self.view.behavior == Behavior::Policed,
        }
    }

    /// Of packets beyond those noted one by one too, without the head.
    fn total_rate(self) -> f64 {
        let totals = self.transfer.totals();
        let body = &totals[totals.len() / 4..];
        let with_headers = self.packet_bits / (f64::from(self.transfer.start().packet_bytes) * 8.0);
        match (body.first(), body.last()) {
            (Some((from, first)), Some((to, last))) if to > from => {
                (last - first) as f64 * 8e9 / (to - from) as f64 * with_headers
            }
            _ => 0.0,
        }
    }

    /// The sender did not keep up with its plan.
    pub(super) fn fell_behind(self) -> bool {
        let planned = self.transfer.start().rate_bps as f64;
        let sent = self.transfer.sent_bps();
        self.transfer.outran_its_notes() && sent.is_some_and(|sent| sent < 0.9 * planned)
    }

    /// Without what a shaper's bucket let pass.
    fn body(self) -> Series<'a> {
        latter_half_if_slower(without_head(self.series))
    }

    /// What came in lately came in slower.
    pub(super) fn slowed_down(self) -> bool {
        self.body().arrivals.len() < without_head(self.series).arrivals.len()
    }

    /// Windows of 50 ms, when the link itself changes its rate: others on it make windows spread
    /// too, but not the gaps between packets that leave the queue one behind the other.
    fn variation(self, series: Series<'_>, share: f64) -> Option<[f64; 3]> {
        let samples = series.samples(series.window(share, self.packet_bits));
        let varies = self.changes(series) && spread(&samples) > VARIES;
        varies.then(|| percentiles(&samples))
    }

    /// Behind a policer there is no queue that could be served at another rate.
    fn changes(self, series: Series<'_>) -> bool {
        let is_queued = self.view.behavior != Behavior::Policed && !series.stream;
        is_queued && changes(series, self.packet_bits, self.idle_pdv_ns)
    }

    /// The link changed its rate so far.
    pub(super) fn is_changing(self) -> bool {
        self.changes(self.body())
    }

    /// Capacity and what is free. In a queue that everybody enters, who sends `r` beside `x` of
    /// others gets the share `c·r/(r+x)`; the share and `c` tell `x`.
    fn beside_others(self, series: Series<'_>, share: f64) -> (f64, f64) {
        let is_queued = !matches!(self.view.behavior, Behavior::Policed | Behavior::Unfilled);
        let of_link = self
            .link_bps(series)
            .filter(|c| is_queued && share < ALONE * c);
        let Some(c) = of_link else {
            return (share, share);
        };
        let others = offered_bps(series, self.packet_bits) * (c / share - 1.0);
        (c, (c - others).clamp(0.0, share))
    }

    /// What the link carries, others included: by the gaps; where they are unlike, by trains that
    /// agree, unless the flood is so steady that a bucket must have let the trains pass.
    fn link_bps(self, series: Series<'_>) -> Option<f64> {
        service_bps(series, self.packet_bits).or_else(|| {
            let c = median(self.trains);
            let agree = |rate: &f64| (rate - c).abs() <= AGREE * c;
            let trusted = !self.trains.is_empty() && self.trains.iter().all(agree);
            (trusted && !is_steady(series)).then_some(c)
        })
    }

    /// The flood gets less than the link carries, as far as is known now.
    pub(super) fn is_shared(self) -> bool {
        let series = self.body();
        let (bps, free) = series
            .rate_bps()
            .map_or((0.0, 0.0), |share| self.beside_others(series, share));
        free < bps
    }

    /// Delay in the last third of the flood, above the `shortest_ns`.
    pub(super) fn saturation(self, shortest_ns: i64) -> Option<Saturation> {
        let arrivals = self.series.arrivals;
        let sent_from = arrivals.first()?.sent_ns;
        let sent_until = arrivals.iter().map(|a| a.sent_ns).max()?;
        let from_sent = sent_until - sent_until.saturating_sub(sent_from) / 3;
        let late = arrivals.iter().filter(|a| a.sent_ns >= from_sent);
        let mut rises: Vec<i64> = late.map(|a| a.transit_ns() - shortest_ns).collect();
        rises.sort_unstable();
        Some(Saturation {
            from_ns: from_sent,
            until_ns: sent_until,
            deepest_ns: rises.last()? + self.view.packet_ns,
            rises_ns: rises,
            is_full: self.view.behavior == Behavior::Full,
        })
    }
}

fn is_steady(series: Series<'_>) -> bool {
    let parts = series.parts(PARTS);
    interval_half(&parts) <= STEADY * median(&parts)
}
