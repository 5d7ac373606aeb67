//! Opens a speaker and a microphone, plays, listens, and ends in time.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::time::Duration;

use greenroom_devices::audio::backend::MixerState;
use greenroom_devices::audio::capture::microphone::{MicrophoneReader, SharedMicrophone};
use greenroom_devices::audio::catalog::{Audio, Choice};
use greenroom_devices::audio::playback::sound::Sound;
use greenroom_devices::audio::playback::speaker::{SoundId, Speaker};
use greenroom_devices::audio::stream::control::StreamState;
use greenroom_devices::choose::Chosen;
use greenroom_devices::device::DeviceKind;
use greenroom_devices::error::DeviceError;
use greenroom_devices::selection::DeviceId;
use greenroom_devices::signal::acoustic_loop::chirp::Chirp;
use greenroom_reports::model::outcome::{Outcome, Reason, ReasonCode};
use greenroom_reports::model::report::{Mode, ProbeId};
use greenroom_reports::model::speaker::{AcousticLoop, SpeakerSection};
use greenroom_reports::units::{Dbfs, Millis};
use tokio::time::Instant;

use super::machine::{LONGEST, Shots, Track};
use crate::cancel::Cancel;
use crate::emit::Emitter;

/// Peak of the test sound in dBFS, never exceeded: clearly heard at a volume that is set for
/// speech, and no fright with headphones on. Every 3 dB more are as much more certainty in noise.
pub const PEAK_DBFS: f64 = -20.0;

/// How long the streams run before the first sound: a sound server sets its buffers meanwhile.
const SETTLE: Duration = Duration::from_millis(150);

/// How long both are waited for, once they are open. One that is not there yet may still come while
/// the sound is waited for; the speaker's own watchdog tells that it stalled.
const START_WAIT: Duration = Duration::from_millis(1600);

/// How often it is looked what came.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long the speaker is watched after the microphone went away: a headset that is unplugged
/// takes both along, one after the other.
const BOTH_GONE: Duration = Duration::from_millis(300);

/// Who listens to the speaker.
#[derive(Clone, Debug, Default)]
pub enum Listener {
    /// Nobody: the speaker is sounded once, and nothing is told of what comes back.
    Nobody,
    /// The system's default microphone.
    #[default]
    Default,
    /// The microphone of this id.
    Chosen(DeviceId),
    /// A microphone that is open already, by whoever.
    Open(SharedMicrophone),
}

/// How a speaker is sounded.
#[derive(Clone, Debug)]
pub struct SpeakerConfig {
    /// Depth.
    pub mode: Mode,
    /// The devices that there are.
    pub audio: Audio,
    /// The speaker that was chosen; `None` takes the system's default.
    pub selection: Option<DeviceId>,
    /// Who listens.
    pub listener: Listener,
    /// Peak of the test sound; see [`PEAK_DBFS`].
    pub peak: Dbfs,
}

impl Default for SpeakerConfig {
    /// The system's default speaker and microphone.
    fn default() -> Self {
        Self {
            mode: Mode::Full,
            audio: Audio::new(),
            selection: None,
            listener: Listener::Default,
            peak: Dbfs::new(PEAK_DBFS).unwrap_or(Dbfs::FULL_SCALE),
        }
    }
}

/// Opens a speaker as a call would, plays the test sound three times (once in a quick check), and
/// looks for it in what the microphone records at the same time.
///
/// It takes 2.5 s, quick 1.1 s; with a sound that does not come back 2.5 s, quick 1.7 s; with
/// devices that do not answer up to 12 s. Without a microphone that opens, the sound is
/// played once, and nothing is told of what comes back.
///
/// # Cancel safety
/// On `cancel` it returns at once with what it has; sound and devices end right after, on a thread
/// that may block. Dropping the future does the same.
pub async fn run(
    config: &SpeakerConfig,
    cancel: &Cancel,
    emitter: &Emitter,
) -> Outcome<SpeakerSection> {
    let asked = config.clone();
    let opening = tokio::task::spawn_blocking(move || open(&asked));
    let opened = tokio::select! {
        biased;
        () = cancel.cancelled() => return Outcome::NotRun { reason: cancel.reason() },
        opened = opening => opened,
    };
    match opened {
        Ok(Ok(opened)) => {
            let sounding = Sounding {
                config,
                cancel,
                emitter,
                opened: Closing(Some(opened)),
            };
            sounding.run().await
        }
        Ok(Err(error)) => Outcome::Blocked {
            reason: error.reason(),
        },
        Err(_panic) => {
            let message = "opening the speaker broke off";
            Outcome::not_run(ReasonCode::InternalError, message)
        }
    }
}

/// What was opened.
struct Opened {
    choice: Choice,
    speaker: Speaker,
    mixer: Option<MixerState>,
    heard_by: Option<HeardBy>,
}

