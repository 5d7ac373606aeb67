use super::*;
use crate::link::{Loss, Rate};

const SIZE: usize = 100;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn link(config: LinkConfig) -> Link {
    Link::new(Direction::Up, config, 1)
}

/// Sends `n` numbered packets, `gap` apart, then takes out all: `(number, time of leaving)`.
fn pass(link: &mut Link, n: u32, gap: Duration) -> Vec<(u32, Duration)> {
    let mut out = Vec::new();
    for i in 0..n {
        let mut packet = vec![0; SIZE];
        packet[..4].copy_from_slice(&i.to_be_bytes());
        drain(link, gap * i, &mut out);
        link.send(gap * i, packet);
    }
    drain(link, Duration::MAX, &mut out);
    out
}

fn drain(link: &mut Link, until: Duration, out: &mut Vec<(u32, Duration)>) {
    while let Some(at) = link.next_at().filter(|at| *at <= until) {
        while let Some(delivery) = link.poll(at) {
            let number = u32::from_be_bytes(delivery.packet[..4].try_into().unwrap());
            out.push((number, at));
        }
    }
}

fn is_ordered(out: &[(u32, Duration)]) -> bool {
    out.is_sorted_by_key(|(number, _)| *number)
}

#[test]
fn delay_is_exact() {
    let out = pass(&mut link(LinkConfig::new().delay_ms(20)), 3, ms(1));
    assert_eq!(out, [(0, ms(20)), (1, ms(21)), (2, ms(22))]);
}

#[test]
fn jitter_keeps_the_order_and_the_bounds() {
    for jitter in [Jitter::Uniform(ms(10)), Jitter::Normal(ms(5))] {
        let mut link = link(LinkConfig::new().delay_ms(20).jitter(jitter));
        let out = pass(&mut link, 2000, ms(2));
        assert!(is_ordered(&out));
        let transits: Vec<_> = link
            .records()
            .iter()
            .map(|record| record.transit().unwrap())
            .collect();
        assert!(transits.iter().max() > transits.iter().min());
        if jitter == Jitter::Uniform(ms(10)) {
            assert!(
                transits
                    .iter()
                    .all(|transit| (ms(10)..=ms(30)).contains(transit))
            );
        }
    }
}

#[test]
fn widely_spaced_packets_see_the_whole_normal_distribution() {
    let mut link = link(LinkConfig::new().delay_ms(50).jitter(Jitter::Normal(ms(5))));
    pass(&mut link, 5000, ms(100));
    let ms_of = |record: &PacketRecord| record.transit().unwrap().as_secs_f64() * 1e3;
    let transits: Vec<f64> = link.records().iter().map(ms_of).collect();
    let mean = transits.iter().sum::<f64>() / transits.len() as f64;
    let variance = transits.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / transits.len() as f64;
    assert!((mean - 50.0).abs() < 0.3, "{mean}");
    assert!((variance.sqrt() - 5.0).abs() < 0.2, "{}", variance.sqrt());
}

#[test]
fn a_bottleneck_spaces_packets() {
    // 100 bytes at 800 kbit/s take 1 ms.
    let mut link = link(LinkConfig::new().rate(Rate::new(800_000, ms(100))));
    let out = pass(&mut link, 4, Duration::ZERO);
    assert_eq!(out, [(0, ms(1)), (1, ms(2)), (2, ms(3)), (3, ms(4))]);
}

#[test]
fn a_burst_passes_at_once_after_idling() {
    let mut link = link(LinkConfig::new().rate(Rate::new(800_000, ms(100)).burst_bytes(200)));
    let out = pass(&mut link, 4, Duration::ZERO);
    assert_eq!(out, [(0, ms(0)), (1, ms(0)), (2, ms(1)), (3, ms(2))]);
}

#[test]
fn a_full_queue_drops_at_its_tail() {
    let mut link = link(LinkConfig::new().rate(Rate::new(800_000, ms(2))));
    let out = pass(&mut link, 5, Duration::ZERO);
    assert_eq!(out, [(0, ms(1)), (1, ms(2))]);
    let reasons: Vec<_> = link
        .records()
        .iter()
        .map(PacketRecord::drop_reason)
        .collect();
    assert_eq!(reasons[2..], [Some(DropReason::QueueFull); 3]);
    assert_eq!(link.counters().queue_full, 3);
}

#[test]
fn a_new_rate_applies_to_packets_that_wait() {
    let mut link = link(LinkConfig::new().rate(Rate::new(8_000, ms(10_000))));
    for _ in 0..3 {
        link.send(Duration::ZERO, vec![0; SIZE]);
    }
    link.set_config(ms(50), LinkConfig::new().rate(Rate::new(800_000, ms(100))));
    let mut out = Vec::new();
    drain(&mut link, Duration::MAX, &mut out);
    let times: Vec<_> = out.into_iter().map(|(_, at)| at).collect();
    assert_eq!(times, [ms(100), ms(101), ms(102)]);
}

