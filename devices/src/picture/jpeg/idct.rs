//! The inverse DCT of 8×8 blocks.

#![expect(
    clippy::inline_always,
    reason = "must be compiled with the instructions of the caller; see scan::decode_interval"
)]

use wide::{f32x4, i16x8, i32x8, u8x16};

/// Coefficients or samples of one block; vector `i`, lane `j`.
pub(super) type Block = [[f32; 8]; 8];

/// Factors that the scaled transform leaves to the quantization table.
///
/// Source: Arai, Agui and Nakajima, "A Fast DCT-SQ Scheme for Images" (1988):
/// `√2 cos(kπ/16)`, 1 for k = 0.
const SCALE: [f64; 8] = [
    1.0,
    1.387_039_845_322_147_6,
    1.306_562_964_876_376_5,
    1.175_875_602_419_359,
    1.0,
    0.785_694_958_387_102_2,
    0.541_196_100_146_197,
    0.275_899_379_282_943_1,
];

/// The factor that a coefficient is multiplied with before [`inverse`], for its step of
/// quantization and its row and column.
#[expect(
    clippy::cast_possible_truncation,
    reason = "24 bits are enough for samples of 8"
)]
pub(super) fn dequantizer(step: u16, row: usize, column: usize) -> f32 {
    (f64::from(step) * SCALE[row] * SCALE[column] / 8.0) as f32
}

/// Samples of a block in rows, with their level shift of 128, from dequantized coefficients.
///
/// `block[u][v]` is the coefficient of column `u` and row `v`. Vectors of four lanes, written out
/// since compilers scramble what they find in loops of eight.
#[inline(always)]
pub(super) fn inverse(block: &Block) -> [[u8; 8]; 8] {
    let [left, right] = [0, 4].map(|lane| pass(&std::array::from_fn(|u| quarter(block, u, lane))));
    let (a, b) = (first_half(&left), first_half(&right));
    let (c, d) = (second_half(&left), second_half(&right));
    // Vector y of `top_left` holds row y, columns 0..4; the first four of each half are rows 0..4
    // of coefficients, the last four rows 4..8.
    let near = pass(&join(f32x4::transpose(a), f32x4::transpose(b)));
    let far = pass(&join(f32x4::transpose(c), f32x4::transpose(d)));
    let rows: [i16x8; 8] = std::array::from_fn(|y| narrow(near[y], far[y]));
    let pairs = [0, 2, 4, 6].map(|y| u8x16::narrow_i16x8(rows[y], rows[y + 1]).to_array());
    std::array::from_fn(|y| {
        let pair = &pairs[y / 2];
        std::array::from_fn(|x| pair[(y % 2) * 8 + x])
    })
}

#[inline(always)]
fn quarter(block: &Block, row: usize, lane: usize) -> f32x4 {
    f32x4::new(std::array::from_fn(|i| block[row][lane + i]))
}

#[inline(always)]
fn first_half(v: &[f32x4; 8]) -> [f32x4; 4] {
    [v[0], v[1], v[2], v[3]]
}

#[inline(always)]
fn second_half(v: &[f32x4; 8]) -> [f32x4; 4] {
    [v[4], v[5], v[6], v[7]]
}

#[inline(always)]
fn join(a: [f32x4; 4], b: [f32x4; 4]) -> [f32x4; 8] {
    [a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]]
}

/// Rounds to integers around 128.
#[inline(always)]
fn narrow(near: f32x4, far: f32x4) -> i16x8 {
    let (near, far) = (
        near.fast_round_int().to_array(),
        far.fast_round_int().to_array(),
    );
    let both = std::array::from_fn(|i| if i < 4 { near[i] } else { far[i - 4] });
    i16x8::from_i32x8_saturate(i32x8::new(both)).saturating_add(i16x8::splat(128))
}

