//! A sound server of its own for each test: PulseAudio with null sinks, in a directory of its own.
//!
//! cpal finds its server through the environment, which a test must not change for others. So a
//! test runs once more, alone, in a process that has the right environment.
//!
//! Needs the Debian packages pulseaudio, pulseaudio-utils and libasound2-plugins.

#![allow(
    clippy::allow_attributes,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::type_complexity,
    clippy::unused_self,
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test binary uses its part of a lab that waits for processes"
)]

mod recorder;

use std::env;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use recorder::{Recorder, Track};
use tempfile::TempDir;

/// Tells a process that it is the inner one, and where the lab is.
const INNER: &str = "GREENROOM_PULSE_LAB";
/// Number of the server's process, for the inner one.
const SERVER: &str = "GREENROOM_PULSE_SERVER_PID";

/// Longest that a test may take in the lab.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A null sink renders blocks of two seconds until somebody asks for less, and the first one has to
/// pass.
const FIRST_BLOCK: Duration = Duration::from_millis(2100);

/// Real time on two cores: one lab at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The lab as the test sees it.
///
/// Sinks `spk` (default) and `micfeed`; source `mic` (default), which gives what is played into
/// `micfeed`; and the monitors of both sinks. All at 48 kHz, two channels.
#[derive(Debug)]
pub struct Lab {
    dir: PathBuf,
    server: u32,
}

/// Runs `body` in a lab. `test` is the full name of the test that calls it.
pub fn in_lab(test: &str, body: impl FnOnce(&Lab)) {
    in_lab_with(test, Setup::default(), body);
}

/// What else a lab has.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The devices are there; otherwise the server has none at all.
    pub has_devices: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { has_devices: true }
    }
}

/// As [`in_lab`], with another setup.
pub fn in_lab_with(test: &str, setup: Setup, body: impl FnOnce(&Lab)) {
    if let Some(dir) = env::var_os(INNER) {
        let server = env::var(SERVER).unwrap().parse().unwrap();
        return body(&Lab {
            dir: dir.into(),
            server,
        });
    }
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let server = Server::start(setup);
    server.run_inner(test);
}

