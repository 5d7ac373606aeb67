//! Published values of codecs for the E-model.
//!
//! Source of the values of Opus: Alahmadi, Pocta and Melvin, "An Adaptive Bitrate Switching
//! Algorithm for Speech Applications in Context of `WebRTC`", ACM TOMM 17(4), 2021, rounded to two
//! decimals; superwideband on the fullband scale. In-band FEC has no published value and is left
//! out. Source of the others: ITU-T G.113 appendix I.

use super::emodel::{Codec, Fullband, Narrowband, Wideband};

/// The codec that calls are assumed to use: Opus in superwideband with variable bitrate, 34 kbit/s.
pub const SWB_VBR_34K: Codec<Fullband> = SWB_VBR[8];

/// Opus in wideband, 13 kbit/s.
pub const WB_VBR_13K: Codec<Wideband> = WB_VBR[2];

/// Opus in narrowband, 9 kbit/s.
pub const NB_VBR_9K: Codec<Narrowband> = NB_VBR[3];

/// G.711 with packet loss concealment.
pub const G711_PLC: Codec<Narrowband> = Codec::new("G.711 with concealment", 0.0, 25.1, None);

/// G.729 annex A with its concealment.
pub const G729A: Codec<Narrowband> = Codec::new("G.729A", 11.0, 19.0, None);

/// Opus in superwideband with variable bitrate, by bitrate.
pub const SWB_VBR: [Codec<Fullband>; 11] = [
    opus("Opus superwideband VBR 14 kbit/s", 38.06, 16.51, 9.13),
    opus("Opus superwideband VBR 15 kbit/s", 34.12, 15.00, 7.90),
    opus("Opus superwideband VBR 16 kbit/s", 30.16, 11.83, 10.06),
    opus("Opus superwideband VBR 19 kbit/s", 23.81, 10.67, 8.92),
    opus("Opus superwideband VBR 22 kbit/s", 20.22, 10.47, 8.57),
    opus("Opus superwideband VBR 25 kbit/s", 20.21, 11.28, 9.18),
    opus("Opus superwideband VBR 28 kbit/s", 18.48, 10.63, 8.91),
    opus("Opus superwideband VBR 31 kbit/s", 16.83, 10.44, 8.82),
    opus("Opus superwideband VBR 34 kbit/s", 14.76, 10.12, 8.54),
    opus("Opus superwideband VBR 37 kbit/s", 12.08, 10.38, 8.30),
    opus("Opus superwideband VBR 40 kbit/s", 10.67, 9.79, 8.04),
];

/// Opus in superwideband with constant bitrate, by bitrate.
pub const SWB_CBR: [Codec<Fullband>; 9] = [
    opus("Opus superwideband CBR 16 kbit/s", 36.88, 13.30, 10.80),
    opus("Opus superwideband CBR 19 kbit/s", 29.58, 10.74, 8.93),
    opus("Opus superwideband CBR 22 kbit/s", 23.38, 10.01, 8.46),
    opus("Opus superwideband CBR 25 kbit/s", 22.64, 10.57, 8.74),
    opus("Opus superwideband CBR 28 kbit/s", 23.65, 11.67, 9.98),
    opus("Opus superwideband CBR 31 kbit/s", 21.74, 11.51, 9.58),
    opus("Opus superwideband CBR 34 kbit/s", 20.62, 11.78, 9.69),
    opus("Opus superwideband CBR 37 kbit/s", 16.23, 10.62, 8.99),
    opus("Opus superwideband CBR 40 kbit/s", 15.90, 11.35, 9.37),
];

/// Opus in wideband with variable bitrate, by bitrate.
pub const WB_VBR: [Codec<Wideband>; 3] = [
    opus("Opus wideband VBR 11 kbit/s", 28.41, 23.94, 20.12),
    opus("Opus wideband VBR 12 kbit/s", 23.30, 22.22, 18.90),
    opus("Opus wideband VBR 13 kbit/s", 19.96, 19.50, 16.92),
];

/// Opus in narrowband with variable bitrate, by bitrate.
pub const NB_VBR: [Codec<Narrowband>; 4] = [
    opus("Opus narrowband VBR 6 kbit/s", 23.00, 24.56, 15.36),
    opus("Opus narrowband VBR 7 kbit/s", 21.26, 22.46, 14.43),
    opus("Opus narrowband VBR 8 kbit/s", 16.02, 20.26, 13.48),
    opus("Opus narrowband VBR 9 kbit/s", 11.74, 18.91, 12.44),
];

const fn opus<S>(name: &'static str, ie: f64, bpl_random: f64, bpl_bursty: f64) -> Codec<S> {
    Codec::new(name, ie, bpl_random, Some(bpl_bursty))
}
