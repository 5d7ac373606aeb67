//! What the emulated link does to real packets.

use std::time::Duration;

use greenroom_lab::link::{
    Direction, DropReason, Fate, GilbertElliott, Jitter, LinkConfig, Loss, PacketRecord, Rate,
};
use greenroom_lab::{Lab, LabConfig};
use libtest_mimic::Trial;

use crate::trial;
use crate::udp::{Answer, Client, Echo, PORT};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("packets_cross_with_the_delay_of_both_directions", delay),
        trial("lost_packets_are_the_ones_in_the_log", loss),
        trial("a_rate_spaces_packets", rate),
        trial("copies_arrive_and_are_in_the_log", duplication),
        trial("jitter_keeps_the_order", jitter),
        trial("reordering_changes_the_order", reordering),
        trial("a_black_hole_swallows_long_packets", black_hole),
        trial("an_outage_ends", outage),
        trial("an_idle_lab_sends_nothing", silence),
    ]
}

const PATIENCE: Duration = Duration::from_millis(300);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn lab(config: LinkConfig) -> (Lab, Echo) {
    let lab = Lab::with(LabConfig::symmetric(config).seed(3)).unwrap();
    let echo = Echo::start(&lab);
    (lab, echo)
}

fn numbers(answers: &[Answer]) -> Vec<u32> {
    answers.iter().map(|answer| answer.number).collect()
}

fn delay() {
    let (lab, _echo) = lab(LinkConfig::new().delay_ms(20));
    for client in [Client::ipv4(&lab), Client::ipv6(&lab)] {
        let answers = client.exchange(50, 100, ms(5), PATIENCE);
        assert_eq!(numbers(&answers), (0..50).collect::<Vec<_>>());
        // The least disturbed one: the machine may be busy.
        let rtt = answers.iter().map(|answer| answer.rtt).min().unwrap();
        assert!((ms(40)..ms(45)).contains(&rtt), "{rtt:?}");
        // The first packet needs no look-up of a neighbor.
        assert!(answers[0].rtt < ms(500), "{:?}", answers[0]);
    }
    let planned = |record: &PacketRecord| match record.fate {
        Fate::Left { due_at, .. } => due_at.checked_sub(record.entered_at),
        _ => None,
    };
    assert!(
        lab.link()
            .records()
            .iter()
            .all(|record| planned(record) == Some(ms(20)))
    );
    let first = &lab.link().records()[0];
    let flow = first.flow().unwrap();
    assert_eq!(
        (flow.destination.port(), flow.payload),
        (PORT, &[0; 68][..])
    );
    assert_eq!((first.size, flow.ttl), (128, 63));
    let others: Vec<_> = lab
        .link()
        .records()
        .into_iter()
        .filter(|record| record.flow().is_none())
        .collect();
    assert_eq!(others, []);
    assert_eq!(lab.link().to_json_lines().lines().count(), 200);
}

fn loss() {
    let (lab, _echo) =
        lab(LinkConfig::new().loss(Loss::GilbertElliott(GilbertElliott::bursts(0.1, 3.0))));
    let answers = Client::ipv4(&lab).exchange(1000, 50, ms(1), PATIENCE);
    let [up, down] = Direction::BOTH.map(|direction| lab.link().counters(direction));
    assert_eq!((up.entered, down.entered), (1000, 1000 - up.lost));
    assert_eq!(answers.len() as u64, 1000 - up.lost - down.lost);
    assert!((50..170).contains(&up.lost), "{up:?}");
    let n_logged = lab
        .link()
        .records()
        .iter()
        .filter(|record| record.drop_reason() == Some(DropReason::Loss))
        .count();
    assert_eq!(n_logged as u64, up.lost + down.lost);
}

