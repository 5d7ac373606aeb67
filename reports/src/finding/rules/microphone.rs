//! Findings about the microphone.

use super::device::{MIN_VOLUME_RATIO, stall, xruns};
use crate::finding::facts::{Facts, number, word};
use crate::finding::fault::{Fault, OutcomeIds, came_to_its_end};
use crate::model::device::Mixer;
use crate::model::finding::{Evidence, Severity};
use crate::model::microphone::{ClockDrift, MainsHum, MicrophoneSection};
use crate::model::outcome::Outcome;
use crate::model::verdict::Band;
use crate::units::Dbfs;
use crate::verdict::standing::DeviceKind;

/// Shortest recording that a level is judged by.
///
/// Source: `LiveKit`'s check of a silent microphone.
const MIN_RECORDED_MS: f64 = 1000.0;

/// Peak below which not even the noise of a room comes through, although there are samples that are
/// not zero: the gain is down.
///
/// Engineering choice: ten steps of 16 bits; the noise of a quiet room alone peaks above it.
const MIN_PEAK_DBFS: f64 = -70.0;

/// Fewest runs at the ceiling, and the least share of samples in them, that are clipping: a knock
/// on the table is one run, and short.
///
/// Engineering choice. Others call one sample at full scale, or six, clipping, which every sound
/// that just fits has.
const MIN_CLIPPED_RUNS: u64 = 5;
const MIN_CLIPPED_RATIO: f64 = 0.001;

/// How far hum stands above its surroundings.
///
/// Source: the peaks that are searched at 50 and 60 Hz.
const MIN_HUM_DB: f64 = 10.0;
/// Level from which hum disturbs: 20 dB below the quietest voice that is good.
///
/// Engineering choice. Below, nearly every analog input has some.
const MIN_HUM_DBFS: f64 = -60.0;

/// Noise floor from which a voice of usual level (-26 dBFS) stands less than 20 dB above it.
///
/// Engineering choice after ITU-T P.56's usual level.
const MAX_NOISE_DBFS: f64 = -45.0;
/// Least distance of a voice from the noise, where a voice was heard.
///
/// Engineering choice: below, listening takes effort.
const MIN_SNR_DB: f64 = 15.0;

/// Offset from zero, full scale being 1, that no sound explains; it takes room from the voice and
/// cracks when the microphone is switched.
///
/// Engineering choice: 34 dB below full scale.
const MAX_DC_OFFSET: f64 = 0.02;

/// Deviation of the sample rate that no crystal has: a rate is not what it is said to be, and
/// buffers run full or empty.
///
/// Source: crystals of audio devices keep 100 ppm; ten times that is a fault.
const MAX_DRIFT_PPM: f64 = 1000.0;

/// By how much the samples have to run ahead or behind at least: a sound server on a busy machine
/// moves its buffers by some milliseconds while it is listened to, once.
///
/// Engineering choice: half a buffer of 10 ms. Over 1.2 s, as in a quick check, these are 4200 ppm.
/// As much again wherever samples were lost, since it is not known how many.
const MIN_DRIFT_MS: f64 = 5.0;

/// Nominal rate up to which a microphone carries a telephone's band at most: 8 kHz gives 4 kHz.
const TELEPHONE_RATE_HZ: u32 = 8_000;
/// Nominal rate up to which it carries wide band at most, as headsets over Bluetooth do.
const WIDE_RATE_HZ: u32 = 16_000;

const IDS: OutcomeIds = OutcomeIds {
    kind: DeviceKind::Microphone,
    none: "device.microphone.none",
    access_refused: "device.microphone.access_refused",
    busy: "device.microphone.busy",
    failed: "device.microphone.failed",
    vanished: "device.microphone.vanished",
    stalled: "device.microphone.stalled",
};

