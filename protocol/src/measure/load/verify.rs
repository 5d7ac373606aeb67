//! Does a call of this size fit? A second of call-shaped traffic, both ways at once, decides.

use std::time::Duration;

use super::capacity::LOAD_PACKET_BYTES;
use super::schedule::{CALL_AUDIO_BYTES, CALL_FRAMES_PER_SECOND};
use super::transfer::{Arrival, Transfer};

/// More loss than this, beyond what the idle path loses anyway, is no call of this size.
const MOST_LOSS: f64 = 0.01;
/// A wider PDV p95 than this is none either, unless the idle path varies as much.
const MOST_PDV_NS: i64 = 50_000_000;
/// The same where others use the link: in two seconds fewer of their bursts are seen than a call of
/// minutes will meet. Raising it accepts more that will not last.
const MOST_PDV_BESIDE_OTHERS_NS: i64 = 35_000_000;
/// With less than this there is room for more.
const ROOMY_PDV_NS: i64 = 12_000_000;
/// Room above the idle path's own variation.
const PDV_ROOM_NS: i64 = 20_000_000;
/// A delay that grows by this much within a second keeps growing.
const MOST_TREND_NS_PER_S: f64 = 40e6;
/// Audio packets a second.
const AUDIO_PACKETS: f64 = 50.0;

/// What the idle path does in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct IdleDirection {
    /// Upper end of the interval of loss.
    pub loss_upper: f64,
    /// PDV p95 in nanoseconds.
    pub pdv_p95_ns: i64,
}

/// Why a call of this size does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// Too many packets were lost.
    Loss,
    /// Packets came too unevenly.
    Variation,
    /// Delay kept growing.
    Trend,
    /// The stream could not be sent, or next to nothing came in.
    Starved,
}

/// One direction of a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Video, bits of payload a second; 0 for audio alone.
    pub video_bps: u64,
    /// The whole, bits of IP packets a second.
    pub rate_bps: f64,
    /// Packets sent.
    pub sent: u32,
    /// Packets that came in.
    pub received: u64,
    /// 95th percentile of the delay above its minimum, in nanoseconds.
    pub pdv_p95_ns: Option<i64>,
    /// Growth of the delay.
    pub trend_ns_per_s: Option<f64>,
    /// Why it does not fit; `None` when it does.
    pub misfit: Option<Misfit>,
}

/// Bits of IP packets a second of a call with this much video.
pub fn call_rate_bps(video_bps: u64, headers: u16) -> f64 {
    let headers = f64::from(headers);
    let audio = AUDIO_PACKETS * (f64::from(CALL_AUDIO_BYTES) + headers) * 8.0;
    if video_bps == 0 {
        return audio;
    }
    let frames = f64::from(CALL_FRAMES_PER_SECOND);
    let frame = video_bps as f64 / 8.0 / frames;
    let packets = (frame / f64::from(LOAD_PACKET_BYTES)).ceil();
    audio + frames * (frame + packets * headers) * 8.0
}

/// Judges one direction of a trial.
pub(crate) fn judge(
    transfer: &Transfer,
    headers: u16,
    idle: IdleDirection,
    is_strict: bool,
) -> Trial {
    let video_bps = transfer.start().rate_bps;
    let arrivals = transfer.arrivals();
    let (sent, received) = (transfer.sent(), transfer.received());
    let pdv = pdv_p95(arrivals);
    let trend = trend(arrivals);
    let mut trial = Trial {
        video_bps,
        rate_bps: call_rate_bps(video_bps, headers),
        sent,
        received,
        pdv_p95_ns: pdv,
        trend_ns_per_s: trend,
        misfit: None,
    };
    trial.misfit = misfit(&trial, idle, is_strict);
    trial
}

