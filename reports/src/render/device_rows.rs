//! The figures of cameras, microphones and speakers, as rows.

use super::details::Rows;
use super::devices::{name, size};
use super::words;
use crate::model::camera::{CameraMode, CameraSection, PictureSection, SHARP_FROM};
use crate::model::device::{Device, Mixer, StreamHealth};
use crate::model::microphone::MicrophoneSection;
use crate::model::speaker::{AcousticLoop, LoopDoubt, LoopResult, SpeakerSection};
use crate::units::{Dbfs, display_in};

/// Modes of a camera that are named; the rest is counted.
const MODES_NAMED: usize = 4;

pub(super) fn camera_rows(camera: &CameraSection) -> Vec<(String, String)> {
    let mut rows = Rows::default();
    device_rows(&mut rows, &camera.device, camera.cameras_found);
    rows.add("asked for", mode(&camera.requested));
    rows.some("agreed to", camera.negotiated.as_ref().map(mode));
    rows.some("also offers", modes(camera));
    rows.some(
        "first frame after",
        camera.first_frame_ms.map(|ms| ms.to_string()),
    );
    rows.add("frames", frames(camera));
    rows.some("frame rate", frame_rate(camera));
    rows.some("between frames", between_frames(camera));
    rows.some("picture", camera.picture.as_ref().and_then(picture));
    let encoding = camera.encoding.as_ref().map(|encoding| {
        let fps = display_in("fps", encoding.fps);
        let cpu = encoding.cpu_per_frame_ms;
        let (codec, size) = (&encoding.codec, size(encoding.size));
        format!("{codec} {size}: {fps} on one core, {cpu} a frame")
    });
    rows.some("encoding", encoding);
    rows.0
}

fn device_rows(rows: &mut Rows, device: &Device, found: u64) {
    let default = if device.is_default {
        ", the system's default"
    } else {
        ""
    };
    let backend = words::printable(&device.backend);
    rows.add("device", format!("{}, {backend}{default}", name(device)));
    let fallback = device.fallback.as_deref().map(words::printable);
    rows.some("not the chosen one", fallback);
    rows.add("found", found.to_string());
}

fn mode(mode: &CameraMode) -> String {
    let fps = display_in("fps", f64::from(mode.millifps) / 1000.0);
    let format = words::printable(&mode.pixel_format);
    format!("{} at {fps}, {format}", size(mode.size))
}

fn modes(camera: &CameraSection) -> Option<String> {
    let other = |m: &&CameraMode| Some(*m) != camera.negotiated.as_ref();
    let others: Vec<String> = camera.modes.iter().filter(other).map(mode).collect();
    let more = others.len().saturating_sub(MODES_NAMED);
    let mut named: Vec<String> = others.into_iter().take(MODES_NAMED).collect();
    if more > 0 {
        named.push(format!("{more} more"));
    }
    (!named.is_empty()).then(|| named.join("; "))
}

fn frames(camera: &CameraSection) -> String {
    let dropped = camera.frames_dropped;
    let dropped = dropped.map_or(String::new(), |dropped| format!(", {dropped} dropped"));
    let freezes = camera.freezes.filter(|freezes| *freezes > 0);
    let freezes = freezes.map_or(String::new(), |freezes| format!(", {freezes} freezes"));
    let (came, watched) = (camera.frames, camera.watched_ms);
    let corrupt = camera.frames_corrupt;
    format!("{came} in {watched}{dropped}, {corrupt} damaged{freezes}")
}

fn frame_rate(camera: &CameraSection) -> Option<String> {
    let rate = camera.frame_rate?;
    let [low, fps, high] = [rate.low_fps, rate.fps, rate.high_fps].map(|v| format!("{v:.1}"));
    Some(format!("{fps} fps ({low} to {high})"))
}

fn between_frames(camera: &CameraSection) -> Option<String> {
    let p95 = camera.frame_interval_p95_ms;
    let p95 = p95.map(|p95| format!("95th percentile {p95}"));
    let jitter = camera.frame_interval_jitter_ms;
    let jitter = jitter.map(|jitter| format!("varies by {jitter}"));
    joined([p95, jitter])
}

fn picture(picture: &PictureSection) -> Option<String> {
    let luma = picture.mean_luma;
    let luma = luma.map(|luma| format!("brightness {}", display_in("luma", luma)));
    let noise = picture.noise.map(|noise| format!("noise {noise:.1}"));
    let sharpness = picture.sharpness;
    let sharpness = sharpness.map(|s| format!("sharpness {s:.2} (sharp from {SHARP_FROM})"));
    let pictures = Some(format!("{} pictures", picture.pictures));
    joined([luma, noise, sharpness, pictures])
}

