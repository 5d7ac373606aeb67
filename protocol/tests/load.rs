//! Loads in virtual time: what a client does with servers and links that behave badly.

mod load_harness;

use std::time::Duration;

use greenroom_lab::link::{Direction, Jitter, LinkConfig, Loss, Rate};
use greenroom_protocol::measure::limits::Limits;
use greenroom_protocol::measure::load::client::LoadEnd;
use greenroom_protocol::measure::load::verify::IdleDirection;
use greenroom_protocol::measure::load::wire::LoadReport;
use greenroom_protocol::measure::wire::{self, Message, RefusalCode};
use load_harness::scores::link;
use load_harness::{Lie, Run, Scene, ServerEnd, config, context, lie, measure};
use proptest::prelude::{ProptestConfig, prop_assert, proptest};

const RATES: [u64; 2] = [4_000_000, 8_000_000];

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn links() -> [LinkConfig; 2] {
    RATES.map(|rate| link(rate, 80))
}

fn scene(seed: u64) -> Scene {
    let [up, down] = links();
    Scene::new(up, down, seed)
}

fn server() -> ServerEnd {
    ServerEnd::new(Limits::default())
}

fn capacities(run: &Run) -> [Option<f64>; 2] {
    let client = &run.client.client;
    [client.uplink(), client.downlink()].map(|found| found.capacity.map(|c| c.bps))
}

fn assert_close(run: &Run, tolerance: f64) {
    for (found, truth) in capacities(run).into_iter().zip(RATES) {
        let error = found.map(|bps| bps / truth as f64 - 1.0);
        let is_close = error.is_some_and(|error| error.abs() <= tolerance);
        assert!(is_close, "{found:?} of {truth}");
    }
}

// ----- servers

fn lied_to(change: Lie) -> Run {
    let mut server = server();
    server.spoil = Some(lie(change));
    scene(1).run(config(1), server)
}

#[test]
fn a_server_that_claims_what_cannot_be_is_not_believed() {
    let lies: [(&str, Lie); 9] = [
        ("more than sent", |r| r.received = 1_000_000),
        ("more bytes than sent", |r| r.received_bytes = u64::MAX),
        ("arrivals before departures", |r| {
            r.first_arrival_ns = r.first_arrival_ns.saturating_sub(500_000_000);
        }),
        ("arrivals in the future", |r| {
            r.first_arrival_ns += 900_000_000_000;
            r.last_arrival_ns += 900_000_000_000;
        }),
        ("the end of time", |r| {
            r.first_arrival_ns = u64::MAX - 1;
            r.last_arrival_ns = u64::MAX;
        }),
        ("the last before the first", |r| r.last_arrival_ns = 0),
        ("backwards", |r| r.notes.reverse()),
        ("strange numbers", |r| {
            r.notes.iter_mut().for_each(|(seq, _)| *seq += 1_000_000);
        }),
        ("huge times", |r| {
            r.notes.iter_mut().for_each(|(_, after)| *after = u32::MAX);
        }),
    ];
    for (what, change) in lies {
        let run = lied_to(change);
        assert_eq!(run.client.end, Some(LoadEnd::Impossible), "{what}");
        assert_eq!(capacities(&run), [None; 2], "{what}");
    }
}

#[test]
fn a_server_that_never_tells_what_it_noted_is_given_up() {
    for change in [
        |r: &mut LoadReport| r.notes.clear(),
        |r: &mut LoadReport| r.ended = false,
        |r: &mut LoadReport| r.base += 1,
    ] {
        let run = lied_to(change);
        assert!(run.took < ms(9000), "{:?}", run.took);
        assert_ne!(run.client.end, Some(LoadEnd::Complete));
        assert_eq!(capacities(&run)[0], None);
    }
}

#[test]
fn a_server_that_claims_not_to_have_sent_what_came_in_is_not_believed() {
    let run = lied_to(|r| r.sent = r.sent.min(1));
    assert_eq!(run.client.end, Some(LoadEnd::Impossible));
    assert!(capacities(&run)[0].is_some() && capacities(&run)[1].is_none());
}

