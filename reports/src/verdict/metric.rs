//! The figures that are judged: a new one is a row in [`METRICS`], with its threshold in the
//! profile.

use super::device_metric::{camera_fps, speech_level};
use super::parts::{Direction, Parts};
use super::path_metric::{burst, delay_variation, jitter, loss, path_mtu, reordering, rtt};
use super::profile::{Figure, Profile};
use super::rate_metric;
use crate::model::camera::CameraSection;
use crate::model::discovery::DiscoverySection;
use crate::model::finding::{Evidence, EvidenceValue};
use crate::model::microphone::MicrophoneSection;
use crate::model::outcome::Outcome;
use crate::model::path::{MillisInterval, PathSection};
use crate::model::report::Mode;
use crate::model::system::SystemSection;
use crate::model::throughput::ThroughputSection;
use crate::model::verdict::Capability;

/// Fewest round trips for a 95th percentile: from here on it is not simply the largest.
pub const MIN_RTT_SAMPLES: u64 = 20;
/// Fewest packets for a share of them to be judged: one of 40 is 2.5 %.
pub const MIN_PACKETS: u64 = 40;

/// A figure's name in files, and its unit.
#[derive(Clone, Copy, Debug)]
pub struct FigureRow {
    /// Which.
    pub figure: Figure,
    /// Its name in profiles and reports.
    pub name: &'static str,
    /// Unit of its edges.
    pub unit: &'static str,
}

/// Every figure that a profile can hold.
pub const FIGURES: &[FigureRow] = &[
    figure(Figure::RttP95Ms, "rtt_p95_ms", "ms"),
    figure(Figure::InterarrivalJitterMs, "interarrival_jitter_ms", "ms"),
    figure(Figure::PdvP95Ms, "pdv_p95_ms", "ms"),
    figure(Figure::LossRatio, "loss_ratio", "ratio"),
    figure(Figure::LongestBurstMs, "longest_burst_ms", "ms"),
    figure(Figure::ReorderedRatio, "reordered_ratio", "ratio"),
    figure(Figure::ClockOffsetMs, "clock_offset_ms", "ms"),
    figure(Figure::UsableCores, "usable_cores", "count"),
    figure(Figure::PathMtuBytes, "path_mtu_bytes", "bytes"),
    figure(Figure::CallLoadMs, "call_load_ms", "ms"),
    figure(Figure::UplinkBps, "uplink_bps", "bps"),
    figure(Figure::DownlinkBps, "downlink_bps", "bps"),
    figure(Figure::ScreenUplinkBps, "screen_uplink_bps", "bps"),
    figure(Figure::Mos, "mos", "mos"),
    figure(Figure::CameraFps, "camera_fps", "fps"),
    figure(
        Figure::SpeechLevelFloorDbfs,
        "speech_level_floor_dbfs",
        "dbfs",
    ),
    figure(
        Figure::SpeechLevelCeilingDbfs,
        "speech_level_ceiling_dbfs",
        "dbfs",
    ),
];

const fn figure(figure: Figure, name: &'static str, unit: &'static str) -> FigureRow {
    FigureRow { figure, name, unit }
}

/// One judged figure: where it is read, and which capabilities rest on it.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Stable name, `loss_up`.
    pub name: &'static str,
    /// The figure in words, for sentences.
    pub label: &'static str,
    /// Whose thresholds apply.
    pub figure: Figure,
    /// Without it the capabilities that rest on it are undetermined; see [`Metric::is_required`].
    pub required: bool,
    /// Capabilities that rest on it.
    pub capabilities: &'static [Capability],
    read: Source,
}

/// Which section holds a figure.
#[derive(Clone, Copy, Debug)]
enum Source {
    System(fn(&SystemSection) -> Reading),
    Discovery(fn(&DiscoverySection) -> Reading),
    Path(fn(&PathSection) -> Reading),
    Throughput(fn(&ThroughputSection) -> Reading),
    Camera(fn(&CameraSection) -> Reading),
    Microphone(fn(&MicrophoneSection) -> Reading),
}

/// What a section says about a figure.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// Measured.
    Known(Measured),
    /// Meaningless here, for this reason.
    NotApplicable(String),
    /// Not measured, for this reason.
    Unknown(String),
}

/// A measured figure in its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The point estimate, or the observation.
    pub value: f64,
    /// 95 % interval.
    pub interval: Option<[f64; 2]>,
    /// Samples behind it.
    pub samples: Option<u64>,
    /// An observation without sampling error: it needs no interval.
    pub exact: bool,
    /// A lower bound: the true value may be larger, not smaller.
    pub at_least: bool,
}

const HEAR: &[Capability] = &[Capability::Hear, Capability::See];
const SPEAK: &[Capability] = &[Capability::Speak, Capability::Show];
const BOTH: &[Capability] = &[
    Capability::Hear,
    Capability::Speak,
    Capability::See,
    Capability::Show,
];