pub(super) fn microphone_rows(microphone: &MicrophoneSection) -> Vec<(String, String)> {
    let mut rows = Rows::default();
    device_rows(&mut rows, &microphone.device, microphone.microphones_found);
    let rate = microphone.sample_rate_hz;
    rows.add("format", format(rate, microphone.channels));
    rows.some("sound settings", microphone.mixer.as_ref().map(mixer));
    rows.some(
        "first sound after",
        microphone.first_sample_ms.map(|ms| ms.to_string()),
    );
    rows.add("recorded", microphone.recorded_ms.to_string());
    rows.add("stream", stream(&microphone.stream));
    rows.some("level", level(microphone));
    rows.some("noise", noise(microphone));
    rows.some("cut off", clipped(microphone));
    let offset = microphone.dc_offset;
    rows.some(
        "offset",
        offset.map(|offset| format!("{:.2} %", offset * 100.0)),
    );
    let hum = microphone.hum.map(|hum| {
        let above = display_in("db", hum.above_surroundings_db);
        let frequency = display_in("hz", hum.fundamental_hz);
        format!(
            "{frequency} at {}, {above} above its surroundings",
            hum.level_dbfs
        )
    });
    rows.some("hum", hum);
    rows.some("bandwidth", bandwidth(microphone));
    let drift = microphone.drift.map(|drift| {
        let [low, ppm, high] = [drift.low_ppm, drift.drift_ppm, drift.high_ppm];
        format!("{ppm:.0} ppm ({low:.0} to {high:.0})")
    });
    rows.some("clock deviates", drift);
    rows.0
}

fn format(rate_hz: u32, channels: u16) -> String {
    let noun = if channels == 1 { "channel" } else { "channels" };
    format!("{rate_hz} Hz, {channels} {noun}")
}

fn mixer(mixer: &Mixer) -> String {
    let volume = mixer.volume_ratio.map(|volume| format!("volume {volume}"));
    let muted = mixer.is_muted.then(|| "muted".to_owned());
    joined([muted, volume]).unwrap_or_else(|| "not muted".to_owned())
}

fn stream(stream: &StreamHealth) -> String {
    let gap = stream.longest_gap_ms;
    let gap = gap.map_or(String::new(), |gap| format!(", longest wait {gap}"));
    let (callbacks, xruns) = (stream.callbacks, stream.xruns);
    format!("{callbacks} buffers, {xruns} with lost samples{gap}")
}

fn level(microphone: &MicrophoneSection) -> Option<String> {
    let of = |name: &str, level: Option<Dbfs>| level.map(|level| format!("{name} {level}"));
    let loudness = microphone.loudness_lufs;
    joined([
        of("voice", microphone.speech_level_dbfs),
        of("peak", microphone.peak_dbfs),
        of("RMS", microphone.rms_dbfs),
        loudness.map(|loudness| format!("loudness {loudness:.1} LUFS")),
    ])
}

fn noise(microphone: &MicrophoneSection) -> Option<String> {
    let floor = microphone.noise_floor_dbfs;
    let snr = microphone.snr_db;
    joined([
        floor.map(|floor| format!("floor {floor}")),
        snr.map(|snr| format!("voice {} above it", display_in("db", snr))),
    ])
}

fn clipped(microphone: &MicrophoneSection) -> Option<String> {
    let ratio = microphone.clipped_ratio?;
    let runs = microphone.clipped_runs;
    let ceiling = microphone.ceiling_dbfs.map(|c| format!(", and at {c}"));
    let ceiling = ceiling.unwrap_or_default();
    Some(format!("{ratio} of the samples, {runs} times{ceiling}"))
}

fn bandwidth(microphone: &MicrophoneSection) -> Option<String> {
    let roll_off = microphone.roll_off_hz;
    let cut = microphone.is_narrow_band == Some(true);
    joined([
        roll_off.map(|hz| format!("95 % of the power below {}", display_in("hz", hz))),
        cut.then(|| "cut off as by a telephone".to_owned()),
    ])
}

pub(super) fn speaker_rows(speaker: &SpeakerSection) -> Vec<(String, String)> {
    let mut rows = Rows::default();
    device_rows(&mut rows, &speaker.device, speaker.speakers_found);
    let rate = speaker.sample_rate_hz;
    rows.add("format", format(rate, speaker.channels));
    rows.some("sound settings", speaker.mixer.as_ref().map(mixer));
    rows.some(
        "played at",
        speaker.played_peak_dbfs.map(|dbfs| dbfs.to_string()),
    );
    rows.some(
        "taken after",
        speaker.first_callback_ms.map(|ms| ms.to_string()),
    );
    rows.add("stream", stream(&speaker.stream));
    let acoustic = speaker.acoustic_loop.as_ref();
    let by = acoustic.map(|heard| name(&heard.microphone));
    rows.some("listened to by", by);
    rows.some("test sound", acoustic.map(heard));
    rows.0
}

fn heard(acoustic: &AcousticLoop) -> String {
    let shots = acoustic.shots;
    match acoustic.result {
        LoopResult::Heard {
            delay_ms,
            spread_ms,
            echo_return_loss_db,
            snr_db,
            ..
        } => {
            let loss = display_in("db", echo_return_loss_db);
            let snr = snr_db.map_or(String::new(), |snr| {
                format!(", {} above the noise", display_in("db", snr))
            });
            format!(
                "heard after {delay_ms}, differing by {spread_ms}; {loss} weaker{snr}; played \
                 {shots} times"
            )
        }
        LoopResult::NotHeard => format!("not heard, played {shots} times"),
        LoopResult::Uncertain { doubt } => format!("uncertain: {}", why(doubt)),
    }
}

fn why(doubt: LoopDoubt) -> &'static str {
    match doubt {
        LoopDoubt::NoRecording => "no recording is long enough",
        LoopDoubt::Noise => "it is louder around than the test sound",
        LoopDoubt::Weak => "something was heard, but not clearly",
    }
}

fn joined<const N: usize>(parts: [Option<String>; N]) -> Option<String> {
    let known: Vec<String> = parts.into_iter().flatten().collect();
    (!known.is_empty()).then(|| known.join(", "))
}
