//! In which format a device is opened.

use cpal::{
    BufferSize, SampleFormat, StreamConfig, SupportedBufferSize, SupportedStreamConfig,
    SupportedStreamConfigRange,
};

use crate::signal::view::{Format, MAX_CHANNELS, SampleRate};

/// What a device is opened with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chosen {
    pub(super) format: Format,
    pub(super) sample_format: SampleFormat,
    pub(super) config: StreamConfig,
}

/// Sample formats from the best to the least; others are not read.
const FORMATS: [SampleFormat; 11] = [
    SampleFormat::F32,
    SampleFormat::F64,
    SampleFormat::I32,
    SampleFormat::U32,
    SampleFormat::I24,
    SampleFormat::U24,
    SampleFormat::I16,
    SampleFormat::U16,
    SampleFormat::I64,
    SampleFormat::I8,
    SampleFormat::U8,
];

/// Chooses rate and channels as the system has them by default, where the meters can take them, and
/// single precision where it is offered; `None` when nothing fits. `frames` is the length of a
/// callback at 48 kHz.
pub(super) fn choose(
    default: Option<&SupportedStreamConfig>,
    offered: &[SupportedStreamConfigRange],
    frames: u32,
) -> Option<Chosen> {
    let from_default = default.and_then(|default| {
        let (rate, channels) = (default.sample_rate(), default.channels());
        let own = (default.sample_format(), *default.buffer_size());
        let fits = |range: &&SupportedStreamConfigRange| {
            range.channels() == channels && range.contains_rate(rate)
        };
        let others = offered.iter().filter(fits);
        let others = others.map(|range| (range.sample_format(), *range.buffer_size()));
        let (sample_format, buffer) = others.chain([own]).min_by_key(|o| rank(o.0))?;
        chosen(rate, channels, sample_format, buffer, frames)
    });
    from_default.or_else(|| {
        let mut ranges: Vec<_> = offered.iter().collect();
        ranges.sort_by(|a, b| b.cmp_default_heuristics(a));
        ranges.into_iter().find_map(|range| {
            let rate = nearest_rate(range.min_sample_rate(), range.max_sample_rate());
            let buffer = *range.buffer_size();
            chosen(
                rate,
                range.channels(),
                range.sample_format(),
                buffer,
                frames,
            )
        })
    })
}

fn rank(format: SampleFormat) -> usize {
    let known = FORMATS.iter().position(|known| *known == format);
    known.unwrap_or(FORMATS.len())
}

/// The usual 48 kHz, or what is nearest to it.
fn nearest_rate(least: u32, most: u32) -> u32 {
    48_000.max(least).min(most)
}

fn chosen(
    rate: u32,
    channels: u16,
    sample_format: SampleFormat,
    buffer: SupportedBufferSize,
    frames: u32,
) -> Option<Chosen> {
    let known = FORMATS.contains(&sample_format);
    let format = Format::new(SampleRate::new(rate)?, usize::from(channels))?;
    let config = StreamConfig {
        channels,
        sample_rate: rate,
        buffer_size: buffer_size(buffer, scaled(frames, rate)),
    };
    known.then_some(Chosen {
        format,
        sample_format,
        config,
    })
}

/// As long at this rate as so many frames are at 48 kHz.
fn scaled(frames: u32, rate: u32) -> u32 {
    let scaled = u64::from(frames) * u64::from(rate) / 48_000;
    u32::try_from(scaled).unwrap_or(u32::MAX).max(1)
}

fn buffer_size(supported: SupportedBufferSize, frames: u32) -> BufferSize {
    match supported {
        SupportedBufferSize::Range { min, max } if min <= max => {
            BufferSize::Fixed(frames.clamp(min, max))
        }
        _ => BufferSize::Fixed(frames),
    }
}

/// Most channels that are opened.
const _: () = assert!(MAX_CHANNELS == 8, "mono to 7.1");

#[cfg(test)]
mod tests {
    use super::*;

    const ANY_BUFFER: SupportedBufferSize = SupportedBufferSize::Range { min: 1, max: 8192 };

    fn range(channels: u16, rates: [u32; 2], format: SampleFormat) -> SupportedStreamConfigRange {
        SupportedStreamConfigRange::new(channels, rates[0], rates[1], ANY_BUFFER, format)
    }

    fn default(channels: u16, rate: u32, format: SampleFormat) -> SupportedStreamConfig {
        SupportedStreamConfig::new(channels, rate, ANY_BUFFER, format)
    }

    #[test]
    fn the_default_is_kept_and_read_in_single_precision_where_offered() {
        let offered = [
            range(1, [8_000, 192_000], SampleFormat::F32),
            range(2, [8_000, 192_000], SampleFormat::I16),
            range(2, [8_000, 192_000], SampleFormat::F32),
        ];
        let own = default(2, 44_100, SampleFormat::I16);
        let chosen = choose(Some(&own), &offered, 480).unwrap();
        assert_eq!(chosen.sample_format, SampleFormat::F32);
        assert_eq!(
            (chosen.config.channels, chosen.config.sample_rate),
            (2, 44_100)
        );
        assert_eq!(chosen.config.buffer_size, BufferSize::Fixed(441));
    }

    #[test]
    fn a_default_that_no_meter_takes_is_replaced() {
        let offered = [
            range(32, [48_000, 48_000], SampleFormat::F32),
            range(2, [16_000, 16_000], SampleFormat::I16),
        ];
        let own = default(32, 48_000, SampleFormat::F32);
        let chosen = choose(Some(&own), &offered, 480).unwrap();
        assert_eq!(
            (chosen.config.channels, chosen.config.sample_rate),
            (2, 16_000)
        );
        assert_eq!(chosen.config.buffer_size, BufferSize::Fixed(160));
    }

    #[test]
    fn nothing_usable_is_nothing() {
        assert_eq!(choose(None, &[], 480), None);
        let dsd = [range(2, [48_000, 48_000], SampleFormat::DsdU8)];
        assert_eq!(choose(None, &dsd, 480), None);
        let slow = [range(1, [4_000, 4_000], SampleFormat::I16)];
        assert_eq!(choose(None, &slow, 480), None);
    }

    #[test]
    fn a_buffer_stays_within_what_the_device_takes() {
        let size = |min, max| buffer_size(SupportedBufferSize::Range { min, max }, 480);
        assert_eq!(size(1024, 4096), BufferSize::Fixed(1024));
        assert_eq!(size(16, 256), BufferSize::Fixed(256));
        assert_eq!(size(9, 3), BufferSize::Fixed(480));
    }
}
