//! How a probe ended: an outcome, not an error.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What came of one probe. A blocked port or a refused microphone is a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Outcome<T> {
    /// Enough samples for a verdict.
    Measured {
        /// What was found.
        data: T,
    },
    /// Cancelled, out of time or broken off, with what there is.
    Partial {
        /// What was found until then.
        data: T,
        /// Why it ended early.
        reason: Reason,
    },
    /// The network, the system or the user said no.
    Blocked {
        /// Who said no, and to what.
        reason: Reason,
    },
    /// Not applicable, switched off, or never reached.
    NotRun {
        /// Why.
        reason: Reason,
    },
}

impl<T> Outcome<T> {
    /// What was found, in full or in part.
    pub fn data(&self) -> Option<&T> {
        match self {
            Self::Measured { data } | Self::Partial { data, .. } => Some(data),
            Self::Blocked { .. } | Self::NotRun { .. } => None,
        }
    }

    /// As [`Outcome::data`], to change it.
    pub fn data_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Measured { data } | Self::Partial { data, .. } => Some(data),
            Self::Blocked { .. } | Self::NotRun { .. } => None,
        }
    }

    /// Why it is not simply measured.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Measured { .. } => None,
            Self::Partial { reason, .. } | Self::Blocked { reason } | Self::NotRun { reason } => {
                Some(reason)
            }
        }
    }

    /// The program that ran did not know this probe. Reports and recordings from before it are
    /// judged without its figures.
    pub fn earlier_version() -> Self {
        Self::not_run(
            ReasonCode::EarlierVersion,
            "the program that ran did not measure it yet",
        )
    }

    /// See [`Outcome::earlier_version`].
    pub fn is_of_earlier_version(&self) -> bool {
        matches!(self, Self::NotRun { reason } if reason.code == ReasonCode::EarlierVersion)
    }

    /// The probe was not run, for this reason.
    pub fn not_run(code: ReasonCode, message: impl Into<String>) -> Self {
        Self::NotRun {
            reason: Reason::new(code, message),
        }
    }
}

/// Why an outcome is less than a full measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// For programs; stable.
    pub code: ReasonCode,
    /// For people: what failed, on which address or device, why as far as known.
    pub message: String,
}

impl Reason {
    /// A reason with its sentence.
    pub fn new(code: ReasonCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// The kinds of reasons, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReasonCode {
    /// The user left it out (`--only`, `--skip`).
    NotSelected,
    /// The run was cancelled.
    Cancelled,
    /// The time budget was used up.
    OutOfTime,
    /// The data budget was used up.
    OutOfData,
    /// Something it depends on was not there.
    DependencyFailed,
    /// The host name does not exist.
    UnknownHost,
    /// The name could not be looked up: the resolver failed or stayed silent.
    ResolverFailed,
    /// The other end refused the connection.
    Refused,
    /// No answer at all: filtered, or the host is down.
    NoAnswer,
    /// No route to the other end.
    Unreachable,
    /// The certificate is out of date.
    TlsExpired,
    /// The certificate is for another name.
    TlsWrongName,
    /// The certificate's issuer is not trusted.
    TlsUnknownIssuer,
    /// TLS failed in another way.
    TlsFailed,
    /// The other end answers, but is no Greenroom server.
    NotGreenroom,
    /// The other end speaks no version of the protocol that we speak.
    VersionMismatch,
    /// The server refused us because of its limits.
    Limited,
    /// A proxy stood in the way.
    ProxyFailed,
    /// The server stopped answering during the measurement.
    ServerVanished,
    /// This platform does not offer it.
    Unsupported,
    /// The system refused access.
    AccessRefused,
    /// There is no such device on this machine.
    NoDevice,
    /// Another program holds the device.
    DeviceBusy,
    /// The device opens, or pretends to, and gives an error.
    DeviceFailed,
    /// The device went away during the test.
    DeviceVanished,
    /// The device is open and delivers nothing, or nothing any more.
    DeviceStalled,
    /// A defect of this program.
    InternalError,
    /// The program that ran is older than this measurement.
    EarlierVersion,
    /// A code of a later version.
    #[serde(other)]
    Other,
}
