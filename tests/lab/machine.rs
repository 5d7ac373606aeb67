//! Faults of the machine.

use libtest_mimic::Trial;

use crate::scene::Scene;
use crate::screen;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("too_few_cores_are_named", too_few_cores),
        trial("a_missing_display_server_is_named", no_display),
        trial("a_refused_screen_capture_is_named", no_capture),
    ]
}

fn too_few_cores() {
    let scene = Scene::healthy();
    let checked = scene.client().quick().machine(|m| m.cpus(&[0])).run();
    checked.assert_named("system.cpu.too_few_cores", &[], 3);
    assert_eq!(checked.report.system.data().unwrap().cpu.usable_cores, 1);
}

fn no_display() {
    let scene = Scene::healthy();
    let checked = scene.client().quick().variable("DISPLAY", "").run();
    checked.assert_named(
        "system.display.none",
        &["system.screen_capture.unavailable"],
        0,
    );
}

/// The display server is there but does not take this program's cookie.
fn no_capture() {
    let scene = Scene::healthy();
    let wrong = screen::open().wrong_cookie;
    let checked = scene.client().quick().variable("XAUTHORITY", wrong).run();
    checked.assert_named("system.screen_capture.unavailable", &[], 0);
}
