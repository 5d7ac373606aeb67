//! A user's own profile: a TOML file that extends a built-in one and states only what differs.
//!
//! ```toml
//! name = "clinic"
//! extends = "default"
//! required = ["join", "hear", "speak", "see"]
//!
//! [thresholds]
//! rtt_p95_ms = { good = 250, fair = 350 }
//! ```

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::profile::{BUILT_IN_NAMES, Figure, Profile, Threshold};
use crate::model::verdict::Capability;

/// What is wrong in a profile file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
#[non_exhaustive]
pub struct ProfileError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what would be valid.
    pub message: String,
}

impl ProfileError {
    fn at(text: &str, span: Option<Range<usize>>, message: impl Into<String>) -> Self {
        let offset = span.map_or(0, |span| span.start);
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or("").chars().count() + 1,
            message: message.into(),
        }
    }
}

impl Profile {
    /// Reads a profile from TOML.
    ///
    /// `extends` names a built-in profile, `default` where it is left out; what the file does not
    /// mention is taken from there.
    ///
    /// # Errors
    ///
    /// [`ProfileError`] with line and column: no TOML, an unknown key or name, a wrong type, edges
    /// that contradict each other.
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        let file: File = toml::from_str(text)
            .map_err(|error| ProfileError::at(text, error.span(), error.message()))?;
        file.into_profile(text)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    description: Option<String>,
    extends: Option<Spanned<String>>,
    required: Option<Vec<Capability>>,
    optional: Option<Vec<Capability>>,
    #[serde(default)]
    thresholds: BTreeMap<Spanned<String>, Spanned<EdgePatch>>,
}

/// The edges that differ.
#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct EdgePatch {
    excellent: Option<f64>,
    good: Option<f64>,
    fair: Option<f64>,
    poor: Option<f64>,
}

impl File {
    fn into_profile(self, text: &str) -> Result<Profile, ProfileError> {
        let mut profile = base(text, self.extends.as_ref())?;
        if self.name.get_ref().trim().is_empty() {
            let message = "a profile needs a name";
            return Err(ProfileError::at(text, Some(self.name.span()), message));
        }
        profile.description = self
            .description
            .unwrap_or_else(|| format!("based on {}", profile.name));
        profile.name = self.name.into_inner();
        if let Some(required) = self.required {
            profile.required = required;
        }
        if let Some(optional) = self.optional {
            profile.optional = optional;
        }
        // What became required is no longer optional.
        let required = profile.required.clone();
        profile.optional.retain(|c| !required.contains(c));
        for (figure, patch) in &self.thresholds {
            patch_threshold(&mut profile, figure, patch)
                .map_err(|(span, message)| ProfileError::at(text, Some(span), message))?;
        }
        Ok(profile)
    }
}

fn base(text: &str, extends: Option<&Spanned<String>>) -> Result<Profile, ProfileError> {
    let Some(extends) = extends else {
        return Ok(Profile::default_profile());
    };
    Profile::built_in(extends.get_ref()).ok_or_else(|| {
        let name = extends.get_ref();
        let message = format!(
            "there is no profile `{name}` to extend; use one of {}",
            quoted(&BUILT_IN_NAMES)
        );
        ProfileError::at(text, Some(extends.span()), message)
    })
}

fn patch_threshold(
    profile: &mut Profile,
    name: &Spanned<String>,
    patch: &Spanned<EdgePatch>,
) -> Result<(), (Range<usize>, String)> {
    let mut threshold = known_threshold(profile, name.get_ref()).ok_or_else(|| {
        let known: Vec<&str> = figure_names().into_iter().map(|(name, _)| name).collect();
        let message = format!(
            "unknown figure `{}`, expected one of {}",
            name.get_ref(),
            quoted(&known)
        );
        (name.span(), message)
    })?;
    patch.get_ref().apply(&mut threshold);
    if !threshold.is_monotone() {
        let edges = threshold
            .edges()
            .map(|(_, edge)| edge.to_string())
            .join(", ");
        let message = format!(
            "the edges of `{}` from excellent to poor would be {edges}: they must be numbers that \
             get worse from one to the next",
            name.get_ref()
        );
        return Err((patch.span(), message));
    }
    profile.thresholds.retain(|t| t.figure != threshold.figure);
    profile.thresholds.push(threshold);
    profile.thresholds.sort_by_key(|t| t.figure);
    Ok(())
}

