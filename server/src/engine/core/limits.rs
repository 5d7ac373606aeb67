//! Whether what a client says about itself is short enough, and comes slowly enough.

use std::{collections::HashMap, time::Instant};

use crate::engine::config::EngineLimits;

/// Why a name, metadata or attributes are refused.
pub(super) fn check_text(
    limits: &EngineLimits,
    name: &str,
    metadata: &str,
    attributes: &HashMap<String, String>,
) -> Result<(), String> {
    if name.chars().count() > limits.max_name_chars {
        return Err(format!(
            "the name is longer than {} characters",
            limits.max_name_chars
        ));
    }
    if metadata.len() > limits.max_metadata_bytes {
        return Err(format!(
            "the metadata is longer than {} bytes",
            limits.max_metadata_bytes
        ));
    }
    let bytes: usize = attributes
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if bytes > limits.max_attributes_bytes {
        return Err(format!(
            "the attributes are longer than {} bytes together",
            limits.max_attributes_bytes
        ));
    }
    Ok(())
}

/// `attributes` with the changes: an empty value takes an attribute away.
pub(super) fn merged(
    attributes: &HashMap<String, String>,
    changes: &HashMap<String, String>,
) -> HashMap<String, String> {
    let mut merged = attributes.clone();
    merged.extend(changes.clone());
    merged.retain(|_, value| !value.is_empty());
    merged
}

/// A bucket of messages that fills with time.
#[derive(Debug)]
pub(super) struct Budget {
    messages: f64,
    at: Instant,
}

/// Seconds of messages that may come at once.
const BURST_SECONDS: f64 = 10.0;

impl Budget {
    pub(super) fn full(limits: &EngineLimits, now: Instant) -> Self {
        Self {
            messages: BURST_SECONDS * f64::from(limits.max_messages_per_second),
            at: now,
        }
    }

    /// Takes what a message costs, if that much is left.
    pub(super) fn take(&mut self, cost: u32, limits: &EngineLimits, now: Instant) -> bool {
        let cost = f64::from(cost);
        let rate = f64::from(limits.max_messages_per_second);
        let grown = now.saturating_duration_since(self.at).as_secs_f64() * rate;
        self.at = now;
        self.messages = (self.messages + grown).min(BURST_SECONDS * rate);
        if self.messages < cost {
            return false;
        }
        self.messages -= cost;
        true
    }
}
