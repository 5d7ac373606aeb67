//! The engine's routes.

mod rtc;
mod socket;
mod token;
mod twirp;

pub(super) use rtc::router;