fn misfit(trial: &Trial, idle: IdleDirection, is_strict: bool) -> Option<Misfit> {
    let (Some(pdv), Some(trend)) = (trial.pdv_p95_ns, trial.trend_ns_per_s) else {
        return Some(Misfit::Starved);
    };
    let missing = f64::from(trial.sent) - trial.received as f64;
    let loss_ratio = missing / f64::from(trial.sent.max(1));
    if loss_ratio >= MOST_LOSS + idle.loss_upper && missing >= 2.0 {
        return Some(Misfit::Loss);
    }
    let most_pdv = if is_strict {
        MOST_PDV_BESIDE_OTHERS_NS
    } else {
        MOST_PDV_NS
    };
    if pdv >= most_pdv.max(idle.pdv_p95_ns + PDV_ROOM_NS) {
        return Some(Misfit::Variation);
    }
    (trend >= MOST_TREND_NS_PER_S).then_some(Misfit::Trend)
}

impl Trial {
    /// It was refused only since others use the link.
    pub(crate) fn is_doubtful(&self) -> bool {
        let is_within = self.pdv_p95_ns.is_some_and(|pdv| pdv < MOST_PDV_NS);
        self.misfit == Some(Misfit::Variation) && is_within
    }

    /// It fits, and packets hardly waited.
    pub(crate) fn leaves_room(&self) -> bool {
        let calm = self.pdv_p95_ns.is_some_and(|pdv| pdv < ROOMY_PDV_NS);
        self.misfit.is_none() && calm
    }
}

fn pdv_p95(arrivals: &[Arrival]) -> Option<i64> {
    let mut transits: Vec<i64> = arrivals.iter().map(Arrival::transit_ns).collect();
    transits.sort_unstable();
    let least = *transits.first()?;
    if transits.len() < 20 {
        return None;
    }
    // Nearest rank.
    let rank = (transits.len() * 95).div_ceil(100);
    transits.get(rank - 1).map(|transit| transit - least)
}

/// Slope of the delay over the time of departure, by least squares.
fn trend(arrivals: &[Arrival]) -> Option<f64> {
    let first = arrivals.first()?;
    let points: Vec<(f64, f64)> = arrivals
        .iter()
        .map(|a| {
            let x = a.sent_ns.saturating_sub(first.sent_ns) as f64 / 1e9;
            (x, (a.transit_ns() - first.transit_ns()) as f64)
        })
        .collect();
    let n = points.len() as f64;
    let mean_x = points.iter().map(|p| p.0).sum::<f64>() / n;
    let mean_y = points.iter().map(|p| p.1).sum::<f64>() / n;
    let covariance: f64 = points.iter().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum();
    let variance: f64 = points.iter().map(|p| (p.0 - mean_x).powi(2)).sum();
    (variance > 0.0).then(|| covariance / variance)
}

/// The highest rung whose call fits into this rate; 0, audio alone, when none does.
pub(crate) fn rung_within(rungs_bps: &[u64], affordable_bps: f64, headers: u16) -> u64 {
    let fits = |rung: &u64| call_rate_bps(*rung, headers) <= affordable_bps;
    rungs_bps.iter().copied().filter(fits).max().unwrap_or(0)
}

/// The next lower rung; `None` below audio alone.
pub(crate) fn rung_below(rungs_bps: &[u64], rung: u64) -> Option<u64> {
    if rung == 0 {
        return None;
    }
    Some(
        rungs_bps
            .iter()
            .copied()
            .filter(|r| *r < rung)
            .max()
            .unwrap_or(0),
    )
}

/// The next higher rung; `None` above the highest.
pub(crate) fn rung_above(rungs_bps: &[u64], rung: u64) -> Option<u64> {
    rungs_bps.iter().copied().filter(|r| *r > rung).min()
}

/// How long a trial takes: slow links need longer for as many echoes, and beside others it takes
/// longer to see what they do.
pub(crate) fn trial_time(is_slow: bool, is_shared: bool) -> Duration {
    Duration::from_millis(match (is_shared, is_slow) {
        (true, _) => 2000,
        (false, true) => 1500,
        (false, false) => 1000,
    })
}
