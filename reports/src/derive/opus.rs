//! Published values of codecs for the E-model.
//!
//! Source of the values of Opus: Alahmadi, Pocta and Melvin, "An Adaptive Bitrate Switching
//! Algorithm for Speech Applications in Context of `WebRTC`", ACM TOMM 17(4), 2021, rounded to one
//! decimal; superwideband on the fullband scale. In-band FEC has no published value and is left
//! out. Source of the others: ITU-T G.113 appendix I.

use super::emodel::{Codec, Fullband, Narrowband, Wideband};

/// The codec that calls are assumed to use: Opus in superwideband with variable bitrate, 34 kbit/s.
pub const SWB_VBR_34K: Codec<Fullband> = SWB_VBR[7];

/// Opus in wideband, 13 kbit/s.
pub const WB_VBR_13K: Codec<Wideband> = WB_VBR[2];

/// Opus in narrowband, 9 kbit/s.
pub const NB_VBR_9K: Codec<Narrowband> = NB_VBR[1];

/// G.711 with packet loss concealment.
pub const G711_PLC: Codec<Narrowband> = Codec::new("G.711 with concealment", 0.0, 25.1, None);

/// G.729 annex A with its concealment.
pub const G729A: Codec<Narrowband> = Codec::new("G.729A", 11.0, 19.0, None);

/// Opus in superwideband with variable bitrate, by bitrate.
pub const SWB_VBR: [Codec<Fullband>; 10] = [
    opus("Opus superwideband VBR 14 kbit/s", 38.1, 16.5, 9.1),
    opus("Opus superwideband VBR 16 kbit/s", 30.2, 11.8, 10.1),
    opus("Opus superwideband VBR 19 kbit/s", 23.8, 10.7, 8.9),
    opus("Opus superwideband VBR 22 kbit/s", 20.2, 10.5, 8.6),
    opus("Opus superwideband VBR 25 kbit/s", 20.2, 11.3, 9.2),
    opus("Opus superwideband VBR 28 kbit/s", 18.5, 10.6, 8.9),
    opus("Opus superwideband VBR 31 kbit/s", 16.8, 10.4, 8.8),
    opus("Opus superwideband VBR 34 kbit/s", 14.8, 10.1, 8.5),
    opus("Opus superwideband VBR 37 kbit/s", 12.1, 10.4, 8.3),
    opus("Opus superwideband VBR 40 kbit/s", 10.7, 9.8, 8.0),
];

/// Opus in superwideband with constant bitrate, by bitrate.
pub const SWB_CBR: [Codec<Fullband>; 4] = [
    opus("Opus superwideband CBR 16 kbit/s", 36.9, 13.3, 10.8),
    opus("Opus superwideband CBR 25 kbit/s", 22.6, 10.6, 8.7),
    opus("Opus superwideband CBR 34 kbit/s", 20.6, 11.8, 9.7),
    opus("Opus superwideband CBR 40 kbit/s", 15.9, 11.4, 9.4),
];

/// Opus in wideband with variable bitrate, by bitrate.
pub const WB_VBR: [Codec<Wideband>; 3] = [
    opus("Opus wideband VBR 11 kbit/s", 28.4, 23.9, 20.1),
    opus("Opus wideband VBR 12 kbit/s", 23.3, 22.2, 18.9),
    opus("Opus wideband VBR 13 kbit/s", 20.0, 19.5, 16.9),
];

/// Opus in narrowband with variable bitrate, by bitrate.
pub const NB_VBR: [Codec<Narrowband>; 2] = [
    opus("Opus narrowband VBR 6 kbit/s", 23.0, 24.6, 15.4),
    opus("Opus narrowband VBR 9 kbit/s", 11.7, 18.9, 12.4),
];

const fn opus<S>(name: &'static str, ie: f64, bpl_random: f64, bpl_bursty: f64) -> Codec<S> {
    Codec::new(name, ie, bpl_random, Some(bpl_bursty))
}
