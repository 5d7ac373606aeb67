//! What this program does inside a machine: it plays devices.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::str::FromStr;

use super::{feed, tone, usb};

/// Set by the guest around this program.
const ROLE: &str = "GREENROOM_LAB_GUEST";

/// Set by the guest: where the pictures of simulated cameras are.
const FRAMES: &str = "LAB_FRAMES";

/// Inside a machine, plays the device that the arguments name, and exits; elsewhere does nothing. Call it first thing
/// in the `main` of a program that boots machines.
pub fn serve_guest() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let mut arguments = std::env::args().skip(1);
    let part = arguments.next().unwrap_or_default();
    let played = Options::parse(arguments).and_then(|options| match part.as_str() {
        "usb-camera" => usb::play_camera(&options),
        "usb-microphone" => usb::play_microphone(&options),
        "feed" => feed::play(&options),
        "tone" => tone::play(&options),
        _ => Err(format!("no device is called {part:?}")),
    });
    if let Err(error) = played {
        // Nobody is left to tell if this fails.
        let _ = writeln!(std::io::stderr(), "{part}: {error}");
        std::process::exit(1);
    }
    std::process::exit(0);
}

/// `key=value` arguments.
#[derive(Debug)]
pub(super) struct Options(BTreeMap<String, String>);

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let pairs = arguments.map(|argument| match argument.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(format!("{argument:?} is no key=value")),
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// A value, or the default if it was not given.
    pub(super) fn value<T: FromStr>(&self, key: &str, default: T) -> Result<T, String> {
        let Some(text) = self.0.get(key) else {
            return Ok(default);
        };
        let parsed = text.parse().ok();
        parsed.ok_or_else(|| format!("{key} cannot be {text:?}"))
    }

    /// Where the pictures of simulated cameras are.
    pub(super) fn frames() -> PathBuf {
        std::env::var_os(FRAMES)
            .map(PathBuf::from)
            .unwrap_or_default()
    }
}
