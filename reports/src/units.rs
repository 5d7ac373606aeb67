//! Quantities with their unit in the type.
//!
//! Arithmetic saturates or returns `Option`; it never panics. A quantity that was not measured is
//! `None` at its place of use, never zero.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// A signed span of time in milliseconds, with microsecond resolution.
///
/// Reports carry milliseconds because that is what the field speaks in. The value is always
/// finite and rounded to a whole microsecond, so that equal measurements print equally.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Millis(f64);

impl Millis {
    /// No time at all. For sums; a span that was not measured is `None`.
    pub const ZERO: Self = Self(0.0);

    /// Rounds to a whole microsecond; `None` for NaN and infinities.
    pub fn new(ms: f64) -> Option<Self> {
        // Adding zero turns a negative zero into a plain one, which prints without a sign.
        ms.is_finite()
            .then(|| Self((ms * 1000.0).round() / 1000.0 + 0.0))
    }

    /// A span from signed nanoseconds.
    pub fn from_nanos(ns: i64) -> Self {
        Self((ns as f64 / 1000.0).round() / 1000.0 + 0.0)
    }

    /// The value in milliseconds.
    pub fn as_f64(self) -> f64 {
        self.0
    }
}

impl From<Duration> for Millis {
    fn from(span: Duration) -> Self {
        Self::new(span.as_secs_f64() * 1000.0).unwrap_or_default()
    }
}

impl fmt::Display for Millis {
    /// Three significant places are enough for a person: `0.42 ms`, `20.3 ms`, `214 ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.abs() {
            v if v >= 99.95 => write!(f, "{:.0} ms", self.0),
            v if v >= 9.995 => write!(f, "{:.1} ms", self.0),
            _ => write!(f, "{:.2} ms", self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        Self::new(value).ok_or_else(|| serde::de::Error::custom("a span must be a finite number"))
    }
}

/// A share between 0 and 1, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Ratio(#[schemars(range(min = 0.0, max = 1.0))] f64);

impl Ratio {
    /// Nothing of the whole.
    pub const ZERO: Self = Self(0.0);
    /// All of it.
    pub const ONE: Self = Self(1.0);

    /// `None` outside 0..=1 and for NaN. Rounded to one millionth, so equal measurements print
    /// equally.
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0)
            .contains(&value)
            .then(|| Self((value * 1e6).round() / 1e6 + 0.0))
    }

    /// `part` of `whole`; `None` when there is no whole, or the part is larger.
    pub fn of(part: u64, whole: u64) -> Option<Self> {
        (whole > 0 && part <= whole).then(|| Self::new(part as f64 / whole as f64))?
    }

    /// The value between 0 and 1.
    pub fn as_f64(self) -> f64 {
        self.0
    }

    /// The value in percent, for people.
    pub fn as_percent(self) -> f64 {
        self.0 * 100.0
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_percent() {
            p if p >= 9.95 => write!(f, "{p:.0} %"),
            p if p >= 0.095 || p <= 0.0 => write!(f, "{p:.1} %"),
            p => write!(f, "{p:.2} %"),
        }
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        Self::new(value).ok_or_else(|| serde::de::Error::custom("a ratio lies between 0 and 1"))
    }
}

/// A data rate in bits per second; 1 kbit = 1000 bit.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Bitrate(u64);

impl Bitrate {
    /// A rate from bits per second.
    pub const fn from_bps(bps: u64) -> Self {
        Self(bps)
    }

    /// A rate from kilobits (1000 bits) per second; saturates.
    pub const fn from_kbps(kbps: u64) -> Self {
        Self(kbps.saturating_mul(1000))
    }

    /// Mean rate of `bytes` over `elapsed`, or `None` for an empty interval.
    pub fn over(bytes: ByteCount, elapsed: Duration) -> Option<Self> {
        let nanos = elapsed.as_nanos();
        let bits = u128::from(bytes.0) * 8 * 1_000_000_000;
        (nanos > 0).then(|| Self(u64::try_from(bits / nanos).unwrap_or(u64::MAX)))
    }

    /// Bits per second.
    pub const fn as_bps(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 as f64 {
            v if v >= 999_500_000.0 => write!(f, "{:.2} Gbit/s", v / 1e9),
            v if v >= 999_500.0 => write!(f, "{:.2} Mbit/s", v / 1e6),
            v if v >= 1000.0 => write!(f, "{:.0} kbit/s", v / 1e3),
            v => write!(f, "{v:.0} bit/s"),
        }
    }
}

/// A number of bytes; 1 kB = 1000 B.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct ByteCount(u64);

impl ByteCount {
    /// A count of bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The count.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum, at most `u64::MAX`.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 as f64 {
            v if v >= 999_500_000.0 => write!(f, "{:.1} GB", v / 1e9),
            v if v >= 999_500.0 => write!(f, "{:.1} MB", v / 1e6),
            v if v >= 1000.0 => write!(f, "{:.0} kB", v / 1e3),
            v => write!(f, "{v:.0} B"),
        }
    }
}