impl Lab {
    /// Asks the server through `pactl`; must succeed.
    pub fn pactl(&self, arguments: &[&str]) -> String {
        let output = Command::new("pactl").args(arguments).output().unwrap();
        assert!(output.status.success(), "pactl {arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Plays samples of one channel at 48 kHz into a sink until they end or the handle is dropped.
    pub fn feed(&self, sink: &str, samples: &[f32]) -> Feed {
        let path = self.dir.join(format!("feed-{sink}.raw"));
        let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        fs::write(&path, bytes).unwrap();
        let pacat = Command::new("pacat")
            .args(["--playback", "--raw", "--format=float32le", "--rate=48000"])
            .args(["--channels=1", "--latency-msec=400", "--device", sink])
            .stdin(fs::File::open(path).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Feed(pacat)
    }

    /// Records from a source, without any code of ours.
    pub fn record(&self, source: &str) -> Recorder {
        Recorder::start(source)
    }

    /// Sends the server a signal: `STOP`, `CONT`, `KILL`.
    pub fn signal_server(&self, signal: &str) {
        signal_process(self.server, signal);
    }
}

/// A player that ends with its handle.
#[derive(Debug)]
pub struct Feed(Child);

impl Drop for Feed {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Sends a process a signal.
pub fn signal_process(process: u32, signal: &str) {
    let (signal, process) = (format!("-{signal}"), process.to_string());
    let status = Command::new("kill").args([signal, process]).status();
    assert!(status.unwrap().success());
}

/// A sine of this amplitude at 48 kHz.
pub fn tone(hz: f64, amplitude: f64, seconds: f64) -> Vec<f32> {
    greenroom_devices::signal::testing::sounds::tone(
        48_000.0,
        (48_000.0 * seconds) as usize,
        hz,
        amplitude,
    )
}

/// Everything that runs beside a test.
struct Server {
    children: Vec<Child>,
    dir: TempDir,
}

impl Server {
    fn start(setup: Setup) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("gr-pulse")
            .tempdir()
            .unwrap();
        let mut server = Self {
            children: Vec::new(),
            dir,
        };
        for folder in ["run", "run/pulse", "state", "home"] {
            private_folder(&server.dir.path().join(folder));
        }
        server.write_alsa_configuration();
        server.start_pulse(setup);
        if setup.has_devices {
            server.keep_blocks_short();
        }
        server
    }

    fn start_pulse(&mut self, setup: Setup) {
        let socket = self.socket();
        let mut pulse = self.command("setpriv");
        pulse
            .args(["--pdeathsig", "SIGKILL", "pulseaudio", "-n"])
            .args(["--daemonize=no", "--fail", "--exit-idle-time=-1"])
            .args(["--disallow-exit", "--disable-shm=no", "--high-priority=no"])
            .args(["--realtime=no", "--use-pid-file=no"])
            .arg("-L")
            .arg(format!(
                "module-native-protocol-unix auth-anonymous=1 socket={}",
                socket.display()
            ));
        if setup.has_devices {
            for module in [
                "module-null-sink sink_name=spk rate=48000 channels=2 \
                 sink_properties=device.description=LabSpeaker",
                "module-null-sink sink_name=micfeed rate=48000 channels=2 \
                 sink_properties=device.description=LabMicFeed",
                "module-remap-source source_name=mic master=micfeed.monitor \
                 source_properties=device.description=LabMicrophone",
            ] {
                pulse.args(["-L", module]);
            }
        }
        let log = fs::File::create(self.dir.path().join("log")).unwrap();
        pulse.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.children.push(pulse.spawn().unwrap());
        self.wait_for_answer();
        if setup.has_devices {
            self.pactl(&["set-default-sink", "spk"]);
            self.pactl(&["set-default-source", "mic"]);
        }
    }

    fn wait_for_answer(&self) {
        let until = Instant::now() + Duration::from_secs(10);
        while !self.pactl(&["info"]) {
            let log = || fs::read_to_string(self.dir.path().join("log"));
            assert!(Instant::now() < until, "no sound server: {:?}", log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Readers that want their sound soon.
    fn keep_blocks_short(&mut self) {
        for monitor in ["spk.monitor", "micfeed.monitor"] {
            let reader = self
                .command("setpriv")
                .args(["--pdeathsig", "SIGKILL", "parec", "--raw"])
                .args(["--latency-msec=10", "-d", monitor])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            self.children.push(reader.unwrap());
        }
        thread::sleep(FIRST_BLOCK);
    }

    fn write_alsa_configuration(&self) {
        let configuration = "</usr/share/alsa/alsa.conf>\n\
             pcm.!default { type pulse }\n\
             ctl.!default { type pulse }\n";
        fs::write(self.dir.path().join("asound.conf"), configuration).unwrap();
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("run/pulse/native")
    }

    /// A program in the lab's environment.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let dir = self.dir.path();
        let mut command = Command::new(program);
        command
            .env("XDG_RUNTIME_DIR", dir.join("run"))
            .env("PULSE_RUNTIME_PATH", dir.join("run/pulse"))
            .env("PULSE_STATE_PATH", dir.join("state"))
            .env("PULSE_SERVER", format!("unix:{}", self.socket().display()))
            .env("PULSE_COOKIE", dir.join("state/cookie"))
            .env("ALSA_CONFIG_PATH", dir.join("asound.conf"))
            .env("HOME", dir.join("home"));
        command
    }

    fn pactl(&self, arguments: &[&str]) -> bool {
        let output = self.command("pactl").args(arguments).output();
        output.unwrap().status.success()
    }

    fn run_inner(&self, test: &str) {
        let mut inner = self
            .command(env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(INNER, self.dir.path())
            .env(SERVER, self.children[0].id().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = drain(inner.stdout.take().unwrap());
        let errors = drain(inner.stderr.take().unwrap());
        let until = Instant::now() + TEST_TIMEOUT;
        let status = loop {
            if let Some(status) = inner.try_wait().unwrap() {
                break Some(status);
            }
            if Instant::now() >= until {
                let _ended = inner.kill();
                let _reaped = inner.wait();
                break None;
            }
            thread::sleep(Duration::from_millis(20));
        };
        let (output, errors) = (output.join().unwrap(), errors.join().unwrap());
        let has_passed = status.is_some_and(|s| s.success()) && output.contains("1 passed");
        assert!(has_passed, "{test}: {status:?}\n{output}\n{errors}");
        print!("{output}");
    }
}

fn drain(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _closed = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        // The server is the first, and may be stopped: only this ends it for sure.
        for child in self.children.iter_mut().rev() {
            let _ended = child.kill();
            let _reaped = child.wait();
        }
    }
}

fn private_folder(path: &Path) {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(path).unwrap();
}
