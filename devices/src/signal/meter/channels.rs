//! Channels that are dead, offset, or copies of each other.

use serde::Serialize;

use crate::signal::meter::level::{ChannelLevel, DIGITAL_SILENCE, LevelMeter, QUIET_DBFS, loudest};
use crate::signal::view::{Format, Interleaved};
use greenroom_reports::units::Dbfs;

/// Decibels under the loudest channel from which a channel counts as dead: crosstalk in a cable
/// reaches this much, a voice at two capsules differs by far less.
const DEAD_DB: f64 = 40.0;

/// Largest difference between samples of channels that are copies: half a step of 16 bit. Source:
/// testrtc, which calls a microphone mono by it.
const SAME: f32 = 1.0 / 65_536.0;

/// Compares the channels of a stream.
#[derive(Clone, Debug)]
pub struct ChannelMeter {
    differs: bool,
    n_channels: usize,
}

/// What each channel is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChannelSummary {
    /// By channel, in order.
    pub channels: Vec<ChannelState>,
    /// Whether all channels are copies of one; absent with one channel, and in silence.
    pub are_identical: Option<bool>,
}

/// One channel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ChannelState {
    /// RMS without the offset; absent when constant.
    pub rms_dbfs: Option<Dbfs>,
    /// Mean of the samples, full scale being 1: the DC offset.
    pub offset: f64,
    /// Whether it carries nothing while another one does.
    pub is_dead: bool,
}

impl ChannelMeter {
    /// For streams of this format.
    pub fn new(format: Format) -> Self {
        Self {
            differs: false,
            n_channels: format.channels(),
        }
    }

    /// Takes the next samples.
    pub fn push(&mut self, view: &Interleaved<'_>) {
        self.differs = self.differs || view.frames().any(differs);
    }

    /// What the channels are, with the levels of the same stream.
    pub fn summary(&self, level: &LevelMeter) -> ChannelSummary {
        let channels = level.channels();
        let best = channels[loudest(channels)];
        let sounds = best.peak() > DIGITAL_SILENCE && best.power() > 0.0;
        ChannelSummary {
            channels: channels
                .iter()
                .map(|c| ChannelState::new(c, &best))
                .collect(),
            are_identical: (self.n_channels > 1 && sounds).then_some(!self.differs),
        }
    }
}

impl ChannelState {
    fn new(channel: &ChannelLevel, loudest: &ChannelLevel) -> Self {
        let silent = channel.peak() <= DIGITAL_SILENCE;
        let under = channel.power() < loudest.power() * 10_f64.powf(-DEAD_DB / 10.0);
        let best = Dbfs::from_power(loudest.power());
        let sounds = best.is_some_and(|rms| rms.as_f64() >= QUIET_DBFS);
        Self {
            rms_dbfs: Dbfs::from_power(channel.power()),
            offset: channel.mean(),
            is_dead: sounds && (silent || under),
        }
    }
}

impl ChannelSummary {
    /// The offset that is farthest from zero, full scale being 1.
    pub fn largest_offset(&self) -> Option<f64> {
        let offsets = self.channels.iter().map(|c| c.offset);
        offsets.max_by(|a, b| a.abs().total_cmp(&b.abs()))
    }
}

fn differs(mut frame: impl Iterator<Item = f32>) -> bool {
    let first = frame.next();
    first.is_some_and(|first| frame.any(|other| (other - first).abs() > SAME))
}