/// A level in decibels against full scale: an amplitude of 1.0 is 0 dBFS.
///
/// A root mean square is taken against the same amplitude, so a full-scale sine has an RMS of
/// −3.01 dBFS and a full-scale square wave one of 0 dBFS, which is dBov in ITU-T G.100.1. Digital
/// zero has no level: the constructors give `None`, never minus infinity.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Dbfs(f64);

impl Dbfs {
    /// Full scale.
    pub const FULL_SCALE: Self = Self(0.0);

    /// A level in decibels; `None` for NaN and infinities.
    pub fn new(db: f64) -> Option<Self> {
        // Adding zero turns a negative zero into a plain one. A thousandth of a decibel is far below
        // what is heard or judged, and equal levels print equally.
        db.is_finite()
            .then(|| Self((db * 1000.0).round() / 1000.0 + 0.0))
    }

    /// The level of an amplitude, of either sign; `None` for zero.
    pub fn from_amplitude(amplitude: f64) -> Option<Self> {
        Self::new(20.0 * amplitude.abs().log10())
    }

    /// The level of a mean square; `None` for zero and below.
    pub fn from_power(power: f64) -> Option<Self> {
        Self::new(10.0 * power.log10())
    }

    /// The value in dBFS.
    pub fn as_f64(self) -> f64 {
        self.0
    }

    /// The amplitude, full scale being 1.0.
    pub fn amplitude(self) -> f64 {
        10.0_f64.powf(self.0 / 20.0)
    }
}

impl fmt::Display for Dbfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} dBFS", self.0)
    }
}

impl<'de> Deserialize<'de> for Dbfs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        Self::new(value).ok_or_else(|| serde::de::Error::custom("a level must be a finite number"))
    }
}

/// A number for a person, in the unit that reports name: `ms`, `ratio`, `bps`, `bytes`, `count`,
/// `dbfs`, `fps` and so on.
pub fn display_in(unit: &str, value: f64) -> String {
    match unit {
        "ms" if value.abs() >= 9_950.0 => format!("{:.0} s", value / 1000.0),
        "ms" => Millis::new(value).unwrap_or_default().to_string(),
        "ratio" => Ratio::new(value).map_or_else(|| value.to_string(), |r| r.to_string()),
        "bps" => Bitrate(whole(value)).to_string(),
        "bytes" => format!("{value:.0} bytes"),
        "packets" if (value - 1.0).abs() < f64::EPSILON => "1 packet".to_owned(),
        "count" | "mos" | "" => value.to_string(),
        "dbfs" => format!("{value:.1} dBFS"),
        "db" => format!("{value:.1} dB"),
        "fps" => format!("{value:.1} fps"),
        "hz" => format!("{value:.0} Hz"),
        "ppm" => format!("{value:.0} ppm"),
        "luma_steps" => format!("{value:.1} steps of 255"),
        "luma" => format!("{value:.0} of 255"),
        other => format!("{value} {other}"),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float casts saturate"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_over_no_time_is_absent() {
        assert_eq!(Bitrate::over(ByteCount::new(1), Duration::ZERO), None);
    }

    #[test]
    fn a_megabit_in_a_second_is_a_megabit_per_second() {
        let rate = Bitrate::over(ByteCount::new(125_000), Duration::from_secs(1));
        assert_eq!(rate, Some(Bitrate::from_kbps(1000)));
        assert_eq!(Bitrate::from_kbps(1000).to_string(), "1.00 Mbit/s");
    }

    #[test]
    fn a_ratio_outside_its_range_is_refused() {
        assert_eq!(Ratio::new(1.000_1), None);
        assert_eq!(Ratio::new(f64::NAN), None);
        assert_eq!(Ratio::of(0, 0), None);
        assert_eq!(Ratio::of(1, 200), Ratio::new(0.005));
        assert!(serde_json::from_str::<Ratio>("1.5").is_err());
    }

    #[test]
    fn spans_round_to_microseconds_and_refuse_nan() {
        assert_eq!(Millis::from_nanos(1_234_567).as_f64(), 1.235);
        assert_eq!(Millis::new(f64::INFINITY), None);
        assert_eq!(Millis::new(-0.000_1).unwrap().to_string(), "0.00 ms");
    }

    #[test]
    fn percent_prints_enough_places_to_tell_small_from_none() {
        assert_eq!(Ratio::ZERO.to_string(), "0.0 %");
        assert_eq!(Ratio::new(0.0004).unwrap().to_string(), "0.04 %");
        assert_eq!(Ratio::new(0.05).unwrap().to_string(), "5.0 %");
    }

    #[test]
    fn half_the_amplitude_is_six_decibels_down() {
        let half = Dbfs::from_amplitude(-0.5).unwrap();
        assert_eq!(half.as_f64(), -6.021);
        assert!((half.amplitude() - 0.5).abs() < 1e-4);
        assert_eq!(half.to_string(), "-6.0 dBFS");
        assert_eq!(Dbfs::from_power(1.0), Some(Dbfs::FULL_SCALE));
    }

    #[test]
    fn digital_zero_has_no_level() {
        assert_eq!(Dbfs::from_amplitude(0.0), None);
        assert_eq!(Dbfs::from_power(0.0), None);
        assert_eq!(Dbfs::from_power(-1.0), None);
        assert_eq!(Dbfs::new(f64::NAN), None);
    }
}
