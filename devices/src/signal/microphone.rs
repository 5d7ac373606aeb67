//! Everything that a recording of a microphone tells.

use serde::Serialize;

use crate::signal::meter::channels::{ChannelMeter, ChannelSummary};
use crate::signal::meter::clipping::{ClippingMeter, ClippingSummary};
use crate::signal::meter::level::{LevelMeter, LevelSummary};
use crate::signal::meter::noise::{NoiseMeter, NoiseSummary};
use crate::signal::spectrum::bandwidth::{BandwidthMeter, BandwidthSummary};
use crate::signal::spectrum::hum::{Hum, HumMeter};
use crate::signal::view::{Format, Interleaved};

/// All meters over one stream.
#[derive(Debug)]
pub struct MicrophoneMeter {
    level: LevelMeter,
    noise: NoiseMeter,
    clipping: ClippingMeter,
    channels: ChannelMeter,
    hum: HumMeter,
    bandwidth: BandwidthMeter,
}

/// What all meters say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MicrophoneSummary {
    /// Levels and silence.
    pub level: LevelSummary,
    /// Noise floor.
    pub noise: NoiseSummary,
    /// Clipping.
    pub clipping: ClippingSummary,
    /// Dead channels, offsets and copies.
    pub channels: ChannelSummary,
    /// Mains hum.
    pub hum: Hum,
    /// Bandwidth.
    pub bandwidth: BandwidthSummary,
}

impl MicrophoneMeter {
    /// For streams of this format; `None` as [`LevelMeter::new`].
    pub fn new(format: Format) -> Option<Self> {
        Some(Self {
            level: LevelMeter::new(format)?,
            noise: NoiseMeter::new(format),
            clipping: ClippingMeter::new(format),
            channels: ChannelMeter::new(format),
            hum: HumMeter::new(format),
            bandwidth: BandwidthMeter::new(format),
        })
    }

    /// Takes the next samples.
    pub fn push(&mut self, view: &Interleaved<'_>) {
        self.level.push(view);
        self.noise.push(view);
        self.clipping.push(view);
        self.channels.push(view);
        self.hum.push(view);
        self.bandwidth.push(view);
    }

    /// The level meter, for the bar in a window.
    pub fn level(&self) -> &LevelMeter {
        &self.level
    }

    /// What the samples so far tell.
    pub fn summary(&self) -> MicrophoneSummary {
        MicrophoneSummary {
            level: self.level.summary(),
            noise: self.noise.summary(),
            clipping: self.clipping.summary(),
            channels: self.channels.summary(&self.level),
            hum: self.hum.summary(),
            bandwidth: self.bandwidth.summary(),
        }
    }
}
