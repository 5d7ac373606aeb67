//! Servers that cannot be reached, or are none.

use std::fs;
use std::process::Stdio;

use greenroom_lab::{Process, Protocol};
use libtest_mimic::Trial;

use crate::scene::{PORT, Scene, good_link, wait_for_port};
use crate::{tool, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_refused_connection_is_named", refused),
        trial("a_filtered_port_is_named", filtered),
        trial("a_network_without_a_way_out_is_named", offline),
        trial("a_web_server_that_is_no_greenroom_is_named", || {
            web_server("location / { return 200 'hello'; }");
        }),
        trial("a_web_server_without_the_page_is_named", || {
            web_server("location / { return 404; }");
        }),
        trial("a_login_page_is_named", || {
            web_server(
                "location = /login { default_type text/html; return 200 '<html>Log in</html>'; } \
                 location / { return 302 /login; }",
            );
        }),
        trial("a_server_that_is_full_is_named", full),
    ]
}

fn refused() {
    let scene = Scene::without_server(good_link(), good_link(), 1);
    let checked = scene.client().run();
    checked.assert_named("network.discovery.refused", &[], 4);
}

fn filtered() {
    let scene = Scene::healthy();
    let router = scene.lab.access_router();
    router.block_port(Protocol::Tcp, PORT).unwrap();
    let checked = scene.client().run();
    checked.assert_named("network.discovery.no_answer", &[], 4);
}

fn offline() {
    let scene = Scene::healthy();
    let offline = "route del default\nroute del ::/0";
    scene.lab.client().ip(offline).unwrap();
    let checked = scene.client().run();
    checked.assert_named("network.discovery.unreachable", &[], 4);
}

/// Starts nginx on the server, with this in its `server` block, which listens at this port.
pub(crate) fn nginx(scene: &Scene, block: &str, port: u16) -> Process {
    let nginx = tool::find("nginx", "nginx-light");
    let directory = format!("/run/nginx-{}", scene.lab.server().netns());
    fs::create_dir_all(&directory).unwrap();
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = kinds
        .map(|kind| format!("{kind}_temp_path {directory}/{kind};"))
        .join(" ");
    let configuration = format!(
        "daemon off; master_process off; user root; pid {directory}/pid; error_log stderr emerg; events {{}}\n\
         http {{ access_log off; {temporary} server {{ {block} }} }}"
    );
    let file = format!("{directory}/nginx.conf");
    fs::write(&file, configuration).unwrap();
    let mut command = scene.lab.server().command(nginx);
    command
        .args(["-e", "stderr", "-p", &directory, "-c", &file])
        .stdin(Stdio::null());
    let process = Process::start(&mut command).unwrap();
    wait_for_port(&scene.lab, port);
    process
}

fn web_server(locations: &str) {
    let scene = Scene::without_server(good_link(), good_link(), 1);
    let _web = nginx(&scene, &format!("listen {PORT}; {locations}"), PORT);
    let checked = scene.client().run();
    checked.assert_named("network.discovery.not_greenroom", &[], 4);
}

/// The server allows one test at a time, and one runs.
fn full() {
    let mut scene = Scene::healthy();
    scene.serve(&["--max-sessions", "1"]);
    // Rates take two sessions, which this server has not.
    let first = scene
        .client()
        .argument("--skip=throughput,camera,microphone,speaker")
        .start();
    std::thread::sleep(std::time::Duration::from_secs(1));
    let second = scene.client().quick().run();
    second.assert_named("network.discovery.limited", &[], 4);
    let first = first.finish();
    assert!(first.report.findings.is_empty(), "{}", first.describe());
    assert!(first.path().rtt.is_some(), "{}", first.describe());
}
