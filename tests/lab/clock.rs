//! Clocks that are wrong, and clocks that jump.

use greenroom_lab::{Disguise, DisguiseConfig};
use libtest_mimic::Trial;

use crate::client::Checked;
use crate::path::assert_figures;
use crate::scene::{Scene, good_link};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_clock_90_s_behind_is_named", || wrong(90_000)),
        trial("a_clock_90_s_ahead_is_named", || wrong(-90_000)),
        trial("a_clock_30_s_off_is_not_named", small),
        trial("a_client_clock_that_jumps_ahead_changes_no_figure", || {
            client_jumps(3_600_000);
        }),
        trial("a_client_clock_that_jumps_back_changes_no_figure", || {
            client_jumps(-3_600_000);
        }),
        trial("a_server_clock_that_jumps_changes_no_figure", server_jumps),
    ]
}

/// A server whose clock is ahead by this.
fn with_server_clock(offset_ms: i64) -> (Scene, Disguise) {
    let disguise = Disguise::new(&DisguiseConfig::new().clock_offset_ms(offset_ms)).unwrap();
    let mut scene = Scene::without_server(good_link(), good_link(), 1);
    scene.serve_in(&disguise);
    (scene, disguise)
}

fn offset_ms(checked: &Checked) -> f64 {
    let discovery = checked.report.discovery.data().unwrap();
    discovery.clock_offset.unwrap().offset_ms.as_f64()
}

/// The server's clock is the right one; this machine's is off against it.
fn wrong(server_offset_ms: i32) {
    let (scene, disguise) = with_server_clock(server_offset_ms.into());
    let checked = scene.client().quick().run();
    checked.assert_named("system.clock.offset", &[], 3);
    assert!(
        (offset_ms(&checked) + f64::from(server_offset_ms)).abs() < 200.0,
        "{}",
        checked.describe()
    );
    assert_figures(&scene, &checked);
    drop((scene, disguise));
}

fn small() {
    let (scene, disguise) = with_server_clock(30_000);
    let checked = scene.client().quick().run();
    checked.assert_healthy();
    drop((scene, disguise));
}

fn client_jumps(by_ms: i64) {
    let scene = Scene::healthy();
    let running = scene.client().machine(|m| m.clock_offset_ms(0)).start();
    scene.wait_for_stream();
    running.disguise.set_clock_offset_ms(by_ms).unwrap();
    let checked = running.finish();
    checked.assert_healthy();
    assert_figures(&scene, &checked);
    let elapsed_ms = checked.report.elapsed_ms.as_f64();
    assert!((2000.0..15_000.0).contains(&elapsed_ms), "{elapsed_ms} ms");
}

fn server_jumps() {
    let (scene, disguise) = with_server_clock(0);
    let running = scene.client().start();
    scene.wait_for_stream();
    disguise.set_clock_offset_ms(-3_600_000).unwrap();
    let checked = running.finish();
    checked.assert_healthy();
    assert_figures(&scene, &checked);
    drop((scene, disguise));
}
