//! **Greenroom** answers one question before a call: will it work, and if not, why, and what can
//! be done?
//!
//! It checks this machine and the network path to a server, judges what it found by a profile, and
//! gives a report that names for each judgment the figure it rests on, the cause and the remedy.
//!
//! ```no_run
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use greenroom::{Check, Mode};
//!
//! let mut check = Check::builder()
//!     .server("https://probe.example")?
//!     .mode(Mode::Quick)
//!     .start()
//!     .await?;
//! while let Some(event) = check.next_event().await {
//!     // Show what goes on; the report is a fold over these events.
//!     let _ = event;
//! }
//! let report = check.report();
//! println!("{}", report.verdict.headline);
//! # Ok(()) }
//! ```
//!
//! Units are part of each type and of each JSON key; what was not measured is absent, never zero.
//! [`check_system_requirements`] answers at once what this machine is fit for.
//!
//! # Features
//!
//! | feature | what it gives | needs |
//! |---|---|---|
//! | `cli` (default) | the `greenroom` program | nothing |
//! | `server` (default) | the built-in responder of a check without a target, and `greenroom serve` | nothing |
//! | `devices` (default) | the probes of camera, microphone and speaker, and their selection | on Linux libasound2 and libvpx; to build, their headers, libclang, cmake and nasm |
//!
//! With `default-features = false` the library measures against servers, without any of these.

mod check;
mod error;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;

#[cfg(all(feature = "cli", feature = "devices"))]
pub mod settings;

pub use check::{Check, CheckBuilder};
pub use error::CheckError;

pub use greenroom_probes::cancel::{Cancel, CancelCause};
pub use greenroom_probes::event::{
    Event, EventKind, ProbeResult, RateDirection, RunStarted, Sample,
};
pub use greenroom_probes::fold::Fold;
pub use greenroom_probes::system::check_system_requirements;
pub use greenroom_reports::finding::explain;
pub use greenroom_reports::model::finding::{
    Complaint, Evidence, EvidenceValue, Finding, Severity,
};
pub use greenroom_reports::model::report::{Mode, ProbeId, Report, Target};
pub use greenroom_reports::model::verdict::{
    Answer, Band, Capability, CapabilityVerdict, Confidence, Verdict,
};
pub use greenroom_reports::verdict::profile::Profile;
pub use greenroom_reports::{model, redact, render, schema, units, verdict};

#[cfg(feature = "devices")]
pub use greenroom_devices::device::{DeviceInfo, DeviceKind};
#[cfg(feature = "devices")]
pub use greenroom_devices::selection::{DeviceId, DeviceSelection};
#[cfg(feature = "server")]
pub use greenroom_server as server;
