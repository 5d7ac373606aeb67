//! Faults of the path.

use std::time::Duration;

use greenroom_lab::link::{Direction, Jitter, LinkConfig};
use libtest_mimic::Trial;

use crate::client::Checked;
use crate::scene::{Scene, good_link};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial("a_high_rtt_is_named", high_rtt),
        trial("an_outage_is_named_and_timed", outage),
        trial("a_signaled_mtu_is_no_black_hole", || signaled_mtu(false)),
        trial("a_signaled_mtu_over_ipv6_is_no_black_hole", || {
            signaled_mtu(true);
        }),
    ];
    for direction in Direction::BOTH {
        let way = word(direction);
        trials.extend([
            trial(format!("high_jitter_{way}_is_named"), move || {
                jitter(direction);
            }),
            trial(format!("reordering_{way}_is_named"), move || {
                reordering(direction);
            }),
            trial(format!("duplicates_{way}_are_named"), move || {
                duplicates(direction);
            }),
            trial(format!("an_mtu_black_hole_{way}_is_named"), move || {
                black_hole(direction, false);
            }),
            trial(
                format!("an_mtu_black_hole_{way}_over_ipv6_is_named"),
                move || {
                    black_hole(direction, true);
                },
            ),
        ]);
    }
    trials
}

/// A direction as finding ids call it.
pub(crate) fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "up",
        Direction::Down => "down",
    }
}

/// A scene with this behavior in one direction, and a good link in the other.
pub(crate) fn one_way(direction: Direction, link: LinkConfig, seed: u64) -> Scene {
    match direction {
        Direction::Up => Scene::with(link, good_link(), seed),
        Direction::Down => Scene::with(good_link(), link, seed),
    }
}

/// Loss, order and copies are those of the packet log to the packet; round trip and jitter are close to it.
pub(crate) fn assert_figures(scene: &Scene, checked: &Checked) {
    let (truth, path) = (scene.truth(), checked.path());
    let mut figures = Vec::new();
    for direction in Direction::BOTH {
        let section = match direction {
            Direction::Up => &path.up,
            Direction::Down => &path.down,
        };
        let loss = section.loss.as_ref().unwrap();
        let order = section.order.as_ref().unwrap();
        assert_eq!(
            (loss.packets_sent, loss.packets_lost),
            truth.loss(direction, path),
            "loss {direction:?}: {}",
            checked.describe()
        );
        assert_eq!(
            order.duplicates,
            truth.duplicates(direction, path),
            "duplicates {direction:?}: {}",
            checked.describe()
        );
        let true_jitter = truth.jitter_ms(direction, path);
        let jitter = section.interarrival_jitter_ms.unwrap().as_f64();
        assert!(
            (jitter - true_jitter).abs() < 2.0 + 0.1 * true_jitter,
            "jitter {direction:?} is {true_jitter}: {}",
            checked.describe()
        );
        figures.push(format!(
            "{}: {} of {} lost, {} twice, jitter {jitter:.1} ms (log {true_jitter:.1})",
            word(direction),
            loss.packets_lost,
            loss.packets_sent,
            order.duplicates
        ));
    }
    let true_rtt = truth.rtt_p50_ms(path);
    let rtt = path.rtt.as_ref().unwrap().p50_ms.as_f64();
    assert!(
        (-0.1..3.0).contains(&(rtt - true_rtt)),
        "RTT is {true_rtt}: {}",
        checked.describe()
    );
    figures.push(format!("RTT {rtt:.2} ms (log {true_rtt:.2})"));
    println!("  {}; {}", checked.first(), figures.join("; "));
}

fn high_rtt() {
    let link = LinkConfig::new().delay_ms(225);
    let scene = Scene::with(link.clone(), link, 1);
    let checked = scene.client().run();
    checked.assert_named("network.path.high_rtt", &[], 3);
    assert_figures(&scene, &checked);
}

/// Evenly between 10 and 130 ms. Packets keep their order, as most networks do, so that a late one delays those behind it.
fn jitter(direction: Direction) {
    let link = LinkConfig::new()
        .delay_ms(70)
        .jitter(Jitter::Uniform(Duration::from_millis(60)));
    let scene = one_way(direction, link, 1);
    let checked = scene.client().run();
    let way = word(direction);
    let id = format!("network.path.high_jitter_{way}");
    let reordering = format!("network.path.reordering_{way}");
    checked.assert_named(&id, &["network.path.high_rtt", &reordering], 3);
    assert_figures(&scene, &checked);
}

