//! Findings about the camera, and about the processor that encodes its pictures.

use crate::derive::device_cap::{encode_rung, picture_rung};
use crate::derive::ladder::Rung;
use crate::finding::facts::{Facts, number, word};
use crate::finding::fault::{Fault, OutcomeIds, came_to_its_end};
use crate::model::camera::{
    CameraSection, EncodeHeadroom, PictureSection, PictureSize, SHARP_FROM,
};
use crate::model::finding::Evidence;
use crate::model::outcome::{Outcome, ReasonCode};
use crate::model::verdict::Band;
use crate::stats::proportion::wilson_interval;
use crate::verdict::standing::DeviceKind;

/// Share of damaged frames from which others see it.
///
/// Engineering choice: one in hundred is one every three seconds. A stream's first frame, which
/// some cameras damage, stays below it.
const MAX_CORRUPT_RATIO: f64 = 0.01;

/// Fewest freezes that are no accident.
///
/// Engineering choice: many cameras stop once when they begin, while they set exposure. What a freeze
/// is: W3C webrtc-stats `freezeCount`, at 30 frames a second 0.2 s without one.
const MIN_FREEZES: u64 = 2;

const IDS: OutcomeIds = OutcomeIds {
    kind: DeviceKind::Camera,
    none: "device.camera.none",
    access_refused: "device.camera.access_refused",
    busy: "device.camera.busy",
    failed: "device.camera.failed",
    vanished: "device.camera.vanished",
    stalled: "device.camera.no_frames",
};

/// Everything that is wrong with the camera.
pub(in crate::finding) fn faults(facts: &Facts<'_>) -> Vec<Fault> {
    let outcome = facts.parts.camera;
    let Some(camera) = outcome.data() else {
        return IDS.fault(facts, None).into_iter().collect();
    };
    let name = &camera.device.name;
    [
        stopped(outcome, camera).or_else(|| IDS.fault(facts, Some(name))),
        no_frames(outcome, camera),
        low_frame_rate(facts, camera),
        low_resolution(camera),
        corrupt_frames(camera),
        freezes(camera),
        no_encode_headroom(camera),
    ]
    .into_iter()
    .flatten()
    .chain(camera.picture.iter().flat_map(of_the_picture))
    .collect()
}

/// A stream that stops leaves the last picture standing.
fn stopped(outcome: &Outcome<CameraSection>, camera: &CameraSection) -> Option<Fault> {
    let reason = outcome.reason()?;
    let stalled = reason.code == ReasonCode::DeviceStalled && camera.frames > 0;
    let evidence = vec![
        word("reason", &reason.message),
        number("frames", camera.frames as f64, "count"),
    ];
    stalled.then(|| Fault::limiting("device.camera.frozen", Band::Fail, evidence))
}

fn no_frames(outcome: &Outcome<CameraSection>, camera: &CameraSection) -> Option<Fault> {
    let none = came_to_its_end(outcome) && camera.frames == 0;
    let evidence = vec![
        word("camera", &camera.device.name),
        number("frames", 0.0, "count"),
        number("watched", camera.watched_ms.as_f64(), "ms"),
    ];
    none.then(|| Fault::limiting("device.camera.no_frames", Band::Fail, evidence))
}

/// The whole 95 % interval lies below what is good.
fn low_frame_rate(facts: &Facts<'_>, camera: &CameraSection) -> Option<Fault> {
    let (metric, measured) = facts.measured("camera_fps")?;
    let [_, at_most] = measured.interval?;
    if at_most >= facts.edge(metric)? {
        return None;
    }
    let promised = camera.negotiated.as_ref().map(|mode| {
        let fps = f64::from(mode.millifps) / 1000.0;
        number("promised_fps", fps, "fps")
    });
    let evidence = [facts.evidence(metric, &measured)].into_iter();
    let evidence = evidence.chain(promised).collect();
    let band = facts.profile.threshold(metric.figure);
    let band = band.map(|threshold| threshold.band(measured.value));
    Some(Fault::by_figure(
        "device.camera.low_frame_rate",
        band,
        evidence,
    ))
}

/// Asked for 720p or more, it gives less. What was asked for and given is no fault.
fn low_resolution(camera: &CameraSection) -> Option<Fault> {
    let size = camera.resolution?;
    let asked = camera.requested.size;
    let is_low = picture_rung(asked) >= Rung::P720 && picture_rung(size) < Rung::P720;
    let evidence = vec![
        word("resolution", words(size)),
        word("resolution_asked", words(asked)),
    ];
    is_low.then(|| {
        Fault::limiting(
            "device.camera.low_resolution",
            band_of(picture_rung(size)),
            evidence,
        )
    })
}

