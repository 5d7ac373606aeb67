//! Shows figures while the check runs, as a window would, and keeps the stream, which gives the
//! same report again.
//!
//! ```sh
//! cargo run --example live -- https://probe.example
//! ```

#![expect(clippy::print_stdout, reason = "the program shows what it finds")]

use std::error::Error;

use greenroom::units::Millis;
use greenroom::{Check, Event, EventKind, Fold, Mode, Sample};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut builder = Check::builder().mode(Mode::Quick);
    if let Some(url) = std::env::args().nth(1) {
        builder = builder.server(&url)?;
    }
    let mut check = builder.start().await?;
    let mut live = Live::default();
    let mut recorded = Vec::new();
    while let Some(event) = check.next_event().await {
        live.show(&event);
        recorded.push(event);
    }
    println!("{}", check.report().verdict.headline);

    let mut replayed = Fold::default();
    for event in &recorded {
        replayed.apply(event);
    }
    assert_eq!(replayed.report(), Some(check.report()));
    Ok(())
}

/// What is known so far.
#[derive(Default)]
struct Live {
    answers: u32,
    slowest: Option<Millis>,
}

impl Live {
    fn show(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Sample {
                sample: Sample::RoundTrip { rtt_ms, warmup, .. },
                ..
            } if !warmup => self.add(*rtt_ms),
            EventKind::Progress { done_ratio, .. } => {
                let slowest = self
                    .slowest
                    .map_or("none yet".to_owned(), |rtt| rtt.to_string());
                println!(
                    "{:3.0} % done, {} answers, slowest {slowest}",
                    done_ratio.as_percent(),
                    self.answers
                );
            }
            EventKind::ProbeFinished { result, .. } => println!("{:?} is done", result.probe()),
            _ => {}
        }
    }

    fn add(&mut self, rtt: Millis) {
        self.answers += 1;
        let slower = self.slowest.is_none_or(|slowest| rtt > slowest);
        if slower {
            self.slowest = Some(rtt);
        }
    }
}
