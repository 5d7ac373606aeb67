//! What can I send and receive?

use super::call_rate::{CallRate, call_rate};
use super::device_cap::{DeviceCap, camera_frames, device_cap};
use super::ladder::Rung;
use crate::model::derived::{
    CallOutlook, DirectionOutlook, LimitedBy, ScreenShare, SessionsThatFit,
};
use crate::model::system::ScreenCapture;
use crate::model::throughput::{RateLimit, RefusedFor, ThroughputSection};
use crate::units::Bitrate;
use crate::verdict::parts::{Direction, Parts};

/// Sharing the screen is fine from here on.
///
/// Source: `LiveKit`'s preset for 720p at 5 frames a second.
const SCREEN_FINE: Bitrate = Bitrate::from_kbps(800);
/// Sharing the screen is possible from here on.
///
/// Source: the upper end of what Zoom states for it.
const SCREEN_SLOW: Bitrate = Bitrate::from_kbps(150);
/// Rungs of which it is said how many calls fit.
const SESSION_RUNGS: [Rung; 3] = [Rung::P720, Rung::P360, Rung::Audio];

/// What the call can carry, compared with the ladder without further headroom; `None` when neither
/// direction is known.
pub fn call_outlook(parts: &Parts<'_>) -> Option<CallOutlook> {
    let throughput = parts.throughput.data()?;
    let rates = [Direction::Up, Direction::Down].map(|way| (way, call_rate(throughput, way)));
    let [up_cap, down_cap] = [Direction::Up, Direction::Down].map(|way| device_cap(parts, way));
    let [(_, up), (_, down)] = rates;
    let send = up.map(|up| outlook(throughput, Direction::Up, &up, up_cap.as_ref()));
    let send = send.map(|send| with_frames_of(send, camera_frames(parts)));
    let receive = down.map(|down| outlook(throughput, Direction::Down, &down, down_cap.as_ref()));
    if send.is_none() && receive.is_none() {
        return None;
    }
    let screen_share = up.map(|up| screen_share(up.rate));
    let shown = screen_share.filter(|_| can_capture(parts));
    Some(CallOutlook {
        sentence: sentence(
            send.as_ref().map(|send| (send, why(up_cap.as_ref()))),
            receive.as_ref().map(|way| (way, why(down_cap.as_ref()))),
            shown,
        ),
        send,
        receive,
        screen_share,
        sessions: up
            .zip(down)
            .map(|(up, down)| sessions(&up, &down))
            .unwrap_or_default(),
    })
}

/// Nothing is known that keeps this machine from capturing its screen.
fn can_capture(parts: &Parts<'_>) -> bool {
    parts.system.data().is_none_or(|system| {
        let capture = &system.display.screen_capture;
        !matches!(capture, ScreenCapture::Unavailable { .. })
    })
}

/// What this machine's limit is in words.
fn why(cap: Option<&DeviceCap>) -> &str {
    cap.map_or("", |cap| cap.why.as_str())
}

/// A camera that is slower than a call would like sends no more frames than it has.
fn with_frames_of(mut send: DirectionOutlook, camera: Option<u32>) -> DirectionOutlook {
    if let (Some(frames), Some(camera)) = (send.frames_per_second, camera) {
        send.frames_per_second = Some(frames.min(camera));
        if send.limited_by == LimitedBy::LadderTop && camera < frames {
            send.limited_by = LimitedBy::Camera;
        }
    }
    send
}

fn sentence(
    send: Option<(&DirectionOutlook, &str)>,
    receive: Option<(&DirectionOutlook, &str)>,
    screen: Option<ScreenShare>,
) -> String {
    let mut ways = send.into_iter().chain(receive);
    let untried = ways.any(|(way, _)| !way.verified);
    let [up, down] = match (send, receive) {
        (Some((send, why)), Some((receive, _))) if both_at_the_top(send, receive) => {
            [Some(clause(send, "up and down", why)), None]
        }
        _ => [
            send.map(|(send, why)| clause(send, "up", why)),
            receive.map(|(receive, why)| clause(receive, "down", why)),
        ],
    };
    let clauses = [
        up,
        down,
        screen.map(screen_clause),
        untried.then(|| "estimated, not tried with the traffic of a call".to_owned()),
    ];
    let clauses: Vec<String> = clauses.into_iter().flatten().collect();
    clauses.join("; ")
}