/// Everything that is wrong with the microphone.
pub(in crate::finding) fn faults(facts: &Facts<'_>) -> Vec<Fault> {
    let outcome = facts.parts.microphone;
    let Some(microphone) = outcome.data() else {
        return IDS.fault(facts, None).into_iter().collect();
    };
    let stream = [
        IDS.fault(facts, Some(&microphone.device.name)),
        no_samples(outcome, microphone)
            .or_else(|| lost_samples(microphone))
            .or_else(|| stalled(microphone)),
        microphone
            .drift
            .filter(|d| keeps_count(microphone, *d))
            .and_then(|d| drift(microphone, d)),
    ];
    let level = [
        microphone.mixer.and_then(muted),
        digital_silence(microphone),
        level_low(facts, outcome, microphone),
        level_high(facts),
        clipping(microphone),
    ];
    let sound = [
        microphone.hum.and_then(hum),
        noisy(microphone),
        dc_offset(microphone),
        narrow_band(microphone),
        dead_channel(microphone),
    ];
    let all = stream.into_iter().chain(level).chain(sound);
    all.flatten().collect()
}

fn no_samples(outcome: &Outcome<MicrophoneSection>, m: &MicrophoneSection) -> Option<Fault> {
    let none = came_to_its_end(outcome) && m.first_sample_ms.is_none();
    let evidence = vec![word("samples", "none came")];
    none.then(|| Fault::limiting("device.microphone.stalled", Band::Fail, evidence))
}

fn stalled(m: &MicrophoneSection) -> Option<Fault> {
    let gap = stall(&m.stream)?;
    Some(Fault::limiting(
        "device.microphone.stalled",
        Band::Fair,
        vec![gap],
    ))
}

/// A buffer runs over while nobody fetches what is in it: then the pauses are this machine's, and no
/// sign that the device hangs.
fn lost_samples(m: &MicrophoneSection) -> Option<Fault> {
    let share = xruns(&m.stream)?;
    let evidence = [Some(share), stall(&m.stream)];
    Some(Fault::limiting(
        "device.microphone.xruns",
        Band::Fair,
        evidence.into_iter().flatten().collect(),
    ))
}

/// Samples that are lost are missing like those of a slow clock; a fast one has more than it should.
fn keeps_count(m: &MicrophoneSection, drift: ClockDrift) -> bool {
    m.stream.xruns == 0 || drift.drift_ppm > 0.0
}

/// The whole 95 % interval lies beyond, on one side.
fn drift(m: &MicrophoneSection, drift: ClockDrift) -> Option<Fault> {
    let least = drift.low_ppm.max(-drift.high_ppm);
    let recorded_ms = m.recorded_ms.as_f64().max(1.0);
    let steps = 1.0 + m.stream.xruns as f64;
    let threshold = MAX_DRIFT_PPM.max(steps * MIN_DRIFT_MS / recorded_ms * 1e6);
    let evidence = Evidence {
        interval: Some([drift.low_ppm, drift.high_ppm]),
        threshold: Some(threshold.copysign(drift.drift_ppm)),
        ..number("sample_rate_drift", drift.drift_ppm, "ppm")
    };
    (least > threshold)
        .then(|| Fault::limiting("device.microphone.drift", Band::Fair, vec![evidence]))
}

fn muted(mixer: Mixer) -> Option<Fault> {
    let evidence = mixer_evidence(mixer)?;
    Some(Fault::limiting(
        "device.microphone.muted",
        Band::Fail,
        vec![evidence],
    ))
}

/// The switch is off, or the volume is at its lower end.
pub(super) fn mixer_evidence(mixer: Mixer) -> Option<Evidence> {
    let volume = mixer.volume_ratio.map(crate::units::Ratio::as_f64);
    match volume {
        _ if mixer.is_muted => Some(word("mixer", "muted")),
        Some(volume) if volume < MIN_VOLUME_RATIO => Some(Evidence {
            threshold: Some(MIN_VOLUME_RATIO),
            ..number("volume", volume, "ratio")
        }),
        _ => None,
    }
}

