//! A room in the lab: its noise, the way from the speaker to the microphone, and the program in it.

use std::fs::File;
use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use greenroom::Report;
use greenroom::model::finding::Finding;
use greenroom::model::microphone::MicrophoneSection;
use greenroom::model::speaker::SpeakerSection;
use greenroom::schema::read_report;
use greenroom_devices::signal::testing::sounds::{interleaved, speech_like, white_noise};
use greenroom_reports::samples::Random;

use crate::pulse::{Lab, signal_process};

/// Sample rate of everything in the lab, in Hz.
pub(crate) const RATE_HZ: f64 = 48_000.0;

/// Longest that a sound is played: a full check of both devices takes 7 s at most, with devices that are slow to begin.
const SOUND_SECONDS: f64 = 12.0;

/// How long a sound server takes to begin a sound; the player holds 0.4 s.
const SOUND_BEGINS: Duration = Duration::from_millis(900);

/// How long a change in the server takes.
const WAY_SETTLES: Duration = Duration::from_millis(200);

/// How soon the program records, and how often it is looked for that.
const READER_LIMIT: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a program runs before it is held up.
const RUNS: Duration = Duration::from_millis(350);

/// Noise of a quiet room, RMS in dBFS.
pub(crate) const QUIET_DBFS: f64 = -70.0;

/// What the probes ask for at the command line.
pub(crate) const BOTH: [&str; 2] = ["--only", "microphone,speaker"];

/// A room around the lab's devices.
pub(crate) struct Room<'a> {
    lab: &'a Lab,
}

/// A sound that ends with its handle.
pub(crate) struct Playing(Child);

impl Drop for Playing {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl<'a> Room<'a> {
    /// A room in which the microphone hears the speaker soon, and 20 dB weaker.
    pub(crate) fn new(lab: &'a Lab) -> Self {
        let room = Self { lab };
        // A speaker whose sound goes into what the microphone hears, without another buffer.
        room.load(&[
            "module-remap-sink",
            "sink_name=near",
            "master=micfeed",
            "sink_properties=device.description=NearSpeaker",
        ]);
        lab.pactl(&["set-default-sink", "near"]);
        room.set_gain("-20dB");
        room
    }

    /// A room in which the microphone hears nothing of the speaker.
    pub(crate) fn without_way(lab: &'a Lab) -> Self {
        Self { lab }
    }

    /// Loads a module into the server; its number.
    pub(crate) fn load(&self, module: &[&str]) -> String {
        let arguments: Vec<&str> = ["load-module"]
            .into_iter()
            .chain(module.iter().copied())
            .collect();
        self.lab.pactl(&arguments)
    }

    /// How much louder than played the microphone hears the speaker.
    pub(crate) fn set_gain(&self, gain: &str) {
        let way = self.way();
        self.lab.pactl(&["set-sink-input-volume", &way, gain]);
        sleep(WAY_SETTLES);
    }

    /// Lets the microphone no longer hear the speaker.
    pub(crate) fn cut_way(&self) {
        self.lab.pactl(&["set-sink-input-mute", &self.way(), "1"]);
        sleep(WAY_SETTLES);
    }

    /// Number of the stream from the near speaker to the microphone.
    fn way(&self) -> String {
        let modules = self.lab.pactl(&["list", "short", "modules"]);
        let module = modules.lines().find(|line| line.contains("sink_name=near"));
        let module = module.unwrap().split('\t').next().unwrap();
        let all = self.lab.pactl(&["list", "sink-inputs"]);
        let owner = format!("Owner Module: {module}");
        let input = all
            .split("Sink Input #")
            .find(|part| part.lines().any(|line| line.trim() == owner))
            .unwrap_or_else(|| panic!("no stream of module {module}: {all}"));
        input.lines().next().unwrap().trim().to_owned()
    }

    /// The microphone hears this on both channels.
    pub(crate) fn plays(&self, samples: &[f32]) -> Playing {
        self.plays_channels(&[samples.to_vec(), samples.to_vec()])
    }

    /// The microphone hears a channel of these on each of its own.
    #[expect(clippy::unused_self, reason = "without a room there is no server")]
    pub(crate) fn plays_channels(&self, channels: &[Vec<f32>; 2]) -> Playing {
        let samples = interleaved(channels);
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        file.write_all(&bytes).unwrap();
        rewind(&mut file);
        let player = Command::new("pacat")
            .args(["--playback", "--raw", "--format=float32le", "--rate=48000"])
            .args(["--channels=2", "--latency-msec=400", "--device", "micfeed"])
            .stdin(file)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        sleep(SOUND_BEGINS);
        Playing(player)
    }

    /// The microphone hears a quiet room.
    pub(crate) fn is_quiet(&self) -> Playing {
        self.plays(&noise(QUIET_DBFS))
    }

    /// The program's report of both devices.
    pub(crate) fn checked(&self, arguments: &[&str]) -> Seen {
        self.checked_while(arguments, || {})
    }

    /// The same, while something happens.
    #[expect(clippy::unused_self, reason = "without a room there is no server")]
    pub(crate) fn checked_while(&self, arguments: &[&str], act: impl FnOnce()) -> Seen {
        let began = Instant::now();
        let child = program(env!("CARGO_BIN_EXE_greenroom"))
            .args(check(arguments))
            .spawn()
            .unwrap();
        act();
        let output = child.wait_with_output().unwrap();
        Seen::of(&output, began.elapsed())
    }

