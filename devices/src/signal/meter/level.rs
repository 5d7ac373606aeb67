//! Peak, RMS, active speech level and loudness, and silence of two kinds.

use std::fmt;

use ebur128::{Channel, EbuR128, Mode};
use serde::Serialize;

use crate::signal::meter::speech::{ActiveSpeech, SpeechMeter};
use crate::signal::view::{Format, Interleaved, finite};
use greenroom_reports::units::Dbfs;

/// Largest amplitude that counts as digital silence: one step of 16 bit.
///
/// A switch or a mixer that mutes gives zeros; a converter's dither may toggle the lowest bit.
pub(super) const DIGITAL_SILENCE: f64 = 1.0 / 32_768.0;

/// RMS in dBFS under which a microphone that is not muted gives practically nothing. Any live room
/// is louder at a usable gain.
pub const QUIET_DBFS: f64 = -70.0;

/// Length of what [`LevelMeter::latest`] tells, in seconds: 20 readings a second look steady.
const LATEST_SECONDS: f64 = 0.05;

/// Length of a momentary loudness in seconds. Source: EBU Tech 3341.
const MOMENTARY_SECONDS: f64 = 0.4;

/// Loudness in LUFS that `ebur128` gives at the least; below its gate nothing is left.
const GATE_LUFS: f64 = -70.0;

/// Levels of a stream, for a report and for the bar in a window.
pub struct LevelMeter {
    format: Format,
    whole: Vec<ChannelLevel>,
    speech: Vec<SpeechMeter>,
    block: Vec<ChannelLevel>,
    latest: Option<LatestLevel>,
    loudness: EbuR128,
    n_not_finite: u64,
}

/// Level of the latest complete 50 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LatestLevel {
    /// Highest amplitude of any channel; absent when all are zero.
    pub peak_dbfs: Option<Dbfs>,
    /// RMS of the loudest channel without its DC offset; absent when all are constant.
    pub rms_dbfs: Option<Dbfs>,
}

/// Levels of a whole stream. What was not measured or has no level is absent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LevelSummary {
    /// Samples of each channel.
    pub n_frames: u64,
    /// Samples that were NaN or infinite, of all channels; they counted as zero.
    pub n_not_finite: u64,
    /// The channel with the highest RMS, counted from zero.
    pub loudest_channel: usize,
    /// Highest amplitude of any channel.
    pub peak_dbfs: Option<Dbfs>,
    /// RMS of the loudest channel without its DC offset.
    pub rms_dbfs: Option<Dbfs>,
    /// Speech of the loudest channel. Steady noise counts as speech too.
    pub speech: Option<ActiveSpeech>,
    /// Loudness of the latest 400 ms in LUFS, all channels weighted alike.
    pub momentary_lufs: Option<f64>,
    /// Gated loudness of everything in LUFS.
    pub integrated_lufs: Option<f64>,
    /// Whether there is any sound; absent without a sample.
    pub silence: Option<Silence>,
}

/// Whether there is sound, and if not, of which kind the silence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Silence {
    /// Nothing but zeros, or one step of 16 bit: muted, or access is withheld.
    Digital,
    /// Below [`QUIET_DBFS`]: the gain is far too low, or nothing is plugged in.
    Quiet,
    /// There is sound.
    Sound,
}

impl fmt::Debug for LevelMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LevelMeter")
            .field("format", &self.format)
            .field("latest", &self.latest)
            .finish_non_exhaustive()
    }
}

impl LevelMeter {
    /// A meter for streams of this format; `None` when the loudness cannot be measured in it,
    /// which no valid format is known to cause.
    pub fn new(format: Format) -> Option<Self> {
        let channels = format.channels();
        Some(Self {
            format,
            whole: vec![ChannelLevel::default(); channels],
            speech: vec![SpeechMeter::new(format.rate()); channels],
            block: vec![ChannelLevel::default(); channels],
            latest: None,
            loudness: loudness_meter(format)?,
            n_not_finite: 0,
        })
    }

    /// Takes the next samples. Those of another format are read as if they were of the meter's.
    pub fn push(&mut self, view: &Interleaved<'_>) {
        self.n_not_finite += view.n_not_finite() as u64;
        let block = self.format.rate().samples_in(LATEST_SECONDS) as u64;
        for frame in view.frames() {
            for (channel, sample) in frame.enumerate().take(self.format.channels()) {
                self.whole[channel].push(sample);
                self.block[channel].push(sample);
                self.speech[channel].push(sample);
            }
            if self.block[0].n_samples >= block {
                self.end_block();
            }
        }
        let finite: Vec<f32> = view.frames().flatten().map(finite).collect();
        // It fails for samples that are no whole frames only, and a view has whole frames.
        self.loudness.add_frames_f32(&finite).unwrap_or_default();
    }