struct HeardBy {
    choice: Choice,
    microphone: SharedMicrophone,
}

fn open(config: &SpeakerConfig) -> Result<Opened, DeviceError> {
    let audio = &config.audio;
    let choice = audio.resolve(DeviceKind::Speaker, config.selection.as_ref())?;
    // The microphone has its own probe, which says why it gives nothing.
    let heard_by = open_microphone(config).ok().flatten();
    let speaker = audio.open_speaker(&choice.chosen.info)?;
    let mixer = speaker.mixer();
    Ok(Opened {
        choice,
        speaker,
        mixer,
        heard_by,
    })
}

fn open_microphone(config: &SpeakerConfig) -> Result<Option<HeardBy>, DeviceError> {
    let id = match &config.listener {
        Listener::Nobody => return Ok(None),
        Listener::Open(microphone) => return Ok(Some(already_open(microphone))),
        Listener::Default => None,
        Listener::Chosen(id) => Some(id),
    };
    let choice = config.audio.resolve(DeviceKind::Microphone, id)?;
    let microphone = config.audio.open_microphone(&choice.chosen.info)?;
    Ok(Some(HeardBy { choice, microphone }))
}

fn already_open(microphone: &SharedMicrophone) -> HeardBy {
    HeardBy {
        choice: Choice {
            chosen: Chosen {
                info: microphone.device().clone(),
                fallback: None,
            },
            n_devices: 1,
        },
        microphone: microphone.clone(),
    }
}

/// Closes the devices where it may block.
struct Closing(Option<Opened>);

impl Drop for Closing {
    fn drop(&mut self) {
        let opened = self.0.take();
        // It ends by itself within half a second; nobody waits for it.
        let _closing = tokio::task::spawn_blocking(move || drop(opened));
    }
}

/// Why sounding ended early.
enum Cut {
    Cancelled,
    Speaker(DeviceError),
    /// The microphone went away, which is its own probe's to tell.
    Microphone,
}

struct Sounding<'a> {
    config: &'a SpeakerConfig,
    cancel: &'a Cancel,
    emitter: &'a Emitter,
    opened: Closing,
}

/// What came of it so far.
#[derive(Default)]
struct Heard {
    has_played: bool,
    shots: Option<Shots>,
}