/// One dimension of four transforms at once.
///
/// Source: the same paper; 5 multiplications.
#[inline(always)]
fn pass(v: &[f32x4; 8]) -> [f32x4; 8] {
    let (sum_04, difference_04) = (v[0] + v[4], v[0] - v[4]);
    let sum_26 = v[2] + v[6];
    let turned_26 = (v[2] - v[6]) * f32x4::splat(std::f32::consts::SQRT_2) - sum_26;
    let (e0, e3) = (sum_04 + sum_26, sum_04 - sum_26);
    let (e1, e2) = (difference_04 + turned_26, difference_04 - turned_26);
    let [o0, o1, o2, o3] = odd_part(v[1], v[3], v[5], v[7]);
    [
        e0 + o0,
        e1 + o1,
        e2 + o2,
        e3 + o3,
        e3 - o3,
        e2 - o2,
        e1 - o1,
        e0 - o0,
    ]
}

#[inline(always)]
fn odd_part(v1: f32x4, v3: f32x4, v5: f32x4, v7: f32x4) -> [f32x4; 4] {
    let (z13, z10) = (v5 + v3, v5 - v3);
    let (z11, z12) = (v1 + v7, v1 - v7);
    let first = z11 + z13;
    let z5 = (z10 + z12) * f32x4::splat(1.847_759_1);
    let low = z5 - z12 * f32x4::splat(1.082_392_2);
    let high = z5 - z10 * f32x4::splat(2.613_126);
    let second = high - first;
    let third = (z11 - z13) * f32x4::splat(std::f32::consts::SQRT_2) - second;
    [first, second, third, low - third]
}

/// The sample of a block that is nothing but its mean.
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=255"
)]
pub(super) fn to_sample(value: f32) -> u8 {
    (value.round_ties_even() + 128.0).clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// T.81 §A.3.3, literally.
    fn slow(coefficients: &[[f64; 8]; 8]) -> [[f64; 8]; 8] {
        let c = |k: usize| {
            if k == 0 {
                std::f64::consts::FRAC_1_SQRT_2
            } else {
                1.0
            }
        };
        let cosine =
            |x: usize, k: usize| (((2 * x + 1) * k) as f64 * std::f64::consts::PI / 16.0).cos();
        std::array::from_fn(|y| {
            std::array::from_fn(|x| {
                let mut sum = 0.0;
                for (v, row) in coefficients.iter().enumerate() {
                    for (u, coefficient) in row.iter().enumerate() {
                        sum += c(u) * c(v) * coefficient * cosine(x, u) * cosine(y, v);
                    }
                }
                sum / 4.0
            })
        })
    }

    proptest! {
        #[test]
        fn the_transform_is_that_of_the_standard(
            values in proptest::collection::vec(-1024_i16..1024, 64),
            steps in proptest::collection::vec(1_u16..16, 64),
        ) {
            let exact: [[f64; 8]; 8] = std::array::from_fn(|v| std::array::from_fn(|u|
                f64::from(values[v * 8 + u]) * f64::from(steps[v * 8 + u]) / 16.0));
            let block: Block = std::array::from_fn(|u| std::array::from_fn(|v|
                f32::from(values[v * 8 + u]) / 16.0 * dequantizer(steps[v * 8 + u], v, u)));
            let (fast, slow) = (inverse(&block), slow(&exact));
            for (fast, slow) in fast.iter().flatten().zip(slow.iter().flatten()) {
                let slow = (slow + 128.0).clamp(0.0, 255.0);
                prop_assert!((f64::from(*fast) - slow).abs() < 0.51, "{} is not {}", fast, slow);
            }
        }
    }

    #[test]
    fn samples_are_rounded_and_held_within_their_range() {
        assert_eq!(to_sample(0.0), 128);
        assert_eq!(to_sample(1.4), 129);
        assert_eq!(to_sample(1.6), 130);
        assert_eq!(to_sample(-0.6), 127);
        assert_eq!(to_sample(-500.0), 0);
        assert_eq!(to_sample(500.0), 255);
    }
}
