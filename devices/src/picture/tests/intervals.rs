//! Rates from timestamps of known rate.

use greenroom_protocol::measure::time::MonotonicTime;
use greenroom_reports::units::Millis;
use proptest::prelude::*;

use super::scene::Random;
use crate::picture::intervals::FrameIntervals;

fn ms(at: f64) -> MonotonicTime {
    MonotonicTime::from_nanos((at * 1e6) as u64)
}

fn stream(times_ms: impl IntoIterator<Item = f64>) -> FrameIntervals {
    let mut intervals = FrameIntervals::default();
    for at in times_ms {
        intervals.push(ms(at), None);
    }
    intervals
}

#[test]
fn the_rate_is_within_half_a_frame_under_jitter() {
    for fps in [5.0, 15.0, 24.0, 29.97, 30.0, 60.0] {
        for seed in 0..200 {
            let mut random = Random(seed);
            let n = (2.0 * fps) as u32 + 1;
            let times: Vec<f64> = (0..n)
                .map(|i| 100.0 + f64::from(i) * 1e3 / fps + 3.0 * random.normal())
                .collect();
            let rate = stream(times).summary().rate.unwrap();
            assert!((rate.fps - fps).abs() < 0.5, "{fps}: {rate:?}");
            assert!(rate.low <= rate.fps && rate.fps <= rate.high);
        }
    }
}

#[test]
fn hand_computed_figures() {
    // 20 intervals of 40 ms: 25 a second, no jitter.
    let summary = stream((0..=20).map(|i| f64::from(i) * 40.0)).summary();
    let rate = summary.rate.unwrap();
    assert!((rate.fps - 25.0).abs() < 1e-9 && (rate.low - 25.0).abs() < 1e-9);
    assert_eq!(summary.p95, Millis::new(40.0));
    assert_eq!(summary.jitter, Millis::new(0.0));
    assert_eq!(summary.freezes, Some(0));
    assert_eq!(summary.frames_dropped, None);
}

#[test]
fn a_stall_is_a_freeze_by_the_rule_of_libwebrtc() {
    // 30 intervals of 30 ms, then one of 1000: the average over the last 30 is
    // (29·30 + 1000)/30 = 62.3, the limit max(187, 212).
    let times = |stall: f64| (0..=30).map(|i| f64::from(i) * 30.0).chain([900.0 + stall]);
    let summary = stream(times(1000.0)).summary();
    assert_eq!(summary.freezes, Some(1));
    assert_eq!(summary.frozen_for, Millis::new(1000.0).unwrap());
    assert_eq!(stream(times(180.0)).summary().freezes, Some(0));
}

#[test]
fn few_frames_give_nothing() {
    let summary = stream((0..5).map(|i| f64::from(i) * 30.0)).summary();
    assert_eq!((summary.rate, summary.p95), (None, None));
    assert_eq!((summary.jitter, summary.freezes), (None, None));
    assert_eq!(summary.frames, 5);
}

#[test]
fn strange_timestamps_are_counted_and_break_nothing() {
    let mut times: Vec<f64> = (0..60).map(|i| 1000.0 + f64::from(i) * 40.0).collect();
    times[10] = times[9]; // repeats
    times[20] -= 60.0; // backwards, behind its predecessor
    times[30] = 1e7; // hours ahead: three more run backwards until it is disbelieved
    let summary = stream(times).summary();
    assert_eq!(summary.timestamps_repeated, 1);
    assert_eq!(summary.timestamps_backward, 4);
    assert_eq!(summary.freezes, Some(0));
    assert!(
        (summary.rate.unwrap().fps - 25.0).abs() < 1.5,
        "{summary:?}"
    );
}

#[test]
fn gaps_in_the_sequence_are_drops() {
    let mut intervals = FrameIntervals::default();
    for (i, sequence) in [0, 1, 4, 5, 3, 0, 1].into_iter().enumerate() {
        intervals.push(ms(i as f64 * 30.0), Some(sequence));
    }
    // 2 and 3 before 4; nothing when the count falls to 3 and starts anew.
    assert_eq!(intervals.summary().frames_dropped, Some(2));
}

proptest! {
    #[test]
    fn any_timestamps_give_a_summary(
        frames in proptest::collection::vec((any::<u64>(), any::<Option<u64>>()), 0..200)
    ) {
        let mut intervals = FrameIntervals::default();
        for (at, sequence) in frames {
            intervals.push(MonotonicTime::from_nanos(at), sequence);
        }
        let summary = intervals.summary();
        prop_assert!(summary.rate.is_none_or(|rate| rate.fps.is_finite() && rate.fps > 0.0));
    }
}
