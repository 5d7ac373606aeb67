//! Stopping a run, and remembering why.

use std::sync::{Arc, OnceLock};

use greenroom_reports::model::outcome::{Reason, ReasonCode};
use greenroom_reports::model::report::Ending;
use tokio_util::sync::CancellationToken;

/// Why a run was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelCause {
    /// The user said so.
    User,
    /// The time budget is used up.
    OutOfTime,
}

/// A handle that stops a run; clones stop the same one. The first cause stays.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    token: CancellationToken,
    cause: Arc<OnceLock<CancelCause>>,
}

impl Cancel {
    /// A handle of a run that nobody stopped yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the run. It ends within 250 ms, with what it has.
    pub fn cancel(&self, cause: CancelCause) {
        // A later cause changes nothing.
        let _first = self.cause.set(cause);
        self.token.cancel();
    }

    /// Waits until somebody stops the run.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }

    /// Why it was stopped, if it was.
    pub fn cause(&self) -> Option<CancelCause> {
        self.cause.get().copied()
    }

    /// The token, for a probe that takes one.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// How a run ends that was stopped so, or was not.
    pub fn ending(&self) -> Ending {
        match self.cause() {
            None => Ending::Finished,
            Some(CancelCause::User) => Ending::Cancelled,
            Some(CancelCause::OutOfTime) => Ending::OutOfTime,
        }
    }

    /// The reason for a probe's outcome.
    pub fn reason(&self) -> Reason {
        match self.cause() {
            Some(CancelCause::OutOfTime) => {
                Reason::new(ReasonCode::OutOfTime, "the time budget was used up")
            }
            _ => Reason::new(ReasonCode::Cancelled, "the run was cancelled"),
        }
    }
}
