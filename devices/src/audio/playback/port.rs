//! Where a back end takes what a speaker plays.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer, RingBuffer};

use super::sound::Sound;
use crate::audio::stream::control::Counters;
use crate::running::Stop;
use crate::signal::view::Format;

/// Sounds that wait to be played.
pub(super) const QUEUE: usize = 8;

/// Callbacks and events that wait for the owner: a second of 2000 a second, which a sound
/// server with small blocks makes.
const STAMPS: usize = 2048;

/// A back end's end of a playback.
#[derive(Debug)]
pub struct PlaybackPort {
    pub(in crate::audio) stop: Stop,
    pub(in crate::audio) counters: Arc<Counters>,
    pub(super) opened: SyncSender<OpenedPlayback>,
}

/// The owner's ends of the rings.
#[derive(Debug)]
pub(in crate::audio) struct OpenedPlayback {
    pub(super) format: Format,
    pub(super) queue: Producer<Queued>,
    pub(super) stamps: Consumer<Stamp>,
    pub(super) events: Consumer<SoundEvent>,
}

/// A sound with its number.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) id: u64,
    pub(super) sound: Arc<Sound>,
}

/// One callback.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) first_frame: u64,
    pub(super) at: Instant,
    /// From the callback until its first frame is heard, as the system tells.
    pub(super) latency: Duration,
}

/// What became of a sound.
#[derive(Clone, Debug)]
pub(super) enum SoundEvent {
    /// Its first sample is this frame of the stream.
    Began {
        /// Number of the sound.
        id: u64,
        /// Place in the stream.
        frame: u64,
        /// The callback that took it.
        callback: Stamp,
    },
    /// Its last sample was handed over. The sound comes back, since freeing its memory is nothing
    /// for a callback.
    Ended(Queued),
}

impl PlaybackPort {
    /// Rings for a stream of this format.
    pub(in crate::audio) fn feed(format: Format) -> (PlaybackFeed, OpenedPlayback) {
        let (queue, queued) = RingBuffer::new(QUEUE);
        let (stamps, taken_stamps) = RingBuffer::new(STAMPS);
        let (events, taken_events) = RingBuffer::new(STAMPS);
        let feed = PlaybackFeed {
            queued,
            stamps,
            events,
            playing: None,
            next_frame: 0,
        };
        let opened = OpenedPlayback {
            format,
            queue,
            stamps: taken_stamps,
            events: taken_events,
        };
        (feed, opened)
    }

    /// The speaker was opened.
    pub(in crate::audio) fn opened(&self, opened: OpenedPlayback) {
        // An owner that is gone wants none.
        let _gone = self.opened.try_send(opened);
    }
}

/// The callback's end: never blocks, locks, allocates or frees.
#[derive(Debug)]
pub(in crate::audio) struct PlaybackFeed {
    queued: Consumer<Queued>,
    stamps: Producer<Stamp>,
    events: Producer<SoundEvent>,
    /// The sound that is played, and how many of its samples were.
    playing: Option<(Queued, usize)>,
    next_frame: u64,
}

impl PlaybackFeed {
    /// Gives the next `n_frames` to `write`, which puts each on every channel. `at` is when the
    /// callback came, `latency` how long after that its first frame is heard.
    pub(in crate::audio) fn fill(
        &mut self,
        n_frames: usize,
        at: Instant,
        latency: Duration,
        mut write: impl FnMut(usize, f32),
    ) {
        let callback = Stamp {
            first_frame: self.next_frame,
            at,
            latency,
        };
        // Without room it is lost: the owner is far behind, and only the timing suffers.
        let _full = self.stamps.push(callback);
        for n in 0..n_frames {
            let sample = self.next_sample(self.next_frame + n as u64, callback);
            write(n, sample);
        }
        self.next_frame += n_frames as u64;
    }

    fn next_sample(&mut self, frame: u64, callback: Stamp) -> f32 {
        if self.playing.is_none() {
            // A sound begins only when its begin and its end can be told.
            if self.events.slots() < 2 {
                return 0.0;
            }
            let Ok(queued) = self.queued.pop() else {
                return 0.0;
            };
            let id = queued.id;
            let _room = self.events.push(SoundEvent::Began {
                id,
                frame,
                callback,
            });
            self.playing = Some((queued, 0));
        }
        let Some((queued, played)) = &mut self.playing else {
            return 0.0;
        };
        let sample = queued.sound.samples().get(*played).copied();
        *played += 1;
        if *played >= queued.sound.samples().len()
            && let Some((ended, _)) = self.playing.take()
        {
            let _room = self.events.push(SoundEvent::Ended(ended));
        }
        sample.unwrap_or(0.0)
    }
}
