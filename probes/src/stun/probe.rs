//! Runs the probe and maps what came of it.

use greenroom_reports::model::outcome::{Outcome, ReasonCode};
use greenroom_reports::model::stun::StunSection;

use crate::context::ReachContext;

/// What is asked of the probe.
#[derive(Clone, Debug, Default)]
pub struct StunConfig {}

/// Runs the probe.
///
/// # Cancel safety
/// On cancellation it returns what it has within 250 ms. Dropping the future leaves nothing behind.
pub async fn run(_config: StunConfig, _context: ReachContext) -> Outcome<StunSection> {
    Outcome::not_run(ReasonCode::Unsupported, "not built yet")
}
