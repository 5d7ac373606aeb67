//! The rungs of video and the rates they need.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Bitrate;

/// A rung of the ladder of a call. Ordered: a later rung is better.
///
/// A rung is reached when the rate that is free for the call is at least [`Rung::rate`]; no further
/// headroom is added, the rates hold it already.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Rung {
    /// Audio without video.
    #[serde(rename = "audio")]
    Audio,
    /// 320x180, a thumbnail.
    #[serde(rename = "180p")]
    P180,
    /// 480x270, a thumbnail.
    #[serde(rename = "270p")]
    P270,
    /// 640x360 at 30 frames a second.
    #[serde(rename = "360p30")]
    P360,
    /// 960x540 at 30 frames a second.
    #[serde(rename = "540p30")]
    P540,
    /// 1280x720 at 30 frames a second.
    #[serde(rename = "720p30")]
    P720,
    /// 1920x1080 at 30 frames a second.
    #[serde(rename = "1080p30")]
    P1080,
}

impl Rung {
    /// Every rung, the best first.
    pub const ALL: [Self; 7] = [
        Self::P1080,
        Self::P720,
        Self::P540,
        Self::P360,
        Self::P270,
        Self::P180,
        Self::Audio,
    ];

    /// The rate that it needs.
    ///
    /// Source: `OpenTok`'s targets times 0.75 for 360p and 720p, `LiveKit`'s presets for 1080p;
    /// the others and audio are engineering choices between them.
    pub const fn rate(self) -> Bitrate {
        Bitrate::from_kbps(match self {
            Self::P1080 => 3_000,
            Self::P720 => 1_900,
            Self::P540 => 900,
            Self::P360 => 375,
            Self::P270 => 225,
            Self::P180 => 115,
            Self::Audio => 100,
        })
    }

    /// The best rung that a rate carries; `None` below audio.
    pub fn carried_by(rate: Bitrate) -> Option<Self> {
        Self::ALL.into_iter().find(|rung| rate >= rung.rate())
    }

    /// The next better rung; `None` at the top.
    pub fn above(self) -> Option<Self> {
        Self::ALL.into_iter().rev().find(|rung| *rung > self)
    }

    /// The next worse rung; `None` on audio.
    pub fn below(self) -> Option<Self> {
        Self::ALL.into_iter().find(|rung| *rung < self)
    }

    /// Width and height of the picture in pixels; `None` without one.
    pub const fn resolution(self) -> Option<(u32, u32)> {
        Some(match self {
            Self::P1080 => (1920, 1080),
            Self::P720 => (1280, 720),
            Self::P540 => (960, 540),
            Self::P360 => (640, 360),
            Self::P270 => (480, 270),
            Self::P180 => (320, 180),
            Self::Audio => return None,
        })
    }

    /// Frames a second; `None` without a picture.
    pub const fn frames_per_second(self) -> Option<u32> {
        match self {
            Self::P1080 | Self::P720 | Self::P540 | Self::P360 => Some(30),
            // LiveKit sends its smallest layers at 20.
            Self::P270 | Self::P180 => Some(20),
            Self::Audio => None,
        }
    }

    /// Its name, as reports write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::P1080 => "1080p30",
            Self::P720 => "720p30",
            Self::P540 => "540p30",
            Self::P360 => "360p30",
            Self::P270 => "270p",
            Self::P180 => "180p",
            Self::Audio => "audio",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rates_at_an_edge_reach_the_rung() {
        let carried = |kbps| Rung::carried_by(Bitrate::from_kbps(kbps));
        assert_eq!(carried(3_000), Some(Rung::P1080));
        assert_eq!(carried(2_999), Some(Rung::P720));
        assert_eq!(carried(1_900), Some(Rung::P720));
        assert_eq!(carried(375), Some(Rung::P360));
        assert_eq!(carried(100), Some(Rung::Audio));
        assert_eq!(carried(99), None);
    }

    #[test]
    fn names_are_those_of_the_report() {
        for rung in Rung::ALL {
            assert_eq!(serde_json::to_value(rung).unwrap(), rung.name());
        }
    }

    #[test]
    fn steps_lead_up_and_down_again() {
        assert_eq!(Rung::P720.above(), Some(Rung::P1080));
        assert_eq!(Rung::P1080.above(), None);
        assert_eq!(Rung::P180.below(), Some(Rung::Audio));
        assert_eq!(Rung::Audio.below(), None);
    }

    proptest! {
        #[test]
        fn more_rate_never_gets_a_lower_rung(one in 0_u64..5_000_000, more in 0_u64..5_000_000) {
            let low = Rung::carried_by(Bitrate::from_bps(one));
            let high = Rung::carried_by(Bitrate::from_bps(one + more));
            prop_assert!(low <= high);
        }
    }
}