impl Sounding<'_> {
    async fn run(self) -> Outcome<SpeakerSection> {
        let Some(opened) = &self.opened.0 else {
            return Outcome::not_run(ReasonCode::InternalError, "the speaker was closed");
        };
        let mut heard = Heard::default();
        let cut = match &opened.heard_by {
            Some(by) => self.with_microphone(opened, by, &mut heard).await,
            None => self.alone(opened, &mut heard).await,
        };
        let reason = match cut {
            Ok(()) | Err(Cut::Microphone) => None,
            Err(Cut::Cancelled) => Some(self.cancel.reason()),
            Err(Cut::Speaker(error)) => Some(error.reason()),
        };
        self.conclude(opened, &heard, reason)
    }

    fn conclude(
        &self,
        opened: &Opened,
        heard: &Heard,
        reason: Option<Reason>,
    ) -> Outcome<SpeakerSection> {
        let (speaker, format) = (&opened.speaker, opened.speaker.format());
        let shots = heard.shots.as_ref().zip(opened.heard_by.as_ref());
        let data = SpeakerSection {
            device: opened.choice.to_report(),
            speakers_found: opened.choice.n_devices as u64,
            sample_rate_hz: format.rate().get(),
            channels: u16::try_from(format.channels()).unwrap_or(u16::MAX),
            mixer: opened.mixer.map(MixerState::to_report),
            played_peak_dbfs: heard.has_played.then_some(self.config.peak),
            stream: speaker.health(),
            first_callback_ms: speaker.first_callback_after().map(Millis::from),
            acoustic_loop: shots.map(|(shots, by)| AcousticLoop {
                microphone: by.choice.to_report(),
                shots: shots.n_done() as u64,
                result: shots.result(),
            }),
        };
        match reason {
            None => Outcome::Measured { data },
            Some(reason) => Outcome::Partial { data, reason },
        }
    }

    /// Sounds the speaker once.
    async fn alone(&self, opened: &Opened, heard: &mut Heard) -> Result<(), Cut> {
        let speaker = &opened.speaker;
        self.settle(speaker, None).await?;
        let chirp = Chirp::new(speaker.format().rate(), self.config.peak);
        let Some(sound) = self.play(speaker, chirp) else {
            return Ok(());
        };
        let until = Instant::now() + LONGEST;
        while Instant::now() < until {
            self.look(speaker).await?;
            if let Some(played) = speaker.played(sound) {
                heard.has_played = true;
                if played.has_ended {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn with_microphone(
        &self,
        opened: &Opened,
        by: &HeardBy,
        heard: &mut Heard,
    ) -> Result<(), Cut> {
        let speaker = &opened.speaker;
        self.settle(speaker, Some(&by.microphone)).await?;
        let recorded = by.microphone.format();
        let rates = (speaker.format().rate(), recorded.rate());
        let (played, searched) = Chirp::pair(rates.0, rates.1, self.config.peak);
        let is_quick = self.config.mode == Mode::Quick;
        // Made while nothing is recorded yet: it takes some milliseconds.
        let Some(mut shots) = Shots::new(searched, recorded, is_quick) else {
            return self.alone(opened, heard).await;
        };
        let mut ear = Ear {
            reader: by.microphone.listen(),
            track: Track::new(recorded),
            until: Instant::now() + LONGEST,
        };
        let mut end = Ok(());
        while !shots.are_done() && end.is_ok() && Instant::now() < ear.until {
            self.emitter.progress(ProbeId::Speaker, shots.progress());
            let shot = self.shoot(speaker, &by.microphone, played, &mut ear, shots);
            (shots, end) = shot.await;
            heard.has_played |= shots.n_done() > 0;
        }
        heard.shots = Some(shots);
        end
    }

    /// One sound, played and searched for.
    async fn shoot(
        &self,
        speaker: &Speaker,
        microphone: &SharedMicrophone,
        chirp: Chirp,
        ear: &mut Ear,
        mut shots: Shots,
    ) -> (Shots, Result<(), Cut>) {
        let Some(sound) = self.play(speaker, chirp) else {
            return (shots, Err(Cut::Microphone));
        };
        loop {
            let n_samples = shots.n_samples();
            let recording = match self
                .record(speaker, microphone, sound, ear, n_samples)
                .await
            {
                Ok(Some(recording)) => recording,
                Ok(None) => return (shots, Ok(())),
                Err(cut) => return (shots, Err(cut)),
            };
            let search = tokio::task::spawn_blocking(move || {
                let is_taken = shots.take(&recording);
                (shots, is_taken)
            });
            let (searched, is_taken) = match search.await {
                Ok(searched) => searched,
                // Searching does not panic on any samples; a defect goes up.
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            };
            shots = searched;
            if is_taken {
                return (shots, Ok(()));
            }
        }
    }

    /// The recording from the sound's begin on; `None` when the time is over.
    async fn record(
        &self,
        speaker: &Speaker,
        microphone: &SharedMicrophone,
        sound: SoundId,
        ear: &mut Ear,
        n_samples: usize,
    ) -> Result<Option<Vec<f32>>, Cut> {
        while Instant::now() < ear.until {
            self.look(speaker).await?;
            let state = microphone.state();
            ear.take();
            let played = speaker.played(sound);
            let part = played.and_then(|played| ear.track.since(played.handed_at, n_samples));
            if part.is_some() {
                return Ok(part);
            }
            if matches!(state, StreamState::Ended(_) | StreamState::Stalled) {
                self.watch(speaker, BOTH_GONE).await?;
                return Err(Cut::Microphone);
            }
        }
        Ok(None)
    }

    /// Waits until both run, and a little longer.
    async fn settle(
        &self,
        speaker: &Speaker,
        microphone: Option<&SharedMicrophone>,
    ) -> Result<(), Cut> {
        let until = Instant::now() + START_WAIT;
        let starts = |state: StreamState| state == StreamState::Starting;
        while Instant::now() < until
            && (starts(speaker.state()) || microphone.is_some_and(|m| starts(m.state())))
        {
            self.look(speaker).await?;
        }
        self.watch(speaker, SETTLE).await
    }

    async fn watch(&self, speaker: &Speaker, span: Duration) -> Result<(), Cut> {
        let until = Instant::now() + span;
        while Instant::now() < until {
            self.look(speaker).await?;
        }
        Ok(())
    }

    fn play(&self, speaker: &Speaker, chirp: Chirp) -> Option<SoundId> {
        let rate = speaker.format().rate();
        speaker.play(Sound::new(rate, chirp.samples(), self.config.peak))
    }

    /// Waits a little; tells when the speaker is in trouble or somebody cancels.
    async fn look(&self, speaker: &Speaker) -> Result<(), Cut> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Err(Cut::Cancelled),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        match speaker.state() {
            StreamState::Ended(error) => Err(Cut::Speaker(error)),
            StreamState::Stalled => Err(Cut::Speaker(DeviceError::Stalled {
                device: speaker.device().name.clone(),
            })),
            StreamState::Starting | StreamState::Running => Ok(()),
        }
    }
}

/// What the microphone hears while sounds are played.
struct Ear {
    reader: MicrophoneReader,
    track: Track,
    until: Instant,
}

impl Ear {
    fn take(&mut self) {
        while let Some(chunk) = self.reader.try_next() {
            self.track.push(&chunk);
        }
    }
}