impl EdgePatch {
    fn apply(self, threshold: &mut Threshold) {
        let Self {
            excellent,
            good,
            fair,
            poor,
        } = self;
        threshold.excellent = excellent.unwrap_or(threshold.excellent);
        threshold.good = good.unwrap_or(threshold.good);
        threshold.fair = fair.unwrap_or(threshold.fair);
        threshold.poor = poor.unwrap_or(threshold.poor);
        "set by the profile's author".clone_into(&mut threshold.source);
    }
}

/// The threshold to patch: the profile's own, else that of `default`, which knows every figure.
fn known_threshold(profile: &Profile, name: &str) -> Option<Threshold> {
    let (_, figure) = figure_names()
        .into_iter()
        .find(|(known, _)| *known == name)?;
    profile
        .threshold(figure)
        .cloned()
        .or_else(|| Profile::default_profile().threshold(figure).cloned())
}

/// Every figure that a file may name.
fn figure_names() -> Vec<(&'static str, Figure)> {
    crate::verdict::metric::FIGURES
        .iter()
        .map(|row| (row.name, row.figure))
        .collect()
}

fn quoted(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> ProfileError {
        Profile::from_toml(text).unwrap_err()
    }

    #[test]
    fn only_what_differs_is_stated() {
        let profile = Profile::from_toml(
            "name = \"clinic\"\nextends = \"voice\"\nrequired = [\"join\"]\n\
             [thresholds]\nrtt_p95_ms = { good = 250 }\n",
        )
        .unwrap();
        assert_eq!(profile.name, "clinic");
        assert_eq!(profile.required, [Capability::Join]);
        assert_eq!(profile.good_edge(Figure::RttP95Ms), Some(250.0));
        assert_eq!(profile.good_edge(Figure::LossRatio), Some(0.01));
        assert_eq!(profile.threshold(Figure::CameraFps), None);
    }

    #[test]
    fn a_typo_in_a_key_is_pointed_at_with_what_would_be_valid() {
        let error = error("name = \"x\"\nextend = \"default\"\n");
        assert_eq!((error.line, error.column), (2, 1));
        assert!(error.message.contains("`extends`"), "{error}");
    }

    #[test]
    fn a_typo_in_a_figure_is_pointed_at() {
        let error = error("name = \"x\"\n[thresholds]\n  rtt_p96_ms = { good = 1 }\n");
        assert_eq!((error.line, error.column), (3, 3));
        assert!(error.message.contains("`rtt_p95_ms`"), "{error}");
    }

    #[test]
    fn a_typo_in_an_edge_and_in_a_capability_is_pointed_at() {
        let edge = error("name = \"x\"\n[thresholds]\nloss_ratio = { god = 0.1 }\n");
        assert_eq!((edge.line, edge.column), (3, 16));
        assert!(edge.message.contains("`good`"), "{edge}");
        let capability = error("name = \"x\"\nrequired = [\"join\", \"heer\"]\n");
        assert_eq!((capability.line, capability.column), (2, 21));
        assert!(capability.message.contains("`hear`"), "{capability}");
    }

    #[test]
    fn an_unknown_base_is_pointed_at() {
        let error = error("name = \"x\"\nextends = \"defualt\"\n");
        assert_eq!((error.line, error.column), (2, 11));
        assert!(error.message.contains("`default`, `voice`"), "{error}");
    }

    #[test]
    fn edges_that_contradict_each_other_are_refused() {
        let error = error("name = \"x\"\n[thresholds]\nloss_ratio = { good = 0.2 }\n");
        assert_eq!(error.line, 3);
        assert!(error.message.contains("0.005, 0.2, 0.03, 0.05"), "{error}");
    }

    #[test]
    fn a_number_that_is_none_is_refused() {
        let error = error("name = \"x\"\n[thresholds]\nmos = { good = nan }\n");
        assert_eq!(error.line, 3);
    }

    #[test]
    fn every_figure_can_be_named() {
        for threshold in Profile::default_profile().thresholds {
            assert!(figure_names().iter().any(|(_, f)| *f == threshold.figure));
        }
    }
}
