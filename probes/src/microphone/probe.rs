//! Opens a microphone, listens, and ends in time whatever the sound system does.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::time::Duration;

use greenroom_devices::audio::backend::MixerState;
use greenroom_devices::audio::capture::microphone::SharedMicrophone;
use greenroom_devices::audio::catalog::{Audio, Choice};
use greenroom_devices::audio::stream::control::StreamState;
use greenroom_devices::device::DeviceKind;
use greenroom_devices::error::DeviceError;
use greenroom_devices::selection::DeviceId;
use greenroom_reports::model::microphone::MicrophoneSection;
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::report::{Mode, ProbeId};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::machine::{Facts, MicrophoneMachine};
use crate::cancel::Cancel;
use crate::emit::Emitter;

/// How long a full check listens: mains hum takes two seconds, and the first tenth is left out.
const FULL_SPAN: Duration = Duration::from_millis(2200);

/// How long a full check listens to somebody who was asked to speak: a sentence.
const SPOKEN_SPAN: Duration = Duration::from_secs(3);

/// How long a quick one listens: the clock's drift takes a second, and the level of speech as long.
const QUICK_SPAN: Duration = Duration::from_millis(1200);

/// How much longer than that it may take from the first samples on, with a device whose clock is slow or that lost samples.
const SLACK: Duration = Duration::from_millis(300);

/// Samples that pause for so long have stopped, when the time is over; as the report judges a pause.
const PAUSE: Duration = Duration::from_millis(500);

/// How often it is looked for samples.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long the mixer is waited for at the end; it was asked at the begin.
const MIXER_WAIT: Duration = Duration::from_millis(300);

/// How a microphone is listened to.
#[derive(Clone, Debug)]
pub struct MicrophoneConfig {
    /// Depth.
    pub mode: Mode,
    /// The microphones that there are.
    pub audio: Audio,
    /// The one that was chosen; `None` takes the system's default.
    pub selection: Option<DeviceId>,
    /// Somebody was asked to speak; without, no level of speech is told.
    pub asks_to_speak: bool,
}

impl Default for MicrophoneConfig {
    /// The system's default microphone, and nobody speaks.
    fn default() -> Self {
        Self {
            mode: Mode::Full,
            audio: Audio::new(),
            selection: None,
            asks_to_speak: false,
        }
    }
}

impl MicrophoneConfig {
    /// How much is recorded.
    pub fn span(&self) -> Duration {
        match self.mode {
            Mode::Quick => QUICK_SPAN,
            Mode::Full if self.asks_to_speak => SPOKEN_SPAN,
            Mode::Full => FULL_SPAN,
        }
    }
}

/// Opens a microphone as a call would, listens, and closes it again. With a device that is well it
/// takes 0.1 s longer than it records; in any case it ends after 8 s.
///
/// # Cancel safety
/// On `cancel` it returns at once with what it has; the microphone is closed right after, on a
/// thread that may block. Dropping the future does the same.
pub async fn run(
    config: &MicrophoneConfig,
    cancel: &Cancel,
    emitter: &Emitter,
) -> Outcome<MicrophoneSection> {
    let (audio, selection) = (config.audio.clone(), config.selection.clone());
    let opening = tokio::task::spawn_blocking(move || open(&audio, selection.as_ref()));
    let opened = tokio::select! {
        biased;
        () = cancel.cancelled() => return Outcome::NotRun { reason: cancel.reason() },
        opened = opening => opened,
    };
    let (choice, microphone) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => {
            return Outcome::Blocked {
                reason: error.reason(),
            };
        }
        Err(_panic) => {
            let message = "opening the microphone broke off";
            return Outcome::not_run(ReasonCode::InternalError, message);
        }
    };
    let asked = microphone.clone();
    let listening = Listening {
        config,
        cancel,
        emitter,
        choice,
        mixer: tokio::task::spawn_blocking(move || asked.mixer()),
        microphone: Closing(Some(microphone)),
    };
    listening.run().await
}

fn open(
    audio: &Audio,
    selection: Option<&DeviceId>,
) -> Result<(Choice, SharedMicrophone), DeviceError> {
    let choice = audio.resolve(DeviceKind::Microphone, selection)?;
    let microphone = audio.open_microphone(&choice.chosen.info)?;
    Ok((choice, microphone))
}

/// Closes the microphone where it may block.
struct Closing(Option<SharedMicrophone>);

impl Drop for Closing {
    fn drop(&mut self) {
        let microphone = self.0.take();
        // It ends by itself within a quarter of a second; nobody waits for it.
        let _closing = tokio::task::spawn_blocking(move || drop(microphone));
    }
}

