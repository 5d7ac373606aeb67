//! Streams of a sound server.
//!
//! They are made here and not by cpal, whose streams ask the server for its latency after every
//! callback (thousands of times a second with small blocks), make it run its sink with the least
//! latency that there is, may be moved to another device without a word, and wait for good for a
//! server that hangs.
#![expect(clippy::disallowed_methods, reason = "driver: owns the clock")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pulseaudio::protocol::stream::{BufferAttr, StreamFlags};
use pulseaudio::protocol::{
    PlaybackLatency, PlaybackStreamParams, RecordStreamParams, SampleFormat, SampleSpec,
};
use pulseaudio::{AsPlaybackSource, Client, ClientError};

use super::connection::{NoAnswer, new_client};
use super::node::Node;
use super::wait::wait;
use crate::audio::capture::port::CapturePort;
use crate::audio::playback::port::PlaybackPort;
use crate::audio::stream::control::Counters;
use crate::running::Stop;
use crate::signal::view::Format;

/// How long making a stream may take. A Bluetooth headset that changes its profile takes most of a
/// second.
const MAKE_TIMEOUT: Duration = Duration::from_millis(1300);

/// How often a stream is looked after, and how long the server may take to tell how it is.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOK_TIMEOUT: Duration = Duration::from_millis(100);

/// Length of what is recorded at once, in frames a second.
const FRAGMENTS_A_SECOND: u32 = 100;

/// What is asked for at once, and what the server holds in all: the device gets half of what is
/// left when two requests are taken off, 20 ms, which is what programs for calls ask for.
const REQUESTS_A_SECOND: u32 = 100;
const REQUESTS_HELD: u32 = 6;

/// Bytes of a sample in single precision.
const SAMPLE_BYTES: usize = 4;

/// Records from a node until the port is stopped; why it broke off. `is_resumed` tells that this is
/// not the first time.
pub(super) fn record(node: &Node, port: &CapturePort, is_resumed: bool) -> Result<(), NoAnswer> {
    let format = node.format()?;
    let (mut feed, opened) = port.feed(format);
    let params = RecordStreamParams {
        sample_spec: spec_of(format),
        channel_map: node.channel_map(format),
        source_index: Some(node.index),
        buffer_attr: BufferAttr {
            max_length: u32::MAX,
            fragment_size: bytes(format, FRAGMENTS_A_SECOND),
            ..BufferAttr::default()
        },
        flags: flags(),
        ..RecordStreamParams::default()
    };
    let callback = move |bytes: &[u8]| {
        let samples = bytes.chunks_exact(SAMPLE_BYTES).map(from_bytes);
        feed.push(samples, Instant::now());
    };
    let client = new_client()?;
    let made = wait(client.create_record_stream(params, callback), MAKE_TIMEOUT);
    let stream = made.ok_or(NoAnswer::Silent)??;
    let_go(client);
    if is_resumed {
        port.resumed(opened);
    } else {
        port.opened(opened);
    }
    loop {
        if port.stop.wait(LOOK_EVERY) {
            return Ok(());
        }
        if let Some(timing) = wait(stream.timing_info(), LOOK_TIMEOUT) {
            timing?;
        }
    }
}

/// Plays into a node until the port is stopped; why it broke off.
pub(super) fn play(node: &Node, port: &PlaybackPort) -> Result<(), NoAnswer> {
    let format = node.format()?;
    let (mut feed, opened) = PlaybackPort::feed(format);
    let request = bytes(format, REQUESTS_A_SECOND);
    let params = PlaybackStreamParams {
        sample_spec: spec_of(format),
        channel_map: node.channel_map(format),
        sink_index: Some(node.index),
        buffer_attr: BufferAttr {
            max_length: u32::MAX,
            target_length: request * REQUESTS_HELD,
            // Nothing to wait for: a gap is silence, and what comes after it comes in time.
            pre_buffering: 0,
            minimum_request_length: request,
            ..BufferAttr::default()
        },
        flags: flags(),
        ..PlaybackStreamParams::default()
    };
    let latency = Arc::new(AtomicU64::new(0));
    let known = latency.clone();
    let frame_bytes = format.channels() * SAMPLE_BYTES;
    let callback = move |bytes: &mut [u8]| {
        let latency = Duration::from_micros(known.load(Ordering::Relaxed));
        let n_frames = bytes.len() / frame_bytes;
        feed.fill(n_frames, Instant::now(), latency, |frame, sample| {
            let begin = frame * frame_bytes;
            for slot in bytes[begin..begin + frame_bytes].chunks_exact_mut(SAMPLE_BYTES) {
                slot.copy_from_slice(&sample.to_le_bytes());
            }
        });
        bytes.len()
    };
    let client = new_client()?;
    let making = client.create_playback_stream(params, callback.as_playback_source());
    let stream = wait(making, MAKE_TIMEOUT).ok_or(NoAnswer::Silent)??;
    let_go(client);
    port.opened(opened);
    let mut gaps = Gaps::default();
    loop {
        if let Some(timing) = wait(stream.timing_info(), LOOK_TIMEOUT) {
            let timing = timing?;
            latency.store(latency_of(&timing, format), Ordering::Relaxed);
            gaps.look(&timing, &port.counters);
        }
        if has_to_stop(&port.stop) {
            return Ok(());
        }
    }
}