/// One packet in ten comes 50 ms late, behind two later ones.
fn reordering(direction: Direction) {
    let link = good_link().reordering(0.1, Duration::from_millis(50));
    let scene = one_way(direction, link, 1);
    let checked = scene.client().run();
    let way = word(direction);
    let id = format!("network.path.reordering_{way}");
    let jitter = format!("network.path.high_jitter_{way}");
    // A trial of a call varies as much, so that a lower rung may be all that fits.
    let rate = format!("network.bandwidth.{way}link_too_small");
    checked.assert_named(&id, &["network.path.high_rtt", &jitter, &rate], 3);
    assert_figures(&scene, &checked);
    let path = checked.path();
    let section = match direction {
        Direction::Up => &path.up,
        Direction::Down => &path.down,
    };
    let reordered = section.order.as_ref().unwrap().packets_reordered;
    assert_eq!(reordered, scene.truth().reordered(direction, path));
    println!("  {}; {reordered} reordered", checked.first());
}

/// One packet in ten comes twice.
fn duplicates(direction: Direction) {
    let scene = one_way(direction, good_link().duplicate(0.1), 1);
    let checked = scene.client().run();
    let id = format!("network.path.duplicates_{}", word(direction));
    checked.assert_named(&id, &[], 0);
    assert_figures(&scene, &checked);
}

/// Packets above 1300 bytes vanish without a word.
fn black_hole(direction: Direction, over_ipv6: bool) {
    let scene = one_way(direction, good_link().mtu(1300), 1);
    let url = if over_ipv6 {
        scene.url_v6()
    } else {
        scene.url()
    };
    let checked = scene.client_for(&url).quick().run();
    let id = format!("network.path.mtu_black_hole_{}", word(direction));
    checked.assert_named(&id, &[], 0);
    let bytes = |section: &greenroom::model::path::DirectionSection| {
        section.path_mtu.as_ref().unwrap().bytes.get()
    };
    let path = checked.path();
    let expected = match direction {
        Direction::Up => (1300, 1500),
        Direction::Down => (1500, 1300),
    };
    assert_eq!((bytes(&path.up), bytes(&path.down)), expected);
    println!("  {}; path MTU {expected:?}", checked.first());
}

/// Routers say that packets above 1300 bytes are too large: a sender adapts, and nobody notices.
fn signaled_mtu(over_ipv6: bool) {
    let scene = Scene::healthy();
    scene.lab.set_signaled_mtu(1300).unwrap();
    let url = if over_ipv6 {
        scene.url_v6()
    } else {
        scene.url()
    };
    let checked = scene.client_for(&url).quick().run();
    checked.assert_healthy();
    for section in [&checked.path().up, &checked.path().down] {
        let mtu = section.path_mtu.as_ref().unwrap();
        assert_eq!((mtu.bytes.get(), mtu.black_hole), (1300, false));
    }
}

/// Nothing passes for a second, in the middle of the measurement.
fn outage() {
    let scene = Scene::healthy();
    let running = scene.client().start();
    std::thread::sleep(Duration::from_millis(1500));
    scene.lab.link().start_outage(Duration::from_secs(1));
    let checked = running.finish();
    checked.assert_named(
        "network.path.outage",
        &[
            "network.path.loss_up",
            "network.path.loss_down",
            "network.path.high_jitter_up",
            "network.path.high_jitter_down",
        ],
        3,
    );
    let [outage] = &checked.path().outages[..] else {
        panic!("one outage: {}", checked.describe());
    };
    let (found, logged) = (
        outage.duration_ms.as_f64(),
        scene.truth().outage_ms(checked.path()),
    );
    assert!(outage.recovered);
    println!("  {}; {found:.0} ms (log {logged:.0})", checked.first());
    assert!((found - 1000.0).abs() <= 50.0, "{found} ms");
    assert!((found - logged).abs() <= 5.0, "{found} ms, log {logged} ms");
}