/// How listening ended.
enum End {
    Complete,
    Cut(Reason),
}

struct Listening<'a> {
    config: &'a MicrophoneConfig,
    cancel: &'a Cancel,
    emitter: &'a Emitter,
    choice: Choice,
    mixer: JoinHandle<Option<MixerState>>,
    microphone: Closing,
}

impl Listening<'_> {
    async fn run(mut self) -> Outcome<MicrophoneSection> {
        let Some(microphone) = self.microphone.0.clone() else {
            return Outcome::not_run(ReasonCode::InternalError, "the microphone was closed");
        };
        let mut machine = MicrophoneMachine::new(microphone.format());
        let end = self.listen(&microphone, &mut machine).await;
        let mixer = if self.cancel.cause().is_some() {
            None
        } else {
            let mixer = tokio::time::timeout(MIXER_WAIT, &mut self.mixer).await;
            mixer.ok().and_then(Result::ok).flatten()
        };
        let data = machine.section(Facts {
            device: self.choice.to_report(),
            n_found: self.choice.n_devices,
            mixer,
            first_samples_after: microphone.first_samples_after(),
            stream: microphone.health(),
            asked_to_speak: self.config.asks_to_speak,
        });
        match end {
            End::Complete => Outcome::Measured { data },
            End::Cut(reason) => Outcome::Partial { data, reason },
        }
    }

    async fn listen(&self, microphone: &SharedMicrophone, machine: &mut MicrophoneMachine) -> End {
        let reader = microphone.listen();
        let span = self.config.span();
        let mut flow = Flow::new(span);
        loop {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return End::Cut(self.cancel.reason()),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            // Read before the samples, so that what came before the end is heard.
            let state = microphone.state();
            while let Some(chunk) = reader.try_next() {
                machine.push(&chunk);
                flow.push(Instant::now());
            }
            let done = machine.recorded().as_secs_f64() / span.as_secs_f64();
            self.emitter.progress(ProbeId::Microphone, done);
            let is_enough = machine.recorded() >= span / 2;
            if machine.recorded() >= span || is_enough && flow.is_slow(Instant::now()) {
                return End::Complete;
            }
            if let Some(error) = trouble(state, microphone, flow.is_late(Instant::now())) {
                return End::Cut(error.reason());
            }
        }
    }
}

/// When samples came. Until the first, the stream's own watchdog looks after it.
struct Flow {
    longest: Duration,
    first_and_last: Option<(Instant, Instant)>,
}

impl Flow {
    fn new(span: Duration) -> Self {
        Self {
            longest: span + SLACK,
            first_and_last: None,
        }
    }

    fn push(&mut self, now: Instant) {
        let first = self.first_and_last.map_or(now, |(first, _)| first);
        self.first_and_last = Some((first, now));
    }

    /// The time is over.
    fn is_late(&self, now: Instant) -> bool {
        self.first_and_last
            .is_some_and(|(first, _)| now.duration_since(first) >= self.longest)
    }

    /// It is over, and samples still come: many were lost, or the clock is slow, which their own
    /// figures tell.
    fn is_slow(&self, now: Instant) -> bool {
        let comes = |(_, last)| now.duration_since(last) < PAUSE;
        self.is_late(now) && self.first_and_last.is_some_and(comes)
    }
}

fn trouble(
    state: StreamState,
    microphone: &SharedMicrophone,
    is_late: bool,
) -> Option<DeviceError> {
    match state {
        StreamState::Ended(error) => Some(error),
        StreamState::Stalled => Some(stalled(microphone)),
        StreamState::Starting | StreamState::Running if is_late => Some(stalled(microphone)),
        StreamState::Starting | StreamState::Running => None,
    }
}

fn stalled(microphone: &SharedMicrophone) -> DeviceError {
    DeviceError::Stalled {
        device: microphone.device().name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_that_come_too_slowly_are_told_from_those_that_stopped() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut flow = Flow::new(Duration::from_secs(1));
        assert!(!flow.is_late(at(60_000)));
        flow.push(at(2_000));
        flow.push(at(3_100));
        assert!(!flow.is_late(at(3_299)) && !flow.is_slow(at(3_299)));
        assert!(flow.is_late(at(3_300)) && flow.is_slow(at(3_300)));
        // Nothing came any more.
        assert!(flow.is_late(at(3_599)) && flow.is_slow(at(3_599)));
        assert!(flow.is_late(at(3_600)) && !flow.is_slow(at(3_600)));
    }
}
