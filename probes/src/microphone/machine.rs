//! From samples to a section of the report. Reads no clock, opens nothing.

use std::time::{Duration, Instant};

use greenroom_devices::audio::backend::MixerState;
use greenroom_devices::audio::capture::chunk::Chunk;
use greenroom_devices::signal::drift::DriftMeter;
use greenroom_devices::signal::meter::level::Silence;
use greenroom_devices::signal::microphone::{MicrophoneMeter, MicrophoneSummary};
use greenroom_devices::signal::spectrum::bandwidth::Band;
use greenroom_devices::signal::spectrum::hum::Hum;
use greenroom_devices::signal::view::{Format, Interleaved};
use greenroom_reports::model::device::{Device, StreamHealth};
use greenroom_reports::model::microphone::{ClockDrift, MainsHum, MicrophoneSection};
use greenroom_reports::units::{Dbfs, Millis};

/// Begin of a recording that is left out: a microphone that wakes up clicks and drifts.
pub(super) const SETTLE: Duration = Duration::from_millis(100);

/// Shortest sound of which silence is told.
const LEAST_FOR_SILENCE: Duration = Duration::from_millis(200);

/// Decibels by which the loudest frames stand above the quietest when somebody spoke.
const LEAST_SPEECH_DB: f64 = 10.0;

/// Highest sample rate at which a microphone is narrow by itself, as headsets in telephone mode.
const NARROW_RATE_HZ: u32 = 16_000;

/// What is known beside the samples.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) device: Device,
    pub(super) n_found: usize,
    pub(super) mixer: Option<MixerState>,
    pub(super) first_samples_after: Option<Duration>,
    pub(super) stream: StreamHealth,
    pub(super) asked_to_speak: bool,
}

/// Listens to one stream.
#[derive(Debug)]
pub(super) struct MicrophoneMachine {
    format: Format,
    meter: Option<MicrophoneMeter>,
    drift: DriftMeter,
    begin: Option<(u64, Instant)>,
    /// Place behind the last sample.
    end_frame: u64,
    n_frames: u64,
    n_heard: u64,
}

impl MicrophoneMachine {
    /// For a stream of this format.
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            meter: MicrophoneMeter::new(format),
            drift: DriftMeter::new(format.rate()),
            begin: None,
            end_frame: 0,
            n_frames: 0,
            n_heard: 0,
        }
    }

    /// Takes the next samples.
    pub(super) fn push(&mut self, chunk: &Chunk) {
        if chunk.first_frame < self.end_frame {
            // It was opened once more, with larger buffers: its clock is counted anew.
            self.begin = None;
            self.drift = DriftMeter::new(self.format.rate());
        }
        self.end_frame = chunk.end_frame();
        let (first_frame, first_at) = *self.begin.get_or_insert((chunk.first_frame, chunk.at));
        let came = chunk.at.saturating_duration_since(first_at);
        let end = chunk.end_frame().saturating_sub(first_frame);
        self.drift.push(came, end);
        let view = chunk.view();
        let settle = self.frames_in(SETTLE).saturating_sub(self.n_frames);
        self.n_frames += view.n_frames() as u64;
        let skipped = usize::try_from(settle).unwrap_or(usize::MAX);
        let skipped = skipped.saturating_mul(self.format.channels());
        let heard = chunk.samples.get(skipped..).unwrap_or_default();
        let heard = Interleaved::new(heard, self.format);
        self.n_heard += heard.n_frames() as u64;
        if let Some(meter) = &mut self.meter {
            meter.push(&heard);
        }
    }

    /// How much was recorded.
    pub(super) fn recorded(&self) -> Duration {
        self.time_of(self.n_frames)
    }

    /// What all samples so far tell.
    pub(super) fn section(&self, facts: Facts) -> MicrophoneSection {
        let spoke = facts.asked_to_speak;
        let mut section = MicrophoneSection {
            device: facts.device,
            microphones_found: facts.n_found as u64,
            sample_rate_hz: self.format.rate().get(),
            channels: u16::try_from(self.format.channels()).unwrap_or(u16::MAX),
            mixer: facts.mixer.map(MixerState::to_report),
            first_sample_ms: facts.first_samples_after.map(Millis::from),
            recorded_ms: self.recorded().into(),
            stream: facts.stream,
            asked_to_speak: facts.asked_to_speak,
            peak_dbfs: None,
            rms_dbfs: None,
            speech_level_dbfs: None,
            loudness_lufs: None,
            noise_floor_dbfs: None,
            level_range_db: None,
            snr_db: None,
            is_digital_silence: None,
            clipped_runs: 0,
            clipped_ratio: None,
            ceiling_dbfs: None,
            dc_offset: None,
            hum: None,
            roll_off_hz: None,
            is_narrow_band: None,
            dead_channels: Vec::new(),
            drift: self.clock_drift(),
        };
        if let Some(meter) = self.meter.as_ref().filter(|_| self.n_heard > 0) {
            let summary = meter.summary();
            fill_levels(&mut section, &summary, spoke);
            self.fill_faults(&mut section, &summary);
        }
        section
    }

    fn fill_faults(&self, section: &mut MicrophoneSection, summary: &MicrophoneSummary) {
        let enough = self.time_of(self.n_heard) >= LEAST_FOR_SILENCE;
        let silence = summary.level.silence.filter(|_| enough);
        section.is_digital_silence = silence.map(|silence| silence == Silence::Digital);
        section.clipped_runs = summary.clipping.n_runs;
        section.clipped_ratio = summary.clipping.clipped_ratio;
        section.ceiling_dbfs = summary.clipping.ceiling_dbfs;
        section.dc_offset = summary.channels.largest_offset();
        section.hum = hum(&summary.hum);
        section.roll_off_hz = summary.bandwidth.roll_off_hz;
        section.is_narrow_band = self.is_narrow(summary.bandwidth.band);
        let channels = summary.channels.channels.iter().enumerate();
        let dead = channels.filter(|(_, channel)| channel.is_dead);
        section.dead_channels = dead.filter_map(|(n, _)| u16::try_from(n).ok()).collect();
    }

    fn is_narrow(&self, band: Band) -> Option<bool> {
        match band {
            _ if self.format.rate().get() <= NARROW_RATE_HZ => Some(true),
            Band::Unknown => None,
            Band::EndsAt(_) => Some(true),
            Band::Wide => Some(false),
        }
    }

    fn clock_drift(&self) -> Option<ClockDrift> {
        let drift = self.drift.summary()?;
        Some(ClockDrift {
            drift_ppm: drift.drift_ppm,
            low_ppm: drift.low_ppm,
            high_ppm: drift.high_ppm,
        })
    }

    fn frames_in(&self, span: Duration) -> u64 {
        u64::from(self.format.rate().get()) * u64::try_from(span.as_millis()).unwrap_or(0) / 1000
    }

    fn time_of(&self, frames: u64) -> Duration {
        Duration::from_secs_f64(frames as f64 / self.format.rate().as_hz())
    }
}

