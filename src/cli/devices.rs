//! `greenroom devices`: what there is, what is chosen, and what comes and goes.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Context;
use greenroom_devices::choose;
use greenroom_devices::device::{DeviceInfo, DeviceKind};
use greenroom_devices::hotplug::DeviceChange;
use greenroom_devices::list::{DeviceWatch, Listing};
use greenroom_devices::selection::{DeviceId, DeviceSelection};
use greenroom_reports::verdict::exit_code;
use serde::Serialize;

use super::args::{ChoiceArgs, DevicesArgs, DevicesCommand};
use super::output::{self, Usage};
use super::try_out;
use crate::settings::{Settings, SettingsError};

/// Lists, watches or chooses.
pub(super) fn run(args: &DevicesArgs) -> anyhow::Result<u8> {
    match &args.command {
        Some(DevicesCommand::Try(args)) => try_out::run(args),
        Some(DevicesCommand::Select { choice, clear }) => select(choice, *clear),
        None if args.watch => watch(args.json),
        None => show(args.json),
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Shown<'a> {
    devices: &'a [DeviceInfo],
    selection: &'a DeviceSelection,
    /// What could not be listed, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

fn show(json: bool) -> anyhow::Result<u8> {
    let listing = Listing::of_system();
    let selection = saved();
    if json {
        let shown = Shown {
            devices: &listing.devices,
            selection: &selection,
            problems: listing.problems.iter().map(ToString::to_string).collect(),
        };
        output::print(&format!("{}\n", serde_json::to_string_pretty(&shown)?))?;
    } else {
        output::print(&table(&listing, &selection))?;
        for problem in &listing.problems {
            output::complain(&format!("warning: {problem}"));
        }
    }
    Ok(exit_code::READY)
}

/// The selection of the settings file. One that cannot be read is told, and nothing is chosen then:
/// a check without it says more than none.
pub(super) fn saved() -> DeviceSelection {
    let settings = Settings::path().and_then(|path| Settings::load(&path));
    match settings {
        Ok(settings) => settings.devices,
        // Who has no home has chosen nothing.
        Err(SettingsError::NoFolder) => DeviceSelection::default(),
        Err(error) => {
            let error = anyhow::Error::from(error);
            output::complain(&format!("warning: no device is chosen: {error:#}"));
            DeviceSelection::default()
        }
    }
}

fn table(listing: &Listing, selection: &DeviceSelection) -> String {
    let mut text = String::new();
    for kind in DeviceKind::ALL {
        section(&mut text, listing, kind, selection.of(kind));
    }
    text.push_str("* is chosen; `greenroom devices select` chooses.\n");
    text
}

/// The devices of a kind; a synthetic one only when it is chosen.
fn section(text: &mut String, listing: &Listing, kind: DeviceKind, chosen: Option<&DeviceId>) {
    let word = kind.word();
    let _ = writeln!(text, "{}{}s", word[..1].to_uppercase(), &word[1..]);
    let synthetic = DeviceInfo::synthetic();
    let chosen_synthetic = synthetic.iter().filter(|d| chosen == Some(&d.id));
    let shown: Vec<&DeviceInfo> = listing.of(kind).chain(chosen_synthetic).collect();
    let width = shown.iter().map(|d| d.name.chars().count()).max();
    for device in &shown {
        let mark = if chosen == Some(&device.id) { '*' } else { ' ' };
        let default = if device.is_default { ", default" } else { "" };
        let _ = writeln!(
            text,
            "{mark} {:width$}  {}  ({}{default})",
            device.name,
            device.id.as_str(),
            device.backend,
            width = width.unwrap_or_default(),
        );
    }
    if let Some(gone) = chosen.filter(|id| !shown.iter().any(|d| d.id == **id)) {
        let _ = writeln!(text, "* {}  (chosen, not there)", gone.as_str());
    }
    if listing.of(kind).next().is_none() {
        let _ = writeln!(text, "  no {word} on this machine");
    }
}

/// Until a signal ends the program.
fn watch(json: bool) -> anyhow::Result<u8> {
    let mut watch = DeviceWatch::start().context("cannot watch the devices")?;
    loop {
        if let Some(change) = watch.next(Duration::from_secs(1)) {
            say(&change, json)?;
        }
    }
}

fn say(change: &DeviceChange, json: bool) -> anyhow::Result<()> {
    if json {
        return output::print(&format!("{}\n", serde_json::to_string(change)?));
    }
    let (sign, device) = match change {
        DeviceChange::Added(device) => ('+', device),
        DeviceChange::Removed(device) => ('-', device),
    };
    let kind = device.kind.word();
    output::print(&format!(
        "{sign} {kind:10}  {}  {}\n",
        device.name,
        device.id.as_str()
    ))
}

fn select(choice: &ChoiceArgs, clear: bool) -> anyhow::Result<u8> {
    let path = Settings::path()?;
    let mut settings = Settings::load(&path)?;
    if clear {
        settings.devices = DeviceSelection::default();
    } else if choice.is_empty() {
        let message = "name at least one of --camera, --microphone and --speaker, or --clear";
        return Err(Usage(message.to_owned()).into());
    }
    settings.devices = chosen(choice, settings.devices)?;
    settings.save(&path)?;
    output::print(&table(&Listing::of_system(), &settings.devices))?;
    Ok(exit_code::READY)
}

/// What the command line names, and where it names nothing, what was there before.
///
/// # Errors
///
/// A name that fits no device, or several: wrong usage.
pub(super) fn chosen(
    choice: &ChoiceArgs,
    before: DeviceSelection,
) -> anyhow::Result<DeviceSelection> {
    if choice.is_empty() {
        return Ok(before);
    }
    let listing = Listing::of_system().with_synthetic();
    let named = |kind, name: &Option<String>, before| -> anyhow::Result<Option<DeviceId>> {
        let Some(name) = name else {
            return Ok(before);
        };
        let found = choose::by_name(&listing.devices, kind, name);
        let info = found.map_err(|error| Usage(error.to_string()))?;
        Ok(Some(info.id))
    };
    Ok(DeviceSelection {
        camera: named(DeviceKind::Camera, &choice.camera, before.camera)?,
        microphone: named(
            DeviceKind::Microphone,
            &choice.microphone,
            before.microphone,
        )?,
        speaker: named(DeviceKind::Speaker, &choice.speaker, before.speaker)?,
    })
}