/// The table.
pub const METRICS: &[Metric] = &[
    path(
        "rtt_p95",
        "round-trip time",
        Figure::RttP95Ms,
        true,
        BOTH,
        rtt,
    ),
    path(
        "interarrival_jitter_up",
        "jitter to the server",
        Figure::InterarrivalJitterMs,
        true,
        SPEAK,
        |p| jitter(&p.up),
    ),
    path(
        "interarrival_jitter_down",
        "jitter from the server",
        Figure::InterarrivalJitterMs,
        true,
        HEAR,
        |p| jitter(&p.down),
    ),
    path(
        "pdv_p95_up",
        "delay variation to the server",
        Figure::PdvP95Ms,
        false,
        SPEAK,
        |p| delay_variation(&p.up),
    ),
    path(
        "pdv_p95_down",
        "delay variation from the server",
        Figure::PdvP95Ms,
        false,
        HEAR,
        |p| delay_variation(&p.down),
    ),
    path(
        "loss_up",
        "packet loss to the server",
        Figure::LossRatio,
        true,
        SPEAK,
        |p| loss(p, Direction::Up),
    ),
    path(
        "loss_down",
        "packet loss from the server",
        Figure::LossRatio,
        true,
        HEAR,
        |p| loss(p, Direction::Down),
    ),
    path(
        "longest_burst_up",
        "longest gap to the server",
        Figure::LongestBurstMs,
        false,
        SPEAK,
        |p| burst(p, Direction::Up),
    ),
    path(
        "longest_burst_down",
        "longest gap from the server",
        Figure::LongestBurstMs,
        false,
        HEAR,
        |p| burst(p, Direction::Down),
    ),
    path(
        "reordering_up",
        "reordering to the server",
        Figure::ReorderedRatio,
        false,
        SPEAK,
        |p| reordering(p, Direction::Up),
    ),
    path(
        "reordering_down",
        "reordering from the server",
        Figure::ReorderedRatio,
        false,
        HEAR,
        |p| reordering(p, Direction::Down),
    ),
    path(
        "path_mtu_up",
        "largest packet to the server",
        Figure::PathMtuBytes,
        false,
        &[Capability::Show],
        |p| path_mtu(p, Direction::Up),
    ),
    path(
        "path_mtu_down",
        "largest packet from the server",
        Figure::PathMtuBytes,
        false,
        &[Capability::See],
        |p| path_mtu(p, Direction::Down),
    ),
    throughput("uplink", "uplink", Figure::UplinkBps, SPEAK, |t| {
        rate_metric::rate(t, Direction::Up)
    }),
    throughput("downlink", "downlink", Figure::DownlinkBps, HEAR, |t| {
        rate_metric::rate(t, Direction::Down)
    }),
    throughput(
        "screen_uplink",
        "uplink for the screen",
        Figure::ScreenUplinkBps,
        &[Capability::Share],
        |t| rate_metric::rate(t, Direction::Up),
    ),
    throughput(
        "call_load",
        "delay added by a call's own traffic",
        Figure::CallLoadMs,
        BOTH,
        rate_metric::call_load,
    ),
    Metric {
        name: "clock_offset",
        label: "clock offset",
        figure: Figure::ClockOffsetMs,
        required: false,
        capabilities: &[Capability::Join],
        read: Source::Discovery(clock_offset),
    },
    Metric {
        name: "usable_cores",
        label: "processor cores",
        figure: Figure::UsableCores,
        required: false,
        capabilities: &[Capability::See, Capability::Show],
        read: Source::System(usable_cores),
    },
    Metric {
        name: "camera_fps",
        label: "frame rate of the camera",
        figure: Figure::CameraFps,
        required: true,
        capabilities: &[Capability::Show],
        read: Source::Camera(camera_fps),
    },
    // One figure with two sides: too quiet, and too loud. The worse one counts.
    voice("speech_level", Figure::SpeechLevelFloorDbfs),
    voice("speech_level_ceiling", Figure::SpeechLevelCeilingDbfs),
];

const fn voice(name: &'static str, figure: Figure) -> Metric {
    Metric {
        name,
        label: "level of your voice",
        figure,
        required: false,
        capabilities: &[Capability::Speak],
        read: Source::Microphone(speech_level),
    }
}

const fn path(
    name: &'static str,
    label: &'static str,
    figure: Figure,
    required: bool,
    capabilities: &'static [Capability],
    read: fn(&PathSection) -> Reading,
) -> Metric {
    Metric {
        name,
        label,
        figure,
        required,
        capabilities,
        read: Source::Path(read),
    }
}

const fn throughput(
    name: &'static str,
    label: &'static str,
    figure: Figure,
    capabilities: &'static [Capability],
    read: fn(&ThroughputSection) -> Reading,
) -> Metric {
    Metric {
        name,
        label,
        figure,
        required: true,
        capabilities,
        read: Source::Throughput(read),
    }
}

