//! Sound cards and their ports.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use alsa::card::Iter as Cards;
use alsa::ctl::{Ctl, DeviceIter};
use alsa::device_name::HintIter;
use alsa::{Card, Direction};

use crate::device::{DeviceInfo, DeviceKind};
use crate::selection::DeviceId;

/// One device of one card, in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Port {
    /// The card's own word for itself, `PCH`: its number changes with the order of plugging in.
    card_id: String,
    card_name: String,
    device: u32,
    device_name: String,
}

impl Port {
    /// Those of all cards. A card that does not answer is left out.
    pub(super) fn list(kind: DeviceKind) -> Vec<Self> {
        let cards = Cards::new().filter_map(Result::ok);
        cards.flat_map(|card| ports_of(card, kind)).collect()
    }

    /// As a device to choose. `plughw` converts rates and formats that the card has not.
    fn to_info(&self, kind: DeviceKind) -> DeviceInfo {
        let (card, device) = (&self.card_id, self.device);
        DeviceInfo {
            kind,
            id: DeviceId::new(format!("{}:plughw:CARD={card},DEV={device}", super::PREFIX)),
            name: self.name(),
            backend: super::NAME.to_owned(),
            is_default: false,
            is_synthetic: false,
        }
    }

    fn name(&self) -> String {
        if self.device_name.is_empty() || self.card_name.contains(&self.device_name) {
            return self.card_name.clone();
        }
        format!("{}, {}", self.card_name, self.device_name)
    }
}

/// As devices to choose. Names that several would have tell the port besides.
pub(super) fn to_infos(ports: &[Port], kind: DeviceKind) -> Vec<DeviceInfo> {
    let named = |port: &Port| {
        let mut info = port.to_info(kind);
        if ports.iter().filter(|p| p.name() == info.name).count() > 1 {
            info.name = format!("{} ({}, port {})", info.name, port.card_id, port.device);
        }
        info
    };
    ports.iter().map(named).collect()
}

fn ports_of(card: Card, kind: DeviceKind) -> Vec<Port> {
    let Ok(control) = Ctl::from_card(&card, true) else {
        return Vec::new();
    };
    let Ok(info) = control.card_info() else {
        return Vec::new();
    };
    let direction = direction_of(kind);
    let card_id = info.get_id().unwrap_or_default().to_owned();
    let card_name = info.get_name().unwrap_or_default().to_owned();
    DeviceIter::new(&control)
        .filter_map(|device| u32::try_from(device).ok())
        .filter_map(|device| {
            let info = control.pcm_info(device, 0, direction).ok()?;
            Some(Port {
                card_id: card_id.clone(),
                card_name: card_name.clone(),
                device,
                device_name: info.get_name().unwrap_or_default().to_owned(),
            })
        })
        .collect()
}

fn direction_of(kind: DeviceKind) -> Direction {
    match kind {
        DeviceKind::Microphone => Direction::Capture,
        _ => Direction::Playback,
    }
}

/// Whether the configuration names this PCM.
pub(super) fn is_configured(pcm: &str) -> bool {
    let hints = HintIter::new_str(None, "pcm").into_iter().flatten();
    let is_named = |name: Option<String>| name.as_deref() == Some(pcm);
    let is_port = place_of(pcm).is_some_and(|(card, device)| {
        let card = card_directory(&card);
        card.join(format!("pcm{device}c")).exists() || card.join(format!("pcm{device}p")).exists()
    });
    is_port || hints.map(|hint| hint.name).any(is_named)
}

/// The mixer of the card that a PCM is of.
pub(super) fn control_of(pcm: &str) -> String {
    match place_of(pcm) {
        Some((card, _)) => format!("hw:CARD={card}"),
        None => "default".to_owned(),
    }
}

/// Names under which a PCM is listed: by the card's id, or by its number.
pub(super) fn names_of(pcm: &str) -> Vec<String> {
    let mut names = vec![pcm.to_owned()];
    if let (Some((card, device)), Some((plugin, _))) = (place_of(pcm), pcm.split_once(':'))
        && let Some(number) = number_of(&card)
    {
        names.push(format!("{plugin}:CARD={number},DEV={device}"));
    }
    names
}

/// Whether the card of a PCM is still there; a PCM that names none always is.
pub(super) fn is_plugged_in(pcm: &str) -> bool {
    match place_of(pcm) {
        Some((card, _)) => card_directory(&card).exists(),
        None => true,
    }
}

/// The program that holds a PCM, where it can be told: of one that names no card, when a single
/// program holds all ports of its kind that are held.
pub(super) fn holder(pcm: &str, kind: DeviceKind) -> Option<String> {
    let letter = letter_of(kind);
    let Some((card, device)) = place_of(pcm) else {
        let cards = cards_by_number().into_iter();
        let holders = cards.flat_map(|(number, _)| holders_of(number, kind));
        let mut names: Vec<String> = holders.collect();
        names.dedup();
        return names.pop().filter(|_| names.is_empty());
    };
    holder_of(&card_directory(&card).join(format!("pcm{device}{letter}")))
}

fn holders_of(card: u32, kind: DeviceKind) -> Vec<String> {
    let ports = ports_in(card, kind).into_iter();
    ports.filter_map(|port| holder_of(&port)).collect()
}

