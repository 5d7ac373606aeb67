//! What a camera offers.

use std::io;

use greenroom_reports::model::camera::PictureSize;
use v4l::Device;
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::{FrameSizeEnum, Stepwise};
use v4l::video::Capture;

use crate::camera::mode::{FourCc, Mode, millifps_of};

/// Sizes that are tried where a driver takes any.
const USUAL_SIZES: [(u32, u32); 8] = [
    (1920, 1080),
    (1280, 720),
    (960, 540),
    (800, 600),
    (640, 480),
    (640, 360),
    (320, 240),
    (320, 180),
];

/// Rates that are tried where a driver takes any, in thousandths.
const USUAL_RATES: [u32; 6] = [60_000, 30_000, 25_000, 20_000, 15_000, 5_000];

/// Modes that are read. A driver for tests offers about two thousand; a camera a hundred.
const MAX_MODES: usize = 4096;

/// Reads what a camera offers, with the codes of formats that nobody here decodes.
///
/// # Errors
///
/// When it does not even tell its formats.
pub(super) fn read_modes(device: &Device) -> io::Result<Vec<Mode>> {
    let mut modes = Vec::new();
    for format in device.enum_formats()? {
        // Formats that are only named in a sentence need no sizes.
        let is_known = FourCc::new(format.fourcc.repr).format().is_some();
        let sizes = read_sizes(device, format.fourcc, if is_known { usize::MAX } else { 1 });
        for size in sizes {
            read_rates(device, format.fourcc, size, &mut modes);
        }
        if modes.len() >= MAX_MODES {
            break;
        }
    }
    modes.truncate(MAX_MODES);
    Ok(modes)
}

/// A driver that does not list its sizes has the one that it stands at.
fn read_sizes(device: &Device, code: v4l::FourCC, limit: usize) -> Vec<PictureSize> {
    let listed = device.enum_framesizes(code).unwrap_or_default();
    let sizes: Vec<PictureSize> = listed
        .into_iter()
        .take(limit)
        .flat_map(|size| match size.size {
            FrameSizeEnum::Discrete(d) => vec![PictureSize {
                width: d.width,
                height: d.height,
            }],
            FrameSizeEnum::Stepwise(steps) => sizes_within(&steps),
        })
        .collect();
    if !sizes.is_empty() {
        return sizes;
    }
    let now = device.format().ok();
    let now = now.map(|format| PictureSize {
        width: format.width,
        height: format.height,
    });
    now.into_iter().collect()
}

/// The usual sizes that a range holds, and its smallest and largest.
fn sizes_within(steps: &Stepwise) -> Vec<PictureSize> {
    let across = (steps.min_width, steps.max_width, steps.step_width);
    let down = (steps.min_height, steps.max_height, steps.step_height);
    let usual = USUAL_SIZES
        .into_iter()
        .filter(|&(width, height)| is_within(width, across) && is_within(height, down));
    let ends = [
        (steps.min_width, steps.min_height),
        (steps.max_width, steps.max_height),
    ];
    let mut sizes: Vec<PictureSize> = usual
        .chain(ends)
        .map(|(width, height)| PictureSize { width, height })
        .collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

fn is_within(value: u32, (min, max, step): (u32, u32, u32)) -> bool {
    (min..=max).contains(&value) && (value - min).is_multiple_of(step.max(1))
}

/// A driver that does not list rates has an unknown one.
fn read_rates(device: &Device, code: v4l::FourCC, size: PictureSize, modes: &mut Vec<Mode>) {
    let intervals = device.enum_frameintervals(code, size.width, size.height);
    let rates = intervals.unwrap_or_default().into_iter();
    let mut rates: Vec<u32> = rates.flat_map(|rate| rates_of(&rate.interval)).collect();
    rates.sort_unstable();
    rates.dedup();
    let mode = |millifps| Mode {
        size,
        millifps,
        code: FourCc::new(code.repr),
    };
    if rates.is_empty() {
        modes.push(mode(None));
    }
    modes.extend(rates.into_iter().map(|rate| mode(Some(rate))));
}

fn rates_of(interval: &FrameIntervalEnum) -> Vec<u32> {
    match interval {
        FrameIntervalEnum::Discrete(f) => millifps_of(f.numerator, f.denominator)
            .into_iter()
            .collect(),
        // The shortest interval is the highest rate.
        FrameIntervalEnum::Stepwise(steps) => rates_within(
            millifps_of(steps.max.numerator, steps.max.denominator),
            millifps_of(steps.min.numerator, steps.min.denominator),
        ),
    }
}

/// The usual rates that a range holds, and its ends; an end that is no rate bounds nothing.
fn rates_within(lowest: Option<u32>, highest: Option<u32>) -> Vec<u32> {
    let range = lowest.unwrap_or(0)..=highest.unwrap_or(u32::MAX);
    let usual = USUAL_RATES.into_iter().filter(|rate| range.contains(rate));
    usual.chain(lowest).chain(highest).collect()
}

#[cfg(test)]
mod tests {
    use v4l::Fraction;
    use v4l::frameinterval;

    use super::*;

    fn steps(min: (u32, u32), max: (u32, u32), step: u32) -> Stepwise {
        Stepwise {
            min_width: min.0,
            max_width: max.0,
            step_width: step,
            min_height: min.1,
            max_height: max.1,
            step_height: step,
        }
    }

    fn listed(steps: &Stepwise) -> Vec<(u32, u32)> {
        let sizes = sizes_within(steps).into_iter();
        sizes.map(|size| (size.width, size.height)).collect()
    }

    #[test]
    fn a_range_offers_the_usual_sizes_that_it_holds_not_a_diagonal_of_them() {
        let range = steps((48, 32), (1280, 720), 2);
        assert_eq!(
            listed(&range),
            [
                (48, 32),
                (320, 180),
                (320, 240),
                (640, 360),
                (640, 480),
                (800, 600),
                (960, 540),
                (1280, 720)
            ]
        );
    }

    #[test]
    fn a_coarse_step_leaves_out_what_it_does_not_meet() {
        let range = steps((160, 120), (640, 480), 160);
        assert_eq!(listed(&range), [(160, 120), (640, 480)]);
        // A driver that says 0 means 1.
        assert!(listed(&steps((1, 1), (640, 480), 0)).contains(&(320, 180)));
    }

    #[test]
    fn a_range_of_one_size_offers_it_once() {
        assert_eq!(listed(&steps((640, 480), (640, 480), 1)), [(640, 480)]);
    }

    #[test]
    fn intervals_become_rates_and_nonsense_becomes_none() {
        let discrete = |n, d| rates_of(&FrameIntervalEnum::Discrete(Fraction::new(n, d)));
        assert_eq!(discrete(1, 30), [30_000]);
        assert!(discrete(0, 30).is_empty());
        let range = |min: Fraction, max| {
            let step = Fraction::new(1, 1);
            rates_of(&FrameIntervalEnum::Stepwise(frameinterval::Stepwise {
                min,
                max,
                step,
            }))
        };
        assert_eq!(
            range(Fraction::new(1, 50), Fraction::new(1, 10)),
            [30_000, 25_000, 20_000, 15_000, 10_000, 50_000]
        );
        assert_eq!(range(Fraction::new(0, 1), Fraction::new(0, 0)), USUAL_RATES);
    }
}
