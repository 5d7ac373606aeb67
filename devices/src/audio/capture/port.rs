//! Where a back end puts what a microphone gives.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use rtrb::{Consumer, Producer, RingBuffer};

use crate::audio::stream::control::Counters;
use crate::running::Stop;
use crate::signal::view::Format;

/// How much sound waits for the owner, in seconds. It looks every 5 ms; on a busy machine it may be
/// held up for a tenth of a second.
const RING_SECONDS: f64 = 0.5;

/// Callbacks that wait for the owner: a second of 2000 a second, which a sound
/// server with small blocks makes.
const STAMPS: usize = 2048;

/// A back end's end of a recording.
#[derive(Debug)]
pub struct CapturePort {
    pub(in crate::audio) stop: Stop,
    pub(in crate::audio) counters: Arc<Counters>,
    pub(super) opened: SyncSender<OpenedCapture>,
}

/// The owner's ends of the rings.
#[derive(Debug)]
pub(in crate::audio) struct OpenedCapture {
    pub(super) format: Format,
    pub(super) is_resumed: bool,
    pub(super) samples: Consumer<f32>,
    pub(super) stamps: Consumer<Stamp>,
}

/// One callback.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) first_frame: u64,
    pub(super) n_frames: usize,
    pub(super) at: Instant,
}

impl CapturePort {
    /// Rings for a stream of this format: one end for the callback, the other for
    /// [`Self::opened`].
    pub(in crate::audio) fn feed(&self, format: Format) -> (CaptureFeed, OpenedCapture) {
        let channels = format.channels();
        let frames = format.rate().samples_in(RING_SECONDS);
        let (samples, taken_samples) = RingBuffer::new(frames * channels);
        let (stamps, taken_stamps) = RingBuffer::new(STAMPS);
        let feed = CaptureFeed {
            samples,
            stamps,
            counters: self.counters.clone(),
            channels,
            next_frame: 0,
        };
        let opened = OpenedCapture {
            format,
            is_resumed: false,
            samples: taken_samples,
            stamps: taken_stamps,
        };
        (feed, opened)
    }

    /// The microphone was opened, or opened once more with another buffer.
    pub(in crate::audio) fn opened(&self, opened: OpenedCapture) {
        // An owner that is gone, or has not taken the one before, wants none.
        let _gone = self.opened.try_send(opened);
    }

    /// The microphone was opened once more after the stream broke off: what came meanwhile is lost.
    pub(in crate::audio) fn resumed(&self, mut opened: OpenedCapture) {
        opened.is_resumed = true;
        self.counters.count_xrun();
        self.opened(opened);
    }
}

/// The callback's end: never blocks, locks or allocates.
#[derive(Debug)]
pub(in crate::audio) struct CaptureFeed {
    samples: Producer<f32>,
    stamps: Producer<Stamp>,
    counters: Arc<Counters>,
    channels: usize,
    next_frame: u64,
}

impl CaptureFeed {
    /// Takes what a callback brought, and when it came. What finds no room is lost and counts as an
    /// overrun.
    pub(in crate::audio) fn push(
        &mut self,
        samples: impl ExactSizeIterator<Item = f32>,
        at: Instant,
    ) {
        let n_frames = samples.len() / self.channels;
        let n_samples = n_frames * self.channels;
        let first_frame = self.next_frame;
        self.next_frame += n_frames as u64;
        let room = self.samples.slots() >= n_samples && !self.stamps.is_full();
        let (true, Ok(chunk)) = (room, self.samples.write_chunk_uninit(n_samples)) else {
            self.counters.count_xrun();
            return;
        };
        chunk.fill_from_iter(samples.take(n_samples));
        let stamp = Stamp {
            first_frame,
            n_frames,
            at,
        };
        // There is room: only this end pushes.
        let _full = self.stamps.push(stamp);
    }
}
