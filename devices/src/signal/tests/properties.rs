use proptest::prelude::*;

use super::format;
use crate::signal::microphone::{MicrophoneMeter, MicrophoneSummary};
use crate::signal::view::{Format, Interleaved};

fn in_pieces(samples: &[f32], format: Format, piece: usize) -> MicrophoneSummary {
    let mut meter = MicrophoneMeter::new(format).unwrap();
    for piece in samples.chunks(piece * format.channels()) {
        meter.push(&Interleaved::new(piece, format));
    }
    meter.summary()
}

fn whole(samples: &[f32], format: Format) -> MicrophoneSummary {
    in_pieces(samples, format, usize::MAX / format.channels())
}

/// Bursts of noise long enough for every meter, from few numbers.
fn sound() -> impl Strategy<Value = Vec<f32>> {
    proptest::collection::vec((-1.0_f32..1.0, 0.0_f32..0.9), 20..40).prop_map(|parts| {
        let part = |(n, (sign, size)): (usize, (f32, f32))| {
            (0..1_000_u16).map(move |k| {
                let turn = f32::from(k) * (1.3 + f32::from(u8::try_from(n % 7).unwrap_or(0)));
                sign.signum() * size * turn.sin()
            })
        };
        parts.into_iter().enumerate().flat_map(part).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn pieces_give_what_the_whole_gives(
        samples in sound(), channels in 1_usize..=8, piece in 1_usize..3000,
    ) {
        let format = format(8_000, channels);
        prop_assert_eq!(in_pieces(&samples, format, piece), whole(&samples, format));
    }

    #[test]
    fn louder_never_measures_quieter(samples in sound(), gain in 1.0_f32..1.1) {
        let format = format(8_000, 1);
        let louder: Vec<f32> = samples.iter().map(|s| s * gain).collect();
        let (plain, loud) = (whole(&samples, format), whole(&louder, format));
        prop_assert!(loud.level.peak_dbfs >= plain.level.peak_dbfs);
        prop_assert!(loud.level.rms_dbfs >= plain.level.rms_dbfs);
        prop_assert!(loud.noise.noise_floor_dbfs >= plain.noise.noise_floor_dbfs);
        prop_assert!(loud.clipping.n_clipped >= plain.clipping.n_clipped);
        let speech = |s: &MicrophoneSummary| s.level.speech.map(|s| s.level_dbfs.as_f64());
        prop_assert!(speech(&loud) >= speech(&plain).map(|db| db - 0.01));
    }

    #[test]
    fn nothing_but_bits_gives_finite_figures_or_none(
        bits in proptest::collection::vec(any::<u32>(), 0..40_000), channels in 1_usize..=8,
    ) {
        let samples: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        let summary = whole(&samples, format(8_000, channels));
        let frames = samples.len() / channels;
        let not_finite = samples[..frames * channels].iter().filter(|s| !s.is_finite()).count();
        prop_assert_eq!(summary.level.n_not_finite, not_finite as u64);
        // JSON has no NaN: it would be written as null, where an absent figure is null too, so
        // look for it among the debug output.
        let text = format!("{summary:?}");
        prop_assert!(!text.contains("NaN") && !text.contains("inf"), "{}", text);
    }
}

#[test]
fn one_nan_changes_no_figure_but_its_own_count() {
    let format = format(8_000, 2);
    let mut samples = vec![0.25; 40_000];
    samples[1000] = 0.0;
    let plain = whole(&samples, format);
    samples[1000] = f32::NAN;
    let mut with_nan = whole(&samples, format);
    assert_eq!(with_nan.level.n_not_finite, 1);
    with_nan.level.n_not_finite = 0;
    assert_eq!(with_nan, plain);
}
