//! A healthy machine on a healthy network raises no alarm.

use std::time::Duration;

use greenroom::model::path::{Family, Transport};
use greenroom::model::system::ScreenCapture;
use greenroom_lab::link::{Jitter, LinkConfig, Loss};
use libtest_mimic::Trial;

use crate::path::assert_figures;
use crate::scene::{Scene, good_link};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    let seeds = [(1, 20), (2, 2), (3, 60), (4, 120)];
    let mut trials: Vec<Trial> = seeds
        .into_iter()
        .map(|(seed, rtt_ms)| {
            let name = format!("a_clean_path_with_{rtt_ms}_ms_rtt_raises_no_finding");
            trial(name, move || clean_path(seed, rtt_ms))
        })
        .collect();
    trials.extend([
        trial("a_clean_path_over_ipv6_raises_no_finding", ipv6),
        trial("a_quick_check_of_a_clean_path_raises_no_finding", quick),
        trial("mild_jitter_and_rare_loss_raise_no_finding", mild),
    ]);
    trials
}

fn clean_path(seed: u64, rtt_ms: u64) {
    let link = LinkConfig::new().delay(Duration::from_millis(rtt_ms) / 2);
    let scene = Scene::with(link.clone(), link, seed);
    let checked = scene.client().run();
    checked.assert_healthy();
    assert_figures(&scene, &checked);
    let path = checked.path();
    assert_eq!(
        (path.transport, path.family),
        (Transport::Udp, Family::Ipv4)
    );
    assert!(path.outages.is_empty(), "{}", checked.describe());
    for section in [&path.up, &path.down] {
        let mtu = section.path_mtu.as_ref().unwrap();
        assert_eq!((mtu.bytes.get(), mtu.black_hole), (1500, false));
    }
    let display = &checked.report.system.data().unwrap().display;
    assert!(
        matches!(display.screen_capture, ScreenCapture::Available { .. }),
        "{display:?}"
    );
}

fn ipv6() {
    let scene = Scene::healthy();
    let checked = scene.client_for(&scene.url_v6()).run();
    checked.assert_healthy();
    assert_figures(&scene, &checked);
    assert_eq!(checked.path().family, Family::Ipv6);
    let mtu = checked.path().up.path_mtu.as_ref().unwrap();
    assert_eq!((mtu.bytes.get(), mtu.black_hole), (1500, false));
}

fn quick() {
    let scene = Scene::healthy();
    let checked = scene.client().quick().run();
    checked.assert_healthy();
    assert_figures(&scene, &checked);
}

/// What a good home network does.
fn mild() {
    let link = good_link()
        .jitter(Jitter::Normal(Duration::from_millis(3)))
        .loss(Loss::EveryNth(170));
    let scene = Scene::with(link.clone(), link, 5);
    let checked = scene.client().run();
    assert!(checked.report.findings.is_empty(), "{}", checked.describe());
    assert_figures(&scene, &checked);
}