fn holder_of(port: &Path) -> Option<String> {
    let status = fs::read_to_string(port.join("sub0/status")).ok()?;
    let owner = owner_of(&status)?;
    let name = fs::read_to_string(format!("/proc/{owner}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

/// The name of a card with ports of this kind that this user may not open, and which is therefore
/// not listed: whoever is not in the group `audio` has no sound card else, and is not told why.
pub(super) fn refused(kind: DeviceKind) -> Option<String> {
    let is_refused = |number: u32| {
        let opened = fs::File::open(format!("/dev/snd/controlC{number}"));
        opened.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    };
    let mut cards = cards_by_number().into_iter();
    let refused =
        cards.find(|(number, _)| !ports_in(*number, kind).is_empty() && is_refused(*number));
    refused.map(|(_, name)| name)
}

/// Numbers and names of the cards, which everybody may read.
fn cards_by_number() -> Vec<(u32, String)> {
    let cards = fs::read_to_string("/proc/asound/cards").unwrap_or_default();
    cards.lines().filter_map(card_of).collect()
}

/// Number and name, of a line as ` 0 [PCH            ]: HDA-Intel - HDA Intel PCH`.
fn card_of(line: &str) -> Option<(u32, String)> {
    let (number, rest) = line.trim_start().split_once(' ')?;
    let (_, names) = rest.split_once("]: ")?;
    let (_, name) = names.split_once(" - ")?;
    Some((number.parse().ok()?, name.trim().to_owned()))
}

/// The folders of a card's ports, `pcm0c`.
fn ports_in(card: u32, kind: DeviceKind) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("/proc/asound/card{card}"));
    let names = entries.into_iter().flatten().flatten();
    let paths = names.map(|entry| entry.path());
    let is_port = |path: &PathBuf| {
        let name = path.file_name().and_then(OsStr::to_str);
        name.is_some_and(|name| name.starts_with("pcm") && name.ends_with(letter_of(kind)))
    };
    paths.filter(is_port).collect()
}

/// As the kernel calls the direction.
fn letter_of(kind: DeviceKind) -> char {
    match kind {
        DeviceKind::Microphone => 'c',
        _ => 'p',
    }
}

/// Number of the process, of a text as `owner_pid   : 1234`.
fn owner_of(status: &str) -> Option<u32> {
    let lines = status.lines().filter_map(|line| line.split_once(':'));
    let mut owners = lines.filter(|(key, _)| key.trim() == "owner_pid");
    owners.next()?.1.trim().parse().ok()
}

/// Card and device of `plughw:CARD=PCH,DEV=0`.
fn place_of(pcm: &str) -> Option<(String, u32)> {
    let (_, place) = pcm.split_once(':')?;
    let mut card = None;
    let mut device = 0;
    for part in place.split(',') {
        match part.split_once('=') {
            Some(("CARD", id)) => card = Some(id.to_owned()),
            Some(("DEV", number)) => device = number.parse().ok()?,
            _ => {}
        }
    }
    // Part of a path below.
    let is_plain = |id: &String| {
        id.chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    };
    Some((card.filter(is_plain)?, device))
}

/// The kernel links a card's id to its number.
fn card_directory(id: &str) -> PathBuf {
    PathBuf::from("/proc/asound").join(id)
}

fn number_of(id: &str) -> Option<u32> {
    let link = fs::read_link(card_directory(id)).ok()?;
    link.to_str()?.strip_prefix("card")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pcm_names_its_card_and_device() {
        assert_eq!(
            place_of("plughw:CARD=PCH,DEV=3"),
            Some(("PCH".to_owned(), 3))
        );
        assert_eq!(place_of("hw:CARD=Loop"), Some(("Loop".to_owned(), 0)));
        assert_eq!(place_of("default"), None);
        assert_eq!(place_of("hw:CARD=../..,DEV=0"), None);
        assert_eq!(place_of("hw:CARD=PCH,DEV=x"), None);
    }

    #[test]
    fn a_holder_is_read_from_the_kernel_s_text() {
        let status = "state: RUNNING\nowner_pid   : 4711\ntrigger_time: 12.5\n";
        assert_eq!(owner_of(status), Some(4711));
        assert_eq!(owner_of("closed\n"), None);
    }

    #[test]
    fn cards_are_read_from_the_kernel_s_text() {
        assert_eq!(
            card_of(" 0 [PCH            ]: HDA-Intel - HDA Intel PCH"),
            Some((0, "HDA Intel PCH".to_owned()))
        );
        assert_eq!(
            card_of("                      HDA Intel PCH at 0x1 irq 3"),
            None
        );
        assert_eq!(card_of("--- no soundcards ---"), None);
    }

    #[test]
    fn a_name_says_nothing_twice() {
        let port = |card: &str, device: &str| Port {
            card_id: "X".to_owned(),
            card_name: card.to_owned(),
            device: 0,
            device_name: device.to_owned(),
        };
        assert_eq!(
            port("HDA Intel PCH", "ALC257 Analog").name(),
            "HDA Intel PCH, ALC257 Analog"
        );
        assert_eq!(port("Loopback", "Loopback").name(), "Loopback");
        assert_eq!(
            port("X", "").to_info(DeviceKind::Speaker).id,
            DeviceId::new("alsa:plughw:CARD=X,DEV=0")
        );
    }

    #[test]
    fn ports_of_one_name_are_told_from_each_other() {
        let port = |device, device_name: &str| Port {
            card_id: "Loop".to_owned(),
            card_name: "Loopback".to_owned(),
            device,
            device_name: device_name.to_owned(),
        };
        let ports = [
            port(0, "Loopback PCM"),
            port(1, "Loopback PCM"),
            port(2, "HDMI"),
        ];
        let infos = to_infos(&ports, DeviceKind::Microphone);
        let names: Vec<_> = infos.iter().map(|info| info.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "Loopback, Loopback PCM (Loop, port 0)",
                "Loopback, Loopback PCM (Loop, port 1)",
                "Loopback, HDMI"
            ]
        );
    }

    #[test]
    fn the_mixer_is_the_card_s() {
        assert_eq!(control_of("plughw:CARD=PCH,DEV=3"), "hw:CARD=PCH");
        assert_eq!(control_of("default"), "default");
    }
}
