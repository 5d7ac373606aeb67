//! What a judgment looks at.

use crate::model::camera::CameraSection;
use crate::model::discovery::DiscoverySection;
use crate::model::microphone::MicrophoneSection;
use crate::model::outcome::{Outcome, Reason, ReasonCode};
use crate::model::path::{DirectionSection, PathSection};
use crate::model::report::{Mode, Report, Target};
use crate::model::resolve::ResolveSection;
use crate::model::speaker::SpeakerSection;
use crate::model::stun::StunSection;
use crate::model::system::SystemSection;
use crate::model::throughput::{RateSection, ThroughputSection, VerifiedDirection};
use crate::model::turn::TurnSection;
use crate::model::web::WebSection;

/// The measured parts of a report, without what was concluded from them.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// What the network was measured against.
    pub target: &'a Target,
    /// Depth of the run.
    pub mode: Mode,
    /// What this machine is.
    pub system: &'a Outcome<SystemSection>,
    /// Whether the server was found.
    pub discovery: &'a Outcome<DiscoverySection>,
    /// What the idle path is like.
    pub path: &'a Outcome<PathSection>,
    /// What the way carries.
    pub throughput: &'a Outcome<ThroughputSection>,
    /// What the camera shows.
    pub camera: &'a Outcome<CameraSection>,
    /// What the microphone hears.
    pub microphone: &'a Outcome<MicrophoneSection>,
    /// What the speaker plays.
    pub speaker: &'a Outcome<SpeakerSection>,
    /// How names are looked up.
    pub resolve: &'a Outcome<ResolveSection>,
    /// How the server is reached over the web, stage by stage.
    pub web: &'a Outcome<WebSection>,
    /// What STUN servers tell of the NAT.
    pub stun: &'a Outcome<StunSection>,
    /// Which TURN servers relay, over which transports.
    pub turn: &'a Outcome<TurnSection>,
}

impl<'a> Parts<'a> {
    /// The parts of a report.
    pub fn of(report: &'a Report) -> Self {
        Self {
            target: &report.request.target,
            mode: report.request.mode,
            system: &report.system,
            discovery: &report.discovery,
            path: &report.path,
            throughput: &report.throughput,
            camera: &report.camera,
            microphone: &report.microphone,
            speaker: &report.speaker,
            resolve: &report.resolve,
            web: &report.web,
            stun: &report.stun,
            turn: &report.turn,
        }
    }

    /// Only this machine was tested.
    pub fn is_builtin(&self) -> bool {
        matches!(self.target, Target::Builtin)
    }

    /// Packets traveled over TCP because UDP did not come through.
    pub fn is_over_tcp(&self) -> bool {
        let path = self.path.data();
        path.is_some_and(|path| path.transport.is_stream())
    }

    /// The server answered at first and then no more.
    pub fn server_vanished(&self) -> Option<&'a Reason> {
        let reasons = [self.path.reason(), self.throughput.reason()];
        let mut reasons = reasons.into_iter().flatten();
        reasons.find(|reason| reason.code == ReasonCode::ServerVanished)
    }

    /// The server was found, but not one test packet came through.
    pub fn nothing_came_through(&self) -> Option<&'a Reason> {
        match self.path {
            Outcome::Blocked { reason } if reason.code != ReasonCode::ServerVanished => {
                Some(reason)
            }
            _ => None,
        }
    }
}

/// A direction of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From this machine to the server.
    Up,
    /// From the server to this machine.
    Down,
}

impl Direction {
    /// The other one.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }

    /// The direction's part of the section.
    pub fn of(self, path: &PathSection) -> &DirectionSection {
        match self {
            Self::Up => &path.up,
            Self::Down => &path.down,
        }
    }

    /// The direction's rate, if it was measured.
    pub fn rate(self, throughput: &ThroughputSection) -> Option<&RateSection> {
        match self {
            Self::Up => throughput.uplink.as_ref(),
            Self::Down => throughput.downlink.as_ref(),
        }
    }

    /// The direction's trials with the traffic of a call, in their order.
    pub fn trials(
        self,
        throughput: &ThroughputSection,
    ) -> impl Iterator<Item = &VerifiedDirection> {
        let trials = throughput.verifications.iter();
        trials.filter_map(move |trial| match self {
            Self::Up => trial.up.as_ref(),
            Self::Down => trial.down.as_ref(),
        })
    }
}
