//! Running the built program.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use greenroom::Report;
use greenroom::schema::read_report;

/// The program, in an environment that does not depend on who runs the tests.
pub(crate) fn greenroom() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greenroom"));
    for name in [
        "NO_COLOR",
        "COLUMNS",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "no_proxy",
        "NO_PROXY",
    ] {
        command.env_remove(name);
    }
    let ours = |name: &OsString| name.as_encoded_bytes().starts_with(b"GREENROOM_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    // Whatever devices and choices this machine has.
    command
        .env("GREENROOM_SKIP", DEVICES)
        .env("XDG_CONFIG_HOME", "/nonexistent");
    command
}

/// The probes of devices, which most of these tests leave out.
pub(crate) const DEVICES: &str = "camera,microphone,speaker";

/// Runs it with these arguments to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    greenroom().args(arguments).output().unwrap()
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The report that a run wrote to standard output.
pub(crate) fn report(output: &Output) -> Report {
    read_report(&stdout(output)).unwrap_or_else(|error| panic!("{error}\n{}", stderr(output)))
}

pub(crate) fn report_in(file: &Path) -> Report {
    read_report(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// A running `greenroom serve`, killed at the end.
pub(crate) struct Serving {
    pub(crate) child: Child,
    /// Its base URL, as it announced it.
    pub(crate) url: String,
    /// Everything that it announced.
    pub(crate) announcement: Vec<String>,
}

impl Serving {
    /// Starts it on loopback, at ports of the system's choice.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_command(
            greenroom()
                .args(["serve", "--listen", "127.0.0.1:0"])
                .args(arguments),
        )
    }

    pub(crate) fn start_command(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut announcement = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let last = line.starts_with("try: ");
            announcement.push(line);
            if last {
                break;
            }
        }
        let try_line = announcement.last().expect("the server announces itself");
        let url = try_line.rsplit(' ').next().unwrap().to_owned();
        Self {
            child,
            url,
            announcement,
        }
    }

    /// Tells it to stop, as a service manager does.
    pub(crate) fn terminate(&mut self) -> i32 {
        signal(&self.child, "TERM");
        wait(&mut self.child, Duration::from_secs(10))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Sends a signal by its name.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// Waits for the exit code, for a bounded time.
pub(crate) fn wait(child: &mut Child, patience: Duration) -> i32 {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or(-1);
        }
        assert!(began.elapsed() < patience, "the program does not end");
        std::thread::sleep(Duration::from_millis(2));
    }
}
