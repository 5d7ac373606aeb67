//! Profiles: the thresholds of a judgment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::verdict::{Band, Capability};

/// Thresholds by which a report is judged, and what a call needs.
///
/// A report carries its profile, so that its verdict can be made again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Profile {
    /// Name.
    pub name: String,
    /// What kind of call it stands for.
    pub description: String,
    /// Capabilities without which a call makes no sense. When one of them cannot be judged, the
    /// answer is undetermined.
    pub required: Vec<Capability>,
    /// Capabilities that are judged, and limit the answer when they are below good, but may stay
    /// undetermined. What is in neither list is not judged.
    pub optional: Vec<Capability>,
    /// One for each figure that is judged.
    pub thresholds: Vec<Threshold>,
}

impl Profile {
    /// Profile `default`: a 720p video call in a small group.
    pub fn default_profile() -> Self {
        Self {
            name: "default".to_owned(),
            description: "720p video call in a small group".to_owned(),
            required: vec![Capability::Join, Capability::Hear, Capability::Speak],
            optional: vec![Capability::See, Capability::Show, Capability::Share],
            thresholds: BUILT_IN.iter().map(BuiltIn::threshold).collect(),
        }
    }

    /// Whether the edges of every threshold are in order, so that a worse value never gets a better
    /// band. A profile that came from elsewhere need not be so.
    pub fn is_consistent(&self) -> bool {
        self.thresholds.iter().all(Threshold::is_monotone)
    }

    /// Profile `voice`: an audio call, [`Profile::default_profile`] without what only video needs.
    pub fn voice() -> Self {
        Self {
            name: "voice".to_owned(),
            description: "audio call without video".to_owned(),
            optional: Vec::new(),
            thresholds: BUILT_IN
                .iter()
                .filter(|row| !row.video)
                .map(BuiltIn::threshold)
                .collect(),
            ..Self::default_profile()
        }
    }

    /// A built-in profile by its name, one of [`BUILT_IN_NAMES`].
    pub fn built_in(name: &str) -> Option<Self> {
        match name {
            "default" => Some(Self::default_profile()),
            "voice" => Some(Self::voice()),
            _ => None,
        }
    }

    /// The threshold of a figure; `None` when the profile does not judge it.
    pub fn threshold(&self, figure: Figure) -> Option<&Threshold> {
        self.thresholds.iter().find(|t| t.figure == figure)
    }

    /// The edge between good and fair of a figure, which a finding must be beyond.
    pub fn good_edge(&self, figure: Figure) -> Option<f64> {
        self.threshold(figure).map(|t| t.good)
    }

    /// The profile needs this capability.
    pub fn requires(&self, capability: Capability) -> bool {
        self.required.contains(&capability)
    }

    /// The profile judges this capability.
    pub fn judges(&self, capability: Capability) -> bool {
        self.requires(capability) || self.optional.contains(&capability)
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::default_profile()
    }
}

/// Names of the built-in profiles.
pub const BUILT_IN_NAMES: [&str; 2] = ["default", "voice"];

/// The edges of one figure's bands.
///
/// Bands are half-open and leave no gap: with `better: lower` a value is excellent below
/// `excellent`, else good below `good` and so on, and fails from `poor` upwards; with
/// `better: higher` it is excellent from `excellent` upwards, and fails below `poor`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Threshold {
    /// Which figure.
    pub figure: Figure,
    /// Which way is better.
    pub better: Better,
    /// Edge of the excellent band, in the figure's unit.
    pub excellent: f64,
    /// Edge of the good band.
    pub good: f64,
    /// Edge of the fair band.
    pub fair: f64,
    /// Edge of the poor band; beyond it is failure.
    pub poor: f64,
    /// Where the edges are from.
    pub source: String,
}

impl Threshold {
    /// The band of a value. NaN fails.
    pub fn band(&self, value: f64) -> Band {
        let within = |edge: f64| match self.better {
            Better::Lower => value < edge,
            Better::Higher => value >= edge,
        };
        self.edges()
            .into_iter()
            .find(|&(_, edge)| within(edge))
            .map_or(Band::Fail, |(band, _)| band)
    }

    /// The same for audio alone, for a rate whose poor band still carries audio: beyond its edge
    /// audio has all it needs, and below it nothing works.
    #[must_use]
    pub fn for_audio(&self) -> Self {
        Self {
            excellent: self.poor,
            good: self.poor,
            fair: self.poor,
            ..self.clone()
        }
    }

    /// The bands at the two ends of an interval, the better one first.
    pub fn bands(&self, interval: [f64; 2]) -> (Band, Band) {
        let [one, other] = interval.map(|end| self.band(end));
        (one.min(other), one.max(other))
    }

