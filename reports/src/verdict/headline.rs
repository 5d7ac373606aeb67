//! The answer as one sentence.

use super::parts::Parts;
use super::profile::Profile;
use super::standing::{DeviceKind, Standing};
use crate::model::verdict::{Answer, Band, Capability, CapabilityVerdict};

pub(super) fn headline(
    answer: Answer,
    capabilities: &[CapabilityVerdict],
    parts: &Parts<'_>,
    profile: &Profile,
) -> String {
    match answer {
        Answer::Ready => ready(capabilities, parts, profile),
        Answer::Limited => limited(capabilities),
        Answer::CannotJoin => cannot_join(parts),
        Answer::Undetermined if parts.is_builtin() => "Your internet connection was not tested: \
             no server was given, so only this machine was checked."
            .to_owned(),
        Answer::Undetermined => undetermined(capabilities, parts),
    }
}

fn ready(capabilities: &[CapabilityVerdict], parts: &Parts<'_>, profile: &Profile) -> String {
    let unchecked = |which: Capability| {
        let of = |c: &CapabilityVerdict| c.capability == which && c.band.is_none();
        profile.judges(which) && capabilities.iter().any(of)
    };
    let own = |kind| Standing::of(kind, parts).own_device().is_some();
    let sound = own(DeviceKind::Microphone) && own(DeviceKind::Speaker);
    let what = if sound {
        "Your microphone, your speaker and the network are"
    } else {
        "The network is"
    };
    let video = match (unchecked(Capability::See), unchecked(Capability::Show)) {
        (true, _) => "; video was not checked",
        (false, true) if own(DeviceKind::Camera) => "; your camera could not be judged",
        (false, true) => "; your camera was not checked",
        (false, false) if sound && own(DeviceKind::Camera) => {
            return "Your devices and the network are fit for the call.".to_owned();
        }
        (false, false) => "",
    };
    format!("{what} fit for talking and listening{video}.")
}

/// Names what suffers, worst first.
fn limited(capabilities: &[CapabilityVerdict]) -> String {
    let of_band = |band: Band| -> Vec<&str> {
        let hit = capabilities.iter().filter(|c| c.band == Some(band));
        hit.map(|c| doing(c.capability)).collect()
    };
    let clauses: Vec<String> = [
        (Band::Fail, "will not work"),
        (Band::Poor, "will be poor"),
        (Band::Fair, "may have trouble at times"),
    ]
    .into_iter()
    .map(|(band, outlook)| (of_band(band), outlook))
    .filter(|(what, _)| !what.is_empty())
    .map(|(what, outlook)| format!("{} {outlook}", list(&what)))
    .collect();
    format!("You can join, but {}.", clauses.join("; "))
}

fn cannot_join(parts: &Parts<'_>) -> String {
    if parts.server_vanished().is_some() {
        return "You cannot join: the server stopped answering during the check.".to_owned();
    }
    if let Some(reason) = parts.discovery.reason() {
        let why = &reason.message;
        return format!("You cannot join: the server cannot be reached ({why}).");
    }
    if parts.nothing_came_through().is_some() {
        return "You cannot join: the server answers, but no media gets through.".to_owned();
    }
    "You cannot join.".to_owned()
}

fn undetermined(capabilities: &[CapabilityVerdict], parts: &Parts<'_>) -> String {
    let missing: Vec<&str> = capabilities
        .iter()
        .filter(|c| c.required && c.band.is_none())
        .map(|c| doing(c.capability))
        .collect();
    let measured_later = !parts.throughput.is_of_earlier_version();
    let rates = parts.throughput.reason().filter(|_| measured_later);
    let mut devices = DeviceKind::ALL.into_iter();
    let device = devices.find_map(|kind| match Standing::of(kind, parts) {
        Standing::Unknown(reason) => Some(reason),
        _ => None,
    });
    let network = parts.discovery.reason().or(parts.path.reason()).or(rates);
    let reason = network.or(device);
    let why = reason.map_or(String::new(), |reason| format!(" ({})", reason.message));
    format!(
        "Cannot say whether the call will work: {} could not be judged{why}.",
        list(&missing)
    )
}

/// A capability as something one does.
fn doing(capability: Capability) -> &'static str {
    match capability {
        Capability::Join => "joining",
        Capability::Hear => "hearing others",
        Capability::Speak => "being heard",
        Capability::See => "seeing others",
        Capability::Show => "being seen",
        Capability::Share => "sharing your screen",
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list(items: &[&str]) -> String {
    match items {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
