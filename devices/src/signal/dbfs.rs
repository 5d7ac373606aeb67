//! Levels against digital full scale.

use std::fmt;

use serde::Serialize;

/// A level in decibels against full scale: an amplitude of 1.0 is 0 dBFS.
///
/// A root mean square is taken against the same amplitude, so a full-scale sine has an RMS of
/// −3.01 dBFS and a full-scale square wave one of 0 dBFS, which is dBov in ITU-T G.100.1. Digital
/// zero has no level: the constructors give `None`, never minus infinity.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Dbfs(f64);

impl Dbfs {
    /// Full scale.
    pub const FULL_SCALE: Self = Self(0.0);

    /// A level in decibels; `None` for NaN and infinities.
    pub fn new(db: f64) -> Option<Self> {
        // Adding zero turns a negative zero into a plain one.
        db.is_finite().then_some(Self(db + 0.0))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_amplitude_is_six_decibels_down() {
        let half = Dbfs::from_amplitude(-0.5).unwrap();
        assert!((half.as_f64() + 6.0206).abs() < 1e-4);
        assert!((half.amplitude() - 0.5).abs() < 1e-12);
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