    /// The edge that keeps a value from being good, or the edge of its band when it is good.
    pub fn deciding_edge(&self, value: f64) -> f64 {
        match self.band(value) {
            Band::Excellent => self.excellent,
            Band::Good | Band::Fair => self.good,
            Band::Poor => self.fair,
            Band::Fail => self.poor,
        }
    }

    /// The edges with their bands, best first.
    pub fn edges(&self) -> [(Band, f64); 4] {
        [
            (Band::Excellent, self.excellent),
            (Band::Good, self.good),
            (Band::Fair, self.fair),
            (Band::Poor, self.poor),
        ]
    }

    /// Edges are finite and none contradicts the next: equal neighbors leave a band empty.
    pub fn is_monotone(&self) -> bool {
        let values = self.edges().map(|(_, edge)| edge);
        values.iter().all(|v| v.is_finite())
            && values.windows(2).all(|pair| match self.better {
                Better::Lower => pair[0] <= pair[1],
                Better::Higher => pair[0] >= pair[1],
            })
    }
}

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
}

/// A figure with thresholds; both directions of a path share them. The name ends in the unit.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Figure {
    /// 95th percentile of the round-trip time.
    RttP95Ms,
    /// Interarrival jitter.
    InterarrivalJitterMs,
    /// 95th percentile of packet delay variation: the depth of jitter buffer that 95 % of the
    /// packets need.
    PdvP95Ms,
    /// Share of packets lost.
    LossRatio,
    /// Longest time without a packet: a run of losses, or an outage.
    LongestBurstMs,
    /// Share of packets reordered.
    ReorderedRatio,
    /// Difference of this machine's clock to the server's, sign dropped.
    ClockOffsetMs,
    /// Cores that this process may use.
    UsableCores,
    /// Largest IP packet that comes through, where larger ones vanish without a word.
    PathMtuBytes,
    /// Rise of the 95th percentile of the round-trip time while sending at the rate of a call.
    CallLoadMs,
    /// Rate to the server that is free for a call, IP layer.
    UplinkBps,
    /// Rate from the server that is free for a call, IP layer.
    DownlinkBps,
    /// The rate to the server again, for sharing the screen.
    ScreenUplinkBps,
    /// Estimated mean opinion score.
    Mos,
    /// Frames a second of a camera asked for 30.
    CameraFps,
    /// Level of speech, too quiet below.
    SpeechLevelFloorDbfs,
    /// Level of speech, too loud above.
    SpeechLevelCeilingDbfs,
    /// A figure of a later version.
    #[serde(other)]
    Other,
}

struct BuiltIn {
    figure: Figure,
    better: Better,
    edges: [f64; 4],
    /// Only video needs it.
    video: bool,
    source: &'static str,
}

impl BuiltIn {
    fn threshold(&self) -> Threshold {
        let [excellent, good, fair, poor] = self.edges;
        Threshold {
            figure: self.figure,
            better: self.better,
            excellent,
            good,
            fair,
            poor,
            source: self.source.to_owned(),
        }
    }
}

const fn audio(figure: Figure, better: Better, edges: [f64; 4], source: &'static str) -> BuiltIn {
    BuiltIn {
        figure,
        better,
        edges,
        video: false,
        source,
    }
}

const fn video(figure: Figure, better: Better, edges: [f64; 4], source: &'static str) -> BuiltIn {
    BuiltIn {
        figure,
        better,
        edges,
        video: true,
        source,
    }
}