    /// The same, while the program is stopped for so long, once, while it records.
    pub(crate) fn checked_held_up(&self, arguments: &[&str], stopped: Duration) -> Seen {
        let began = Instant::now();
        let child = program(env!("CARGO_BIN_EXE_greenroom"))
            .args(check(arguments))
            .spawn()
            .unwrap();
        self.wait_for_reader(child.id());
        sleep(RUNS);
        signal_process(child.id(), "STOP");
        sleep(stopped);
        signal_process(child.id(), "CONT");
        let output = child.wait_with_output().unwrap();
        Seen::of(&output, began.elapsed())
    }

    /// Waits until this process records.
    pub(crate) fn wait_for_reader(&self, process: u32) {
        let id = format!("application.process.id = \"{process}\"");
        let until = Instant::now() + READER_LIMIT;
        loop {
            let readers = self.lab.pactl(&["list", "source-outputs"]);
            if readers.contains(&id) {
                return;
            }
            assert!(Instant::now() < until, "nobody records: {readers}");
            sleep(LOOK_EVERY);
        }
    }
}

/// The arguments of a check that gives its report to us: of both devices, unless these say else.
pub(crate) fn check<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let both = if more.contains(&"--only") {
        &[][..]
    } else {
        &BOTH
    };
    ["check", "--quiet", "--json", "-"]
        .into_iter()
        .chain(both.iter().copied())
        .chain(more.iter().copied())
        .collect()
}

/// A program in the lab, without choices or limits from outside.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    for name in ["GREENROOM_SKIP", "GREENROOM_SERVER", "GREENROOM_CA"] {
        command.env_remove(name);
    }
    command
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn rewind(file: &mut File) {
    use std::io::Seek;
    file.rewind().unwrap();
}

/// What a check found.
pub(crate) struct Seen {
    pub(crate) report: Report,
    pub(crate) took: Duration,
}

impl Seen {
    pub(crate) fn of(output: &Output, took: Duration) -> Self {
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        let report = read_report(&text).unwrap_or_else(|error| panic!("{error}: {text} {errors}"));
        Self { report, took }
    }

    /// Nothing is found but notes.
    #[track_caller]
    pub(crate) fn is_healthy(&self, what: &str) -> &Self {
        self.tell(what);
        assert!(self.ids().is_empty(), "{what}: {}", self.all());
        self
    }

    /// This is found, first, and nothing beside it but what it explains and these.
    #[track_caller]
    pub(crate) fn names(&self, what: &str, id: &str, beside: &[&str]) -> &Self {
        self.tell(what);
        let ids = self.ids();
        assert_eq!(ids.first(), Some(&id), "{what}: {}", self.all());
        let findings = self.findings().skip(1);
        let explained = |of: Option<&str>| of == Some(id);
        let others = findings.filter(|f| !explained(f.consequence_of.as_deref()));
        let others: Vec<&str> = others.map(|f| f.id.as_str()).collect();
        let is_known = |other: &&str| beside.contains(other);
        assert!(others.iter().all(is_known), "{what}: {}", self.all());
        self
    }

    pub(crate) fn microphone(&self) -> &MicrophoneSection {
        self.report.microphone.data().unwrap()
    }

    pub(crate) fn speaker(&self) -> &SpeakerSection {
        self.report.speaker.data().unwrap()
    }

    /// What was found, the worst first, but for the note that no server was given.
    fn ids(&self) -> Vec<&str> {
        let all = self.findings().map(|f| f.id.as_str());
        all.collect()
    }

    fn findings(&self) -> impl Iterator<Item = &Finding> {
        let all = self.report.findings.iter();
        all.filter(|f| f.id != "network.target.builtin")
    }

    fn tell(&self, what: &str) {
        println!("{what}: {:?} in {:.1?}", self.ids(), self.took);
    }

    /// For who has to find out what went wrong.
    fn all(&self) -> String {
        let report = &self.report;
        let findings: Vec<&Finding> = self.findings().collect();
        let parts = (findings, &report.microphone, &report.speaker);
        serde_json::to_string_pretty(&parts).unwrap()
    }
}

/// Noise of a room with this RMS in dBFS, to add to, or alone.
pub(crate) fn noise(dbfs: f64) -> Vec<f32> {
    white_noise(&mut Random::new(11), n_samples(), amplitude(dbfs))
}

/// Somebody speaks, so loud on the mean while he does.
pub(crate) fn speech(dbfs: f64) -> Vec<f32> {
    speech_like(&mut Random::new(7), RATE_HZ, n_samples(), amplitude(dbfs))
}

/// Length of every sound.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a constant"
)]
pub(crate) fn n_samples() -> usize {
    (RATE_HZ * SOUND_SECONDS) as usize
}

/// Of full scale.
pub(crate) fn amplitude(dbfs: f64) -> f64 {
    10_f64.powf(dbfs / 20.0)
}

/// Does something a little later.
pub(crate) fn after(wait_ms: u64, act: impl FnOnce()) -> impl FnOnce() {
    move || {
        sleep(Duration::from_millis(wait_ms));
        act();
    }
}

/// They differ by so much at most.
#[track_caller]
pub(crate) fn assert_near(what: &str, found: f64, expected: f64, tolerance: f64) {
    println!("    {what}: {found:.2}, fed {expected:.2}");
    let is_near = (found - expected).abs() <= tolerance;
    assert!(is_near, "{what}: {found} is not {expected}±{tolerance}");
}
