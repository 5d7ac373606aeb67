//! `greenroom devices try`: what a person says comes back, for their own ears to judge.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use greenroom_devices::audio::catalog::Audio;
use greenroom_devices::audio::echo_test::Recording;
use greenroom_devices::device::{DeviceInfo, DeviceKind};
use greenroom_devices::selection::DeviceId;
use greenroom_reports::units::Dbfs;
use greenroom_reports::verdict::exit_code;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::{ChoiceArgs, TryArgs};
use super::check::{end_on_signal, next_signal};
use super::{devices, output};

/// Peak of what is played back, never exceeded: what was said too loudly is played more softly.
const PEAK_DBFS: f64 = -6.0;

/// Level in dBFS at which the bar is empty: below it there is no voice.
const BAR_BEGIN_DBFS: f64 = -60.0;

/// How far the bar falls in one look, as meters do, so that an eye can follow: 20 dB in about a
/// second.
const FALL_DB: f64 = 0.4;

/// Records, and plays back.
pub(super) fn run(args: &TryArgs) -> anyhow::Result<u8> {
    let choice = ChoiceArgs {
        camera: None,
        microphone: args.microphone.clone(),
        speaker: args.speaker.clone(),
    };
    let selection = devices::chosen(&choice, devices::saved())?;
    let audio = Audio::new();
    let microphone = find(
        &audio,
        DeviceKind::Microphone,
        selection.microphone.as_ref(),
    )?;
    let speaker = find(&audio, DeviceKind::Speaker, selection.speaker.as_ref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let interrupted = Arc::new(AtomicBool::new(false));
    let told = interrupted.clone();
    runtime.spawn(async move {
        next_signal().await;
        told.store(true, Ordering::Release);
        end_on_signal().await;
    });
    let length = Duration::from_secs(args.seconds);
    let tried = try_out(&audio, [&microphone, &speaker], length, &interrupted);
    runtime.shutdown_background();
    tried?;
    if interrupted.load(Ordering::Acquire) {
        return Ok(exit_code::INTERRUPTED);
    }
    Ok(exit_code::READY)
}

/// The device that was chosen; another in its place is told.
fn find(audio: &Audio, kind: DeviceKind, id: Option<&DeviceId>) -> anyhow::Result<DeviceInfo> {
    let chosen = audio.resolve(kind, id)?.chosen;
    if let Some(fallback) = chosen.fallback {
        output::complain(&format!("warning: {fallback}"));
    }
    Ok(chosen.info)
}

fn try_out(
    audio: &Audio,
    [microphone, speaker]: [&DeviceInfo; 2],
    length: Duration,
    interrupted: &AtomicBool,
) -> anyhow::Result<()> {
    let is_over = || interrupted.load(Ordering::Acquire);
    // Both at once, as in a call: some headsets sound otherwise then.
    let ear = audio.open_microphone(microphone)?;
    let mouth = audio.open_speaker(speaker)?;
    let seconds = length.as_secs();
    output::complain(&format!("{}: speak now, for {seconds} s", microphone.name));
    let mut meter = Meter::new(seconds);
    let recording = Recording::make(&ear, length, |peak| {
        meter.show(peak);
        !is_over()
    });
    meter.finish();
    let recording = recording?;
    if is_over() {
        return Ok(());
    }
    if recording.is_silent() {
        output::complain("the microphone gave nothing but silence: is it muted?");
        return Ok(());
    }
    output::complain(&format!(
        "{}: this is how you sound to others, at {} or less",
        speaker.name,
        peak()
    ));
    let line = line(&format!("playing, {{elapsed}} of {seconds}s"), 0);
    let played = recording.play(&mouth, peak(), || {
        line.tick();
        is_over()
    });
    line.finish_and_clear();
    Ok(played?)
}

/// A line on a terminal that is drawn anew; nothing elsewhere.
fn line(template: &str, steps: u64) -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let line = ProgressBar::with_draw_target(Some(steps), target);
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    line.set_style(style.progress_chars("=> "));
    line
}

fn peak() -> Dbfs {
    Dbfs::new(PEAK_DBFS).unwrap_or(Dbfs::FULL_SCALE)
}

/// Length of the bar at a level: a step a decibel.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few decibels above the begin"
)]
fn steps(dbfs: f64) -> u64 {
    (dbfs - BAR_BEGIN_DBFS) as u64
}

/// A bar of the level, and for how long the microphone has been listening.
struct Meter {
    line: ProgressBar,
    dbfs: f64,
}

impl Meter {
    /// For a recording of this length.
    fn new(seconds: u64) -> Self {
        let colors = if output::colors_wanted() { "36" } else { "" };
        let template = format!("level [{{bar:30.{colors}}}] {{msg:>8}}, {{elapsed}} of {seconds}s");
        Self {
            line: line(&template, steps(0.0)),
            dbfs: BAR_BEGIN_DBFS,
        }
    }

    fn show(&mut self, peak: Option<Dbfs>) {
        let now = peak.map_or(BAR_BEGIN_DBFS, Dbfs::as_f64);
        self.dbfs = now.max(self.dbfs - FALL_DB).clamp(BAR_BEGIN_DBFS, 0.0);
        let words = match steps(self.dbfs) {
            0 => "quiet".to_owned(),
            _ => format!("{:.0} dBFS", self.dbfs),
        };
        self.line.set_message(words);
        self.line.set_position(steps(self.dbfs));
    }

    fn finish(&self) {
        self.line.finish_and_clear();
    }
}