fn fill_levels(section: &mut MicrophoneSection, summary: &MicrophoneSummary, asked: bool) {
    let (level, noise) = (&summary.level, &summary.noise);
    section.peak_dbfs = level.peak_dbfs;
    section.rms_dbfs = level.rms_dbfs;
    section.loudness_lufs = level.integrated_lufs;
    section.noise_floor_dbfs = noise.noise_floor_dbfs;
    section.level_range_db = noise.snr_db;
    let stands_out = noise.snr_db.filter(|snr| *snr >= LEAST_SPEECH_DB);
    let sounds = level.silence == Some(Silence::Sound);
    if let Some(snr) = stands_out.filter(|_| asked && sounds) {
        section.snr_db = Some(snr);
        section.speech_level_dbfs = level.speech.map(|speech| speech.level_dbfs);
    }
}

fn hum(hum: &Hum) -> Option<MainsHum> {
    let Hum::Present(hum) = hum else {
        return None;
    };
    let level_dbfs: Dbfs = hum.level_dbfs?;
    Some(MainsHum {
        fundamental_hz: f64::from(hum.mains_hz),
        level_dbfs,
        above_surroundings_db: hum.prominence_db,
    })
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::disallowed_methods,
        reason = "an arbitrary instant to count from"
    )]

    use greenroom_devices::signal::testing::sounds::{tone, white_noise};
    use greenroom_devices::signal::view::SampleRate;
    use greenroom_reports::model::sensitive::Sensitive;
    use greenroom_reports::samples::Random;

    use super::*;

    fn format(rate: u32, channels: usize) -> Format {
        Format::new(SampleRate::new(rate).unwrap(), channels).unwrap()
    }

    fn facts(asked_to_speak: bool) -> Facts {
        Facts {
            device: Device {
                id: Sensitive::new("pulse:mic"),
                name: "Lab".to_owned(),
                backend: "pulseaudio".to_owned(),
                is_default: true,
                is_synthetic: false,
                fallback: None,
            },
            n_found: 2,
            mixer: None,
            first_samples_after: Some(Duration::from_millis(30)),
            stream: StreamHealth::default(),
            asked_to_speak,
        }
    }

    /// A stream of 10 ms chunks.
    fn listen(samples: &[f32], format: Format, asked: bool) -> MicrophoneSection {
        let begin = Instant::now();
        let mut machine = MicrophoneMachine::new(format);
        let n_frames = format.rate().get() as usize / 100;
        for (n, samples) in samples.chunks(n_frames * format.channels()).enumerate() {
            machine.push(&Chunk {
                first_frame: (n * n_frames) as u64,
                at: begin + Duration::from_millis(10) * u32::try_from(n).unwrap(),
                samples: samples.to_vec(),
                format,
            });
        }
        machine.section(facts(asked))
    }

    /// Half a second of noise, half a second of nearly nothing, and again.
    fn speech() -> Vec<f32> {
        let mut random = Random::new(3);
        let mut samples = Vec::new();
        for _ in 0..3 {
            samples.extend(white_noise(&mut random, 24_000, 0.05));
            samples.extend(white_noise(&mut random, 24_000, 0.0005));
        }
        samples
    }

    #[test]
    fn nothing_heard_is_absent_not_zero() {
        let section = MicrophoneMachine::new(format(48_000, 1)).section(facts(true));
        assert_eq!(section.recorded_ms, Millis::ZERO);
        assert_eq!(
            (section.peak_dbfs, section.is_digital_silence),
            (None, None)
        );
        assert_eq!((section.drift, section.is_narrow_band), (None, None));
    }

    #[test]
    fn zeros_are_digital_silence_once_there_are_enough() {
        let section = listen(&vec![0.0; 48_000], format(48_000, 1), false);
        assert_eq!(section.is_digital_silence, Some(true));
        assert_eq!(section.rms_dbfs, None);
        let short = listen(&vec![0.0; 9_600], format(48_000, 1), false);
        assert_eq!(short.is_digital_silence, None);
    }

    #[test]
    fn speech_is_told_only_of_who_was_asked_to_speak() {
        let samples = speech();
        let section = listen(&samples, format(48_000, 1), true);
        let level = section.speech_level_dbfs.unwrap().as_f64();
        // Noise at −26 dBFS for half of the time; a fifth of a second behind each counts as speech.
        assert!((level + 27.5).abs() < 0.8, "{level}");
        assert!((section.snr_db.unwrap() - 40.0).abs() < 3.0, "{section:?}");
        let silent = listen(&samples, format(48_000, 1), false);
        assert_eq!((silent.speech_level_dbfs, silent.snr_db), (None, None));
        assert_eq!(silent.noise_floor_dbfs, section.noise_floor_dbfs);
        assert_eq!(silent.level_range_db, section.snr_db);
    }

    #[test]
    fn steady_noise_is_no_speech() {
        let noise = white_noise(&mut Random::new(5), 144_000, 0.01);
        let section = listen(&noise, format(48_000, 1), true);
        assert_eq!(section.speech_level_dbfs, None);
    }

    #[test]
    fn sound_cut_off_below_full_scale_has_a_ceiling() {
        let overdriven: Vec<f32> = tone(48_000.0, 96_000, 440.0, 2.0)
            .iter()
            .map(|s| s.clamp(-0.5, 0.5))
            .collect();
        let section = listen(&overdriven, format(48_000, 1), false);
        let ceiling = section.ceiling_dbfs.unwrap().as_f64();
        assert!((ceiling + 6.0).abs() < 0.3, "{ceiling}");
        assert_eq!(section.clipped_runs, 0);
    }

    #[test]
    fn the_click_at_the_begin_is_left_out() {
        let mut samples = tone(48_000.0, 96_000, 440.0, 0.1);
        samples[..4_000].fill(1.0);
        let section = listen(&samples, format(48_000, 1), false);
        assert!((section.peak_dbfs.unwrap().as_f64() + 20.0).abs() < 0.1);
        assert_eq!(section.clipped_runs, 0);
        assert_eq!(section.recorded_ms, Millis::new(2000.0).unwrap());
    }

    #[test]
    fn a_dead_channel_is_named() {
        let left = tone(48_000.0, 48_000, 440.0, 0.1);
        let samples: Vec<f32> = left.iter().flat_map(|s| [*s, 0.0]).collect();
        let section = listen(&samples, format(48_000, 2), false);
        assert_eq!(section.dead_channels, [1]);
        assert_eq!(section.channels, 2);
    }

    #[test]
    fn a_rate_of_telephones_is_narrow_whatever_is_heard() {
        let section = listen(
            &tone(16_000.0, 32_000, 440.0, 0.1),
            format(16_000, 1),
            false,
        );
        assert_eq!(section.is_narrow_band, Some(true));
    }

    #[test]
    fn a_stream_that_is_opened_once_more_does_not_drift() {
        let format = format(48_000, 1);
        let mut machine = MicrophoneMachine::new(format);
        let begin = Instant::now();
        let samples = tone(48_000.0, 480, 1000.0, 0.1);
        // A tenth of a second, a pause of 0.8 s, and two seconds whose frames begin at zero again.
        for (n, first, start_ms) in [(10, 0, 0), (200, 0, 900)] {
            for k in 0..n {
                machine.push(&Chunk {
                    first_frame: first + k * 480,
                    at: begin + Duration::from_millis(start_ms + 10 * (k + 1)),
                    samples: samples.clone(),
                    format,
                });
            }
        }
        assert_eq!(machine.recorded(), Duration::from_millis(2100));
        let drift = machine.section(facts(false)).drift.unwrap();
        assert!(drift.drift_ppm.abs() < 1.0, "{drift:?}");
    }

    #[test]
    fn a_clock_that_is_right_does_not_drift() {
        let drift = listen(&speech(), format(48_000, 1), false).drift.unwrap();
        assert!(drift.drift_ppm.abs() < 1.0, "{drift:?}");
    }
}
