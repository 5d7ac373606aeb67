//! What a microphone hears, as `arecord` sees it.

use std::time::Duration;

use greenroom_lab::vm::{Machine, Output, Task};

/// Samples a second in each channel.
const RATE: u32 = 48_000;

/// More than a recording takes beyond its own length.
const LIMIT: Duration = Duration::from_secs(15);

/// A program that records the first channel of a device.
#[derive(Debug)]
pub(crate) struct Recording<'m> {
    machine: &'m Machine,
    task: Task<'m>,
}

impl<'m> Recording<'m> {
    /// Records an ALSA device, `default` or `hw:Microphone`, for this long.
    pub(crate) fn start(machine: &'m Machine, device: &str, channels: usize, seconds: u32) -> Self {
        let script = format!(
            "rm -f /mnt/share/sound; arecord -q -D {device} -t raw -f S16_LE -r {RATE} -c {channels} \
            -d {seconds} >/mnt/share/sound"
        );
        let task = machine.start(&script).unwrap();
        Self { machine, task }
    }

    /// Waits until a card records.
    pub(crate) fn flowing(self) -> Self {
        let runs = "grep -q RUNNING /proc/asound/card*/pcm*c/sub0/status";
        let waited = self.machine.wait_until("the recording", runs, LIMIT);
        waited.unwrap_or_else(|error| panic!("{error}\n{}", self.task.stderr()));
        self
    }

    /// How the program ended.
    pub(crate) fn finish(self) -> Output {
        self.task.wait(LIMIT).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Waits for the end and gives the first channel, full scale being 1.
    pub(crate) fn samples(self, channels: usize) -> Vec<f64> {
        let path = self.machine.share().join("sound");
        let output = self.finish();
        assert_eq!(output.status, 0, "{}", output.stderr);
        let bytes = std::fs::read(path).unwrap();
        let frames = bytes.chunks_exact(2 * channels);
        frames
            .map(|frame| f64::from(i16::from_le_bytes([frame[0], frame[1]])) / 32_768.0)
            .collect()
    }
}

/// Samples a second of a recording that runs: by the driver's count and the kernel's clock, from the file
/// `/proc/uptime` and then one like `/proc/asound/Loop/pcm1c/sub0/status`.
pub(crate) fn clock_hz(uptime_and_status: &str) -> f64 {
    let after = |key: &str| {
        let (_, rest) = uptime_and_status.split_once(key)?;
        rest.split_whitespace().next()?.parse::<f64>().ok()
    };
    let value = |key: &str| after(key).unwrap_or_else(|| panic!("no {key}: {uptime_and_status}"));
    value("hw_ptr      :") / (value("") - value("trigger_time:"))
}

/// Root mean square.
pub(crate) fn rms(samples: &[f64]) -> f64 {
    let squares: f64 = samples.iter().map(|sample| sample * sample).sum();
    (squares / samples.len() as f64).sqrt()
}

/// Periods a second, by where the sound crosses zero upwards.
pub(crate) fn frequency_hz(samples: &[f64]) -> f64 {
    let crossings = samples
        .windows(2)
        .filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0);
    crossings.count() as f64 * f64::from(RATE) / samples.len() as f64
}