#[test]
fn a_server_that_stops_is_noticed_and_what_was_measured_stays() {
    for dies_ms in [150, 250, 400, 800, 1100, 1500, 1900] {
        let mut server = server();
        server.dies_at = Some(ms(dies_ms));
        let run = scene(dies_ms).run(config(dies_ms), server);
        assert_eq!(run.client.end, Some(LoadEnd::Vanished), "{dies_ms}");
        let after = run.took - ms(dies_ms);
        assert!(after <= ms(3200), "{after:?} after {dies_ms} ms");
        for ((found, truth), known_from) in capacities(&run).into_iter().zip(RATES).zip([800, 1500])
        {
            let is_right = |bps: f64| (bps / truth as f64 - 1.0).abs() < 0.01;
            assert!(
                found.map_or(dies_ms < known_from, is_right),
                "{dies_ms}: {found:?}"
            );
        }
        assert!(run.section(context()).is_some());
    }
}

/// Refuses the first `times` loads that are asked for.
fn refusing(times: u32, retry_after_ms: u32) -> ServerEnd {
    let mut server = server();
    let mut left = times;
    server.spoil = Some(Box::new(move |datagram| {
        use greenroom_protocol::measure::load::wire::LoadMessage::Granted;
        if let (Ok(Message::Load(Granted { session, .. })), 1..) = (wire::decode(datagram), left) {
            left -= 1;
            let refusal = Message::Refused {
                subject: session,
                code: RefusalCode::LoadLimit,
                retry_after_ms,
            };
            wire::encode(&refusal, 0, datagram);
        }
    }));
    server
}

#[test]
fn a_server_that_is_busy_for_a_moment_is_asked_again_once() {
    let run = scene(1).run(config(1), refusing(1, 700));
    assert_eq!(run.client.end, Some(LoadEnd::Complete));
    assert_close(&run, 0.01);
    let run = scene(1).run(config(1), refusing(2, 700));
    assert_eq!(run.client.end, Some(LoadEnd::Limited(ms(700))));
}

#[test]
fn a_server_that_is_busy_for_long_is_left_alone() {
    let run = scene(1).run(config(1), refusing(1, 30_000));
    assert_eq!(run.client.end, Some(LoadEnd::Limited(ms(30_000))));
    assert!(run.took < ms(500), "{:?}", run.took);
}

#[test]
fn a_server_that_says_never_is_not_asked_again() {
    let run = scene(1).run(config(1), refusing(1, 0));
    assert_eq!(run.client.end, Some(LoadEnd::Limited(Duration::ZERO)));
}

#[test]
fn trials_that_are_refused_spend_no_more_than_is_allowed() {
    // Losses that the idle path does not have refuse every trial.
    let [up, down] = links().map(|link| link.loss(Loss::Random(0.1)));
    let mut config = config(1);
    for plan in [&mut config.up, &mut config.down] {
        plan.cap_bps = 1_200_000;
        plan.data = 460_000;
    }
    let run = Scene::new(up, down, 1).run(config, server());
    assert!(!run.client.client.trials().is_empty());
    assert!(
        run.bytes() <= 966_000,
        "{} {:?}",
        run.bytes(),
        run.client.client.trials()
    );
}

#[test]
fn a_server_without_loads_says_so() {
    let limits = Limits {
        max_loads: 0,
        ..Limits::default()
    };
    let run = scene(1).run(config(1), ServerEnd::new(limits));
    assert!(
        matches!(run.client.end, Some(LoadEnd::Limited(_))),
        "{:?}",
        run.client.end
    );
}

// ----- links

/// The uplink carries nothing in this time.
fn stalled(from: Duration, until: Option<Duration>) -> Run {
    let [up, _] = links();
    let stuck = up.clone().rate(Rate {
        bits_per_second: 0,
        ..Rate::new(RATES[0], ms(80))
    });
    let mut scene = scene(3);
    scene.changes.push((from, Direction::Up, stuck));
    scene
        .changes
        .extend(until.map(|until| (until, Direction::Up, up)));
    scene.run(config(3), server())
}

#[test]
fn a_link_that_stops_during_a_flood_ends_the_measurement() {
    let run = stalled(ms(450), None);
    assert_eq!(run.client.end, Some(LoadEnd::Vanished));
    assert!(run.took < ms(3700), "{:?}", run.took);
    assert!(run.section(context()).is_some());
}

