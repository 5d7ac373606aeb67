//! Programs that serve a test and end with it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A server that ends with the test.
pub(super) struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server and returns the line by which it says that it is ready.
pub(super) fn start(program: &str, arguments: &[&str]) -> (Server, String) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("this test needs the program {program}: {error}"));
    let output = child.stdout.take().unwrap();
    let server = Server(child);
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).unwrap();
    (server, line.trim().to_owned())
}

/// A bus of a test's own, without services to start.
pub(super) struct Bus {
    /// As clients name it.
    pub(super) address: String,
    _server: Server,
    _directory: tempfile::TempDir,
}

/// Starts a bus; needs the program `dbus-daemon`.
pub(super) fn start_bus() -> Bus {
    let directory = tempfile::tempdir().unwrap();
    let rules = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>"#;
    let file = directory.path().join("bus.conf");
    std::fs::write(&file, rules).unwrap();
    let file = format!("--config-file={}", file.display());
    let (server, address) = start("dbus-daemon", &[&file, "--nofork", "--print-address"]);
    Bus {
        address,
        _server: server,
        _directory: directory,
    }
}
