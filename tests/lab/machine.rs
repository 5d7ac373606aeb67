//! Faults of the machine.

use std::process::Stdio;
use std::time::{Duration, Instant};

use greenroom::model::path::Transport;
use greenroom_lab::{Process, addresses};
use libtest_mimic::Trial;

use crate::client::Client;
use crate::scene::{Scene, wait_for_port};
use crate::screen;
use crate::{tool, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("too_few_cores_are_named", too_few_cores),
        trial("a_missing_display_server_is_named", no_display),
        trial("a_refused_screen_capture_is_named", no_capture),
        trial("a_battery_saver_is_named", battery_saver),
        trial("a_battery_without_saver_is_not_named", battery),
        trial("a_capped_clock_is_named_as_throttling", capped_clock),
        trial("a_rising_throttle_count_is_named", throttle_count),
        trial("other_programs_are_named", busy),
        trial("a_proxy_is_named_and_used", proxy),
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
        3,
    );
}

/// The display server is there but does not take this program's cookie.
fn no_capture() {
    let scene = Scene::healthy();
    let wrong = screen::open().wrong_cookie;
    let checked = scene.client().quick().variable("XAUTHORITY", wrong).run();
    checked.assert_named("system.screen_capture.unavailable", &[], 3);
}

const BATTERY: &str = "/sys/class/power_supply/BAT0";

fn on_battery(client: Client<'_>) -> Client<'_> {
    client
        .file(&format!("{BATTERY}/type"), "Battery\n")
        .file(&format!("{BATTERY}/status"), "Discharging\n")
        .file(&format!("{BATTERY}/capacity"), "17\n")
}

fn battery_saver() {
    let scene = Scene::healthy();
    let checked = on_battery(scene.client().quick())
        .file("/sys/firmware/acpi/platform_profile", "low-power\n")
        .run();
    checked.assert_named("system.power.saver", &[], 0);
}

fn battery() {
    let scene = Scene::healthy();
    let checked = on_battery(scene.client().quick())
        .file("/sys/firmware/acpi/platform_profile", "balanced\n")
        .run();
    checked.assert_healthy();
}

/// The kernel lets the clock go to 40 % of its maximum.
fn capped_clock() {
    let policy = "/sys/devices/system/cpu/cpufreq/policy0";
    let scene = Scene::healthy();
    let checked = scene
        .client()
        .quick()
        .file(&format!("{policy}/cpuinfo_max_freq"), "4000000\n")
        .file(&format!("{policy}/scaling_max_freq"), "1600000\n")
        .run();
    checked.assert_named("system.cpu.throttled", &[], 0);
}

/// The processor counts thermal events while the check looks.
fn throttle_count() {
    let count = "/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count";
    let scene = Scene::healthy();
    let running = scene.client().quick().file(count, "1\n").start();
    let until = Instant::now() + Duration::from_secs(1);
    for events in 2.. {
        if Instant::now() > until {
            break;
        }
        running
            .disguise
            .rewrite(count, &format!("{events}\n"))
            .unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    running
        .finish()
        .assert_named("system.cpu.throttled", &[], 0);
}

/// Two programs a core do nothing but compute.
fn busy() {
    let scene = Scene::healthy();
    let n = 2 * std::thread::available_parallelism().unwrap().get();
    let _burners: Vec<Process> = (0..n)
        .map(|_| {
            let mut command = scene.lab.client().command("sh");
            Process::start(command.args(["-c", "while :; do :; done"])).unwrap()
        })
        .collect();
    let checked = scene.client().quick().with_true_load().run();
    checked.assert_named("system.cpu.busy", &[], 0);
}

/// Web traffic goes through a real proxy, packets do not.
fn proxy() {
    let tinyproxy = tool::find("tinyproxy", "tinyproxy-bin");
    let scene = Scene::healthy();
    let configuration = format!("/run/tinyproxy-{}", scene.lab.server().netns());
    std::fs::write(
        &configuration,
        "Port 8888\nTimeout 60\nLogLevel Error\nMaxClients 10\n",
    )
    .unwrap();
    let mut command = scene.lab.server().command(tinyproxy);
    command
        .args(["-d", "-c", &configuration])
        .stdout(Stdio::null());
    let _proxy = Process::start(&mut command).unwrap();
    wait_for_port(&scene.lab, 8888);
    let url = format!("http://{}:8888", addresses::SERVER_ALTERNATE_V4);
    let checked = scene.client().quick().variable("http_proxy", &url).run();
    checked.assert_named(
        "system.network.proxy",
        &["network.web.websocket_blocked"],
        0,
    );
    assert_eq!(checked.path().transport, Transport::Udp);
    let proxy = checked.report.system.data().unwrap().proxy.clone().unwrap();
    assert_eq!(
        (proxy.host.as_str(), proxy.port),
        (
            addresses::SERVER_ALTERNATE_V4.to_string().as_str(),
            Some(8888)
        )
    );
}