/// The published thresholds: excellent, good, fair, poor. Raising an edge of a lower-is-better
/// figure makes verdicts more lenient.
const BUILT_IN: &[BuiltIn] = &[
    audio(
        Figure::RttP95Ms,
        Better::Lower,
        [100.0, 200.0, 300.0, 400.0],
        "excellent: Microsoft Teams, client to edge; fair: Daily; poor: Twilio and ITU-T G.114; \
         good: engineering choice",
    ),
    audio(
        Figure::InterarrivalJitterMs,
        Better::Lower,
        [10.0, 30.0, 50.0, 100.0],
        "good: Microsoft Teams and Twilio; poor: Cloudflare AIM; others: engineering choice",
    ),
    audio(
        Figure::PdvP95Ms,
        Better::Lower,
        [40.0, 60.0, 100.0, 200.0],
        "engineering choice: usual depths of jitter buffers. Interarrival jitter alone does not see \
         delay that swings slowly",
    ),
    audio(
        Figure::LossRatio,
        Better::Lower,
        [0.005, 0.01, 0.03, 0.05],
        "good: Microsoft Teams; fair: Twilio; poor: Daily and Cloudflare AIM; excellent: \
         engineering choice",
    ),
    audio(
        Figure::LongestBurstMs,
        Better::Lower,
        [20.0, 60.0, 120.0, 200.0],
        "engineering choice: one packet of audio, what concealment hides, and what it cannot",
    ),
    audio(
        Figure::ReorderedRatio,
        Better::Lower,
        [0.0005, 0.005, 0.01, 0.02],
        "excellent: Microsoft Teams; others: engineering choice",
    ),
    audio(
        Figure::ClockOffsetMs,
        Better::Lower,
        [5_000.0, 60_000.0, 300_000.0, 86_400_000.0],
        "engineering choice: usual leeway of signed tokens, and usual lifetime of TURN credentials",
    ),
    video(
        Figure::UsableCores,
        Better::Higher,
        [4.0, 2.0, 1.0, 1.0],
        "engineering choice: encoding and decoding at once",
    ),
    video(
        Figure::PathMtuBytes,
        Better::Higher,
        [1400.0, 1280.0, 1000.0, 576.0],
        "good: RFC 8200 minimum, just above the 1200-byte packets of video; others: engineering \
         choice",
    ),
    audio(
        Figure::CallLoadMs,
        Better::Lower,
        [5.0, 30.0, 60.0, 200.0],
        "DSLReports grades",
    ),
    video(
        Figure::UplinkBps,
        Better::Higher,
        [3_000_000.0, 1_900_000.0, 375_000.0, 100_000.0],
        "OpenTok targets times 0.75; poor: one audio stream",
    ),
    video(
        Figure::DownlinkBps,
        Better::Higher,
        [4_000_000.0, 2_500_000.0, 600_000.0, 100_000.0],
        "OpenTok targets times 0.75; poor: one audio stream",
    ),
    video(
        Figure::ScreenUplinkBps,
        Better::Higher,
        [2_500_000.0, 800_000.0, 150_000.0, 100_000.0],
        "excellent and good: LiveKit presets 1080p15 and 720p5; fair: Zoom; poor: engineering \
         choice",
    ),
    audio(
        Figure::Mos,
        Better::Higher,
        [4.3, 4.0, 3.6, 3.1],
        "ITU-T G.107 user satisfaction, G.107.2",
    ),
    video(
        Figure::CameraFps,
        Better::Higher,
        [29.0, 24.0, 15.0, 5.0],
        "engineering choice, for a camera asked for 30 frames a second",
    ),
    audio(
        Figure::SpeechLevelFloorDbfs,
        Better::Higher,
        [-30.0, -40.0, -50.0, -60.0],
        "engineering choice",
    ),
    audio(
        Figure::SpeechLevelCeilingDbfs,
        Better::Lower,
        [-15.0, -12.0, -9.0, -6.0],
        "engineering choice",
    ),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_published_threshold_is_monotone_and_names_its_source() {
        for threshold in Profile::default_profile().thresholds {
            assert!(threshold.is_monotone(), "{:?}", threshold.figure);
            assert!(!threshold.source.is_empty());
        }
    }

    #[test]
    fn edges_belong_to_the_worse_band_where_lower_is_better() {
        let profile = Profile::default_profile();
        let loss = profile.threshold(Figure::LossRatio).unwrap();
        assert_eq!(loss.band(0.0), Band::Excellent);
        assert_eq!(loss.band(0.005), Band::Good);
        assert_eq!(loss.band(0.01), Band::Fair);
        assert_eq!(loss.band(0.24), Band::Fail);
        assert_eq!(loss.band(f64::NAN), Band::Fail);
    }

    #[test]
    fn edges_belong_to_the_better_band_where_higher_is_better() {
        let profile = Profile::default_profile();
        let cores = profile.threshold(Figure::UsableCores).unwrap();
        assert_eq!(cores.band(4.0), Band::Excellent);
        assert_eq!(cores.band(2.0), Band::Good);
        assert_eq!(cores.band(1.0), Band::Fair);
        assert_eq!(cores.band(0.0), Band::Fail);
    }

    #[test]
    fn voice_drops_what_only_video_needs() {
        let voice = Profile::voice();
        assert_eq!(voice.threshold(Figure::CameraFps), None);
        assert_eq!(voice.threshold(Figure::UsableCores), None);
        assert!(voice.threshold(Figure::LossRatio).is_some());
        assert!(!voice.judges(Capability::See));
    }

    proptest! {
        #[test]
        fn a_worse_value_never_gets_a_better_band(
            row in 0..BUILT_IN.len(), one in -1e4_f64..1e7, other in -1e4_f64..1e7
        ) {
            let threshold = BUILT_IN[row].threshold();
            let (low, high) = (one.min(other), one.max(other));
            match threshold.better {
                Better::Lower => prop_assert!(threshold.band(low) <= threshold.band(high)),
                Better::Higher => prop_assert!(threshold.band(high) <= threshold.band(low)),
            }
        }
    }
}
