//! Measures the lab itself: how late packets leave the emulated link, and what the rest of the path adds.
//!
//! `cargo run --release -p greenroom-lab --example calibrate`

#![cfg_attr(
    target_os = "linux",
    expect(
        clippy::unwrap_used,
        reason = "a measurement that cannot start has nothing to report"
    )
)]

#[cfg(target_os = "linux")]
#[path = "../tests/topology/udp.rs"]
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
mod udp;

#[cfg(target_os = "linux")]
fn main() -> Result<(), greenroom_lab::LabError> {
    use greenroom_lab::link::{Jitter, LinkConfig};
    use std::time::Duration;

    greenroom_lab::enter_or_exit();
    let (twenty, three) = (Duration::from_millis(20), Duration::from_millis(3));
    measure("no delay", LinkConfig::new())?;
    measure("20 ms", LinkConfig::new().delay(twenty))?;
    measure(
        "20 ms, jitter 3 ms",
        LinkConfig::new()
            .delay(twenty)
            .jitter(Jitter::Normal(three)),
    )
}

#[cfg(target_os = "linux")]
#[expect(clippy::print_stdout, reason = "an example reports on standard output")]
fn measure(
    name: &str,
    config: greenroom_lab::link::LinkConfig,
) -> Result<(), greenroom_lab::LabError> {
    use greenroom_lab::link::PacketRecord;
    use greenroom_lab::{Lab, LabConfig};
    use std::time::Duration;

    let lab = Lab::with(LabConfig::symmetric(config))?;
    let _echo = udp::Echo::start(&lab);
    let ms = Duration::from_millis;
    let answers = udp::Client::ipv4(&lab).exchange(500, 100, ms(5), ms(200));
    let records = lab.link().records();
    let in_link = records
        .iter()
        .filter_map(PacketRecord::transit)
        .sum::<Duration>()
        / 500;
    let rtts = answers.iter().map(|answer| answer.rtt).sum::<Duration>();
    let mean_rtt = rtts / u32::try_from(answers.len().max(1)).unwrap_or(1);
    println!("{name}: late by {:?}", lab.link().scheduling_error());
    println!(
        "{name}: mean RTT {mean_rtt:?}, outside the link {:?}",
        mean_rtt.saturating_sub(in_link)
    );
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {}
