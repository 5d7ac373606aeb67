//! Prints what the probe **system** tells of this machine, as JSON.

#![expect(clippy::print_stdout, reason = "an example prints")]

use greenroom_probes::system::{SystemConfig, run};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> serde_json::Result<()> {
    let outcome = run(SystemConfig::default(), CancellationToken::new()).await;
    println!("{}", serde_json::to_string_pretty(&outcome)?);
    Ok(())
}