#[test]
fn a_link_that_comes_back_is_measured_to_the_end() {
    let run = stalled(ms(450), Some(ms(800)));
    assert_eq!(run.client.end, Some(LoadEnd::Complete));
    let [up, down] = capacities(&run);
    assert!(up.is_some_and(|up| up < 1.01 * RATES[0] as f64), "{up:?}");
    assert!(down.is_some_and(|down| (down / RATES[1] as f64 - 1.0).abs() < 0.01));
}

#[test]
fn copies_change_nothing() {
    let [up, down] = links();
    let run = measure(up.duplicate(0.3), down.duplicate(0.3), 4);
    assert_eq!(run.client.end, Some(LoadEnd::Complete));
    assert_close(&run, 0.01);
    for (_, fitted) in run.client.client.rungs() {
        assert!(fitted);
    }
}

#[test]
fn packets_that_overtake_change_little() {
    for seed in 0..10 {
        let links = links().map(|link| link.reordering(0.1, ms(15)));
        let [up, down] = links;
        let run = measure(up, down, seed);
        assert_eq!(run.client.end, Some(LoadEnd::Complete));
        assert_close(&run, 0.03);
    }
}

#[test]
fn loss_that_the_idle_path_has_too_does_not_refuse_a_call() {
    for seed in 0..10 {
        let links = links().map(|link| link.loss(Loss::Random(0.05)));
        let mut config = config(seed);
        config.idle = [IdleDirection {
            loss_upper: 0.09,
            pdv_p95_ns: 0,
        }; 2];
        let [up, down] = links;
        let run = Scene::new(up, down, seed).run(config, server());
        assert_eq!(run.client.end, Some(LoadEnd::Complete), "seed {seed}");
        assert_close(&run, 0.03);
        let trials = run.client.client.trials();
        assert_eq!(trials.len(), 1, "seed {seed}: {trials:?}");
    }
}

#[test]
fn jitter_of_the_idle_path_is_no_variation_of_the_rate() {
    for seed in 0..10 {
        let links = links().map(|link| link.delay_ms(70).jitter(Jitter::Uniform(ms(60))));
        let mut config = config(seed);
        config.idle = [IdleDirection {
            loss_upper: 0.0,
            pdv_p95_ns: 114_000_000,
        }; 2];
        let [up, down] = links;
        let run = Scene::new(up, down, seed).run(config, server());
        assert_eq!(run.client.end, Some(LoadEnd::Complete), "seed {seed}");
        let client = &run.client.client;
        for (found, truth) in [client.uplink(), client.downlink()].into_iter().zip(RATES) {
            let found = found.capacity.unwrap();
            let error = found.bps / truth as f64 - 1.0;
            // The flood lasts for a few times the jitter only, so that the rate is a rough one.
            assert!(error.abs() < 0.3, "seed {seed}: {found:?}");
            assert_eq!(found.variation_bps, None, "seed {seed}: {found:?}");
            assert!(!found.is_policed, "seed {seed}: {found:?}");
        }
    }
}

// ----- strangers, and the user

#[test]
fn packets_of_strangers_change_nothing() {
    let alone = scene(5).run(config(5), server());
    let mut scene = scene(5);
    scene.strangers = true;
    let beside = scene.run(config(5), server());
    assert_eq!(beside.client.end, Some(LoadEnd::Complete));
    assert_eq!(capacities(&alone), capacities(&beside));
    assert_eq!(alone.took, beside.took);
    assert!(beside.client.client.ignored() > 1000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_client_can_be_cancelled_at_any_time(at_us in 0_u64..2_600_000, seed in 0_u64..1000) {
        let mut scene = scene(seed);
        scene.cancel_at = Some(Duration::from_micros(at_us));
        let run = scene.run(config(seed), server());
        prop_assert!(matches!(run.client.end, Some(LoadEnd::Cancelled | LoadEnd::Complete)));
        prop_assert!(run.took <= Duration::from_micros(at_us) + ms(300));
        for (found, truth) in capacities(&run).into_iter().zip(RATES) {
            prop_assert!(found.is_none_or(|bps| bps > 0.0 && bps < 1.05 * truth as f64));
        }
        if let Some(section) = run.section(context()) {
            for direction in [section.uplink, section.downlink].into_iter().flatten() {
                prop_assert!(direction.packets_received <= direction.packets_sent);
            }
        }
    }
}
