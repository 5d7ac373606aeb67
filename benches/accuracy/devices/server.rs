//! A sound server with null sinks: what is played into `micfeed` is what the microphone hears.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use greenroom::Report;
use greenroom_lab::Process;
use tempfile::TempDir;

use crate::scene::GREENROOM;

/// Sinks, and the microphone behind one of them. The chirp of the speaker gets into the microphone
/// as through a room: later, and softer.
const MODULES: [&str; 4] = [
    "module-null-sink sink_name=spk rate=48000 channels=2",
    "module-null-sink sink_name=micfeed rate=48000 channels=2",
    "module-remap-source source_name=mic master=micfeed.monitor",
    "module-loopback source=spk.monitor sink=micfeed latency_msec=20",
];

/// A null sink renders two seconds at once until somebody wants less, and those have to pass.
const FIRST_BLOCK: Duration = Duration::from_millis(2100);

/// The server, and readers that keep its blocks short. All ends with this handle.
pub(super) struct SoundServer {
    processes: Vec<Process>,
    folder: TempDir,
}

impl SoundServer {
    pub(super) fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for name in ["run", "state", "home"] {
            let path = folder.path().join(name);
            fs::create_dir(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
        }
        let mut server = Self {
            processes: Vec::new(),
            folder,
        };
        server.start_pulse()?;
        for (kind, name) in [("sink", "spk"), ("source", "mic")] {
            server.pactl(&[&format!("set-default-{kind}"), name])?;
        }
        for monitor in ["spk.monitor", "micfeed.monitor"] {
            let mut reader = server.command("parec");
            reader.args(["--raw", "--latency-msec=10", "-d", monitor]);
            server.keep(reader)?;
        }
        std::thread::sleep(FIRST_BLOCK);
        Ok(server)
    }

    fn start_pulse(&mut self) -> Result<()> {
        let mut pulse = self.command("pulseaudio");
        pulse
            .args(["-n", "--daemonize=no", "--fail", "--exit-idle-time=-1"])
            .args(["--disallow-exit", "--high-priority=no", "--realtime=no"])
            .arg("--use-pid-file=no")
            .arg("-L")
            .arg(format!(
                "module-native-protocol-unix auth-anonymous=1 socket={}",
                self.socket().display()
            ));
        for module in MODULES {
            pulse.args(["-L", module]);
        }
        self.keep(pulse)?;
        let until = Instant::now() + Duration::from_secs(10);
        while self.pactl(&["info"]).is_err() {
            ensure!(Instant::now() < until, "the sound server does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn keep(&mut self, mut command: Command) -> Result<()> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let what = format!("cannot start {}", command.get_program().display());
        self.processes
            .push(Process::start(&mut command).context(what)?);
        Ok(())
    }

    /// Where files can be put that end with the server.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn socket(&self) -> PathBuf {
        self.path().join("run/native")
    }

    /// A program that finds this server.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("XDG_RUNTIME_DIR", self.path().join("run"))
            .env("PULSE_RUNTIME_PATH", self.path().join("run"))
            .env("PULSE_STATE_PATH", self.path().join("state"))
            .env("PULSE_SERVER", format!("unix:{}", self.socket().display()))
            .env("HOME", self.path().join("home"))
            .env_remove("XDG_CONFIG_HOME");
        command
    }

    /// Tells the server something through `pactl`.
    pub(super) fn pactl(&self, arguments: &[&str]) -> Result<()> {
        let output = self.command("pactl").args(arguments).output()?;
        ensure!(output.status.success(), "pactl {arguments:?} failed");
        Ok(())
    }

    /// Plays samples of one channel at 48 kHz to the microphone while the handle lives.
    pub(super) fn feed(&self, samples: &[f32]) -> Result<Process> {
        let path = self.path().join("feed");
        let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        fs::write(&path, bytes)?;
        let mut player = self.command("pacat");
        player
            .args(["--playback", "--raw", "--format=float32le", "--rate=48000"])
            .args(["--channels=1", "--latency-msec=200", "--device=micfeed"])
            .stdin(File::open(path)?)
            .stderr(Stdio::null());
        let player = Process::start(&mut player).context("cannot start pacat")?;
        std::thread::sleep(Duration::from_millis(500));
        Ok(player)
    }

    /// Checks devices, and tells how long the program took.
    pub(super) fn check(&self, arguments: &[&str]) -> Result<(Report, Duration)> {
        let began = Instant::now();
        let output = self
            .command(GREENROOM)
            .args(["check", "--quiet", "--json", "-"])
            .args(arguments)
            .output()?;
        let elapsed = began.elapsed();
        let text = String::from_utf8(output.stdout)?;
        Ok((greenroom::schema::read_report(&text)?, elapsed))
    }
}