fn recorded(m: &MicrophoneSection) -> bool {
    m.recorded_ms.as_f64() >= MIN_RECORDED_MS
}

fn recorded_evidence(m: &MicrophoneSection) -> Evidence {
    number("recorded", m.recorded_ms.as_f64(), "ms")
}

fn digital_silence(m: &MicrophoneSection) -> Option<Fault> {
    let silent = recorded(m) && m.is_digital_silence == Some(true);
    let evidence = vec![word("samples", "all zero"), recorded_evidence(m)];
    silent.then(|| Fault::limiting("device.microphone.digital_silence", Band::Fail, evidence))
}

/// The voice is below good; or there was none although a person was asked to speak; or, where
/// nobody was asked, there is less than the noise of a room.
fn level_low(
    facts: &Facts<'_>,
    outcome: &Outcome<MicrophoneSection>,
    m: &MicrophoneSection,
) -> Option<Fault> {
    const ID: &str = "device.microphone.level_low";
    if let Some((metric, measured)) = facts.measured("speech_level") {
        let threshold = facts.profile.threshold(metric.figure)?;
        let evidence = vec![facts.evidence(metric, &measured)];
        let band = threshold.band(measured.value);
        return (band > Band::Good).then(|| Fault::by_figure(ID, Some(band), evidence));
    }
    let peak = m.peak_dbfs.filter(|_| recorded(m))?.as_f64();
    let evidence = Evidence {
        threshold: Some(MIN_PEAK_DBFS),
        ..number("peak", peak, "dbfs")
    };
    if m.asked_to_speak {
        // In loud noise a voice is not told apart, and the noise is what is wrong.
        if !came_to_its_end(outcome) || is_loud_noise(m) {
            return None;
        }
        let silent = word("voice", "none was heard, though you were asked to speak");
        let evidence = vec![silent, number("peak", peak, "dbfs")];
        return Some(Fault::limiting(ID, Band::Fail, evidence));
    }
    let evidence = vec![evidence, recorded_evidence(m)];
    (peak < MIN_PEAK_DBFS).then(|| Fault::informing(ID, Severity::Warning, evidence))
}

fn level_high(facts: &Facts<'_>) -> Option<Fault> {
    let (metric, measured) = facts.measured("speech_level_ceiling")?;
    let band = facts.profile.threshold(metric.figure)?.band(measured.value);
    let evidence = vec![facts.evidence(metric, &measured)];
    (band > Band::Good)
        .then(|| Fault::by_figure("device.microphone.level_high", Some(band), evidence))
}

fn clipping(m: &MicrophoneSection) -> Option<Fault> {
    let share = m.clipped_ratio?.as_f64();
    let evidence = [
        Evidence {
            threshold: Some(MIN_CLIPPED_RATIO),
            ..number("clipped_ratio", share, "ratio")
        },
        Evidence {
            threshold: Some(MIN_CLIPPED_RUNS as f64),
            ..number("clipped_runs", m.clipped_runs as f64, "count")
        },
    ];
    // An analog stage, or a volume that is lowered behind it, cuts off below full scale.
    let ceiling = m
        .ceiling_dbfs
        .map(|c| number("ceiling", c.as_f64(), "dbfs"));
    let clips = m.clipped_runs >= MIN_CLIPPED_RUNS && share >= MIN_CLIPPED_RATIO;
    let is_cut = clips || ceiling.is_some();
    let evidence = evidence.into_iter().chain(ceiling).collect();
    is_cut.then(|| Fault::limiting("device.microphone.clipping", Band::Fair, evidence))
}