fn both_at_the_top(send: &DirectionOutlook, receive: &DirectionOutlook) -> bool {
    let at_top = |way: &DirectionOutlook| way.limited_by == LimitedBy::LadderTop;
    at_top(send) && at_top(receive)
}

fn outlook(
    throughput: &ThroughputSection,
    way: Direction,
    rate: &CallRate,
    cap: Option<&DeviceCap>,
) -> DirectionOutlook {
    // What was tried decides; the rate alone leaves out what headers and audio take beside video.
    let carried = Rung::carried_by(rate.rate).map(|rung| rate.accepted.unwrap_or(rung).min(rung));
    let capped = cap.filter(|cap| carried > Some(cap.rung));
    let rung = capped.map_or(carried, |cap| Some(cap.rung));
    let limited_by = capped.map(|cap| cap.by);
    let size = rung.and_then(Rung::resolution);
    DirectionOutlook {
        rung,
        width: size.map(|(width, _)| width),
        height: size.map(|(_, height)| height),
        frames_per_second: rung.and_then(Rung::frames_per_second),
        rate_bps: rate.rate,
        rate_interval_bps: rate.interval,
        at_least: rate.at_least,
        verified: rung.is_some() && rate.accepted >= rung,
        limited_by: limited_by.unwrap_or_else(|| limit(throughput, way, rate, rung)),
    }
}

/// What keeps the network from the next better rung.
fn limit(
    throughput: &ThroughputSection,
    way: Direction,
    rate: &CallRate,
    rung: Option<Rung>,
) -> LimitedBy {
    let section = way.rate(throughput);
    let by_server = section.is_some_and(|s| s.limit == Some(RateLimit::Server));
    if rung == Some(Rung::P1080) {
        LimitedBy::LadderTop
    } else if by_server {
        LimitedBy::Server
    } else if rate.at_least {
        LimitedBy::Measurement
    } else if refused_for_loss(throughput, way, rung) {
        LimitedBy::Loss
    } else {
        match way {
            Direction::Up => LimitedBy::Uplink,
            Direction::Down => LimitedBy::Downlink,
        }
    }
}

/// The next rung was refused for its losses, although the capacity is there.
fn refused_for_loss(throughput: &ThroughputSection, way: Direction, rung: Option<Rung>) -> bool {
    let capacity = way.rate(throughput).and_then(|section| {
        let interval = section.capacity_interval_bps;
        interval.map(|i| i.low).or(section.capacity_bps)
    });
    way.trials(throughput).any(|trial| {
        !trial.accepted
            && trial.refused_for == Some(RefusedFor::Loss)
            && Some(trial.rung) > rung
            && capacity.is_some_and(|capacity| capacity >= trial.rung.rate())
    })
}

/// What a rate to the server does for sharing the screen.
pub fn screen_share(uplink: Bitrate) -> ScreenShare {
    match uplink {
        rate if rate >= SCREEN_FINE => ScreenShare::Fine,
        rate if rate >= SCREEN_SLOW => ScreenShare::Slow,
        _ => ScreenShare::None,
    }
}

fn sessions(up: &CallRate, down: &CallRate) -> Vec<SessionsThatFit> {
    let tighter = if up.rate <= down.rate { up } else { down };
    let fit = |rung: Rung| SessionsThatFit {
        rung,
        sessions: tighter.rate.as_bps() / rung.rate().as_bps(),
        at_least: tighter.at_least,
    };
    SESSION_RUNGS.map(fit).to_vec()
}

/// `720p30 up, limited by uplink 2.4 Mbit/s`.
fn clause(outlook: &DirectionOutlook, way: &str, device: &str) -> String {
    let what = what(outlook);
    let rate = short(outlook.rate_bps);
    let why = match outlook.limited_by {
        LimitedBy::LadderTop | LimitedBy::Other => return format!("{what} {way}"),
        LimitedBy::Uplink => format!("limited by uplink {rate}"),
        LimitedBy::Downlink => format!("limited by downlink {rate}"),
        LimitedBy::Loss => "limited by packet loss".to_owned(),
        LimitedBy::Camera if device.is_empty() => "limited by the camera's frame rate".to_owned(),
        LimitedBy::Camera | LimitedBy::Cpu => device.to_owned(),
        LimitedBy::Server => format!("limited by the test server to {rate}"),
        LimitedBy::Measurement => format!("measured up to {rate} only"),
    };
    format!("{what} {way}, {why}")
}