impl Metric {
    /// A row of [`METRICS`] by its name.
    pub fn named(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| metric.name == name)
    }

    /// Unit of the figure.
    pub fn unit(&self) -> &'static str {
        let row = FIGURES.iter().find(|row| row.figure == self.figure);
        row.map_or("", |row| row.unit)
    }

    /// It says something about the network, not about this machine.
    pub fn is_of_the_network(&self) -> bool {
        !matches!(self.read, Source::System(_)) && !self.is_of_a_device()
    }

    /// It says something about a camera or microphone.
    pub fn is_of_a_device(&self) -> bool {
        matches!(self.read, Source::Camera(_) | Source::Microphone(_))
    }

    /// Reads the figure.
    pub fn read(&self, parts: &Parts<'_>) -> Reading {
        match self.read {
            Source::System(read) => read_from(parts.system, read),
            Source::Discovery(read) => read_from(parts.discovery, read),
            Source::Path(read) => read_from(parts.path, read),
            Source::Throughput(read) => read_from(parts.throughput, read),
            Source::Camera(read) => read_from(parts.camera, read),
            Source::Microphone(read) => read_from(parts.microphone, read),
        }
    }

    /// Without it the capabilities that rest on it are undetermined, in this run. A quick check
    /// leaves out the trial of a call's traffic, and is judged without what that does to delay.
    pub fn is_required(&self, parts: &Parts<'_>) -> bool {
        self.required && !self.is_left_out_by_quick(parts)
    }

    /// A quick check does not measure it.
    pub(super) fn is_left_out_by_quick(&self, parts: &Parts<'_>) -> bool {
        parts.mode == Mode::Quick && self.figure == Figure::CallLoadMs
    }

    /// There is no place for the figure in this run: the program did not know it yet, or there is
    /// no device to read it from, which is judged by itself; see
    /// [`Standing`](super::standing::Standing).
    pub(super) fn has_no_place(&self, parts: &Parts<'_>) -> bool {
        match self.read {
            Source::Throughput(_) => parts.throughput.is_of_earlier_version(),
            Source::Camera(_) => parts.camera.data().is_none(),
            Source::Microphone(_) => parts.microphone.data().is_none(),
            Source::System(_) | Source::Discovery(_) | Source::Path(_) => false,
        }
    }

    /// Reads the figure where only the path is known yet; `None` for figures from elsewhere.
    pub fn read_path(&self, path: &PathSection) -> Option<Reading> {
        match self.read {
            Source::Path(read) => Some(read(path)),
            _ => None,
        }
    }

    /// The figure as evidence, against this edge of the profile.
    pub fn evidence(&self, measured: &Measured, threshold: f64, profile: &Profile) -> Evidence {
        Evidence {
            metric: self.name.to_owned(),
            value: EvidenceValue::Number(measured.value),
            unit: self.unit().to_owned(),
            samples: measured.samples,
            interval: measured.interval,
            threshold: Some(threshold),
            profile: Some(profile.name.clone()),
        }
    }
}

fn read_from<T>(outcome: &Outcome<T>, read: fn(&T) -> Reading) -> Reading {
    match (outcome.data(), outcome.reason()) {
        (Some(data), _) => read(data),
        (None, Some(reason)) => Reading::Unknown(format!("not measured: {}", reason.message)),
        (None, None) => not_measured(),
    }
}

pub(super) fn not_measured() -> Reading {
    Reading::Unknown("not measured".to_owned())
}

pub(super) fn too_few(samples: u64, needed: u64) -> Reading {
    Reading::Unknown(format!("too few samples: {samples} of at least {needed}"))
}

pub(super) fn millis(interval: MillisInterval) -> [f64; 2] {
    [interval.low.as_f64(), interval.high.as_f64()]
}

fn clock_offset(discovery: &DiscoverySection) -> Reading {
    let Some(clock) = discovery.clock_offset else {
        return not_measured();
    };
    let value = clock.offset_ms.as_f64().abs();
    let uncertainty = clock.uncertainty_ms.as_f64().abs();
    Reading::Known(Measured {
        value,
        interval: Some([(value - uncertainty).max(0.0), value + uncertainty]),
        samples: None,
        exact: false,
        at_least: false,
    })
}

fn usable_cores(system: &SystemSection) -> Reading {
    Reading::Known(Measured {
        value: f64::from(system.cpu.usable_cores),
        interval: None,
        samples: None,
        exact: true,
        at_least: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_listed_under_the_name_that_reports_use() {
        for row in FIGURES {
            let json = serde_json::to_value(row.figure).unwrap();
            assert_eq!(json, row.name);
        }
    }

    #[test]
    fn every_metric_has_a_threshold_in_the_default_profile() {
        let profile = Profile::default_profile();
        for metric in METRICS {
            assert!(
                profile.threshold(metric.figure).is_some(),
                "{}",
                metric.name
            );
        }
    }
}
