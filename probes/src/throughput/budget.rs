//! What may be spent, and how it is divided.

use std::time::Duration;

use greenroom_protocol::discovery::AdvertisedLoads;
use greenroom_protocol::measure::load::capacity::CapacityPlan;
use greenroom_reports::model::outcome::{Reason, ReasonCode};
use greenroom_reports::model::report::Mode;
use greenroom_reports::units::ByteCount;

/// Bytes spent when nobody set a limit, both directions together.
const USUAL_DATA: ByteCount = ByteCount::new(8_000_000);
/// Nothing above this is asked of the uplink for that: four times 1080p30.
const USUAL_CAP_UP_BPS: f64 = 12e6;
/// Nor of the downlink: a gallery of 25 thumbnails beside a speaker.
const USUAL_CAP_DOWN_BPS: f64 = 25e6;
/// Where a larger limit was set, caps grow by so much for each [`USUAL_DATA`] more, up and down: what a
/// flood costs grows with the rate. 64 MB tell 100 Mbit/s either way.
const CAP_GROWTH_BPS: [f64; 2] = [14e6, 25e6];
/// Share of the data that goes up.
const SHARE_UP: f64 = 0.35;
/// Echoes, handshakes and reports of the whole probe.
const OVERHEAD: u64 = 60_000;
/// Less is not worth beginning.
const LEAST_DATA: u64 = 150_000;
/// Less time is not worth beginning.
const LEAST_TIME: Duration = Duration::from_millis(900);
/// Below this there is time for trains only.
const TIME_FOR_FLOODS: Duration = Duration::from_millis(2200);
/// Below this there is no time for trials. With 20 ms of round-trip time a measurement with one
/// takes 2.9 s.
const TIME_FOR_TRIALS: Duration = Duration::from_millis(3200);
/// Longest flood, and where a link is slow.
const LONGEST_FLOOD: Duration = Duration::from_millis(1500);

/// What is left to spend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub(super) mode: Mode,
    /// What the user allowed, less what was spent; `None` when nothing was said.
    pub(super) data: Option<ByteCount>,
    pub(super) time: Option<Duration>,
    pub(super) loads: AdvertisedLoads,
    pub(super) headers: u16,
    pub(super) stream: bool,
}

/// How it is divided.
#[derive(Clone, Debug)]
pub(super) struct Division {
    pub(super) up: CapacityPlan,
    pub(super) down: CapacityPlan,
    pub(super) trials: bool,
    /// The cap up and down is the server's.
    pub(super) capped_by_server: [bool; 2],
}

impl Budget {
    /// Divides it.
    ///
    /// # Errors
    /// When it is too small to begin.
    pub(super) fn divide(self) -> Result<Division, Reason> {
        let data = self.data.unwrap_or(USUAL_DATA).get();
        let data = data.min(self.loads.max_load_bytes);
        if data < LEAST_DATA {
            let message =
                "the data budget is too small: the throughput probe needs at least 150 kB";
            return Err(Reason::new(ReasonCode::OutOfData, message));
        }
        let time = self.time.unwrap_or(Duration::MAX);
        if time < LEAST_TIME {
            let message = "the time that is left is too short: the throughput probe needs 0.9 s";
            return Err(Reason::new(ReasonCode::OutOfTime, message));
        }
        let quick = self.mode == Mode::Quick || time < TIME_FOR_FLOODS;
        let scale = data as f64 / USUAL_DATA.get() as f64;
        let left = data.saturating_sub(OVERHEAD.min(data / 4)) as f64;
        let cap =
            |usual: f64, growth: f64| usual * scale.min(1.0) + growth * (scale - 1.0).max(0.0);
        let caps = [
            cap(USUAL_CAP_UP_BPS, CAP_GROWTH_BPS[0]),
            cap(USUAL_CAP_DOWN_BPS, CAP_GROWTH_BPS[1]),
        ];
        let plan = |cap: f64, share: f64| CapacityPlan {
            cap_bps: bits(cap.min(self.server_cap_bps())),
            max_bps: self.loads.max_load_bps,
            data: bits(left * share),
            longest: LONGEST_FLOOD,
            quick,
            stream: self.stream,
            headers: self.headers,
        };
        Ok(Division {
            up: plan(caps[0], SHARE_UP),
            down: plan(caps[1], 1.0 - SHARE_UP),
            trials: !quick && time >= TIME_FOR_TRIALS,
            capped_by_server: caps.map(|cap| cap > self.server_cap_bps()),
        })
    }

    /// The highest rate of IP packets that the server's limit lets us tell.
    fn server_cap_bps(self) -> f64 {
        let of_payload = f64::from(1200 + self.headers) / 1200.0;
        self.loads.max_load_bps as f64 * of_payload
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a budget: not negative, and what is too large saturates"
)]
fn bits(value: f64) -> u64 {
    value.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(mode: Mode, data: Option<u64>, time_ms: Option<u64>) -> Budget {
        Budget {
            mode,
            data: data.map(ByteCount::new),
            time: time_ms.map(Duration::from_millis),
            loads: AdvertisedLoads {
                max_load_bps: 250_000_000,
                max_load_bytes: 128_000_000,
            },
            headers: 28,
            stream: false,
        }
    }

    #[test]
    fn caps_grow_with_the_data_that_may_be_spent() {
        let usual = budget(Mode::Full, None, None).divide().unwrap();
        assert_eq!(
            (usual.up.cap_bps, usual.down.cap_bps),
            (12_000_000, 25_000_000)
        );
        let large = budget(Mode::Full, Some(64_000_000), None).divide().unwrap();
        assert!(large.up.cap_bps > 105_000_000);
        assert!(large.up.data + large.down.data <= 64_000_000);
        let small = budget(Mode::Full, Some(400_000), None).divide().unwrap();
        assert!(small.up.data + small.down.data < 400_000);
    }

    #[test]
    fn what_does_not_fit_says_so_and_little_time_leaves_trials_out() {
        let data = budget(Mode::Full, Some(100_000), None).divide();
        assert_eq!(data.unwrap_err().code, ReasonCode::OutOfData);
        let time = budget(Mode::Full, None, Some(500)).divide();
        assert_eq!(time.unwrap_err().code, ReasonCode::OutOfTime);
        assert!(
            budget(Mode::Full, None, Some(1500))
                .divide()
                .unwrap()
                .up
                .quick
        );
        assert!(
            !budget(Mode::Full, None, Some(3000))
                .divide()
                .unwrap()
                .trials
        );
        assert!(budget(Mode::Full, None, None).divide().unwrap().trials);
    }

    #[test]
    fn a_cap_of_the_server_is_known_as_such() {
        let narrow = Budget {
            loads: AdvertisedLoads {
                max_load_bps: 5_000_000,
                max_load_bytes: 1_000_000_000,
            },
            ..budget(Mode::Full, None, None)
        };
        let division = narrow.divide().unwrap();
        assert_eq!(division.capped_by_server, [true; 2]);
        assert!(division.up.cap_bps < 5_200_000);
    }
}
