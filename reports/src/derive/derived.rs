//! Everything that is derived, for the report.

use super::opinion::{mos_hear, mos_speak};
use super::outlook::call_outlook;
use crate::model::derived::DerivedSection;
use crate::verdict::parts::Parts;

/// What follows from what was found. Nothing, when only this machine was tested: the built-in
/// responder says nothing of a call.
pub fn derived(parts: &Parts<'_>) -> DerivedSection {
    if parts.is_builtin() {
        return DerivedSection::default();
    }
    let path = parts.path.data();
    DerivedSection {
        mos_hear: path.and_then(mos_hear),
        mos_speak: path.and_then(mos_speak),
        call: call_outlook(parts),
    }
}