fn corrupt_frames(camera: &CameraSection) -> Option<Fault> {
    let corrupt = camera.frames_corrupt;
    // Whether the count of frames holds the damaged ones is the driver's choice.
    let frames = camera.frames.max(corrupt);
    let share = wilson_interval(corrupt, frames)?;
    let interval = [share.low.as_f64(), share.high.as_f64()];
    let evidence = Evidence {
        samples: Some(frames),
        interval: Some(interval),
        threshold: Some(MAX_CORRUPT_RATIO),
        ..number("corrupt_ratio", corrupt as f64 / frames as f64, "ratio")
    };
    (interval[0] > MAX_CORRUPT_RATIO)
        .then(|| Fault::limiting("device.camera.corrupt_frames", Band::Fair, vec![evidence]))
}

/// The stream stops, and goes on.
fn freezes(camera: &CameraSection) -> Option<Fault> {
    let freezes = camera.freezes.filter(|n| *n >= MIN_FREEZES)?;
    let count = Evidence {
        samples: Some(camera.frames),
        threshold: Some(MIN_FREEZES as f64),
        ..number("freezes", freezes as f64, "count")
    };
    let dropped = camera.frames_dropped.filter(|n| *n > 0);
    let dropped = dropped.map(|n| number("frames_dropped", n as f64, "count"));
    let evidence = [Some(count), dropped];
    Some(Fault::limiting(
        "device.camera.freezes",
        Band::Fair,
        evidence.into_iter().flatten().collect(),
    ))
}

/// Encoding takes more than half of the time that a frame has, so nothing is left for the rest of
/// the call.
fn no_encode_headroom(camera: &CameraSection) -> Option<Fault> {
    let encoding = camera.encoding.as_ref()?;
    let rung = encode_rung(encoding)?;
    let evidence = vec![
        speed(encoding),
        number("encode_cpu", encoding.cpu_per_frame_ms.as_f64(), "ms"),
        word(
            "encoded",
            format!("{} {}", encoding.codec, words(encoding.size)),
        ),
    ];
    Some(Fault::limiting(
        "system.cpu.no_encode_headroom",
        band_of(rung),
        evidence,
    ))
}

fn speed(encoding: &EncodeHeadroom) -> Evidence {
    Evidence {
        samples: Some(encoding.frames),
        threshold: Some(crate::derive::device_cap::MIN_ENCODE_FPS),
        ..number("encode_fps", encoding.fps, "fps")
    }
}

/// What a picture of this rung is to others: below 360p a thumbnail.
fn band_of(rung: Rung) -> Band {
    match rung {
        Rung::P1080 | Rung::P720 => Band::Good,
        Rung::P540 | Rung::P360 => Band::Fair,
        Rung::P270 | Rung::P180 | Rung::Audio => Band::Poor,
    }
}

fn of_the_picture(picture: &PictureSection) -> Vec<Fault> {
    let fault = |is_so: Option<bool>, id, at_best, evidence: [Option<Evidence>; 2]| {
        let evidence = evidence.into_iter().flatten().map(|e| Evidence {
            samples: Some(picture.pictures),
            ..e
        });
        let evidence = evidence.collect();
        (is_so == Some(true)).then(|| Fault::limiting(id, at_best, evidence))
    };
    let luma = |name, value: Option<f64>| value.map(|value| number(name, value, "luma"));
    let light = || {
        [
            luma("mean_luma", picture.mean_luma),
            luma("p95_luma", picture.p95_luma),
        ]
    };
    let noise = picture
        .noise
        .map(|noise| number("sensor_noise", noise, "luma_steps"));
    let sharpness = picture.sharpness.map(|sharpness| Evidence {
        threshold: Some(SHARP_FROM),
        ..number("sharpness", sharpness, "ratio")
    });
    [
        fault(
            picture.is_covered,
            "device.camera.covered",
            Band::Fail,
            light(),
        ),
        fault(picture.is_black, "device.camera.black", Band::Fail, light()),
        fault(
            picture.is_frozen,
            "device.camera.frozen",
            Band::Fail,
            [noise, None],
        ),
        fault(
            picture.is_low_light,
            "device.camera.low_light",
            Band::Fair,
            light(),
        ),
        fault(
            picture.is_blurred,
            "device.camera.blurred",
            Band::Fair,
            [sharpness, None],
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn words(size: PictureSize) -> String {
    format!("{}x{}", size.width, size.height)
}
