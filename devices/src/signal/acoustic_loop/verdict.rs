//! What several recordings of the chirp say together.

use greenroom_reports::units::{Millis, Ratio};
use serde::Serialize;

use crate::signal::acoustic_loop::shot::{Shot, Trace};

/// Largest difference in milliseconds between the delays of several shots in a sound system; above
/// it, buffers or clocks are unstable.
pub const MAX_SPREAD_MS: f64 = 5.0;

/// Least signal-to-noise ratio in dB within the chirp's band.
///
/// Below it a delay is often right and sometimes wrong with no sign of it: the direct sound, weaker
/// than its reverberation, is the first to sink into the noise.
pub const LEAST_SNR_DB: f64 = 0.0;

/// Least share by which the first peak's amplitude has to stand above the highest of noise.
const LEAST_CONFIDENCE: f64 = 0.05;

/// Whether the microphone hears the speaker.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum LoopVerdict {
    /// The chirp came back.
    Heard(Heard),
    /// Nothing came back, and the recordings were quiet enough to tell.
    NotHeard,
    /// The recordings do not tell.
    Uncertain(Doubt),
}

/// How the chirp came back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Heard {
    /// From the chirp's begin in the recording's own time to the direct sound; the median of the
    /// shots.
    pub delay_ms: Millis,
    /// Largest less smallest delay of the shots.
    pub spread_ms: Millis,
    /// Level recorded less level played in dB: the chirp's band, with all reverberation.
    pub gain_db: f64,
    /// Level played less level of the echo in dB: 300–3400 Hz, within 20 ms of the highest peak.
    /// Under 10 dB the far end hears itself unless an echo canceller works hard.
    pub echo_return_loss_db: f64,
    /// Power of the chirp over that of everything else while it sounds, in the chirp's band, in
    /// dB; absent when there was nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snr_db: Option<f64>,
    /// How far the direct sound stands above the highest peak that noise may reach: 0 at that
    /// height, 1 without noise.
    pub confidence: Ratio,
    /// Shots that heard it.
    pub n_shots: usize,
}

impl Heard {
    /// Whether the shots agree within [`MAX_SPREAD_MS`]. If not, buffers or clocks are unstable.
    pub fn is_stable(&self) -> bool {
        self.spread_ms.as_f64() <= MAX_SPREAD_MS
    }
}

/// Why the recordings do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// There is no recording long enough.
    NoRecording,
    /// The surroundings are louder than the chirp.
    Noise,
    /// Something was found, not often enough or not clearly enough.
    Weak,
}

impl LoopVerdict {
    /// Judges recordings of the same loop; three are usual.
    pub fn from_shots(shots: &[Shot]) -> Self {
        let traces: Vec<Trace> = shots.iter().filter_map(Shot::trace).collect();
        if shots.is_empty() {
            return Self::Uncertain(Doubt::NoRecording);
        }
        if traces.is_empty() {
            let loud = shots.iter().any(|shot| !shot.is_quiet());
            return if loud {
                Self::Uncertain(Doubt::Noise)
            } else {
                Self::NotHeard
            };
        }
        if traces.len() * 2 <= shots.len() {
            return Self::Uncertain(Doubt::Weak);
        }
        Self::from_traces(&traces).unwrap_or(Self::Uncertain(Doubt::Weak))
    }

    fn from_traces(traces: &[Trace]) -> Option<Self> {
        let snr_db = median_of(traces, |t| t.snr_db.unwrap_or(f64::INFINITY))?;
        if snr_db < LEAST_SNR_DB {
            return Some(Self::Uncertain(Doubt::Noise));
        }
        let confidence = median_of(traces, |t| t.confidence)?;
        if confidence < LEAST_CONFIDENCE {
            return None;
        }
        let delays = traces.iter().map(|t| t.delay_ms);
        let (low, high) = delays.fold((f64::MAX, f64::MIN), |(low, high), d| {
            (low.min(d), high.max(d))
        });
        Some(Self::Heard(Heard {
            delay_ms: Millis::new(median_of(traces, |t| t.delay_ms)?)?,
            spread_ms: Millis::new(high - low)?,
            gain_db: median_of(traces, |t| t.gain_db)?,
            echo_return_loss_db: median_of(traces, |t| t.echo_return_loss_db)?,
            snr_db: snr_db.is_finite().then_some(snr_db),
            confidence: Ratio::new(confidence)?,
            n_shots: traces.len(),
        }))
    }
}

/// The median; of an even number the lower of the two in the middle.
fn median_of(traces: &[Trace], figure: impl Fn(&Trace) -> f64) -> Option<f64> {
    let mut values: Vec<f64> = traces.iter().map(figure).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}
