//! Shows figures while the check runs, as a window would, and keeps the stream, which gives the
//! same report again.
//!
//! ```sh
//! cargo run --example live -- https://probe.example
//! ```

#![expect(clippy::print_stdout, reason = "the program shows what it finds")]

use std::error::Error;

use greenroom::units::Millis;
use greenroom::{Check, Event, EventKind, Fold, Mode, RateDirection, Sample};

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
            EventKind::Sample { sample, .. } => self.add(sample),
            EventKind::Progress { done_ratio, .. } => {
                println!("{:3.0} % done", done_ratio.as_percent());
            }
            EventKind::ProbeFinished { result, .. } => println!("{:?} is done", result.probe()),
            _ => {}
        }
    }

    fn add(&mut self, sample: &Sample) {
        match sample {
            Sample::RoundTrip {
                seq,
                rtt_ms,
                warmup: false,
            } => self.add_round_trip(*seq, *rtt_ms),
            Sample::Phase { phase } => println!("now: {phase:?}"),
            Sample::Rate {
                direction: RateDirection::Up,
                rate_bps,
            } => println!("{rate_bps} to the server"),
            Sample::Rate {
                direction: RateDirection::Down,
                rate_bps,
            } => println!("{rate_bps} from the server"),
            _ => {}
        }
    }

    fn add_round_trip(&mut self, seq: u32, rtt: Millis) {
        self.answers += 1;
        let slowest = self.slowest.get_or_insert(rtt);
        if rtt > *slowest {
            *slowest = rtt;
        }
        let answers = self.answers;
        println!("packet {seq}: {rtt}; {answers} answers, slowest {slowest}");
    }
}