#[test]
fn a_rate_of_zero_holds_packets_until_it_is_lifted() {
    let mut link = link(LinkConfig::new().rate(Rate {
        bits_per_second: 0,
        queue_limit_bytes: 1000,
        burst_bytes: 0,
    }));
    link.send(ms(1), vec![0; SIZE]);
    assert_eq!(link.next_at(), None);
    link.set_config(ms(7), LinkConfig::new());
    assert_eq!(link.next_at(), Some(ms(7)));
}

#[test]
fn a_shrinking_delay_keeps_the_order() {
    let mut link = link(LinkConfig::new().delay_ms(100));
    link.send(ms(0), vec![0, 0, 0, 0]);
    link.set_config(ms(1), LinkConfig::new().delay_ms(5));
    link.send(ms(2), vec![0, 0, 0, 1]);
    let mut out = Vec::new();
    drain(&mut link, Duration::MAX, &mut out);
    assert_eq!(out, [(0, ms(100)), (1, ms(100))]);
}

#[test]
fn reordering_lets_successors_overtake() {
    let mut link = link(LinkConfig::new().delay_ms(10).reordering(0.1, ms(5)));
    let out = pass(&mut link, 1000, ms(1));
    assert_eq!(out.len(), 1000);
    assert!(!is_ordered(&out));
    assert!((50..150).contains(&link.counters().held_back));
}

#[test]
fn a_copy_follows_its_original_and_is_marked() {
    let mut link = link(LinkConfig::new().delay_ms(3).duplicate(1.0));
    link.send(ms(0), vec![9]);
    let first = link.poll(ms(3)).unwrap();
    let second = link.poll(ms(3)).unwrap();
    assert_eq!((first.is_duplicate, second.is_duplicate), (false, true));
    assert_eq!(
        (first.sequence, &first.packet),
        (second.sequence, &second.packet)
    );
    assert_eq!(
        link.records()
            .iter()
            .filter(|record| record.is_duplicate)
            .count(),
        1
    );
}

#[test]
fn too_long_packets_vanish_and_the_caller_may_know() {
    let mut link = link(LinkConfig::new().mtu(1280));
    assert_eq!(link.send(ms(0), vec![0; 1280]), Admission::Accepted);
    assert_eq!(
        link.send(ms(0), vec![0; 1281]),
        Admission::Dropped(DropReason::TooLong)
    );
}

#[test]
fn outages_count_from_the_first_packet() {
    let mut link = link(LinkConfig::new().outage(ms(10), ms(20)));
    let fate = |link: &mut Link, at| link.send(ms(at), vec![0]);
    assert_eq!(fate(&mut link, 1000), Admission::Accepted);
    assert_eq!(
        fate(&mut link, 1010),
        Admission::Dropped(DropReason::Outage)
    );
    assert_eq!(fate(&mut link, 1020), Admission::Accepted);
    link.add_outage(ms(1030), ms(1040));
    assert_eq!(
        fate(&mut link, 1030),
        Admission::Dropped(DropReason::Outage)
    );
    link.set_cut(true);
    assert_eq!(
        fate(&mut link, 1050),
        Admission::Dropped(DropReason::Outage)
    );
    link.set_cut(false);
    assert_eq!(fate(&mut link, 1060), Admission::Accepted);
}

#[test]
fn the_same_seed_repeats_and_jitter_does_not_change_losses() {
    let lost = |config: LinkConfig, seed| {
        let mut link = Link::new(Direction::Up, config.loss(Loss::Random(0.2)), seed);
        pass(&mut link, 500, ms(1));
        link.records()
            .iter()
            .map(PacketRecord::drop_reason)
            .collect::<Vec<_>>()
    };
    let plain = lost(LinkConfig::new(), 5);
    assert_eq!(plain, lost(LinkConfig::new(), 5));
    assert_eq!(
        plain,
        lost(LinkConfig::new().jitter(Jitter::Uniform(ms(1))), 5)
    );
    assert_ne!(plain, lost(LinkConfig::new(), 6));
}

#[test]
fn the_log_is_bounded_and_says_so() {
    let mut link = link(LinkConfig::new());
    link.set_log_capacity(2);
    pass(&mut link, 3, ms(1));
    assert_eq!((link.records().len(), link.has_log_overflowed()), (2, true));
    assert_eq!(link.counters().left, 3);
}

#[test]
fn taking_the_log_does_not_confuse_packets_in_flight() {
    let mut link = link(LinkConfig::new().delay_ms(10));
    link.send(ms(0), vec![1]);
    assert_eq!(link.take_records()[0].fate, Fate::InFlight);
    link.send(ms(5), vec![2]);
    assert!(link.poll(ms(10)).is_some());
    assert_eq!(link.records()[0].fate, Fate::InFlight);
    assert!(link.poll(ms(15)).is_some());
    assert_eq!(link.records()[0].transit(), Some(ms(10)));
}

#[test]
fn a_record_becomes_a_line_of_json() {
    let mut link = link(LinkConfig::new());
    link.send(Duration::from_nanos(5), vec![0xab, 1]);
    link.poll(Duration::from_nanos(9));
    assert_eq!(
        link.records()[0].to_json(),
        r#"{"direction":"up","sequence":0,"is_duplicate":false,"size_bytes":2,"entered_ns":5,"due_ns":5,"left_ns":9,"head_hex":"ab01"}"#
    );
}
