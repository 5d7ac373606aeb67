//! The answer as one sentence.

use super::parts::Parts;
use crate::model::verdict::{Answer, Band, Capability, CapabilityVerdict};

pub(super) fn headline(
    answer: Answer,
    capabilities: &[CapabilityVerdict],
    parts: &Parts<'_>,
) -> String {
    match answer {
        Answer::Ready => ready(capabilities),
        Answer::Limited => limited(capabilities),
        Answer::CannotJoin => cannot_join(parts),
        Answer::Undetermined if parts.is_builtin() => "Your internet connection was not tested: \
             no server was given, so only this machine was checked."
            .to_owned(),
        Answer::Undetermined => undetermined(capabilities),
    }
}

fn ready(capabilities: &[CapabilityVerdict]) -> String {
    let unchecked = capabilities
        .iter()
        .any(|c| matches!(c.capability, Capability::See | Capability::Show) && c.band.is_none());
    if unchecked {
        "The network is fit for talking and listening; video was not checked.".to_owned()
    } else {
        "The call should work.".to_owned()
    }
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
        (Band::Fair, "will not be quite good"),
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
    if parts.discovery.data().is_none() {
        return "You cannot join: the server cannot be reached.".to_owned();
    }
    if parts.nothing_came_through().is_some() {
        return "You cannot join: the server answers, but no media gets through.".to_owned();
    }
    "You cannot join.".to_owned()
}

fn undetermined(capabilities: &[CapabilityVerdict]) -> String {
    let missing: Vec<&str> = capabilities
        .iter()
        .filter(|c| c.required && c.band.is_none())
        .map(|c| doing(c.capability))
        .collect();
    format!(
        "Cannot say whether the call will work: {} could not be judged.",
        list(&missing)
    )
}

/// A capability as something one does.
pub(crate) fn doing(capability: Capability) -> &'static str {
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
fn list(items: &[&str]) -> String {
    match items {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