fn has_to_stop(stop: &Stop) -> bool {
    stop.wait(LOOK_EVERY)
}

/// The client ends only when the last answer, which is to the end of its stream, finds no handle of
/// it but the stream's own.
fn let_go(client: Client) {
    drop(client);
}

fn spec_of(format: Format) -> SampleSpec {
    SampleSpec {
        format: SampleFormat::Float32Le,
        channels: u8::try_from(format.channels()).unwrap_or(u8::MAX),
        sample_rate: format.rate().get(),
    }
}

/// Not to be moved: a stream whose device goes away ends with it.
fn flags() -> StreamFlags {
    StreamFlags {
        no_move: true,
        adjust_latency: true,
        ..StreamFlags::default()
    }
}

/// Bytes of one part of a second.
fn bytes(format: Format, parts_a_second: u32) -> u32 {
    let frames = format.rate().get() / parts_a_second;
    let frame_bytes = format.channels() * SAMPLE_BYTES;
    frames * u32::try_from(frame_bytes).unwrap_or(u32::MAX)
}

fn from_bytes(bytes: &[u8]) -> f32 {
    // The pieces have this length; a shorter one would be silence.
    f32::from_le_bytes(bytes.try_into().unwrap_or_default())
}

/// Microseconds until what is handed over now is heard.
fn latency_of(timing: &PlaybackLatency, format: Format) -> u64 {
    let queued = timing.write_offset.saturating_sub(timing.read_offset);
    let a_second = u64::from(bytes(format, 1)).max(1);
    let queued = u64::try_from(queued).unwrap_or(0) * 1_000_000 / a_second;
    timing.sink_usec.saturating_add(queued)
}

/// Counts gaps in what is played: the server tells for how long it has been playing without one.
#[derive(Debug, Default)]
struct Gaps {
    playing_for: u64,
}

impl Gaps {
    fn look(&mut self, timing: &PlaybackLatency, counters: &Counters) {
        if timing.playing_for < self.playing_for {
            counters.count_xrun();
        }
        self.playing_for = timing.playing_for;
    }
}

impl From<ClientError> for NoAnswer {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::ServerUnavailable | ClientError::Disconnected => Self::Absent,
            ClientError::Io(error) => error.into(),
            ClientError::Protocol(error) => error.into(),
            ClientError::ServerError(error) => Self::from_server(error),
            ClientError::UnexpectedSequenceNumber => {
                Self::Other("its answers are out of order".to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::signal::view::SampleRate;

    fn timing(playing_for: u64) -> PlaybackLatency {
        PlaybackLatency {
            sink_usec: 20_000,
            source_usec: 0,
            playing: true,
            local_time: SystemTime::UNIX_EPOCH,
            remote_time: SystemTime::UNIX_EPOCH,
            write_offset: 7_680,
            read_offset: 3_840,
            underrun_for: 0,
            playing_for,
        }
    }

    #[test]
    fn what_waits_and_what_the_device_holds_make_the_latency() {
        let format = Format::new(SampleRate::new(48_000).unwrap(), 2).unwrap();
        assert_eq!(bytes(format, 100), 3_840);
        assert_eq!(latency_of(&timing(0), format), 30_000);
    }

    #[test]
    fn playing_anew_is_a_gap() {
        let counters = Counters::default();
        let mut gaps = Gaps::default();
        for playing_for in [0, 3_840, 7_680, 0, 0, 3_840, 1_920] {
            gaps.look(&timing(playing_for), &counters);
        }
        assert_eq!(counters.xruns(), 2);
    }

    #[test]
    fn samples_come_from_their_bytes() {
        assert_eq!(
            from_bytes(&0.5_f32.to_le_bytes()).to_bits(),
            0.5_f32.to_bits()
        );
        assert_eq!(from_bytes(&[1]).to_bits(), 0);
    }
}
