//! What is known about each finding, and how to look it up.

use super::camera::CAMERA;
use super::device::ANY_DEVICE;
use super::microphone::MICROPHONE;
use super::network::NETWORK_AND_SYSTEM;
use super::resolve::RESOLVE;
use super::speaker::SPEAKER;
use super::stun::STUN;
use super::turn::TURN;
use super::web::WEB;
use crate::model::finding::Complaint;
use crate::model::verdict::Capability;

/// What is known about a finding before it is seen.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Stable id.
    pub id: &'static str,
    /// The finding in a few words.
    pub title: &'static str,
    /// What most likely lies behind it.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// Complaints of users that it explains.
    pub complaints: &'static [Complaint],
    /// Capabilities that suffer.
    pub capabilities: &'static [Capability],
    /// Ids that this one explains when both are found; `*` at the end stands for any rest.
    pub consequences: &'static [&'static str],
}

impl Entry {
    /// The other finding may be a consequence of this one.
    pub fn explains(&self, id: &str) -> bool {
        self.id != id
            && self
                .consequences
                .iter()
                .any(|pattern| match pattern.strip_suffix('*') {
                    Some(start) => id.starts_with(start),
                    None => id == *pattern,
                })
    }
}

/// Everything that this version knows: the network and this machine before its devices.
pub fn catalog() -> impl Iterator<Item = &'static Entry> {
    [
        RESOLVE,
        WEB,
        NETWORK_AND_SYSTEM,
        TURN,
        STUN,
        ANY_DEVICE,
        MICROPHONE,
        SPEAKER,
        CAMERA,
    ]
    .into_iter()
    .flatten()
}

/// Looks up a finding by its id.
pub fn entry(id: &str) -> Option<&'static Entry> {
    catalog().find(|entry| entry.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_consequences_exist() {
        for (i, entry) in catalog().enumerate() {
            let mut before = catalog().take(i);
            assert!(before.all(|e| e.id != entry.id), "{}", entry.id);
            for pattern in entry.consequences {
                let fits = |id: &str| match pattern.strip_suffix('*') {
                    Some(start) => id.starts_with(start),
                    None => id == *pattern,
                };
                assert!(catalog().any(|e| fits(e.id)), "{pattern}");
            }
        }
    }

    #[test]
    fn texts_are_sentences() {
        for entry in catalog() {
            assert!(!entry.title.ends_with('.'), "{}", entry.id);
            assert!(
                entry.cause.ends_with('.') && entry.remedy.ends_with('.'),
                "{}",
                entry.id
            );
        }
    }
}
