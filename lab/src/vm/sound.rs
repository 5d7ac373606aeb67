//! A sound card whose output is its input.
//!
//! Source: the kernel's driver `snd-aloop`.

use std::time::Duration;

use super::error::MachineError;
use super::machine::Machine;
use super::task::Task;

/// How long the card may take to appear or to go.
const CHANGE_LIMIT: Duration = Duration::from_secs(10);

/// Where the card can be taken away from its driver.
const DRIVER: &str = "/sys/bus/platform/drivers/snd_aloop";

/// Makes the card's two ends the default speaker and microphone of ALSA.
const DEFAULTS: &str =
    "pcm.!default { type asym playback.pcm \"plughw:Loop,0,0\" capture.pcm \"plughw:Loop,1,0\" }
ctl.!default { type hw card Loop }";

/// The card `Loop` by the kernel's driver `snd-aloop`, the default of ALSA: what is played to `hw:Loop,0,0` is heard
/// from `hw:Loop,1,0`, sample by sample; silence, in real time, while nobody plays. Dropping it takes it away.
#[derive(Debug)]
pub struct SoundLoop<'m> {
    machine: &'m Machine,
}

impl<'m> SoundLoop<'m> {
    /// Plugs the card.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn plug(machine: &'m Machine) -> Result<Self, MachineError> {
        machine.run_ok(&format!(
            "modprobe snd-aloop id=Loop pcm_substreams=1\nprintf '%s\\n' '{DEFAULTS}' >/etc/asound.conf"
        ))?;
        let card = Self { machine };
        machine.wait_until("the sound card", "[ -e /proc/asound/Loop ]", CHANGE_LIMIT)?;
        Ok(card)
    }

    /// Plays a tone of 1 kHz in both channels until the task is dropped; `amplitude` 1 is full scale.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn play_tone(&self, amplitude: f64) -> Result<Task<'m>, MachineError> {
        let task = self.machine.start(&format!(
            "lab-guest tone amplitude={amplitude} channels=2 |
            aplay -q -D hw:Loop,0,0 -t raw -f S16_LE -r 48000 -c 2"
        ))?;
        self.machine.wait_until(
            "the tone",
            "grep -q RUNNING /proc/asound/Loop/pcm0p/sub0/status",
            CHANGE_LIMIT,
        )?;
        Ok(task)
    }

    /// Lets the microphone's clock run at this rate, in millionths of the true one: 1,001,000 is 1,000 ppm too fast.
    /// From 833,334 to 1,250,000, in steps of 10; takes effect with the next recording.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn set_clock_ppm(&self, millionths: u32) -> Result<(), MachineError> {
        // The control is the length of a period in hundred thousandths of the true one, from 80,000 to 120,000.
        let shift = 100_000_000_000 / u64::from(millionths.max(1));
        self.machine
            .run_ok(&format!(
                "amixer -q -c Loop cset iface=PCM,name='PCM Rate Shift 100000',device=1 {shift}"
            ))
            .map(drop)
    }

    /// Pulls it out.
    ///
    /// # Errors
    ///
    /// What the machine says.
    pub fn unplug(&self) -> Result<(), MachineError> {
        // The driver waits until nobody has it open, so nobody waits for the driver.
        self.machine.run_ok(&format!(
            "setsid sh -c 'echo snd_aloop.0 >{DRIVER}/unbind' >/dev/null 2>&1 &"
        ))?;
        self.machine.wait_until(
            "the end of the sound card",
            "! [ -e /proc/asound/Loop ]",
            CHANGE_LIMIT,
        )
    }
}

impl Drop for SoundLoop<'_> {
    fn drop(&mut self) {
        // It fails while a program has the card open: then the next one to plug says so.
        let _ = self
            .machine
            .run("rm -f /etc/asound.conf; modprobe -r snd-aloop");
    }
}
