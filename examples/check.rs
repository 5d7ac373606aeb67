//! The smallest checking program: measures, says what it means for a call, exits with the code of
//! the answer.
//!
//! ```sh
//! cargo run --example check -- https://probe.example
//! ```
//!
//! Without a server it tests this machine alone.

#![expect(clippy::print_stdout, reason = "the program shows what it finds")]

use std::error::Error;
use std::process::ExitCode;

use greenroom::{Check, Mode};

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut check = Check::builder().mode(Mode::Quick);
    if let Some(url) = std::env::args().nth(1) {
        check = check.server(&url)?;
    }
    let report = check.start().await?.finish().await;
    println!("{}", report.verdict.headline);
    for finding in &report.findings {
        println!("- {}: {}", finding.title, finding.remedy);
    }
    Ok(ExitCode::from(report.verdict.answer.exit_code()))
}