fn rate() {
    let (lab, _echo) = lab(LinkConfig::new());
    lab.link().set_config(
        Direction::Up,
        LinkConfig::new().rate(Rate::new(1_000_000, ms(1000))),
    );
    // 1028 bytes take 8.224 ms.
    let answers = Client::ipv4(&lab).exchange(50, 1000, Duration::ZERO, PATIENCE);
    assert_eq!(answers.len(), 50);
    // The log is exact whatever else the machine does; arrival times are not.
    let due_at: Vec<_> = lab.link().records().iter().filter_map(due_at).collect();
    assert_eq!(due_at[49], due_at[0] + Duration::from_micros(49 * 8224));
    let spread = answers[49].arrived_at - answers[0].arrived_at;
    assert!((ms(350)..ms(500)).contains(&spread), "{spread:?}");
}

fn due_at(record: &PacketRecord) -> Option<Duration> {
    match record.fate {
        Fate::Left { due_at, .. } if record.direction == Direction::Up => Some(due_at),
        _ => None,
    }
}

fn duplication() {
    let (lab, _echo) = lab(LinkConfig::new());
    lab.link()
        .set_config(Direction::Down, LinkConfig::new().duplicate(0.5));
    let answers = Client::ipv4(&lab).exchange(200, 50, ms(1), PATIENCE);
    let duplicated = lab.link().counters(Direction::Down).duplicated;
    assert!((70..130).contains(&duplicated), "{duplicated}");
    assert_eq!(answers.len() as u64, 200 + duplicated);
    let n_logged = lab
        .link()
        .records()
        .iter()
        .filter(|record| record.is_duplicate)
        .count();
    assert_eq!(n_logged as u64, duplicated);
}

fn jitter() {
    let (lab, _echo) = lab(LinkConfig::new()
        .delay_ms(20)
        .jitter(Jitter::Uniform(ms(10))));
    let answers = Client::ipv4(&lab).exchange(300, 50, ms(2), PATIENCE);
    assert_eq!(numbers(&answers), (0..300).collect::<Vec<_>>());
}

fn reordering() {
    let (lab, _echo) = lab(LinkConfig::new());
    lab.link().set_config(
        Direction::Up,
        LinkConfig::new().delay_ms(5).reordering(0.1, ms(10)),
    );
    let answers = Client::ipv4(&lab).exchange(300, 50, ms(1), PATIENCE);
    assert_eq!(answers.len(), 300);
    assert!(!numbers(&answers).is_sorted());
}

fn black_hole() {
    let (lab, _echo) = lab(LinkConfig::new().mtu(1200));
    let client = Client::ipv4(&lab);
    assert_eq!(client.exchange(3, 1172, ms(5), PATIENCE).len(), 3);
    assert_eq!(client.exchange(3, 1173, ms(5), PATIENCE).len(), 0);
    assert_eq!(lab.link().counters(Direction::Up).too_long, 3);
}

fn outage() {
    let (lab, _echo) = lab(LinkConfig::new());
    let client = Client::ipv4(&lab);
    assert_eq!(client.exchange(5, 50, ms(2), PATIENCE).len(), 5);
    lab.link().start_outage(ms(200));
    let answers = client.exchange(100, 50, ms(5), PATIENCE);
    let n_lost = 100 - answers.len() as u64;
    assert!((20..60).contains(&n_lost), "{n_lost}");
    let [up, down] = Direction::BOTH.map(|direction| lab.link().counters(direction).outage);
    assert_eq!(up + down, n_lost);
    lab.link().set_cut(Direction::Up, true);
    assert_eq!(client.exchange(5, 50, ms(2), PATIENCE).len(), 0);
    lab.link().set_cut(Direction::Up, false);
    assert_eq!(client.exchange(5, 50, ms(2), PATIENCE).len(), 5);
}

fn silence() {
    let (lab, _echo) = lab(LinkConfig::new());
    let idle = Client::ipv4(&lab).exchange(0, 0, ms(0), ms(3000));
    assert!(idle.is_empty());
    assert_eq!(lab.link().records(), []);
}