    /// The latest complete 50 ms; `None` before.
    pub fn latest(&self) -> Option<LatestLevel> {
        self.latest
    }

    /// Loudness of the latest 400 ms in LUFS; `None` before, and in digital silence.
    pub fn momentary_lufs(&self) -> Option<f64> {
        let enough = self.format.rate().samples_in(MOMENTARY_SECONDS) as u64;
        let loudness = self.loudness.loudness_momentary().ok()?;
        (self.whole[0].n_samples >= enough && loudness.is_finite()).then_some(loudness)
    }

    /// Levels of everything so far.
    pub fn summary(&self) -> LevelSummary {
        let loudest_channel = loudest(&self.whole);
        let integrated = self.loudness.loudness_global().ok();
        LevelSummary {
            n_frames: self.whole[0].n_samples,
            n_not_finite: self.n_not_finite,
            loudest_channel,
            peak_dbfs: Dbfs::from_amplitude(highest_peak(&self.whole)),
            rms_dbfs: Dbfs::from_power(self.whole[loudest_channel].power()),
            speech: self.speech[loudest_channel].summary(),
            momentary_lufs: self.momentary_lufs(),
            integrated_lufs: integrated.filter(|lufs| lufs.is_finite() && *lufs > GATE_LUFS),
            silence: self.silence(),
        }
    }

    /// Levels of each channel.
    pub(super) fn channels(&self) -> &[ChannelLevel] {
        &self.whole
    }

    fn silence(&self) -> Option<Silence> {
        let power = self.whole[loudest(&self.whole)].power();
        let quiet = Dbfs::from_power(power).is_none_or(|rms| rms.as_f64() < QUIET_DBFS);
        let silence = if highest_peak(&self.whole) <= DIGITAL_SILENCE {
            Silence::Digital
        } else if quiet {
            Silence::Quiet
        } else {
            Silence::Sound
        };
        (self.whole[0].n_samples > 0).then_some(silence)
    }

    fn end_block(&mut self) {
        self.latest = Some(LatestLevel {
            peak_dbfs: Dbfs::from_amplitude(highest_peak(&self.block)),
            rms_dbfs: Dbfs::from_power(self.block[loudest(&self.block)].power()),
        });
        self.block.fill(ChannelLevel::default());
    }
}

/// Sums over one channel.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ChannelLevel {
    peak: f32,
    sum: f64,
    sum_of_squares: f64,
    n_samples: u64,
}

impl ChannelLevel {
    fn push(&mut self, sample: f32) {
        let wide = f64::from(sample);
        self.peak = self.peak.max(sample.abs());
        self.sum += wide;
        self.sum_of_squares += wide * wide;
        self.n_samples += 1;
    }

    /// Highest amplitude.
    pub(super) fn peak(&self) -> f64 {
        f64::from(self.peak)
    }

    /// Mean; zero without a sample.
    pub(super) fn mean(&self) -> f64 {
        self.sum / self.n_samples.max(1) as f64
    }

    /// Mean square about the mean; zero without a sample, and for a constant, where only rounding
    /// is left.
    pub(super) fn power(&self) -> f64 {
        let whole = self.sum_of_squares / self.n_samples.max(1) as f64;
        let power = whole - self.mean().powi(2);
        if power > whole * 1e-12 { power } else { 0.0 }
    }
}

/// The channel with the highest RMS, the first of equals.
pub(super) fn loudest(channels: &[ChannelLevel]) -> usize {
    let powers = channels.iter().map(ChannelLevel::power).enumerate();
    let (channel, _) = powers.fold(
        (0, 0.0),
        |best, this| if this.1 > best.1 { this } else { best },
    );
    channel
}

fn highest_peak(channels: &[ChannelLevel]) -> f64 {
    channels.iter().map(ChannelLevel::peak).fold(0.0, f64::max)
}

/// Of bounded memory, and with all channels alike: microphones have no surround channels.
fn loudness_meter(format: Format) -> Option<EbuR128> {
    let channels = u32::try_from(format.channels()).ok()?;
    let mode = Mode::M | Mode::I | Mode::HISTOGRAM;
    let mut meter = EbuR128::new(channels, format.rate().get(), mode).ok()?;
    for channel in 0..channels {
        meter.set_channel(channel, Channel::Center).ok()?;
    }
    Some(meter)
}
