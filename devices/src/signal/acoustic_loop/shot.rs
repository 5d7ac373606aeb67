//! One recording of the chirp.

use crate::signal::acoustic_loop::arrival::{Arrival, MAX_DELAY_SECONDS};
use crate::signal::acoustic_loop::chirp::{CHIRP_SECONDS, Chirp};
use crate::signal::acoustic_loop::correlation::Correlator;
use crate::signal::acoustic_loop::echo::Echo;

/// Seconds to record from the chirp's begin, so that the longest delay is found with its whole
/// chirp.
pub const RECORDING_SECONDS: f64 = MAX_DELAY_SECONDS + CHIRP_SECONDS + 0.1;

/// Looks for the chirp in recordings that begin when the chirp begins to be played.
#[derive(Debug)]
pub struct AcousticLoop {
    chirp: Chirp,
    correlator: Correlator,
}

/// One recording, searched for the chirp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shot {
    trace: Option<Trace>,
    is_quiet: bool,
}

/// Where and how loud the chirp is in one recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trace {
    /// From the recording's begin to the direct sound, in milliseconds.
    pub delay_ms: f64,
    /// See [`super::verdict::Heard::gain_db`].
    pub gain_db: f64,
    /// See [`super::verdict::Heard::echo_return_loss_db`].
    pub echo_return_loss_db: f64,
    /// See [`super::verdict::Heard::snr_db`].
    pub snr_db: Option<f64>,
    /// 0..=1, see [`super::verdict::Heard::confidence`].
    pub confidence: f64,
}

impl Shot {
    /// Where the chirp is; `None` when nothing rises above the noise.
    pub fn trace(&self) -> Option<Trace> {
        self.trace
    }

    /// Whether the recording is quieter than the chirp was played. If it is and shows no chirp, the
    /// loop is open; otherwise the chirp may be hidden.
    pub fn is_quiet(&self) -> bool {
        self.is_quiet
    }
}

impl Trace {
    fn new(arrival: Arrival, echo: Echo) -> Self {
        Self {
            delay_ms: arrival.delay_seconds * 1000.0,
            gain_db: decibels(echo.gain),
            echo_return_loss_db: -decibels(echo.coupling),
            snr_db: echo.snr.map(decibels),
            confidence: arrival.confidence,
        }
    }
}

impl AcousticLoop {
    /// For recordings at the chirp's own rate, of [`RECORDING_SECONDS`].
    pub fn new(chirp: Chirp) -> Option<Self> {
        let n_samples = chirp.rate().samples_in(RECORDING_SECONDS);
        let correlator = Correlator::new(&chirp, n_samples)?;
        Some(Self { chirp, correlator })
    }

    /// Searches one recording, of one channel.
    ///
    /// Samples beyond [`RECORDING_SECONDS`] are left out; a shorter recording is searched for
    /// shorter delays, and `None` when it is no longer than the chirp. What is not finite counts
    /// as zero.
    pub fn search(&self, recording: &[f32]) -> Option<Shot> {
        let rate = self.chirp.rate();
        let n_samples = recording.len().min(rate.samples_in(RECORDING_SECONDS));
        let seconds = n_samples as f64 / rate.as_hz();
        let longest = (seconds - CHIRP_SECONDS).min(MAX_DELAY_SECONDS);
        if longest <= 0.0 {
            return None;
        }
        let spectrum = self.correlator.spectrum(&recording[..n_samples])?;
        let band = self.correlator.band();
        let recorded = self.correlator.energy(&spectrum, band.clone()) / seconds;
        let played = self.correlator.reference_energy(band) / CHIRP_SECONDS;
        let envelope = self.correlator.sharp_envelope(&spectrum)?;
        let n_lags = envelope.steps_in(longest);
        let trace = Arrival::find(&envelope, n_lags).and_then(|arrival| {
            let peak = arrival.peak_seconds;
            let echo = Echo::measure(&self.correlator, &spectrum, n_lags, peak, seconds)?;
            Some(Trace::new(arrival, echo))
        });
        Some(Shot {
            trace,
            is_quiet: recorded < played,
        })
    }
}

/// A ratio of powers in dB, at least −120.
fn decibels(ratio: f64) -> f64 {
    10.0 * ratio.max(1e-12).log10()
}