/// The rung's name, with the frames that there are.
fn what(outlook: &DirectionOutlook) -> String {
    match (outlook.rung, outlook.frames_per_second) {
        (None, _) => "not even audio".to_owned(),
        (Some(Rung::Audio), _) => "audio only".to_owned(),
        (Some(rung), Some(frames)) if rung.frames_per_second() != Some(frames) => {
            let height = rung.resolution().map_or(0, |(_, height)| height);
            format!("{height}p{frames}")
        }
        (Some(rung), _) => rung.name().to_owned(),
    }
}

fn screen_clause(share: ScreenShare) -> String {
    match share {
        ScreenShare::Fine => "screen share fine",
        ScreenShare::Slow => "screen share slow",
        ScreenShare::None => "no room to share the screen",
    }
    .to_owned()
}

/// `2.4 Mbit/s`: as much as a sentence bears. Rounded down, so that it never claims more than there
/// is, but for the 0.2 % to which a rate is known at best.
fn short(rate: Bitrate) -> String {
    let known = rate.as_bps().saturating_add(rate.as_bps() / 500);
    let tenths = known / 100_000;
    if tenths >= 10 {
        format!("{}.{} Mbit/s", tenths / 10, tenths % 10)
    } else {
        format!("{} kbit/s", known / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{self, PathModel, ThroughputModel};
    use crate::verdict::assemble::Run;
    use crate::verdict::profile::Profile;

    fn outlook_of(run: Run) -> CallOutlook {
        let report = crate::model::report::Report::assemble(run, Profile::default_profile());
        report.derived.call.unwrap()
    }

    fn over(model: &ThroughputModel) -> CallOutlook {
        outlook_of(samples::run_with(&PathModel::default(), 1, model))
    }

    #[test]
    fn the_sentence_is_what_a_person_asks_for() {
        let model = ThroughputModel {
            up_kbps: 2_400,
            ..ThroughputModel::default()
        };
        assert_eq!(
            over(&model).sentence,
            "720p30 up, limited by uplink 2.4 Mbit/s; 1080p30 down; screen share fine"
        );
    }

    #[test]
    fn below_audio_nothing_is_promised() {
        let model = ThroughputModel {
            up_kbps: 60,
            ..ThroughputModel::default()
        };
        let outlook = over(&model);
        assert!(
            outlook
                .sentence
                .starts_with("not even audio up, limited by uplink"),
            "{}",
            outlook.sentence
        );
        assert_eq!(outlook.send.unwrap().rung, None);
        assert_eq!(outlook.screen_share, Some(ScreenShare::None));
        assert!(outlook.sessions.iter().all(|fit| fit.sessions == 0));
    }

    #[test]
    fn one_core_limits_both_ways() {
        let mut run = samples::run_with(&PathModel::default(), 1, &ThroughputModel::default());
        run.system.data_mut().unwrap().cpu.usable_cores = 1;
        let outlook = outlook_of(run);
        assert_eq!(outlook.send.unwrap().limited_by, LimitedBy::Cpu);
        assert_eq!(outlook.receive.unwrap().rung, Some(Rung::P360));
    }

    #[test]
    fn without_a_trial_it_says_so() {
        let mut run = samples::run_with(&PathModel::default(), 1, &ThroughputModel::default());
        let throughput = run.throughput.data_mut().unwrap();
        throughput.verifications.clear();
        let outlook = outlook_of(run);
        assert!(!outlook.send.unwrap().verified);
        assert!(outlook.sentence.contains("not tried"));
    }

    #[test]
    fn a_rung_refused_for_loss_is_not_blamed_on_the_rate() {
        let mut run = samples::run_with(&PathModel::default(), 1, &ThroughputModel::default());
        let throughput = run.throughput.data_mut().unwrap();
        let up = throughput.verifications[0].up.as_mut().unwrap();
        up.accepted = false;
        up.rung = Rung::P720;
        up.refused_for = Some(RefusedFor::Loss);
        assert_eq!(outlook_of(run).send.unwrap().limited_by, LimitedBy::Loss);
    }

    #[test]
    fn a_rate_in_the_sentence_is_rounded_down() {
        assert_eq!(short(Bitrate::from_bps(1_894_999)), "1.8 Mbit/s");
        assert_eq!(short(Bitrate::from_bps(1_899_999)), "1.9 Mbit/s");
        assert_eq!(short(Bitrate::from_bps(997_000)), "998 kbit/s");
    }
}
