//! What a judgment looks at.

use crate::model::discovery::DiscoverySection;
use crate::model::outcome::{Outcome, Reason, ReasonCode};
use crate::model::path::{DirectionSection, PathSection, Transport};
use crate::model::report::{Report, Target};
use crate::model::system::SystemSection;

/// The measured parts of a report, without what was concluded from them.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// What the network was measured against.
    pub target: &'a Target,
    /// What this machine is.
    pub system: &'a Outcome<SystemSection>,
    /// Whether the server was found.
    pub discovery: &'a Outcome<DiscoverySection>,
    /// What the idle path is like.
    pub path: &'a Outcome<PathSection>,
}

impl<'a> Parts<'a> {
    /// The parts of a report.
    pub fn of(report: &'a Report) -> Self {
        Self {
            target: &report.request.target,
            system: &report.system,
            discovery: &report.discovery,
            path: &report.path,
        }
    }

    /// Only this machine was tested.
    pub fn is_builtin(&self) -> bool {
        matches!(self.target, Target::Builtin)
    }

    /// Packets traveled over TCP because UDP did not come through.
    pub fn is_over_tcp(&self) -> bool {
        let path = self.path.data();
        path.is_some_and(|path| path.transport == Transport::WebSocket)
    }

    /// The server answered at first and then no more.
    pub fn server_vanished(&self) -> Option<&'a Reason> {
        self.path
            .reason()
            .filter(|reason| reason.code == ReasonCode::ServerVanished)
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
    /// The direction's part of the section.
    pub fn of(self, path: &PathSection) -> &DirectionSection {
        match self {
            Self::Up => &path.up,
            Self::Down => &path.down,
        }
    }
}
