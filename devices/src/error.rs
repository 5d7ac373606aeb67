//! Why a device gives nothing.

use greenroom_reports::model::outcome::{Reason, ReasonCode};

use crate::device::DeviceKind;

/// Why a device gives nothing. The sentence names the device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// There is none of this kind.
    #[error("there is no {}", kind.word())]
    None {
        /// Kind.
        kind: DeviceKind,
    },
    /// The chosen one is not there.
    #[error("there is no {} called {name:?}", kind.word())]
    NotFound {
        /// Kind.
        kind: DeviceKind,
        /// As it was asked for.
        name: String,
    },
    /// The system refuses access.
    #[error("cannot open {device}: the system refuses access")]
    AccessRefused {
        /// Its name.
        device: String,
    },
    /// Another program holds it.
    #[error("cannot open {device}: {}", holder(.by.as_deref()))]
    Busy {
        /// Its name.
        device: String,
        /// The program that holds it, where the system tells.
        by: Option<String>,
    },
    /// It was there and is no more.
    #[error("{device} went away")]
    Vanished {
        /// Its name.
        device: String,
    },
    /// It is open and delivers nothing, or nothing any more.
    #[error("{device} delivers nothing")]
    Stalled {
        /// Its name.
        device: String,
    },
    /// It offers nothing that a call can use.
    #[error("cannot use {device}: {why}")]
    Unsupported {
        /// Its name.
        device: String,
        /// What it offers instead.
        why: String,
    },
    /// The driver or the sound server says no.
    #[error("cannot {operation} {device}: {why}")]
    Failed {
        /// What was tried: `open`, `start`, `list`.
        operation: &'static str,
        /// Its name.
        device: String,
        /// What the system said.
        why: String,
    },
}

impl DeviceError {
    /// For the report: the sentence, and a code for programs.
    pub fn reason(&self) -> Reason {
        Reason::new(self.code(), self.to_string())
    }

    fn code(&self) -> ReasonCode {
        match self {
            Self::None { .. } | Self::NotFound { .. } => ReasonCode::NoDevice,
            Self::AccessRefused { .. } => ReasonCode::AccessRefused,
            Self::Busy { .. } => ReasonCode::DeviceBusy,
            Self::Vanished { .. } => ReasonCode::DeviceVanished,
            Self::Stalled { .. } => ReasonCode::DeviceStalled,
            Self::Unsupported { .. } | Self::Failed { .. } => ReasonCode::DeviceFailed,
        }
    }
}

fn holder(by: Option<&str>) -> String {
    match by {
        Some(program) => format!("{program} uses it"),
        None => "another program uses it".to_owned(),
    }
}