fn hum(hum: MainsHum) -> Option<Fault> {
    let level = hum.level_dbfs.as_f64();
    let evidence = vec![
        Evidence {
            threshold: Some(MIN_HUM_DB),
            ..number("hum_above", hum.above_surroundings_db, "db")
        },
        Evidence {
            threshold: Some(MIN_HUM_DBFS),
            ..number("hum_level", level, "dbfs")
        },
        number("hum_frequency", hum.fundamental_hz, "hz"),
    ];
    let disturbs = hum.above_surroundings_db >= MIN_HUM_DB && level >= MIN_HUM_DBFS;
    disturbs.then(|| Fault::limiting("device.microphone.hum", Band::Fair, evidence))
}

/// What counts is how far the voice stands above the noise; without a voice, how loud the noise is.
fn noisy(m: &MicrophoneSection) -> Option<Fault> {
    let snr = m.snr_db.map(|snr| Evidence {
        threshold: Some(MIN_SNR_DB),
        ..number("snr", snr, "db")
    });
    let floor = m.noise_floor_dbfs.map(|floor| Evidence {
        threshold: m.snr_db.is_none().then_some(MAX_NOISE_DBFS),
        ..number("noise_floor", floor.as_f64(), "dbfs")
    });
    let is_noisy = match (m.snr_db, m.noise_floor_dbfs) {
        (Some(snr), _) => snr < MIN_SNR_DB,
        (None, _) => is_loud_noise(m),
    };
    // Somebody was asked to speak, and nobody was heard.
    let drowns = m.asked_to_speak && m.snr_db.is_none();
    let at_best = if drowns { Band::Fail } else { Band::Fair };
    let evidence = snr.into_iter().chain(floor).collect();
    is_noisy.then(|| Fault::limiting("device.microphone.noisy", at_best, evidence))
}

/// What is quietest is loud, and is noise: where the level varies, somebody speaks without a pause
/// or music plays, and what is quietest then is no noise.
fn is_loud_noise(m: &MicrophoneSection) -> bool {
    let is_loud = |floor: Dbfs| floor.as_f64() > MAX_NOISE_DBFS;
    let is_steady = m.level_range_db.is_none_or(|range| range < MIN_SNR_DB);
    m.noise_floor_dbfs.is_some_and(is_loud) && is_steady
}

/// It costs room and cracks, and others hardly hear it.
fn dc_offset(m: &MicrophoneSection) -> Option<Fault> {
    let offset = m.dc_offset?.abs();
    let evidence = Evidence {
        threshold: Some(MAX_DC_OFFSET),
        ..number("dc_offset", offset, "ratio")
    };
    let id = "device.microphone.dc_offset";
    (offset >= MAX_DC_OFFSET).then(|| Fault::informing(id, Severity::Warning, vec![evidence]))
}

/// A telephone's band is fair; wide band, as headsets over Bluetooth have it, still is good.
fn narrow_band(m: &MicrophoneSection) -> Option<Fault> {
    const ID: &str = "device.microphone.narrow_band";
    let rate = number("sample_rate", f64::from(m.sample_rate_hz), "hz");
    let cut = m.is_narrow_band == Some(true);
    let sound = if cut {
        "cut off above 4 or 8 kHz"
    } else {
        "not cut off"
    };
    let evidence = vec![rate, word("sound", sound)];
    match m.sample_rate_hz {
        ..=TELEPHONE_RATE_HZ => Some(Fault::limiting(ID, Band::Fair, evidence)),
        rate if rate <= WIDE_RATE_HZ || cut => {
            Some(Fault::informing(ID, Severity::Warning, evidence))
        }
        _ => None,
    }
}

/// The other channels are heard.
fn dead_channel(m: &MicrophoneSection) -> Option<Fault> {
    let dead: Vec<String> = m
        .dead_channels
        .iter()
        .map(|c| (c + 1).to_string())
        .collect();
    let evidence = vec![
        word("silent_channels", dead.join(", ")),
        number("channels", f64::from(m.channels), "count"),
    ];
    let id = "device.microphone.dead_channel";
    (!dead.is_empty()).then(|| Fault::informing(id, Severity::Warning, evidence))
}
